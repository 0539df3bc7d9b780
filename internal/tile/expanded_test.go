package tile_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

func TestExpandedSubtrees(t *testing.T) {
	var hashes []proof.Hash
	for i := range uint64(tile.FullWidth) {
		hashes = append(hashes, leaf(i))
	}
	for width := 1; width <= tile.FullWidth; width++ {
		e := tile.NewExpanded(hashes[:width])
		if !slices.Equal(e.Hashes(), hashes[:width]) {
			t.Fatalf("width %d has other hashes", width)
		}
		for height := range tile.Height + 1 {
			for index := range width >> height {
				var want proof.Range
				for _, h := range hashes[index<<height:][:1<<height] {
					want.Append(h)
				}
				if got := e.Subtree(height, index); got != want.Root() {
					t.Fatalf("width %d: Subtree(%d, %d) = %v, want %v", width, height, index, got, want.Root())
				}
			}
			mustPanic(t, func() { e.Subtree(height, width>>height) })
		}
		mustPanic(t, func() { e.Subtree(-1, 0) })
		mustPanic(t, func() { e.Subtree(tile.Height+1, 0) })
		mustPanic(t, func() { e.Subtree(0, -1) })
	}
	if e := tile.NewExpanded(hashes); e.Root() != e.Subtree(tile.Height, 0) {
		t.Error("Root is not that of the tile")
	}
	mustPanic(t, func() { tile.NewExpanded(hashes[:255]).Root() })
	mustPanic(t, func() { tile.NewExpanded(nil) })
	mustPanic(t, func() { tile.NewExpanded(make([]proof.Hash, 257)) })
}

func mustPanic(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f()
}

// expandedStore is a store that answers, where it can, with more than was asked for.
type expandedStore struct{ *store }

func (s expandedStore) Expanded(ctx context.Context, level int, index uint64, width int) (*tile.Expanded, error) {
	hashes, err := s.Tile(ctx, level, index, width)
	if err != nil {
		return nil, err
	}
	if full, ok := s.tiles[tile.ID{Level: level, Index: index, Width: tile.FullWidth}]; ok {
		hashes = full
	}
	return tile.NewExpanded(hashes), nil
}

func TestProofsFromExpandedTiles(t *testing.T) {
	const size = 70_000
	o, s := newOracle(t, size), newStore(t)
	s.grow(size)
	src := expandedStore{s}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		n := 1 + rnd.Uint64N(size)
		i, m := rnd.Uint64N(n), 1+rnd.Uint64N(n)
		s.announce(n)
		if got, err := tile.Root(t.Context(), src, n); err != nil || got != o.root(t, n) {
			t.Fatalf("Root(%d) = %v, %v", n, got, err)
		}
		s.announce(n)
		got, err := tile.InclusionProof(t.Context(), src, i, n)
		want, wantErr := tlog.ProveRecord(int64(n), int64(i), o)
		if err != nil || wantErr != nil || !samePath(got, want) {
			t.Fatalf("InclusionProof(%d, %d) = %v, %v, want %v, %v", i, n, got, err, want, wantErr)
		}
		s.announce(n)
		got, err = tile.ConsistencyProof(t.Context(), src, m, n)
		want2, wantErr := tlog.ProveTree(int64(n), int64(m), o)
		if err != nil || wantErr != nil || !samePath(got, want2) {
			t.Fatalf("ConsistencyProof(%d, %d) = %v, %v, want %v, %v", m, n, got, err, want2, wantErr)
		}
	}
}

// narrow gives tiles that are too small.
type narrow struct{ badSource }

func (narrow) Expanded(_ context.Context, _ int, _ uint64, width int) (*tile.Expanded, error) {
	return tile.NewExpanded(make([]proof.Hash, width-1)), nil
}

func TestNarrowExpandedTileIsRefused(t *testing.T) {
	if _, err := tile.Root(t.Context(), narrow{}, 10); err == nil {
		t.Error("a root was made from a tile that is too small")
	}
}
