package demo_test

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// now is a day on which the demo could run. The samples hold on any later day too:
// no rule at the door compares a record's dates with the clock.
var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// town is the invented city's records, as a node would hold them.
type town struct {
	*publication.Memory
	next   map[declaration.Kind]uint32
	byName map[string]declaration.Subject
	bodies map[declaration.Subject]*declarationv1.Body
}

func (c *town) Next(kind declaration.Kind) (uint32, error) { return c.next[kind] + 1, nil }

func (c *town) Lookup(kind declaration.Kind, nickname string) (declaration.Subject, bool, error) {
	s, ok := c.byName[string(kind)+" "+nickname]
	return s, ok, nil
}

// folder is the officer's folder.
type folder struct{ fs.FS }

func (f folder) ReadFile(name string) ([]byte, error) { return fs.ReadFile(f.FS, name) }

func readWorkspace(t *testing.T, files folder) shorthand.Workspace {
	t.Helper()
	b, err := files.ReadFile(shorthand.WorkspaceFile)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := shorthand.ParseWorkspace(b)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

func readDrafts(t *testing.T, files folder, ws shorthand.Workspace, pattern string) []*draft.Draft {
	t.Helper()
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no samples %s: %v", pattern, err)
	}
	var drafts []*draft.Draft
	for _, name := range names {
		if path.Base(name) == shorthand.WorkspaceFile {
			continue
		}
		b, err := files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := shorthand.Parse(name, b, ws, files)
		if err != nil {
			t.Errorf("reading %s:\n%v", name, err)
		}
		drafts = append(drafts, got...)
	}
	return drafts
}

// publish runs every rule of the door and returns the warnings.
func (c *town) publish(t *testing.T, ws shorthand.Workspace, drafts []*draft.Draft) (warnings []string) {
	t.Helper()
	if err := draft.Number(drafts, c); err != nil {
		t.Fatalf("numbering:\n%v", err)
	}
	records := make([]publication.Record, len(drafts))
	leaves := make([]proof.Hash, len(drafts))
	for i, d := range drafts {
		records[i] = draft.Preview(d, "nl-kanaalstad", now)
		records[i].Statement.City = ws.City
		leaves[i] = proof.Hash{byte(i), byte(i >> 8), 1}
		if head, err := c.Newest(d.Subject); err == nil && head != nil {
			records[i].Statement.Revision, records[i].Statement.Previous = head.Head.Revision+1, head.Head.Leaf
		}
	}
	live, err := publication.CheckLive(records, leaves, c)
	if err != nil {
		t.Fatal(err)
	}
	for i, d := range drafts {
		for _, r := range slices.Concat(publication.CheckRecord(records[i], now), live[i]) {
			line := fmt.Sprintf("%s %s %s %s %q", r.Level, r.Rule, d.Nickname(), r.Field, r.Value)
			if r.Level == publication.Reject {
				t.Errorf("%s:%d: %s\n  %s %s", d.File, draft.Line(d, r.Field), line, r.Message, r.Hint)
			} else {
				warnings = append(warnings, line)
			}
		}
		c.Apply(records[i], leaves[i])
		s := d.Subject
		c.next[s.Kind] = max(c.next[s.Kind], s.Number)
		c.bodies[s] = records[i].Body
		if name := d.Body.GetNickname(); name != "" {
			c.byName[string(s.Kind)+" "+name] = s
		}
	}
	return warnings
}

func publishSamples(t *testing.T) (*town, folder, shorthand.Workspace, []*draft.Draft) {
	t.Helper()
	files := folder{os.DirFS("samples")}
	ws := readWorkspace(t, files)
	c := &town{publication.NewMemory(), map[declaration.Kind]uint32{}, map[string]declaration.Subject{}, map[declaration.Subject]*declarationv1.Body{}}
	drafts := readDrafts(t, files, ws, "*.yaml")
	if t.Failed() {
		t.FailNow()
	}
	if got := c.publish(t, ws, drafts); len(got) != 0 {
		t.Errorf("the samples give the warnings\n%s\nwant none", strings.Join(got, "\n"))
	}
	return c, files, ws, drafts
}

// TestSamplesKeepEveryRule publishes the demo's declarations in one batch, and then
// what the city says later.
func TestSamplesKeepEveryRule(t *testing.T) {
	c, files, ws, _ := publishSamples(t)
	later := readDrafts(t, files, ws, "later/*.yaml")
	if t.Failed() {
		t.FailNow()
	}
	if err := draft.Number(later, c); err != nil {
		t.Fatal(err)
	}
	for _, d := range later {
		old := c.bodies[d.Subject]
		if err := shorthand.Amend(d, old, ws, files); err != nil {
			t.Fatalf("amending %s:\n%v", d.Target, err)
		}
		notice := draft.ChangeNotice(d, old)
		if notice == nil {
			t.Fatalf("amending %s calls for no notice", d.Target)
		}
		later = append(later, notice)
	}
	if got := c.publish(t, ws, later); len(got) != 0 {
		t.Errorf("what the city says later gives the warnings %q, want none", got)
	}
}

// TestSamplesShowTheModel keeps the demo a showcase: all kinds that a city states,
// several languages, some debts owned up to.
func TestSamplesShowTheModel(t *testing.T) {
	_, _, _, drafts := publishSamples(t)
	kinds, languages := map[declaration.Kind]int{}, map[string]int{}
	for _, d := range drafts {
		kinds[d.Kind()]++
		for _, lang := range []string{"nl", "en", "tr", "ar", "ja"} {
			if strings.Contains(d.Body.String(), `lang:"`+lang+`"`) {
				languages[lang]++
			}
		}
	}
	for _, kind := range declaration.Kinds() {
		if kind != declaration.Finding && kinds[kind] == 0 {
			t.Errorf("no sample of kind %s", kind)
		}
	}
	for lang, want := range map[string]int{"nl": 50, "en": 40, "tr": 15, "ar": 15, "ja": 2} {
		if languages[lang] < want {
			t.Errorf("%d records have words in %s, want at least %d", languages[lang], lang, want)
		}
	}
}
