package shorthand_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// example returns the drafts of an example file.
func example(t testing.TB, name string) []*draft.Draft {
	t.Helper()
	data, err := examples.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	drafts, err := shorthand.Parse(name, data, workspace(t), examples)
	if err != nil {
		t.Fatal(err)
	}
	return drafts
}

// amended applies an amendment's lines to the example's record at index i.
func amended(t *testing.T, i int, lines string) (*draft.Draft, *declarationv1.Body, error) {
	t.Helper()
	current := example(t, "a-plaza-cameras.yaml")[i].Body
	text := "amend: " + current.GetNickname() + "\nreason: Omdat het moet.\n" + lines
	drafts, err := shorthand.Parse("amend.yaml", []byte(text), workspace(t), examples)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	before := proto.CloneOf(current)
	err = shorthand.Amend(drafts[0], current, workspace(t), examples)
	if !proto.Equal(before, current) {
		t.Error("Amend changed the current record")
	}
	return drafts[0], current, err
}

// field reads a value by its path, as text.
func longForm(d *draft.Draft) string { return string(draft.Format([]*draft.Draft{d})) }

func TestAmendSetsAddsRemoves(t *testing.T) {
	for name, c := range map[string]struct {
		i                int
		lines, has, hasn string
	}{
		"retention by what":        {1, "set: {\"keeps[blurred video]\": 60 days}", "duration: P60D", "P28D"},
		"retention by number":      {1, "set: {\"keeps[2]\": 60 days}", "duration: P60D", "P28D"},
		"retention whole":          {1, "set: {\"keeps[2]\": counts - none - endless}", "RETENTION_MODE_ENDLESS", "blurred video"},
		"retention field":          {1, "set: {\"keeps[2].duration\": 2 weeks}", "duration: P2W", "P28D"},
		"retention as map":         {1, "set: {\"keeps[2]\": {citation: Wet X}}", "citation: \"Wet X\"", "P1D"},
		"retention to endless":     {1, "set: {\"keeps[blurred video]\": endless}", "RETENTION_MODE_ENDLESS", "P28D"},
		"status":                   {0, "set: {status: retired}", "STATUS_RETIRED", "STATUS_IN_USE"},
		"status keeps start":       {0, "set: {status: retired}", "starts_on: \"2026-12-14\"", "ends_on"},
		"status with since":        {0, "set: {status: in use since 2027}", "starts_on: \"2027\"", "2026-12-14"},
		"vendor":                   {0, "set: {vendor: Blik BV (BE)}", "\"Blik BV\"", "Zicht Systemen"},
		"vendor keeps accountable": {0, "set: {vendor: Blik BV (BE)}", "PARTY_ROLE_ACCOUNTABLE", "Zicht"},
		"vendor by name":           {0, "set: {\"vendor[Zicht Systemen BV]\": Blik BV (BE)}", "\"Blik BV\"", "Zicht"},
		"another vendor":           {0, "add: {vendor: Blik BV (BE)}", "\"Blik BV\"", "P1D"},
		"contact":                  {0, "set: {contact: camera@kanaalstad.example}", "camera@kanaalstad.example", "privacy@"},
		"party field":              {0, "set: {\"vendor[1].contract\": C-17}", "contract_ref: C-17", "xx"},
		"one language":             {0, "set: {name.en: Plaza cameras}", "\"Plaza cameras\"", "Market Square"},
		"one language keeps other": {0, "set: {name.en: Plaza cameras}", "\"Camera's Marktplein\"", "Market Square"},
		"a new language":           {0, "set: {summary.en: Twelve cameras.}", "\"Twelve cameras.\"", "xx"},
		"whole text":               {0, "set: {name: Camera's}", "\"Camera's\"", "Market Square"},
		"language removed":         {0, "remove: [name.en]", "\"Camera's Marktplein\"", "Market Square"},
		"list replaced":            {0, "set: {tech: [microphone]}", "code: microphone", "video_camera"},
		"list added to":            {0, "add: {tech: [microphone]}", "code: microphone", "xx"},
		"item removed":             {0, "remove: [\"tech[de_identified_video]\"]", "code: video_camera", "de_identified"},
		"field removed":            {0, "remove: [units]", "tech", "units"},
		"role removed":             {0, "remove: [vendor]", "PARTY_ROLE_ACCOUNTABLE", "Zicht"},
		"singular field":           {1, "set: {refusal.text: Via de Dorpsstraat.}", "Via de Dorpsstraat.", "Kerkstraat"},
		"new singular message":     {0, "set: {signage.kind: none}", "SIGNAGE_KIND_NONE", "xx"},
		"body's field":             {0, "set: {source_id: abc}", "source_id: abc", "xx"},
		"reference":                {0, "add: {data: [use/9]}", "- use/9", "xx"},
		"reference replaced":       {0, "set: {data: [use/9]}", "- use/9", "plaza-video"},
		"reference removed":        {0, "remove: [\"data[plaza-video]\"]", "tech", "- plaza-video"},
		"owed":                     {0, "set: {assessment: owed by 2028-01-01}", "EXEMPTION_GROUND_NOT_YET_ASSESSED", "xx"},
		"criterion":                {2, "set: {\"criteria[Noodzaak aangetoond]\": not met}", "CRITERION_RESULT_NOT_MET", "xx"},
		"sites from a file":        {0, "set: {sites: plaza-cameras.csv}", "1 Marktplein NO", "xx"},
		"report":                   {2, "set: {report: {file: plaza-pia.pdf, title: PIA 2027}}", "PIA 2027", "title: plaza-pia.pdf"},
		"right gets the contact":   {1, "add: {rights: contest}", "right_contest", "xx"},
		"identifiability raised":   {1, "set: {identifiability: pseudonymous}", "identifiability: IDENTIFIABILITY_PSEUDONYMOUS", "xx"},
		"comma in brackets":        {0, "set: {\"parties[Gemeente Kanaalstad, afdeling Openbare Ruimte].registration_no\": '12'}", "registration_no: \"12\"", "xx"},
	} {
		d, _, err := amended(t, c.i, c.lines)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		long := longForm(d)
		if !strings.Contains(long, c.has) || strings.Contains(long, c.hasn) {
			t.Errorf("%s: want %q and not %q in\n%s", name, c.has, c.hasn, long)
		}
		if len(d.Set) != 0 || d.Body.Nonce != nil || d.Body.GetReason() == nil {
			t.Errorf("%s: the draft is not complete: %+v", name, d)
		}
	}
}

func TestAmendRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		i           int
		lines, want string
	}{
		"unknown key":              {1, "set: {keps: x}", "did you mean keeps?"},
		"unknown key inside":       {1, "set: {refusal.txt: x}", "did you mean text?"},
		"unknown item":             {1, "set: {\"keeps[blured video]\": 60 days}", "did you mean blurred video?"},
		"number out of range":      {1, "set: {\"keeps[3]\": 60 days}", "is called so"},
		"list without brackets":    {1, "set: {keeps.duration: 60 days}", "which item is meant?"},
		"brackets without a list":  {1, "set: {\"refusal[1]\": x}", "is no list"},
		"bad value":                {1, "set: {\"keeps[1]\": 60 day-ish}", "how long it is kept"},
		"bad path":                 {1, "set: {\"keeps[1\": x}", "no path of a field"},
		"empty step":               {1, "set: {\"refusal..text\": x}", "no path of a field"},
		"add to no list":           {0, "add: {status: retired}", "is no list"},
		"remove what isn't there":  {0, "remove: [appeal]", "does not say this"},
		"remove half a role":       {0, "remove: [contact]", "can't be left out by itself"},
		"nonce":                    {0, "set: {nonce: AAAA}", "unknown key"},
		"reason":                   {0, "set: {reason: x}", "unknown key"},
		"record":                   {0, "set: {data_use: {name: x}}", "unknown key"},
		"bundle in an amendment":   {0, "set: {data: [{use: x, name: y}]}", "want a nickname or number"},
		"two changes of one field": {0, "set: {status: retired, starts_on: 2026, \"starts\": 2027}", "says this already"},
		"language of a text":       {0, "set: {name.english: x}", "no language tag"},
		"line of the change":       {0, "set:\n  name: x\n  units: many", "amend.yaml:5"},
	} {
		d, _, err := amended(t, c.i, c.lines)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if len(d.Set) == 0 || d.Body.Record != nil {
			t.Errorf("%s: the draft changed although there was an error", name)
		}
	}
}

