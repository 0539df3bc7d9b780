package tile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// store keeps what an Edge makes, as a log engine would, and answers from it. It fails the test when it is asked for
// anything but a tile of the tree of the announced size: clients of tlog-tiles must not.
type store struct {
	t     testing.TB
	tiles map[tile.ID][]proof.Hash // full tiles, and the partial ones of each announced size
	edge  tile.Edge
	size  uint64 // of the tree asked about
	asked map[tile.ID]int
}

func newStore(t testing.TB) *store {
	return &store{t: t, tiles: make(map[tile.ID][]proof.Hash), asked: make(map[tile.ID]int)}
}

func leaf(i uint64) proof.Hash {
	return proof.LeafHash(fmt.Appendf(nil, "entry %d", i))
}

func (s *store) grow(size uint64) {
	s.t.Helper()
	for s.edge.Size() < size {
		for _, full := range s.edge.Append(leaf(s.edge.Size())) {
			if _, twice := s.tiles[full.ID]; twice {
				s.t.Fatalf("%v emitted twice", full.ID)
			}
			if !full.ID.Within(s.edge.Size()) {
				s.t.Fatalf("%v emitted at size %d", full.ID, s.edge.Size())
			}
			s.tiles[full.ID] = full.Hashes
		}
	}
}

// announce makes the store ready to be asked about the tree of the given size.
func (s *store) announce(size uint64) {
	s.size = size
	clear(s.asked)
}

func (s *store) Tile(_ context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	id, ok := tile.At(level, index, s.size)
	if !ok || id.Width != width {
		s.t.Errorf("asked for tile %d/%d width %d, which a tree of size %d has not", level, index, width, s.size)
	}
	if s.asked[id]++; s.asked[id] > 1 {
		s.t.Errorf("asked for %v twice", id)
	}
	full := id
	full.Width = tile.FullWidth
	if hashes, ok := s.tiles[full]; ok {
		return hashes[:width], nil
	}
	if hashes := s.edge.Partial(level); index == s.edge.Size()>>(8*level)/256 && width <= len(hashes) {
		return hashes[:width], nil
	}
	return nil, fmt.Errorf("store has no %v", id)
}

// oracle is the tree as x/mod/sumdb/tlog stores it.
type oracle []tlog.Hash

func (o oracle) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		hashes[i] = o[x]
	}
	return hashes, nil
}

func newOracle(tb testing.TB, size uint64) oracle {
	tb.Helper()
	var o oracle
	for i := range size {
		hashes, err := tlog.StoredHashesForRecordHash(int64(i), tlog.Hash(leaf(i)), o)
		if err != nil {
			tb.Fatal(err)
		}
		o = append(o, hashes...)
	}
	return o
}

func (o oracle) root(tb testing.TB, size uint64) proof.Hash {
	tb.Helper()
	if size == 0 {
		return proof.EmptyRoot()
	}
	h, err := tlog.TreeHash(int64(size), o)
	if err != nil {
		tb.Fatal(err)
	}
	return proof.Hash(h)
}

// sizes are those around which tiles begin and end, up to a third tile level.
var sizes = []uint64{0, 1, 2, 3, 5, 8, 100, 127, 128, 129, 200, 254, 255, 256, 257, 258, 300, 511, 512, 513, 1025,
	65_279, 65_280, 65_535, 65_536, 65_537, 65_791, 65_792, 65_793, 70_000}

func TestEdgeAgreesWithOracle(t *testing.T) {
	const size = 70_000
	o, s := newOracle(t, size), newStore(t)
	for n := uint64(0); n <= size; n++ {
		s.grow(n)
		if n > 1100 && !slices.Contains(sizes, n) && n%997 != 0 {
			continue
		}
		if got, want := s.edge.Root(), o.root(t, n); got != want || s.edge.Size() != n {
			t.Fatalf("edge of size %d: size %d root %v, want root %v", n, s.edge.Size(), got, want)
		}
	}
	// Every hash of every tile, against the oracle's own cut.
	wantTiles := 0
	for level := range 3 {
		for index := uint64(0); ; index++ {
			id, ok := tile.At(level, index, size)
			if !ok {
				break
			}
			wantTiles++
			data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: int64(index), W: id.Width}, o)
			if err != nil {
				t.Fatal(err)
			}
			got := s.tiles[id]
			if id.Width < tile.FullWidth {
				got = s.edge.Partial(level)
			}
			if string(tile.AppendTile(nil, got)) != string(data) {
				t.Errorf("%v differs from the oracle's", id)
			}
		}
	}
	if got := len(s.tiles) + 3; got != wantTiles {
		t.Errorf("edge made %d tiles, want %d", got, wantTiles)
	}
	for level := 3; level < 70; level++ {
		if s.edge.Partial(level) != nil {
			t.Errorf("partial tile at level %d", level)
		}
	}
	if s.edge.Partial(-1) != nil {
		t.Error("partial tile at level -1")
	}
}

