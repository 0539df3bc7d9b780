package declaration

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/cityproof/cityproof/internal/canonical"
)

// PayloadType is the DSSE payload type of a statement. Types differ for
// statements, acts and evidence, so none passes for another.
const PayloadType = "application/vnd.cityproof.statement.v1+json"

// maxSignatures of one envelope: a request to join is signed by every key of a member.
const maxSignatures = 32

// KeyID names a publisher key: SHA-256 of its 32 raw bytes.
type KeyID [sha256.Size]byte

// KeyIDOf returns the key's id.
func KeyIDOf(key ed25519.PublicKey) KeyID { return sha256.Sum256(key) }

func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// Signature is one publisher's Ed25519 signature over the envelope's PAE.
type Signature struct {
	KeyID KeyID
	Sig   []byte // 64 bytes
}

// Envelope is a DSSE envelope (github.com/secure-systems-lab/dsse), narrowed to
// one encoding: canonical JSON, standard padded base64, keyids distinct and in
// ascending order, keys as SHA-256 in lower-case hex.
type Envelope struct {
	PayloadType string
	Payload     []byte
	Signatures  []Signature // 1 to 32
}

// ParseEnvelope reads an entry of the log that is an envelope. It accepts exactly
// what Format writes, of at most MaxEntry bytes.
func ParseEnvelope(b []byte) (*Envelope, error) {
	if len(b) > MaxEntry {
		return nil, fmt.Errorf("parsing envelope: %d bytes, more than %d", len(b), MaxEntry)
	}
	e := &Envelope{}
	d := canonical.NewDecoder(b)
	seen := 0
	err := d.Object(func(key []byte) (err error) {
		seen++
		switch string(key) {
		case "payload":
			e.Payload, err = d.Bytes()
		case "payloadType":
			e.PayloadType, err = d.String()
		case "signatures":
			err = d.Array(func(i int) error { return e.parseSignature(d, i) })
		default:
			err = fmt.Errorf("unknown key %s", canonical.Quote(key))
		}
		return err
	})
	if err == nil {
		err = d.End()
	}
	if err == nil && seen != 3 {
		err = errors.New("want payload, payloadType and signatures")
	}
	if err != nil {
		return nil, fmt.Errorf("parsing envelope: %w", err)
	}
	return e, nil
}

func (e *Envelope) parseSignature(d *canonical.Decoder, i int) error {
	if i == maxSignatures {
		return fmt.Errorf("more than %d signatures", maxSignatures)
	}
	var s Signature
	seen := 0
	if err := d.Object(func(key []byte) (err error) {
		seen++
		switch string(key) {
		case "keyid":
			s.KeyID, err = readHex(d)
		case "sig":
			if s.Sig, err = d.Bytes(); err == nil && len(s.Sig) != ed25519.SignatureSize {
				err = fmt.Errorf("a signature of %d bytes, want %d", len(s.Sig), ed25519.SignatureSize)
			}
		default:
			err = fmt.Errorf("unknown key %s in a signature", canonical.Quote(key))
		}
		return err
	}); err != nil {
		return err
	}
	if seen != 2 {
		return errors.New("a signature needs keyid and sig")
	}
	if i > 0 && bytes.Compare(e.Signatures[i-1].KeyID[:], s.KeyID[:]) >= 0 {
		return errors.New("keyids must be distinct and in ascending order")
	}
	e.Signatures = append(e.Signatures, s)
	return nil
}

