package mirrorstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// What is read is compared with the tree: entries with their leaf hashes, a tile with its hash in the tile above, that one
// likewise, up to the right edge in memory.

// Tile implements tile.Source, of what is stored. A tile that is not part of the tree is a *DamagedError.
func (l *Log) Tile(_ context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	if hashes, ok := l.edgeTile(level, index); ok {
		if width > len(hashes) {
			return nil, fmt.Errorf("tile %d of level %d is beyond the end of the copy", index, level)
		}
		return hashes[:width], nil
	}
	hashes, err := l.full(level, index)
	if err != nil {
		return nil, err
	}
	return hashes[:width], nil
}

// edgeTile returns the hashes of the unfinished tile of a level, if that is what is asked for.
func (l *Log) edgeTile(level int, index uint64) ([]proof.Hash, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if level >= tile.Levels-1 || l.edge.Size()>>(tile.Height*(level+1)) != index {
		return nil, false
	}
	return l.edge.Partial(level), true
}

// full returns a full tile that has the hash that the tree has for it.
func (l *Log) full(level int, n uint64) ([]proof.Hash, error) {
	want, err := l.above(level, n)
	if err != nil {
		return nil, err
	}
	hashes, err := l.storedTile(level, n)
	if err != nil {
		return nil, err
	}
	if fold(hashes) != want {
		return nil, &DamagedError{Part{Kind: Tile, Level: level, Index: n}, "it does not have the hash that the tree above has for it"}
	}
	return hashes, nil
}

// above returns the hash that the tree has for full tile n of a level.
func (l *Log) above(level int, n uint64) (proof.Hash, error) {
	up, i := n/tile.FullWidth, n%tile.FullWidth
	if hashes, ok := l.edgeTile(level+1, up); ok {
		if i >= uint64(len(hashes)) {
			return proof.Hash{}, fmt.Errorf("tile %d of level %d is beyond the end of the copy", n, level)
		}
		return hashes[i], nil
	}
	hashes, err := l.full(level+1, up)
	if err != nil {
		return proof.Hash{}, err
	}
	return hashes[i], nil
}

// storedTile reads a full tile as it is stored.
func (l *Log) storedTile(level int, n uint64) ([]proof.Hash, error) {
	v, ok, err := l.get(l.tileKey(level, n))
	if err != nil {
		return nil, fmt.Errorf("tile %d of level %d: %w", n, level, err)
	}
	hashes, err := tile.ParseTile(v, tile.FullWidth)
	if !ok || err != nil {
		return nil, &DamagedError{Part{Kind: Tile, Level: level, Index: n}, "it is missing or cut short"}
	}
	return hashes, nil
}

func fold(hashes []proof.Hash) proof.Hash {
	var f proof.Range
	for _, h := range hashes {
		f.Append(h)
	}
	return f.Root()
}

// Bundle returns the first width entries of an entry bundle, as tlog-tiles has them. Entries that are not those of the
// tree are a *DamagedError.
func (l *Log) Bundle(index uint64, width int) ([]byte, error) {
	b, err := l.raw(index, width)
	if err != nil {
		return nil, err
	}
	entries, err := tile.ParseBundle(b, width)
	if err != nil {
		return nil, &DamagedError{Part{Kind: Bundle, Index: index}, err.Error()}
	}
	hashes, ok := l.edgeTile(0, index)
	if !ok {
		if hashes, err = l.full(0, index); err != nil {
			return nil, err
		}
	}
	for i, e := range entries {
		if i >= len(hashes) || proof.LeafHash(e) != hashes[i] {
			return nil, &DamagedError{Part{Kind: Bundle, Index: index}, fmt.Sprintf("entry %d does not have the leaf hash of the tree", index*tile.FullWidth+uint64(i))}
		}
	}
	return b, nil
}

// raw returns the first width entries of a bundle as they are stored.
func (l *Log) raw(index uint64, width int) ([]byte, error) {
	l.mu.RLock()
	size, whole := l.edge.Size(), l.partial
	l.mu.RUnlock()
	if index != size/tile.FullWidth {
		v, ok, err := l.get(l.numbered(kindEntries, index))
		if err != nil {
			return nil, fmt.Errorf("entry bundle %d: %w", index, err)
		}
		if !ok {
			return nil, &DamagedError{Part{Kind: Bundle, Index: index}, "it is missing"}
		}
		whole = v
	}
	b, err := cut(whole, width)
	if err != nil {
		return nil, &DamagedError{Part{Kind: Bundle, Index: index}, err.Error()}
	}
	return b, nil
}

// Entry returns the entry at an index below the size; it is compared with the tree as Bundle's are.
func (l *Log) Entry(index uint64) ([]byte, error) {
	width := int(index%tile.FullWidth) + 1
	b, err := l.Bundle(index/tile.FullWidth, width)
	if err != nil {
		return nil, err
	}
	entries, err := tile.ParseBundle(b, width)
	if err != nil {
		return nil, err
	}
	return entries[width-1], nil
}

// cut returns the first n entries of a bundle.
func cut(bundle []byte, n int) ([]byte, error) {
	at := 0
	for range n {
		if at+2 > len(bundle) {
			return nil, fmt.Errorf("the bundle has fewer than %d entries", n)
		}
		at += 2 + int(binary.BigEndian.Uint16(bundle[at:]))
	}
	if at > len(bundle) {
		return nil, errors.New("the bundle is cut short")
	}
	return bundle[:at], nil
}
