package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// TestGroupsOfOneCommit queues groups behind a held writer, so that one commit takes them all, in this order.
func TestGroupsOfOneCommit(t *testing.T) {
	b := newBlocked(t, logstore.Options{})
	refusal := errors.New("refused")
	type seen struct {
		index []uint64
		fresh []bool
	}
	checked := make([]seen, 6)
	groups := []logstore.Group{
		group(leaf("a"), leaf("b"), leaf("a")), // a repeat inside the group
		group(leaf("b"), leaf("c"), leaf("held")),
		group(leaf("c"), leaf("refused"), leaf("d")),
		group(leaf("d"), leaf("e")), // what was refused is free again: index and identity
		group(leaf("e"), leaf("a")), // repeats only
		group(leaf("refused")),
	}
	for i := range groups {
		groups[i].Check = func(r pebble.Reader, index []uint64, fresh []bool) error {
			checked[i] = seen{append([]uint64(nil), index...), append([]bool(nil), fresh...)}
			// What an earlier group of this commit staged is visible, what a refused one would have is not.
			for j := range 6 {
				_, closer, err := r.Get([]byte{'m', byte(j)})
				if got, want := err == nil, j < i && j != 2; got != want {
					t.Errorf("group %d sees what group %d staged: %v, want %v", i, j, got, want)
				}
				if err == nil {
					closer.Close()
				}
			}
			if i == 2 {
				return refusal
			}
			return nil
		}
		groups[i].Stage = func(w pebble.Writer, _ []uint64, _ []bool) error { return w.Set([]byte{'m', byte(i)}, nil, nil) }
	}
	var done []chan error
	for _, g := range groups {
		done = append(done, b.queue(context.Background(), g))
	}
	b.release()
	for i, c := range done {
		if err := <-c; (i == 2) != errors.Is(err, refusal) || (i != 2 && err != nil) {
			t.Errorf("group %d: %v", i, err)
		}
	}
	want := []seen{
		{[]uint64{1, 2, 1}, []bool{true, true, false}},
		{[]uint64{2, 3, 0}, []bool{false, true, false}},
		{[]uint64{3, 4, 5}, []bool{false, true, true}},
		{[]uint64{4, 5}, []bool{true, true}},
		{[]uint64{5, 1}, []bool{false, false}},
		{[]uint64{6}, []bool{true}},
	}
	if fmt.Sprint(checked) != fmt.Sprint(want) {
		t.Errorf("Check saw %v, want %v", checked, want)
	}
	var entries [][]byte
	for _, text := range []string{"held", "a", "b", "c", "d", "e", "refused"} {
		entries = append(entries, []byte(text))
	}
	if err := errors.Join(verify(b.log, entries), fsckClean(b.db)); err != nil {
		t.Error(err)
	}
}

func TestFirstLeafHashWins(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{})
	same := func(id byte) logstore.Leaf { return logstore.Leaf{Entry: []byte("same"), Identity: [32]byte{id}} }
	mustAppend(t, s.log, group(leaf("before"), same(1), same(2)))
	if r := mustAppend(t, s.log, group(same(3))); r.Index[0] != 3 || !r.Fresh[0] {
		t.Errorf("Append = %+v, want a new leaf", r)
	}
	if at, ok, err := s.log.IndexByLeafHash(proof.LeafHash([]byte("same"))); err != nil || !ok || at != 1 {
		t.Errorf("IndexByLeafHash = %d, %v, %v, want the first", at, ok, err)
	}
	for i := range byte(3) {
		if at, ok, err := s.log.IndexByIdentity([32]byte{i + 1}); err != nil || !ok || at != 1+uint64(i) {
			t.Errorf("IndexByIdentity(%d) = %d, %v, %v", i+1, at, ok, err)
		}
	}
}

