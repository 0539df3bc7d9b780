package publication

import (
	"cmp"
	"slices"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// A reference is a field of a body that names a subject of the same city.
type reference struct {
	field string // path, without the item's index
	index int    // −1: not a list's item
	value string
	// link: the reference is broken when its subject is withdrawn. What may name
	// a withdrawn subject (a notice's about, replaces) makes no link.
	link bool
}

func (r reference) path() string {
	if r.index < 0 {
		return r.field
	}
	return item(r.field, r.index)
}

// maxReferences is the longest list of references that any field may hold.
const maxReferences = 50

// eachReference calls visit for each reference in the order of the fields. It is
// written out because it runs for each of a city's records whenever one is looked
// at; a test holds it to the protos' annotations.
func eachReference(body *declarationv1.Body, visit func(reference)) {
	many := func(field string, link bool, values []string) {
		// What is beyond any list's limit is refused by the walk.
		for i, v := range values[:min(len(values), maxReferences)] {
			visit(reference{field, i, v, link})
		}
	}
	one := func(field string, link bool, value *string) {
		if value != nil {
			visit(reference{field, -1, *value, link})
		}
	}
	many("replaces", false, body.GetReplaces())
	switch r := body.GetRecord().(type) {
	case *declarationv1.Body_Deployment:
		d := r.Deployment
		many("deployment.data_uses", true, d.GetDataUses())
		many("deployment.feeds", true, d.GetFeeds())
		many("deployment.mirrors", true, d.GetMirrors())
		many("deployment.assessments", true, d.GetAssessments())
	case *declarationv1.Body_DataUse:
		if x := r.DataUse.GetRefusal(); x != nil {
			one("data_use.refusal.alternative", true, x.Alternative)
		}
	case *declarationv1.Body_Assessment:
		many("assessment.covers", true, r.Assessment.GetCovers())
	case *declarationv1.Body_Commitment:
		many("commitment.scope", true, r.Commitment.GetScope())
	case *declarationv1.Body_Service:
		s := r.Service
		if s != nil {
			one("service.access_point", true, s.AccessPoint)
		}
		many("service.data_uses", true, s.GetDataUses())
		many("service.deployments", true, s.GetDeployments())
	case *declarationv1.Body_Notice:
		n := r.Notice
		many("notice.about", false, n.GetAbout())
		if n != nil {
			one("notice.in_reply_to", false, n.InReplyTo)
		}
	}
}

// Links returns the subjects that a body names in fields that make a link: those
// that can't be withdrawn before it. Each stands once, in the order of kinds and
// numbers.
func Links(body *declarationv1.Body) []declaration.Subject {
	var out []declaration.Subject
	eachReference(body, func(r reference) {
		if !r.link {
			return
		}
		if s, err := declaration.ParseSubject(r.value); err == nil {
			out = append(out, s)
		}
	})
	sortSubjects(out)
	return slices.Compact(out)
}

func sortSubjects(s []declaration.Subject) { slices.SortFunc(s, compareSubjects) }

func compareSubjects(a, b declaration.Subject) int {
	if a.Kind == b.Kind {
		return cmp.Compare(a.Number, b.Number)
	}
	return cmp.Compare(kindRank(a.Kind), kindRank(b.Kind))
}

func kindRank(k declaration.Kind) int { return slices.Index(declaration.Kinds(), k) }
