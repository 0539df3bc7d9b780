package tile

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/cityproof/cityproof/internal/proof"
)

// MaxEntrySize is the largest entry in bytes: a bundle has two bytes for the length.
const MaxEntrySize = math.MaxUint16

const hashSize = len(proof.Hash{})

// AppendTile appends the bytes of a hash tile, the hashes one after the other, to dst.
func AppendTile(dst []byte, hashes []proof.Hash) []byte {
	for i := range hashes {
		dst = append(dst, hashes[i][:]...)
	}
	return dst
}

// ParseTile reads a hash tile of exactly the given width, 1 to FullWidth.
func ParseTile(data []byte, width int) ([]proof.Hash, error) {
	if width < 1 || width > FullWidth {
		return nil, fmt.Errorf("parsing tile: width %d is out of range", width)
	}
	if len(data) != width*hashSize {
		return nil, fmt.Errorf("parsing tile: got %d bytes, want %d for width %d", len(data), width*hashSize, width)
	}
	hashes := make([]proof.Hash, width)
	for i := range hashes {
		copy(hashes[i][:], data[i*hashSize:])
	}
	return hashes, nil
}

// AppendEntry appends an entry as a bundle holds it to dst: two bytes of length, big-endian, then the entry. It refuses
// entries over MaxEntrySize and then returns dst as it was.
func AppendEntry(dst, entry []byte) ([]byte, error) {
	if len(entry) > MaxEntrySize {
		return dst, fmt.Errorf("appending entry to bundle: %d bytes, at most %d allowed", len(entry), MaxEntrySize)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(entry))) //nolint:gosec // at most MaxEntrySize, checked above
	return append(dst, entry...), nil
}

// ParseBundle reads an entry bundle of exactly the given width, 1 to FullWidth, with nothing after the last entry. The
// entries are parts of data, not copies, and each is capped so that appending to one cannot overwrite the next.
func ParseBundle(data []byte, width int) ([][]byte, error) {
	if width < 1 || width > FullWidth {
		return nil, fmt.Errorf("parsing entry bundle: width %d is out of range", width)
	}
	entries := make([][]byte, width)
	for i := range entries {
		if len(data) < 2 {
			return nil, fmt.Errorf("parsing entry bundle: data ends before entry %d of %d", i, width)
		}
		n := int(binary.BigEndian.Uint16(data))
		if data = data[2:]; len(data) < n {
			return nil, fmt.Errorf("parsing entry bundle: data ends inside entry %d of %d", i, width)
		}
		entries[i], data = data[:n:n], data[n:]
	}
	if len(data) != 0 {
		return nil, fmt.Errorf("parsing entry bundle: %d bytes after the last of %d entries", len(data), width)
	}
	return entries, nil
}
