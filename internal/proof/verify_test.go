package proof_test

import (
	"errors"
	"math/rand/v2"
	"testing"

	merkleproof "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/proof"
)

// maxPair returns the largest tree whose size pairs are all tried: 1,025 by T-05. With -short (and -race, on each push)
// it stops just past the first full tile.
func maxPair() uint64 {
	if testing.Short() {
		return 257
	}
	return 1025
}

func TestT05AllInclusionPairs(t *testing.T) {
	limit := maxPair()
	o := newOracle(t, limit)
	other := proof.LeafHash([]byte("not in the log"))
	leaves := make([]proof.Hash, limit)
	for i := range leaves {
		leaves[i] = proof.LeafHash(entry(uint64(i)))
	}
	for size := uint64(1); size <= limit; size++ {
		for index := range size {
			path := o.inclusion(t, index, size)
			root := o.roots[size]
			if err := proof.VerifyInclusion(index, size, leaves[index], path, root); err != nil {
				t.Fatalf("VerifyInclusion(%d, %d) = %v, want nil", index, size, err)
			}
			if err := proof.VerifyInclusion(index, size, other, path, root); !errors.Is(err, proof.ErrMismatch) {
				t.Fatalf("VerifyInclusion(%d, %d) of another leaf = %v, want ErrMismatch", index, size, err)
			}
			longer := append(path[:len(path):len(path)], other)
			if err := proof.VerifyInclusion(index, size, leaves[index], longer, root); err == nil || errors.Is(err, proof.ErrMismatch) {
				t.Fatalf("VerifyInclusion(%d, %d) with one hash more = %v, want a refusal of its shape", index, size, err)
			}
			if len(path) == 0 {
				continue
			}
			if err := proof.VerifyInclusion(index, size, leaves[index], path[1:], root); err == nil || errors.Is(err, proof.ErrMismatch) {
				t.Fatalf("VerifyInclusion(%d, %d) with one hash less = %v, want a refusal of its shape", index, size, err)
			}
			if err := proof.VerifyInclusion(index^1, size, leaves[index], path, root); err == nil {
				t.Fatalf("VerifyInclusion(%d, %d) accepted the leaf of %d", index^1, size, index)
			}
		}
	}
}

func TestT05AllConsistencyPairs(t *testing.T) {
	limit := maxPair()
	o := newOracle(t, limit)
	other := proof.LeafHash([]byte("not in the log"))
	for newSize := uint64(0); newSize <= limit; newSize++ {
		for oldSize := uint64(0); oldSize <= newSize; oldSize++ {
			var path []proof.Hash
			if oldSize > 0 {
				path = o.consistency(t, oldSize, newSize)
			}
			oldRoot, newRoot := o.roots[oldSize], o.roots[newSize]
			if err := proof.VerifyConsistency(oldSize, newSize, oldRoot, newRoot, path); err != nil {
				t.Fatalf("VerifyConsistency(%d, %d) = %v, want nil", oldSize, newSize, err)
			}
			if err := proof.VerifyConsistency(oldSize, newSize, other, newRoot, path); !errors.Is(err, proof.ErrMismatch) {
				t.Fatalf("VerifyConsistency(%d, %d) with another old root = %v, want ErrMismatch", oldSize, newSize, err)
			}
			if oldSize > 0 {
				if err := proof.VerifyConsistency(oldSize, newSize, oldRoot, other, path); !errors.Is(err, proof.ErrMismatch) {
					t.Fatalf("VerifyConsistency(%d, %d) with another new root = %v, want ErrMismatch", oldSize, newSize, err)
				}
			}
			longer := append(path[:len(path):len(path)], other)
			if err := proof.VerifyConsistency(oldSize, newSize, oldRoot, newRoot, longer); err == nil || errors.Is(err, proof.ErrMismatch) {
				t.Fatalf("VerifyConsistency(%d, %d) with one hash more = %v, want a refusal of its shape", oldSize, newSize, err)
			}
			if len(path) > 0 {
				if err := proof.VerifyConsistency(oldSize, newSize, oldRoot, newRoot, path[1:]); err == nil || errors.Is(err, proof.ErrMismatch) {
					t.Fatalf("VerifyConsistency(%d, %d) with one hash less = %v, want a refusal of its shape", oldSize, newSize, err)
				}
			}
		}
	}
}

