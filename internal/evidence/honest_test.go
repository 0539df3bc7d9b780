package evidence_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

// known are all hashes that somebody who knows a small log can take a proof from: leaves, inner nodes, roots.
func (h *history) known(tb testing.TB) []proof.Hash {
	tb.Helper()
	all := []proof.Hash{{}, proof.EmptyRoot()}
	for _, x := range h.stored {
		all = append(all, proof.Hash(x))
	}
	for n := range uint64(len(h.leaves) + 1) {
		if r := h.root(tb, n); !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}

// paths calls visit with every sequence of the hashes of that length.
func paths(hashes []proof.Hash, length int, visit func([]proof.Hash)) {
	path := make([]proof.Hash, length)
	var fill func(i int)
	fill = func(i int) {
		if i == length {
			visit(path)
			return
		}
		for _, h := range hashes {
			path[i] = h
			fill(i + 1)
		}
	}
	fill(0)
}

// Whoever has all heads of an honest log and all hashes of its tree, and puts them together in every way, finds nothing.
func TestT26NoProofFramesAnHonestLog(t *testing.T) {
	p := newParty(t)
	const size = 5
	h := newHistory(t, size, size)
	known := h.known(t)
	tried := 0
	refused := func(e *evidence.Evidence, err error) {
		tried++
		if !errors.Is(err, evidence.ErrNotProven) {
			t.Fatalf("%v: %s", err, e.Format())
		}
	}
	for n2 := range uint64(size + 1) {
		for n1 := range n2 {
			a, b := h.bare(t, p.log, n1, start), h.bare(t, p.log, n2, start)
			refused(evidence.NewE1(a, a))
			paths(known, len(h.fork(t, n1, n2).Path), func(path []proof.Hash) {
				for _, root := range known {
					refused(evidence.NewE2(a, b, evidence.Fork{Root: root, Path: path}))
				}
			})
			for i := range n1 {
				paths(known, len(h.leaf(t, i, n2).Path), func(path []proof.Hash) {
					for _, leaf := range known {
						refused(evidence.NewE3(i, a, h.leaf(t, i, n1), b, evidence.Leaf{Hash: leaf, Path: path}))
					}
				})
			}
		}
	}
	t.Logf("%d ways", tried)
}

// Proofs of larger honest logs, bent at random.
func TestT26BentProofsFrameNobody(t *testing.T) {
	p := newParty(t)
	const seed = 26
	rnd := rand.New(rand.NewPCG(seed, seed))
	const size = 600
	h := newHistory(t, size, size)
	heads := map[uint64]evidence.Head{}
	head := func(n uint64) evidence.Head {
		if _, ok := heads[n]; !ok {
			heads[n] = h.bare(t, p.log, n, start)
		}
		return heads[n]
	}
	bend := func(path []proof.Hash) []proof.Hash {
		path = slices.Clone(path)
		switch i := rnd.IntN(len(path) + 1); {
		case i == len(path):
			path = append(path, h.leaves[rnd.IntN(size)])
		case rnd.IntN(3) == 0:
			path = slices.Delete(path, i, i+1)
		case rnd.IntN(2) == 0:
			path[i][rnd.IntN(32)] ^= 1 << rnd.IntN(8)
		default:
			path[i] = proof.Hash(h.stored[rnd.IntN(len(h.stored))])
		}
		return path
	}
	for range 20_000 {
		n2 := 2 + rnd.Uint64N(size-1)
		n1 := 1 + rnd.Uint64N(n2-1)
		i := rnd.Uint64N(n1)
		fork := h.fork(t, n1, n2)
		fork.Root = []proof.Hash{fork.Root, h.root(t, rnd.Uint64N(size)), proof.Hash(h.stored[rnd.IntN(len(h.stored))])}[rnd.IntN(3)]
		if rnd.IntN(4) > 0 {
			fork.Path = bend(fork.Path)
		}
		if e, err := evidence.NewE2(head(n1), head(n2), fork); !errors.Is(err, evidence.ErrNotProven) {
			t.Fatalf("seed %d: %v: %s", seed, err, e.Format())
		}
		a, b := h.leaf(t, i, n1), h.leaf(t, rnd.Uint64N(n2), n2)
		if rnd.IntN(2) == 0 {
			b = h.leaf(t, i, n2)
			b.Path = bend(b.Path)
			b.Hash = h.leaves[rnd.IntN(size)]
		}
		if e, err := evidence.NewE3(i, head(n1), a, head(n2), b); !errors.Is(err, evidence.ErrNotProven) {
			t.Fatalf("seed %d: %v: %s", seed, err, e.Format())
		}
	}
}

// A witness that keeps its rules, with any clock that does not run back, can't be shown to break them.
func TestT26HonestWitnessIsNeverFramed(t *testing.T) {
	p := newParty(t)
	const seed = 4
	rnd := rand.New(rand.NewPCG(seed, seed))
	h := newHistory(t, 40, 40)
	var heads []evidence.Head
	size, at := uint64(0), uint64(start)
	for range 60 {
		size = min(size+rnd.Uint64N(3), 40) // 0: a refresh
		at += rnd.Uint64N(2)                // 0: in the same second
		heads = append(heads, h.bare(t, p.w1, size, at))
	}
	for i, a := range heads {
		for j, b := range heads {
			fork := h.fork(t, min(sizeOf(t, a), sizeOf(t, b)), max(sizeOf(t, a), sizeOf(t, b)))
			for _, f := range []*evidence.Fork{nil, &fork, {Path: fork.Path}} {
				if e, err := evidence.NewE4(a, b, f); !errors.Is(err, evidence.ErrNotProven) {
					t.Fatalf("seed %d, cosignatures %d and %d: %v: %s", seed, i, j, err, e.Format())
				}
			}
		}
	}
}

func sizeOf(t *testing.T, h evidence.Head) uint64 {
	t.Helper()
	n, err := checkpoint.ParseNote(h.Note)
	if err != nil {
		t.Fatal(err)
	}
	c, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		t.Fatal(err)
	}
	return c.Size
}

