package publication

import (
	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

func (c *checker) checkCommitment(m *declarationv1.Commitment) {
	kind := m.GetKind()
	const (
		policy     = declarationv1.CommitmentKind_COMMITMENT_KIND_ADOPT_POLICY
		conformity = declarationv1.CommitmentKind_COMMITMENT_KIND_STANDARD_CONFORMANCE
		pledge     = declarationv1.CommitmentKind_COMMITMENT_KIND_PLEDGE
		negative   = declarationv1.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT
		position   = declarationv1.CommitmentKind_COMMITMENT_KIND_STANDARDS_POSITION
	)
	if kind != 0 {
		c.presence(m.GetNegative() != nil, kind == negative, "commitment.negative", "statement that something is not used", "for example:  declares_none: [FaceRecognition]")
		c.presence(m.GetPosition() != nil, kind == position, "commitment.position", "position on a standard", "Say the body, the proposal and the stance.")
		c.presence(m.GetConformity() != nil, kind == conformity, "commitment.conformity", "conformance to a standard",
			"Say who found that you conform: self_declared, second_party or certified.")
	}
	if (kind == policy || kind == conformity) && m.GetTarget() == nil {
		c.absent("V-01", "commitment.target", "", "Say which policy or standard it is.",
			"for example:  pledge: adopt_policy privacy_impact_assessment        list: cityproof codes policy WORD")
	}
	if kind == pledge && m.GetTarget() == nil && !hasText(m.GetText()) {
		c.absent("V-01", "commitment.text", "", "Say what is pledged.", "for example:  text: By 2028 no sensor stands without a sign.")
	}
	if kind == policy || kind == pledge {
		c.checkPledge(m)
	}
	c.checkCertificate(m.GetConformity())
	c.inOrder(m.GetNegative().GetSince(), m.GetNegative().GetUntil(), "commitment.negative.until", "This is before it begins")
}

// checkPledge is V-41.
func (c *checker) checkPledge(m *declarationv1.Commitment) {
	done := m.GetState() == declarationv1.CommitmentState_COMMITMENT_STATE_DONE
	switch {
	case m.GetDueOn() != "" || done && len(c.body.GetAttachments()) > 0:
	case done:
		c.absent("V-41", "attachments", "", "You say that it is done, so attach what shows it.", "for example:  attachments: [council-decision.pdf]")
	default:
		c.absent("V-41", "commitment.due_on", "", "Say by when.", "for example:  due: 2027-07-01")
	}
	if len(m.GetConsequences()) == 0 {
		c.absent("V-41", "commitment.consequences", "", "Say what follows if it is not kept, or that nothing does.",
			"for example:  consequence: staff, publication - The council gets the list.        or:  consequence: none")
	}
}

// checkCertificate is V-42.
func (c *checker) checkCertificate(k *declarationv1.Conformity) {
	if k.GetKind() != declarationv1.ConformityKind_CONFORMITY_KIND_CERTIFIED {
		return
	}
	ask := func(value, field, message string) {
		if !said(value) {
			c.absent("V-42", "commitment.conformity."+field, "", message, "Copy it from the certificate, or write  conformity: self_declared")
		}
	}
	ask(k.GetCertifier(), "certifier", "You are certified, so say by whom.")
	ask(k.GetCertificateNo(), "certificate_no", "You are certified, so give the certificate's number.")
	ask(k.GetExpiresOn(), "expires_on", "You are certified, so say until when.")
}
