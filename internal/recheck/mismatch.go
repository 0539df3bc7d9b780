package recheck

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// maxShown bounds each piece of evidence, in bytes: a hash tile.
const maxShown = tileWidth * sha256.Size

// MismatchError says that the store does not bear out what was to be signed. It carries the evidence.
type MismatchError struct {
	What  string // what is wrong, as "hash tile 3 of level 0"
	Where string // its key or file; empty for the root to be signed

	// Stored is what is there, nil if nothing is; of the root to be signed it is that root. Computed is what the stored
	// entries say it should be, nil if that can't be known.
	Stored, Computed []byte

	// Entry is the stored entry at which it was found, nil if none.
	Entry []byte
	Index uint64 // of the entry at which it was found

	// Size and Root were to be signed. SignedSize and SignedRoot were passed last.
	Size       uint64
	Root       Hash
	SignedSize uint64
	SignedRoot Hash
}

// Error implements error.
func (e *MismatchError) Error() string {
	return fmt.Sprintf("the stored log does not bear out size %d: %s, found at entry %d, is %s, should be %s. "+
		"Nothing is signed, readers are served. Keep a copy of the data directory, test memory and disk, run fsck, then restart",
		e.Size, e.What, e.Index, digest(e.Stored), digest(e.Computed))
}

// digest shows a value short.
func digest(b []byte) string {
	switch {
	case b == nil:
		return "missing"
	case len(b) <= sha256.Size:
		return hex.EncodeToString(b)
	}
	return fmt.Sprintf("%d bytes with SHA-256 %x", len(b), sha256.Sum256(b))
}

// Evidence is the whole of it as text for a human, at most 64 KiB.
func (e *MismatchError) Evidence() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "The second path before signing found the stored log to be wrong.\n\n")
	fmt.Fprintf(&b, "to be signed    size %d, root %x\n", e.Size, e.Root)
	fmt.Fprintf(&b, "verified before size %d, root %x\n", e.SignedSize, e.SignedRoot)
	fmt.Fprintf(&b, "wrong           %s\n", e.What)
	if e.Where != "" {
		fmt.Fprintf(&b, "it lies in      %s\n", e.Where)
	}
	fmt.Fprintf(&b, "found at        entry %d\n", e.Index)
	for _, part := range []struct {
		name string
		data []byte
	}{{"stored", e.Stored}, {"computed from the stored entries", e.Computed}, {"stored entry", e.Entry}} {
		fmt.Fprintf(&b, "\n%s: %s\n", part.name, digest(part.data))
		if len(part.data) > sha256.Size {
			lines(&b, part.data)
		}
	}
	return b.Bytes()
}

// lines writes data in hex, a hash to a line.
func lines(b *bytes.Buffer, data []byte) {
	shown := data[:min(len(data), maxShown)]
	for at := 0; at < len(shown); at += sha256.Size {
		fmt.Fprintf(b, "%5d  %x\n", at, shown[at:min(at+sha256.Size, len(shown))])
	}
	if len(shown) < len(data) {
		fmt.Fprintf(b, "and %d bytes more\n", len(data)-len(shown))
	}
}
