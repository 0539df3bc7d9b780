package importer

import (
	"fmt"
	"regexp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// Transparency portals of Flock Safety, a vendor of licence plate readers: one row
// for each agency, as collected from transparency.flocksafety.com.
func flockFormat() Format {
	return Format{
		Name:   "flock-portal",
		Title:  "Flock Safety transparency portals (licence plate readers)",
		Files:  "CSV with the columns agency, url, data_retention_in_days",
		run:    importFlock,
		orgs:   []string{"agency"},
		lang:   "en",
		source: "flock-portal",
		known: []string{
			"id", "agency", "updated", "accessed", "url", "data_retention_in_days", "number_of_owned_cameras",
			"external_organizations_with_access", "hotlists_alerted_on", "vehicles_detected_in_the_last_30_days",
			"hotlist_hits_in_the_last_30_days", "searches_in_the_last_30_days", "public_search_audit",
			"whats_detected", "whats_not_detected", "acceptable_use_policy", "prohibited_uses", "access_policy", "hotlist_policy",
		},
	}
}

const (
	maxRecipients    = 200
	maxProhibited    = 1000 // characters
	flockHost        = "https://transparency.flocksafety.com/"
	flockVendor      = "Flock Safety"
	flockAccess      = "external_organizations_with_access"
	flockAccessField = "data_use.recipients"
)

func importFlock(im *importer, data []byte) error {
	return eachCSV(data, []string{"agency", "url", "data_retention_in_days"}, func(rec *record) error {
		return im.flock(rec)
	})
}

func (im *importer) flock(rec *record) error {
	r, ok := im.begin(rec)
	if !ok {
		return nil
	}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_CAMERA_SYSTEM)
	page := r.importedFrom()
	agency, _ := clean(rec.text("agency"), false)
	id := lastSegment(page)
	nick := id
	if nick == "" {
		nick = agency
	}
	if !r.claim(id, "flock", nick) {
		return nil
	}
	if d, err := date(rec.text("accessed")); err == nil {
		r.d.EffectiveOn = d
	}
	r.accountable("agency", im.opt.Country)
	if strings.HasPrefix(page, flockHost) {
		r.party("url", flockVendor, declarationv1.PartyRole_PARTY_ROLE_VENDOR, "")
	}
	if page != "" {
		r.dep.PublicPage = &page
	}
	if agency != "" {
		name, _ := shorten("Licence plate readers: "+agency, maxName)
		r.dep.Name = r.local(name)
		r.confirm("agency", "deployment.name", "the portal gives no name: made of the agency's")
	}
	r.dep.Capabilities = []*declarationv1.Term{localTerm("licence_plate_recognition")}
	if s := r.value("number_of_owned_cameras", "deployment.units"); s != "" {
		if n, err := count(s); err != nil {
			r.unknown("number_of_owned_cameras", "deployment.units", "not taken as a number of cameras: "+err.Error())
		} else {
			r.dep.Units = &n
		}
	}
	r.noField("whats_detected", "data_use.categories")
	r.noField("whats_not_detected", "data_use.summary")
	r.noField("acceptable_use_policy", "data_use.purposes")
	r.noField("access_policy", "data_use.recipients")
	r.noField("hotlists_alerted_on", "deployment.purpose_text")
	r.noField("hotlist_policy", "deployment.purpose_text")
	return r.flockData(agency)
}

func localTerm(code string) *declarationv1.Term {
	return &declarationv1.Term{Scheme: ptr(declarationv1.Scheme_SCHEME_LOCAL), Code: &code}
}

