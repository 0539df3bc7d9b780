package publication_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

// The fixtures are one city's records, complete and in order: twelve cameras on a
// square, their video, its assessment, and what goes with them.

var now = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// nl is a text in the fixtures' language, with its English where given.
func nl(value string, en ...string) *pb.LocalizedText {
	t := &pb.LocalizedText{Texts: []*pb.Text{{Lang: ptr("nl"), Value: &value}}}
	for _, v := range en {
		t.Texts = append(t.Texts, &pb.Text{Lang: ptr("en"), Value: ptr(v)})
	}
	return t
}

func term(scheme pb.Scheme, code string) *pb.Term {
	return &pb.Term{Scheme: scheme.Enum(), Code: &code}
}

func other(scheme pb.Scheme, words string) *pb.Term {
	return &pb.Term{Scheme: scheme.Enum(), Code: ptr("other"), Other: nl(words)}
}

func hash(b byte) []byte {
	h := make([]byte, 32)
	h[0] = b
	return h
}

func body() *pb.Body {
	return &pb.Body{Nonce: make([]byte, 16), Language: ptr("nl")}
}

func memberBody() *pb.Body {
	b := body()
	b.Record = &pb.Body_Member{Member: &pb.Member{
		Id: ptr("nl-kanaalstad"), Kind: pb.MemberKind_MEMBER_KIND_LOCAL_GOVERNMENT.Enum(),
		Membership: pb.Membership_MEMBERSHIP_FULL.Enum(), Names: nl("Gemeente Kanaalstad", "City of Kanaalstad"),
		Country: ptr("NL"), Region: ptr("europe"), Population: &pb.Population{Count: ptr(uint32(184000)), Year: ptr(uint32(2026))},
		Location: &pb.Point{LatitudeE7: ptr(int32(523702000)), LongitudeE7: ptr(int32(48952000))},
		Groups:   []pb.Grouping{pb.Grouping_GROUPING_U20}, Contact: ptr("privacy@kanaalstad.example"), Telephone: ptr("+31 20 123 4567"),
		ResponsibleRoles: []*pb.ResponsibleRole{{Title: nl("Hoofd informatiebeveiliging"), Scope: pb.RoleScope_ROLE_SCOPE_CYBERSECURITY.Enum()}},
		Languages:        []string{"nl", "en"}, Website: ptr("https://kanaalstad.example/"),
	}}
	return b
}

