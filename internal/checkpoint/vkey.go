package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/proof"
)

// KeyType is the byte that tells what a key signs and how: c2sp.org/signed-note, "Signature types". Types never stand
// in for one another: the same bytes under another type are another signature.
type KeyType byte

// The types that this package knows.
const (
	// TypeEd25519 is a log's Ed25519 signature over the note's text.
	TypeEd25519 KeyType = 0x01
	// TypeEd25519Cosignature is a witness's or mirror's Ed25519 signature over a time and the note's text.
	TypeEd25519Cosignature KeyType = 0x04
	// TypeMLDSA44 is an ML-DSA-44 signature over the signer's name, a time, the origin, the size and the root. Logs sign
	// their own checkpoints with it, too.
	TypeMLDSA44 KeyType = 0x06
)

// String returns a name for people.
func (t KeyType) String() string {
	switch t {
	case TypeEd25519:
		return "Ed25519"
	case TypeEd25519Cosignature:
		return "Ed25519 cosignature"
	case TypeMLDSA44:
		return "ML-DSA-44"
	}
	return fmt.Sprintf("unknown type %#02x", byte(t))
}

const (
	// MaxNameSize is the most bytes of a verifier key's name: ML-DSA-44 signed messages have one byte for its length.
	MaxNameSize = 255

	maxVKeySize = MaxNameSize + len("+01234567+") + (1+mldsa.MLDSA44PublicKeySize+2)/3*4
)

// VKey is a verifier key: a public key with a name and a type. Values come from ParseVKey or NewVKey, which check them,
// and are not changed afterwards: copies share the bytes of the key.
type VKey struct {
	Name string
	Type KeyType
	// Key is the public key: 32 bytes for Ed25519, 1,312 for ML-DSA-44.
	Key []byte
}

// NewVKey checks the parts of a verifier key and puts them together. Every error wraps ErrMalformed.
func NewVKey(name string, typ KeyType, key []byte) (VKey, error) {
	k := VKey{Name: name, Type: typ, Key: bytes.Clone(key)}
	if err := k.check(); err != nil {
		return VKey{}, fmt.Errorf("making verifier key: %w", err)
	}
	return k, nil
}

func (k VKey) check() error {
	if err := checkName(k.Name); err != nil {
		return err
	}
	if len(k.Name) > MaxNameSize {
		return fmt.Errorf("%w: key name has %d bytes, at most %d allowed", ErrMalformed, len(k.Name), MaxNameSize)
	}
	switch k.Type {
	case TypeEd25519, TypeEd25519Cosignature:
		return CheckEd25519Key(k.Key)
	case TypeMLDSA44:
		if len(k.Key) != mldsa.MLDSA44PublicKeySize {
			return fmt.Errorf("%w: ML-DSA-44 key has %d bytes, want %d", ErrMalformed, len(k.Key), mldsa.MLDSA44PublicKeySize)
		}
		return nil
	}
	return fmt.Errorf("%w: key of %v", ErrMalformed, k.Type)
}

// ID returns the key ID: the first four bytes of SHA-256(name, newline, type, key).
func (k VKey) ID() uint32 {
	h := sha256.New()
	h.Write([]byte(k.Name))
	h.Write([]byte{'\n', byte(k.Type)})
	h.Write(k.Key)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

// Equal reports whether two verifier keys are the same in all parts.
func (k VKey) Equal(other VKey) bool {
	return k.Name == other.Name && k.Type == other.Type && bytes.Equal(k.Key, other.Key)
}

// String returns name, key ID and type, short enough for an error. FormatVKey gives the whole key.
func (k VKey) String() string {
	return fmt.Sprintf("%s+%08x (%v)", k.Name, k.ID(), k.Type)
}

// FormatVKey returns the text of a verifier key: name+hex(ID)+base64(type, key).
func FormatVKey(k VKey) string {
	raw := append([]byte{byte(k.Type)}, k.Key...)
	return fmt.Sprintf("%s+%08x+%s", k.Name, k.ID(), base64.StdEncoding.EncodeToString(raw))
}

// ParseVKey is the inverse of FormatVKey. It refuses key IDs that are not the hash of the rest, and keys that
// CheckEd25519Key refuses. Every error wraps ErrMalformed.
func ParseVKey(s string) (VKey, error) {
	if len(s) > maxVKeySize {
		return VKey{}, fmt.Errorf("parsing verifier key: %w: %d characters, at most %d allowed", ErrMalformed, len(s), maxVKeySize)
	}
	// Base64 may hold plus signs too; names and hex may not.
	name, rest, _ := strings.Cut(s, "+")
	id, text, ok := strings.Cut(rest, "+")
	if !ok {
		return VKey{}, fmt.Errorf("parsing verifier key: %w: not of the form name+id+key", ErrMalformed)
	}
	raw, err := proof.ParseBase64(text)
	if err != nil {
		return VKey{}, fmt.Errorf("parsing verifier key: %w: %w", ErrMalformed, err)
	}
	if len(raw) == 0 {
		return VKey{}, fmt.Errorf("parsing verifier key: %w: key is empty", ErrMalformed)
	}
	k := VKey{Name: name, Type: KeyType(raw[0]), Key: raw[1:]}
	if err := k.check(); err != nil {
		return VKey{}, fmt.Errorf("parsing verifier key: %w", err)
	}
	if want := fmt.Sprintf("%08x", k.ID()); id != want {
		return VKey{}, fmt.Errorf("parsing verifier key: %w: key ID is not %s, the hash of name and key", ErrMalformed, want)
	}
	return k, nil
}
