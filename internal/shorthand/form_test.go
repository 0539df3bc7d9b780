package shorthand_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// newMessage makes an empty message of the model by its name.
func newMessage(t testing.TB, name string) proto.Message {
	t.Helper()
	mt, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("cityproof.declaration.v1." + name))
	if err != nil {
		t.Fatal(err)
	}
	return mt.New().Interface()
}

// TestFormExamplesRead holds each form's own example, which FORMAT.md prints.
func TestFormExamplesRead(t *testing.T) {
	for _, f := range shorthand.FormTable() {
		example := strings.Replace(f.Example(), "9f2c… (64 digits)", strings.Repeat("9f", 32), 1)
		m := newMessage(t, f.In())
		if err := shorthand.ReadForm(m, example, workspace(t), examples); err != nil {
			t.Errorf("%s: %v", f.In(), err)
		}
		if proto.Size(m) == 0 {
			t.Errorf("%s: %q says nothing", f.In(), example)
		}
	}
}

// accepts are one-line forms with what they mean, in text format; nl(x) stands for a
// text in the workspace's language.
var accepts = []struct{ in, text, want string }{
	{"Affected", "Child, bystander, vulnerable", `group{scheme:SCHEME_DPV_DATA_SUBJECT code:"Child"} relationship:RELATIONSHIP_BYSTANDER vulnerable:true`},
	{"Affected", "Citizen, subject", `group{scheme:SCHEME_DPV_DATA_SUBJECT code:"Citizen"} relationship:RELATIONSHIP_SUBJECT`},
	{"Assessor", "Bureau A, B en C (BE), other office", `party{name:"Bureau A, B en C" role:PARTY_ROLE_AUDITOR country:"BE"} independence:INDEPENDENCE_OTHER_OFFICE`},
	{"Channel", "phone 14 0123", `kind:CHANNEL_KIND_PHONE place{nl("14 0123")}`},
	{"Channel", "app", `kind:CHANNEL_KIND_APP`},
	{"Channel", "virtual_world Plein - nl", `kind:CHANNEL_KIND_VIRTUAL_WORLD place{nl("Plein")} languages:"nl"`},
	{"Channel", "counter Stadhuis - balie 3 - nl, fr - EN_301_549", `kind:CHANNEL_KIND_COUNTER place{nl("Stadhuis - balie 3")} languages:"nl" languages:"fr" accessibility:ACCESSIBILITY_EN_301_549`},
	{"Channel", "web https://a.example/ - unknown", `kind:CHANNEL_KIND_WEB url:"https://a.example/" accessibility:ACCESSIBILITY_UNKNOWN`},
	{"Condition", "Borden", `text{nl("Borden")}`},
	{"Condition", "Borden - by 2027", `text{nl("Borden")} due_on:"2027"`},
	{"Condition", "Borden - links - met", `text{nl("Borden - links")} met:true`},
	{"Condition", "Borden - by the gate", `text{nl("Borden - by the gate")}`},
	{"Conformity", "self declared", `kind:CONFORMITY_KIND_SELF_DECLARED`},
	{"Conformity", "certified, Certiq BV, NL-1201, until 2028-05", `kind:CONFORMITY_KIND_CERTIFIED certifier:"Certiq BV" certificate_no:"NL-1201" expires_on:"2028-05"`},
	{"Consequence", "none", `kind:CONSEQUENCE_KIND_NONE`},
	{"Consequence", "vendor, fine - 100 euro - per dag", `for:CONSEQUENCE_FOR_VENDOR kind:CONSEQUENCE_KIND_FINE text{nl("100 euro - per dag")}`},
	{"Consultation", "2027-01-10 to 2027-02-10 - Formulier - of aan de balie", `opens_on:"2027-01-10" closes_on:"2027-02-10" how{nl("Formulier - of aan de balie")}`},
	{"Consulted", "legal expert", `group:STAKEHOLDER_GROUP_LEGAL_EXPERT`},
	{"Consulted", "persons with disabilities 2026-09 - overleg", `group:STAKEHOLDER_GROUP_PERSONS_WITH_DISABILITIES held_on:"2026-09" how{nl("overleg")}`},
	{"Criterion", "a - b - c - n/a", `text{nl("a - b - c")} result:CRITERION_RESULT_NOT_APPLICABLE`},
	{"Criterion", "a - not met", `text{nl("a")} result:CRITERION_RESULT_NOT_MET`},
	{"Exemption", "owed by 2027", `ground:EXEMPTION_GROUND_NOT_YET_ASSESSED review_on:"2027"`},
	{"Exemption", "national security, Wiv 2017 art. 8, lid 2 - staatsgeheim - deels", `ground:EXEMPTION_GROUND_NATIONAL_SECURITY citation:"Wiv 2017 art. 8, lid 2" text{nl("staatsgeheim - deels")}`},
	{"Exemption", "no_personal_data", `ground:EXEMPTION_GROUND_NO_PERSONAL_DATA`},
	{"GovernmentAccess", "None", `mode:ACCESS_MODE_NONE`},
	{"LegalBasis", "A6-1-a", `term{scheme:SCHEME_DPV_LEGAL_BASIS code:"A6-1-a"} jurisdiction:"NL"`},
	{"LegalBasis", "legal obligation, Wet a, art. 2, lid 3", `term{scheme:SCHEME_DPV_LEGAL_BASIS code:"LegalObligation"} jurisdiction:"NL" citation:"Wet a, art. 2, lid 3"`},
	{"Negative", "FaceRecognition", `term{scheme:SCHEME_DPV_AI code:"FaceRecognition"}`},
	{"Negative", "anpr, since 2026, until 2027", `term{scheme:SCHEME_LOCAL code:"licence_plate_recognition"} since:"2026" until:"2027"`},
	{"NoHarm", "no", `claimed:false`},
	{"NoHarm", "yes - niemand - echt", `claimed:true text{nl("niemand - echt")}`},
	{"Party", "vendor Zicht - Zo BV (NL)", `name:"Zicht - Zo BV" role:PARTY_ROLE_VENDOR country:"NL"`},
	{"Party", "vendor Zicht (Nederland)", `name:"Zicht (Nederland)" role:PARTY_ROLE_VENDOR`},
	{"Point", "-52.3701 4.9", `latitude_e7:-523701000 longitude_e7:49000000`},
	{"Point", "52.0000001, -0.0000001", `latitude_e7:520000001 longitude_e7:-1`},
	{"Point", "90 180.00000000", `latitude_e7:900000000 longitude_e7:1800000000`},
	{"Population", "0 (1999)", `count:0 year:1999`},
	{"Position", "opposes, ISO, DIS 37122, deel 2", `body:"ISO" proposal:"DIS 37122, deel 2" stance:STANCE_OPPOSES`},
	{"Position", "abstains, ISO, DIS 1, vote 2027-03", `body:"ISO" proposal:"DIS 1" stance:STANCE_ABSTAINS vote_on:"2027-03"`},
	{"Purpose", "other (ijs maken) - omdat - het kan", `term{scheme:SCHEME_DTPR_PURPOSE code:"other" other{nl("ijs maken")}} text{nl("omdat - het kan")}`},
	{"Purpose", "dtpr_purpose:health", `term{scheme:SCHEME_DTPR_PURPOSE code:"health"}`},
	{"Recipient", "third_party Provincie", `party{name:"Provincie" role:PARTY_ROLE_THIRD_PARTY}`},
	{"Recipient", "operator X BV (DE) - mobility", `party{name:"X BV" role:PARTY_ROLE_OPERATOR country:"DE"} purpose{term{scheme:SCHEME_DTPR_PURPOSE code:"mobility"}}`},
	{"Refusal", "penalty, Wet x art. 3 - boete - hoog", `consequence:REFUSAL_CONSEQUENCE_PENALTY text{nl("boete - hoog")} citation:"Wet x art. 3"`},
	{"Refusal", "none", `consequence:REFUSAL_CONSEQUENCE_NONE`},
	{"ResponsibleRole", "privacy - FG - toezicht - intern", `title{nl("FG")} text{nl("toezicht - intern")} scope:ROLE_SCOPE_PRIVACY`},
	{"Retention", "log - none - 1 day", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_FIXED duration:"P1D"`},
	{"Retention", "log - pseudonymous - PT12H", `what{nl("log")} identifiability:IDENTIFIABILITY_PSEUDONYMOUS mode:RETENTION_MODE_FIXED duration:"PT12H"`},
	{"Retention", "log - none - 90 minutes, Wet x, art. 2", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_FIXED duration:"PT90M" citation:"Wet x, art. 2"`},
	{"Retention", "log - none - 6 months", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_FIXED duration:"P6M"`},
	{"Retention", "log - none - until 2027-01, Wet x", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_UNTIL_DATE until:"2027-01" citation:"Wet x"`},
	{"Retention", "log - none - until de zaak, of het beroep, dicht is", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_UNTIL_EVENT event{nl("de zaak, of het beroep, dicht is")}`},
	{"Retention", "log - none - endless, Archiefwet", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_ENDLESS citation:"Archiefwet"`},
	{"Retention", "log - none - indeterminate", `what{nl("log")} identifiability:IDENTIFIABILITY_NONE mode:RETENTION_MODE_INDETERMINATE`},
	{"Right", "right_access", `term{scheme:SCHEME_DTPR_RIGHT code:"right_access"} contact:"privacy@kanaalstad.example"`},
	{"Right", "erasure - aan de balie - of per post", `term{scheme:SCHEME_DTPR_RIGHT code:"right_be_forgotten"} how{nl("aan de balie - of per post")} contact:"privacy@kanaalstad.example"`},
	{"Risk", "function_creep - a - b - 5x1 - c - d - 2", `harm{scheme:SCHEME_DTPR_HARM code:"function_creep"} text{nl("a - b")} likelihood:5 severity:1 mitigation{nl("c - d")} residual:2`},
	{"Risk", "privacy_harm - a - 3×3 - accepted: te duur - 3", `harm{scheme:SCHEME_DTPR_HARM code:"compromise_of_privacy"} text{nl("a")} likelihood:3 severity:3 acceptance{nl("te duur")} residual:3`},
	{"Signage", "none", `kind:SIGNAGE_KIND_NONE`},
	{"Site", "Marktplein", `label:"Marktplein"`},
	{"Site", "Markt - noord", `label:"Markt - noord"`},
	{"Site", "Markt - noord - 52.3701 4.9001", `point{latitude_e7:523701000 longitude_e7:49001000} label:"Markt - noord"`},
	{"Storage", "city_cloud NL", `country:"NL" where:STORAGE_WHERE_CITY_CLOUD`},
	{"Storage", "third party cloud IE, Wolk, Lucht BV", `country:"IE" where:STORAGE_WHERE_THIRD_PARTY_CLOUD operator:"Wolk, Lucht BV"`},
}

