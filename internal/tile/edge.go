package tile

import (
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/proof"
)

// Full is a tile that has just got its last hash.
type Full struct {
	ID     ID
	Hashes []proof.Hash // FullWidth of them; never changed afterwards
}

// Edge is the right edge of a growing tree: at each level the hashes of the tile that is not full yet, at most 255. A
// log engine appends leaf hashes to it, stores each tile that becomes full, and takes root and partial tiles from it;
// after a restart the partial tiles that it stored, or the entries behind them, make the same Edge again (NewEdge).
//
// Appending costs one node hash per leaf, with every inner node hashed once. An Edge is not safe for concurrent use,
// but slices that it handed out may be read while it grows: hashes once there are never overwritten. The zero value is
// the edge of the empty tree.
type Edge struct {
	size   uint64
	levels [Levels]edgeLevel
}

// edgeLevel is the unfinished tile of one level and the fold of its hashes.
type edgeLevel struct {
	hashes []proof.Hash
	fold   proof.Range
}

// NewEdge returns the edge of a tree of the given size. partial[l] holds the hashes of the partial tile at level l:
// exactly PartialWidth(l, size) of them. Levels missing at the end are empty. The slices are copied.
//
// The hashes are taken as they are. The caller compares Root with the root that it signed before it goes on.
func NewEdge(size uint64, partial [][]proof.Hash) (*Edge, error) {
	if size > proof.MaxSize {
		return nil, fmt.Errorf("rebuilding edge: size %d exceeds %d", size, uint64(proof.MaxSize))
	}
	if len(partial) > Levels {
		return nil, fmt.Errorf("rebuilding edge: %d levels, at most %d allowed", len(partial), Levels)
	}
	e := &Edge{size: size}
	for l := range e.levels {
		var hashes []proof.Hash
		if l < len(partial) {
			hashes = partial[l]
		}
		if want := PartialWidth(l, size); len(hashes) != want {
			return nil, fmt.Errorf("rebuilding edge of size %d: level %d has %d hashes, want %d", size, l, len(hashes), want)
		}
		for _, h := range hashes {
			e.levels[l].push(h)
		}
	}
	return e, nil
}

// Size returns the number of leaves.
func (e *Edge) Size() uint64 {
	return e.size
}

// Append adds a leaf and returns the tiles that it made full, if any: one at level 0 with each 256th leaf, with it one
// at level 1 with each 65,536th, and so on. Each tile is returned exactly once. It panics at proof.MaxSize leaves,
// which appending cannot reach.
func (e *Edge) Append(leaf proof.Hash) []Full {
	if e.size == proof.MaxSize {
		panic("tile: appending to a tree of 2^63-1 leaves")
	}
	e.size++
	var full []Full
	h := leaf
	for l := range e.levels {
		level := &e.levels[l]
		level.push(h)
		if len(level.hashes) < FullWidth {
			break
		}
		full = append(full, Full{
			ID:     ID{Level: l, Index: hashesAt(l, e.size)/FullWidth - 1, Width: FullWidth},
			Hashes: level.hashes,
		})
		h = level.fold.Root()
		level.hashes = nil // the caller owns the old slice now
		level.fold.Reset()
	}
	return full
}

func (l *edgeLevel) push(h proof.Hash) {
	if l.hashes == nil {
		l.hashes = make([]proof.Hash, 0, FullWidth)
	}
	l.hashes = append(l.hashes, h)
	l.fold.Append(h)
}

// Root returns the root of the tree. It costs at most 63 node hashes.
func (e *Edge) Root() proof.Hash {
	if e.size == 0 {
		return proof.EmptyRoot()
	}
	// From the bottom up: what lies below an unfinished tile is the incomplete subtree to the right of its hashes.
	var right proof.Hash
	below := false
	for l := range e.levels {
		switch fold := &e.levels[l].fold; {
		case fold.Size() == 0:
		case below:
			right = fold.RootWith(right)
		default:
			right, below = fold.Root(), true
		}
	}
	return right
}

// Partial returns the hashes of the partial tile at level, PartialWidth(level, Size()) of them, none where the tree has
// no partial tile. A tile narrower than that is a prefix of them. The slice must not be changed; it stays as it is when
// the edge grows.
func (e *Edge) Partial(level int) []proof.Hash {
	if level < 0 || level >= Levels {
		return nil
	}
	return slices.Clip(e.levels[level].hashes)
}

// Clone returns an edge that grows apart from e. A log engine appends a batch to a clone and keeps it once the batch is
// durable, so that a failed write leaves the old edge.
func (e *Edge) Clone() *Edge {
	c := &Edge{size: e.size}
	for l := range e.levels {
		// Not shared: both edges would append into the same array.
		if n := len(e.levels[l].hashes); n > 0 {
			c.levels[l].hashes = append(make([]proof.Hash, 0, FullWidth), e.levels[l].hashes...)
		}
		c.levels[l].fold = e.levels[l].fold.Clone()
	}
	return c
}
