package shorthand

import (
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// A one-line form's fixed fields come first, up to " - " or ", "; what may hold
// these marks itself comes last, or is bounded by parts that only one pattern fits.

// dashed splits at " - ". A dash at either end is a forgotten part.
func (v value) dashed() ([]string, bool) {
	t := strings.TrimSpace(v.text)
	if t == "-" || strings.HasPrefix(t, "- ") || strings.HasSuffix(t, " -") {
		v.fail(`a part is missing before or after " - "`, "")
		return nil, false
	}
	parts := strings.Split(t, " - ")
	for i, p := range parts {
		if parts[i] = strings.TrimSpace(p); parts[i] == "" || parts[i] == "-" || strings.HasPrefix(parts[i], "- ") {
			v.fail(`nothing stands between two " - "`, "put the text into a structured form if it holds dashes")
			return nil, false
		}
	}
	return parts, true
}

// head splits at the first " - ": what follows may hold more of them.
func (v value) head() (head, rest string, ok bool) {
	parts, ok := v.dashed()
	if !ok {
		return "", "", false
	}
	return parts[0], strings.Join(parts[1:], " - "), true
}

// commas splits at ", " into at most n parts, of which the last may hold commas.
func (v value) commas(n int) ([]string, bool) {
	parts := strings.SplitN(v.text, ", ", n)
	for i, p := range parts {
		if parts[i] = strings.TrimSpace(p); parts[i] == "" || strings.HasSuffix(v.text, ",") {
			v.fail("nothing stands beside a comma", "")
			return nil, false
		}
	}
	return parts, true
}

func joinDashes(parts []string) string { return strings.Join(parts, " - ") }

var nameCountry = regexp.MustCompile(`^(.+) \(([A-Z]{2})\)$`)

// noSeat are countries of ISO 3166-1 without a firm's seat, since nobody lives
// there: in brackets behind a name they mean something else, as "(BV)" does.
var noSeat = map[string]bool{"AQ": true, "BV": true, "GS": true, "HM": true, "IO": true, "TF": true, "UM": true}

// party reads "NAME" or "NAME (COUNTRY)".
func (v value) party(role declarationv1.PartyRole) (*declarationv1.Party, bool) {
	p := &declarationv1.Party{Name: ptr(v.text), Role: role.Enum()}
	m := nameCountry.FindStringSubmatch(v.text)
	if m == nil {
		return p, v.words("a name")
	}
	if !isCountry(m[2]) || noSeat[m[2]] {
		v.fail("("+m[2]+") is no country that a body is from",
			"write NAME (COUNTRY), or {name: …} where the brackets belong to the name")
		return nil, false
	}
	p.Name, p.Country = &m[1], &m[2]
	return p, v.words("a name")
}

// enumOf reads one word of a generated enum.
func enumOf[E interface {
	~int32
	protoreflect.Enum
}](v value) (*E, bool) {
	var zero E
	n, ok := v.enum(zero.Descriptor())
	return ptr(E(n)), ok
}

// isEnum reports whether text is a word of the enum.
func isEnum[E protoreflect.Enum](text string) bool {
	var zero E
	_, ok := tryEnum(text, zero.Descriptor())
	return ok
}
