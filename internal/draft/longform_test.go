package draft_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/cityproof/cityproof/internal/draft"
)

// sameDraft compares what a draft says, not where it was written.
var sameDraft = cmp.Options{
	protocmp.Transform(),
	cmpopts.IgnoreFields(draft.Draft{}, "File", "Lines"),
	cmpopts.IgnoreUnexported(draft.Draft{}),
	cmpopts.IgnoreFields(draft.Change{}, "Line"),
	cmpopts.IgnoreFields(draft.Node{}, "Line", "Plain", "JSON", "Hash"),
	cmpopts.IgnoreFields(draft.Entry{}, "Line"),
}

func TestI7LongFormRoundTrip(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		drafts := []*draft.Draft{randomDraft(r), randomDraft(r)}
		text := draft.Format(drafts)
		got, err := draft.Parse("x.yaml", text)
		if err != nil {
			t.Fatalf("seed %d: Parse(Format(x)): %v\n%s", seed, err, text)
		}
		if diff := cmp.Diff(drafts, got, sameDraft); diff != "" {
			t.Fatalf("seed %d: Parse(Format(x)) differs from x (-want +got):\n%s\n%s", seed, diff, text)
		}
		if again := draft.Format(got); !bytes.Equal(again, text) {
			t.Fatalf("seed %d: Format(Parse(Format(x))) differs", seed)
		}
	}
}

const small = `record: finding
operation: PUBLISH
body:
  language: en
  finding:
    type: FINDING_TYPE_OBLIGATION
    rule_id: O-01
    as_of: 2026-11-23
    tree_size: 12
`

func TestParseAccepts(t *testing.T) {
	inJSON := `{"record":"finding","operation":"PUBLISH","body":{"language":"en","finding":
		{"type":"FINDING_TYPE_OBLIGATION","rule_id":"O-01","as_of":"2026-11-23","tree_size":12}}}`
	line := strings.ReplaceAll(inJSON, "\n", " ")
	want, err := draft.Parse("a", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		n    int
	}{
		"comments, other order, quotes": {"# c\nbody: {finding: {tree_size: 12, rule_id: 'O-01', as_of: \"2026-11-23\", type: FINDING_TYPE_OBLIGATION}, language: en}\noperation: PUBLISH  # c\nrecord: finding\n", 1},
		"byte order mark":               {"\ufeff" + small, 1},
		"CRLF":                          {strings.ReplaceAll(small, "\n", "\r\n"), 1},
		"two documents":                 {"---\n" + small + "---\n# only a comment\n---\n" + small, 2},
		"JSON":                          {inJSON, 1},
		"JSON Lines":                    {line + "\n" + line + "\n" + line, 3},
		"JSON list":                     {"[" + inJSON + "," + inJSON + "]", 2},
	} {
		got, err := draft.Parse("b", []byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got) != c.n {
			t.Errorf("%s: %d drafts, want %d", name, len(got), c.n)
		}
		for _, d := range got {
			if diff := cmp.Diff(want[0], d, sameDraft); diff != "" {
				t.Errorf("%s: differs from the plain form (-want +got):\n%s", name, diff)
			}
		}
	}
}

