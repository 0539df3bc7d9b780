package proof

import "slices"

// Range folds leaf hashes, appended in order from index 0, into a root. It holds one hash for each bit set in the
// size: the roots of the perfect subtrees that make up the tree, from left to right. The zero value is the empty tree.
//
// A Range is not safe for concurrent use.
type Range struct {
	size   uint64
	hashes []Hash
}

// Append adds a leaf. It allocates only when the slice of at most 63 hashes grows. At MaxSize it panics: no tree that
// this code may vouch for is larger, and none is reachable by appending.
func (r *Range) Append(leaf Hash) {
	if r.size == MaxSize {
		panic("proof: appending to a tree of 2^63-1 leaves")
	}
	// Each bit set at the low end of the size is a finished subtree as large as the one in hand: merge the two.
	h := leaf
	n := len(r.hashes)
	for s := r.size; s&1 == 1; s >>= 1 {
		n--
		h = NodeHash(r.hashes[n], h)
	}
	r.hashes = append(r.hashes[:n], h)
	r.size++
}

// Size returns the number of leaves appended.
func (r *Range) Size() uint64 {
	return r.size
}

// Root returns the root of the tree of the leaves appended so far.
func (r *Range) Root() Hash {
	if len(r.hashes) == 0 {
		return EmptyRoot()
	}
	n := len(r.hashes) - 1
	return r.rootWith(r.hashes[n], n)
}

// RootWith returns the root of the tree whose last node, right of all that was appended, is the incomplete subtree
// with root right. With it trees made of tiles fold level by level: the hashes of full tiles are appended and the
// root of what lies below the unfinished tile stands on the right.
func (r *Range) RootWith(right Hash) Hash {
	return r.rootWith(right, len(r.hashes))
}

func (r *Range) rootWith(right Hash, n int) Hash {
	for i := n - 1; i >= 0; i-- {
		right = NodeHash(r.hashes[i], right)
	}
	return right
}

// Clone returns a Range that can grow apart from r.
func (r *Range) Clone() Range {
	return Range{size: r.size, hashes: slices.Clone(r.hashes)}
}

// Reset makes r empty again and keeps its memory.
func (r *Range) Reset() {
	r.size, r.hashes = 0, r.hashes[:0]
}