func cameraBody() *pb.Body {
	b := body()
	b.Nickname = ptr("plaza-cameras")
	b.Withheld = []*pb.Withheld{{FieldPath: ptr("deployment.parties[1].contract_ref"), Reason: pb.WithheldReason_WITHHELD_REASON_SECURITY.Enum(), SaltedSha256: hash(7)}}
	b.Attachments = []*pb.Attachment{{Title: ptr("Plattegrond"), Sha256: hash(1), MediaType: ptr("application/pdf"), Size: ptr(uint32(52000)), AsOf: ptr("2026-10")}}
	b.Record = &pb.Body_Deployment{Deployment: &pb.Deployment{
		Name:    nl("Camera's Marktplein", "Market Square cameras"),
		Summary: nl("Twaalf vaste camera's. Gezichten worden in de camera zelf vervaagd.", "Twelve fixed cameras. Faces are blurred inside the camera."),
		Type:    pb.DeploymentType_DEPLOYMENT_TYPE_CAMERA_SYSTEM.Enum(),
		Sectors: []pb.Sector{pb.Sector_SECTOR_SAFETY_RESILIENCE_INFRASTRUCTURE}, Status: pb.Status_STATUS_IN_USE.Enum(),
		StartsOn: ptr("2026-12-14"), EndsOn: ptr("2030"), Space: pb.Space_SPACE_PUBLIC_SPACE.Enum(),
		SensesPeople: pb.SensesPeople_SENSES_PEOPLE_YES.Enum(),
		Tech:         []*pb.Term{term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "video_camera"), term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "de_identified_video")},
		Capabilities: []*pb.Term{term(pb.Scheme_SCHEME_DPV_AI, "ObjectDetection"), other(pb.Scheme_SCHEME_LOCAL, "Tellen van fietsers")},
		Autonomy:     pb.Autonomy_AUTONOMY_HUMAN_DECIDES.Enum(), ImpactClass: pb.ImpactClass_IMPACT_CLASS_MODERATE.Enum(),
		Affected: []*pb.Affected{{Group: term(pb.Scheme_SCHEME_DPV_DATA_SUBJECT, "Visitor"), Relationship: pb.Relationship_RELATIONSHIP_BYSTANDER.Enum()}},
		Purpose:  []*pb.Term{term(pb.Scheme_SCHEME_DTPR_PURPOSE, "safety_security")},
		PurposeText: nl("Terugkijken na een incident op het plein.\nGeen rechtstreeks meekijken, geen koppeling met andere systemen.",
			"Looking back after an incident on the square. No live viewing, no link with other systems."),
		HumanOversight: nl("Twee medewerkers geven samen toegang; elke inzage wordt vastgelegd."),
		Units:          ptr(uint32(12)),
		Sites: []*pb.Site{
			{Point: &pb.Point{LatitudeE7: ptr(int32(523702160)), LongitudeE7: ptr(int32(48951680))}, Precision: pb.SitePrecision_SITE_PRECISION_EXACT.Enum(), Label: ptr("Marktplein noord")},
			{Point: &pb.Point{LatitudeE7: ptr(int32(523698810)), LongitudeE7: ptr(int32(48953020))}, Precision: pb.SitePrecision_SITE_PRECISION_EXACT.Enum(), Label: ptr("Marktplein zuid")},
		},
		Parties: []*pb.Party{
			{Name: ptr("Gemeente Kanaalstad, afdeling Openbare Ruimte"), Role: pb.PartyRole_PARTY_ROLE_ACCOUNTABLE.Enum(), MemberId: ptr("nl-kanaalstad"), Country: ptr("NL"), Contact: ptr("privacy@kanaalstad.example")},
			{Name: ptr("Zicht Systemen BV"), Role: pb.PartyRole_PARTY_ROLE_VENDOR.Enum(), Country: ptr("NL")},
		},
		DataUses: []string{"use/31"}, Assessments: []string{"asm/9"}, ReviewOn: ptr("2028-12"),
		BasedOn: []*pb.ForeignSubject{{Origin: ptr("tsukuba.example/log"), Subject: ptr("dep/4")}},
		Signage: &pb.Signage{Kind: pb.SignageKind_SIGNAGE_KIND_DTPR_SIGN.Enum(), Url: ptr("https://kanaalstad.example/borden")}, PublicPage: ptr("https://kanaalstad.example/cameras"),
	}}
	return b
}

