package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

const timestampSize = 8

// errAgree says that two heads may both be honest.
var errAgree = fmt.Errorf("the heads do not contradict each other: %w", ErrNotProven)

// newHead puts a head together from a text and a line that names the key. The signature is not verified.
func newHead(text string, key checkpoint.VKey, sig checkpoint.Signature) (head, error) {
	if len(text) > MaxText {
		return head{}, fmt.Errorf("text has %d bytes, at most %d allowed", len(text), MaxText)
	}
	c, err := checkpoint.ParseCheckpoint(text)
	if err != nil {
		return head{}, err
	}
	if c.Size == 0 && c.Root != proof.EmptyRoot() {
		return head{}, errors.New("root of the empty tree is another")
	}
	if sig.Name != key.Name || sig.KeyID != key.ID() {
		return head{}, fmt.Errorf("signature line is not by %v", key)
	}
	h := head{Checkpoint: c, key: key, text: text, sig: sig}
	want := ed25519.SignatureSize
	switch key.Type {
	case checkpoint.TypeEd25519Cosignature:
		want += timestampSize
	case checkpoint.TypeMLDSA44:
		want = timestampSize + mldsa.MLDSA44SignatureSize
	}
	if len(sig.Sig) != want {
		return head{}, fmt.Errorf("signature has %d bytes, want %d", len(sig.Sig), want)
	}
	if key.Type == checkpoint.TypeEd25519 {
		return h, nil
	}
	h.time = binary.BigEndian.Uint64(sig.Sig)
	if h.time == 0 || h.time > math.MaxInt64 {
		return head{}, errors.New("cosignature has time 0, as those of subtrees, or one beyond 2^63-1")
	}
	return h, nil
}

// check holds the rules of form that parsing and building share: roles of keys, the order of the heads, which parts
// there are. It needs no key and no hash; prove does the rest.
func (e *Evidence) check() error {
	a, b := &e.heads[0], &e.heads[1]
	if a.Origin != b.Origin {
		return errors.New("the heads are of different logs")
	}
	for i := range e.heads {
		if err := e.heads[i].checkKey(e.kind); err != nil {
			return err
		}
	}
	if e.kind == WitnessFault && !a.key.Equal(b.key) {
		return errors.New("two keys of a witness prove nothing together")
	}
	if a.Size > b.Size || a.Size == b.Size && bytes.Compare(a.Root[:], b.Root[:]) > 0 {
		return errors.New("the heads are in the wrong order")
	}
	if a.Size == b.Size && a.Root == b.Root {
		return errAgree
	}
	if e.kind != WitnessFault && (a.Size == b.Size) != (e.kind == TwoRoots) {
		return fmt.Errorf("sizes %d and %d do not make %v", a.Size, b.Size, e.kind)
	}
	if e.fork == nil && e.needsFork() {
		return fmt.Errorf("without the proof of a fork: %w", errAgree)
	}
	if e.fork != nil && !e.needsFork() {
		return errors.New("the proof of a fork is there, but nothing needs it")
	}
	if e.fork != nil && e.fork.Root == a.Root {
		return errAgree
	}
	if e.leaves != nil && (e.index >= a.Size || e.leaves[0].Hash == e.leaves[1].Hash) {
		return errAgree
	}
	return nil
}

func (h *head) checkKey(kind Kind) error {
	if kind != WitnessFault {
		if h.key.Type != checkpoint.TypeEd25519 || h.key.Name != h.Origin {
			return fmt.Errorf("%v is not the log's Ed25519 key", h.key)
		}
		return nil
	}
	if h.key.Type == checkpoint.TypeEd25519 || h.key.Name == h.Origin {
		return fmt.Errorf("%v is no witness's key", h.key)
	}
	if h.key.Type == checkpoint.TypeMLDSA44 && len(h.Extensions) > 0 {
		// They could be changed without the witness.
		return errors.New("extension lines that the cosignature does not cover")
	}
	return nil
}

// needsFork reports whether the two heads contradict each other only if the larger does not begin with the smaller.
func (e *Evidence) needsFork() bool {
	a, b := &e.heads[0], &e.heads[1]
	switch e.kind {
	case Rewritten:
		return true
	case WitnessFault:
		return a.Size < b.Size && a.time <= b.time
	}
	return false
}

// prove checks what hashing and signatures decide, with the verifiers of the two heads' keys. Hashing comes first: it
// costs less. Every error wraps ErrNotProven.
func (e *Evidence) prove(verifiers [2]*checkpoint.Verifier) error {
	a, b := &e.heads[0], &e.heads[1]
	if e.fork != nil {
		if err := proof.VerifyConsistency(a.Size, b.Size, e.fork.Root, b.Root, e.fork.Path); err != nil {
			return fmt.Errorf("%w: the larger head does not have that root at the smaller size: %w", ErrNotProven, err)
		}
	}
	if e.leaves != nil {
		for i, l := range e.leaves {
			h := &e.heads[i]
			if err := proof.VerifyInclusion(e.index, h.Size, l.Hash, l.Path, h.Root); err != nil {
				return fmt.Errorf("%w: head %d does not have that leaf: %w", ErrNotProven, i+1, err)
			}
		}
	}
	for i, v := range verifiers {
		h := &e.heads[i]
		if _, err := v.Verify(h.text, h.sig); err != nil {
			return fmt.Errorf("%w: head %d: %w", ErrNotProven, i+1, err)
		}
	}
	return nil
}
