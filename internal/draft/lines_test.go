package draft_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func TestI7LinesRoundTrip(t *testing.T) {
	formatted := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		drafts := []*draft.Draft{randomDraft(r), randomDraft(r)}
		unapplied := false
		for _, d := range drafts {
			unapplied = unapplied || len(d.Set) > 0
			if _, err := declaration.FormatBody(d.Body); err != nil {
				unapplied = true // text that no body may hold
			}
		}
		text, err := draft.FormatLines(drafts)
		if unapplied {
			if err == nil {
				t.Fatalf("seed %d: FormatLines takes what it can't write", seed)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: FormatLines: %v", seed, err)
		}
		formatted++
		if n := bytes.Count(text, []byte("\n")); n != len(drafts) {
			t.Errorf("seed %d: %d lines, want %d", seed, n, len(drafts))
		}
		got, err := draft.Parse("x.jsonl", text)
		if err != nil {
			t.Fatalf("seed %d: Parse(FormatLines(x)): %v\n%s", seed, err, text)
		}
		if diff := cmp.Diff(drafts, got, sameDraft); diff != "" {
			t.Fatalf("seed %d: Parse(FormatLines(x)) differs from x (-want +got):\n%s\n%s", seed, diff, text)
		}
	}
	if formatted < 20 {
		t.Errorf("only %d of 300 random pairs could be written", formatted)
	}
}