// Every hash of a path is bound: changing any one of them makes the proof false.
func TestT05EveryHashOfAPathCounts(t *testing.T) {
	const size = 70
	o := newOracle(t, size)
	for index := range uint64(size) {
		path := o.inclusion(t, index, size)
		for i := range path {
			path[i][31] ^= 1
			if err := proof.VerifyInclusion(index, size, proof.LeafHash(entry(index)), path, o.roots[size]); !errors.Is(err, proof.ErrMismatch) {
				t.Errorf("VerifyInclusion(%d, %d) with hash %d changed = %v, want ErrMismatch", index, size, i, err)
			}
			path[i][31] ^= 1
		}
	}
	for oldSize := uint64(1); oldSize < size; oldSize++ {
		path := o.consistency(t, oldSize, size)
		for i := range path {
			path[i][0] ^= 0x80
			if err := proof.VerifyConsistency(oldSize, size, o.roots[oldSize], o.roots[size], path); !errors.Is(err, proof.ErrMismatch) {
				t.Errorf("VerifyConsistency(%d, %d) with hash %d changed = %v, want ErrMismatch", oldSize, size, i, err)
			}
			path[i][0] ^= 0x80
		}
	}
}

// Incident 18: a monitor broke on the empty log.
func TestT05SizesZeroAndOne(t *testing.T) {
	empty, a := proof.EmptyRoot(), proof.LeafHash([]byte("a"))
	b := proof.LeafHash([]byte("b"))
	ab := proof.NodeHash(a, b)
	tests := []struct {
		name             string
		oldSize, newSize uint64
		oldRoot, newRoot proof.Hash
		path             []proof.Hash
		ok, mismatch     bool
	}{
		{"empty stays empty", 0, 0, empty, empty, nil, true, false},
		{"empty with another root", 0, 0, a, a, nil, false, true},
		{"empty becomes another empty", 0, 0, empty, a, nil, false, true},
		{"empty grows to one", 0, 1, empty, a, nil, true, false},
		{"wrong empty root grows to one", 0, 1, a, a, nil, false, true},
		{"empty grows with a proof", 0, 1, empty, a, []proof.Hash{b}, false, false},
		{"one stays one", 1, 1, a, a, nil, true, false},
		{"one becomes another one", 1, 1, a, b, nil, false, true},
		{"one stays one with a proof", 1, 1, a, a, []proof.Hash{b}, false, false},
		{"one grows to two", 1, 2, a, ab, []proof.Hash{b}, true, false},
		{"one grows to two without a proof", 1, 2, a, ab, nil, false, false},
		{"two shrinks to one", 2, 1, ab, a, nil, false, false},
		{"one shrinks to empty", 1, 0, a, empty, nil, false, false},
	}
	for _, tt := range tests {
		err := proof.VerifyConsistency(tt.oldSize, tt.newSize, tt.oldRoot, tt.newRoot, tt.path)
		if (err == nil) != tt.ok || errors.Is(err, proof.ErrMismatch) != tt.mismatch {
			t.Errorf("%s: VerifyConsistency = %v, want ok %t, mismatch %t", tt.name, err, tt.ok, tt.mismatch)
		}
	}
	if err := proof.VerifyInclusion(0, 0, a, nil, empty); err == nil || errors.Is(err, proof.ErrMismatch) {
		t.Errorf("VerifyInclusion(0, 0) = %v, want a refusal", err)
	}
	if err := proof.VerifyInclusion(0, 1, a, nil, a); err != nil {
		t.Errorf("VerifyInclusion(0, 1) = %v, want nil", err)
	}
	if err := proof.VerifyInclusion(0, 1, b, nil, a); !errors.Is(err, proof.ErrMismatch) {
		t.Errorf("VerifyInclusion(0, 1) of another leaf = %v, want ErrMismatch", err)
	}
	if err := proof.VerifyInclusion(1, 1, a, nil, a); err == nil || errors.Is(err, proof.ErrMismatch) {
		t.Errorf("VerifyInclusion(1, 1) = %v, want a refusal", err)
	}
}