// An edge rebuilt from its partial tiles goes on like the one that never stopped.
func TestEdgeRebuilt(t *testing.T) {
	const grown = 600
	for _, size := range sizes {
		s := newStore(t)
		s.grow(size)
		var partial [][]proof.Hash
		for level := range tile.Levels {
			partial = append(partial, s.edge.Partial(level))
		}
		again, err := tile.NewEdge(size, partial)
		if err != nil {
			t.Fatal(err)
		}
		clone := s.edge.Clone()
		for n := size; ; n++ {
			if again.Root() != s.edge.Root() || clone.Root() != s.edge.Root() || again.Size() != n || clone.Size() != n {
				t.Fatalf("from size %d: roots differ at %d", size, n)
			}
			if n == size+grown {
				break
			}
			a, b, c := again.Append(leaf(n)), clone.Append(leaf(n)), s.edge.Append(leaf(n))
			same := func(x, y tile.Full) bool { return x.ID == y.ID && slices.Equal(x.Hashes, y.Hashes) }
			if !slices.EqualFunc(a, c, same) || !slices.EqualFunc(b, c, same) {
				t.Fatalf("from size %d: tiles differ at %d", size, n)
			}
		}
	}
}

// What an edge handed out stays as it was: a log serves these slices while its writer goes on.
func TestEdgeSlicesDoNotChange(t *testing.T) {
	s := newStore(t)
	s.grow(300)
	partial := s.edge.Partial(0)
	before := slices.Clone(partial)
	if len(partial) != 44 || cap(partial) != 44 {
		t.Fatalf("partial tile has length %d and capacity %d, want 44", len(partial), cap(partial))
	}
	clone := s.edge.Clone()
	for range 300 {
		clone.Append(proof.EmptyRoot())
	}
	s.grow(600)
	if !slices.Equal(partial, before) {
		t.Error("partial tile changed")
	}
	for i, h := range s.tiles[tile.ID{Index: 1, Width: tile.FullWidth}] {
		if h != leaf(256+uint64(i)) {
			t.Fatalf("hash %d of a full tile is not its leaf", i)
		}
	}
}

func TestNewEdgeRefuses(t *testing.T) {
	h := []proof.Hash{leaf(0)}
	for name, tt := range map[string]struct {
		size    uint64
		partial [][]proof.Hash
	}{
		"a hash too few":       {1, nil},
		"a hash too many":      {1, [][]proof.Hash{{leaf(0), leaf(1)}}},
		"hashes of no level":   {1, [][]proof.Hash{h, h}},
		"hash one level lower": {256, [][]proof.Hash{h}},
		"size beyond the end":  {proof.MaxSize + 1, nil},
		"too many levels":      {0, make([][]proof.Hash, tile.Levels+1)},
	} {
		if e, err := tile.NewEdge(tt.size, tt.partial); err == nil {
			t.Errorf("%s: NewEdge made an edge of size %d", name, e.Size())
		}
	}
}

func TestEdgeAtTheEnd(t *testing.T) {
	partial := make([][]proof.Hash, tile.Levels)
	for l := range partial {
		partial[l] = make([]proof.Hash, tile.PartialWidth(l, proof.MaxSize-1))
	}
	e, err := tile.NewEdge(proof.MaxSize-1, partial)
	if err != nil {
		t.Fatal(err)
	}
	e.Append(leaf(0))
	if e.Size() != proof.MaxSize {
		t.Fatalf("size %d", e.Size())
	}
	for l := range partial {
		partial[l] = e.Partial(l)
	}
	if again, err := tile.NewEdge(proof.MaxSize, partial); err != nil || again.Root() != e.Root() {
		t.Fatalf("rebuilding the largest edge: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Append beyond MaxSize does not panic")
		}
	}()
	e.Append(leaf(0))
}

