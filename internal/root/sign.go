package root

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Draft is what a version shall say.
type Draft struct {
	Version   int64
	Expires   time.Time
	Keys      []ed25519.PublicKey
	Threshold int
	Terms     Terms
}

// New makes an unsigned version. It refuses what Parse would.
func New(d Draft) (*Root, error) {
	meta := metadata.Root(d.Expires.UTC().Truncate(time.Second))
	meta.Signed.Version = d.Version
	meta.Signed.ConsistentSnapshot = false
	meta.Signed.Roles = map[string]*metadata.Role{metadata.ROOT: {KeyIDs: []string{}, Threshold: d.Threshold}}
	for _, k := range d.Keys {
		key, err := metadata.KeyFromPublicKey(k)
		if err != nil {
			return nil, fmt.Errorf("making root metadata: %w", err)
		}
		if err := meta.Signed.AddKey(key, metadata.ROOT); err != nil {
			return nil, fmt.Errorf("making root metadata: %w", err)
		}
	}
	slices.Sort(meta.Signed.Roles[metadata.ROOT].KeyIDs)
	meta.Signed.UnrecognizedFields = map[string]any{field: d.Terms}
	b, err := json.Marshal(map[string]any{"signed": meta.Signed, "signatures": meta.Signatures})
	if err != nil {
		return nil, fmt.Errorf("making root metadata: %w", err)
	}
	return Parse(b)
}

// Sign returns the version with one more signature, which replaces an earlier one by the same key. Holders sign one after
// another, on files, offline. prev is the version before, or nil; a key of neither is refused.
func (r *Root) Sign(prev *Root, signer crypto.Signer) (*Root, error) {
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("signing root metadata: the key is not Ed25519")
	}
	if !r.has(pub) && (prev == nil || !prev.has(pub)) {
		return nil, errors.New("signing root metadata: the key is no root key of this version, nor of the one before")
	}
	payload, err := r.payload()
	if err != nil {
		return nil, fmt.Errorf("signing root metadata: %w", err)
	}
	sig, err := signer.Sign(nil, payload, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("signing root metadata: %w", err)
	}
	if !verifyEd25519(pub, payload, sig) {
		return nil, errors.New("signing root metadata: the key made a bad signature")
	}
	id, err := keyID(pub)
	if err != nil {
		return nil, fmt.Errorf("signing root metadata: %w", err)
	}
	signed := *r.meta
	signed.Signatures = slices.DeleteFunc(slices.Clone(signed.Signatures), func(s metadata.Signature) bool { return s.KeyID == id })
	signed.Signatures = append(signed.Signatures, metadata.Signature{KeyID: id, Signature: sig})
	slices.SortFunc(signed.Signatures, func(a, b metadata.Signature) int { return strings.Compare(a.KeyID, b.KeyID) })
	return fromMetadata(&signed)
}

// payload is what is signed: the signed part as TUF's canonical JSON.
func (r *Root) payload() ([]byte, error) { return cjson.EncodeCanonical(r.meta.Signed) }

func (r *Root) has(pub ed25519.PublicKey) bool {
	return slices.ContainsFunc(r.Keys, func(k ed25519.PublicKey) bool { return k.Equal(pub) })
}

func (r *Root) signature(pub ed25519.PublicKey) []byte {
	id, err := keyID(pub)
	if err != nil {
		return nil
	}
	for _, s := range r.meta.Signatures {
		if s.KeyID == id {
			return s.Signature
		}
	}
	return nil
}

func keyID(pub ed25519.PublicKey) (string, error) {
	key, err := metadata.KeyFromPublicKey(pub)
	if err != nil {
		return "", err
	}
	return key.ID()
}

func verifyEd25519(pub ed25519.PublicKey, payload, sig []byte) bool {
	return len(sig) == ed25519.SignatureSize && ed25519.Verify(pub, payload, sig)
}
