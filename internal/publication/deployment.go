package publication

import (
	"fmt"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

func (c *checker) checkDeployment(d *declarationv1.Deployment) {
	c.checkSenses(d)
	c.checkDataOf(d)
	c.checkStart(d)
	c.checkAccountable(d)
	c.checkTwin(d)
	c.checkHighRisk(d)
	c.checkDeploymentDates(d)
	c.checkSites(d)
}

func sensesPeople(d *declarationv1.Deployment) bool {
	return d.GetSensesPeople() > declarationv1.SensesPeople_SENSES_PEOPLE_NO
}

// checkSenses is V-11, and V-10's list of those who claim to sense nobody.
func (c *checker) checkSenses(d *declarationv1.Deployment) {
	if sensesPeople(d) && len(d.GetTech()) == 0 && len(d.GetCapabilities()) == 0 {
		c.absent("V-11", "deployment.tech", "", "You say it senses people, so name the technology.",
			"for example:  tech: [video_camera]        list: cityproof codes tech camera")
	}
	if d.GetSensesPeople() != declarationv1.SensesPeople_SENSES_PEOPLE_NO {
		return
	}
	for _, t := range d.GetTech() {
		if vocabulary.SensesPeopleTech(schemeOf(t), t.GetCode()) {
			c.warn("V-10", "deployment.senses_people", "no", fmt.Sprintf("You name %s and say that it senses nobody.", t.GetCode()),
				"If people come into view, write  senses_people: incidentally  ; else it is listed under \"claims to sense nobody\".")
			return
		}
	}
}

// checkDataOf is the part of V-10 that asks for a data use; that an assessment is
// there takes other records.
func (c *checker) checkDataOf(d *declarationv1.Deployment) {
	if len(d.GetDataUses()) > 0 {
		return
	}
	var why string
	switch {
	case sensesPeople(d):
		why = "You say it senses people"
	case d.GetImpactClass() == declarationv1.ImpactClass_IMPACT_CLASS_HIGH:
		why = "You say its impact is high"
	case usesData(d.GetType()):
		if e := d.GetExemption(); e.GetGround() == declarationv1.ExemptionGround_EXEMPTION_GROUND_NO_PERSONAL_DATA && hasText(e.GetText()) {
			return
		}
		c.absent("V-10", "deployment.data_uses", "", "Say which data it uses, or that it uses no personal data and why.",
			"for example:  data: [benefit-files]        or:  assessment: no_personal_data - It only sees water levels.")
		return
	default:
		return
	}
	c.absent("V-10", "deployment.data_uses", "", why+", so say which data it makes or uses.",
		"for example:  data: [plaza-video]        and declare  use: plaza-video")
}

// usesData reports whether a type of deployment can't do without data.
func usesData(t declarationv1.DeploymentType) bool {
	switch t {
	case declarationv1.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI,
		declarationv1.DeploymentType_DEPLOYMENT_TYPE_APP,
		declarationv1.DeploymentType_DEPLOYMENT_TYPE_DATA_PLATFORM:
		return true
	}
	return false
}

func running(s declarationv1.Status) bool {
	return s == declarationv1.Status_STATUS_PILOT || s == declarationv1.Status_STATUS_IN_USE
}

// checkStart is V-12 but for the accountable body.
func (c *checker) checkStart(d *declarationv1.Deployment) {
	if running(d.GetStatus()) && d.GetStartsOn() == "" && !d.GetStartUnknown() {
		c.absent("V-12", "deployment.starts_on", "", "It is in use, so say since when.",
			"for example:  status: in use since 2021-05        or:  start_unknown: yes")
	}
	if d.GetStartsOn() != "" && d.GetStartUnknown() {
		c.wrong("V-12", "deployment.start_unknown", "yes", "You give a start and say that it is unknown.", "Keep one of the two.")
	}
}

// checkAccountable asks for exactly one accountable body: V-12 where something is
// in use without one, else V-01.
func (c *checker) checkAccountable(d *declarationv1.Deployment) {
	n := 0
	for i, p := range d.GetParties() {
		if p.GetRole() != declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE {
			continue
		}
		if n++; n == 2 {
			c.wrong("V-01", item("deployment.parties", i), p.GetName(), "A second body is said to be accountable; exactly one is.",
				"Give the other one the role that it has: vendor, operator, funder …")
		}
	}
	if n > 0 || len(d.GetParties()) == 0 {
		return // without any party the walk has said so
	}
	rule, message := "V-01", "Say which body is accountable."
	if running(d.GetStatus()) {
		rule, message = "V-12", "It is in use, so say which body is accountable."
	}
	c.absent(rule, "deployment.parties", "", message, "for example:  accountable: Gemeente Kanaalstad, afdeling Openbare Ruimte")
}

// checkTwin is V-13.
func (c *checker) checkTwin(d *declarationv1.Deployment) {
	switch d.GetType() {
	case declarationv1.DeploymentType_DEPLOYMENT_TYPE_DIGITAL_TWIN, declarationv1.DeploymentType_DEPLOYMENT_TYPE_VIRTUAL_CITY:
		if len(d.GetFeeds()) == 0 && !hasText(d.GetNoLiveFeed()) {
			c.warn("V-13", "deployment.feeds", "", "Say which sensors feed the twin, or that none does.",
				"for example:  feeds: [plaza-cameras]        or:  no_live_feed: Only yearly aerial pictures.")
		}
	}
}

// highRisk returns the first capability that V-14 is about, or nil.
func highRisk(d *declarationv1.Deployment) *declarationv1.Term {
	for _, t := range d.GetCapabilities() {
		if vocabulary.HighRiskCapability(schemeOf(t), t.GetCode()) {
			return t
		}
	}
	return nil
}

// checkHighRisk is V-14's impact; the data use takes another record.
func (c *checker) checkHighRisk(d *declarationv1.Deployment) {
	t := highRisk(d)
	if t == nil || d.GetImpactClass() == declarationv1.ImpactClass_IMPACT_CLASS_HIGH || d.GetImpactClass() == 0 {
		return // without any impact the walk has said so
	}
	c.wrong("V-14", "deployment.impact_class", words(d.GetImpactClass().String(), "ImpactClass"),
		fmt.Sprintf("It can do %s, so its impact is high.", t.GetCode()), "Write  impact: high")
}

// checkDeploymentDates is V-15, and the limit of review_on.
func (c *checker) checkDeploymentDates(d *declarationv1.Deployment) {
	c.inOrder(d.GetStartsOn(), d.GetEndsOn(), "deployment.ends_on", "This is before it starts")
	if end, ok := date(d.GetEndsOn()); ok && end.Last().After(c.statement.EffectiveOn.First().AddDate(farEndYears, 0, 0)) {
		c.warn("V-15", "deployment.ends_on", d.GetEndsOn(), fmt.Sprintf("This is more than %d years away: no end that anybody can expect.", farEndYears),
			"Leave the end out if none is decided.")
	}
	// A record about 2019 that is written today may name a review to come: so the
	// later of the two days counts.
	from := c.statement.EffectiveOn.First()
	if at := c.statement.DeclaredAt; at.After(from) {
		from = at
	}
	if review, ok := date(d.GetReviewOn()); ok && review.Last().After(from.AddDate(0, maxReviewMonths, 0)) {
		c.wrong("V-01", "deployment.review_on", d.GetReviewOn(), fmt.Sprintf("The next review is more than %d months away.", maxReviewMonths),
			"Name an earlier day.")
	}
}

// checkSites is V-17's warning, and that a site says where it is.
func (c *checker) checkSites(d *declarationv1.Deployment) {
	for i, s := range d.GetSites() {
		switch p := s.GetPoint(); {
		case p != nil && s.GetArea() != nil:
			c.wrong("V-01", item("deployment.sites", i), s.GetLabel(), "The site has a point and an area.", "Keep one of the two.")
		case p != nil && p.LatitudeE7 != nil && p.LongitudeE7 != nil && p.GetLatitudeE7() == 0 && p.GetLongitudeE7() == 0:
			c.warn("V-17", item("deployment.sites", i)+".point", "0, 0", "This is in the sea off Africa: an empty cell of a table, it seems.",
				"Give the coordinates, or leave the point out.")
		case p == nil && s.GetArea() == nil && !said(s.GetLabel()) && s.GetPrecision() == 0 &&
			!c.isWithheld(item("deployment.sites", i)+".point"):
			c.absent("V-01", item("deployment.sites", i), "", "The site says nothing.", "Give a point, an area or a label.")
		}
	}
}
