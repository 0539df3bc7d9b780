package publication

import (
	"fmt"
	"slices"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// problem is a rule that a deployment breaks together with the records linked to
// it: V-10, V-14, V-24 or V-34.
type problem struct {
	rule          string
	warn          bool
	field, value  string // in the deployment
	message, hint string
	// other is what to say where a data use or an assessment is published
	// instead; it follows "dep/18 ".
	other string
}

// deploymentProblems judges a deployment in a view of the city.
func deploymentProblems(v *view, s declaration.Subject, d *declarationv1.Deployment) []problem {
	var out []problem
	uses := usesOf(v, d)
	assessments := assessmentsOf(v, s, d)
	if p := unassessed(d, uses, len(assessments) > 0); p != nil {
		out = append(out, *p)
	}
	if p := unclassified(d, uses); p != nil {
		out = append(out, *p)
	}
	out = append(out, unsaidAccess(v, d)...)
	for _, a := range assessments {
		if d.GetStatus() == declarationv1.Status_STATUS_IN_USE &&
			v.body(a).GetAssessment().GetRecommendation() == declarationv1.Recommendation_RECOMMENDATION_DO_NOT_CONTINUE {
			out = append(out, problem{
				rule: "V-34", warn: true, field: "deployment.status", value: "in_use",
				message: fmt.Sprintf("%s says not to continue, and this is in use.", a),
				hint:    "Suspend it, or have it assessed again; until then it is shown as O-04.",
				other:   "is in use.",
			})
			break
		}
	}
	return out
}

// usesOf returns the bodies of the live data uses that a deployment names.
func usesOf(v *view, d *declarationv1.Deployment) []*declarationv1.DataUse {
	var out []*declarationv1.DataUse
	for _, name := range d.GetDataUses() {
		if s, err := declaration.ParseSubject(name); err == nil {
			if u := v.body(s).GetDataUse(); u != nil {
				out = append(out, u)
			}
		}
	}
	return out
}

// assessmentsOf returns the live assessments linked to a deployment: a link exists
// if either side names the other.
func assessmentsOf(v *view, s declaration.Subject, d *declarationv1.Deployment) []declaration.Subject {
	out := slices.DeleteFunc(v.linking(s), func(x declaration.Subject) bool { return x.Kind != declaration.Assessment })
	for _, name := range d.GetAssessments() {
		if a, err := declaration.ParseSubject(name); err == nil && a.Kind == declaration.Assessment && v.isLive(a) && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	sortSubjects(out)
	return out
}

// unassessed is the part of V-10 that asks for an assessment. A city that has none
// says when it is owed: refusing it would only make it silent.
func unassessed(d *declarationv1.Deployment, uses []*declarationv1.DataUse, assessed bool) *problem {
	var why string
	switch {
	case assessed || d.GetExemption().GetReviewOn() != "":
		return nil
	case sensesPeople(d):
		why = "You say it senses people"
	case d.GetImpactClass() == declarationv1.ImpactClass_IMPACT_CLASS_HIGH:
		why = "You say its impact is high"
	case slices.ContainsFunc(uses, func(u *declarationv1.DataUse) bool { return personal(u.GetIdentifiability()) }):
		why = "It uses personal data"
	default:
		return nil
	}
	field, message := "deployment.assessments", why+", so name its assessment, or say when one is owed."
	if d.GetExemption() != nil {
		field, message = "deployment.exemption.review_on", why+", so say when its exemption is looked at again."
	}
	return &problem{
		rule: "V-10", field: field, message: message,
		hint:  "for example:  assessment: plaza-pia        or, if there is none yet:  assessment: owed by 2027-02-01",
		other: "then has neither an assessment nor a date on which one is owed.",
	}
}

// unclassified is V-14's data use.
func unclassified(d *declarationv1.Deployment, uses []*declarationv1.DataUse) *problem {
	t := highRisk(d)
	if t == nil || slices.ContainsFunc(uses, (*declarationv1.DataUse).GetSpecialCategory) {
		return nil
	}
	return &problem{
		rule: "V-14", field: "deployment.data_uses", value: t.GetCode(),
		message: fmt.Sprintf("It can do %s, so one of its data uses is of a special category.", t.GetCode()),
		hint:    "Write  special_category: yes  in the data use, and name it here.",
		other:   fmt.Sprintf("can do %s, and needs a data use of a special category.", t.GetCode()),
	}
}

// unsaidAccess is V-24 for data from public space. Where a company collects, the
// data use's own check has said so.
func unsaidAccess(v *view, d *declarationv1.Deployment) []problem {
	if d.GetSpace() != declarationv1.Space_SPACE_PUBLIC_SPACE {
		return nil
	}
	var out []problem
	for i, name := range d.GetDataUses() {
		s, err := declaration.ParseSubject(name)
		if err != nil {
			continue
		}
		u := v.body(s).GetDataUse()
		if !personal(u.GetIdentifiability()) || companyCollects(u) || u.GetGovernmentAccess() != nil {
			continue
		}
		out = append(out, problem{
			rule: "V-24", field: item("deployment.data_uses", i), value: name,
			message: fmt.Sprintf("%s has personal data from public space, so it says whether public bodies may look at them.", name),
			hint:    "In the data use, " + accessExample,
			other:   "is in public space, so say whether public bodies may look at the data.",
		})
	}
	return out
}

// checkLiveDeployment is what a deployment breaks together with other records.
func (b *batch) checkLiveDeployment(i int, d *declarationv1.Deployment) {
	s, r := b.records[i].Statement.Subject, &b.reports[i]
	if b.last[s] != i {
		return // a later record of the batch is what holds
	}
	for _, p := range deploymentProblems(b.after, s, d) {
		if p.warn {
			r.warn(p.rule, p.field, p.value, p.message, p.hint)
		} else {
			r.absent(p.rule, p.field, p.value, p.message, p.hint)
		}
	}
	b.checkCarried(i, d)
	b.checkAssessors(i, d)
}

// checkUsers looks at the deployments and services that name a data use.
func (b *batch) checkUsers(i int) {
	st := b.records[i].Statement
	if st.Operation == declaration.Withdraw {
		return // V-16 names them
	}
	fields := map[string]string{
		"V-10": "data_use.identifiability", "V-14": "data_use.special_category", "V-24": "data_use.government_access",
	}
	for _, by := range b.after.linking(st.Subject) {
		switch by.Kind {
		case declaration.Deployment:
			b.checkOutside(i, by, fields)
		case declaration.Service:
			b.checkOfflineOutside(i, by)
		}
	}
}

// checkCovered looks at the deployments that an assessment covers or covered.
func (b *batch) checkCovered(i int) {
	fields := map[string]string{"V-10": "assessment.covers", "V-34": "assessment.recommendation"}
	s := b.records[i].Statement.Subject
	covered := Links(b.records[i].Body)
	if old := b.before.newest(s); old != nil && old.Body != nil {
		covered = append(covered, Links(old.Body)...)
	}
	covered = append(covered, b.after.linking(s)...)
	for _, d := range covered {
		if d.Kind == declaration.Deployment {
			b.checkOutside(i, d, fields)
		}
	}
}

// checkOutside reports at record i what it would break of a deployment outside the
// batch: the problems that the deployment has with the batch and had not without.
// fields says which field of record i each rule is about.
func (b *batch) checkOutside(i int, s declaration.Subject, fields map[string]string) {
	if _, inBatch := b.last[s]; inBatch || b.judged[s] {
		return
	}
	b.judged[s] = true
	d := b.after.body(s).GetDeployment()
	if d == nil {
		return
	}
	after := deploymentProblems(b.after, s, d)
	if len(after) == 0 {
		return
	}
	before := deploymentProblems(b.before, s, d)
	for _, p := range after {
		field := fields[p.rule]
		if field == "" || slices.ContainsFunc(before, func(q problem) bool { return q.rule == p.rule && q.field == p.field }) {
			continue
		}
		// Not absent: the deployment's own words were complete, and this record,
		// imported or not, would break them.
		message := fmt.Sprintf("%s %s", s, p.other)
		if p.warn {
			b.reports[i].warn(p.rule, field, "", message, p.hint)
		} else {
			b.reports[i].wrong(p.rule, field, "", message, "Amend "+s.String()+" in the same file, or change this. "+p.hint)
		}
	}
}