func TestFormsAccept(t *testing.T) {
	for _, c := range accepts {
		got := newMessage(t, c.in)
		if err := shorthand.ReadForm(got, c.text, workspace(t), examples); err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		want := newMessage(t, c.in)
		text := strings.NewReplacer("nl(", `texts{lang:"nl" value:`, ")}", "}}").Replace(c.want)
		if err := prototext.Unmarshal([]byte(text), want); err != nil {
			t.Fatalf("%s %q: the test's own %q: %v", c.in, c.text, text, err)
		}
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", c.in, c.text, diff)
		}
	}
}

func TestFormsRefuse(t *testing.T) {
	for _, c := range []struct{ in, text, want string }{
		{"Affected", "Citizen", "not a group and a relationship"},
		{"Affected", "Citizen, bystandr", "did you mean bystander?"},
		{"Affected", "Citizen, subject, fragile", "not a group and a relationship"},
		{"Assessor", "Bureau A", "not a name and an independence"},
		{"Assessor", "Bureau A, extern", "did you mean external?"},
		{"Attachment", "pia.exe", "media type"},
		{"Attachment", "../plaza-pia.pdf", "no file beside this one"},
		{"Attachment", "/etc/x.pdf", "no file beside this one"},
		{"Attachment", `a\b.pdf`, "no file beside this one"},
		{"Attachment", "a//b.pdf", "no file beside this one"},
		{"Attachment", "plaza-piaa.pdf", "can't be read"},
		{"Channel", "web https://a.example - Nederlands", "neither a language nor an accessibility"},
		{"Channel", "fax 123", "unknown value"},
		{"Channel", "web https://a.example - nl - ", "a part is missing"},
		{"Condition", "Borden - by 2027-13-01", "no date"},
		{"Condition", "Borden -", "a part is missing"},
		{"Conformity", "certified, Certiq", "not kind, certifier, number and end"},
		{"Conformity", "certified, A, B, C, until 2027", "not kind, certifier, number and end"},
		{"Consequence", "staff - tekst", "unknown value"},
		{"Consultation", "2027-01-10 - hoe", "not two dates"},
		{"Consultation", "2027-01-10 to 2027-02-30 - hoe", "no date"},
		{"Consulted", "residents 2026-9-10", "no date"},
		{"Consulted", "resident", "did you mean residents?"},
		{"Criterion", "Noodzaak aangetoond", "the result is missing"},
		{"Criterion", "Noodzaak - aangetoond", "unknown value"},
		{"Exemption", "owed by then", "no date"},
		{"Exemption", "houshold", "did you mean household?"},
		{"ForeignSubject", "https://a.example/log dep/1", "not another log's origin"},
		{"ForeignSubject", "a.example/log plaza", "not another log's origin"},
		{"GovernmentAccess", "conditional", "one word says too little"},
		{"LeafRef", "a.example/log 1234", "leaf hash"},
		{"LegalBasis", "official", "unknown code"},
		{"Negative", "FaceRecognition, from 2026", "since and until"},
		{"NoHarm", "maybe", "neither yes nor no"},
		{"Party", "Zicht", "not a role and a name"},
		{"Party", "vendor Zicht (BV)", "no country that a body is from"},
		{"Party", "vendor Zicht (XX)", "no country that a body is from"},
		{"Party", "vender Zicht", "did you mean vendor"},
		{"Point", "52,3701 4,9001", "not a latitude and a longitude"},
		{"Point", "52.37010001 4.9", "more than 7 decimals"},
		{"Point", "4.9001 152.3701e0", "not a latitude and a longitude"},
		{"Point", "104.9001 52.3701", "is latitude taken for longitude?"},
		{"Point", "1e2 4", "not a latitude and a longitude"},
		{"Population", "74.200 (2025)", "not a count and a year"},
		{"Population", "074 (2025)", "plain digits"},
		{"Population", "99999999999 (2025)", "out of range"},
		{"Position", "supports, ISO", "not stance, body and proposal"},
		{"Purpose", "other", "needs words of your own"},
		{"Purpose", "gsca_policy:open_data", "takes no codes of GSCA_POLICY"},
		{"Purpose", "safety_security -", "a part is missing"},
		{"Purpose", "safety_security - - x", "nothing stands between"},
		{"Recipient", "vendor X - mobility - y", "too many parts"},
		{"Refusal", "onmogelijk", "unknown value"},
		{"ResponsibleRole", "privacy", "the role's title is missing"},
		{"Retention", "blurred video - 28 days", "not three parts"},
		{"Retention", "a - b - de_identified - 28 days", "not three parts"},
		{"Retention", "video - blurred - 28 days", "unknown value"},
		{"Retention", "video - none - 28", "how long it is kept"},
		{"Retention", "video - none - 0 days", "how long it is kept"},
		{"Retention", "video - none - -Infinity days", "how long it is kept"},
		{"Retention", "video - none - NA", "how long it is kept"},
		{"Retention", "video - none - P0D", "how long it is kept"},
		{"Retention", "video - none - 1.5 years", "how long it is kept"},
		{"Retention", "video - none - until 2027-13", "no date"},
		{"Right", "acces", "did you mean right_access"},
		{"Risk", "function_creep - a - 2x4 - b", "not harm, text"},
		{"Risk", "function_creep - 2x4 - b - 1", "not harm, text"},
		{"Risk", "function_creep - a - 2x4 - b - 1x1 - 1", "two parts look like"},
		{"Risk", "function_creep - a - 0x6 - b - 1", "out of range"},
		{"Risk", "function_creep - a - 2x4 - b - 6", "out of range"},
		{"Risk", "function_creep - a - 2x4 - b - low", "not harm, text"},
		{"Signage", "sign", "unknown value"},
		{"Site", "cameras.cvs", "looks like a file"},
		{"Site", "Markt - 52,3701", "looks like a point"},
		{"Storage", "city_cloud", "not where and in which country"},
		{"Storage", "city_cloud nl", "no country"},
		{"Storage", "city_cloud UK", "no country"},
		{"Storage", "citycloud NL", "did you mean city_cloud?"},
	} {
		m := newMessage(t, c.in)
		err := shorthand.ReadForm(m, c.text, workspace(t), examples)
		if err == nil {
			t.Errorf("%s %q is read as %v", c.in, c.text, m)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v; want %q", c.in, c.text, err, c.want)
		}
	}
}