func TestProofsFromTiles(t *testing.T) {
	const size = 70_000
	ctx := t.Context()
	o, s := newOracle(t, size), newStore(t)
	s.grow(size)
	all := slices.Clone(sizes)
	for n := range uint64(70) {
		all = append(all, n)
	}
	for _, newSize := range all {
		root := o.root(t, newSize)
		s.announce(newSize)
		if got, err := tile.Root(ctx, s, newSize); err != nil || got != root {
			t.Fatalf("Root(%d) = %v, %v, want %v", newSize, got, err, root)
		}
		for _, x := range all {
			if x < newSize {
				s.announce(newSize)
				path, err := tile.InclusionProof(ctx, s, x, newSize)
				if err != nil {
					t.Fatal(err)
				}
				if err := proof.VerifyInclusion(x, newSize, leaf(x), path, root); err != nil {
					t.Fatal(err)
				}
				want, err := tlog.ProveRecord(int64(newSize), int64(x), o)
				if err != nil || !samePath(path, want) {
					t.Fatalf("InclusionProof(%d, %d) = %v, oracle %v, %v", x, newSize, path, want, err)
				}
			}
			if x <= newSize {
				s.announce(newSize)
				path, err := tile.ConsistencyProof(ctx, s, x, newSize)
				if err != nil {
					t.Fatal(err)
				}
				if err := proof.VerifyConsistency(x, newSize, o.root(t, x), root, path); err != nil {
					t.Fatal(err)
				}
				if x == 0 {
					continue // the oracle knows no empty tree
				}
				want, err := tlog.ProveTree(int64(newSize), int64(x), o)
				if err != nil || !samePath(path, want) {
					t.Fatalf("ConsistencyProof(%d, %d) = %v, oracle %v, %v", x, newSize, path, want, err)
				}
			}
		}
	}
}

func samePath(path []proof.Hash, theirs []tlog.Hash) bool {
	return slices.EqualFunc(path, theirs, func(a proof.Hash, b tlog.Hash) bool { return a == proof.Hash(b) })
}

// endless answers every request with as many zero hashes, to see what is asked of the largest tree.
type endless struct{ asked int }

func (e *endless) Tile(_ context.Context, _ int, _ uint64, width int) ([]proof.Hash, error) {
	e.asked++
	return make([]proof.Hash, width), nil
}

func TestProofsAtTheEnd(t *testing.T) {
	src := new(endless)
	root, err := tile.Root(t.Context(), src, proof.MaxSize)
	if err != nil || src.asked != tile.Levels {
		t.Errorf("Root(MaxSize): %d tiles, %v", src.asked, err)
	}
	path, err := tile.InclusionProof(t.Context(), src, proof.MaxSize-1, proof.MaxSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := proof.VerifyInclusion(proof.MaxSize-1, proof.MaxSize, proof.Hash{}, path, root); err != nil {
		t.Error(err)
	}
	if path, err := tile.ConsistencyProof(t.Context(), src, 1<<62, proof.MaxSize); err != nil || len(path) != 1 {
		t.Errorf("ConsistencyProof(2^62, MaxSize) = %d hashes, %v, want 1", len(path), err)
	}
	if _, err := tile.InclusionProof(t.Context(), src, 0, 0); err == nil {
		t.Error("InclusionProof(0, 0) made a proof")
	}
	if _, err := tile.InclusionProof(t.Context(), src, 0, proof.MaxSize+1); err == nil {
		t.Error("InclusionProof beyond MaxSize made a proof")
	}
	if _, err := tile.ConsistencyProof(t.Context(), src, 2, 1); err == nil {
		t.Error("ConsistencyProof(2, 1) made a proof")
	}
	if _, err := tile.ConsistencyProof(t.Context(), src, 0, proof.MaxSize+1); err == nil {
		t.Error("ConsistencyProof beyond MaxSize made a proof")
	}
	if _, err := tile.Root(t.Context(), src, proof.MaxSize+1); err == nil {
		t.Error("Root beyond MaxSize made a root")
	}
}

type badSource struct {
	hashes []proof.Hash
	err    error
}

func (b badSource) Tile(context.Context, int, uint64, int) ([]proof.Hash, error) {
	return b.hashes, b.err
}

func TestSourceFaultsAreReported(t *testing.T) {
	lost := errors.New("lost")
	for _, src := range []badSource{{err: lost}, {hashes: nil}, {hashes: make([]proof.Hash, 9)}} {
		_, err1 := tile.Root(t.Context(), src, 10)
		_, err2 := tile.InclusionProof(t.Context(), src, 3, 10)
		_, err3 := tile.ConsistencyProof(t.Context(), src, 3, 10)
		for _, err := range []error{err1, err2, err3} {
			if err == nil || src.err != nil && !errors.Is(err, lost) {
				t.Errorf("source that gives %d hashes and %v: %v", len(src.hashes), src.err, err)
			}
		}
	}
}

func BenchmarkEdgeAppend(b *testing.B) {
	var e tile.Edge
	h := leaf(0)
	b.ReportAllocs()
	for b.Loop() {
		e.Append(h)
	}
}

func BenchmarkInclusionProof(b *testing.B) {
	s := newStore(b)
	s.grow(70_000)
	b.ReportAllocs()
	for b.Loop() {
		s.announce(70_000)
		if _, err := tile.InclusionProof(b.Context(), s, 12_345, 70_000); err != nil {
			b.Fatal(err)
		}
	}
}