// At the far end of the number range the lengths must still be right, and nothing may overflow.
func TestT05HugeSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	sizes := []uint64{1<<62 - 1, 1 << 62, 1<<62 + 1, proof.MaxSize - 1, proof.MaxSize}
	for range 40 {
		sizes = append(sizes, rng.Uint64()>>(1+rng.IntN(60))|1)
	}
	for _, size := range sizes {
		indexes := []uint64{0, size - 1, size / 2, size/2 + 1}
		for range 20 {
			indexes = append(indexes, rng.Uint64N(size))
		}
		for _, index := range indexes {
			if index < size {
				checkHugeInclusion(t, rng, index, size)
			}
			if 0 < index && index < size {
				checkHugeConsistency(t, rng, index, size)
			}
		}
	}

	root := proof.EmptyRoot()
	for _, size := range []uint64{proof.MaxSize + 1, 1<<64 - 1} {
		if err := proof.VerifyInclusion(0, size, root, randomPath(rng, 63), root); err == nil || errors.Is(err, proof.ErrMismatch) {
			t.Errorf("VerifyInclusion(0, %d) = %v, want a refusal", size, err)
		}
		if err := proof.VerifyConsistency(size, size, root, root, nil); err == nil {
			t.Errorf("VerifyConsistency(%d, %d) accepted", size, size)
		}
	}
	if err := proof.VerifyConsistency(1, proof.MaxSize, root, root, randomPath(rng, 64)); err == nil || errors.Is(err, proof.ErrMismatch) {
		t.Errorf("VerifyConsistency with 64 hashes = %v, want a refusal", err)
	}
}

func checkHugeInclusion(t *testing.T, rng *rand.Rand, index, size uint64) {
	t.Helper()
	leaf := randomPath(rng, 1)[0]
	accepted := 0
	for n := 0; n <= proof.MaxPath; n++ {
		path := randomPath(rng, n)
		want, err := merkleproof.RootFromInclusionProof(rfc6962.DefaultHasher, index, size, leaf[:], slices2(path))
		if err != nil {
			if err := proof.VerifyInclusion(index, size, leaf, path, leaf); err == nil || errors.Is(err, proof.ErrMismatch) {
				t.Errorf("VerifyInclusion(%d, %d) with %d hashes = %v, oracle refuses the length", index, size, n, err)
			}
			continue
		}
		accepted++
		if err := proof.VerifyInclusion(index, size, leaf, path, proof.Hash(want)); err != nil {
			t.Errorf("VerifyInclusion(%d, %d) = %v, oracle accepts", index, size, err)
		}
	}
	if accepted != 1 {
		t.Errorf("VerifyInclusion(%d, %d): %d lengths fit, want 1", index, size, accepted)
	}
}

func checkHugeConsistency(t *testing.T, rng *rand.Rand, oldSize, newSize uint64) {
	t.Helper()
	for n := 0; n <= proof.MaxPath; n++ {
		path := randomPath(rng, n)
		oldRoot, newRoot := randomPath(rng, 1)[0], randomPath(rng, 1)[0]
		// Random hashes never fit the roots, so what can be compared is whether the length is.
		got := proof.VerifyConsistency(oldSize, newSize, oldRoot, newRoot, path)
		want := merkleproof.VerifyConsistency(rfc6962.DefaultHasher, oldSize, newSize, slices2(path), oldRoot[:], newRoot[:])
		var mismatch merkleproof.RootMismatchError
		if errors.Is(got, proof.ErrMismatch) != errors.As(want, &mismatch) {
			t.Errorf("VerifyConsistency(%d, %d) with %d hashes = %v, oracle says %v", oldSize, newSize, n, got, want)
		}
	}
}

func randomPath(rng *rand.Rand, n int) []proof.Hash {
	path := make([]proof.Hash, n)
	for i := range path {
		for j := range path[i] {
			path[i][j] = byte(rng.Uint32())
		}
	}
	return path
}