// TestI3NothingIsShownBeforeTheSync holds the sync of a commit and looks at the log meanwhile.
func TestI3NothingIsShownBeforeTheSync(t *testing.T) {
	var holding atomic.Bool
	held, hold := make(chan struct{}), make(chan struct{})
	fsys := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) && strings.Contains(op.Path, "pebble") && holding.CompareAndSwap(true, false) {
			close(held)
			<-hold
		}
		return nil
	}))
	s := newStore(t, fsys, logstore.Options{})
	fill(t, s.log, 255)
	holding.Store(true)
	done := make(chan error, 1)
	go func() {
		_, err := s.log.Append(context.Background(), group(leaf("leaf 255"), leaf("leaf 256")))
		done <- err
	}()
	<-held
	// The batch may be readable in the database by now; no reader of the log may see it. Reading it here also shows
	// that the test would notice.
	for {
		if _, err := s.db.Get(pebbledb.Uint64Key(pebbledb.PrefixEntry, 0)); err == nil { // of the bundle that is full now
			break
		}
	}
	l := leaf("leaf 255")
	if size, _ := s.log.Head(); size != 255 {
		t.Errorf("size %d is shown before it is synced", size)
	}
	if _, ok, err := s.log.IndexByIdentity(l.Identity); ok || err != nil {
		t.Errorf("IndexByIdentity shows a leaf before it is synced (%v)", err)
	}
	if _, ok, err := s.log.IndexByLeafHash(proof.LeafHash(l.Entry)); ok || err != nil {
		t.Errorf("IndexByLeafHash shows a leaf before it is synced (%v)", err)
	}
	if _, err := s.log.Entry(255); !errors.Is(err, logstore.ErrOutOfRange) {
		t.Errorf("Entry before the sync = %v", err)
	}
	if _, err := s.log.Bundle(0, 256); !errors.Is(err, logstore.ErrOutOfRange) {
		t.Errorf("Bundle before the sync = %v", err)
	}
	if _, err := s.log.Tile(context.Background(), 0, 0, 256); !errors.Is(err, logstore.ErrOutOfRange) {
		t.Errorf("Tile before the sync = %v", err)
	}
	// A repeat of what is on its way, and what comes after it, wait as well.
	type answer struct {
		result logstore.Result
		err    error
	}
	ask := func(g logstore.Group) chan answer {
		to := make(chan answer, 1)
		go func() {
			r, err := s.log.Append(context.Background(), g)
			to <- answer{r, err}
		}()
		for range 10_000 { // an answer that comes too early needs a moment; a right one never comes
			runtime.Gosched()
		}
		return to
	}
	repeat := ask(group(l)) // a commit of its own, with nothing to write
	next := ask(group(leaf("leaf 257"), l))
	select {
	case err := <-done:
		t.Errorf("Append returned before the sync: %v", err)
	case a := <-repeat:
		t.Errorf("the repeat was answered before the sync: %+v", a)
	case a := <-next:
		t.Errorf("the next group was answered before the sync: %+v", a)
	default:
	}
	close(hold)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if a := <-repeat; a.err != nil || a.result.Index[0] != 255 || a.result.Fresh[0] || a.result.Size < 257 {
		t.Errorf("the repeat: %+v", a)
	}
	if a := <-next; a.err != nil || a.result.Index[0] != 257 || !a.result.Fresh[0] || a.result.Index[1] != 255 || a.result.Size != 258 {
		t.Errorf("the next group: %+v", a)
	}
}

// TestI1EntriesAreSyncedBeforeTheBatch fails the sync of entries too large to be copied: nothing of the commit may be in the
// database.
func TestI1EntriesAreSyncedBeforeTheBatch(t *testing.T) {
	var failing atomic.Bool
	fsys := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.HasSuffix(op.Path, ".bundles") && failing.Load() {
			return errIO
		}
		return nil
	}))
	s, err := openStore("data", fsys, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.close() // its error is the halt
	fill(t, s.log, 255)
	failing.Store(true)
	l := leaf("leaf 255 %s", strings.Repeat("x", 40_000))
	if _, err := s.log.Append(context.Background(), group(l)); !errors.Is(err, pebbledb.ErrHalted) {
		t.Fatalf("Append = %v, want ErrHalted", err)
	}
	if _, err := s.db.Get(pebbledb.HashKey(pebbledb.PrefixIdentity, l.Identity)); !errors.Is(err, pebble.ErrNotFound) {
		t.Errorf("the batch was committed although the entries were not synced: %v", err)
	}
	if size, _ := s.log.Head(); size != 255 {
		t.Errorf("size %d, want 255", size)
	}
}
