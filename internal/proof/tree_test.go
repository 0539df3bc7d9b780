package proof_test

import (
	"fmt"
	"testing"

	"github.com/transparency-dev/merkle/compact"
	merkleproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/cityproof/cityproof/internal/proof"
)

// oracle is a Merkle tree built by transparency-dev/merkle, code that shares nothing with the package under test.
type oracle struct {
	size  uint64
	nodes [][][]byte   // by level and index; the oracle finishes a level's nodes in order
	roots []proof.Hash // by size
}

func entry(i uint64) []byte {
	return fmt.Appendf(nil, "entry %d", i)
}

func newOracle(tb testing.TB, size uint64) *oracle {
	tb.Helper()
	o := &oracle{size: size, nodes: make([][][]byte, 64)}
	f := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	r := f.NewEmptyRange(0)
	o.roots = append(o.roots, proof.Hash(rfc6962.DefaultHasher.EmptyRoot()))
	visit := func(id compact.NodeID, hash []byte) { o.nodes[id.Level] = append(o.nodes[id.Level], hash) }
	for i := range size {
		if err := r.Append(rfc6962.DefaultHasher.HashLeaf(entry(i)), visit); err != nil {
			tb.Fatal(err)
		}
		root, err := r.GetRootHash(nil)
		if err != nil {
			tb.Fatal(err)
		}
		o.roots = append(o.roots, proof.Hash(root))
	}
	return o
}

func (o *oracle) hashes(tb testing.TB, n merkleproof.Nodes) []proof.Hash {
	tb.Helper()
	hashes := make([][]byte, len(n.IDs))
	for i, id := range n.IDs {
		if level := o.nodes[id.Level]; id.Index < uint64(len(level)) {
			hashes[i] = level[id.Index]
		} else {
			tb.Fatalf("oracle has no node %v", id)
		}
	}
	hashes, err := n.Rehash(hashes, rfc6962.DefaultHasher.HashChildren)
	if err != nil {
		tb.Fatal(err)
	}
	path := make([]proof.Hash, len(hashes))
	for i, h := range hashes {
		path[i] = proof.Hash(h)
	}
	return path
}

func (o *oracle) inclusion(tb testing.TB, index, size uint64) []proof.Hash {
	tb.Helper()
	n, err := merkleproof.Inclusion(index, size)
	if err != nil {
		tb.Fatal(err)
	}
	return o.hashes(tb, n)
}

func (o *oracle) consistency(tb testing.TB, oldSize, newSize uint64) []proof.Hash {
	tb.Helper()
	n, err := merkleproof.Consistency(oldSize, newSize)
	if err != nil {
		tb.Fatal(err)
	}
	return o.hashes(tb, n)
}

func slices2(path []proof.Hash) [][]byte {
	b := make([][]byte, len(path))
	for i := range path {
		b[i] = path[i][:]
	}
	return b
}
