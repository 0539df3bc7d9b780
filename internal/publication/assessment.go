package publication

import (
	"fmt"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// highResidual is the residual risk from which no harm can't be claimed (V-33).
const highResidual = 4

func (c *checker) checkAssessment(a *declarationv1.Assessment) {
	if a.GetState() == declarationv1.AssessmentState_ASSESSMENT_STATE_COMPLETED {
		c.checkCompleted(a)
	}
	if a.GetAssessor() == nil {
		c.absent("V-31", "assessment.assessor", "", "Say who assesses, and how independent they are.",
			"for example:  assessor: Privacy Advies Noord BV, external")
	}
	c.checkCriteria(a)
	c.checkNoHarm(a)
	c.inOrder(a.GetStartedOn(), a.GetCompletedOn(), "assessment.completed_on", "This is before it was started")
	c.inOrder(a.GetCompletedOn(), a.GetValidUntil(), "assessment.valid_until", "This is before it was completed")
	done, ok1 := date(a.GetCompletedOn())
	until, ok2 := date(a.GetValidUntil())
	if ok1 && ok2 && until.Last().After(done.First().AddDate(maxValidYears, 0, 0)) {
		c.wrong("V-01", "assessment.valid_until", a.GetValidUntil(), fmt.Sprintf("This is more than %d years after it was completed.", maxValidYears),
			"Name an earlier day: what is assessed changes, and so do people's minds.")
	}
}

// checkCompleted is V-30.
func (c *checker) checkCompleted(a *declarationv1.Assessment) {
	ask := func(missing bool, field, message, hint string) {
		if missing {
			c.absent("V-30", "assessment."+field, "", "It is completed, so "+message, hint)
		}
	}
	ask(a.GetCompletedOn() == "", "completed_on", "say when.", "for example:  completed: 2026-11-16")
	ask(len(a.GetCriteria()) == 0, "criteria", "name what was judged, with the result.", "for example:  criteria: [Need is shown - met]")
	ask(len(a.GetLifecycle()) == 0, "lifecycle", "say which stages of the data's life it covers.",
		"for example:  lifecycle: all        or:  lifecycle: [collection, storage, deletion]")
	ask(!a.GetThresholdOnly() && !hasText(a.GetPublicSummary()), "public_summary", "tell the public what it found.",
		"for example:  public_summary: Faces are blurred inside the camera. The remaining risk is small.")
}

// checkCriteria is V-32.
func (c *checker) checkCriteria(a *declarationv1.Assessment) {
	for i, x := range a.GetCriteria() {
		if x.Result == nil {
			c.absent("V-32", item("assessment.criteria", i)+".result", firstText(x.GetText()), "The criterion has no result.",
				"for example:  criteria: [Signs stand before the start - partly]")
		}
	}
	for i, r := range a.GetRisks() {
		field := item("assessment.risks", i)
		const example = "for example:  civil_liberties_harm - pictures leak unblurred - 2x4 - blurred in the camera - 1"
		switch {
		case r.Likelihood == nil:
			c.absent("V-32", field+".likelihood", r.GetHarm().GetCode(), "Say how likely the risk is, from 1 to 5.", example)
		case r.Severity == nil:
			c.absent("V-32", field+".severity", r.GetHarm().GetCode(), "Say how bad it would be, from 1 to 5.", example)
		}
		if !hasText(r.GetMitigation()) && !hasText(r.GetAcceptance()) {
			c.absent("V-32", field+".mitigation", r.GetHarm().GetCode(), "Say what is done about the risk, or why it is accepted.", example)
		}
	}
}

// checkNoHarm is V-33.
func (c *checker) checkNoHarm(a *declarationv1.Assessment) {
	if !a.GetNoHarm().GetClaimed() {
		return
	}
	const hint = "Take the claim back, or bring the risk down first."
	if a.GetOutcome() == declarationv1.AssessmentOutcome_ASSESSMENT_OUTCOME_HIGH_RESIDUAL_RISK {
		c.wrong("V-33", "assessment.no_harm", "claimed", "You say that it does no harm, and that a high risk remains.", hint)
		return
	}
	for i, r := range a.GetRisks() {
		if r.GetResidual() >= highResidual {
			c.wrong("V-33", "assessment.no_harm", "claimed",
				fmt.Sprintf("You say that it does no harm, but risk %d (%s) remains at %d of 5.", i+1, quoted(r.GetHarm().GetCode()), r.GetResidual()), hint)
			return
		}
	}
}
