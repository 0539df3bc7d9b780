package evidence_test

import (
	"errors"
	"testing"

	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

// Every pair of sizes up to 70 and a fork at every entry: evidence is found exactly if the histories differ below the
// smaller size. That includes powers of two, whose proofs lack a hash, and sizes 0 and 1.
func TestT15EveryRewriteAndNothingElse(t *testing.T) {
	p := newParty(t)
	limit := uint64(70)
	if testing.Short() {
		limit = 33
	}
	keys := p.keys(t)
	ours := newHistory(t, int(limit), int(limit))
	heads := make([]evidence.Head, limit+1)
	for n := range heads {
		heads[n] = ours.bare(t, p.log, uint64(n), start)
	}
	found, none := 0, 0
	for fork := range limit + 1 {
		theirs := newHistory(t, int(limit), int(fork))
		for n2 := uint64(1); n2 <= limit; n2++ {
			b := theirs.bare(t, p.log, n2, start)
			for n1 := range n2 {
				e, err := evidence.NewE2(heads[n1], b, theirs.fork(t, n1, n2))
				if differ := fork < n1; (err == nil) != differ {
					t.Fatalf("sizes %d and %d, fork at %d: %v", n1, n2, fork, err)
				}
				if err != nil {
					if !errors.Is(err, evidence.ErrNotProven) {
						t.Fatalf("sizes %d and %d, fork at %d: %v", n1, n2, fork, err)
					}
					none++
					continue
				}
				found++
				if found%50 == 0 { // building has checked it all; this is the way that others go
					f := find(t, must(evidence.Parse(e.Format()))(t), keys)
					if f.Kind != evidence.Rewritten || f.Heads[0].Size != n1 || *f.ForkRoot != theirs.root(t, n1) {
						t.Fatalf("sizes %d and %d, fork at %d: %v", n1, n2, fork, f)
					}
				}
			}
		}
	}
	if found == 0 || none == 0 {
		t.Errorf("%d rewrites, %d honest pairs", found, none)
	}
	t.Logf("%d pairs are evidence, %d are not", found, none)
}

// The proof of a rewrite stays one for a smaller size that is a power of two only with the root that the log has there.
func TestT15PowersOfTwoBindTheRoot(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 70, 70), newHistory(t, 70, 0)
	for n1 := uint64(1); n1 <= 64; n1 *= 2 {
		for n2 := n1 + 1; n2 <= 70; n2++ {
			fork := o.fork(t, n1, n2)
			for _, root := range []proof.Hash{{}, {1}, proof.EmptyRoot(), h.root(t, n2), o.root(t, n2), o.leaves[0], h.root(t, n1)} {
				if root == fork.Root {
					continue
				}
				_, err := evidence.NewE2(h.bare(t, p.log, n1, start), o.bare(t, p.log, n2, start), evidence.Fork{Root: root, Path: fork.Path})
				if !errors.Is(err, evidence.ErrNotProven) {
					t.Fatalf("sizes %d and %d, root %v: %v", n1, n2, root, err)
				}
			}
		}
	}
}

// E1 exactly if the histories differ below the size.
func TestT14EveryForkOfOneSize(t *testing.T) {
	p := newParty(t)
	const limit = 33
	ours := newHistory(t, limit, limit)
	for fork := range limit + 1 {
		theirs := newHistory(t, limit, fork)
		for n := range uint64(limit + 1) {
			e, err := evidence.NewE1(ours.bare(t, p.log, n, start), theirs.bare(t, p.log, n, start))
			if differ := uint64(fork) < n; (err == nil) != differ {
				t.Fatalf("size %d, fork at %d: %v, %v", n, fork, e, err)
			}
		}
	}
}

// E3 exactly if the leaf is another one, at every index of every pair of sizes.
func TestT15EveryBrokenReceipt(t *testing.T) {
	p := newParty(t)
	const limit = 12
	ours := newHistory(t, limit, limit)
	for fork := range limit + 1 {
		theirs := newHistory(t, limit, fork)
		for n2 := range uint64(limit + 1) {
			for n1 := range n2 {
				a, b := ours.bare(t, p.log, n1, start), theirs.bare(t, p.log, n2, start)
				for i := range n1 {
					e, err := evidence.NewE3(i, a, ours.leaf(t, i, n1), b, theirs.leaf(t, i, n2))
					if differ := uint64(fork) <= i; (err == nil) != differ {
						t.Fatalf("sizes %d and %d, fork at %d, leaf %d: %v, %v", n1, n2, fork, i, e, err)
					}
				}
			}
		}
	}
}
