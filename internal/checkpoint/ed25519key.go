package checkpoint

import (
	"bytes"
	"crypto/ed25519"
	"fmt"

	"filippo.io/edwards25519"
)

// CheckEd25519Key refuses public keys with which a signature proves nothing or that have a second encoding: points of
// small order (one signature may fit many messages, and implementations differ on which), y not below p (the same
// point has two keys, so "no key twice" could be passed by), and bytes that are no point at all. crypto/ed25519 checks
// none of this up front. Every error wraps ErrMalformed.
func CheckEd25519Key(raw []byte) error {
	if len(raw) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: Ed25519 key has %d bytes, want %d", ErrMalformed, len(raw), ed25519.PublicKeySize)
	}
	p, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return fmt.Errorf("%w: Ed25519 key is not a point of the curve", ErrMalformed)
	}
	if !bytes.Equal(p.Bytes(), raw) {
		return fmt.Errorf("%w: Ed25519 key is not in its canonical encoding", ErrMalformed)
	}
	if p.MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return fmt.Errorf("%w: Ed25519 key is a point of small order", ErrMalformed)
	}
	return nil
}