func videoBody() *pb.Body {
	b := body()
	b.Nickname = ptr("plaza-video")
	b.Record = &pb.Body_DataUse{DataUse: &pb.DataUse{
		Name: nl("Vervaagd beeld Marktplein"), Summary: nl("Beeld van het plein, gezichten vervaagd voor opslag."),
		Categories: []*pb.Term{term(pb.Scheme_SCHEME_DPV_PD, "Picture")}, Identifiability: pb.Identifiability_IDENTIFIABILITY_IDENTIFIABLE.Enum(),
		SpecialCategory: ptr(false), CollectedBy: pb.CollectedBy_COLLECTED_BY_GOVERNMENT.Enum(), Source: pb.DataSource_DATA_SOURCE_SENSOR.Enum(),
		Purposes:   []*pb.Purpose{{Term: term(pb.Scheme_SCHEME_DTPR_PURPOSE, "safety_security"), Text: nl("Terugkijken na een incident")}},
		LegalBasis: []*pb.LegalBasis{{Term: term(pb.Scheme_SCHEME_DPV_LEGAL_BASIS, "OfficialAuthorityOfController"), Jurisdiction: ptr("NL"), Citation: ptr("Gemeentewet art. 151c")}},
		Retention: []*pb.Retention{
			{What: nl("ruw beeld"), Identifiability: pb.Identifiability_IDENTIFIABILITY_IDENTIFIABLE.Enum(), Mode: pb.RetentionMode_RETENTION_MODE_NOT_RETAINED.Enum()},
			{What: nl("vervaagd beeld"), Identifiability: pb.Identifiability_IDENTIFIABILITY_DE_IDENTIFIED.Enum(), Mode: pb.RetentionMode_RETENTION_MODE_FIXED.Enum(), Duration: ptr("P28D")},
		},
		Storage:    []*pb.Storage{{Country: ptr("NL"), Where: pb.StorageWhere_STORAGE_WHERE_CITY_CLOUD.Enum(), Operator: ptr("Gemeente Kanaalstad")}},
		Recipients: []*pb.Recipient{{Party: &pb.Party{Name: ptr("Politie"), Role: pb.PartyRole_PARTY_ROLE_THIRD_PARTY.Enum()}, Level: pb.GovernmentLevel_GOVERNMENT_LEVEL_LAW_ENFORCEMENT.Enum(), Country: ptr("NL")}},
		GovernmentAccess: &pb.GovernmentAccess{Mode: pb.AccessMode_ACCESS_MODE_CONDITIONAL.Enum(), Levels: []pb.GovernmentLevel{pb.GovernmentLevel_GOVERNMENT_LEVEL_LAW_ENFORCEMENT},
			Circumstances: pb.Circumstances_CIRCUMSTANCES_NORMAL_TIMES.Enum(), Authorisation: pb.Authorisation_AUTHORISATION_STATUTORY_REQUEST.Enum(),
			LegalBasis: &pb.LegalBasis{Term: term(pb.Scheme_SCHEME_DPV_LEGAL_BASIS, "LegalObligation"), Citation: ptr("Wetboek van Strafvordering art. 126nda")}, LastPeriodRequests: ptr(uint32(0))},
		Architecture: pb.Architecture_ARCHITECTURE_ON_DEVICE.Enum(), Safeguards: []*pb.Term{term(pb.Scheme_SCHEME_DPV_MEASURE, "Pseudonymisation")},
		Rights:            []*pb.Right{{Term: term(pb.Scheme_SCHEME_DTPR_RIGHT, "right_access"), Contact: ptr("privacy@kanaalstad.example")}},
		Refusal:           &pb.Refusal{Consequence: pb.RefusalConsequence_REFUSAL_CONSEQUENCE_NOT_POSSIBLE.Enum(), Text: nl("Het plein is te vermijden via de Kerkstraat, 80 m, zonder camera.")},
		AutomatedDecision: pb.AutomatedDecision_AUTOMATED_DECISION_NONE.Enum(),
	}}
	return b
}

func piaBody() *pb.Body {
	b := body()
	b.Nickname = ptr("plaza-pia")
	b.Record = &pb.Body_Assessment{Assessment: &pb.Assessment{
		Kind: pb.AssessmentKind_ASSESSMENT_KIND_PIA.Enum(), Covers: []string{"dep/18"}, State: pb.AssessmentState_ASSESSMENT_STATE_COMPLETED.Enum(),
		Method: ptr("ISO-IEC-29134"), StartedOn: ptr("2026-09"), CompletedOn: ptr("2026-11-16"), ValidUntil: ptr("2029-11-16"),
		Lifecycle: []pb.LifecycleStage{pb.LifecycleStage_LIFECYCLE_STAGE_COLLECTION, pb.LifecycleStage_LIFECYCLE_STAGE_STORAGE, pb.LifecycleStage_LIFECYCLE_STAGE_DELETION},
		Assessor:  &pb.Assessor{Party: &pb.Party{Name: ptr("Privacy Advies Noord BV"), Role: pb.PartyRole_PARTY_ROLE_AUDITOR.Enum()}, Independence: pb.Independence_INDEPENDENCE_EXTERNAL.Enum()},
		Criteria:  []*pb.Criterion{{Id: ptr("1"), Text: nl("Noodzaak aangetoond"), Result: pb.CriterionResult_CRITERION_RESULT_MET.Enum()}},
		Risks:     []*pb.Risk{{Harm: term(pb.Scheme_SCHEME_DTPR_HARM, "civil_liberties_harm"), Text: nl("beeld onvervaagd gelekt"), Likelihood: ptr(uint32(2)), Severity: ptr(uint32(4)), Mitigation: nl("vervaging in de camera"), Residual: ptr(uint32(1))}},
		Consulted: []*pb.Consulted{{Group: pb.StakeholderGroup_STAKEHOLDER_GROUP_RESIDENTS.Enum(), HeldOn: ptr("2026-09-10")}},
		NoHarm:    &pb.NoHarm{Claimed: ptr(true)},
		Outcome:   pb.AssessmentOutcome_ASSESSMENT_OUTCOME_RISKS_MITIGATED.Enum(), Recommendation: pb.Recommendation_RECOMMENDATION_CONTINUE.Enum(),
		Conditions:    []*pb.Condition{{Text: nl("Borden bij elke ingang"), DueOn: ptr("2026-12-14")}},
		PublicSummary: nl("Wij vervagen gezichten in de camera. Het restrisico is klein."),
		Report:        &pb.Attachment{Title: ptr("PIA Marktplein"), Sha256: hash(2), MediaType: ptr("application/pdf"), Size: ptr(uint32(214003))},
	}}
	return b
}

