package proof

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// MaxSize is the largest size of a tree, 2^63-1. Other implementations hold sizes in signed 64-bit integers; a larger
// tree would be one that they cannot check.
const MaxSize = math.MaxInt64

// MaxPath is the largest number of hashes in an inclusion or consistency proof: c2sp.org/tlog-witness, "add-checkpoint".
const MaxPath = 63

// maxSizeDigits is the length of MaxSize in decimal.
const maxSizeDigits = 19

// ErrMismatch is wrapped by every error which says that well-formed input was checked and is false: the hashes do not
// lead to the root. An error that does not wrap it says that the input could not be a proof of anything.
var ErrMismatch = errors.New("computed root differs from the stated one")

// Hash is a SHA-256 hash: of a leaf, of an inner node, or a root.
type Hash [sha256.Size]byte

// String returns h in standard base64 with padding, 44 characters, the only text form that C2SP formats use.
func (h Hash) String() string {
	return base64.StdEncoding.EncodeToString(h[:])
}

// ParseHash is the inverse of Hash.String. It refuses every other spelling of the same bytes.
func ParseHash(s string) (Hash, error) {
	if want := base64.StdEncoding.EncodedLen(sha256.Size); len(s) != want {
		return Hash{}, fmt.Errorf("parsing hash: got %d characters, want %d", len(s), want)
	}
	b, err := ParseBase64(s)
	if err != nil {
		return Hash{}, fmt.Errorf("parsing hash: %w", err)
	}
	if len(b) != sha256.Size {
		return Hash{}, fmt.Errorf("parsing hash: got %d bytes, want %d", len(b), sha256.Size)
	}
	return Hash(b), nil
}

// ParseBase64 decodes standard base64 with padding (RFC 4648, section 4) and refuses what the standard library lets
// pass: line breaks anywhere, and non-zero bits after the last byte. Without that one hash would have several texts.
func ParseBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("decoding base64: %w", err)
	}
	if base64.StdEncoding.EncodeToString(b) != s {
		return nil, errors.New("decoding base64: not the canonical encoding")
	}
	return b, nil
}

// ParseSize reads a tree size or leaf index as C2SP texts write it: ASCII decimal, no sign, no leading zero, at most
// MaxSize. strconv.FormatUint is its inverse.
func ParseSize(s string) (uint64, error) {
	if len(s) > maxSizeDigits {
		return 0, fmt.Errorf("parsing number: %d characters, at most %d allowed", len(s), maxSizeDigits)
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("parsing number %q: not plain decimal digits up to 2^63-1", s)
	}
	return n, nil
}

// RFC 6962, section 2.1: leaves and nodes are hashed under different prefixes, so that no node can be passed off as a
// leaf.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// LeafHash returns the hash of an entry as a leaf of the tree.
func LeafHash(entry []byte) Hash {
	// Entries are small (a declaration's statement is about 1 KiB); a buffer on the stack spares the log engine an
	// allocation for each of them.
	var buf [2048]byte
	if len(entry) < len(buf) {
		buf[0] = leafPrefix
		n := copy(buf[1:], entry)
		return sha256.Sum256(buf[:1+n])
	}
	d := sha256.New()
	d.Write([]byte{leafPrefix})
	d.Write(entry)
	var h Hash
	d.Sum(h[:0])
	return h
}

// NodeHash returns the hash of the inner node over l and r.
func NodeHash(l, r Hash) Hash {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = nodePrefix
	copy(buf[1:], l[:])
	copy(buf[1+sha256.Size:], r[:])
	return sha256.Sum256(buf[:])
}

// EmptyRoot returns the root of the tree without leaves, the hash of the empty string.
func EmptyRoot() Hash {
	return sha256.Sum256(nil)
}
