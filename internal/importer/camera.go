package importer

import (
	"cmp"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// maxSites of a deployment; more go into an attachment.
const maxSites = 2000

// cameraColumns are the names under which lists give a camera's place, id and so
// on, in the order in which they are asked. A list with two latitudes or longitudes
// is refused: which is meant would be a guess.
var cameraColumns = struct{ latitude, longitude, label, id, owner, network, purpose []string }{
	latitude:  []string{"latitude", "lat"},
	longitude: []string{"longitude", "lng", "lon", "long"},
	label:     []string{"location", "label", "name", "address"},
	id:        []string{"camera_number", "camera_id", "id"},
	owner:     []string{"owner"},
	network:   []string{"network"},
	purpose:   []string{"purpose"},
}

// cameraKnown are the columns that camera lists may have.
func cameraKnown() []string {
	c := cameraColumns
	var all []string
	for _, names := range [][]string{c.latitude, c.longitude, c.label, c.id, c.owner, c.network, c.purpose} {
		all = append(all, names...)
	}
	// Said of every camera alike, or of the collector's work: left out.
	return append(all, "random_id", "data_source", "last_updated", "type", "coverage", "direction", "suburb", "detection_types", "geometry", "properties")
}

func cameraCSVFormat() Format {
	return Format{
		Name:  "camera-csv",
		Title: "List of cameras as CSV (one deployment, many sites)",
		Files: "CSV with the columns latitude (or lat) and longitude (or lng, lon, long); perhaps location, camera_id",
		run:   importCameraCSV,
		orgs:  []string{"owner"},
		asked: asRequired,
		known: cameraKnown(),
	}
}

func importCameraCSV(im *importer, data []byte) error {
	list := newCameraList(im)
	if err := eachCSV(data, nil, func(rec *record) error {
		if rec.num == 1 {
			if err := checkCameraColumns(rec); err != nil {
				return err
			}
		}
		return list.add(rec)
	}); err != nil {
		return err
	}
	return list.finish()
}

// checkCameraColumns refuses a list without places, or with two columns for one
// thing.
func checkCameraColumns(rec *record) error {
	for _, c := range []struct {
		what  string
		names []string
	}{
		{"latitude", cameraColumns.latitude},
		{"longitude", cameraColumns.longitude},
	} {
		var have []string
		for _, name := range c.names {
			if rec.has(name) {
				have = append(have, name)
			}
		}
		if len(have) == 0 {
			return fmt.Errorf("no column for the %s: want one named %s", c.what, strings.Join(c.names, " or "))
		}
		if len(have) > 1 {
			return fmt.Errorf("columns %s could all be the %s: leave one", strings.Join(have, " and "), c.what)
		}
	}
	return nil
}

// first returns the first of the columns that says something, and its name.
func (r *record) first(columns []string) (column, text string) {
	for _, name := range columns {
		if s := r.text(name); said(s) {
			return name, s
		}
	}
	return columns[0], ""
}

// cameraGroup is what becomes one deployment: an owner's network.
type cameraGroup struct {
	owner, network string
	rows           int
	sites          []*declarationv1.Site
	purposes       []string
	seen           map[string]bool
}

// cameraList gathers a list's rows.
type cameraList struct {
	im     *importer
	groups map[[2]string]*cameraGroup
	order  []*cameraGroup
}

func newCameraList(im *importer) *cameraList {
	return &cameraList{im: im, groups: map[[2]string]*cameraGroup{}}
}

// add takes a row: one camera.
func (l *cameraList) add(rec *record) error {
	r, ok := l.im.begin(rec)
	if !ok {
		return nil
	}
	_, rawID := rec.first(cameraColumns.id)
	id, _ := clean(rawID, false)
	r.id = id
	if id != "" {
		if first, ok := l.im.ids[id]; ok {
			r.skip("", id, fmt.Sprintf("the same id as row %d: only the first is taken", first))
			return nil
		}
		l.im.ids[id] = rec.num
	}
	owner := r.optional(cameraColumns.owner)
	network := r.optional(cameraColumns.network)
	key := [2]string{owner, network}
	g := l.groups[key]
	if g == nil {
		g = &cameraGroup{owner: owner, network: network, seen: map[string]bool{}}
		l.groups[key], l.order = g, append(l.order, g)
	}
	g.rows++
	if p := r.optional(cameraColumns.purpose); p != "" && !g.seen[p] && len(g.purposes) < 20 {
		g.seen[p] = true
		g.purposes = append(g.purposes, p)
	}
	if s := r.site(id); s != nil {
		g.sites = append(g.sites, s)
	}
	r.noField("type", "deployment.tech")
	r.noField("detection_types", "deployment.capabilities")
	return nil
}

// optional is a cleaned value whose absence is not worth a note.
func (r *row) optional(columns []string) string {
	column, s := r.rec.first(columns)
	if s == "" {
		return ""
	}
	return r.value(column, "")
}

// site makes the camera's site. A place that can't be is reported, and the site
// keeps its label alone; without a label there is nothing to say.
func (r *row) site(id string) *declarationv1.Site {
	const field = "deployment.sites"
	label := cmp.Or(r.optional(cameraColumns.label), id)
	site := &declarationv1.Site{Label: r.label("location", label)}
	latColumn, lat := r.rec.first(cameraColumns.latitude)
	_, lon := r.rec.first(cameraColumns.longitude)
	p, err := point(lat, lon)
	switch {
	case err == nil:
		site.Point = p
	case label == "":
		r.unknownValue(latColumn, lat+", "+lon, field, "not taken as a place: "+err.Error())
		r.problem(latColumn, lat+", "+lon, "not taken as a place, and the camera has no label: the site is left out: "+err.Error())
		return nil
	default:
		r.unknownValue(latColumn, lat+", "+lon, field, "not taken as a place: "+err.Error())
		r.problem(latColumn, lat+", "+lon, "not taken as a place: the site has only its label: "+err.Error())
	}
	return site
}

// finish makes the drafts. Cameras of an owner other than the city become a
// deployment of their own with provenance IMPORTED_BY_OTHERS: what another body
// runs is not the city's to state, and such lists are often put together by third
// parties; in a score they would count for or against a city that has no say.
func (l *cameraList) finish() error {
	if l.im.counting != nil {
		return nil
	}
	ownNames := 0
	for _, g := range l.order {
		if l.mine(g) {
			ownNames++
		}
	}
	for _, g := range l.order {
		nickname := l.im.opt.As
		if !(l.mine(g) && ownNames == 1) && len(l.order) > 1 {
			nickname += " " + g.owner + " " + g.network
		}
		if err := l.draft(g, nickname); err != nil {
			return err
		}
	}
	return nil
}

// mine reports whether the group's cameras are the city's: the owner is the city's
// body, or the list has no owners and the city calls it its own.
func (l *cameraList) mine(g *cameraGroup) bool { return g.owner == "" || l.im.own(g.owner) }

func (l *cameraList) draft(g *cameraGroup, nickname string) error {
	purpose := strings.Join(g.purposes, "; ")
	r := &row{im: l.im, lang: l.im.lang, rec: &record{vals: map[string]any{"owner": g.owner, "network": g.network, "purpose": purpose}}}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_CAMERA_SYSTEM)
	r.d.Body.Nickname = ptr(l.im.nickname(nickname))
	// A list has no id of its own: the nickname is what a later import goes by.
	r.d.Body.SourceId = ptr(l.im.format.Name + ":" + r.d.Body.GetNickname())
	r.dep.Units = ptr(uint32(g.rows)) //nolint:gosec // at most MaxRows
	if g.network != "" {
		r.name("network", g.network)
	}
	r.dep.PurposeText = r.longText("purpose", "deployment.purpose_text", purpose)
	switch {
	case g.owner == "" && l.im.opt.Accountable != "":
		l.im.markOwn(r.party("", l.im.opt.Accountable, declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE, l.im.opt.Country))
	case g.owner == "":
		r.problem("", "", "neither the list nor the workspace names the accountable body")
	case l.mine(g):
		l.im.markOwn(r.party("owner", g.owner, declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE, l.im.opt.Country))
	default:
		r.party("owner", g.owner, declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE, "")
		if r.d.Provenance != declaration.ImportedByOthers {
			r.d.Provenance = declaration.ImportedByOthers
			r.problem("owner", g.owner, fmt.Sprintf("%d cameras are not the city's: a deployment of their own, marked IMPORTED_BY_OTHERS", g.rows))
		}
	}
	l.im.add(r.d)
	return r.sites(g.sites)
}

// sites puts the sites into the body, or all of them into an attachment (GeoJSON)
// when they are too many or too long for one.
func (r *row) sites(sites []*declarationv1.Site) error {
	if len(sites) <= maxSites {
		r.dep.Sites = sites
		if r.fits() {
			return nil
		}
		r.dep.Sites = nil
	}
	r.unknownValue("", fmt.Sprint(len(sites)), "deployment.sites", "more than a body holds: all sites are in the attachment")
	r.problem("", "", fmt.Sprintf("%d sites are more than a body holds: all are in the attachment", len(sites)))
	return r.attach(r.d.Body.GetNickname()+"-sites.geojson", "application/geo+json",
		fmt.Sprintf("All %d sites", len(sites)), geoJSON(sites))
}

// fits reports whether the body stays within its limit.
func (r *row) fits() bool {
	body, _ := proto.Clone(r.d.Body).(*declarationv1.Body)
	body.Nonce = make([]byte, 16)
	_, err := declaration.FormatBody(body)
	return err == nil
}