func policyBody() *pb.Body {
	b := body()
	b.Record = &pb.Body_Commitment{Commitment: &pb.Commitment{
		Kind: pb.CommitmentKind_COMMITMENT_KIND_ADOPT_POLICY.Enum(), Target: term(pb.Scheme_SCHEME_GSCA_POLICY, "privacy_impact_assessment"),
		Text: nl("De gemeente beoordeelt elke nieuwe sensor voor plaatsing."), DueOn: ptr("2027-07-01"), State: pb.CommitmentState_COMMITMENT_STATE_PLANNED.Enum(),
		Measure:      &pb.Measure{Unit: nl("beoordeelde sensoren, %"), Baseline: ptr("40"), Target: ptr("100"), Actual: ptr("62.5"), AsOf: ptr("2026-11")},
		Consequences: []*pb.Consequence{{For: pb.ConsequenceFor_CONSEQUENCE_FOR_STAFF.Enum(), Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_PUBLICATION.Enum(), Text: nl("De raad krijgt de lijst van ontbrekende PIA's.")}},
	}}
	return b
}

func certificateBody() *pb.Body {
	b := body()
	b.Record = &pb.Body_Commitment{Commitment: &pb.Commitment{
		Kind: pb.CommitmentKind_COMMITMENT_KIND_STANDARD_CONFORMANCE.Enum(), Target: term(pb.Scheme_SCHEME_STANDARD, "ISO-37122"),
		Conformity: &pb.Conformity{Kind: pb.ConformityKind_CONFORMITY_KIND_CERTIFIED.Enum(), Certifier: ptr("Keurmerk BV"), CertificateNo: ptr("K-118"), ExpiresOn: ptr("2028-06-30")},
	}}
	return b
}

func noneBody(t *pb.Term) *pb.Body {
	b := body()
	b.Record = &pb.Body_Commitment{Commitment: &pb.Commitment{
		Kind:     pb.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT.Enum(),
		Negative: &pb.Negative{Term: t, Since: ptr("2026-01-01"), Until: ptr("2026-12-31")},
	}}
	return b
}

func serviceBody() *pb.Body {
	b := body()
	b.Nickname = ptr("birth-registration")
	b.Record = &pb.Body_Service{Service: &pb.Service{
		Name: nl("Aangifte geboorte"), Summary: nl("Een kind aangeven binnen drie dagen."), LifeEvent: pb.LifeEvent_LIFE_EVENT_BIRTH.Enum(),
		Sectors: []pb.Sector{pb.Sector_SECTOR_CIVIL_STATUS}, CompetentBody: &pb.Party{Name: ptr("Burgerzaken"), Role: pb.PartyRole_PARTY_ROLE_ACCOUNTABLE.Enum()},
		Channels: []*pb.Channel{
			{Kind: pb.ChannelKind_CHANNEL_KIND_WEB.Enum(), Url: ptr("https://kanaalstad.example/geboorte"), Languages: []string{"nl", "en"}, Accessibility: pb.Accessibility_ACCESSIBILITY_WCAG_2_2_AA.Enum()},
			{Kind: pb.ChannelKind_CHANNEL_KIND_COUNTER.Enum(), Place: nl("Stadhuis"), Languages: []string{"nl"}},
		},
		IdentityNeeded: ptr(true), DataUses: []string{"use/31"}, OfflineAlternative: ptr(true), Status: pb.Status_STATUS_IN_USE.Enum(), StartsOn: ptr("2019-01"),
	}}
	return b
}

