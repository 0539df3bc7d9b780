package ledger_test

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// copyOf is what a mirror has of a ledger: entries, and the bodies that it did not have erased.
type copyOf struct {
	entries [][]byte
	bodies  [][]byte
	absent  []mirrorstore.Absent
	erased  []mirrorstore.Erasure
	head    checkpoint.Checkpoint
}

func mirrored(t *testing.T, l *ledger.Ledger) *copyOf {
	t.Helper()
	c := &copyOf{head: l.Published().Checkpoint}
	b, err := l.Tile(t.Context(), tile.ID{Entries: true, Width: int(c.head.Size)})
	if err != nil {
		t.Fatal(err)
	}
	if c.entries, err = tile.ParseBundle(b, int(c.head.Size)); err != nil {
		t.Fatal(err)
	}
	for i := range c.entries {
		sum := statement(t, ledger.Submission{Envelope: c.entries[i]}).BodySHA256
		body, err := l.Body(sum)
		var gone *ledger.ErasedError
		switch {
		case errors.As(err, &gone):
			c.absent = append(c.absent, mirrorstore.Absent{Index: uint64(i), Sum: sum})
			c.erased = append(c.erased, mirrorstore.Erasure{Notice: gone.Notice, Sum: sum})
		case err != nil:
			t.Fatal(err)
		default:
			c.bodies = append(c.bodies, body)
		}
	}
	return c
}

// chunk is the part of a copy from one entry up to another.
func (c *copyOf) chunk(t *testing.T, from, to uint64) *mirrorstore.Chunk {
	out := &mirrorstore.Chunk{First: from, Entries: c.entries[from:to]}
	for _, e := range out.Entries {
		for _, b := range c.bodies {
			if statement(t, ledger.Submission{Envelope: e}).BodySHA256 == sha256.Sum256(b) {
				out.Files = append(out.Files, b)
			}
		}
	}
	for _, a := range c.absent {
		if a.Index >= from && a.Index < to {
			out.Absent = append(out.Absent, a)
		}
	}
	for _, e := range c.erased {
		if e.Notice >= from && e.Notice < to {
			out.Erased = append(out.Erased, e)
		}
	}
	return out
}