func TestAmendReportsEverything(t *testing.T) {
	_, _, err := amended(t, 0, "set:\n  untis: 3\n  status: retierd\n  impact: hihg\n")
	problems, ok := err.(draft.Problems)
	if !ok || len(problems) != 3 {
		t.Fatalf("%v, want three problems", err)
	}
}

func TestWithdrawRepeatsTheRecord(t *testing.T) {
	current := example(t, "a-plaza-cameras.yaml")[0].Body
	current.Nonce = make([]byte, 16)
	for _, op := range []string{"withdraw", "reinstate"} {
		drafts, err := shorthand.Parse("w.yaml", []byte(op+": plaza-cameras\nreason: Camera's zijn weg.\n"), workspace(t), examples)
		if err != nil {
			t.Fatal(err)
		}
		d := drafts[0]
		if err := shorthand.Amend(d, current, workspace(t), examples); err != nil {
			t.Fatal(err)
		}
		want := proto.CloneOf(current)
		want.Nonce, want.Reason = nil, d.Body.Reason
		if diff := cmp.Diff(want, d.Body, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", op, diff)
		}
	}
	_, err := shorthand.Parse("w.yaml", []byte("withdraw: plaza-cameras\nreason: x\nset: {units: 3}\n"), workspace(t), examples)
	if err == nil || !strings.Contains(err.Error(), "repeats the record as it is") {
		t.Errorf("withdraw with set: %v", err)
	}
}

func TestAmendNeedsReasonInTheRecordsLanguage(t *testing.T) {
	current := example(t, "a-plaza-cameras.yaml")[0].Body
	drafts, err := shorthand.Parse("a.yaml", []byte("amend: plaza-cameras\nreason: {en: Because.}\nset: {units: 3}\n"), workspace(t), examples)
	if err != nil {
		t.Fatal(err)
	}
	if err := shorthand.Amend(drafts[0], current, workspace(t), examples); err == nil || !strings.Contains(err.Error(), "the record's language, nl") {
		t.Errorf("Amend: %v", err)
	}
}

func TestChangeNotice(t *testing.T) {
	for name, c := range map[string]struct {
		i     int
		lines string
		want  []string // none: no notice
	}{
		"retention":       {1, "set: {\"keeps[blurred video]\": 60 days}", []string{"Omdat het moet.\n", "data_use.retention[blurred video].duration: P28D → P60D"}},
		"status":          {0, "set: {status: retired}", []string{"deployment.status: in_use → retired"}},
		"item gone":       {0, "remove: [\"tech[de_identified_video]\"]", []string{"deployment.tech[de_identified_video]: de_identified_video → –"}},
		"item new":        {0, "add: {tech: microphone}", []string{"deployment.tech[microphone]: – → microphone"}},
		"text gone":       {1, "remove: [refusal.text]", []string{"data_use.refusal.text: Het plein"}},
		"field new":       {0, "set: {review: 2028-01-01}", []string{"deployment.review_on: – → 2028-01-01"}},
		"wording":         {0, "set: {name: Camera's, summary: Andere woorden.}", nil},
		"reordered":       {0, "set: {tech: [de_identified_video, video_camera]}", nil},
		"nothing changed": {0, "set: {status: in use}", nil},
	} {
		d, old, err := amended(t, c.i, c.lines)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := draft.ChangeNotice(d, old)
		if (n == nil) != (c.want == nil) {
			t.Errorf("%s: notice %v, want %q", name, n, c.want)
			continue
		}
		if n == nil {
			continue
		}
		notice := n.Body.GetNotice()
		if notice.GetType() != declarationv1.NoticeType_NOTICE_TYPE_CHANGE || !slices.Equal(notice.GetAbout(), []string{d.Target}) ||
			n.Operation != declaration.Publish || n.Body.GetLanguage() != "nl" {
			t.Errorf("%s: %s", name, longForm(n))
		}
		for _, want := range c.want {
			if text := notice.GetText().GetTexts()[0].GetValue(); !strings.Contains(text, want) {
				t.Errorf("%s: text %q, want %q in it", name, text, want)
			}
		}
	}
}