// honestMaterial is what a liar could write about an honest log and an honest witness, in the form of evidence.
func honestMaterial(tb testing.TB, p party) []string {
	tb.Helper()
	h, o := newHistory(tb, 12, 12), newHistory(tb, 12, 3)
	log := "log " + checkpoint.FormatVKey(p.log.Key()) + "\n"
	witness := "witness " + checkpoint.FormatVKey(p.w1.Key()) + "\n"
	note := func(s *checkpoint.Signer, size, at uint64) string { return "\n" + string(h.bare(tb, s, size, at).Note) }
	path := func(hashes []proof.Hash) string {
		var b strings.Builder
		for _, x := range hashes {
			fmt.Fprintln(&b, x)
		}
		return b.String()
	}
	fork := func(f evidence.Fork) string { return fmt.Sprintf("root %v\n%s", f.Root, path(f.Path)) }
	leaf := func(l evidence.Leaf) string { return fmt.Sprintf("leaf %v\n%s", l.Hash, path(l.Path)) }
	other := h.fork(tb, 8, 12)
	other.Root = o.root(tb, 8)
	// The liar's own head, under the honest log's name.
	forged := strings.Split(string(h.bare(tb, p.log, 7, start).Note), "\n\n")
	forged[0] = strings.TrimSuffix(text(7, o.root(tb, 7)), "\n")
	var all []string
	for _, x := range []string{
		"kind E1\n" + log + note(p.log, 7, start) + note(p.log, 7, start),
		"kind E1\n" + log + note(p.log, 7, start) + note(p.log, 9, start),
		"kind E1\n" + log + note(p.log, 7, start) + "\n" + strings.Join(forged, "\n\n"),
		"kind E1\n" + log + "\n" + strings.Join(forged, "\n\n") + note(p.log, 7, start),
		"kind E2\n" + log + fork(h.fork(tb, 5, 9)) + note(p.log, 5, start) + note(p.log, 9, start),
		"kind E2\n" + log + fork(o.fork(tb, 5, 9)) + note(p.log, 5, start) + note(p.log, 9, start),
		"kind E2\n" + log + fork(h.fork(tb, 8, 12)) + note(p.log, 8, start) + note(p.log, 12, start),
		"kind E2\n" + log + fork(other) + note(p.log, 8, start) + note(p.log, 12, start),
		"kind E2\n" + log + fork(h.fork(tb, 0, 12)) + note(p.log, 0, start) + note(p.log, 12, start),
		"kind E3\n" + log + "index 5\n" + leaf(h.leaf(tb, 5, 7)) + leaf(h.leaf(tb, 5, 12)) + note(p.log, 7, start) + note(p.log, 12, start),
		"kind E3\n" + log + "index 5\n" + leaf(h.leaf(tb, 5, 7)) + leaf(h.leaf(tb, 4, 12)) + note(p.log, 7, start) + note(p.log, 12, start),
		"kind E3\n" + log + "index 5\n" + leaf(h.leaf(tb, 5, 7)) + leaf(o.leaf(tb, 5, 12)) + note(p.log, 7, start) + note(p.log, 12, start),
		"kind E4\n" + witness + note(p.w1, 7, start) + note(p.w1, 9, start+1),
		"kind E4\n" + witness + note(p.w1, 7, start+1) + note(p.w1, 7, start),
		"kind E4\n" + witness + fork(h.fork(tb, 5, 9)) + note(p.w1, 5, start) + note(p.w1, 9, start+1),
		"kind E4\n" + witness + fork(o.fork(tb, 5, 9)) + note(p.w1, 5, start) + note(p.w1, 9, start+1),
	} {
		all = append(all, "cityproof/evidence/v1\n"+x)
	}
	return all
}

