package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// forgetSignature puts the disk back to when note was signed last, as if the crash
// had come right after the next commit. It writes into the state's own files, so
// that the directory stays the one it was.
func (p *place) forgetSignature(note []byte) {
	p.t.Helper()
	db, err := pebbledb.Open(p.data, pebbledb.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	if err := errors.Join(db.Note(ledger.MetaSigned, note), db.Close(), os.WriteFile(filepath.Join(p.state, "lastsigned"), note, 0o600)); err != nil {
		p.t.Fatal(err)
	}
}

func TestI2OldStateSignsNothing(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	first := l.Published().Note
	mustPublish(t, l, p.seal("not/2", owed("two reports")))
	closeAll()
	if err := os.WriteFile(filepath.Join(p.state, "lastsigned"), first, 0o600); err != nil {
		t.Fatal(err)
	}
	l, _ = p.open()
	wantReadOnly(t, p, l, "state/lastsigned ends at size 1, but the data hold a signed checkpoint of size 2")
}

// cloned points the place at copies of its data and state.
func (p *place) cloned() {
	p.t.Helper()
	dir := p.t.TempDir()
	for _, d := range []*string{&p.data, &p.state} {
		to := filepath.Join(dir, filepath.Base(*d))
		copyDir(p.t, *d, to)
		*d = to
	}
}

func TestI2CopiedStateSignsNothingUntilItIsAdopted(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	closeAll()
	p.cloned()
	l, closeAll = p.open()
	wantReadOnly(t, p, l, "cityproof-node adopt")
	closeAll()
	if was, _, err := signingkey.Adopt(p.state); err != nil || was == nil {
		t.Fatalf("Adopt: %v, %v, want what was wrong and no error", was, err)
	}
	l, _ = p.open()
	mustPublish(t, l, p.seal("not/2", owed("two reports")))
}

// A state directory that another one takes the place of while the node runs: what
// is in memory must not be signed into either.
func TestI2StateReplacedUnderARunningLedgerHalts(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, state string) error{
		"by a copy": func(t *testing.T, state string) error {
			copyDir(t, state, state+".copy")
			return errors.Join(os.Rename(state, state+".away"), os.Rename(state+".copy", state))
		},
		"by nothing": func(_ *testing.T, state string) error { return os.Rename(state, state+".away") },
		"its LOCK by another": func(_ *testing.T, state string) error {
			return errors.Join(os.Remove(filepath.Join(state, "LOCK")), os.WriteFile(filepath.Join(state, "LOCK"), nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t)
			l, _ := p.open()
			mustPublish(t, l, p.seal("not/1", owed("one report")))
			if err := replace(t, p.state); err != nil {
				t.Fatal(err)
			}
			_, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/2", owed("two reports"))})
			if !errors.Is(err, signingkey.ErrHalted) || !errors.Is(err, signingkey.ErrSwapped) {
				t.Fatalf("Publish: %v, want a halt by ErrSwapped", err)
			}
			wantReadOnly(t, p, l, "changed by somebody else")
			if size := l.Published().Checkpoint.Size; size != 1 {
				t.Errorf("size %d is published, want 1", size)
			}
		})
	}
}
