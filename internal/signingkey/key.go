package signingkey

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/canonical"
)

// Role says what a key is for. A raw key has one role, for ever.
type Role string

// The roles.
const (
	Publisher Role = "publisher"
	Log       Role = "log"
	Witness   Role = "witness"
	Mirror    Role = "mirror"
	Node      Role = "node"     // for what the node itself states
	TLS       Role = "tls"      // of the certificate between nodes
	Recovery  Role = "recovery" // rotates a member's others; kept offline
	Act       Role = "act"      // signs the registry's acts
	Root      Role = "root"     // signs root metadata; kept offline
)

// Roles lists all roles.
func Roles() []Role { return []Role{Publisher, Log, Witness, Mirror, Node, TLS, Recovery, Act, Root} }

// Algorithm is a signature algorithm.
type Algorithm string

// The algorithms. A log has a key of each; everybody else has Ed25519.
const (
	Ed25519 Algorithm = "ed25519"
	MLDSA44 Algorithm = "ml-dsa-44"
)

const seedSize = 32

// Key is a private key with what it is for.
type Key struct {
	Role      Role
	Label     string
	Algorithm Algorithm
	seed      [seedSize]byte
	signer    crypto.Signer
}

// Generate makes a new key from the system's randomness.
func Generate(role Role, label string, alg Algorithm) (*Key, error) {
	k := &Key{Role: role, Label: label, Algorithm: alg}
	if _, err := rand.Read(k.seed[:]); err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	if err := k.init(); err != nil {
		return nil, fmt.Errorf("generating key: %w", err)
	}
	return k, nil
}

func (k *Key) init() error {
	if !known(k.Role) {
		return fmt.Errorf("unknown role %q", k.Role)
	}
	if !validLabel(k.Label) {
		return fmt.Errorf("label %q: want lower-case letters, digits and hyphens, at most 64", k.Label)
	}
	switch {
	case k.Algorithm == Ed25519:
		k.signer = ed25519.NewKeyFromSeed(k.seed[:])
	case k.Algorithm == MLDSA44 && k.Role == Log:
		priv, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), k.seed[:])
		if err != nil {
			return err
		}
		k.signer = priv
	default:
		return fmt.Errorf("algorithm %q for a %s key", k.Algorithm, k.Role)
	}
	return nil
}

func known(r Role) bool {
	for _, have := range Roles() {
		if r == have {
			return true
		}
	}
	return false
}

func validLabel(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// Signer signs with the key.
func (k *Key) Signer() crypto.Signer { return k.signer }

// Public is the raw public key: 32 bytes of Ed25519, 1,312 of ML-DSA-44.
func (k *Key) Public() []byte {
	switch pub := k.signer.Public().(type) {
	case ed25519.PublicKey:
		return pub
	case *mldsa.PublicKey:
		return pub.Bytes()
	}
	return nil
}

const (
	header  = "cityproof-key 1"
	comment = "# Cityproof key. Keep it secret; whoever holds it can sign as you.\n"
)

// Format writes the key file's text, not encrypted.
func (k *Key) Format() []byte {
	return fmt.Appendf([]byte(comment), "%s\nrole %s\nlabel %s\nalgorithm %s\nseed %s\n",
		header, k.Role, k.Label, k.Algorithm, base64.StdEncoding.EncodeToString(k.seed[:]))
}

// ErrNotKey says that a file is no key file.
var ErrNotKey = errors.New("not a Cityproof key file")

// Parse reads a key file's text, not encrypted. Errors never quote the seed.
func Parse(b []byte) (*Key, error) {
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(b), "\n"), "\n") {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 5 || lines[0] != header {
		return nil, ErrNotKey
	}
	values := make([]string, 5)
	for i, name := range []string{"", "role ", "label ", "algorithm ", "seed "} {
		v, ok := strings.CutPrefix(lines[i], name)
		if !ok {
			return nil, fmt.Errorf("%w: line %d should begin with %q", ErrNotKey, i+1, name)
		}
		values[i] = v
	}
	k := &Key{Role: Role(values[1]), Label: values[2], Algorithm: Algorithm(values[3])}
	seed, err := canonical.ParseBase64(values[4])
	if err != nil || len(seed) != seedSize {
		return nil, fmt.Errorf("%w: the seed is damaged", ErrNotKey)
	}
	k.seed = [seedSize]byte(seed)
	if err := k.init(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	return k, nil
}
