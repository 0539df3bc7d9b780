package draft_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/cityproof/cityproof/internal/draft"
)

// FuzzParseLong: no panic, and what Parse accepts is stable: Format∘Parse∘Format =
// Format.
func FuzzParseLong(f *testing.F) {
	f.Add([]byte(small))
	for seed := range uint64(4) {
		f.Add(draft.Format([]*draft.Draft{randomDraft(rand.New(rand.NewPCG(seed, 2)))}))
	}
	f.Add([]byte(`{"record":"finding","operation":"PUBLISH","body":{"finding":{"tree_size":5}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			t.Skip("larger inputs find nothing new")
		}
		drafts, err := draft.Parse("f", data)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		text := draft.Format(drafts)
		again, err := draft.Parse("f", text)
		if err != nil {
			t.Fatalf("Parse(Format(Parse(x))): %v\n%s", err, text)
		}
		if second := draft.Format(again); !bytes.Equal(second, text) {
			t.Fatalf("Format(Parse(x)) is not stable:\n%s\n%s", text, second)
		}
	})
}
