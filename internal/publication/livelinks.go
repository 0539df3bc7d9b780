package publication

import (
	"fmt"
	"slices"
	"time"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// span is a time in days, both ends included; zero times are open ends.
type span struct{ from, to time.Time }

func (a span) overlaps(b span) bool {
	return !endsBefore(a, b) && !endsBefore(b, a)
}

func endsBefore(a, b span) bool {
	return !a.to.IsZero() && !b.from.IsZero() && a.to.Before(b.from)
}

// spanOf reads two dates to the longest time that they may mean.
func spanOf(from, to string) span {
	var s span
	if d, ok := date(from); ok {
		s.from = d.First()
	}
	if d, ok := date(to); ok {
		s.to = d.Last()
	}
	return s
}

// contradicts reports whether a deployment is there while its city says that it has
// nothing of the kind.
func contradicts(d *declarationv1.Deployment, n *declarationv1.Negative) bool {
	return spanOf(d.GetStartsOn(), d.GetEndsOn()).overlaps(spanOf(n.GetSince(), n.GetUntil()))
}

// checkNegative is V-43 where the city says that it has none.
func (b *batch) checkNegative(i int, c *declarationv1.Commitment) {
	n := c.GetNegative()
	code := n.GetTerm().GetCode()
	if code == "" || code == vocabulary.Other || b.last[b.records[i].Statement.Subject] != i {
		return
	}
	with := slices.DeleteFunc(b.after.find(termKey(schemeOf(n.GetTerm()), code)), func(s declaration.Subject) bool {
		d := b.after.body(s).GetDeployment()
		return d == nil || !contradicts(d, n)
	})
	if len(with) > 0 {
		b.reports[i].wrong("V-43", "commitment.negative.term", code,
			fmt.Sprintf("You say that the city does not use this, but a deployment has it: %s.", names(with)),
			"If it has ended, give the deployment its end (ends_on), and begin this statement after it (since).")
	}
}

// checkCarried is V-43 where a deployment brings what the city says it lacks. The
// deployment is the news and is accepted; the statement has to go. A statement of
// the same batch is refused where it stands.
func (b *batch) checkCarried(i int, d *declarationv1.Deployment) {
	for _, k := range b.keys[i].terms {
		name := string(k[len("term/"):])
		for _, s := range b.after.find(Key("none/" + name)) {
			n := b.after.body(s).GetCommitment().GetNegative()
			if _, inBatch := b.last[s]; inBatch || n == nil || !contradicts(d, n) {
				continue
			}
			b.reports[i].warn("V-43", "deployment.capabilities", n.GetTerm().GetCode(),
				fmt.Sprintf("%s says that the city does not use this.", s), fmt.Sprintf("Withdraw %s, with the reason.", s))
		}
	}
}

func selfAssessed(a *declarationv1.Assessment) bool {
	return a.GetAssessor().GetIndependence() == declarationv1.Independence_INDEPENDENCE_SELF
}

const selfHint = "It is accepted and shown. An office apart, an expert or an authority would be more convincing."

// checkOwnAssessor is V-31's warning where the assessment is published.
func (b *batch) checkOwnAssessor(i int, a *declarationv1.Assessment) {
	if !selfAssessed(a) {
		return
	}
	s := b.records[i].Statement.Subject
	var high []declaration.Subject
	for _, x := range slices.Concat(Links(b.records[i].Body), b.after.linking(s)) {
		if b.after.body(x).GetDeployment().GetImpactClass() == declarationv1.ImpactClass_IMPACT_CLASS_HIGH && !slices.Contains(high, x) {
			high = append(high, x)
		}
	}
	if len(high) > 0 {
		b.reports[i].warn("V-31", "assessment.assessor.independence", "self",
			fmt.Sprintf("The body assesses itself, and the impact is high: %s.", names(high)), selfHint)
	}
}

// checkAssessors is V-31's warning where the deployment is published and the
// assessment stands already.
func (b *batch) checkAssessors(i int, d *declarationv1.Deployment) {
	if d.GetImpactClass() != declarationv1.ImpactClass_IMPACT_CLASS_HIGH {
		return
	}
	for _, a := range assessmentsOf(b.after, b.records[i].Statement.Subject, d) {
		if _, inBatch := b.last[a]; !inBatch && selfAssessed(b.after.body(a).GetAssessment()) {
			b.reports[i].warn("V-31", "deployment.assessments", a.String(), "Its impact is high, and the body assessed itself.", selfHint)
		}
	}
}

// deniesService reports whether who refuses a data use gets no service.
func deniesService(v *view, name string) bool {
	s, err := declaration.ParseSubject(name)
	return err == nil && v.body(s).GetDataUse().GetRefusal().GetConsequence() == declarationv1.RefusalConsequence_REFUSAL_CONSEQUENCE_SERVICE_DENIED
}

// checkOffline is V-63 where the service is published.
func (b *batch) checkOffline(i int, s *declarationv1.Service) {
	if s.OfflineAlternative != nil {
		return
	}
	for _, name := range s.GetDataUses() {
		if deniesService(b.after, name) {
			b.reports[i].warn("V-63", "service.offline_alternative", "",
				fmt.Sprintf("Who refuses %s gets no service, so say whether there is a way without it.", name), "Write  offline_alternative: yes  or  no")
			return
		}
	}
}

// checkOfflineOutside is V-63 where the data use is published and the service
// stands already.
func (b *batch) checkOfflineOutside(i int, by declaration.Subject) {
	use := b.records[i].Statement.Subject.String()
	service := b.after.body(by).GetService()
	if _, inBatch := b.last[by]; inBatch || service == nil || service.OfflineAlternative != nil ||
		!deniesService(b.after, use) || deniesService(b.before, use) {
		return
	}
	b.reports[i].warn("V-63", "data_use.refusal.consequence", "service_denied",
		fmt.Sprintf("%s does not say whether there is a way without it.", by), fmt.Sprintf("Amend %s:  offline_alternative: yes  or  no", by))
}