// replace makes one change to small and fails the test when there is nothing to change.
func replace(t *testing.T, old, new string) string {
	t.Helper()
	if !strings.Contains(small, old) {
		t.Fatalf("the example has no %q", old)
	}
	return strings.Replace(small, old, new, 1)
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		old, new string
		line     int
		want     string
	}{
		"unknown top key":          {"operation:", "operatoin:", 2, "did you mean operation?"},
		"unknown field":            {"rule_id:", "rule_idd:", 7, "did you mean rule_id?"},
		"camelCase (T-02)":         {"rule_id:", "ruleId:", 7, "unknown key"},
		"repeated key (T-01)":      {"    tree_size: 12", "    tree_size: 12\n    tree_size: 12", 10, "stands twice, first on line 9"},
		"enum as number (T-02)":    {"FINDING_TYPE_OBLIGATION", "1", 6, "unknown value"},
		"enum unspecified":         {"FINDING_TYPE_OBLIGATION", "FINDING_TYPE_UNSPECIFIED", 6, "unknown value"},
		"enum in short":            {"FINDING_TYPE_OBLIGATION", "obligation", 6, "write the full name"},
		"1.0 (T-02)":               {"tree_size: 12", "tree_size: 12.0", 9, "plain digits"},
		"1e3 (T-02)":               {"tree_size: 12", "tree_size: 1e3", 9, "plain digits"},
		"hexadecimal":              {"tree_size: 12", "tree_size: 0x10", 9, "plain digits"},
		"octal":                    {"tree_size: 12", "tree_size: 012", 9, "plain digits"},
		"underscores":              {"tree_size: 12", "tree_size: 1_2", 9, "plain digits"},
		"plus":                     {"tree_size: 12", "tree_size: +12", 9, "plain digits"},
		"minus zero (T-02)":        {"tree_size: 12", "tree_size: -0", 9, "plain digits"},
		"quoted number":            {"tree_size: 12", "tree_size: '12'", 9, "plain digits"},
		"beyond 32 bits":           {"tree_size: 12", "tree_size: 4294967296", 9, "out of range"},
		"2^53+1":                   {"tree_size: 12", "tree_size: 9007199254740993", 9, "out of range"},
		"huge number":              {"tree_size: 12", "tree_size: 99999999999999999999", 9, "plain digits"},
		"nothing":                  {"rule_id: O-01", "rule_id:", 7, "nothing is written"},
		"null":                     {"tree_size: 12", "tree_size: null", 9, "plain digits"},
		"list for a value":         {"rule_id: O-01", "rule_id: [O-01]", 7, "want a text"},
		"hash in text":             {"rule_id: O-01", "rule_id: O-01 #2", 7, "drop the rest"},
		"hash with one space":      {"rule_id: O-01", "rule_id: O-01 # 2", 7, "drop the rest"},
		"anchor":                   {"rule_id: O-01", "rule_id: &a O-01", 7, "anchors"},
		"alias":                    {"rule_id: O-01", "rule_id: *a", 7, "anchors"},
		"tag":                      {"rule_id: O-01", "rule_id: !!str O-01", 7, "anchors"},
		"merge key":                {"    rule_id: O-01", "    <<: {rule_id: O-01}", 7, "anchors"},
		"tab for indentation":      {"    rule_id", "\trule_id", 7, ""},
		"unclosed quote":           {"rule_id: O-01", "rule_id: 'O-01", 7, ""},
		"nonce":                    {"  language: en", "  nonce: AAAAAAAAAAAAAAAAAAAAAA==\n  language: en", 4, "made when the draft is signed"},
		"two records":              {"  finding:", "  member: {}\n  finding:", 7, "one record a document"},
		"other record":             {"record: finding", "record: member", 1, "the body holds a finding"},
		"no record":                {"record: finding\n", "", 1, "holds a finding"},
		"no operation":             {"operation: PUBLISH\n", "", 1, "operation is missing"},
		"unknown operation":        {"PUBLISH", "publish", 2, "unknown operation"},
		"target of PUBLISH":        {"operation: PUBLISH", "operation: PUBLISH\ntarget: fin/1", 3, "has no target"},
		"AMEND without target":     {"PUBLISH", "AMEND", 2, "target is missing"},
		"subject of another kind":  {"operation:", "subject: dep/1\noperation:", 2, "the body holds a finding"},
		"subject with zero":        {"operation:", "subject: fin/01\noperation:", 2, "no subject"},
		"date that does not exist": {"operation:", "effective_on: 2026-02-30\noperation:", 2, "no date"},
		"empty list":               {"  language: en", "  language: en\n  replaces: []", 5, "at least one item"},
	} {
		refuse(t, name, replace(t, c.old, c.new), c.line, c.want)
	}
}

