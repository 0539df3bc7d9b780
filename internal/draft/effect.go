package draft

import (
	"cmp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Effect is what a change does to what a city has said.
type Effect string

// The effects.
const (
	Weakens     Effect = "WEAKENS"
	Strengthens Effect = "STRENGTHENS"
	Neutral     Effect = "NEUTRAL"
)

// Difference is one field that a later revision says differently; Old or New is "–" where it is not said.
type Difference struct {
	Path   string `json:"field"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Effect Effect `json:"effect"`
}

// Compare holds two revisions of a record against each other and classes what changed, by the table of declarations.md, section 3, as far as
// two bodies alone can tell: not across the records that a deployment is linked with. Another wording is no change. old and
// new are of one kind.
func Compare(op declaration.Operation, old, new *declarationv1.Body) []Difference {
	var out []Difference
	for _, c := range diff(old, new) {
		out = append(out, Difference{c.path, c.old, c.new, c.effect()})
	}
	negative := new.GetCommitment().GetKind() == declarationv1.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT
	switch {
	case op == declaration.Withdraw && negative:
		out = append(out, Difference{"commitment", "a statement of what the city does not do", "withdrawn", Weakens})
	case op == declaration.Withdraw:
		out = append(out, Difference{"record", "in force", "withdrawn", Neutral})
	}
	return out
}

// measure is how a field's values compare: which of two says less for people.
type measure int

const (
	rises     measure = iota + 1 // an enum whose larger value weakens
	later                        // a date: a later one weakens
	longer                       // a duration: a longer one weakens
	laterOpen                    // a date, and that there is none any more weakens, too
	more                         // an item that comes weakens
	fewer                        // a value or an item that goes weakens
)

// measures is the table, by message and field.
var measures = map[string]measure{
	"DataUse.identifiability":         rises,
	"DataUse.automated_decision":      rises,
	"DataUse.categories":              more,
	"DataUse.purposes":                more,
	"DataUse.recipients":              more,
	"DataUse.prohibited_uses":         fewer,
	"DataUse.legal_basis":             fewer,
	"DataUse.safeguards":              fewer,
	"Retention.identifiability":       rises,
	"Retention.mode":                  rises,
	"Retention.duration":              longer,
	"Retention.until":                 later,
	"Recipient.categories":            more,
	"Recipient.legal_basis":           fewer,
	"Storage.legal_basis":             fewer,
	"GovernmentAccess.mode":           rises,
	"GovernmentAccess.levels":         more,
	"GovernmentAccess.circumstances":  rises,
	"GovernmentAccess.legal_basis":    fewer,
	"GovernmentAccess.crisis_ends_on": laterOpen,
	"LegalBasis.citation":             fewer,
	"Retention.citation":              fewer,
	"Refusal.citation":                fewer,
	"Exemption.citation":              fewer,
	"Exemption.review_on":             laterOpen,
	"Deployment.starts_on":            later,
	"Deployment.ends_on":              laterOpen,
	"Deployment.review_on":            laterOpen,
	"Deployment.purpose":              more,
	"Deployment.assessments":          fewer,
	"Deployment.autonomy":             rises,
	"Deployment.impact_class":         rises,
	"Site.precision":                  rises,
	"Commitment.due_on":               laterOpen,
	"Commitment.consequences":         fewer,
	"Consequence.citation":            fewer,
}

// effect classes a change.
func (c fieldChange) effect() Effect {
	m := measures[string(c.fd.ContainingMessage().Name())+"."+string(c.fd.Name())]
	was, become := c.was.IsValid(), c.become.IsValid()
	switch {
	case m == 0:
		return Neutral
	case m == more && !was, m == fewer && !become, m == laterOpen && !become:
		return Weakens
	case m == more && !become, m == fewer && !was, m == laterOpen && !was:
		return Strengthens
	case !was || !become || m == more || m == fewer:
		return Neutral
	}
	order := 0
	switch m {
	case rises:
		order = c.rise()
	case longer:
		x, y := minutes(c.was.String()), minutes(c.become.String())
		order = cmp.Compare(y, x)
	default:
		order = strings.Compare(c.become.String(), c.was.String())
	}
	switch {
	case order > 0:
		return Weakens
	case order < 0:
		return Strengthens
	}
	return Neutral
}

// rise compares two values of an enum; those that have no place in its order are equal to all.
func (c fieldChange) rise() int {
	was, become := c.was.Enum(), c.become.Enum()
	switch c.fd.Enum().Name() {
	case "Autonomy":
		if max(was, become) == protoreflect.EnumNumber(declarationv1.Autonomy_AUTONOMY_NOT_APPLICABLE) {
			return 0
		}
	case "RetentionMode":
		event, date := declarationv1.RetentionMode_RETENTION_MODE_UNTIL_EVENT.Number(), declarationv1.RetentionMode_RETENTION_MODE_UNTIL_DATE.Number()
		if min(was, become) == event && max(was, become) == date {
			return 0
		}
	}
	return cmp.Compare(become, was)
}

// minutes is about how long an ISO 8601 duration is, as publication's rules accept it; -1 for what is none.
func minutes(s string) int {
	day, clock, _ := strings.Cut(strings.TrimPrefix(s, "P"), "T")
	units := map[byte]int{'Y': 365 * 1440, 'M': 30 * 1440, 'W': 7 * 1440, 'D': 1440}
	total := 0
	for i, part := range []string{day, clock} {
		if i == 1 {
			units = map[byte]int{'H': 60, 'M': 1}
		}
		for part != "" {
			n := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
			if n <= 0 || n > 6 {
				return -1
			}
			count, err := strconv.Atoi(part[:n])
			unit, ok := units[part[n]]
			if err != nil || !ok {
				return -1
			}
			total += count * unit
			part = part[n+1:]
		}
	}
	return total
}