// I2: a log whose disk is lost signs nothing before it is refilled, and then has the same entries, records and erasures; a
// crash in the middle loses nothing.
func TestI2RefilledLogIsTheSame(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	first := p.seal("not/1", owed("to be erased"))
	mustPublish(t, l, first, p.seal("not/2", owed("stays")))
	mustPublish(t, l, p.seal("not/3", erasure("not/1", leafOf(first), statement(t, first).BodySHA256)))
	for _, n := range []string{"not/4", "not/5"} {
		mustPublish(t, l, p.seal(n, owed(n)))
	}
	held := mirrored(t, l)
	closeAll()
	if len(held.absent) != 1 || held.head.Size != 5 {
		t.Fatalf("the copy has %d entries and lacks %d bodies", held.head.Size, len(held.absent))
	}

	p.data, p.state, p.known = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "state"), true
	l, closeAll = p.open()
	if loss, _ := l.Lost(); loss != ledger.LostState || !strings.Contains(l.ReadOnly(), "may have a history that this disk has lost") || l.Published() != nil {
		t.Fatalf("an empty disk: loss %v, %q", loss, l.ReadOnly())
	}
	store, copied := held.store(t)
	appendTo(t, copied, held.chunk(t, 0, 2))
	if err := l.Refill(t.Context(), copied, held.head); err == nil || l.Published() != nil {
		t.Errorf("signed below the head that was named: %v", err)
	}
	appendTo(t, copied, held.chunk(t, 2, 5))
	other := held.head
	other.Root[0] ^= 1
	if err := l.Refill(t.Context(), copied, other); err == nil || l.Published() != nil {
		t.Errorf("signed another root than was named: %v", err)
	}
	closeAll() // the crash: what is stored is not signed yet

	l, _ = p.open()
	if loss, _ := l.Lost(); loss != ledger.LostState || l.Published() != nil {
		t.Fatalf("after a crash: loss %v, published %v", loss, l.Published())
	}
	if err := l.Refill(t.Context(), copied, held.head); err != nil {
		t.Fatal(err)
	}
	if got := l.Published(); got == nil || got.Checkpoint.Size != held.head.Size || got.Checkpoint.Root != held.head.Root || l.ReadOnly() != "" {
		t.Errorf("published %v, read-only %q; want the head of before", got, l.ReadOnly())
	}
	var gone *ledger.ErasedError
	if _, err := l.Body(held.absent[0].Sum); !errors.As(err, &gone) || gone.Notice != 2 {
		t.Errorf("the erased body: %v", err)
	}
	mustPublish(t, l, p.seal("not/6", owed("goes on")))
	if err := l.Refill(t.Context(), copied, held.head); err == nil {
		t.Error("a log of which nothing is lost is refilled")
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// store opens an empty mirror's store.
func (c *copyOf) store(t *testing.T) (*mirrorstore.Store, *mirrorstore.Log) {
	t.Helper()
	store, err := mirrorstore.Open(t.TempDir(), mirrorstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := store.Log(sha256.Sum256([]byte(origin)))
	if err != nil {
		t.Fatal(err)
	}
	return store, log
}

func appendTo(t *testing.T, log *mirrorstore.Log, c *mirrorstore.Chunk) {
	t.Helper()
	if err := log.Append(c); err != nil {
		t.Fatal(err)
	}
}

// I2: data of another history are not filled up, whoever named the head.
func TestI2DataOfAnotherHistoryAreNotRefilled(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one")), p.seal("not/2", owed("two")))
	held := mirrored(t, l)
	closeAll()
	p.data, p.state = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "state")
	l, closeAll = p.open()
	mustPublish(t, l, p.seal("not/1", owed("another")))
	closeAll()
	if err := os.Remove(filepath.Join(p.state, "lastsigned")); err != nil {
		t.Fatal(err)
	}
	l, _ = p.open()
	store, copied := held.store(t)
	defer func() { _ = store.Close() }()
	appendTo(t, copied, held.chunk(t, 0, 2))
	if err := l.Refill(t.Context(), copied, held.head); err == nil || !strings.Contains(err.Error(), "move the data directory away") {
		t.Errorf("Refill over another history: %v", err)
	}
	if loss, _ := l.Lost(); loss != ledger.LostState {
		t.Errorf("loss %v", loss)
	}
}

// A log that goes on from another takes nothing before it holds that one's entries, and signs none of its own in their place.
func TestI2LogThatGoesOnBeginsWithTheOldEntries(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one")), p.seal("not/2", owed("two")))
	held := mirrored(t, l)
	closeAll()
	p.data, p.state = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "state")
	l, closeAll = p.open() // it has signed its empty tree
	defer func() { closeAll() }()
	l.MustBegin(held.head)
	if loss, last := l.Lost(); loss != ledger.LostData || last.Size != 0 {
		t.Fatalf("loss %v, last signed %v", loss, last)
	}
	_, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/9", owed("too early"))})
	if only := (*ledger.ReadOnlyError)(nil); !errors.As(err, &only) || !strings.Contains(err.Error(), "goes on from another log, whose 2 entries are not here yet") {
		t.Errorf("publishing before: %v", err)
	}
	store, copied := held.store(t)
	defer func() { _ = store.Close() }()
	appendTo(t, copied, held.chunk(t, 0, 2))
	if err := l.Refill(t.Context(), copied, held.head); err != nil {
		t.Fatal(err)
	}
	if head := l.Published().Checkpoint; head.Size != 2 || head.Root != held.head.Root || l.ReadOnly() != "" {
		t.Errorf("it begins at size %d, root %s: %q", head.Size, head.Root, l.ReadOnly())
	}
	if d, err := l.Declaration(statement(t, p.seal("not/2", owed("two"))).Subject, 0); err != nil || d.Index != 1 {
		t.Errorf("a record of the old log: %+v, %v", d, err)
	}
	l.MustBegin(held.head) // again, of a log that has begun
	if loss, _ := l.Lost(); loss != ledger.NotLost {
		t.Errorf("loss %v of a log that holds what it must", loss)
	}
	mustPublish(t, l, p.seal("not/3", owed("three")))
}

// The records of a refilled log are those that a replay makes.
func TestRefilledRecordsAreThoseOfAReplay(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	for _, n := range []string{"not/1", "not/2", "not/3"} {
		mustPublish(t, l, p.seal(n, owed(n)))
	}
	held := mirrored(t, l)
	closeAll()
	p.data, p.state, p.known = filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "state"), true
	l, closeAll = p.open()
	store, copied := held.store(t)
	appendTo(t, copied, held.chunk(t, 0, 3))
	if err := errors.Join(l.Refill(t.Context(), copied, held.head), store.Close()); err != nil {
		t.Fatal(err)
	}
	closeAll()
	db, err := pebbledb.Open(p.data, pebbledb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	damages, err := ledger.CheckRecords(t.Context(), db, func(s string) { t.Error(s) })
	if err != nil || damages != 0 {
		t.Errorf("%d records are wrong, %v", damages, err)
	}
}
