package logstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

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

var _ tile.Source = (*Log)(nil)

// Entry returns the entry at index.
func (l *Log) Entry(index uint64) ([]byte, error) {
	if size, _ := l.Head(); index >= size {
		return nil, fmt.Errorf("reading entry %d of %d: %w", index, size, ErrOutOfRange)
	}
	entry, err := l.db.Get(pebbledb.Uint64Key(pebbledb.PrefixEntry, index))
	if err != nil {
		return nil, fmt.Errorf("reading entry %d: %w", index, damagedIfMissing(err))
	}
	return entry, nil
}

// Entries returns the entries from first on, up to n of them. It returns fewer at the end of the log and when they are
// more than MaxEntries or 8 MiB, but at least one if there is one.
func (l *Log) Entries(first uint64, n int) ([][]byte, error) {
	size, _ := l.Head()
	if first >= size || n <= 0 {
		return nil, fmt.Errorf("reading %d entries from %d of %d: %w", n, first, size, ErrOutOfRange)
	}
	end := first + min(uint64(n), MaxEntries, size-first)
	entries := make([][]byte, 0, end-first)
	bytes := 0
	err := scanEntries(l.db.Reader(), first, end, func(_ uint64, entry []byte) bool {
		if bytes += len(entry); bytes > maxEntriesBytes && len(entries) > 0 {
			return false
		}
		entries = append(entries, append([]byte(nil), entry...))
		return true
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// Bundle returns the entry bundle n of the given width, 1 to 256, as c2sp.org/tlog-tiles serves it.
func (l *Log) Bundle(n uint64, width int) ([]byte, error) {
	id := tile.ID{Entries: true, Index: n, Width: width}
	if size, _ := l.Head(); !covered(0, n, width, size) {
		return nil, fmt.Errorf("reading an entry bundle: %w", ErrOutOfRange)
	}
	var data []byte
	var appendErr error
	first := n * tile.FullWidth
	err := scanEntries(l.db.Reader(), first, first+uint64(width), func(_ uint64, entry []byte) bool {
		data, appendErr = tile.AppendEntry(data, entry)
		return appendErr == nil
	})
	if err := errors.Join(err, appendErr); err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, err)
	}
	return data, nil
}

// Tile implements tile.Source: the first width hashes of tile n at a level, for any width that a tree of a size up to the
// head has there.
func (l *Log) Tile(_ context.Context, level int, n uint64, width int) ([]proof.Hash, error) {
	h := l.head.Load()
	if !covered(level, n, width, h.size) {
		return nil, fmt.Errorf("reading a tile: %w", ErrOutOfRange)
	}
	if n == h.size>>(tile.Height*level)/tile.FullWidth {
		return h.partial[level][:width:width], nil
	}
	return readTile(l.db.Reader(), level, n, width)
}

// covered says whether a tree of the given size has width hashes in tile n at level.
func covered(level int, n uint64, width int, size uint64) bool {
	if level < 0 || level >= tile.Levels || width < 1 || width > tile.FullWidth {
		return false
	}
	hashes := size >> (tile.Height * level)
	return n <= hashes/tile.FullWidth && n*tile.FullWidth+uint64(width) <= hashes
}

// readTile reads the first width hashes of a stored full tile.
func readTile(r pebble.Reader, level int, n uint64, width int) ([]proof.Hash, error) {
	id := tile.ID{Level: level, Index: n, Width: tile.FullWidth}
	data, closer, err := r.Get(pebbledb.TileKey(uint8(level), n))
	if err != nil {
		return nil, fmt.Errorf("reading %v: %w", id, damagedIfMissing(err))
	}
	defer closer.Close()
	if len(data) != tileSize {
		return nil, fmt.Errorf("reading %v: %w", id, &DamagedError{Detail: fmt.Sprintf("%d bytes, want %d", len(data), tileSize)})
	}
	hashes, err := tile.ParseTile(data[:width*len(proof.Hash{})], width)
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
		return 0, false, fmt.Errorf("looking up %x under %q: %w", hash, prefix, &DamagedError{Detail: fmt.Sprintf("%d bytes, want 8", len(value))})
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

// scanEntries calls f with the entries of the indices first to end-1, until it returns false. The slice is valid only
// during the call. A missing entry is an error.
func scanEntries(r pebble.Reader, first, end uint64, f func(index uint64, entry []byte) bool) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound: pebbledb.Uint64Key(pebbledb.PrefixEntry, first),
		UpperBound: pebbledb.Uint64Key(pebbledb.PrefixEntry, end),
	})
	if err != nil {
		return fmt.Errorf("reading entries from %d: %w", first, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	at := first
	for it.First(); it.Valid(); it.Next() {
		if len(it.Key()) != 9 || binary.BigEndian.Uint64(it.Key()[1:]) != at {
			break
		}
		entry, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("reading entry %d: %w", at, err)
		}
		if !f(at, entry) {
			return nil
		}
		at++
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("reading entry %d: %w", at, err)
	}
	if at != end {
		return fmt.Errorf("reading entry %d: %w", at, &DamagedError{Detail: "missing"})
	}
	return nil
}