// flockData makes the draft of the data use: the licence plates.
func (r *row) flockData(agency string) error {
	im, deployment := r.im, r.d
	use := &declarationv1.DataUse{
		Categories: []*declarationv1.Term{{Scheme: ptr(declarationv1.Scheme_SCHEME_DPV_PD), Code: ptr("VehicleLicense")}},
	}
	data := &row{im: im, rec: r.rec, id: r.id, lang: r.lang, d: im.newDraft(r.lang)}
	data.d.EffectiveOn = deployment.EffectiveOn
	data.d.Body.Record = &declarationv1.Body_DataUse{DataUse: use}
	data.d.Body.SourceId = deployment.Body.SourceId
	data.d.Body.ImportedFrom = deployment.Body.ImportedFrom
	data.d.Body.Nickname = ptr(im.nickname(deployment.Body.GetNickname(), "data"))
	r.dep.DataUses = []string{data.d.Body.GetNickname()}
	if agency != "" {
		name, _ := shorten("Licence plate reads: "+agency, maxName)
		use.Name = data.local(name)
		data.confirm("agency", "data_use.name", "the portal gives no name: made of the agency's")
	}
	data.flockRetention(use)
	if text := data.words("prohibited_uses", "data_use.prohibited_uses"); text != "" {
		short, cut := shorten(text, maxProhibited)
		if cut {
			data.confirm("prohibited_uses", "data_use.prohibited_uses", "longer than 1,000 characters: the end is left out")
			data.problem("prohibited_uses", text, "longer than 1,000 characters: the end is left out")
		}
		use.ProhibitedUses = []*declarationv1.LocalizedText{data.local(short)}
	}
	if err := data.flockRecipients(use); err != nil {
		return err
	}
	im.add(deployment)
	im.add(data.d)
	return nil
}

// splitNames splits a list of names at its commas, but not inside parentheses:
// "A (closed, see B), C" is two. What is not said twice can't be told from a name
// with a comma; FORMAT.md says so.
func splitNames(s string) []string {
	balanced := strings.Count(s, "(") == strings.Count(s, ")")
	depth := 0
	parts := strings.FieldsFunc(s, func(c rune) bool {
		switch {
		case c == '(' && balanced:
			depth++
		case c == ')' && balanced:
			depth--
		}
		return c == ',' && depth == 0
	})
	names := parts[:0]
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			names = append(names, p)
		}
	}
	return names
}

func (r *row) flockRetention(use *declarationv1.DataUse) {
	const column, field = "data_retention_in_days", "data_use.retention"
	s := r.value(column, field)
	if s == "" {
		return
	}
	n, err := days(s)
	if err != nil {
		r.unknown(column, field, "not taken as a retention: "+err.Error())
		return
	}
	r.confirm(column, field, "the portal doesn't say what is kept so long: named \"data of the portal\"")
	use.Retention = []*declarationv1.Retention{{
		What:     r.local("data of the portal"),
		Mode:     ptr(declarationv1.RetentionMode_RETENTION_MODE_FIXED),
		Duration: ptr(fmt.Sprintf("P%dD", n)),
	}}
}

var onlyNumber = regexp.MustCompile(`^[0-9., ]+$`)

// flockRecipients lists the organisations with access. A record holds 200; of a
// longer list the first 200 are recipients, and the whole list is an attachment.
func (r *row) flockRecipients(use *declarationv1.DataUse) error {
	text := r.value(flockAccess, flockAccessField)
	if text == "" {
		return nil
	}
	if onlyNumber.MatchString(text) {
		r.unknown(flockAccess, flockAccessField, "a number of organisations instead of their names")
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for _, name := range splitNames(text) {
		switch {
		case seen[name]:
			r.problem(flockAccess, name, "listed again: taken once (or its name holds a comma, and was cut there)")
		default:
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, name := range names[:min(len(names), maxRecipients)] {
		short, cut := shorten(name, maxParty)
		if cut {
			r.problem(flockAccess, name, "the name is longer than 200 characters: shortened")
		}
		use.Recipients = append(use.Recipients, &declarationv1.Recipient{Party: &declarationv1.Party{
			Name: &short, Role: ptr(declarationv1.PartyRole_PARTY_ROLE_THIRD_PARTY)}})
	}
	if len(names) <= maxRecipients {
		return nil
	}
	why := fmt.Sprintf("%d organisations have access, and a record lists %d: the first %d are recipients, all are in the attachment", len(names), maxRecipients, maxRecipients)
	r.unknownValue(flockAccess, fmt.Sprint(len(names)), flockAccessField, "more than a record lists: the first 200 are recipients, all are in the attachment")
	r.problem(flockAccess, "", why)
	return r.attach(r.d.Body.GetNickname()+"-recipients.txt", "text/plain",
		fmt.Sprintf("All %d organisations with access", len(names)), []byte(strings.Join(names, "\n")+"\n"))
}
