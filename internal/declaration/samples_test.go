package declaration_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// samples holds one body of each kind, as a person would lay them out. The tests
// make the canonical bytes of them; testdata/bodies.txtar has the result.
var samples = map[declaration.Kind]string{
	declaration.Member: `{
	  "nonce": "AAECAwQFBgcICQoLDA0ODw==", "language": "ja",
	  "member": {
	    "id": "jp-tsukuba", "kind": "MEMBER_KIND_LOCAL_GOVERNMENT", "membership": "MEMBERSHIP_FULL",
	    "names": {"texts": [{"lang": "ja", "value": "つくば市"}, {"lang": "en", "value": "Tsukuba"}]},
	    "country": "JP", "population": {"count": 259000, "year": 2026},
	    "location": {"latitude_e7": 360835000, "longitude_e7": 1400764000},
	    "groups": ["GROUPING_U20", "GROUPING_WEGO"], "contact": "smartcity@tsukuba.example",
	    "responsible_roles": [{"title": {"texts": [{"lang": "ja", "value": "スマートシティ技術者"}]}, "scope": "ROLE_SCOPE_SMART_CITY"}],
	    "languages": ["ja", "en"], "website": "https://www.tsukuba.example/"}}`,

	declaration.Deployment: `{
	  "nonce": "EBESExQVFhcYGRobHB0eHw==", "language": "nl", "nickname": "plaza-cameras",
	  "attachments": [{"title": "Technische beschrijving", "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "media_type": "application/pdf", "size": 52000, "as_of": "2026-10"}],
	  "withheld": [{"field_path": "deployment.sites[2].point", "reason": "WITHHELD_REASON_SECURITY", "legal_citation": "Woo art. 5.1 lid 2", "salted_sha256": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "review_on": "2027-12-31"}],
	  "deployment": {
	    "name": {"texts": [{"lang": "nl", "value": "Camera's Marktplein"}, {"lang": "en", "value": "Market Square cameras"}]},
	    "summary": {"texts": [{"lang": "nl", "value": "Twaalf vaste camera's. Gezichten worden in de camera zelf vervaagd."}, {"lang": "en", "value": "Twelve fixed cameras. Faces are blurred inside the camera."}]},
	    "type": "DEPLOYMENT_TYPE_CAMERA_SYSTEM", "sectors": ["SECTOR_SAFETY_RESILIENCE_INFRASTRUCTURE"],
	    "status": "STATUS_IN_USE", "starts_on": "2026-12-14", "start_unknown": false,
	    "space": "SPACE_PUBLIC_SPACE", "senses_people": "SENSES_PEOPLE_YES",
	    "tech": [{"scheme": "SCHEME_DTPR_DEVICE_TECH", "code": "video_camera"}, {"scheme": "SCHEME_DTPR_DEVICE_TECH", "code": "de_identified_video"}],
	    "capabilities": [{"scheme": "SCHEME_LOCAL", "code": "other", "other": {"texts": [{"lang": "nl", "value": "Tellen van fietsers"}]}}],
	    "autonomy": "AUTONOMY_HUMAN_DECIDES", "impact_class": "IMPACT_CLASS_MODERATE",
	    "affected": [{"group": {"scheme": "SCHEME_DPV_DATA_SUBJECT", "code": "Visitor"}, "relationship": "RELATIONSHIP_BYSTANDER", "vulnerable": false}],
	    "purpose": [{"scheme": "SCHEME_DTPR_PURPOSE", "code": "safety_security"}],
	    "purpose_text": {"texts": [{"lang": "nl", "value": "Terugkijken na een incident op het plein. Geen rechtstreeks meekijken, geen koppeling met andere systemen."}, {"lang": "en", "value": "Looking back after an incident on the square. No live viewing, no link with other systems."}]},
	    "human_oversight": {"texts": [{"lang": "nl", "value": "Twee medewerkers geven samen toegang; elke inzage wordt vastgelegd."}]},
	    "units": 12,
	    "sites": [
	      {"point": {"latitude_e7": 523702160, "longitude_e7": 48951680}, "precision": "SITE_PRECISION_EXACT", "label": "Marktplein noord"},
	      {"point": {"latitude_e7": 523698810, "longitude_e7": 48953020}, "precision": "SITE_PRECISION_EXACT", "label": "Marktplein zuid"},
	      {"precision": "SITE_PRECISION_STREET", "label": "Kerkstraat"}],
	    "parties": [
	      {"name": "Gemeente Kanaalstad", "role": "PARTY_ROLE_ACCOUNTABLE", "member_id": "nl-kanaalstad", "country": "NL", "contact": "cameras@kanaalstad.example"},
	      {"name": "Zicht Systemen BV", "role": "PARTY_ROLE_VENDOR", "country": "NL", "contract_ref": "2026-118"}],
	    "data_uses": ["use/31"], "assessments": ["asm/9"], "review_on": "2028-12",
	    "signage": {"kind": "SIGNAGE_KIND_DTPR_SIGN", "url": "https://kanaalstad.example/borden"},
	    "public_page": "https://kanaalstad.example/cameras"}}`,

	declaration.DataUse: `{
	  "nonce": "ICEiIyQlJicoKSorLC0uLw==", "language": "nl", "nickname": "plaza-video",
	  "data_use": {
	    "name": {"texts": [{"lang": "nl", "value": "Vervaagd beeld Marktplein"}]},
	    "summary": {"texts": [{"lang": "nl", "value": "Beeld van het plein, gezichten vervaagd voor opslag."}]},
	    "categories": [{"scheme": "SCHEME_DPV_PD", "code": "Picture"}],
	    "identifiability": "IDENTIFIABILITY_IDENTIFIABLE", "special_category": false,
	    "collected_by": "COLLECTED_BY_GOVERNMENT", "source": "DATA_SOURCE_SENSOR",
	    "purposes": [{"term": {"scheme": "SCHEME_DTPR_PURPOSE", "code": "safety_security"}, "secondary": false}],
	    "legal_basis": [{"term": {"scheme": "SCHEME_DPV_LEGAL_BASIS", "code": "OfficialAuthorityOfController"}, "jurisdiction": "NL", "citation": "Gemeentewet art. 151c"}],
	    "retention": [
	      {"what": {"texts": [{"lang": "nl", "value": "ruw beeld"}]}, "identifiability": "IDENTIFIABILITY_IDENTIFIABLE", "of": "RETENTION_OF_RAW", "mode": "RETENTION_MODE_NOT_RETAINED"},
	      {"what": {"texts": [{"lang": "nl", "value": "vervaagd beeld"}]}, "identifiability": "IDENTIFIABILITY_DE_IDENTIFIED", "mode": "RETENTION_MODE_FIXED", "duration": "P28D"}],
	    "government_access": {"mode": "ACCESS_MODE_CONDITIONAL", "levels": ["GOVERNMENT_LEVEL_LAW_ENFORCEMENT"], "circumstances": "CIRCUMSTANCES_NORMAL_TIMES", "authorisation": "AUTHORISATION_STATUTORY_REQUEST", "last_period_requests": 0},
	    "architecture": "ARCHITECTURE_ON_DEVICE",
	    "refusal": {"consequence": "REFUSAL_CONSEQUENCE_NOT_POSSIBLE", "text": {"texts": [{"lang": "nl", "value": "Het plein is te vermijden via de Kerkstraat, 80 m, zonder camera."}]}},
	    "automated_decision": "AUTOMATED_DECISION_NONE"}}`,

	declaration.Assessment: `{
	  "nonce": "MDEyMzQ1Njc4OTo7PD0+Pw==", "language": "nl", "nickname": "plaza-pia",
	  "assessment": {
	    "kind": "ASSESSMENT_KIND_PIA", "covers": ["dep/18"], "state": "ASSESSMENT_STATE_COMPLETED", "completed_on": "2026-11-16", "threshold_only": false,
	    "lifecycle": ["LIFECYCLE_STAGE_COLLECTION", "LIFECYCLE_STAGE_STORAGE", "LIFECYCLE_STAGE_DELETION"],
	    "assessor": {"party": {"name": "Privacy Advies Noord BV", "role": "PARTY_ROLE_AUDITOR"}, "independence": "INDEPENDENCE_EXTERNAL"},
	    "criteria": [{"text": {"texts": [{"lang": "nl", "value": "Noodzaak aangetoond"}]}, "result": "CRITERION_RESULT_MET"}],
	    "risks": [{"harm": {"scheme": "SCHEME_DTPR_HARM", "code": "civil_liberties_harm"}, "likelihood": 2, "severity": 4, "residual": 1}],
	    "consulted": [{"group": "STAKEHOLDER_GROUP_RESIDENTS", "held_on": "2026-09-10"}],
	    "no_harm": {"claimed": true},
	    "outcome": "ASSESSMENT_OUTCOME_RISKS_MITIGATED", "recommendation": "RECOMMENDATION_CONTINUE",
	    "public_summary": {"texts": [{"lang": "nl", "value": "Wij vervagen gezichten in de camera. Het restrisico is klein."}]},
	    "report": {"title": "PIA Marktplein", "sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "media_type": "application/pdf", "size": 214003}}}`,

	declaration.Commitment: `{
	  "nonce": "QEFCQ0RFRkdISUpLTE1OTw==", "language": "ar",
	  "commitment": {
	    "kind": "COMMITMENT_KIND_NEGATIVE_STATEMENT",
	    "text": {"texts": [{"lang": "ar", "value": "لا تستخدم المدينة التعرف على الوجوه."}]},
	    "consequences": [{"for": "CONSEQUENCE_FOR_CITY", "kind": "CONSEQUENCE_KIND_NONE"}],
	    "negative": {"term": {"scheme": "SCHEME_DPV_AI", "code": "FaceRecognition"}, "since": "2019"}}}`,

	declaration.Service: `{
	  "nonce": "UFFSU1RVVldYWVpbXF1eXw==", "language": "zh-Hans",
	  "service": {
	    "name": {"texts": [{"lang": "zh-Hans", "value": "结婚登记 💍"}]}, "summary": {"texts": [{"lang": "zh-Hans", "value": "在线预约，到场办理。"}]},
	    "life_event": "LIFE_EVENT_MARRIAGE", "sectors": ["SECTOR_CIVIL_STATUS"],
	    "competent_body": {"name": "民政局", "role": "PARTY_ROLE_ACCOUNTABLE"},
	    "channels": [{"kind": "CHANNEL_KIND_APP", "languages": ["zh-Hans", "en"], "accessibility": "ACCESSIBILITY_WCAG_2_2_AA"}],
	    "identity_needed": true, "offline_alternative": true, "status": "STATUS_IN_USE"}}`,

	declaration.Notice: `{
	  "nonce": "YGFiY2RlZmdoaWprbG1ubw==", "language": "en",
	  "notice": {
	    "type": "NOTICE_TYPE_ERASURE", "about": ["com/3"],
	    "text": {"texts": [{"lang": "en", "value": "A free-text field named a resident.\nThe court ordered\tit \"removed\" \\ see the citation."}]},
	    "erasure": {"leaf": "dziFphNIniTOLPdhmdakI/BC5LvxLX7s7pEu8nbGVwE=", "body_sha256": "BR2EovNJyKjNoFV6Iu/6J46DUjdN9FZhv+p+Ba650VE=",
	      "ground": "ERASURE_GROUND_COURT_ORDER", "emergency": false, "authority": "District Court", "citation": "C/26/1187"}}}`,

	declaration.Finding: `{
	  "nonce": "cHFyc3R1dnd4eXp7fH1+fw==", "language": "en",
	  "finding": {
	    "type": "FINDING_TYPE_OBLIGATION", "rule_id": "O-01", "about": {"city": "nl-kanaalstad", "subject": "dep/18"},
	    "as_of": "2027-01-01", "tree_size": 4294967295, "tree_root": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "verdict": "VERDICT_OVERDUE", "due_on": "2026-12-31"}}`,
}

