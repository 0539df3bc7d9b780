package ledger_test

import (
	"slices"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/publication"
)

func TestI8FindReturnsTheNewestOfEachKind(t *testing.T) {
	db, err := pebbledb.Open(t.TempDir(), pebbledb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var listed, want []declaration.Subject
	for _, k := range []struct {
		kind declaration.Kind
		n    uint32
	}{{declaration.Deployment, publication.MaxFound + 44}, {declaration.DataUse, 3}, {declaration.Notice, publication.MaxFound}} {
		for i := range k.n {
			s := declaration.Subject{Kind: k.kind, Number: i + 1}
			listed = append(listed, s)
			if i+publication.MaxFound >= k.n {
				want = append(want, s)
			}
		}
	}
	b := db.NewIndexedBatch()
	if err := ledger.StageFound(b, "name/the same", listed); err != nil {
		t.Fatal(err)
	}
	if err := ledger.StageFound(b, "name/another", listed[:1]); err != nil {
		t.Fatal(err)
	}
	got, err := ledger.Find(b, "name/the same")
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("Find: %d subjects, %v, want %d: the last %d of each kind", len(got), err, len(want), publication.MaxFound)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
