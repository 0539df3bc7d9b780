package evidence

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

const (
	// MaxSize is the most bytes of evidence.
	MaxSize = 16 << 10

	// MaxText is the most bytes of a head's text, without signature lines. Two heads with texts up to it fit into
	// evidence of every kind. Who takes in heads should refuse longer ones: nothing could be proven with them.
	MaxText = 4 << 10
)

var (
	// ErrMalformed is wrapped by every error about bytes that are not evidence as this version writes it.
	ErrMalformed = errors.New("malformed evidence")

	// ErrLaterVersion is wrapped by the error about evidence of a version that this program does not know.
	ErrLaterVersion = errors.New("evidence of a later version")

	// ErrUnknownKey is wrapped by the error about a key that the verifier does not believe in: it could not tell.
	ErrUnknownKey = errors.New("key is not known")

	// ErrNotProven is wrapped by every error about what was checked and proves nothing: heads that don't contradict each
	// other, signatures that don't verify, proofs that don't hold.
	ErrNotProven = errors.New("nothing is proven")
)

// Kind is a kind of misbehaviour.
type Kind int

// The kinds, by their numbers in the design. FORMAT.md says what each proves.
const (
	TwoRoots     Kind = iota + 1 // E1: a log signed two roots of one size
	Rewritten                    // E2: a log signed a history, and another that does not begin with it
	TwoLeaves                    // E3: a log signed two histories with different leaves at one index
	WitnessFault                 // E4: a witness vouched for what can't both be true
	RegistryFork                 // E5: E1, E2 or E3 of the alliance's registry; only in a Finding
)

// String returns E1 to E5.
func (k Kind) String() string {
	return "E" + strconv.Itoa(int(k))
}

// Evidence is well-formed evidence. Nothing in it is verified. Values come from Parse or a builder and are not changed.
type Evidence struct {
	kind   Kind
	heads  [2]head
	fork   *Fork    // E2; E4 if the times alone do not contradict each other and the sizes differ
	index  uint64   // E3
	leaves *[2]Leaf // E3
}

// head is a note with one signature line.
type head struct {
	checkpoint.Checkpoint
	key  checkpoint.VKey
	text string
	sig  checkpoint.Signature
	time uint64 // in the cosignature, Unix seconds; 0 for a log's
}

// Fork shows that the larger of two heads has another root at the smaller one's size than the smaller one says.
type Fork struct {
	// Root is the root at the smaller size in the history of the larger head.
	Root proof.Hash
	// Path is the consistency proof (RFC 6962, section 2.1.2) from the smaller size and Root to the larger head.
	Path []proof.Hash
}

// Leaf is a leaf hash with its inclusion proof: RFC 6962, section 2.1.1.
type Leaf struct {
	Hash proof.Hash
	Path []proof.Hash
}

// Kind returns the kind of the evidence, never RegistryFork: what is the registry is for the verifier to know.
func (e *Evidence) Kind() Kind { return e.kind }

// Heads returns what the two heads claim to be, in their order in the evidence: E1 and E4 of one size by root, others by
// size. Nothing in them is verified: text that comes from outside may hold anything but control characters.
func (e *Evidence) Heads() [2]SignedHead {
	var heads [2]SignedHead
	for i, h := range e.heads {
		heads[i] = SignedHead{Key: h.key, Size: h.Size, Root: h.Root, Time: h.time}
	}
	return heads
}

// Notes returns the two heads as signed notes, each with its one line, in the order of Heads. They are not verified.
func (e *Evidence) Notes() ([2][]byte, error) {
	var notes [2][]byte
	for i, h := range e.heads {
		var err error
		if notes[i], err = checkpoint.FormatNote(&checkpoint.Note{Text: h.text, Sigs: []checkpoint.Signature{h.sig}}); err != nil {
			return notes, fmt.Errorf("evidence about %s: %w", h.Origin, err)
		}
	}
	return notes, nil
}

// Origin returns the origin that both heads name. It is not verified.
func (e *Evidence) Origin() string { return e.heads[0].Origin }

// SignedHead is one of the two heads of evidence.
type SignedHead struct {
	Key  checkpoint.VKey
	Size uint64
	Root proof.Hash
	// Time is when a cosignature says that it was made, in Unix seconds; 0 for a log's signature, which has no time.
	Time uint64
}
