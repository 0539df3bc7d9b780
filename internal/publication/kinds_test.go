package publication_test

import (
	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

func assessmentCases() []recordCase {
	return []recordCase{
		{"completed, but when", "pia", asm(func(a *pb.Assessment) { a.CompletedOn = nil }),
			[]want{{"V-30", reject, "assessment.completed_on", "completed, so say when", "completed: 2026-11-16"}}},
		{"completed, but by what", "pia", asm(func(a *pb.Assessment) { a.Criteria = nil }),
			[]want{{"V-30", reject, "assessment.criteria", "what was judged", "criteria: ["}}},
		{"completed, but for what", "pia", asm(func(a *pb.Assessment) { a.Lifecycle = nil }),
			[]want{{"V-30", reject, "assessment.lifecycle", "which stages", "lifecycle: all"}}},
		{"completed in silence", "pia", asm(func(a *pb.Assessment) { a.PublicSummary = nil }),
			[]want{{"V-30", reject, "assessment.public_summary", "tell the public", "public_summary: "}}},
		{"a threshold analysis needs no summary", "pia", asm(func(a *pb.Assessment) { a.PublicSummary, a.ThresholdOnly = nil, ptr(true) }), nil},
		{"started only", "pia", asm(func(a *pb.Assessment) {
			a.State = pb.AssessmentState_ASSESSMENT_STATE_STARTED.Enum()
			a.CompletedOn, a.ValidUntil, a.Criteria, a.Lifecycle, a.PublicSummary = nil, nil, nil, nil, nil
		}), nil},

		{"assessed by nobody", "pia", asm(func(a *pb.Assessment) { a.Assessor = nil }),
			[]want{{"V-31", reject, "assessment.assessor", "Say who assesses", "assessor: "}}},

		{"a criterion without a result", "pia", asm(func(a *pb.Assessment) { a.Criteria[0].Result = nil }),
			[]want{{"V-32", reject, "assessment.criteria[0].result", "has no result", "partly"}}},
		{"a risk without likelihood", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Likelihood = nil }),
			[]want{{"V-32", reject, "assessment.risks[0].likelihood", "how likely", "2x4"}}},
		{"a risk without severity", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Severity = nil }),
			[]want{{"V-32", reject, "assessment.risks[0].severity", "how bad", "2x4"}}},
		{"a risk left alone", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Mitigation = nil }),
			[]want{{"V-32", reject, "assessment.risks[0].mitigation", "why it is accepted", ""}}},
		{"a risk accepted", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Mitigation, a.Risks[0].Acceptance = nil, nl("Klein.") }), nil},

		{"no harm at high risk", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Residual = ptr(uint32(4)) }),
			[]want{{"V-33", reject, "assessment.no_harm", "risk 1 (civil_liberties_harm) remains at 4 of 5", "Take the claim back"}}},
		{"no harm and a high outcome", "pia", asm(func(a *pb.Assessment) { a.Outcome = pb.AssessmentOutcome_ASSESSMENT_OUTCOME_HIGH_RESIDUAL_RISK.Enum() }),
			[]want{{"V-33", reject, "assessment.no_harm", "a high risk remains", ""}}},
		{"no harm not claimed", "pia", asm(func(a *pb.Assessment) { a.NoHarm.Claimed, a.Risks[0].Residual = ptr(false), ptr(uint32(5)) }), nil},

		{"completed before it started", "pia", asm(func(a *pb.Assessment) { a.StartedOn = ptr("2026-11-17") }),
			[]want{{"V-15", reject, "assessment.completed_on", "before it was started", "in order"}}},
		{"valid until before", "pia", asm(func(a *pb.Assessment) { a.ValidUntil = ptr("2026-10") }),
			[]want{{"V-15", reject, "assessment.valid_until", "before it was completed", "in order"}}},
		{"valid too long", "pia", asm(func(a *pb.Assessment) { a.ValidUntil = ptr("2029-11-17") }),
			[]want{{"V-01", reject, "assessment.valid_until", "more than 3 years", "earlier day"}}},
		{"a code of a wrong kind of harm", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Harm = term(pb.Scheme_SCHEME_DTPR_RIGHT, "right_access") }),
			[]want{{"V-04", reject, "assessment.risks[0].harm", "does not belong here", "cityproof codes harm"}}},
	}
}

