package logstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// ErrNotMendable is wrapped by the errors for a damage that other copies of the log can't mend.
var ErrNotMendable = errors.New("no other copy of the log can mend that")

// Source is another copy of the log.
type Source interface {
	tile.Source
	// Bundle returns the first width entries of an entry bundle.
	Bundle(ctx context.Context, n uint64, width int) ([][]byte, error)
}

// Mend puts right what a Checker found damaged under the key of an entry bundle or of a tile, while the log is in use. What
// src gives is written only if the tree has it there, which was compared with the signed root: no source can change the log.
// A tile is computed again from what is below it, if that is whole.
//
// A disk that fails meanwhile halts the database, as it does when the log is written.
func (l *Log) Mend(ctx context.Context, key []byte, src Source) error {
	h := l.head.Load()
	rest := key[min(1, len(key)):]
	switch {
	case len(key) == 9 && key[0] == pebbledb.PrefixEntry:
		return l.mendBundle(ctx, h, binary.BigEndian.Uint64(rest), src)
	case len(key) == 10 && key[0] == pebbledb.PrefixTile:
		level, n := int(rest[0]), binary.BigEndian.Uint64(rest[1:])
		if !covered(level, n, tile.FullWidth, h.size) {
			return fmt.Errorf("mending a tile: %w", ErrOutOfRange)
		}
		return l.mendTile(ctx, h, level, n, src)
	}
	return fmt.Errorf("mending key %x: %w", key, ErrNotMendable)
}

func (l *Log) mendBundle(ctx context.Context, h *head, n uint64, src Source) error {
	if n > h.size/tile.FullWidth || n*tile.FullWidth == h.size {
		return fmt.Errorf("mending entry bundle %d: %w", n, ErrOutOfRange)
	}
	width := int(min(tile.FullWidth, h.size-n*tile.FullWidth))
	entries, err := l.fetched(ctx, h, n, width, src)
	if err != nil {
		return err
	}
	err = h.entries.Mend(l.db, n, entries)
	if errors.Is(err, entrystore.ErrUnsure) {
		l.db.Halt(err)
	}
	return err
}

// fetched returns entries of bundle n that were compared with the tree.
func (l *Log) fetched(ctx context.Context, h *head, n uint64, width int, src Source) ([][]byte, error) {
	entries, err := src.Bundle(ctx, n, width)
	if err != nil {
		return nil, fmt.Errorf("fetching entry bundle %d: %w", n, err)
	}
	want := h.partial[0]
	leaves := make([]proof.Hash, len(entries))
	for i, e := range entries {
		leaves[i] = proof.LeafHash(e)
	}
	if width == tile.FullWidth {
		root, err := l.hashAbove(h, 0, n)
		if err != nil {
			return nil, err
		}
		if len(entries) == width && fold(leaves) == root {
			return entries, nil
		}
	} else if equal(leaves, want) {
		return entries, nil
	}
	return nil, fmt.Errorf("fetching entry bundle %d: these are not its entries", n)
}

func (l *Log) mendTile(ctx context.Context, h *head, level int, n uint64, src Source) error {
	want, err := l.hashAbove(h, level, n)
	if err != nil {
		return err
	}
	var hashes []proof.Hash
	if nodes := l.tileFromBelow(h, level, n, want); nodes != nil {
		hashes = nodes.Hashes()
	} else {
		if hashes, err = src.Tile(ctx, level, n, tile.FullWidth); err != nil {
			return fmt.Errorf("fetching a tile: %w", err)
		}
		if len(hashes) != tile.FullWidth || fold(hashes) != want {
			return fmt.Errorf("fetching %v: these are not its hashes", tile.ID{Level: level, Index: n, Width: tile.FullWidth})
		}
	}
	b := l.db.NewBatch()
	defer b.Close() // its error is Commit's
	if err := b.Set(pebbledb.TileKey(uint8(level), n), tile.AppendTile(nil, hashes), nil); err != nil {
		return err
	}
	return l.db.Commit(b)
}
