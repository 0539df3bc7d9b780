package shorthand

import (
	"regexp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// readAssessor: the party's role is AUDITOR, DPV's nearest to who assesses.
func readAssessor(v value, m *declarationv1.Assessor) {
	name, independence, ok := cutLast(v.text, ", ")
	if !ok || !v.words("an assessor") {
		v.badForm(m, "this is not a name and an independence")
		return
	}
	if e, ok := enumOf[declarationv1.Independence](v.part(independence)); ok {
		m.Independence = e
	}
	if p, ok := v.part(name).party(declarationv1.PartyRole_PARTY_ROLE_AUDITOR); ok {
		m.Party = p
	}
}

// resultWords are the results that people write otherwise than their enum.
var resultWords = map[string]string{"n/a": "not_applicable", "na": "not_applicable"}

func readCriterion(v value, m *declarationv1.Criterion) {
	parts, ok := v.dashed()
	if !ok || !v.words("a criterion") {
		return
	}
	last := len(parts) - 1
	if last == 0 {
		v.badForm(m, "the result is missing")
		return
	}
	m.Text = v.part(joinDashes(parts[:last])).localized()
	readResult(v.part(parts[last]), m)
}

func readResult(v value, m *declarationv1.Criterion) {
	if w, ok := resultWords[fold(v.text)]; ok {
		v.text = w
	}
	if e, ok := enumOf[declarationv1.CriterionResult](v); ok {
		m.Result = e
	}
}

var (
	riskSize = regexp.MustCompile(`^([0-9]+) ?[x×] ?([0-9]+)$`)
	oneDigit = regexp.MustCompile(`^[0-9]+$`)
)

func readRisk(v value, m *declarationv1.Risk) {
	parts, ok := v.dashed()
	if !ok || !v.words("a risk") {
		return
	}
	size := -1
	for i, p := range parts {
		if riskSize.MatchString(p) && size >= 0 {
			v.badForm(m, "two parts look like LIKELIHOODxSEVERITY")
			return
		} else if riskSize.MatchString(p) {
			size = i
		}
	}
	last := len(parts) - 1
	if size < 2 || size > last-2 || !oneDigit.MatchString(parts[last]) {
		v.badForm(m, "this is not harm, text, likelihood x severity, mitigation and residual")
		return
	}
	if t, ok := v.part(parts[0]).term(schemesOf(m, "harm")); ok {
		m.Harm = t
	}
	m.Text = v.part(joinDashes(parts[1:size])).localized()
	digits := riskSize.FindStringSubmatch(parts[size])
	m.Likelihood = v.oneToFive(digits[1])
	m.Severity = v.oneToFive(digits[2])
	m.Residual = v.oneToFive(parts[last])
	mitigation := joinDashes(parts[size+1 : last])
	if why, ok := strings.CutPrefix(mitigation, "accepted: "); ok {
		m.Acceptance = v.part(why).localized()
	} else {
		m.Mitigation = v.part(mitigation).localized()
	}
}

func (v value) oneToFive(text string) *uint32 {
	n, ok := v.part(text).integer(1, 5)
	if !ok {
		return nil
	}
	return ptr(uint32(n)) //nolint:gosec // bounded by the call
}

func readConsulted(v value, m *declarationv1.Consulted) {
	head, how, ok := v.head()
	if !ok || !v.words("a group") {
		return
	}
	if group, date, ok := cutLast(head, " "); ok && startsWithDigit(date) {
		head = group
		m.HeldOn, _ = v.part(date).date()
	}
	if e, ok := enumOf[declarationv1.StakeholderGroup](v.part(head)); ok {
		m.Group = e
	}
	if how != "" {
		m.How = v.part(how).localized()
	}
}

func readNoHarm(v value, m *declarationv1.NoHarm) {
	claimed, text, ok := v.head()
	if !ok || !v.words("yes or no") {
		return
	}
	m.Claimed, _ = v.part(claimed).yesNo()
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

func readCondition(v value, m *declarationv1.Condition) {
	parts, ok := v.dashed()
	if !ok || !v.words("a condition") {
		return
	}
	if last := len(parts) - 1; last > 0 && (fold(parts[last]) == "met" || fold(parts[last]) == "not_met") {
		m.Met = ptr(fold(parts[last]) == "met")
		parts = parts[:last]
	}
	if last := len(parts) - 1; last > 0 && strings.HasPrefix(parts[last], "by ") && startsWithDigit(parts[last][3:]) {
		m.DueOn, _ = v.part(parts[last][3:]).date()
		parts = parts[:last]
	}
	m.Text = v.part(joinDashes(parts)).localized()
}
