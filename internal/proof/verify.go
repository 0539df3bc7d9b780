package proof

import (
	"fmt"
	"math/bits"
)

// VerifyInclusion checks that the tree of the given size and root has leaf at index. path is the proof of RFC 6962,
// section 2.1.1: the sibling of the leaf first, the child of the root last.
//
// It needs index < size <= MaxSize and exactly the number of hashes that the two imply. The error wraps ErrMismatch if
// and only if the proof has the right shape and leads to another root.
func VerifyInclusion(index, size uint64, leaf Hash, path []Hash, root Hash) error {
	if size > MaxSize {
		return fmt.Errorf("checking inclusion: size %d exceeds %d", size, uint64(MaxSize))
	}
	if index >= size {
		return fmt.Errorf("checking inclusion: index %d is not below size %d", index, size)
	}
	inner, border := pathShape(index, size)
	if len(path) != inner+border {
		return fmt.Errorf("checking inclusion of %d in size %d: got %d hashes, want %d",
			index, size, len(path), inner+border)
	}
	got := climb(leaf, index, path[:inner])
	got = climbBorder(got, path[inner:])
	if got != root {
		return fmt.Errorf("checking inclusion of %d in size %d: %w", index, size, ErrMismatch)
	}
	return nil
}

// VerifyConsistency checks that the tree of size newSize and root newRoot begins with the leaves of the tree of size
// oldSize and root oldRoot. path is the proof of RFC 6962, section 2.1.2.
//
// It needs oldSize <= newSize <= MaxSize and exactly the number of hashes that the two imply: none if oldSize is 0 or
// equal to newSize. c2sp.org/tlog-witness stops at 63 hashes, which some pairs beyond 2^62 leaves would exceed by one:
// those have no proof here either.
//
// The empty tree has one root only, EmptyRoot, and any other is a mismatch. The error wraps ErrMismatch if and only if
// the proof has the right shape and does not lead to both roots.
func VerifyConsistency(oldSize, newSize uint64, oldRoot, newRoot Hash, path []Hash) error {
	if newSize > MaxSize {
		return fmt.Errorf("checking consistency: size %d exceeds %d", newSize, uint64(MaxSize))
	}
	if oldSize > newSize {
		return fmt.Errorf("checking consistency: old size %d exceeds new size %d", oldSize, newSize)
	}
	if len(path) > MaxPath {
		return fmt.Errorf("checking consistency: got %d hashes, at most %d allowed", len(path), MaxPath)
	}
	if oldSize == 0 || oldSize == newSize {
		if len(path) != 0 {
			return fmt.Errorf("checking consistency of %d with %d: got %d hashes, want 0", oldSize, newSize, len(path))
		}
		if oldSize == 0 && oldRoot != EmptyRoot() || oldSize == newSize && oldRoot != newRoot {
			return fmt.Errorf("checking consistency of %d with %d: %w", oldSize, newSize, ErrMismatch)
		}
		return nil
	}

	// The proof is a suffix of the path from the old tree's last leaf, starting at the largest perfect subtree that
	// ends there. That subtree's hash comes first, except when it is the whole old tree and so known already.
	shift := bits.TrailingZeros64(oldSize)
	inner, border := pathShape(oldSize-1, newSize)
	inner -= shift
	seed, rest := oldRoot, path
	want := inner + border
	if oldSize != 1<<shift {
		want++
	}
	if len(path) != want {
		return fmt.Errorf("checking consistency of %d with %d: got %d hashes, want %d", oldSize, newSize, len(path), want)
	}
	if oldSize != 1<<shift {
		seed, rest = path[0], path[1:]
	}

	index := (oldSize - 1) >> shift
	gotNew := climbBorder(climb(seed, index, rest[:inner]), rest[inner:])
	gotOld := climbBorder(climbLeft(seed, index, rest[:inner]), rest[inner:])
	if gotOld != oldRoot || gotNew != newRoot {
		return fmt.Errorf("checking consistency of %d with %d: %w", oldSize, newSize, ErrMismatch)
	}
	return nil
}

// pathShape splits the path of leaf index in a tree of the given size where it meets the path of the last leaf. On the
// inner hashes below, siblings stand on either side; the border hashes above all stand to the left, one for each bit
// set in the rest of index.
func pathShape(index, size uint64) (inner, border int) {
	inner = bits.Len64(index ^ (size - 1))
	return inner, bits.OnesCount64(index >> inner)
}

// climb hashes h up through siblings on the side that the bits of index tell.
func climb(h Hash, index uint64, siblings []Hash) Hash {
	for i, s := range siblings {
		if index>>i&1 == 0 {
			h = NodeHash(h, s)
		} else {
			h = NodeHash(s, h)
		}
	}
	return h
}

// climbLeft is climb that skips siblings to the right: the tree as it was when index was its last node.
func climbLeft(h Hash, index uint64, siblings []Hash) Hash {
	for i, s := range siblings {
		if index>>i&1 == 1 {
			h = NodeHash(s, h)
		}
	}
	return h
}

// climbBorder hashes h up the right border of the tree, where every sibling stands to the left.
func climbBorder(h Hash, siblings []Hash) Hash {
	for _, s := range siblings {
		h = NodeHash(s, h)
	}
	return h
}