func TestHashesAgreeWithOracles(t *testing.T) {
	for _, n := range []int{0, 1, 2046, 2047, 2048, 2049, 65535} {
		e := make([]byte, n)
		for i := range e {
			e[i] = byte(i)
		}
		got := proof.LeafHash(e)
		if want := tlog.RecordHash(e); got != proof.Hash(want) {
			t.Errorf("LeafHash of %d bytes = %v, x/mod says %v", n, got, want)
		}
		if want := rfc6962.DefaultHasher.HashLeaf(e); got != proof.Hash(want) {
			t.Errorf("LeafHash of %d bytes = %v, merkle says %x", n, got, want)
		}
	}
	a, b := proof.LeafHash([]byte("a")), proof.LeafHash([]byte("b"))
	if got, want := proof.NodeHash(a, b), tlog.NodeHash(tlog.Hash(a), tlog.Hash(b)); got != proof.Hash(want) {
		t.Errorf("NodeHash = %v, want %v", got, want)
	}
	if got, want := proof.EmptyRoot().String(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; got != want {
		t.Errorf("EmptyRoot() = %s, want %s", got, want)
	}
}

func TestRangeAgreesWithOracle(t *testing.T) {
	const size = 2000
	o := newOracle(t, size)
	var r proof.Range
	for i := uint64(0); ; i++ {
		if r.Size() != i || r.Root() != o.roots[i] {
			t.Fatalf("after %d leaves: size %d root %v, want root %v", i, r.Size(), r.Root(), o.roots[i])
		}
		if i == size {
			break
		}
		before, clone := r.Root(), r.Clone()
		r.Append(proof.LeafHash(entry(i)))
		if clone.Root() != before || clone.Size() != i {
			t.Fatalf("clone at %d changed with its original", i)
		}
	}
	r.Reset()
	if r.Size() != 0 || r.Root() != proof.EmptyRoot() {
		t.Errorf("after Reset: size %d root %v", r.Size(), r.Root())
	}
	leaf := proof.LeafHash(entry(0))
	for range size {
		r.Append(leaf)
	}
	if n := testing.AllocsPerRun(1000, func() { r.Append(leaf) }); n != 0 {
		t.Errorf("Append allocates %v times", n)
	}
}

// A subtree on the right stands for the rest of the tree, whatever is inside it.
func TestRangeRootWith(t *testing.T) {
	const size = 40
	o := newOracle(t, size)
	for full := uint64(0); full < size/8; full++ {
		for rest := uint64(1); rest < 8; rest++ {
			var left, right proof.Range
			for i := range full {
				var sub proof.Range
				for j := range uint64(8) {
					sub.Append(proof.LeafHash(entry(8*i + j)))
				}
				left.Append(sub.Root())
			}
			for j := range rest {
				right.Append(proof.LeafHash(entry(8*full + j)))
			}
			if got, want := left.RootWith(right.Root()), o.roots[8*full+rest]; got != want {
				t.Errorf("%d subtrees and %d leaves: root %v, want %v", full, rest, got, want)
			}
		}
	}
}

func BenchmarkVerifyInclusion(b *testing.B) {
	const size = 1 << 20
	rng := rand.New(rand.NewPCG(1, 2))
	leaf, path := randomPath(rng, 1)[0], randomPath(rng, 20)
	root, err := merkleproof.RootFromInclusionProof(rfc6962.DefaultHasher, 12345, size, leaf[:], slices2(path))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := proof.VerifyInclusion(12345, size, leaf, path, proof.Hash(root)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLeafHash1KiB(b *testing.B) {
	e := make([]byte, 1024)
	b.SetBytes(1024)
	b.ReportAllocs()
	for b.Loop() {
		proof.LeafHash(e)
	}
}

func BenchmarkRangeAppend(b *testing.B) {
	var r proof.Range
	leaf := proof.LeafHash(nil)
	b.ReportAllocs()
	for b.Loop() {
		r.Append(leaf)
	}
}
