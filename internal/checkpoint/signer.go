package checkpoint

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/proof"
)

// Signer signs notes with one key. It is safe for concurrent use if the key is.
type Signer struct {
	verifier *Verifier
	key      crypto.Signer
}

// NewSigner returns a signer. key is a crypto.Signer, so that it can live in an agent, another process or an HSM: its
// public key must be an ed25519.PublicKey, or for TypeMLDSA44 a *mldsa.PublicKey of ML-DSA-44. It is asked to sign whole
// messages, with options whose HashFunc is 0.
func NewSigner(name string, typ KeyType, key crypto.Signer) (*Signer, error) {
	var raw []byte
	switch pub := key.Public().(type) {
	case ed25519.PublicKey:
		raw = pub
	case *mldsa.PublicKey:
		raw = pub.Bytes()
	default:
		return nil, fmt.Errorf("making signer %s: public key is a %T", name, pub)
	}
	// The length of the key tells whether it fits the type.
	v, err := NewVerifier(VKey{Name: name, Type: typ, Key: bytes.Clone(raw)})
	if err != nil {
		return nil, fmt.Errorf("making signer %s: %w", name, err)
	}
	return &Signer{verifier: v, key: key}, nil
}

// Key returns the public side of the key.
func (s *Signer) Key() VKey {
	return s.verifier.key
}

// Sign signs the text of a note. now is put into signatures that carry a time, and must lie after 1970 for them; the
// caller sees to it that it never goes back. Those signatures are also only made of checkpoints.
//
// The signature is verified before it is returned: one made wrong by a fault is useless to readers, and with Ed25519
// gives the private key away.
func (s *Signer) Sign(text string, now time.Time) (Signature, error) {
	k := s.verifier.key
	var timestamp uint64
	var sig []byte
	if k.Type != TypeEd25519 {
		if now.Unix() <= 0 {
			return Signature{}, fmt.Errorf("signing as %v: time %v is not after 1970", k, now)
		}
		timestamp = uint64(now.Unix()) //nolint:gosec // positive, checked above
		sig = binary.BigEndian.AppendUint64(sig, timestamp)
	}
	msg, err := signedMessage(k, timestamp, text)
	if err != nil {
		return Signature{}, fmt.Errorf("signing as %v: %w", k, err)
	}
	raw, err := s.key.Sign(rand.Reader, msg, crypto.Hash(0))
	if err != nil {
		return Signature{}, fmt.Errorf("signing as %v: %w", k, err)
	}
	signature := Signature{Name: k.Name, KeyID: s.verifier.id, Sig: append(sig, raw...)}
	if _, err := s.verifier.Verify(text, signature); err != nil {
		return Signature{}, fmt.Errorf("signing as %v: key made a bad signature: %w", k, err)
	}
	return signature, nil
}

// Sign returns the signed note of a log's checkpoint. The signers are the log's own, named like the origin: one of
// TypeEd25519, which tlog-tiles demands, and in our logs one of TypeMLDSA44. Their lines follow in the order of their
// types, Ed25519 first.
//
// It refuses extension lines, which no monitor could audit. It does not know what was signed before: the caller makes
// sure that c extends it.
func Sign(c Checkpoint, now time.Time, signers ...*Signer) ([]byte, error) {
	if err := checkSigners(c, signers); err != nil {
		return nil, fmt.Errorf("signing checkpoint of %s: %w", c.Origin, err)
	}
	text, err := FormatCheckpoint(c)
	if err != nil {
		return nil, fmt.Errorf("signing checkpoint of %s: %w", c.Origin, err)
	}
	signers = slices.SortedStableFunc(slices.Values(signers), func(a, b *Signer) int {
		return cmp.Compare(a.Key().Type, b.Key().Type)
	})
	n := &Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign(text, now)
		if err != nil {
			return nil, fmt.Errorf("signing checkpoint of %s: %w", c.Origin, err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	return FormatNote(n)
}

func checkSigners(c Checkpoint, signers []*Signer) error {
	if len(c.Extensions) > 0 {
		return errors.New("it has extension lines")
	}
	if c.Size == 0 && c.Root != proof.EmptyRoot() {
		return fmt.Errorf("root of the empty tree: %w", proof.ErrMismatch)
	}
	var verifiers []*Verifier
	classical := false
	for _, s := range signers {
		if s.Key().Name != c.Origin {
			return fmt.Errorf("key %v is not named like the origin", s.Key())
		}
		classical = classical || s.Key().Type == TypeEd25519
		verifiers = append(verifiers, s.verifier)
	}
	if !classical {
		return errors.New("no Ed25519 key of the log given")
	}
	_, err := knownKeys(verifiers, nil)
	return err
}
