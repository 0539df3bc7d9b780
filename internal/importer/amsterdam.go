package importer

import (
	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// sensor imports a record of Amsterdam's sensor register: one deployment, because
// each record has a goal, an owner and an end of its own. The record stands in
// feature.properties.originalData, and again, reshaped for a map, around it.
func (im *importer) sensor(rec *record) error {
	r, ok := im.begin(rec)
	if !ok {
		return nil
	}
	r.lang = "nl"
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_SENSOR_NETWORK)
	data := &record{vals: map[string]any{}}
	if p := rec.object("feature").child("properties"); p != nil {
		data = p
		if original := p.child("originalData"); original != nil {
			data = original
		}
	}
	r.rec = merge(rec, data)
	reference := r.value("reference", "source_id")
	as := im.opt.As
	if as == "" {
		as = "sensor"
	}
	kind := r.value("sensorType", "deployment.tech")
	organisation, _ := clean(rec.text("organisation"), false)
	nick := reference
	if nick == "" {
		nick = organisation + " " + kind
	}
	if !r.claim(reference, as, nick) {
		return nil
	}
	if kind != "" {
		r.unknown("sensorType", "deployment.tech", "the register's kinds of sensor are wider than the vocabulary's technologies")
		name := kind
		if organisation != "" {
			name += ", " + organisation
		}
		short, _ := shorten(name, maxName)
		r.dep.Name = r.local(short)
		r.confirm("sensorType", "deployment.name", "the register gives no name: made of the kind of sensor and the organisation's name")
	}
	stream := r.words("datastream", "deployment.summary")
	if r.summary("datastream", stream) {
		stream = ""
	}
	goal := r.words("observation_goal", "deployment.purpose_text")
	r.dep.PurposeText = r.longText("observation_goal", "deployment.purpose_text", paragraphs(stream, goal))
	r.accountable("organisation", "NL")
	r.dep.EndsOn = r.date("active_until", "deployment.ends_on")
	r.sensorPlace()
	if u := r.url("privacy_declaration", "attachments"); u != "" {
		r.d.Body.Attachments = append(r.d.Body.Attachments, &declarationv1.Attachment{Title: ptr("Privacyverklaring"), Url: &u})
	}
	r.sensorPersonal()
	r.noField("legal_ground", "data_use.legal_basis")
	r.noField("themes", "deployment.purpose")
	if o := data.child("owner"); o != nil && (o.text("name") != "" || o.text("email") != "") {
		r.problem("owner", "", "name and address of a contact person are left out: no personal data belongs in a log")
	}
	im.add(r.d)
	return nil
}

// sensorPersonal notes what the record says of personal data.
func (r *row) sensorPersonal() {
	const column, field = "containsPiData", "deployment.data_uses"
	switch r.value(column, field) {
	case "":
	case "true":
		r.unknown(column, field, "the register says that personal data are processed, not which: add the data use")
	case "false":
		r.unknown(column, field, "the register says that no personal data are processed, not why: add the exemption with its reason")
	default:
		r.unknown(column, field, whyUnlisted)
	}
}

// sensorPlace makes the sites: a point, and for a mobile sensor its regions.
func (r *row) sensorPlace() {
	const field = "deployment.sites"
	site := &declarationv1.Site{}
	if place := r.rec.object("location"); place != nil {
		p, err := point(place.text("latitude"), place.text("longitude"))
		if err != nil {
			value := place.text("latitude") + ", " + place.text("longitude")
			r.unknownValue("location", value, field, "not taken as a place: "+err.Error())
			r.problem("location", value, "not taken as a place: "+err.Error())
		}
		site.Point = p
	}
	site.Label = r.label("location_description", r.optional([]string{"location_description"}))
	if site.Point != nil || site.Label != nil {
		r.dep.Sites = append(r.dep.Sites, site)
	}
	regions, _ := r.rec.vals["regions"].([]any)
	for _, region := range regions {
		name, _ := clean(textOf(region), false)
		if o, ok := region.(*record); ok {
			name, _ = clean(o.text("name"), false)
		}
		if name != "" && len(r.dep.Sites) < maxSites {
			r.dep.Sites = append(r.dep.Sites, &declarationv1.Site{Label: r.label("regions", name), Mobile: ptr(true)})
		}
	}
}

// child is object for a record that may be nil.
func (r *record) child(column string) *record {
	if r == nil {
		return nil
	}
	return r.object(column)
}

// merge lays the inner record under the outer one: what both have, the outer says.
func merge(outer, inner *record) *record {
	m := &record{num: outer.num, line: outer.line, vals: map[string]any{}}
	for _, r := range []*record{outer, inner} {
		for _, key := range r.keys {
			if !m.has(key) {
				m.keys, m.vals[key] = append(m.keys, key), r.vals[key]
			}
		}
	}
	return m
}
