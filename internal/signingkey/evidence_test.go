package signingkey_test

import (
	"os"
	"path/filepath"
	"testing"
)

func TestEvidenceIsKeptOnceAndBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	l := newLogKeys(t).signer(t, openState(t, dir))
	first, err := l.KeepEvidence(7, []byte("why"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := l.KeepEvidence(7, []byte("something else")); err != nil || again != first {
		t.Errorf("the same size again: %q, %v, want %q", again, err, first)
	}
	if b, err := os.ReadFile(first); err != nil || string(b) != "why" {
		t.Errorf("evidence is %q, %v", b, err)
	}
	refused := 0
	for size := range uint64(30) {
		if _, err := l.KeepEvidence(100+size, []byte("why")); err != nil {
			refused++
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "evidence-*"))
	if err != nil || len(files) != 16 || refused != 15 {
		t.Errorf("%d files, %d refused, %v, want 16 and 15", len(files), refused, err)
	}
}
