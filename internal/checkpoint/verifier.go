package checkpoint

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"filippo.io/mldsa"
)

const timestampSize = 8

// Verifier checks signatures by one key. It is safe for concurrent use.
type Verifier struct {
	key VKey
	id  uint32
	// mldsa is the expanded key of TypeMLDSA44, nil for the others.
	mldsa *mldsa.PublicKey
}

// NewVerifier returns a verifier for the key, which it checks as ParseVKey does.
func NewVerifier(k VKey) (*Verifier, error) {
	if err := k.check(); err != nil {
		return nil, fmt.Errorf("making verifier: %w", err)
	}
	return newVerifier(k)
}

// ParseVerifier is ParseVKey and NewVerifier in one.
func ParseVerifier(vkey string) (*Verifier, error) {
	k, err := ParseVKey(vkey)
	if err != nil {
		return nil, err
	}
	return newVerifier(k)
}

// newVerifier takes a key that was checked.
func newVerifier(k VKey) (*Verifier, error) {
	v := &Verifier{key: k, id: k.ID()}
	if k.Type == TypeMLDSA44 {
		var err error
		if v.mldsa, err = mldsa.NewPublicKey(mldsa.MLDSA44(), k.Key); err != nil {
			return nil, fmt.Errorf("making verifier: %w: %w", ErrMalformed, err)
		}
	}
	return v, nil
}

// Key returns the verifier's key.
func (v *Verifier) Key() VKey {
	return v.key
}

// Verify checks one signature line against the text of its note, and returns the timestamp that the line carries: Unix
// seconds, 0 to 2^63-1, and always 0 for TypeEd25519, which has none. With the other two types the text must be a
// checkpoint; a timestamp of 0 then makes no statement that the tree is the largest seen.
//
// Every error wraps ErrSignature: a line by another key, too.
func (v *Verifier) Verify(text string, s Signature) (timestamp uint64, err error) {
	if s.Name != v.key.Name || s.KeyID != v.id {
		return 0, &InvalidSignatureError{Key: v.key, Err: errors.New("line is by another key")}
	}
	timestamp, err = v.verify(text, s.Sig)
	if err != nil {
		return 0, &InvalidSignatureError{Key: v.key, Err: err}
	}
	return timestamp, nil
}

var errNotValid = errors.New("does not verify")

func (v *Verifier) verify(text string, sig []byte) (timestamp uint64, err error) {
	if v.key.Type != TypeEd25519 {
		if len(sig) < timestampSize {
			return 0, errors.New("too short for a timestamp")
		}
		timestamp, sig = binary.BigEndian.Uint64(sig), sig[timestampSize:]
	}
	msg, err := signedMessage(v.key, timestamp, text)
	if err != nil {
		return 0, err
	}
	if v.key.Type == TypeMLDSA44 {
		if err := mldsa.Verify(v.mldsa, msg, sig, nil); err != nil {
			return 0, errNotValid
		}
		return timestamp, nil
	}
	if !ed25519.Verify(ed25519.PublicKey(v.key.Key), msg, sig) {
		return 0, errNotValid
	}
	return timestamp, nil
}

// signedMessage returns the bytes that a key signs for a note's text.
func signedMessage(k VKey, timestamp uint64, text string) ([]byte, error) {
	if k.Type == TypeEd25519 {
		return []byte(text), nil
	}
	if timestamp > math.MaxInt64 {
		return nil, errors.New("timestamp exceeds 2^63-1")
	}
	// The other types say something about a tree, so the text must name one.
	c, err := ParseCheckpoint(text)
	if err != nil {
		return nil, err
	}
	if k.Type == TypeEd25519Cosignature {
		return ed25519Message(timestamp, text), nil
	}
	return mldsa44Message(k.Name, timestamp, c)
}

// ed25519Message: c2sp.org/tlog-cosignature, "Ed25519 signed message".
func ed25519Message(timestamp uint64, text string) []byte {
	b := []byte("cosignature/v1\ntime ")
	b = strconv.AppendUint(b, timestamp, 10)
	b = append(b, '\n')
	return append(b, text...)
}

// mldsa44Message: c2sp.org/tlog-cosignature, "ML-DSA-44 signed message", for the whole tree. Extension lines are not in
// it.
func mldsa44Message(name string, timestamp uint64, c Checkpoint) ([]byte, error) {
	if len(name) > MaxNameSize || len(c.Origin) > MaxNameSize {
		return nil, fmt.Errorf("name or origin exceeds %d bytes", MaxNameSize)
	}
	b := []byte("subtree/v1\n\x00")
	b = append(b, byte(len(name))) //nolint:gosec // at most MaxNameSize, which is 255
	b = append(b, name...)
	b = binary.BigEndian.AppendUint64(b, timestamp)
	b = append(b, byte(len(c.Origin))) //nolint:gosec // as above
	b = append(b, c.Origin...)
	b = binary.BigEndian.AppendUint64(b, 0) // start: a checkpoint's tree begins at leaf 0
	b = binary.BigEndian.AppendUint64(b, c.Size)
	return append(b, c.Root[:]...), nil
}