func commitmentCases() []recordCase {
	return []recordCase{
		{"a pledge without a date", "policy", com(func(c *pb.Commitment) { c.DueOn = nil }),
			[]want{{"V-41", reject, "commitment.due_on", "Say by when.", "due: 2027-07-01"}}},
		{"done without proof", "policy", com(func(c *pb.Commitment) { c.DueOn, c.State = nil, pb.CommitmentState_COMMITMENT_STATE_DONE.Enum() }),
			[]want{{"V-41", reject, "attachments", "attach what shows it", "attachments: ["}}},
		{"done with proof", "policy", func(r *publication.Record) {
			r.Body.GetCommitment().DueOn, r.Body.GetCommitment().State = nil, pb.CommitmentState_COMMITMENT_STATE_DONE.Enum()
			r.Body.Attachments = []*pb.Attachment{{Title: ptr("Besluit"), Sha256: hash(9)}}
		}, nil},
		{"a pledge without consequence", "policy", com(func(c *pb.Commitment) { c.Consequences = nil }),
			[]want{{"V-41", reject, "commitment.consequences", "or that nothing does", "consequence: none"}}},
		{"no consequence is said", "policy", com(func(c *pb.Commitment) {
			c.Consequences = []*pb.Consequence{{Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_NONE.Enum()}}
		}), nil},
		{"a policy of no name", "policy", com(func(c *pb.Commitment) { c.Target = nil }),
			[]want{{"V-01", reject, "commitment.target", "which policy or standard", "codes policy"}}},
		{"a pledge of no words", "policy", com(func(c *pb.Commitment) {
			c.Kind, c.Target, c.Text = pb.CommitmentKind_COMMITMENT_KIND_PLEDGE.Enum(), nil, nil
		}), []want{{"V-01", reject, "commitment.text", "what is pledged", "text: "}}},

		{"certified by nobody", "certificate", com(func(c *pb.Commitment) { c.Conformity.Certifier = nil }),
			[]want{{"V-42", reject, "commitment.conformity.certifier", "by whom", "self_declared"}}},
		{"certified without a number", "certificate", com(func(c *pb.Commitment) { c.Conformity.CertificateNo = nil }),
			[]want{{"V-42", reject, "commitment.conformity.certificate_no", "number", ""}}},
		{"certified for ever", "certificate", com(func(c *pb.Commitment) { c.Conformity.ExpiresOn = nil }),
			[]want{{"V-42", reject, "commitment.conformity.expires_on", "until when", ""}}},
		{"self-declared", "certificate", com(func(c *pb.Commitment) {
			c.Conformity = &pb.Conformity{Kind: pb.ConformityKind_CONFORMITY_KIND_SELF_DECLARED.Enum()}
		}), nil},
		{"a standard without conformity", "certificate", com(func(c *pb.Commitment) { c.Conformity = nil }),
			[]want{{"V-01", reject, "commitment.conformity", "so say the conformity", "self_declared"}}},

		{"none of what", "none", com(func(c *pb.Commitment) { c.Negative = nil }),
			[]want{{"V-01", reject, "commitment.negative", "so say the negative", "declares_none:"}}},
		{"a policy that is a negative", "policy", com(func(c *pb.Commitment) {
			c.Negative = &pb.Negative{Term: term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition")}
		}), []want{{"V-01", reject, "commitment.negative", "Only a statement that something is not used has this", "Leave it out"}}},
		{"none until before", "none", com(func(c *pb.Commitment) { c.Negative.Until = ptr("2025") }),
			[]want{{"V-15", reject, "commitment.negative.until", "before it begins", "in order"}}},
		{"a position", "policy", com(func(c *pb.Commitment) {
			*c = pb.Commitment{Kind: pb.CommitmentKind_COMMITMENT_KIND_STANDARDS_POSITION.Enum(),
				Position: &pb.Position{Body: ptr("ISO/TC 268"), Proposal: ptr("N 1234"), Stance: pb.Stance_STANCE_SUPPORTS.Enum()}}
		}), nil},
		{"a position on nothing", "policy", com(func(c *pb.Commitment) { c.Kind = pb.CommitmentKind_COMMITMENT_KIND_STANDARDS_POSITION.Enum() }),
			[]want{{"V-01", reject, "commitment.position", "so say the position", "stance"}}},
		{"a number that is none", "policy", com(func(c *pb.Commitment) { c.Measure.Actual = ptr("62,5") }),
			[]want{{"V-01", reject, "commitment.measure.actual", "is no number", "12.5"}}},
	}
}

func serviceCases() []recordCase {
	return []recordCase{
		{"no way to reach it", "service", svc(func(s *pb.Service) { s.Channels = nil }),
			[]want{{"V-60", reject, "service.channels", "how people reach the service", "channels: [web"}}},
		{"who are you, and for what", "service", svc(func(s *pb.Service) { s.DataUses = nil }),
			[]want{{"V-61", reject, "service.data_uses", "what is done with it", "use: birth-register"}}},
		{"nobody asks who you are", "service", svc(func(s *pb.Service) { s.DataUses, s.IdentityNeeded = nil, ptr(false) }), nil},
		{"a channel's language is none", "service", svc(func(s *pb.Service) { s.Channels[1].Languages = []string{"nl", "dutch!"} }),
			[]want{{"V-62", reject, "service.channels[1].languages[1]", "is no language tag", "BCP 47"}}},
		{"a channel's language twice", "service", svc(func(s *pb.Service) { s.Channels[0].Languages = []string{"ar", "ar"} }),
			[]want{{"V-62", reject, "service.channels[0].languages[1]", "listed twice", "Take one"}}},
		{"an access point of a wrong kind", "service", svc(func(s *pb.Service) { s.AccessPoint = ptr("use/31") }),
			[]want{{"V-16", reject, "service.access_point", "but a deployment or a service belongs here", "dep/31"}}},
	}
}

func noticeCases() []recordCase {
	party := &pb.Party{Name: ptr("Zicht Systemen BV"), Role: pb.PartyRole_PARTY_ROLE_VENDOR.Enum()}
	consultation := &pb.Consultation{OpensOn: ptr("2027-01-10"), ClosesOn: ptr("2027-02"), How: nl("In de bibliotheek.")}
	erasure := &pb.Erasure{Leaf: hash(1), BodySha256: hash(2), Ground: pb.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), Emergency: ptr(true), Authority: ptr("Rechtbank")}
	return []recordCase{
		{"an incident without a day", "incident", inBody(func(b *pb.Body) { b.GetNotice().DiscoveredOn = nil }),
			[]want{{"V-01", reject, "notice.discovered_on", "when the incident was discovered", "discovered: 2026-12-20"}}},
		{"an incident of no kind", "incident", inBody(func(b *pb.Body) { b.GetNotice().IncidentKinds = nil }),
			[]want{{"V-01", reject, "notice.incident_kinds", "so say the incident kinds", "kind: confidentiality"}}},
		{"an incident of no status", "incident", inBody(func(b *pb.Body) { b.GetNotice().IncidentStatus = nil }),
			[]want{{"V-01", reject, "notice.incident_status", "so say the incident status", "status: mitigated"}}},
		{"discovered before it happened", "incident", inBody(func(b *pb.Body) { b.GetNotice().DiscoveredOn = ptr("2026-11-30") }),
			[]want{{"V-15", reject, "notice.discovered_on", "before it happened", "in order"}}},
		{"a consultation", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_CONSULTATION, func(n *pb.Notice) { n.Consultation = consultation })), nil},
		{"a consultation without dates", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_CONSULTATION, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.consultation", "so say the consultation", "opens and closes"}}},
		{"a consultation that closes first", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_CONSULTATION, func(n *pb.Notice) {
			n.Consultation = &pb.Consultation{OpensOn: ptr("2027-01-10"), ClosesOn: ptr("2027-01-09"), How: nl("x")}
		})), []want{{"V-15", reject, "notice.consultation.closes_on", "before it opens", ""}}},
		{"a change that is a consultation", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_CHANGE, func(n *pb.Notice) {
			n.About, n.Consultation = []string{"use/31"}, consultation
		})), []want{{"V-01", reject, "notice.consultation", "Only a consultation has this", ""}}},
		{"a change of nothing", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_CHANGE, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.about", "which record", "about: plaza-video"}}},
		{"an erasure", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_ERASURE, func(n *pb.Notice) { n.Erasure = erasure })), nil},
		{"an erasure of nothing", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_ERASURE, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.erasure", "so say the erasure", "which body"}}},
		{"an emergency without a court", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_ERASURE, func(n *pb.Notice) {
			n.Erasure = &pb.Erasure{Leaf: hash(1), BodySha256: hash(2), Ground: pb.ErasureGround_ERASURE_GROUND_LOST.Enum(), Emergency: ptr(true), Authority: ptr("x")}
		})), []want{{"V-01", reject, "notice.erasure.emergency", "Only a court's order", "14 days"}}},
		{"a sanction", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_SANCTION, func(n *pb.Notice) {
			n.Sanction = &pb.Sanction{On: party, Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_FINE.Enum(), Amount: ptr("5000"), Currency: ptr("EUR")}
		})), nil},
		{"a sanction on nobody", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_SANCTION, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.sanction", "so say the sanction", ""}}},
		{"a fine in no currency", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_SANCTION, func(n *pb.Notice) {
			n.Sanction = &pb.Sanction{On: party, Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_FINE.Enum(), Amount: ptr("5000")}
		})), []want{{"V-01", reject, "notice.sanction.currency", "in which currency", "EUR"}}},
		{"a currency of no fine", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_SANCTION, func(n *pb.Notice) {
			n.Sanction = &pb.Sanction{On: party, Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_WARNING.Enum(), Currency: ptr("EUR")}
		})), []want{{"V-01", reject, "notice.sanction.currency", "without an amount", ""}}},
		{"forthcoming, but when", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_FORTHCOMING, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.due_on", "by when", "due: "}}},
		{"an answer to nothing", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_RESPONSE, func(*pb.Notice) {})),
			[]want{{"V-01", reject, "notice.in_reply_to", "what this answers", "ticket"}}},
		{"an answer to a complaint", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_RESPONSE, func(n *pb.Notice) { n.InReplyToTicket = hash(1) })), nil},
		{"an answer to two", "incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_RESPONSE, func(n *pb.Notice) {
			n.InReplyTo, n.InReplyToTicket = ptr("not/4"), hash(1)
		})), []want{{"V-01", reject, "notice.in_reply_to", "at once", "two answers"}}},

		{"a finding without a verdict", "finding", inBody(func(b *pb.Body) { b.GetFinding().Verdict = nil }),
			[]want{{"V-01", reject, "finding.verdict", "what was found", "compute the finding again"}}},
		{"a finding about no log", "finding", inBody(func(b *pb.Body) {
			f := b.GetFinding()
			f.RuleId, f.RulesetSha256, f.About, f.TreeSize, f.TreeRoot = nil, nil, nil, nil, nil
		}), []want{
			{"V-01", reject, "finding.rule_id", "which rule", ""}, {"V-01", reject, "finding.ruleset_sha256", "hash of the rules", ""},
			{"V-01", reject, "finding.about", "which record", ""}, {"V-01", reject, "finding.tree_size", "size", ""}, {"V-01", reject, "finding.tree_root", "root", ""},
		}},
		{"a scorecard of nothing", "finding", inBody(func(b *pb.Body) { b.GetFinding().Type = pb.FindingType_FINDING_TYPE_SCORECARD.Enum() }),
			[]want{{"V-01", reject, "finding.scorecard_sha256", "hash of its table", ""}}},
	}
}

