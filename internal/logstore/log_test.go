package logstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/transparency-dev/merkle/rfc6962"
	inmemory "github.com/transparency-dev/merkle/testonly"
	"go.uber.org/goleak"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

func TestMain(m *testing.M) {
	// Pebble's Open leaves this goroutine behind when it fails, and the fault tests make it fail.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

// store is a database with its log.
type store struct {
	db  *pebbledb.DB
	log *logstore.Log
}

func openStore(dir string, fsys vfs.FS, o logstore.Options) (*store, error) {
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: fsys})
	if err != nil {
		return nil, err
	}
	l, err := logstore.Open(db, o)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db, l}, nil
}

func (s *store) close() error {
	s.log.Close()
	return s.db.Close()
}

// newStore opens a store in memory that must close cleanly at the end of the test.
func newStore(t testing.TB, fsys vfs.FS, o logstore.Options) *store {
	t.Helper()
	s, err := openStore("data", fsys, o)
	if err != nil {
		t.Fatalf("opening the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return s
}

// leaf makes a leaf from a text; the identity is its hash.
func leaf(format string, args ...any) logstore.Leaf {
	entry := fmt.Appendf(nil, format, args...)
	return logstore.Leaf{Entry: entry, Identity: sha256.Sum256(entry)}
}

func group(leaves ...logstore.Leaf) logstore.Group { return logstore.Group{Leaves: leaves} }

func mustAppend(t testing.TB, l *logstore.Log, g logstore.Group) logstore.Result {
	t.Helper()
	r, err := l.Append(context.Background(), g)
	if err != nil {
		t.Fatalf("Append = %v", err)
	}
	return r
}

// fill appends leaves until the log has size of them.
func fill(t testing.TB, l *logstore.Log, size uint64) {
	t.Helper()
	for {
		at, _ := l.Head()
		if at >= size {
			return
		}
		var g logstore.Group
		for i := at; i < min(size, at+1000); i++ {
			g.Leaves = append(g.Leaves, leaf("leaf %d", i))
		}
		mustAppend(t, l, g)
	}
}

// verify compares everything that the log serves with the entries it should have, by an independent tree.
func verify(l *logstore.Log, entries [][]byte) error {
	ctx := context.Background()
	tree := inmemory.New(rfc6962.DefaultHasher)
	for _, e := range entries {
		tree.AppendData(e)
	}
	size, root := l.Head()
	if size != uint64(len(entries)) || string(root[:]) != string(tree.Hash()) {
		return fmt.Errorf("head is %d %v, want %d %x", size, root, len(entries), tree.Hash())
	}
	for i, want := range entries {
		got, err := l.Entry(uint64(i))
		if err != nil || string(got) != string(want) {
			return fmt.Errorf("entry %d = %q, %v, want %q", i, got, err, want)
		}
		at, ok, err := l.IndexByLeafHash(proof.LeafHash(want))
		if err != nil || !ok || string(entries[at]) != string(want) || at > uint64(i) {
			return fmt.Errorf("IndexByLeafHash of %d = %d, %v, %v", i, at, ok, err)
		}
		at, ok, err = l.IndexByIdentity(sha256.Sum256(want))
		if err != nil || !ok || at != uint64(i) {
			return fmt.Errorf("IndexByIdentity of %d = %d, %v, %v", i, at, ok, err)
		}
	}
	for level := range 2 {
		hashes := size >> (8 * level)
		for n := range hashes/256 + 1 {
			width := int(min(256, hashes-n*256))
			for w := 1; w <= width; w += 1 + w/3 {
				got, err := l.Tile(ctx, level, n, w)
				if err != nil {
					return err
				}
				if level == 0 {
					for i, h := range got {
						if want := tree.LeafHash(n*256 + uint64(i)); string(h[:]) != string(want) {
							return fmt.Errorf("tile %d of width %d has a wrong hash %d", n, w, i)
						}
					}
					bundle, err := l.Bundle(n, w)
					if err != nil {
						return err
					}
					es, err := tile.ParseBundle(bundle, w)
					if err != nil || string(es[w-1]) != string(entries[int(n)*256+w-1]) {
						return fmt.Errorf("bundle %d of width %d: %w", n, w, err)
					}
				}
			}
		}
	}
	return verifyProofs(l, tree, size)
}

func verifyProofs(l *logstore.Log, tree *inmemory.Tree, size uint64) error {
	ctx := context.Background()
	for s := uint64(0); s <= size; s += 1 + s/4 {
		root, err := l.Root(ctx, s)
		if err != nil || string(root[:]) != string(tree.HashAt(s)) {
			return fmt.Errorf("Root(%d) = %v, %w, want %x", s, root, err, tree.HashAt(s))
		}
		for i := uint64(0); i < s; i += 1 + i/3 {
			path, err := l.InclusionProof(ctx, i, s)
			if err != nil {
				return err
			}
			if err := proof.VerifyInclusion(i, s, proof.Hash(tree.LeafHash(i)), path, root); err != nil {
				return err
			}
			path, err = l.ConsistencyProof(ctx, i, s)
			if err != nil {
				return err
			}
			if err := proof.VerifyConsistency(i, s, proof.Hash(tree.HashAt(i)), root, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestServesWhatWasAppended(t *testing.T) {
	testenv.SkipInRace(t)
	for _, size := range []uint64{0, 1, 2, 255, 256, 257, 511, 512, 65535, 65536, 65537, 66000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			mem := vfs.NewMem()
			s, err := openStore("data", mem, logstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			fill(t, s.log, size)
			var entries [][]byte
			for i := range size {
				entries = append(entries, leaf("leaf %d", i).Entry)
			}
			if size < 1000 {
				if err := verify(s.log, entries); err != nil {
					t.Error(err)
				}
			}
			_, want := s.log.Head()
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			again := newStore(t, mem, logstore.Options{})
			if n, root := again.log.Head(); n != size || root != want {
				t.Fatalf("after reopening: %d %v, want %d %v", n, root, size, want)
			}
			if size < 1000 {
				if err := verify(again.log, entries); err != nil {
					t.Errorf("after reopening: %v", err)
				}
			}
			if r := mustAppend(t, again.log, group(leaf("one more"))); r.Index[0] != size || !r.Fresh[0] || r.Size != size+1 {
				t.Errorf("Append after reopening = %+v", r)
			}
			if size > 0 {
				if r := mustAppend(t, again.log, group(leaf("leaf 0"))); r.Index[0] != 0 || r.Fresh[0] || r.Size != size+1 {
					t.Errorf("a repeat after reopening = %+v, want index 0", r)
				}
			}
		})
	}
}

func TestOutOfRangeIsRefused(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{})
	fill(t, s.log, 300)
	ctx := context.Background()
	for name, call := range map[string]func() error{
		"entry":              func() error { _, err := s.log.Entry(300); return err },
		"entries":            func() error { _, err := s.log.Entries(300, 1); return err },
		"no entries":         func() error { _, err := s.log.Entries(0, 0); return err },
		"tile width":         func() error { _, err := s.log.Tile(ctx, 0, 1, 45); return err },
		"tile width 0":       func() error { _, err := s.log.Tile(ctx, 0, 1, 0); return err },
		"tile width 257":     func() error { _, err := s.log.Tile(ctx, 0, 0, 257); return err },
		"tile index":         func() error { _, err := s.log.Tile(ctx, 0, 2, 1); return err },
		"tile index 2^63":    func() error { _, err := s.log.Tile(ctx, 0, 1<<63, 1); return err },
		"tile index 2^56":    func() error { _, err := s.log.Tile(ctx, 0, 1<<56, 1); return err },
		"tile level":         func() error { _, err := s.log.Tile(ctx, 2, 0, 1); return err },
		"tile level 64":      func() error { _, err := s.log.Tile(ctx, 64, 0, 1); return err },
		"negative level":     func() error { _, err := s.log.Tile(ctx, -1, 0, 1); return err },
		"bundle":             func() error { _, err := s.log.Bundle(1, 45); return err },
		"inclusion size":     func() error { _, err := s.log.InclusionProof(ctx, 1, 301); return err },
		"inclusion index":    func() error { _, err := s.log.InclusionProof(ctx, 5, 5); return err },
		"consistency beyond": func() error { _, err := s.log.ConsistencyProof(ctx, 1, 301); return err },
		"consistency order":  func() error { _, err := s.log.ConsistencyProof(ctx, 3, 2); return err },
		"root":               func() error { _, err := s.log.Root(ctx, 301); return err },
	} {
		if err := call(); !errors.Is(err, logstore.ErrOutOfRange) {
			t.Errorf("%s: got %v, want ErrOutOfRange", name, err)
		}
	}
}

func TestInvalidGroupsAreRefused(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{MaxQueueLeaves: 10, MaxQueueBytes: 100000})
	big := logstore.Leaf{Entry: make([]byte, 65535)}
	for name, g := range map[string]logstore.Group{
		"empty":            {},
		"empty entry":      group(leaf("x"), logstore.Leaf{}),
		"entry too long":   group(logstore.Leaf{Entry: make([]byte, 65536)}),
		"too many leaves":  {Leaves: make([]logstore.Leaf, 11)},
		"too many bytes":   group(big, big),
		"too much staging": {Leaves: []logstore.Leaf{leaf("x")}, StageBytes: 100000},
	} {
		if name == "too many leaves" {
			for i := range g.Leaves {
				g.Leaves[i] = leaf("%d", i)
			}
		}
		if _, err := s.log.Append(context.Background(), g); !errors.Is(err, logstore.ErrInvalidGroup) {
			t.Errorf("%s: got %v, want ErrInvalidGroup", name, err)
		}
	}
	if r := mustAppend(t, s.log, group(big)); r.Size != 1 {
		t.Errorf("an entry of 65,535 bytes: %+v", r)
	}
	if size, _ := s.log.Head(); size != 1 {
		t.Errorf("size is %d, want 1", size)
	}
}

func TestCheckAndStage(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{})
	counter := []byte("mcounter")
	read := func(r pebble.Reader) uint64 {
		v, closer, err := r.Get(counter)
		if errors.Is(err, pebble.ErrNotFound) {
			return 0
		}
		if err != nil {
			t.Error(err)
			return 0
		}
		defer closer.Close()
		return binary.BigEndian.Uint64(v)
	}
	refused := errors.New("the counter is not where it should be")
	g := func(want uint64, leaves ...logstore.Leaf) logstore.Group {
		return logstore.Group{
			Leaves: leaves,
			Check: func(r pebble.Reader, _ []uint64, _ []bool) error {
				if read(r) != want {
					return refused
				}
				return nil
			},
			Stage: func(w pebble.Writer, _ []uint64, _ []bool) error {
				return w.Set(counter, binary.BigEndian.AppendUint64(nil, want+1), nil)
			},
		}
	}
	mustAppend(t, s.log, g(0, leaf("a"), leaf("b")))
	if _, err := s.log.Append(context.Background(), g(0, leaf("c"))); !errors.Is(err, refused) {
		t.Errorf("Append = %v, want the error of Check", err)
	}
	if _, ok, _ := s.log.IndexByIdentity(leaf("c").Identity); ok {
		t.Error("a refused leaf is in the log")
	}
	if r := mustAppend(t, s.log, g(1, leaf("c"), leaf("a"))); r.Index[0] != 2 || r.Index[1] != 0 || !r.Fresh[0] || r.Fresh[1] {
		t.Errorf("Append = %+v", r)
	}
	if got := read(s.db.Reader()); got != 2 {
		t.Errorf("counter = %d, want 2", got)
	}
	// A group of repeats alone still stages.
	if r := mustAppend(t, s.log, g(2, leaf("a"))); r.Size != 3 || r.Fresh[0] {
		t.Errorf("Append = %+v", r)
	}
	if got := read(s.db.Reader()); got != 3 {
		t.Errorf("counter = %d, want 3", got)
	}
}

func TestPanicsAndStageErrorsHitOneGroup(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{})
	boom := errors.New("boom")
	bad := []logstore.Group{
		{Leaves: []logstore.Leaf{leaf("x")}, Check: func(pebble.Reader, []uint64, []bool) error { panic("boom") }},
		{Leaves: []logstore.Leaf{leaf("x")}, Stage: func(pebble.Writer, []uint64, []bool) error { panic("boom") }},
		{Leaves: []logstore.Leaf{leaf("x")}, Stage: func(w pebble.Writer, _ []uint64, _ []bool) error {
			if err := w.Set([]byte("mhalf"), []byte("1"), nil); err != nil {
				return err
			}
			return boom
		}},
	}
	// All in one commit, between good groups: the first Check holds the writer until all are queued.
	queued := make(chan struct{})
	type answer struct {
		r   logstore.Result
		err error
	}
	answers := make(chan answer)
	send := func(g logstore.Group) {
		go func() {
			r, err := s.log.Append(context.Background(), g)
			answers <- answer{r, err}
		}()
	}
	blocked := make(chan struct{})
	send(logstore.Group{Leaves: []logstore.Leaf{leaf("first")}, Check: func(pebble.Reader, []uint64, []bool) error {
		close(blocked)
		<-queued
		return nil
	}})
	<-blocked
	for i := range 4 {
		send(group(leaf("good %d", i)))
		if i < len(bad) {
			send(bad[i])
		}
	}
	for { // until all are queued
		if n, _ := s.log.Queued(); n == 7 {
			break
		}
	}
	close(queued)
	good, failed := 0, 0
	for range 8 {
		if a := <-answers; a.err != nil {
			failed++
		} else {
			good++
		}
	}
	if good != 5 || failed != 3 {
		t.Errorf("%d groups accepted and %d refused, want 5 and 3", good, failed)
	}
	size, _ := s.log.Head()
	if _, err := s.db.Get([]byte("mhalf")); !errors.Is(err, pebble.ErrNotFound) || size != 5 {
		t.Errorf("size %d, want 5; a refused group's key: %v", size, err)
	}
	if err := s.log.Halted(); err != nil {
		t.Errorf("halted: %v", err)
	}
}
