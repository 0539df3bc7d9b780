package evidence

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

// Head is a signed note and the key whose signature on it is to be shown. The note may have any other lines.
type Head struct {
	Note []byte
	Key  *checkpoint.Verifier
}

// The builders take the two heads in any order, keep of each note the text and the line of its key, and refuse what does
// not prove with an error that wraps ErrNotProven. They don't ask whether a key is anybody's: that is for
// Evidence.Verify. Other errors mean that heads are unfit for evidence: malformed, of keys of another role, or with a
// text beyond MaxText.

// NewE1 proves that a log signed two roots of one size.
func NewE1(a, b Head) (*Evidence, error) {
	return build(&Evidence{kind: TwoRoots}, a, b)
}

// NewE2 proves that a log signed a history and a larger one which does not begin with it. The fork is in the history of
// the larger head; it comes from whoever has that, with the consistency proof for the two sizes. Root must be given
// along: for sizes that are powers of two the proof does not contain it.
func NewE2(a, b Head, fork Fork) (*Evidence, error) {
	return build(&Evidence{kind: Rewritten, fork: &fork}, a, b)
}

// NewE3 proves that a log signed two histories with different leaves at index: leafA is that of the head a, say of a
// receipt, leafB that of b. The sizes must differ; else it is E1.
func NewE3(index uint64, a Head, leafA Leaf, b Head, leafB Leaf) (*Evidence, error) {
	return build(&Evidence{kind: TwoLeaves, index: index, leaves: &[2]Leaf{leafA, leafB}}, a, b)
}

// NewE4 proves that a witness, with one key, vouched for a smaller tree after a larger, for two roots of one size, or for
// both sides of a fork. Only the last needs the fork, which may be nil and is left out where it is not needed.
func NewE4(a, b Head, fork *Fork) (*Evidence, error) {
	return build(&Evidence{kind: WitnessFault, fork: fork}, a, b)
}

func build(e *Evidence, a, b Head) (*Evidence, error) {
	verifiers := [2]*checkpoint.Verifier{a.Key, b.Key}
	for i, h := range []Head{a, b} {
		var err error
		if e.heads[i], err = h.reduce(); err != nil {
			return nil, fmt.Errorf("building %v: head %d: %w", e.kind, i+1, err)
		}
	}
	if x, y := &e.heads[0], &e.heads[1]; x.Size > y.Size || x.Size == y.Size && bytes.Compare(x.Root[:], y.Root[:]) > 0 {
		*x, *y = *y, *x
		verifiers[0], verifiers[1] = verifiers[1], verifiers[0]
		if e.leaves != nil {
			e.leaves[0], e.leaves[1] = e.leaves[1], e.leaves[0]
		}
	}
	if e.kind == WitnessFault && !e.needsFork() {
		e.fork = nil
	}
	err := e.check()
	if err == nil {
		err = e.prove(verifiers)
	}
	if err != nil {
		return nil, fmt.Errorf("building %v: %w", e.kind, err)
	}
	// What is evidence is what can be read again.
	e, err = Parse(e.Format())
	if err != nil {
		return nil, fmt.Errorf("building evidence: %w", err)
	}
	return e, nil
}

// reduce keeps the text and the line that names the key. A note with several of them is none that anybody accepts, so the
// first will do; whether it verifies is seen when the evidence is proven.
func (h Head) reduce() (head, error) {
	n, err := checkpoint.ParseNote(h.Note)
	if err != nil {
		return head{}, err
	}
	key := h.Key.Key()
	i := slices.IndexFunc(n.Sigs, func(s checkpoint.Signature) bool { return s.Name == key.Name && s.KeyID == key.ID() })
	if i < 0 {
		return head{}, fmt.Errorf("%w: no signature by %v", ErrNotProven, key)
	}
	return newHead(n.Text, key, n.Sigs[i])
}
