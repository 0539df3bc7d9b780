package shorthand_test

import (
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// one is a city that has published one data use, of this nickname.
type one string

func (one) Next(declaration.Kind) (uint32, error) { return 1, nil }

func (o one) Lookup(k declaration.Kind, nickname string) (declaration.Subject, bool, error) {
	return declaration.Subject{Kind: k, Number: 900}, k == declaration.DataUse && nickname == string(o), nil
}

// published is what a file refers to and does not hold.
var published = map[string]one{"incident": "plaza-video", "f-incident.yaml": "plaza-video"}

// TestTemplatesAnswerThemselves: with its own examples for answers, each template is
// read without a problem and keeps every rule that a single record can break.
func TestTemplatesAnswerThemselves(t *testing.T) {
	for _, ws := range []shorthand.Workspace{workspace(t), {Language: "en"}} {
		for _, name := range shorthand.Cases() {
			text, questions, filled, err := shorthand.Template(name, ws)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if marks := strings.Count(text, ": ?"); marks != questions || questions == 0 {
				t.Errorf("%s: %d questions, %d question marks", name, questions, marks)
			}
			if filled == 0 || ws.City == "" && filled > 4 {
				t.Errorf("%s: %d values filled from %+v", name, filled, ws)
			}
			drafts, err := shorthand.Parse(name, []byte(shorthand.Answered(text)), ws, nil)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if err := draft.Number(drafts, published[name]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, d := range drafts {
				checkRules(t, name, d)
			}
		}
	}
}

func checkRules(t *testing.T, name string, d *draft.Draft) {
	t.Helper()
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	d.Body.Nonce = make([]byte, 16)
	revision := uint32(1)
	if d.Operation != declaration.Publish {
		revision = 2
	}
	for _, r := range publication.CheckRecord(publication.Record{Body: d.Body, Statement: &declaration.Statement{
		City: "nl-kanaalstad", Subject: d.Subject, Revision: revision, Operation: d.Operation, EffectiveOn: declaration.DateOf(now), DeclaredAt: now, Provenance: d.Provenance,
	}}, now) {
		t.Errorf("%s, line %d: %+v", name, draft.Line(d, r.Field), r)
	}
}

// TestExamplesKeepTheRules: what the examples show can be published.
func TestExamplesKeepTheRules(t *testing.T) {
	for _, name := range []string{"a-plaza-cameras.yaml", "b-benefit-model.yaml", "d-no-face-recognition.yaml", "e-pledge.yaml", "f-incident.yaml", "g-service.yaml"} {
		drafts := example(t, name)
		if err := draft.Number(drafts, published[name]); err != nil {
			t.Fatal(err)
		}
		for _, d := range drafts {
			checkRules(t, name, d)
		}
	}
}

// TestAmendmentKeepsTheRules: so can the amendment of an example, with its notice.
func TestAmendmentKeepsTheRules(t *testing.T) {
	current := example(t, "a-plaza-cameras.yaml")
	if err := draft.Number(current, published["a-plaza-cameras.yaml"]); err != nil {
		t.Fatal(err)
	}
	amendment := example(t, "c-longer-retention.yaml")[0]
	if err := shorthand.Amend(amendment, current[1].Body, workspace(t), examples); err != nil {
		t.Fatal(err)
	}
	notice := draft.ChangeNotice(amendment, current[1].Body)
	batch := []*draft.Draft{amendment, notice}
	if err := draft.Number(batch, one("plaza-video")); err != nil {
		t.Fatal(err)
	}
	for _, d := range batch {
		checkRules(t, string(d.Kind()), d)
	}
	if got := notice.Body.GetNotice().GetAbout()[0]; got != amendment.Subject.String() {
		t.Errorf("the notice is about %s, the amendment of %s", got, amendment.Subject)
	}
}

// TestUnansweredTemplateSaysSo: every question that is left is a problem of its own.
func TestUnansweredTemplateSaysSo(t *testing.T) {
	text, questions, _, err := shorthand.Template("camera", workspace(t))
	if err != nil {
		t.Fatal(err)
	}
	_, err = shorthand.Parse("camera.yaml", []byte(text), workspace(t), nil)
	problems, ok := err.(draft.Problems)
	if !ok || len(problems) != questions || !strings.Contains(problems[0].Error(), "not answered") {
		t.Errorf("%d questions, %v", questions, err)
	}
}

func TestUnknownCase(t *testing.T) {
	if _, _, _, err := shorthand.Template("camra", workspace(t)); err == nil || !strings.Contains(err.Error(), "did you mean camera?") {
		t.Errorf("%v", err)
	}
	if _, _, _, err := shorthand.Template("../doc", workspace(t)); err == nil {
		t.Error("a path was taken for a case")
	}
}
