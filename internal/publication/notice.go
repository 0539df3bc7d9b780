package publication

import (
	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// checkNotice asks of each type for what it can't do without (V-01).
func (c *checker) checkNotice(n *declarationv1.Notice) {
	t := n.GetType()
	if t == 0 {
		return
	}
	c.presence(n.GetConsultation() != nil, t == declarationv1.NoticeType_NOTICE_TYPE_CONSULTATION, "notice.consultation", "consultation",
		"Say when it opens and closes, and how to take part.")
	c.presence(n.GetErasure() != nil, t == declarationv1.NoticeType_NOTICE_TYPE_ERASURE, "notice.erasure", "notice of erasure",
		"Say which body is erased, on what ground and by which authority.")
	c.presence(n.GetSanction() != nil, t == declarationv1.NoticeType_NOTICE_TYPE_SANCTION, "notice.sanction", "notice of a sanction",
		"Say on whom, and what it is.")
	incident := t == declarationv1.NoticeType_NOTICE_TYPE_INCIDENT
	c.presence(len(n.GetIncidentKinds()) > 0, incident, "notice.incident_kinds", "notice of an incident", "for example:  kind: confidentiality")
	c.presence(n.GetIncidentStatus() != 0, incident, "notice.incident_status", "notice of an incident", "for example:  status: mitigated")
	c.checkNoticeNeeds(n)
	c.checkErasure(n.GetErasure())
	c.checkSanction(n.GetSanction())
	c.inOrder(n.GetOccurredOn(), n.GetDiscoveredOn(), "notice.discovered_on", "This is before it happened")
	c.inOrder(n.GetConsultation().GetOpensOn(), n.GetConsultation().GetClosesOn(), "notice.consultation.closes_on", "This is before it opens")
	if n.GetInReplyTo() != "" && n.InReplyToTicket != nil {
		c.wrong("V-01", "notice.in_reply_to", n.GetInReplyTo(), "This answers a record and a complaint at once.", "Publish two answers.")
	}
}

// checkNoticeNeeds is about fields that other types may have as well.
func (c *checker) checkNoticeNeeds(n *declarationv1.Notice) {
	switch n.GetType() {
	case declarationv1.NoticeType_NOTICE_TYPE_INCIDENT:
		if n.GetDiscoveredOn() == "" {
			c.absent("V-01", "notice.discovered_on", "", "Say when the incident was discovered: the time to tell runs from there.",
				"for example:  discovered: 2026-12-20")
		}
	case declarationv1.NoticeType_NOTICE_TYPE_FORTHCOMING:
		if n.GetDueOn() == "" {
			c.absent("V-01", "notice.due_on", "", "Say by when it comes.", "for example:  due: 2027-03-01")
		}
	case declarationv1.NoticeType_NOTICE_TYPE_RESPONSE:
		if n.GetInReplyTo() == "" && n.InReplyToTicket == nil {
			c.absent("V-01", "notice.in_reply_to", "", "Say what this answers.", "Name the record, or the complaint's ticket hash (in_reply_to_ticket).")
		}
	case declarationv1.NoticeType_NOTICE_TYPE_CORRECTION, declarationv1.NoticeType_NOTICE_TYPE_COMPLAINT,
		declarationv1.NoticeType_NOTICE_TYPE_SUSPENSION, declarationv1.NoticeType_NOTICE_TYPE_EMERGENCY_ACCESS,
		declarationv1.NoticeType_NOTICE_TYPE_CHANGE, declarationv1.NoticeType_NOTICE_TYPE_DISPUTE:
		if len(n.GetAbout()) == 0 && n.GetAboutRef() == nil {
			c.absent("V-01", "notice.about", "", "Say which record this is about.", "for example:  about: plaza-video")
		}
	}
}

// checkErasure keeps the exception from the 14 days to courts (section 2.1).
func (c *checker) checkErasure(e *declarationv1.Erasure) {
	if e.GetEmergency() && e.GetGround() != declarationv1.ErasureGround_ERASURE_GROUND_COURT_ORDER {
		c.wrong("V-01", "notice.erasure.emergency", "yes", "Only a court's order is an emergency.", "Leave it out: the body goes after 14 days.")
	}
}

func (c *checker) checkSanction(s *declarationv1.Sanction) {
	switch {
	case s.GetAmount() != "" && s.GetCurrency() == "":
		c.absent("V-01", "notice.sanction.currency", "", "Say in which currency.", "for example:  currency: EUR")
	case s.GetAmount() == "" && s.GetCurrency() != "":
		c.wrong("V-01", "notice.sanction.currency", s.GetCurrency(), "There is a currency without an amount.", "Give the amount, or leave the currency out.")
	}
}

// checkFinding asks of each type for what others need to compute it again (V-01).
// Who may publish findings at all takes another record.
func (c *checker) checkFinding(f *declarationv1.Finding) {
	switch f.GetType() {
	case declarationv1.FindingType_FINDING_TYPE_OBLIGATION:
		ask := func(missing bool, field, what string) {
			if missing {
				c.absent("V-01", "finding."+field, "", "A finding says "+what+".", "Without it nobody can compute the finding again.")
			}
		}
		ask(!said(f.GetRuleId()), "rule_id", "which rule it is about")
		ask(f.RulesetSha256 == nil, "ruleset_sha256", "the hash of the rules that it was judged by")
		ask(f.GetAbout() == nil, "about", "which record it is about")
		ask(f.GetVerdict() == 0, "verdict", "what was found")
		ask(f.TreeSize == nil, "tree_size", "the size of the log that was judged")
		ask(f.TreeRoot == nil, "tree_root", "the root of the log that was judged")
	case declarationv1.FindingType_FINDING_TYPE_SCORECARD:
		if f.ScorecardSha256 == nil {
			c.absent("V-01", "finding.scorecard_sha256", "", "A scorecard says the hash of its table.", "Let the tool compute it.")
		}
	}
}
