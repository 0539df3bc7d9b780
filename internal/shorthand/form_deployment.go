package shorthand

import (
	"regexp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

func readAffected(v value, m *declarationv1.Affected) {
	parts := strings.Split(v.text, ", ")
	if len(parts) == 3 && fold(parts[2]) == "vulnerable" {
		m.Vulnerable = ptr(true)
	} else if len(parts) != 2 {
		v.badForm(m, "this is not a group and a relationship")
		return
	}
	if t, ok := v.part(parts[0]).term(schemesOf(m, "group")); ok {
		m.Group = t
	}
	if e, ok := enumOf[declarationv1.Relationship](v.part(parts[1])); ok {
		m.Relationship = e
	}
}

func readExemption(v value, m *declarationv1.Exemption) {
	if date, ok := strings.CutPrefix(v.text, "owed by "); ok {
		m.Ground = declarationv1.ExemptionGround_EXEMPTION_GROUND_NOT_YET_ASSESSED.Enum()
		m.ReviewOn, _ = v.part(date).date()
		return
	}
	head, text, ok := v.head()
	if !ok || !v.words("a ground") {
		return
	}
	ground, citation, cited := strings.Cut(head, ", ")
	if e, ok := enumOf[declarationv1.ExemptionGround](v.part(ground)); ok {
		m.Ground = e
	}
	if cited {
		m.Citation = &citation
	}
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

func readForeignSubject(v value, m *declarationv1.ForeignSubject) {
	origin, subject, ok := strings.Cut(v.text, " ")
	if _, err := declaration.ParseSubject(subject); !ok || err != nil || declaration.CheckOrigin(origin) != nil {
		v.badForm(m, "this is not another log's origin and a number")
		return
	}
	m.Origin, m.Subject = &origin, &subject
}

func readParty(v value, m *declarationv1.Party) {
	role, name, ok := strings.Cut(v.text, " ")
	if !ok {
		v.badForm(m, "this is not a role and a name")
		return
	}
	e, ok := enumOf[declarationv1.PartyRole](v.part(role))
	if !ok {
		return
	}
	if p, ok := v.part(strings.TrimSpace(name)).party(*e); ok {
		m.Name, m.Role, m.Country = p.Name, p.Role, p.Country
	}
}

func readSignage(v value, m *declarationv1.Signage) {
	kind, url, more := strings.Cut(v.text, " ")
	if e, ok := enumOf[declarationv1.SignageKind](v.part(kind)); ok {
		m.Kind = e
	}
	if more {
		m.Url = &url
	}
}

// fileLike is text that looks like a file's name, which a label never should: a
// misspelled list would become a place.
var fileLike = regexp.MustCompile(`^\S+\.[A-Za-z][A-Za-z0-9]{1,6}$`)

func readSite(v value, m *declarationv1.Site) {
	parts, ok := v.dashed()
	if !ok || !v.words("a place") {
		return
	}
	if fileLike.MatchString(v.text) {
		v.fail("this looks like a file, but not like a list of sites", "a list ends in .csv or .geojson")
		return
	}
	last := parts[len(parts)-1]
	if len(parts) > 1 && pointText.MatchString(last) {
		m.Point = &declarationv1.Point{}
		readPoint(v.part(last), m.Point)
		parts = parts[:len(parts)-1]
	} else if len(parts) > 1 && strings.IndexFunc(last, isLetter) < 0 {
		v.badForm(m, "the last part looks like a point, but is none")
		return
	}
	m.Label = ptr(joinDashes(parts))
}

func isLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r > 0x7f }

var pointText = regexp.MustCompile(`^-?[0-9.]+,? -?[0-9.]+$`)

func readPoint(v value, m *declarationv1.Point) {
	lat, lon, ok := strings.Cut(v.text, " ")
	if !ok || !pointText.MatchString(v.text) {
		v.badForm(m, "this is not a latitude and a longitude")
		return
	}
	m.LatitudeE7, _ = v.part(strings.TrimSuffix(lat, ",")).degrees(90)
	m.LongitudeE7, _ = v.part(lon).degrees(180)
}
