package logstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

const tileSize = tile.FullWidth * len(proof.Hash{})

// What one call of Entries returns at most: a reader must not be able to ask for the whole log at once (I8).
const (
	MaxEntries      = 1024
	maxEntriesBytes = 8 << 20
)

// Entry returns the entry at index.
func (l *Log) Entry(index uint64) ([]byte, error) {
	entries, err := l.Entries(index, 1)
	if err != nil {
		return nil, err
	}
	return entries[0], nil
}

// Entries returns the entries from first on, up to n of them. It returns fewer at the end of the log and when they are
// more than MaxEntries or 8 MiB, but at least one if there is one. They are compared with the tree: bytes that are not
// those that were appended are a *DamagedError.
func (l *Log) Entries(first uint64, n int) ([][]byte, error) {
	h := l.head.Load()
	if first >= h.size || n <= 0 {
		return nil, fmt.Errorf("reading %d entries from %d of %d: %w", n, first, h.size, ErrOutOfRange)
	}
	end := first + min(uint64(n), MaxEntries, h.size-first)
	entries := make([][]byte, 0, end-first)
	left := maxEntriesBytes
	for at := first; at < end; {
		from := int(at % tile.FullWidth)
		to := int(min(tile.FullWidth, uint64(from)+end-at))
		part, err := l.readEntries(h, at/tile.FullWidth, from, to, left)
		if err != nil {
			return nil, err
		}
		for _, entry := range part {
			if left -= len(entry); left < 0 && len(entries) > 0 {
				return entries, nil
			}
			entries = append(entries, entry)
		}
		at += uint64(len(part))
		if len(part) < to-from {
			break
		}
	}
	return entries, nil
}

// readEntries reads entries of one bundle, as entrystore.View.Entries does, and compares them with the tree.
func (l *Log) readEntries(h *head, n uint64, from, to, maxBytes int) ([][]byte, error) {
	entries, err := h.entries.Entries(l.db.Reader(), n, from, to, maxBytes)
	if err == nil {
		err = l.compare(n, from, entries)
	}
	if err != nil {
		return nil, fmt.Errorf("reading entries: %w", l.tellDamage(damaged(err)))
	}
	return entries, nil
}

// compare checks entries of bundle n, from its entry number from on, against the leaf hashes of the tree.
func (l *Log) compare(n uint64, from int, entries [][]byte) error {
	nodes, err := l.expanded(0, n, from+len(entries))
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if proof.LeafHash(entry) != nodes.Hashes()[from+i] {
			return &DamagedError{Key: bundleKey(n), Detail: fmt.Sprintf("entry %d does not have the leaf hash of the tree", n*tile.FullWidth+uint64(from+i))}
		}
	}
	return nil
}

// Bundle returns the entry bundle n of the given width, 1 to 256, as c2sp.org/tlog-tiles serves it. It is compared with
// the tree as Entries are.
func (l *Log) Bundle(n uint64, width int) ([]byte, error) {
	id := tile.ID{Entries: true, Index: n, Width: width}
	h := l.head.Load()
	if !covered(0, n, width, h.size) {
		return nil, fmt.Errorf("reading an entry bundle: %w", ErrOutOfRange)
	}
	data, err := h.entries.Bundle(l.db.Reader(), n, width)
	if err == nil {
		err = l.compareBundle(n, width, data)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, l.tellDamage(damaged(err)))
	}
	return data, nil
}

func (l *Log) compareBundle(n uint64, width int, data []byte) error {
	entries, err := tile.ParseBundle(data, width)
	if err != nil {
		return &DamagedError{Key: bundleKey(n), Detail: err.Error()}
	}
	return l.compare(n, 0, entries)
}

// tellDamage passes an error on, after it has told Options.OnDamage if it is a damage, also one that Pebble found.
func (l *Log) tellDamage(err error) error {
	var d *DamagedError
	if pebble.IsCorruptionError(err) && !errors.As(err, &d) {
		detail, _, _ := strings.Cut(err.Error(), "\n") // the rest is for Pebble's developers
		err = &DamagedError{Detail: detail}
	}
	if l.opts.OnDamage != nil && errors.As(err, &d) {
		l.opts.OnDamage(d)
	}
	return err
}

