package tile

import (
	"context"
	"fmt"

	"github.com/cityproof/cityproof/internal/proof"
)

// stride is the distance in levels between the inner nodes that an Expanded keeps: those 3 and 6 levels above its hashes.
const stride = 3

// Expanded is a tile, full or partial, that gives the root of any perfect subtree inside it for at most 3 node hashes,
// 9 for all that one inclusion proof needs. Besides its hashes it keeps 36 inner nodes: 9.25 KiB for a full tile. All
// 255 would be 16 KiB, which a log of a million leaves pays 3,900 times.
//
// It is never changed, so several goroutines may use it.
type Expanded struct {
	hashes []proof.Hash
	low    [FullWidth >> stride]proof.Hash
	high   [FullWidth >> (2 * stride)]proof.Hash
}

// NewExpanded expands a tile of 1 to FullWidth hashes; it panics on any other number. It costs almost one node hash for
// each hash. The slice is kept and must not change any more.
func NewExpanded(hashes []proof.Hash) *Expanded {
	if len(hashes) < 1 || len(hashes) > FullWidth {
		panic(fmt.Sprintf("tile: expanding a tile of %d hashes", len(hashes)))
	}
	e := &Expanded{hashes: hashes}
	for i := range len(hashes) >> stride {
		e.low[i] = perfectRoot(hashes[i<<stride:][:1<<stride])
	}
	for i := range len(hashes) >> (2 * stride) {
		e.high[i] = perfectRoot(e.low[i<<stride:][:1<<stride])
	}
	return e
}

// Hashes returns the hashes of the tile. They must not be changed.
func (e *Expanded) Hashes() []proof.Hash { return e.hashes }

// Subtree returns the root of the perfect subtree over the 1<<height hashes from index<<height on. It panics if height is
// not 0 to Height or if the tile has fewer hashes.
func (e *Expanded) Subtree(height, index int) proof.Hash {
	if height < 0 || height > Height || index < 0 || (index+1)<<height > len(e.hashes) {
		panic(fmt.Sprintf("tile: no subtree %d of height %d in a tile of %d hashes", index, height, len(e.hashes)))
	}
	row := e.hashes
	switch height / stride {
	case 1:
		row = e.low[:]
	case 2:
		row = e.high[:]
	}
	height %= stride
	return perfectRoot(row[index<<height:][:1<<height])
}

// Root returns the hash that stands for a full tile in the tile above it. It panics if the tile is not full.
func (e *Expanded) Root() proof.Hash { return e.Subtree(Height, 0) }

// perfectRoot returns the root over 1, 2, 4 or 8 hashes.
func perfectRoot(hashes []proof.Hash) proof.Hash {
	if len(hashes) == 1 {
		return hashes[0]
	}
	var row [1 << (stride - 1)]proof.Hash
	n := len(hashes) / 2
	for i := range n {
		row[i] = proof.NodeHash(hashes[2*i], hashes[2*i+1])
	}
	for n /= 2; n > 0; n /= 2 {
		for i := range n {
			row[i] = proof.NodeHash(row[2*i], row[2*i+1])
		}
	}
	return row[0]
}

// ExpandedSource is a Source that keeps tiles expanded, so that a proof does not hash whole tiles again. Root,
// InclusionProof and ConsistencyProof use it where a Source has it.
type ExpandedSource interface {
	Source
	// Expanded is Tile with the inner nodes. It may give more than width hashes, of which the first are those of Tile.
	Expanded(ctx context.Context, level int, index uint64, width int) (*Expanded, error)
}