// Format writes the envelope as it goes into the log. It must hold what
// ParseEnvelope and Sign let through; Format does not check that.
func (e *Envelope) Format() []byte {
	b := append(make([]byte, 0, len(e.Payload)*4/3+400), `{"payload":`...)
	b = canonical.AppendBytes(b, e.Payload)
	b = append(b, `,"payloadType":`...)
	b = canonical.AppendString(b, e.PayloadType)
	b = append(b, `,"signatures":[`...)
	for i, s := range e.Signatures {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"keyid":`...)
		b = canonical.AppendString(b, s.KeyID.String())
		b = append(b, `,"sig":`...)
		b = canonical.AppendBytes(b, s.Sig)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// PAE is DSSE's pre-authentication encoding: the bytes that are signed.
func (e *Envelope) PAE() []byte {
	b := append(make([]byte, 0, len(e.Payload)+len(e.PayloadType)+32), "DSSEv1 "...)
	b = strconv.AppendInt(b, int64(len(e.PayloadType)), 10)
	b = append(b, ' ')
	b = append(b, e.PayloadType...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(len(e.Payload)), 10)
	b = append(b, ' ')
	return append(b, e.Payload...)
}

// Identity is SHA-256 of the PAE: two envelopes of one payload are one statement,
// however they are wrapped.
func (e *Envelope) Identity() [sha256.Size]byte { return sha256.Sum256(e.PAE()) }

// ErrUnknownKey says that a signature is by a key that the verifier doesn't accept.
var ErrUnknownKey = errors.New("signed by a key that may not sign here")

// ErrBadSignature says that a signature by an accepted key does not verify.
var ErrBadSignature = errors.New("the signature does not verify")

// Verify checks every signature. key returns the public key of an id that the
// verifier accepts, and false otherwise. All signatures must be by accepted keys
// and verify: a stray one would make the same statement look different in
// different places.
func (e *Envelope) Verify(key func(KeyID) (ed25519.PublicKey, bool)) error {
	if len(e.Signatures) == 0 {
		return ErrUnknownKey
	}
	pae := e.PAE()
	for _, s := range e.Signatures {
		pub, ok := key(s.KeyID)
		if !ok {
			return fmt.Errorf("%w (key id %s)", ErrUnknownKey, s.KeyID)
		}
		if len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, pae, s.Sig) {
			return fmt.Errorf("%w (key id %s)", ErrBadSignature, s.KeyID)
		}
	}
	return nil
}

// Sign wraps a payload and signs it with each key. Signers must be Ed25519, 1 to
// 32 in number, no key twice.
//
// Each signature is verified before it is returned: one made wrong by a fault is
// useless, and with Ed25519 gives the private key away.
func Sign(payloadType string, payload []byte, signers ...crypto.Signer) (*Envelope, error) {
	return (&Envelope{PayloadType: payloadType, Payload: payload}).Countersign(signers...)
}

// Countersign returns the envelope with the signatures of more keys, as Sign makes
// them. Whether those already there verify is not checked.
func (e *Envelope) Countersign(signers ...crypto.Signer) (*Envelope, error) {
	if len(signers) == 0 || len(e.Signatures)+len(signers) > maxSignatures {
		return nil, fmt.Errorf("signing envelope: %d keys and %d signatures, want 1 to %d", len(signers), len(e.Signatures), maxSignatures)
	}
	signed := &Envelope{PayloadType: e.PayloadType, Payload: e.Payload, Signatures: slices.Clone(e.Signatures)}
	pae := e.PAE()
	for _, signer := range signers {
		pub, ok := signer.Public().(ed25519.PublicKey)
		if !ok {
			return nil, errors.New("signing envelope: the key is not Ed25519")
		}
		sig, err := signer.Sign(noRandom{}, pae, crypto.Hash(0))
		if err != nil {
			return nil, fmt.Errorf("signing envelope: %w", err)
		}
		if !ed25519.Verify(pub, pae, sig) {
			return nil, fmt.Errorf("signing envelope: the key made a bad signature: %w", ErrBadSignature)
		}
		signed.Signatures = append(signed.Signatures, Signature{KeyIDOf(pub), sig})
	}
	slices.SortFunc(signed.Signatures, func(a, b Signature) int { return bytes.Compare(a.KeyID[:], b.KeyID[:]) })
	if _, err := ParseEnvelope(signed.Format()); err != nil {
		return nil, fmt.Errorf("signing envelope: %w", err) // a key given twice, too long
	}
	return signed, nil
}

// noRandom is passed where crypto.Signer asks for randomness: Ed25519 uses none,
// and a signer that wanted some must not get a constant.
type noRandom struct{}

func (noRandom) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Signed is an entry of the log read as a declaration.
type Signed struct {
	Envelope  *Envelope
	Statement *Statement
}

// PayloadTypeError says that an envelope holds something else than a statement.
type PayloadTypeError struct{ PayloadType string }

func (e *PayloadTypeError) Error() string {
	return fmt.Sprintf("reading entry: payload type %s is not a statement's", canonical.Quote(e.PayloadType))
}

// ParseSigned reads an entry that holds a statement. Of what is well-formed and
// no statement of schema 1, errors are *PayloadTypeError and *UnknownSchemaError.
func ParseSigned(entry []byte) (*Signed, error) {
	e, err := ParseEnvelope(entry)
	if err != nil {
		return nil, err
	}
	if e.PayloadType != PayloadType {
		return nil, &PayloadTypeError{e.PayloadType}
	}
	s, err := ParseStatement(e.Payload)
	if err != nil {
		return nil, err
	}
	return &Signed{e, s}, nil
}
