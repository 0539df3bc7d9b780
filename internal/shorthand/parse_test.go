package shorthand_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// memory gives files from a map.
type memory map[string]string

func (m memory) ReadFile(name string) ([]byte, error) {
	data, ok := m[name]
	if !ok {
		return nil, errors.New("no such file")
	}
	return []byte(data), nil
}

func parse(t *testing.T, text string) ([]*draft.Draft, error) {
	t.Helper()
	return shorthand.Parse("f.yaml", []byte(text), workspace(t), examples)
}

func mustParse(t *testing.T, text string) []*draft.Draft {
	t.Helper()
	drafts, err := parse(t, text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return drafts
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
		want string
	}{
		"no head":                      {"name: x\n", 1, "no record begins so"},
		"misspelled head":              {"deploymnet: x\n", 1, "did you mean deployment?"},
		"head not first":               {"name: x\ndeployment: y\n", 1, "no record begins so"},
		"a list":                       {"- deployment: x\n", 1, "no record"},
		"nothing":                      {"# x\n", 0, "holds nothing"},
		"unknown key":                  {"deployment: x\ntecj: [video_camera]\n", 2, "did you mean tech?"},
		"unknown inner key":            {"use: x\nrefusal:\n  consequense: none\n", 3, "did you mean consequence?"},
		"camelCase (T-02)":             {"deployment: x\nsensesPeople: yes\n", 2, "did you mean senses_people?"},
		"repeated key (T-01)":          {"deployment: x\nunits: 1\nunits: 2\n", 3, "stands twice"},
		"key and own name":             {"use: x\nkeeps: [a - none - none]\nretention: [b - none - none]\n", 3, "keeps says this already"},
		"status and starts_on":         {"deployment: x\nstatus: in use since 2021\nstarts_on: 2022\n", 3, "status says this already"},
		"completed and state":          {"assessment: x\ncompleted: 2026\nstate: planned\n", 3, "completed says this already"},
		"nickname twice":               {"deployment: x\nnickname: y\n", 2, "deployment says this already"},
		"nickname in capitals":         {"deployment: Plaza\n", 1, "no nickname"},
		"number for a nickname":        {"deployment: dep/17\n", 1, "numbers are given when publishing"},
		"nothing after a key":          {"deployment: x\nname:\n", 2, "nothing is written here"},
		"empty text":                   {"deployment: x\nname: ''\n", 2, "the text is empty"},
		"hash in text":                 {"deployment: x\nname: Plein #2\n", 2, "drop the rest of the line"},
		"hash in a form":               {"use: x\nkeeps: beeld - none - until melding #2\n", 2, "drop the rest of the line"},
		"map for a date":               {"deployment: x\nreview: {a: b}\n", 2, "not keys"},
		"list for one value":           {"deployment: x\nunits: [1, 2]\n", 2, "not a list"},
		"number with a point":          {"deployment: x\nunits: 1.0\n", 2, "plain digits"},
		"1e3 (T-02)":                   {"deployment: x\nunits: 1e3\n", 2, "plain digits"},
		"hexadecimal":                  {"deployment: x\nunits: 0x10\n", 2, "plain digits"},
		"octal":                        {"deployment: x\nunits: 010\n", 2, "plain digits"},
		"minus":                        {"deployment: x\nunits: -1\n", 2, "out of range"},
		"minus zero (T-02)":            {"deployment: x\nunits: -0\n", 2, "plain digits"},
		"2^53+1 (T-02)":                {"deployment: x\nunits: 9007199254740993\n", 2, "out of range"},
		"thousands":                    {"deployment: x\nunits: 1.200\n", 2, "plain digits"},
		"tilde for a number":           {"deployment: x\nunits: ~\n", 2, "plain digits"},
		"enum as number (T-02)":        {"deployment: x\nstatus: 5\n", 2, "unknown value"},
		"enum unspecified":             {"deployment: x\nspace: unspecified\n", 2, "unknown value"},
		"yes for another enum":         {"deployment: x\nspace: yes\n", 2, "unknown value"},
		"bool in Dutch":                {"use: x\nspecial_category: nee\n", 2, "neither yes nor no"},
		"day first":                    {"deployment: x\nreview: 01-05-2027\n", 2, "no date"},
		"date that does not exist":     {"deployment: x\nreview: 2027-02-29\n", 2, "no date"},
		"comma list for a list":        {"deployment: x\ntech: video_camera, microphone\n", 2, "unknown code"},
		"ambiguous or wrong scheme":    {"deployment: x\ntech: FaceRecognition\n", 2, "is a code of DPV_AI"},
		"text in an unknown language":  {"deployment: x\nname: {nederlands: y}\n", 2, "no language tag"},
		"language not canonical":       {"deployment: x\nname: {NL: y}\n", 2, "no language tag"},
		"text as list":                 {"deployment: x\nname: [a, b]\n", 2, "not a list"},
		"two purposes with text":       {"deployment: x\npurpose: [mobility - a, education - b]\n", 2, "says this already"},
		"owed without by":              {"deployment: x\nassessment: owed 2027\n", 2, "write owed by DATE"},
		"inner without nickname":       {"deployment: x\ndata:\n  - name: y\n", 3, "no nickname"},
		"inner problem has its line":   {"deployment: x\ndata:\n  - use: y\n    keps: z\n", 4, "did you mean keeps?"},
		"reference with a space":       {"deployment: x\ndata: [plaza video]\n", 2, "no nickname"},
		"reference with a zero":        {"deployment: x\ndata: [use/0]\n", 2, "no number of a record"},
		"service with an end":          {"service: x\nstatus: in use until 2027\n", 2, "no end date"},
		"since nonsense":               {"deployment: x\nstatus: in use since long ago\n", 2, "no date"},
		"no such file":                 {"deployment: x\nsites: nowhere.csv\n", 2, "can't be read"},
		"pledge of unknown kind":       {"pledge: promise open_data\n", 1, "unknown value"},
		"pledge of unknown policy":     {"pledge: adopt_policy open_dta\n", 1, "did you mean open_data"},
		"policy under another kind":    {"pledge: standard_conformance open_data\n", 1, "GSCA_POLICY"},
		"declares_none of nothing":     {"declares_none: []\n", 1, "no term is named"},
		"declares_none with nickname":  {"declares_none: [FaceRecognition]\nnickname: x\n", 2, "can't share this"},
		"declares_none, date reported": {"declares_none: [FaceRecognition, wifi_tracking]\nsince: soon\n", 2, "no date"},
		"notice of unknown type":       {"notice: incidnet\n", 1, "did you mean incident?"},
		"band":                         {"notice: incident\npeople: 150\n", 2, "unknown value"},
		"member of another city":       {"member: jp-tsukuba\n", 1, "not the workspace's city"},
		"amend without reason":         {"amend: x\nset: {units: 3}\n", 1, "the reason is missing"},
		"amend of nothing":             {"amend: x\nreason: y\n", 1, "nothing is amended"},
		"amend with a field":           {"amend: x\nreason: y\nunits: 3\n", 3, "write fields under set:"},
		"amend with nothing written":   {"amend: x\nreason: y\nset:\n  units:\n", 4, "list it under remove:"},
		"effective":                    {"deployment: x\neffective: soon\n", 2, "no date"},
		"provenance":                   {"deployment: x\nprovenance: mine\n", 2, "unknown provenance"},
		"long form inside":             {"deployment: x\n---\nrecord: member\noperation: PUBLISH\nbody: {member: {id: 5x, kindd: y}}\n", 5, "did you mean kind?"},
		"control character":            {"deployment: x\nname: \"a\x00b\"\n", 2, "U+0000"},
		"bidi":                         {"deployment: x\nname: a\u202eb\n", 2, "U+202E"},
		"escaped bidi":                 {"deployment: x\nname: \"a\\u202eb\"\n", 2, "invisible direction control"},
		"escaped control":              {"deployment: x\nname: \"a\\u0007b\"\n", 2, "control character"},
	} {
		_, err := parse(t, c.text)
		var problems draft.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v, want problems", name, err)
			continue
		}
		if problems[0].Line != c.line || !strings.Contains(problems[0].Error(), c.want) {
			t.Errorf("%s: %v; want line %d and %q", name, err, c.line, c.want)
		}
		if problems[0].File != "f.yaml" {
			t.Errorf("%s: no file in %+v", name, problems[0])
		}
	}
}

