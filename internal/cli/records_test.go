package cli_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

func TestShowAndHistory(t *testing.T) {
	c := startTown(t)
	first := c.publish("com/1", pledge("geen-gezichten", texts("nl", "Wij herkennen geen gezichten.", "en", "We recognise no faces.")), nil)
	amended := pledge("geen-gezichten", texts("nl", "Wij herkennen nooit gezichten.", "en", "We never recognise faces."))
	amended.Reason = texts("nl", "Het was te zwak.")
	second := c.publish("com/1", amended, &first)
	c.publish("com/2", pledge("tweede", texts("nl", "Iets anders.")), nil)

	r := c.ask("show", "geen-gezichten")
	r.exit(t, 0, "com/1  geen-gezichten", "commitment, revision 2 (amended)", "Wij herkennen nooit gezichten.", "negative statement",
		"(FaceRecognition)", "Reason", "Het was te zwak.", "kanaalstad.example/log, entry 1 of 3", "by the city's own clock",
		"Checked against", "your trust file", "on the node's word")
	if strings.Contains(r.out, "We never") || strings.Contains(r.out, "CHECKED AGAINST") {
		t.Errorf("says more than it was asked:\n%s", r.out)
	}
	c.ask("show", "com/1", "--lang", "en").exit(t, 0, "We never recognise faces.", "Het was te zwak. [nl]")
	old := c.ask("show", "com/1", "--revision", "1")
	old.exit(t, 0, "revision 1 (published)", "Wij herkennen geen gezichten.")
	if strings.Contains(old.out, "Newest revision") {
		t.Errorf("calls an older revision the newest:\n%s", old.out)
	}
	if raw := c.ask("show", "com/1", "--raw"); raw.code != 0 || raw.out != string(second.Raw) {
		t.Errorf("--raw exits %d with %q, want %q", raw.code, raw.out, second.Raw)
	}
	c.ask("show", "com/9").exit(t, 3, "hint: check the name")
	c.ask("show", "com/1", "--revision", "9").exit(t, 3)
	c.ask("show", "com/1", "--kind", "xyz").exit(t, 2, "the kinds are")
	c.ask("show").exit(t, 2)

	unchecked := run(t, "show", "com/1", "--node", c.url)
	unchecked.exit(t, 0, "CHECKED AGAINST", "nothing that you trust")
	run(t, "show", "com/1").exit(t, 2, "which node?")

	var asJSON struct {
		Subject string
		Trusted bool
		Body    json.RawMessage
		Signers []string
	}
	must(t, json.Unmarshal([]byte(c.ask("show", "com/1", "--json").out), &asJSON))
	if asJSON.Subject != "com/1" || !asJSON.Trusted || len(asJSON.Signers) != 1 || !bytes.Contains(asJSON.Body, []byte("FaceRecognition")) {
		t.Errorf("got %+v", asJSON)
	}

	h := c.ask("history", "com/1")
	h.exit(t, 0, "com/1  geen-gezichten of nl-kanaalstad", "Het was te zwak.", "names the one before it")
	if !strings.Contains(h.out, "\n1         published") || !strings.Contains(h.out, "\n2         amended") {
		t.Errorf("history:\n%s", h.out)
	}
	run(t, "history", "com/1", "--node", c.url).exit(t, 0, "CHECKED AGAINST nothing that you trust")
	var list []struct{ Revision uint32 }
	must(t, json.Unmarshal([]byte(c.ask("history", "com/1", "--json").out), &list))
	if len(list) != 2 || list[1].Revision != 2 {
		t.Errorf("history as JSON: %+v", list)
	}
}

func TestErasedRecordShowsItsNotice(t *testing.T) {
	c := startTown(t)
	gone := c.publish("com/1", pledge("weg", texts("nl", "Dit moet weg.")), nil)
	c.publish("not/1", erasure(gone), nil)
	r := c.ask("show", "com/1")
	r.exit(t, 0, "The body is erased", "not/1, entry 1", "court order", "Rechtbank Noord", "De rechter heeft het wissen gelast.")
	if strings.Contains(r.out, "Dit moet weg") {
		t.Errorf("shows what was erased:\n%s", r.out)
	}
	c.ask("show", "com/1", "--raw").exit(t, 3, "is erased")
	c.ask("history", "com/1").exit(t, 0, "the body is erased, by the notice in entry 1")
	if line, _, _ := strings.Cut(c.ask("export", "--format", "jsonl", "--kind", "com").out, "\n"); !strings.HasSuffix(line, `,"erased_by":1}`) || strings.Contains(line, `"body":`) {
		t.Errorf("exported as %s", line)
	}
}

func TestExport(t *testing.T) {
	c := startTown(t)
	formula := pledge("formule", texts("nl", `=HYPERLINK("http://x.example";"klik")`))
	formula.SourceId = proto.String("-1+1")
	a := c.publish("com/1", formula, nil)
	b := c.publish("com/2", pledge("gewoon", texts("nl", "Gewoon, met \"tekens\" én\nregels.")), nil)
	rows, err := csv.NewReader(strings.NewReader(c.ask("export").out)).ReadAll()
	must(t, err)
	if len(rows) != 3 || rows[0][0] != "subject" || rows[1][0] != "com/1" || rows[2][1] != "gewoon" {
		t.Fatalf("exported %q", rows)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for name, want := range map[string]string{"name": `'=HYPERLINK("http://x.example";"klik")`, "source_id": "'-1+1", "type": "negative_statement",
		"operation": "PUBLISH", "city": owner, "index": "0", "erased_by": ""} {
		if got := rows[1][column[name]]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	dir := t.TempDir()
	file := filepath.Join(dir, "all.jsonl")
	c.ask("export", "--out", file).exit(t, 0, "2 records in "+file)
	lines := bytes.SplitAfter(bytes.TrimSpace(read(t, file)), []byte("\n"))
	for i, placed := range []struct{ envelope, raw []byte }{{a.Envelope, a.Raw}, {b.Envelope, b.Raw}} {
		want := `"statement":` + string(placed.envelope) + `,"body":` + string(placed.raw) + "}"
		if !json.Valid(lines[i]) || !bytes.Contains(lines[i], []byte(want)) {
			t.Errorf("line %d is %s, want in it %s", i, lines[i], want)
		}
	}
	if got := c.ask("export", "--format", "jsonl").out; got != string(read(t, file)) {
		t.Error("standard output and file differ")
	}
	if got := c.ask("export", "--kind", "dep").out; strings.Count(got, "\n") != 1 {
		t.Errorf("of no record: %q", got)
	}
	run(t, "export", "--node", c.url).exit(t, 0, "warning: checked against nothing that you trust")

	c.ask("export", "--format", "xml").exit(t, 2)
	c.ask("export", "--kind", "deployment").exit(t, 2)
	c.ask("export", "--out", filepath.Join(dir, "none", "x.csv")).exit(t, 2)
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 1 {
		t.Errorf("leaves %d files behind", len(left))
	}
}