func refuse(t *testing.T, name, text string, line int, want string) {
	t.Helper()
	got, err := draft.Parse("f.yaml", []byte(text))
	if err == nil {
		t.Errorf("%s: accepted as %s", name, draft.Format(got))
		return
	}
	problems, ok := err.(draft.Problems)
	if !ok {
		t.Errorf("%s: error of type %T", name, err)
		return
	}
	if problems[0].Line != line || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v; want line %d and %q", name, err, line, want)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
		want string
	}{
		"nothing":                        {"", 0, "holds nothing"},
		"only comments":                  {"# a\n---\n# b\n", 0, "holds nothing"},
		"bad UTF-8 (T-01)":               {small + "# \xff\n", 10, "not valid UTF-8"},
		"bidi override":                  {small + "# \u202e\n", 10, "direction control U+202E"},
		"escape (T-43)":                  {"a: \x1b[2J\n", 1, "U+001B"},
		"lone carriage return":           {"a: b\rc: d\n", 1, "carriage return"},
		"line separator":                 {"a: b\u2028c: d\n", 1, "U+2028"},
		"BOM inside":                     {"a: b\ufeff\n", 1, "U+FEFF"},
		"directive":                      {"%YAML 1.1\n---\n" + small, 1, "directives"},
		"complex key":                    {"? a\n: b\n", 1, "not answered"},
		"deep flow":                      {"a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n", 1, "nested too deeply"},
		"deep dashes":                    {strings.Repeat("- ", 100) + "x\n", 1, "nested too deeply"},
		"over 1 MiB":                     {"a: " + strings.Repeat("x", 1<<20) + "\n", 1, "more than 1048576"},
		"JSON null (T-02)":               {"{\"record\":\n null}", 2, "null says nothing"},
		"JSON repeated key":              {"{\"record\":\"a\",\n\"record\":\"b\"}", 2, "stands twice"},
		"JSON lone surrogate":            {`{"record":"\ud800"}`, 1, "half a character"},
		"JSON low surrogate":             {`{"record":"\udc00"}`, 1, "half a character"},
		"JSON surrogate in key":          {`{"\ud83d":1}`, 1, "half a character"},
		"JSON tail":                      {`{"record":"a"} x`, 1, "not JSON"},
		"JSON unclosed":                  {`{"record":"a"`, 1, "ends too early"},
		"JSON deep":                      {strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100), 1, "nested too deeply"},
		"JSON number for text":           {`{"record":5,"operation":"PUBLISH","body":{}}`, 1, "put it into quotes"},
		"JSON text for number":           {`{"record":"finding","operation":"PUBLISH","body":{"finding":{"tree_size":"5"}}}`, 1, "plain digits"},
		"JSON text for boolean":          {`{"record":"deployment","operation":"PUBLISH","body":{"deployment":{"start_unknown":"true"}}}`, 1, "true or false"},
		"not a map":                      {"- a\n", 1, "want a map"},
		"a text":                         {"hello\n", 1, "want a map"},
		"key that is a list":             {"[a]: b\n", 1, ""},
		"problems of all documents":      {"record: x\n---\nrecord: y\n", 1, "f.yaml:3"},
		"two problems of one document":   {"a: 1\nb: 2\n", 1, "f.yaml:2"},
		"second document without dashes": {"a: 1\n...\nb: 2\n", 1, ""},
	} {
		refuse(t, name, c.text, c.line, c.want)
	}
}