// withdrawal is the deployment's last body: the full record again, and a reason.
func withdrawal(t testing.TB) *declarationv1.Body {
	body := sample(t, declaration.Deployment)
	body.Nonce = []byte("sixteen byte str")
	body.GetDeployment().Status = declarationv1.Status_STATUS_RETIRED.Enum()
	body.Reason = &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{
		Lang: proto.String("nl"), Value: proto.String("De camera's zijn verwijderd."),
	}}}
	return body
}

func sample(t testing.TB, kind declaration.Kind) *declarationv1.Body {
	t.Helper()
	body := &declarationv1.Body{}
	if err := protojson.Unmarshal([]byte(samples[kind]), body); err != nil {
		t.Fatalf("sample %s: %v", kind, err)
	}
	return body
}

// sampleBytes is the canonical body of a kind.
func sampleBytes(t testing.TB, kind declaration.Kind) []byte {
	t.Helper()
	b, err := declaration.FormatBody(sample(t, kind))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// testSeed is the published seed of a test key; never a key of a city.
func testSeed(n int) []byte {
	seed := sha256.Sum256(fmt.Appendf(nil, "cityproof test key %d", n))
	return seed[:]
}

func testKey(n int) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(testSeed(n)) }

// sampleStatement is revision 1 of a subject with the sample body of its kind.
func sampleStatement(t testing.TB, kind declaration.Kind) *declaration.Statement {
	t.Helper()
	body := sampleBytes(t, kind)
	return &declaration.Statement{
		Log: "kanaalstad.example/log", City: "nl-kanaalstad",
		Subject: declaration.Subject{Kind: kind, Number: 18}, Revision: 1, Operation: declaration.Publish,
		EffectiveOn: declaration.Date{Year: 2026, Month: 12, Day: 14},
		DeclaredAt:  time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC),
		Provenance:  declaration.CityOwn, BodySHA256: sha256.Sum256(body), BodySize: uint32(len(body)),
	}
}

// samplePayload is the payload of sampleStatement of a deployment.
func samplePayload(t testing.TB) string {
	return string(sampleStatement(t, declaration.Deployment).Format())
}

// sampleEntry is that payload signed by test keys 1 and 2.
func sampleEntry(t testing.TB) []byte {
	t.Helper()
	return sign(t, []byte(samplePayload(t)), 1, 2).Format()
}

func sign(t testing.TB, payload []byte, keys ...int) *declaration.Envelope {
	t.Helper()
	var signers []crypto.Signer
	for _, n := range keys {
		signers = append(signers, testKey(n))
	}
	e, err := declaration.Sign(declaration.PayloadType, payload, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// testKeys accepts test keys 1 to 3.
func testKeys(id declaration.KeyID) (ed25519.PublicKey, bool) {
	pub, ok := knownKeys[id]
	return pub, ok
}

var knownKeys = func() map[declaration.KeyID]ed25519.PublicKey {
	keys := map[declaration.KeyID]ed25519.PublicKey{}
	for n := 1; n <= 3; n++ {
		pub := testKey(n).Public().(ed25519.PublicKey)
		keys[declaration.KeyIDOf(pub)] = pub
	}
	return keys
}()

func hexOf(b []byte) string { return hex.EncodeToString(b) }
