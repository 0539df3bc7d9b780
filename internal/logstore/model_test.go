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
	"pgregory.net/rapid"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/testenv"
)

// model is what the log should be: entries in order and a counter kept by the groups.
type model struct {
	tree    *inmemory.Tree
	entries [][]byte
	index   map[[32]byte]uint64
	counter uint64
}

var errModel = errors.New("refused by the check")

// TestAgreesWithModel drives a log with random groups, some with repeats, some refused, across restarts and power losses,
// beside a model with another implementation of the tree.
func TestAgreesWithModel(t *testing.T) {
	testenv.SkipInRace(t)
	rapid.Check(t, func(t *rapid.T) {
		mem := vfs.NewCrashableMem()
		s, err := openSmall(mem)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { // also when rapid gives a case up half-way
			if err := s.close(); err != nil {
				t.Error(err)
			}
		}()
		m := &model{tree: inmemory.New(rfc6962.DefaultHasher), index: make(map[[32]byte]uint64)}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"append", "append", "append", "append", "restart", "power loss"}).Draw(t, "step") {
			case "append":
				m.append(t, s)
			case "restart":
				if err := s.close(); err != nil {
					t.Fatal(err)
				}
				if s, err = openSmall(mem); err != nil {
					t.Fatal(err)
				}
			case "power loss":
				next := mem.CrashClone(vfs.CrashCloneCfg{})
				if err := s.close(); err != nil {
					t.Fatal(err)
				}
				mem = next
				if s, err = openSmall(mem); err != nil {
					t.Fatal(err)
				}
			}
			m.compare(t, s)
		}
		if err := fsckClean(s.db); err != nil {
			t.Fatal(err)
		}
	})
}

var counterKey = []byte("mcounter")

// append gives one random group to both.
func (m *model) append(t *rapid.T, s *store) {
	n := rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(200, 300)).Draw(t, "leaves")
	kind := rapid.IntRange(1, 500).Draw(t, "kind")                     // few different leaves, so that there are repeats
	modulus := rapid.SampledFrom([]int{3, 97, 997}).Draw(t, "modulus") // small: repeats inside a group
	refuse := rapid.IntRange(0, 4).Draw(t, "refuse") == 0
	var g logstore.Group
	for i := range n {
		entry := fmt.Appendf(nil, "entry %d", (i*kind)%modulus)
		g.Leaves = append(g.Leaves, logstore.Leaf{Entry: entry, Identity: sha256.Sum256(entry)})
	}
	wantIndex, wantFresh := m.plan(g.Leaves)
	g.Check = func(r pebble.Reader, index []uint64, fresh []bool) error {
		if fmt.Sprint(index, fresh) != fmt.Sprint(wantIndex, wantFresh) {
			return fmt.Errorf("Check got %v %v, want %v %v", index, fresh, wantIndex, wantFresh)
		}
		if got := readCounter(r); got != m.counter {
			return fmt.Errorf("Check sees counter %d, want %d", got, m.counter)
		}
		if refuse {
			return errModel
		}
		return nil
	}
	g.Stage = func(w pebble.Writer, _ []uint64, _ []bool) error {
		return w.Set(counterKey, binary.BigEndian.AppendUint64(nil, m.counter+1), nil)
	}
	r, err := s.log.Append(context.Background(), g)
	if refuse {
		if !errors.Is(err, errModel) {
			t.Fatalf("Append = %v, want the refusal", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	m.counter++
	for i, l := range g.Leaves {
		if wantFresh[i] {
			m.index[l.Identity] = wantIndex[i]
			m.entries = append(m.entries, l.Entry)
			m.tree.AppendData(l.Entry)
		}
	}
	if fmt.Sprint(r.Index, r.Fresh) != fmt.Sprint(wantIndex, wantFresh) || r.Size != m.tree.Size() || string(r.Root[:]) != string(m.tree.Hash()) {
		t.Fatalf("Append = %+v, want %v %v at size %d", r, wantIndex, wantFresh, m.tree.Size())
	}
}

func (m *model) plan(leaves []logstore.Leaf) (index []uint64, fresh []bool) {
	next := uint64(len(m.entries))
	planned := make(map[[32]byte]uint64)
	for _, l := range leaves {
		at, ok := m.index[l.Identity]
		if !ok {
			at, ok = planned[l.Identity]
		}
		if !ok {
			at = next
			planned[l.Identity] = at
			next++
		}
		index, fresh = append(index, at), append(fresh, !ok)
	}
	return index, fresh
}

func readCounter(r pebble.Reader) uint64 {
	v, closer, err := r.Get(counterKey)
	if err != nil {
		return 0
	}
	defer closer.Close()
	return binary.BigEndian.Uint64(v)
}

// compare looks at the head, at some entries and tiles and at proofs.
func (m *model) compare(t *rapid.T, s *store) {
	size, root := s.log.Head()
	if size != m.tree.Size() || string(root[:]) != string(m.tree.Hash()) {
		t.Fatalf("Head = %d %v, want %d %x", size, root, m.tree.Size(), m.tree.Hash())
	}
	if got := readCounter(s.db.Reader()); got != m.counter {
		t.Fatalf("counter = %d, want %d", got, m.counter)
	}
	if size == 0 {
		return
	}
	i := rapid.Uint64Range(0, size-1).Draw(t, "index")
	if got, err := s.log.Entry(i); err != nil || string(got) != string(m.entries[i]) {
		t.Fatalf("Entry(%d) = %q, %v, want %q", i, got, err, m.entries[i])
	}
	if at, ok, err := s.log.IndexByIdentity(sha256.Sum256(m.entries[i])); err != nil || !ok || at != i {
		t.Fatalf("IndexByIdentity of %d = %d, %v, %v", i, at, ok, err)
	}
	if err := verifyProofs(s.log, m.tree, rapid.Uint64Range(i+1, size).Draw(t, "size")); err != nil {
		t.Fatal(err)
	}
}