// judge returns what the bytes prove to somebody with those keys, nil if nothing, and whether they could be read.
func judge(b []byte, keys evidence.Keys) (f *evidence.Finding, parsed bool) {
	e, err := evidence.Parse(b)
	if err != nil {
		return nil, false
	}
	f, _ = e.Verify(keys)
	return f, true
}

// Honest material, each bit of each byte flipped: nothing is accepted.
func TestT26FlipEveryByteOfHonestMaterial(t *testing.T) {
	p := newParty(t)
	keys := p.keys(t)
	flips, read := 0, 0
	for i, x := range honestMaterial(t, p) {
		if f, _ := judge([]byte(x), keys); f != nil {
			t.Errorf("material %d proves: %v", i, f)
		}
		b := []byte(x)
		for pos := range b {
			for bit := range 8 {
				b[pos] ^= 1 << bit
				f, parsed := judge(b, keys)
				if f != nil {
					t.Errorf("material %d, byte %d, bit %d proves: %v", i, pos, bit, f)
				}
				if parsed {
					read++
				}
				b[pos] ^= 1 << bit
				flips++
			}
		}
	}
	if read == 0 {
		t.Error("no flipped material could be read, so nothing was verified")
	}
	t.Logf("%d flips, of which %d were read and refused by a proof or a signature", flips, read)
}

// What a forker's evidence says about its own key says nothing about others'.
func TestT26EvidenceBringsNoTrust(t *testing.T) {
	p := newParty(t)
	thief := newSigner(t, origin, "thief", checkpoint.TypeEd25519)
	h, o := newHistory(t, 9, 9), newHistory(t, 9, 3)
	for _, heads := range [][2]evidence.Head{
		{h.bare(t, thief, 7, start), o.bare(t, thief, 7, start)},
		{h.bare(t, p.log, 7, start), o.bare(t, thief, 7, start)},
	} {
		e := must(evidence.NewE1(heads[0], heads[1]))(t)
		if f, err := e.Verify(p.keys(t)); !errors.Is(err, evidence.ErrUnknownKey) {
			t.Errorf("Verify = %v, %v, want ErrUnknownKey", f, err)
		}
		// A verifier that looks keys up carelessly still checks with its own.
		keys := p.keys(t)
		keys.logs[checkpoint.FormatVKey(thief.Key())] = evidence.LogKey{Verifier: verifierOf(t, p.log)}
		if f, err := e.Verify(keys); !errors.Is(err, evidence.ErrUnknownKey) {
			t.Errorf("Verify = %v, %v, want ErrUnknownKey", f, err)
		}
	}
}