func TestPolice(t *testing.T) {
	for text, want := range map[string]string{
		"none": "mode:ACCESS_MODE_NONE levels:GOVERNMENT_LEVEL_LAW_ENFORCEMENT",
		"routine, both, court_order, LegalObligation, Wet a, art. 3": `mode:ACCESS_MODE_ROUTINE levels:GOVERNMENT_LEVEL_LAW_ENFORCEMENT
			circumstances:CIRCUMSTANCES_BOTH authorisation:AUTHORISATION_COURT_ORDER
			legal_basis{term{scheme:SCHEME_DPV_LEGAL_BASIS code:"LegalObligation"} jurisdiction:"NL" citation:"Wet a, art. 3"}`,
	} {
		drafts, err := shorthand.Parse("u", []byte("use: x\npolice: "+text+"\n"), workspace(t), examples)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		access := &declarationv1.GovernmentAccess{}
		if err := prototext.Unmarshal([]byte(want), access); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(access, drafts[0].Body.GetDataUse().GetGovernmentAccess(), protocmp.Transform()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{"conditional", "conditional, normal_times, statutory_request, legal_obligation", "sometimes, both, none, Consent, x"} {
		if drafts, err := shorthand.Parse("u", []byte("use: x\npolice: "+text+"\n"), workspace(t), examples); err == nil {
			t.Errorf("%q is read as %v", text, drafts[0].Body)
		}
	}
}