// Tile implements tile.Source: the first width hashes of tile n at a level, for any width that a tree of a size up to the
// head has there. They are compared with the tree, as Expanded says.
func (l *Log) Tile(ctx context.Context, level int, n uint64, width int) ([]proof.Hash, error) {
	nodes, err := l.Expanded(ctx, level, n, width)
	if err != nil {
		return nil, err
	}
	return nodes.Hashes()[:width:width], nil
}

// covered says whether a tree of the given size has width hashes in tile n at level.
func covered(level int, n uint64, width int, size uint64) bool {
	if level < 0 || level >= tile.Levels || width < 1 || width > tile.FullWidth {
		return false
	}
	hashes := size >> (tile.Height * level)
	return n <= hashes/tile.FullWidth && n*tile.FullWidth+uint64(width) <= hashes
}

// readTile reads a stored full tile.
func readTile(r pebble.Reader, level int, n uint64) ([]proof.Hash, error) {
	id := tile.ID{Level: level, Index: n, Width: tile.FullWidth}
	key := pebbledb.TileKey(uint8(level), n)
	data, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		err = &DamagedError{Key: key, Detail: "missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, err)
	}
	defer closer.Close()
	if len(data) != tileSize {
		return nil, fmt.Errorf("reading %v: %w", id, &DamagedError{Key: key, Detail: fmt.Sprintf("%d bytes, want %d", len(data), tileSize)})
	}
	hashes, err := tile.ParseTile(data, tile.FullWidth)
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, err)
	}
	return hashes, nil
}

// IndexByIdentity returns the index of the leaf with this identity.
func (l *Log) IndexByIdentity(identity [32]byte) (index uint64, ok bool, err error) {
	return l.lookUp(pebbledb.PrefixIdentity, identity)
}

// IndexByLeafHash returns the index of the first leaf with this hash.
func (l *Log) IndexByLeafHash(hash proof.Hash) (index uint64, ok bool, err error) {
	return l.lookUp(pebbledb.PrefixLeafHash, hash)
}

// lookUp hides what a commit has put into the database but has not synced yet: after a crash that index may be another
// leaf's.
func (l *Log) lookUp(prefix byte, hash [32]byte) (uint64, bool, error) {
	size, _ := l.Head()
	index, ok, err := lookUp(l.db.Reader(), prefix, hash)
	if err != nil || !ok || index >= size {
		return 0, false, err
	}
	return index, true, nil
}

func lookUp(r pebble.Reader, prefix byte, hash [32]byte) (uint64, bool, error) {
	var key [1 + len(hash)]byte
	key[0] = prefix
	copy(key[1:], hash[:])
	value, closer, err := r.Get(key[:])
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("looking up %x under %q: %w", hash, prefix, err)
	}
	defer closer.Close()
	if len(value) != 8 {
		return 0, false, fmt.Errorf("looking up %x under %q: %w", hash, prefix, &DamagedError{Key: key[:], Detail: fmt.Sprintf("%d bytes, want 8", len(value))})
	}
	return binary.BigEndian.Uint64(value), true, nil
}

// InclusionProof proves the leaf at index in the tree of a size up to the head.
func (l *Log) InclusionProof(ctx context.Context, index, size uint64) ([]proof.Hash, error) {
	if head, _ := l.Head(); size > head || index >= size {
		return nil, fmt.Errorf("proving index %d in size %d of a log of %d: %w", index, size, head, ErrOutOfRange)
	}
	return tile.InclusionProof(ctx, l, index, size)
}

// ConsistencyProof proves that the tree of size newSize, up to the head, begins with that of oldSize.
func (l *Log) ConsistencyProof(ctx context.Context, oldSize, newSize uint64) ([]proof.Hash, error) {
	if head, _ := l.Head(); newSize > head || oldSize > newSize {
		return nil, fmt.Errorf("proving consistency of %d with %d in a log of %d: %w", oldSize, newSize, head, ErrOutOfRange)
	}
	return tile.ConsistencyProof(ctx, l, oldSize, newSize)
}

// Root returns the root of the tree of a size up to the head.
func (l *Log) Root(ctx context.Context, size uint64) (proof.Hash, error) {
	h := l.head.Load()
	switch {
	case size > h.size:
		return proof.Hash{}, fmt.Errorf("computing the root of %d in a log of %d: %w", size, h.size, ErrOutOfRange)
	case size == h.size:
		return h.root, nil
	}
	return tile.Root(ctx, l, size)
}
