package importer_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/testenv"
)

// importShared imports a file of the shared data, twice, and holds what is true of
// every import: the same bytes give the same drafts, and each body can be formatted.
func importShared(t *testing.T, format, name string, opt importer.Options) ([]*draft.Draft, *importer.Report) {
	t.Helper()
	data, err := os.ReadFile(testenv.Shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return importTwice(t, format, data, opt)
}

func importTwice(t *testing.T, format string, data []byte, opt importer.Options) ([]*draft.Draft, *importer.Report) {
	t.Helper()
	drafts, report, err := importer.Import(format, bytes.NewReader(data), opt)
	if err != nil {
		t.Fatalf("Import(%s): %v", format, err)
	}
	again, _, err := importer.Import(format, bytes.NewReader(data), opt)
	if err != nil || len(again) != len(drafts) {
		t.Fatalf("Import(%s) again gives %d drafts, %v; first %d", format, len(again), err, len(drafts))
	}
	seen := map[string]int{}
	for i, d := range drafts {
		body := formatted(t, d)
		if !bytes.Equal(body, formatted(t, again[i])) {
			t.Errorf("draft %d differs between two imports", i)
		}
		if _, err := declaration.ParseBody(body); err != nil {
			t.Errorf("draft %d: %v", i, err)
		}
		key := string(d.Kind()) + " " + d.Nickname()
		if d.Nickname() == "" || seen[key] > 0 {
			t.Errorf("draft %d: nickname %q is empty or stands twice", i, d.Nickname())
		}
		seen[key]++
	}
	if !bytes.Equal(draft.Format(drafts), draft.Format(again)) {
		t.Error("the long form differs between two imports")
	}
	checkRules(t, drafts)
	if len(drafts) != report.Drafts {
		t.Errorf("Report.Drafts = %d, want %d", report.Drafts, len(drafts))
	}
	return drafts, report
}

// formatted is the body's canonical bytes under a fixed nonce.
func formatted(t *testing.T, d *draft.Draft) []byte {
	t.Helper()
	body := proto.Clone(d.Body).(*declarationv1.Body)
	body.Nonce = make([]byte, 16)
	b, err := declaration.FormatBody(body)
	if err != nil {
		t.Fatalf("%s: %v\n%s", d.Nickname(), err, protojson.Format(d.Body))
	}
	return b
}

// city is a registry of subjects that has none yet.
type city struct{}

func (city) Next(declaration.Kind) (uint32, error) { return 1, nil }

func (city) Lookup(declaration.Kind, string) (declaration.Subject, bool, error) {
	return declaration.Subject{}, false, nil
}

// checkRules holds that every draft, numbered as for publishing, is accepted at the
// door: what it lacks is listed, nothing in it is refused.
func checkRules(t *testing.T, drafts []*draft.Draft) {
	t.Helper()
	numbered := make([]*draft.Draft, len(drafts))
	for i, d := range drafts {
		c := *d
		c.Body = proto.Clone(d.Body).(*declarationv1.Body)
		c.Body.Nonce = make([]byte, 16)
		numbered[i] = &c
	}
	if err := draft.Number(numbered, city{}); err != nil {
		t.Errorf("Number: %v", err)
		return
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, d := range numbered {
		day := d.EffectiveOn
		if day == (declaration.Date{}) {
			day = declaration.DateOf(now)
		}
		st := &declaration.Statement{Log: "city.example/log", City: "nl-kanaalstad", Subject: d.Subject, Revision: 1,
			Operation: d.Operation, EffectiveOn: day, DeclaredAt: now, Provenance: d.Provenance}
		for _, res := range publication.CheckRecord(publication.Record{Statement: st, Body: d.Body}, now) {
			if res.Level == publication.Reject {
				t.Errorf("%s: %s %s %q: %s", d.Nickname(), res.Rule, res.Field, res.Value, res.Message)
			}
		}
	}
}

// count is how many deployments the predicate holds for.
func count(drafts []*draft.Draft, holds func(*declarationv1.Deployment) bool) int {
	n := 0
	for _, d := range drafts {
		if dep := d.Body.GetDeployment(); dep != nil && holds(dep) {
			n++
		}
	}
	return n
}

type counted struct {
	what      string
	got, want int
}

func compare(t *testing.T, counts []counted) {
	t.Helper()
	for _, c := range counts {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d", c.what, c.got, c.want)
		}
	}
}

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(testenv.Shared(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func organisationsOf(t *testing.T, format, name string) []importer.OrganisationCount {
	t.Helper()
	organisations, err := importer.Organisations(format, open(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return organisations
}