func incidentBody() *pb.Body {
	b := body()
	b.Record = &pb.Body_Notice{Notice: &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_INCIDENT.Enum(), About: []string{"use/31"}, OccurredOn: ptr("2026-12"), DiscoveredOn: ptr("2026-12-20"),
		ReportedTo: ptr("Autoriteit Persoonsgegevens"), Text: nl("Twee uur onvervaagd beeld stond open voor een leverancier."),
		IncidentKinds:  []pb.IncidentKind{pb.IncidentKind_INCIDENT_KIND_CONFIDENTIALITY},
		IncidentStatus: pb.IncidentStatus_INCIDENT_STATUS_MITIGATED.Enum(), PeopleAffected: pb.PeopleBand_PEOPLE_BAND_100_1000.Enum(),
	}}
	return b
}

func noticeBody(t pb.NoticeType, change func(n *pb.Notice)) *pb.Body {
	b := body()
	n := &pb.Notice{Type: t.Enum(), Text: nl("Zie het besluit.")}
	change(n)
	b.Record = &pb.Body_Notice{Notice: n}
	return b
}

func findingBody() *pb.Body {
	b := body()
	b.Record = &pb.Body_Finding{Finding: &pb.Finding{
		Type: pb.FindingType_FINDING_TYPE_OBLIGATION.Enum(), RuleId: ptr("O-01"), RulesetSha256: hash(3),
		About: &pb.FindingAbout{City: ptr("nl-kanaalstad"), Subject: ptr("dep/18"), Leaf: hash(4)}, AsOf: ptr("2026-11-23"),
		TreeSize: ptr(uint32(1207)), TreeRoot: hash(5), Verdict: pb.Verdict_VERDICT_NOT_MET.Enum(),
	}}
	return b
}

// record wraps a body into revision 1 of a subject.
func record(subject string, b *pb.Body) publication.Record {
	s, err := declaration.ParseSubject(subject)
	if err != nil {
		panic(err)
	}
	return publication.Record{Body: b, Statement: &declaration.Statement{
		Log: "kanaalstad.example/log", City: "nl-kanaalstad", Subject: s, Revision: 1, Operation: declaration.Publish,
		EffectiveOn: declaration.Date{Year: 2026, Month: 11, Day: 23}, DeclaredAt: now, Provenance: declaration.CityOwn,
	}}
}

// complete returns one valid record of each shape, by the name that the tables use.
func complete() map[string]publication.Record {
	face := term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition")
	return map[string]publication.Record{
		"member":      record("mem/1", memberBody()),
		"camera":      record("dep/18", cameraBody()),
		"video":       record("use/31", videoBody()),
		"pia":         record("asm/9", piaBody()),
		"policy":      record("com/1", policyBody()),
		"certificate": record("com/2", certificateBody()),
		"none":        record("com/3", noneBody(face)),
		"service":     record("svc/1", serviceBody()),
		"incident":    record("not/1", incidentBody()),
		"finding":     record("fin/1", findingBody()),
	}
}

// one returns a valid record after a change.
func one(name string, change func(r *publication.Record)) publication.Record {
	r, ok := complete()[name]
	if !ok {
		panic("no fixture " + name)
	}
	if change != nil {
		change(&r)
	}
	return r
}

// leaf makes a leaf hash that differs by n.
func leaf(n int) proof.Hash { return proof.Hash{byte(n >> 8), byte(n), 1} }

func show(results []publication.Result) string {
	s := ""
	for _, r := range results {
		s += fmt.Sprintf("\n  %s %v %s %q: %s | %s", r.Rule, r.Level, r.Field, r.Value, r.Message, r.Hint)
	}
	return s
}

func TestCompleteRecordsKeepEveryRule(t *testing.T) {
	for name, r := range complete() {
		if got := publication.CheckRecord(r, now); len(got) > 0 {
			t.Errorf("CheckRecord(%s) = %s", name, show(got))
		}
	}
}

func TestCheckRecordDoesNotChangeTheBody(t *testing.T) {
	for name, r := range complete() {
		before := proto.Clone(r.Body)
		publication.CheckRecord(r, now)
		if !proto.Equal(before, r.Body) {
			t.Errorf("CheckRecord(%s) changed the body", name)
		}
	}
}