// TestParseReportsEverything: an officer fixes a file in one go.
func TestParseReportsEverything(t *testing.T) {
	_, err := parse(t, "deployment: x\nstatus: usd\ntecj: []\nimpact: hihg\ndata:\n  - use: y\n    keeps: [a - b - c]\n---\nnotice: incident\nabout: '?'\n")
	var problems draft.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var lines []int
	for _, p := range problems {
		lines = append(lines, p.Line)
	}
	if want := []int{2, 3, 4, 7, 7, 10}; !slices.Equal(lines, want) {
		t.Errorf("problems on lines %v, want %v:\n%v", lines, want, err)
	}
	if p := problems[4]; p.Path != "data[0].keeps[0]" || p.Value != "c" {
		t.Errorf("path %q, value %q", p.Path, p.Value)
	}
}

func TestErrorsAreSafeToPrint(t *testing.T) {
	_, err := parse(t, "deployment: x\n\"ti\\u001b[2Jtle\": y\nspace: \"\\u001b]0;owned\\u0007\"\n")
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07") {
		t.Errorf("%q", fmt.Sprint(err))
	}
}

// TestValuesMeanWhatTheFieldSays: YAML's own idea of a value is never asked.
func TestValuesMeanWhatTheFieldSays(t *testing.T) {
	for _, c := range []struct {
		text string
		got  func(d *draft.Draft) any
		want any
	}{
		{"deployment: x\nsenses_people: no\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetSensesPeople() }, declarationv1.SensesPeople_SENSES_PEOPLE_NO},
		{"deployment: x\nname: no\n", name, "no"},
		{"deployment: x\nname: 1e3\n", name, "1e3"},
		{"deployment: x\nname: ~\n", name, "~"},
		{"deployment: x\nname: null\n", name, "null"},
		{"deployment: x\nname: 2021-05\n", name, "2021-05"},
		{"deployment: x\nname: 0x10\n", name, "0x10"},
		{"deployment: x\nname: |\n  a\n  b\n", name, "a\nb"},
		{"deployment: x\nname: >\n  a\n  b\n", name, "a b"},
		{"deployment: x\nname: a#b\n", name, "a#b"},
		{"deployment: x\nname: a  # comment\n", name, "a"},
		{"deployment: x\nname: \u0633\u0644\u0627\u0645\u200f\n", name, "\u0633\u0644\u0627\u0645\u200f"},
		{"deployment: x\nunits: 12 # poles\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetUnits() }, uint32(12)},
		{"deployment: x\nstatus: In use since 2021-05\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetStartsOn() }, "2021-05"},
		{"deployment: x\nstatus: IN_USE since 2021\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetStartsOn() }, "2021"},
		{"deployment: x\nstatus: in use since unknown\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetStartUnknown() }, true},
		{"deployment: x\nstatus: pilot since 2026 until 2027-01-31\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetEndsOn() }, "2027-01-31"},
		{"deployment: x\nspace: SPACE_PUBLIC_SPACE\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetSpace() }, declarationv1.Space_SPACE_PUBLIC_SPACE},
		{"deployment: x\nbased_on: tsukuba.example/log dep/17\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetBasedOn()[0].GetSubject() }, "dep/17"},
		{"notice: incident\npeople: over 100000\n", func(d *draft.Draft) any { return d.Body.GetNotice().GetPeopleAffected() }, declarationv1.PeopleBand_PEOPLE_BAND_OVER_100000},
		{"notice: incident\npeople: none\n", func(d *draft.Draft) any { return d.Body.GetNotice().GetPeopleAffected() }, declarationv1.PeopleBand_PEOPLE_BAND_NONE},
		{"pledge: standard_conformance ISO 37122\n", func(d *draft.Draft) any { return d.Body.GetCommitment().GetTarget().GetCode() }, "ISO-37122"},
		{"pledge: pledge\ntext: x\n", func(d *draft.Draft) any { return d.Body.GetCommitment().GetKind() }, declarationv1.CommitmentKind_COMMITMENT_KIND_PLEDGE},
		{"pledge: pledge\ntarget: transparency_and_privacy\n", func(d *draft.Draft) any { return d.Body.GetCommitment().GetTarget() != nil }, true},
		{"assessment: x\nstarted: 2026\ncompleted: 2026-10\n", func(d *draft.Draft) any { return d.Body.GetAssessment().GetState() }, declarationv1.AssessmentState_ASSESSMENT_STATE_COMPLETED},
		{"assessment: x\ncompleted: 2026-10\nstarted: 2026\n", func(d *draft.Draft) any { return d.Body.GetAssessment().GetState() }, declarationv1.AssessmentState_ASSESSMENT_STATE_COMPLETED},
		{"assessment: x\nstarted: 2026\n", func(d *draft.Draft) any { return d.Body.GetAssessment().GetState() }, declarationv1.AssessmentState_ASSESSMENT_STATE_STARTED},
		{"use: x\nsecondary: education - y\npurpose: mobility\n", func(d *draft.Draft) any { return d.Body.GetDataUse().GetPurposes()[0].GetSecondary() }, true},
		{"use: x\nfrom: data broker\n", func(d *draft.Draft) any { return d.Body.GetDataUse().CollectedBy == nil }, true},
		{"use: x\nidentifiability: none\nkeeps: a - identifiable - none\n", func(d *draft.Draft) any { return d.Body.GetDataUse().GetIdentifiability() }, declarationv1.Identifiability_IDENTIFIABILITY_NONE},
		{"use: x\nkeeps: [a - none - none, b - pseudonymous - none]\n", func(d *draft.Draft) any { return d.Body.GetDataUse().GetIdentifiability() }, declarationv1.Identifiability_IDENTIFIABILITY_PSEUDONYMOUS},
		{"use: x\nstored: []\n", func(d *draft.Draft) any { return len(d.Body.GetDataUse().GetStorage()) }, 0},
		{"use: x\n", func(d *draft.Draft) any { return d.Body.GetDataUse().GetStorage()[0].GetCountry() }, "NL"},
		{"use: x\ncontact: fg@kanaalstad.example\nrights: [access]\n", func(d *draft.Draft) any { return d.Body.GetDataUse().GetRights()[0].GetContact() }, "fg@kanaalstad.example"},
		{"deployment: x\ndata:\n  - use: y\n    rights: access\ncontact: cam@kanaalstad.example\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetParties()[0].GetContact() }, "cam@kanaalstad.example"},
		{"deployment: x\naccountable: Ander (BE)\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetParties()[0].GetName() }, "Ander"},
		{"deployment: x\nunits: 3\nsites: [A, B]\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetUnits() }, uint32(3)},
		{"deployment: x\nsites: [A, B]\n", func(d *draft.Draft) any {
			return d.Body.GetDeployment().Units == nil && d.Body.GetDeployment().Autonomy == nil
		}, true},
		{"deployment: x\neffective: 2026-11\n", func(d *draft.Draft) any { return d.EffectiveOn }, declaration.Date{Year: 2026, Month: 11}},
		{"deployment: x\nprovenance: imported_by_city\n", func(d *draft.Draft) any { return d.Provenance }, declaration.ImportedByCity},
		{"deployment: x\nlanguage: fr\nname: Place\n", func(d *draft.Draft) any { return d.Body.GetDeployment().GetName().GetTexts()[0].GetLang() }, "fr"},
		{"deployment: x\nname: Place\nlanguage: fr\n", func(d *draft.Draft) any { return d.Body.GetLanguage() }, "fr"},
		{"member: nl-kanaalstad\nname: Kanaalstad\n", func(d *draft.Draft) any { return d.Body.GetMember().GetCountry() }, "NL"},
		{"deployment: x\nassessment: [plaza-pia, asm/3]\n", func(d *draft.Draft) any { return strings.Join(d.Body.GetDeployment().GetAssessments(), " ") }, "plaza-pia asm/3"},
		{"deployment: x\ndata: [plaza-video, {use: more, name: z}]\n", func(d *draft.Draft) any { return strings.Join(d.Body.GetDeployment().GetDataUses(), " ") }, "plaza-video more"},
	} {
		drafts, err := parse(t, c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		if got := c.got(drafts[0]); got != c.want {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}

func name(d *draft.Draft) any { return d.Body.GetDeployment().GetName().GetTexts()[0].GetValue() }

func TestInnerRecordsShareDatesAndLanguage(t *testing.T) {
	drafts := mustParse(t, "deployment: x\nlanguage: fr\neffective: 2026-10\ndata:\n  - use: y\n    name: a\n  - use: z\n    effective: 2026-11\n    language: nl\n    name: b\n")
	if len(drafts) != 3 {
		t.Fatalf("%d drafts, want 3", len(drafts))
	}
	y, z := drafts[1], drafts[2]
	if y.Body.GetLanguage() != "fr" || y.EffectiveOn.Month != 10 || y.Body.GetDataUse().GetName().GetTexts()[0].GetLang() != "fr" {
		t.Errorf("y is %s", longForm(y))
	}
	if z.Body.GetLanguage() != "nl" || z.EffectiveOn.Month != 11 || z.Body.GetDataUse().GetName().GetTexts()[0].GetLang() != "nl" {
		t.Errorf("z is %s", longForm(z))
	}
}

func TestLinesPointAtTheSource(t *testing.T) {
	drafts := example(t, "a-plaza-cameras.yaml")
	for _, c := range []struct {
		i    int
		path string
		want int
	}{
		{0, "", 2}, {0, "deployment.starts_on", 7}, {0, "deployment.purpose_text.texts[0].value", 12}, {0, "deployment.purpose[0]", 12},
		{0, "deployment.parties[0].country", 13}, {0, "deployment.tech[1]", 10}, {0, "deployment.sites[0].point", 15}, {0, "deployment.data_uses[0]", 17},
		{0, "deployment.exemption", 2}, {1, "", 17}, {1, "data_use.retention[1].mode", 24}, {1, "data_use.collected_by", 21}, {1, "data_use.identifiability", 22},
		{1, "data_use.legal_basis[0].citation", 27}, {2, "assessment.risks[0].residual", 44}, {2, "assessment.state", 36}, {2, "assessment.report.size", 49},
	} {
		if got := draft.Line(drafts[c.i], c.path); got != c.want {
			t.Errorf("Line(draft %d, %q) = %d, want %d", c.i, c.path, got, c.want)
		}
	}
}

func TestWorkspaceRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"language: nl\ncitty: x\n":               "did you mean city?",
		"city: Kanaalstad\nlanguage: nl\n":       "no member id",
		"language: Dutch\n":                      "no language tag",
		"city: nl-x\n":                           "language of the texts is missing",
		"language: nl\ncountry: nl\n":            "no country",
		"language: nl\nstored: cloud\n":          "where and in which country",
		"language: nl\nstored: clowd NL\n":       "unknown value",
		"language: nl\ncontact: [a]\n":           "want a text",
		"language: nl\naccountable: Dienst #3\n": "drop the rest",
		"language: nl\nlanguage: fr\n":           "stands twice",
		"- a\n":                                  "want one map",
		"":                                       "holds nothing",
	} {
		if ws, err := shorthand.ParseWorkspace([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseWorkspace(%q) = %+v, %v; want %q", text, ws, err, want)
		}
	}
}