func TestYAMLReadsAsText(t *testing.T) {
	for in, want := range map[string]string{
		"no": "no", "Yes": "Yes", "on": "on", "~": "~", "null": "null", "1e3": "1e3", "2021-05": "2021-05", "2026-12-14": "2026-12-14",
		"010": "010", "0x10": "0x10", "0b1": "0b1", "1_000": "1_000", ".inf": ".inf", ".NaN": ".NaN", "+5": "+5", "1.50": "1.50", "12:30": "12:30",
		"True": "True", "-": "", "100-1000": "100-1000", "a#b": "a#b", "=": "=", "'it''s'": "it's", `"a\tb"`: "a\tb", "|-\n  a\n  b": "a\nb",
		">-\n  a\n  b": "a b", "a\n  b": "a b", "x - y - z": "x - y - z", "http://a": "http://a", "Camera's": "Camera's",
	} {
		docs, err := draft.Read("f", []byte("k: "+in+"\n"))
		if want == "" {
			if err == nil {
				t.Errorf("Read(%q) accepted", in)
			}
			continue
		}
		if err != nil {
			t.Errorf("Read(%q): %v", in, err)
			continue
		}
		if got := docs[0].Entries[0].Value; got.Text != want || got.Shape != draft.Scalar {
			t.Errorf("Read(%q) = %+v, want %q", in, got, want)
		}
	}
}

func TestLinePointsAtLongestKnownPath(t *testing.T) {
	got, err := draft.Parse("f", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{
		"": 1, "language": 4, "finding": 5, "finding.rule_id": 7, "finding.about.city": 5, "finding.as_of": 8, "reason": 1, "finding.tree_size[0].x": 9,
	} {
		if line := draft.Line(got[0], path); line != want {
			t.Errorf("Line(%q) = %d, want %d", path, line, want)
		}
	}
}

// TestFormatDocumentExample holds FORMAT.md's example to Format, byte for byte.
func TestFormatDocumentExample(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	text, _, _ := strings.Cut(rest, "```")
	drafts, err := draft.Parse("FORMAT.md", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(draft.Format(drafts))); diff != "" {
		t.Errorf("Format writes it otherwise (-document +Format):\n%s", diff)
	}
}

// TestHostileSourcesEnd: each input is at the size limit and built to make a reader
// slow or deep. The test's own time limit is the bound.
func TestHostileSourcesEnd(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, (draft.MaxDocument-100)/len(unit)) }
	for name, text := range map[string]string{
		"brackets":        "a: " + fill("["),
		"braces":          "a: " + fill("{"),
		"flow pairs":      "a: " + fill("{a: "),
		"dashes":          fill("- "),
		"questions":       fill("? "),
		"quotes":          "a: " + fill(`"`),
		"single quotes":   "a: " + fill("'"),
		"one long line":   "a: " + fill("x"),
		"long lines":      "a: |\n" + fill("  x\n"),
		"folded lines":    "a: >\n" + fill("  x\n\n"),
		"plain lines":     "a: x\n" + fill("  x\n"),
		"comments":        fill("#\n"),
		"comments behind": "a:\n" + fill("- x # y\n"),
		"keys":            fill("a: b\n"),
		"colons":          "a" + fill(":"),
		"anchors":         "a: " + fill("&a "),
		"aliases":         "a: [" + fill("*a,"),
		"commas":          "a: [" + fill(",") + "]",
		"items":           "a: [" + fill("b,") + "]",
		"distinct keys":   numberedLines("k%d: v\n", 45_000),
		"flow keys":       "a: {" + numberedLines("k%d: v, ", 39_000) + "}",
		"keys after keys": "a:\n" + numberedLines(" k%d: v\n", 45_000),
		"keys in items":   numberedLines("- k%d: v\n", 45_000),
		"steps":           stairs(1300),
		"documents":       fill("---\n"),
		"spaces":          "a:" + fill(" "),
		"JSON brackets":   fill("["),
		"JSON keys":       "{" + fill(`"a":1,`),
		"JSON escapes":    `{"a":"` + fill(`\u0041`) + `"}`,
		"JSON strings":    "[" + fill(`"\"",`),
	} {
		if _, err := draft.Parse("f", []byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if len(err.Error()) > 1<<20 {
			t.Errorf("%s: %d bytes of error", name, len(err.Error()))
		}
	}
}

func numberedLines(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// stairs is a map in a map, as deep as the size limit allows by indentation.
func stairs(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
