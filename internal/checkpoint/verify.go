package checkpoint

import (
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/proof"
)

var (
	// ErrSignature is wrapped by every error about a signature that is missing or does not verify.
	ErrSignature = errors.New("checkpoint is not signed as required")

	// ErrOrigin is wrapped by the error about a checkpoint of another log than the keys are for.
	ErrOrigin = errors.New("checkpoint is of another log")
)

// MissingSignatureError names a key of the log whose signature a checkpoint must have and has not. It wraps
// ErrSignature.
type MissingSignatureError struct {
	Key VKey
}

func (e *MissingSignatureError) Error() string {
	return fmt.Sprintf("signature by %v is missing", e.Key)
}

// Unwrap returns ErrSignature.
func (e *MissingSignatureError) Unwrap() error { return ErrSignature }

// InvalidSignatureError names a known key with a line that must not be accepted. It wraps ErrSignature and the cause.
type InvalidSignatureError struct {
	Key VKey
	Err error
}

func (e *InvalidSignatureError) Error() string {
	return fmt.Sprintf("signature by %v is invalid: %v", e.Key, e.Err)
}

// Unwrap returns ErrSignature and the cause.
func (e *InvalidSignatureError) Unwrap() []error { return []error{ErrSignature, e.Err} }

// Signed is a signature that verified.
type Signed struct {
	Key VKey
	// Timestamp is what the signature says of its time in Unix seconds, more than 0; 0 for TypeEd25519, which has none.
	Timestamp uint64
	// Signature is the line itself.
	Signature Signature
}

// Verified is a checkpoint whose signatures were checked.
type Verified struct {
	Checkpoint Checkpoint
	// Note is the whole note, with the lines that were ignored.
	Note *Note
	// Log has one signature for each key of the log, in the order in which the keys were given.
	Log []Signed
	// Cosignatures has at most one for each known witness or mirror, in the order of the lines.
	Cosignatures []Signed
}

// Verify parses a checkpoint and checks its signatures.
//
// log are all the keys that must have signed: at least one, each of TypeEd25519 or TypeMLDSA44 and named like the
// origin. Give both where the roster requires both. witnesses are the keys, of TypeEd25519Cosignature or TypeMLDSA44,
// whose cosignatures count; how many are enough is for the caller to judge, and so are their times.
//
// Lines by other keys are ignored. A line by a known key that fails, or a second one by the same key, rejects the note.
// A valid cosignature with timestamp 0 is about a subtree: it is neither counted nor an error, and as the log's own
// signature it is missing.
//
// Errors wrap, in the order of the checks, ErrMalformed, ErrOrigin, ErrSignature, or proof.ErrMismatch for an empty tree
// with another root than the empty tree's. An error that wraps none of them is about the keys given.
func Verify(note []byte, log, witnesses []*Verifier) (*Verified, error) {
	known, err := knownKeys(log, witnesses)
	if err != nil {
		return nil, fmt.Errorf("verifying checkpoint: %w", err)
	}
	n, err := ParseNote(note)
	if err != nil {
		return nil, fmt.Errorf("verifying checkpoint: %w", err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return nil, fmt.Errorf("verifying checkpoint: %w", err)
	}
	if origin := log[0].key.Name; c.Origin != origin {
		return nil, fmt.Errorf("verifying checkpoint of %q with keys of %q: %w", c.Origin, origin, ErrOrigin)
	}
	signed, err := known.verifyLines(n)
	if err != nil {
		return nil, fmt.Errorf("verifying checkpoint of %s: %w", c.Origin, err)
	}
	v := &Verified{Checkpoint: c, Note: n}
	covered := false
	for _, l := range log {
		i := known[keyRef{l.key.Name, l.id}].line
		if i < 0 || !signed[i].counts() {
			return nil, fmt.Errorf("verifying checkpoint of %s: %w", c.Origin, &MissingSignatureError{Key: l.key})
		}
		v.Log = append(v.Log, signed[i])
		covered = covered || l.key.Type == TypeEd25519
	}
	if len(c.Extensions) > 0 && !covered {
		return nil, fmt.Errorf("verifying checkpoint of %s: extension lines are not covered: %w", c.Origin, ErrSignature)
	}
	for i, s := range signed {
		k := known[keyRef{s.Signature.Name, s.Signature.KeyID}]
		if k != nil && k.line == i && k.witness && s.counts() {
			v.Cosignatures = append(v.Cosignatures, s)
		}
	}
	if c.Size == 0 && c.Root != proof.EmptyRoot() {
		return nil, fmt.Errorf("verifying checkpoint of %s: root of the empty tree: %w", c.Origin, proof.ErrMismatch)
	}
	return v, nil
}

// counts reports whether a signature that verified is one of the checkpoint, not of a subtree.
func (s Signed) counts() bool {
	return s.Key.Type == TypeEd25519 || s.Timestamp != 0
}

// keyRef is what a signature line says about its key.
type keyRef struct {
	name string
	id   uint32
}

type knownKey struct {
	*Verifier
	witness bool
	line    int // index of the key's line in the note, -1 if there is none
}

type knownSet map[keyRef]*knownKey

// knownKeys checks that the keys fit their roles and can be told apart.
func knownKeys(log, witnesses []*Verifier) (knownSet, error) {
	if len(log) == 0 {
		return nil, errors.New("no key of the log given")
	}
	known := make(knownSet, len(log)+len(witnesses))
	raw := make(map[string]VKey, len(log)+len(witnesses))
	add := func(v *Verifier, witness bool) error {
		// An Ed25519 cosignature does not cover its signer's name: one key under two names would count twice.
		if other, ok := raw[string(v.key.Key)]; ok {
			return fmt.Errorf("keys %v and %v are the same public key", other, v.key)
		}
		ref := keyRef{v.key.Name, v.id}
		if known[ref] != nil {
			return fmt.Errorf("two keys have the name and ID of %v", v.key)
		}
		raw[string(v.key.Key)] = v.key
		known[ref] = &knownKey{Verifier: v, witness: witness, line: -1}
		return nil
	}
	for _, v := range log {
		if v.key.Type == TypeEd25519Cosignature {
			return nil, fmt.Errorf("key %v cannot be a log's", v.key)
		}
		if v.key.Name != log[0].key.Name {
			return nil, fmt.Errorf("keys %v and %v are of different logs", log[0].key, v.key)
		}
		if err := add(v, false); err != nil {
			return nil, err
		}
	}
	for _, v := range witnesses {
		if v.key.Type == TypeEd25519 {
			return nil, fmt.Errorf("key %v cannot be a witness's", v.key)
		}
		if err := add(v, true); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// verifyLines checks every line by a known key. The result has one element per line, empty for lines by unknown keys.
func (known knownSet) verifyLines(n *Note) ([]Signed, error) {
	signed := make([]Signed, len(n.Sigs))
	for i, s := range n.Sigs {
		k := known[keyRef{s.Name, s.KeyID}]
		if k == nil {
			continue
		}
		if k.line >= 0 {
			return nil, &InvalidSignatureError{Key: k.key, Err: errors.New("key signed twice")}
		}
		timestamp, err := k.Verify(n.Text, s)
		if err != nil {
			return nil, err
		}
		k.line = i
		signed[i] = Signed{Key: k.key, Timestamp: timestamp, Signature: s}
	}
	return signed, nil
}

// Unverified reads the checkpoint of a signed note, of at most MaxNoteSize bytes,
// and checks no signature: for finding out whose keys to verify it by, and for notes
// that were verified before. Errors: ErrMalformed.
func Unverified(note []byte) (Checkpoint, error) {
	n, err := ParseNote(note)
	if err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(n.Text)
}
