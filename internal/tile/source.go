package tile

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/cityproof/cityproof/internal/proof"
)

// Source gives the hashes of tiles: a directory, a store, a log's URL.
type Source interface {
	// Tile returns the first width hashes of the tile at level and index. width is what a tree of the size asked about
	// has there, so a log that served that size has the tile; a source may cut it from the full tile instead. The
	// hashes are only read.
	Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error)
}

// Root computes the root of the tree of the given size.
func Root(ctx context.Context, src Source, size uint64) (proof.Hash, error) {
	if size > proof.MaxSize {
		return proof.Hash{}, fmt.Errorf("computing root: size %d exceeds %d", size, uint64(proof.MaxSize))
	}
	if size == 0 {
		return proof.EmptyRoot(), nil
	}
	r := newReader(src, size)
	h, err := r.hash(ctx, span{0, size})
	if err != nil {
		return proof.Hash{}, fmt.Errorf("computing root of size %d: %w", size, err)
	}
	return h, nil
}

// InclusionProof builds the inclusion proof of the leaf at index in the tree of the given size, for
// proof.VerifyInclusion. What the source answers is not checked here; verifying the proof does that.
func InclusionProof(ctx context.Context, src Source, index, size uint64) ([]proof.Hash, error) {
	if size > proof.MaxSize || index >= size {
		return nil, fmt.Errorf("building inclusion proof: no index %d in size %d", index, size)
	}
	// RFC 6962, section 2.1.1, from the root down: at each split the half without the leaf is a sibling.
	path := make([]span, 0, proof.MaxPath)
	for s := (span{0, size}); s.end-s.start > 1; {
		left, right := s.split()
		if index < left.end {
			path, s = append(path, right), left
		} else {
			path, s = append(path, left), right
		}
	}
	r := newReader(src, size)
	hashes, err := r.hashes(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("building inclusion proof of %d in size %d: %w", index, size, err)
	}
	return hashes, nil
}

// ConsistencyProof builds the proof that the tree of size newSize begins with that of oldSize, for
// proof.VerifyConsistency. It is empty if oldSize is 0 or equal to newSize. What the source answers is not checked
// here; verifying the proof does that.
func ConsistencyProof(ctx context.Context, src Source, oldSize, newSize uint64) ([]proof.Hash, error) {
	if newSize > proof.MaxSize || oldSize > newSize {
		return nil, fmt.Errorf("building consistency proof: no sizes %d and %d", oldSize, newSize)
	}
	if oldSize == 0 || oldSize == newSize {
		return nil, nil
	}
	// RFC 6962, section 2.1.2, from the root down, following the old tree's right end.
	path := make([]span, 0, proof.MaxPath+1)
	s := span{0, newSize}
	for s.end != oldSize {
		left, right := s.split()
		if oldSize <= left.end {
			path, s = append(path, right), left
		} else {
			path, s = append(path, left), right
		}
	}
	if s.start != 0 {
		path = append(path, s) // otherwise it is the whole old tree, whose root the verifier has
	}
	r := newReader(src, newSize)
	hashes, err := r.hashes(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("building consistency proof of %d with %d: %w", oldSize, newSize, err)
	}
	return hashes, nil
}

// span is the subtree over the leaves start to end-1. start is a multiple of the largest power of two not above the
// span's length.
type span struct{ start, end uint64 }

// split cuts a span of two or more leaves as RFC 6962 does: the left part has the largest power of two of leaves that
// leaves something to the right.
func (s span) split() (left, right span) {
	mid := s.start + 1<<(bits.Len64(s.end-s.start-1)-1)
	return span{s.start, mid}, span{mid, s.end}
}

// reader computes subtree hashes of one tree and asks for each tile once.
type reader struct {
	src      Source
	expanded ExpandedSource // src, if it is one
	size     uint64

	// tiles[:n] are those that were read. The subtrees of a proof that lie inside one tile of a level all lie in the same
	// one, the subtree at the right edge of the tree takes one tile of each level more: so there are never more.
	tiles [2 * Levels]readTile
	n     int
}

type readTile struct {
	level int
	index uint64
	nodes *Expanded
}

func newReader(src Source, size uint64) reader {
	expanded, _ := src.(ExpandedSource)
	return reader{src: src, expanded: expanded, size: size}
}

// hashes returns the hashes of spans collected from the root down in the order of a proof, from the leaf up.
func (r *reader) hashes(ctx context.Context, path []span) ([]proof.Hash, error) {
	hashes := make([]proof.Hash, 0, len(path))
	for _, s := range slices.Backward(path) {
		h, err := r.hash(ctx, s)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}

// hash returns the root of the subtree over s.
func (r *reader) hash(ctx context.Context, s span) (proof.Hash, error) {
	// Perfect subtrees from right to left, each as large as fits, folded as they come: the length has a bit for each.
	var h proof.Hash
	for rest := s.end - s.start; rest != 0; rest &= rest - 1 {
		level := bits.TrailingZeros64(rest)
		start := s.start + rest&^(1<<level)
		left, err := r.perfect(ctx, level, start>>level)
		switch {
		case err != nil:
			return proof.Hash{}, err
		case rest == s.end-s.start:
			h = left
		default:
			h = proof.NodeHash(left, h)
		}
	}
	return h, nil
}

// perfect returns the root of the perfect subtree over the leaves index<<level to (index+1)<<level - 1.
func (r *reader) perfect(ctx context.Context, level int, index uint64) (proof.Hash, error) {
	// It spans 1<<inner hashes of one tile.
	tileLevel, inner := level/Height, level%Height
	perTile := uint64(FullWidth >> inner)
	nodes, err := r.tile(ctx, tileLevel, index/perTile)
	if err != nil {
		return proof.Hash{}, err
	}
	return nodes.Subtree(inner, int(index%perTile)), nil //nolint:gosec // below 256
}

func (r *reader) tile(ctx context.Context, level int, index uint64) (*Expanded, error) {
	for i := range r.tiles[:r.n] {
		if t := &r.tiles[i]; t.level == level && t.index == index {
			return t.nodes, nil
		}
	}
	id, ok := At(level, index, r.size)
	if !ok {
		panic(fmt.Sprintf("tile: size %d has no tile %d at level %d", r.size, index, level))
	}
	nodes, err := r.read(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, err)
	}
	r.tiles[r.n] = readTile{level: level, index: index, nodes: nodes}
	r.n++
	return nodes, nil
}

func (r *reader) read(ctx context.Context, id ID) (*Expanded, error) {
	if r.expanded != nil {
		nodes, err := r.expanded.Expanded(ctx, id.Level, id.Index, id.Width)
		if err == nil && len(nodes.hashes) < id.Width {
			err = fmt.Errorf("source gave %d hashes, want %d", len(nodes.hashes), id.Width)
		}
		return nodes, err
	}
	hashes, err := r.src.Tile(ctx, id.Level, id.Index, id.Width)
	if err != nil {
		return nil, err
	}
	if len(hashes) != id.Width {
		return nil, fmt.Errorf("source gave %d hashes, want %d", len(hashes), id.Width)
	}
	return NewExpanded(hashes), nil
}
