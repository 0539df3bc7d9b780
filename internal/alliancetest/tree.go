package alliancetest

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/proof"
)

// Tree is a log's history: any prefix's root, any proof, computed as RFC 6962 writes them down.
type Tree struct{ Leaves []proof.Hash }

// NewTree makes a history of n leaves; another name, another history.
func NewTree(n int, name string) *Tree {
	t := &Tree{}
	for i := range n {
		t.Leaves = append(t.Leaves, proof.LeafHash(fmt.Appendf(nil, "%s %d", name, i)))
	}
	return t
}

// Root is MTH(D[n]).
func (t *Tree) Root(n uint64) proof.Hash { return rootOf(t.Leaves[:n]) }

// rootOf is RFC 6962's MTH, as it stands there.
func rootOf(leaves []proof.Hash) proof.Hash {
	switch len(leaves) {
	case 0:
		return proof.EmptyRoot()
	case 1:
		return leaves[0]
	}
	k := split(len(leaves))
	return proof.NodeHash(rootOf(leaves[:k]), rootOf(leaves[k:]))
}

func split(n int) int {
	k := 1
	for k*2 < n {
		k *= 2
	}
	return k
}

// Consistency is RFC 6962's PROOF(m, D[n]).
func (t *Tree) Consistency(m, n uint64) []proof.Hash {
	if m == 0 || m == n {
		return nil
	}
	return subproof(int(m), t.Leaves[:n], true) //nolint:gosec // a test has few leaves
}

func subproof(m int, leaves []proof.Hash, whole bool) []proof.Hash {
	n := len(leaves)
	if m == n {
		if whole {
			return nil
		}
		return []proof.Hash{rootOf(leaves)}
	}
	k := split(n)
	if m <= k {
		return append(subproof(m, leaves[:k], whole), rootOf(leaves[k:]))
	}
	return append(subproof(m-k, leaves[k:], false), rootOf(leaves[:k]))
}