// importCases: what is absent is listed, what is wrong is refused.
func importCases() []recordCase {
	imported := func(f func(b *pb.Body)) func(*publication.Record) {
		return func(r *publication.Record) {
			r.Statement.Provenance = declaration.ImportedByCity
			r.Body.SourceId = ptr("nl-algoritmeregister:11136893")
			f(r.Body)
		}
	}
	return []recordCase{
		{"an import lacks what its source lacks", "camera", imported(func(b *pb.Body) {
			d := b.GetDeployment()
			d.Space, d.SensesPeople, d.Sectors, d.ImpactClass, d.StartsOn = nil, nil, nil, nil, nil
		}), []want{
			{"V-01", warn, "deployment.space", "", ""}, {"V-01", warn, "deployment.senses_people", "", ""}, {"V-01", warn, "deployment.impact_class", "", ""},
			{"V-05", warn, "deployment.sectors", "", ""}, {"V-12", warn, "deployment.starts_on", "", ""},
		}},
		{"an import names its people's technology as little", "camera", imported(func(b *pb.Body) {
			b.GetDeployment().Tech, b.GetDeployment().Capabilities, b.GetDeployment().DataUses = nil, nil, nil
		}), []want{{"V-10", warn, "deployment.data_uses", "", ""}, {"V-11", warn, "deployment.tech", "", ""}}},
		{"an import's data use", "video", imported(func(b *pb.Body) {
			u := b.GetDataUse()
			u.LegalBasis, u.Rights, u.Refusal, u.Retention, u.GovernmentAccess = nil, nil, nil, nil, nil
			u.CollectedBy = pb.CollectedBy_COLLECTED_BY_COMPANY.Enum()
		}), []want{
			{"V-20", warn, "data_use.legal_basis", "", ""}, {"V-20", warn, "data_use.rights", "", ""}, {"V-22", warn, "data_use.refusal", "", ""},
			{"V-23", warn, "data_use.retention", "", ""}, {"V-24", warn, "data_use.government_access", "", ""},
		}},
		{"an import's name is too long", "camera", imported(func(b *pb.Body) {
			b.GetDeployment().Name.Texts[0].Value = ptr(longText(101))
		}), []want{{"V-01", reject, "deployment.name", "101 characters", ""}}},
		{"an import's code is wrong", "camera", imported(func(b *pb.Body) { b.GetDeployment().Tech[0].Code = ptr("webcam") }),
			[]want{{"V-04", reject, "deployment.tech[0]", "no such code", ""}}},
		{"an import's words stand beside no code", "camera", imported(func(b *pb.Body) {
			b.GetDeployment().Tech[0] = &pb.Term{Other: nl("webcam\u202e")}
		}), []want{{"V-01", warn, "deployment.tech[0]", "names nothing", ""}, {"V-06", reject, "deployment.tech[0]", "changes the direction", ""}}},
		{"an import contradicts itself", "pia", imported(func(b *pb.Body) { b.GetAssessment().Risks[0].Residual = ptr(uint32(5)) }),
			[]want{{"V-33", reject, "assessment.no_harm", "", ""}}},
		{"an import's impact is too low", "camera", imported(func(b *pb.Body) {
			b.GetDeployment().Capabilities[0] = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition")
		}), []want{{"V-14", reject, "deployment.impact_class", "", ""}}},
		{"an import from nowhere", "camera", func(r *publication.Record) { r.Statement.Provenance = declaration.ImportedByOthers },
			[]want{{"V-01", reject, "source_id", "not from where", "imported_from"}}},
		{"an import from an address", "camera", func(r *publication.Record) {
			r.Statement.Provenance, r.Body.ImportedFrom = declaration.ImportedByOthers, []string{"https://register.example/11136893"}
		}, nil},
	}
}

func longText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}
