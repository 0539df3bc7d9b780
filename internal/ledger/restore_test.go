package ledger_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/ledger"
)

// wantReadOnly checks that a ledger serves readers, takes nothing, and says why.
func wantReadOnly(t *testing.T, p *place, l *ledger.Ledger, why string) {
	t.Helper()
	if got := l.ReadOnly(); !strings.Contains(got, why) {
		t.Errorf("ReadOnly() = %q, want %q in it", got, why)
	}
	var readOnly *ledger.ReadOnlyError
	if _, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/9", owed("one more"))}); !errors.As(err, &readOnly) {
		t.Errorf("Publish: %v, want *ReadOnlyError", err)
	}
	if l.Published() == nil {
		t.Fatal("nothing is published for readers")
	}
	if _, err := l.Receipt(t.Context(), 0); err != nil {
		t.Errorf("reading entry 0: %v", err)
	}
}

func TestI2RestoredDataSignNothing(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	closeAll()
	old := filepath.Join(t.TempDir(), "old")
	copyDir(t, p.data, old)
	l, closeAll = p.open()
	mustPublish(t, l, p.seal("not/2", owed("two reports")))
	closeAll()
	if err := errors.Join(os.RemoveAll(p.data), os.Rename(old, p.data)); err != nil {
		t.Fatal(err)
	}
	signed, err := os.ReadFile(filepath.Join(p.state, "lastsigned"))
	if err != nil {
		t.Fatal(err)
	}
	l, _ = p.open()
	wantReadOnly(t, p, l, "size 2 is signed")
	if now, err := os.ReadFile(filepath.Join(p.state, "lastsigned")); err != nil || string(now) != string(signed) {
		t.Errorf("lastsigned has changed (%v)", err)
	}
}

func TestI2LostStateSignsNothing(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	closeAll()
	if err := os.Remove(filepath.Join(p.state, "lastsigned")); err != nil {
		t.Fatal(err)
	}
	l, _ = p.open()
	wantReadOnly(t, p, l, "lastsigned is missing")
}

func TestI2AnotherHistorySignsNothing(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	other.ed, other.pq, other.officer = p.ed, p.pq, p.officer
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	closeAll()
	o, closeOther := other.open()
	mustPublish(t, o, other.seal("not/1", owed("another report")))
	mustPublish(t, o, other.seal("not/2", owed("and more")))
	closeOther()
	p.data = other.data // the state of one disk, the data of another
	l, _ = p.open()
	if why := l.ReadOnly(); !strings.Contains(why, "another history") {
		t.Errorf("ReadOnly() = %q, want another history in it", why)
	}
}

// A crash between commit and signing leaves entries that nobody has seen: they are
// signed at the next start.
func TestI1CommittedButUnsignedIsSignedAtStart(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")))
	first := l.Published().Note
	closeAll()
	l, closeAll = p.open()
	mustPublish(t, l, p.seal("not/2", owed("two reports")))
	root := l.Published().Checkpoint.Root
	closeAll()
	// The disk as a crash before the second signature would have left it.
	p.forgetSignature(first)
	l, _ = p.open()
	if c := l.Published().Checkpoint; c.Size != 2 || c.Root != root || l.ReadOnly() != "" {
		t.Errorf("after the start: size %d, read-only %q, want size 2 signed with the same root", c.Size, l.ReadOnly())
	}
}
