package recheck

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// rebuild makes the tree of a size again, from the top: the full tiles below each unfinished one, then the last entries.
// Whether it is the tree that was signed is for the caller to compare.
func (c *Checker) rebuild(size uint64) error {
	for level := len(c.tree.rows) - 1; level > 0; level-- {
		end := size >> (tileHeight * level)
		for n := end &^ (tileWidth - 1); n < end; n++ {
			row, err := c.readTile(level-1, n)
			if err != nil {
				return err
			}
			c.tree.add(tileHeight*level, c.tree.tileRoot(row))
		}
	}
	bundles := size / tileWidth
	c.at.next = bundles * tileWidth
	if bundles > 0 {
		key := bundleKey(bundles - 1)
		record, err := c.read(fmt.Sprintf("the record of entry bundle %d", bundles-1), key, bundleRecord)
		if err != nil {
			return err
		}
		// If it is wrong, no entry behind it hashes to what was signed, or to what the stored head says.
		c.at.end = int64(binary.BigEndian.Uint64(record)) + int64(binary.BigEndian.Uint32(record[bundleRecord-4:])) //nolint:gosec // see above
		if c.at.end < 0 {
			return &MismatchError{What: fmt.Sprintf("the record of entry bundle %d", bundles-1), Where: fmt.Sprintf("key %x", key), Stored: record}
		}
	}
	return c.advance(context.Background(), size)
}

// readTile returns the hashes of a stored full tile.
func (c *Checker) readTile(level int, n uint64) ([]Hash, error) {
	value, err := c.read(fmt.Sprintf("hash tile %d of level %d", n, level), tileKey(level, n), tileWidth*sha256.Size)
	if err != nil {
		return nil, err
	}
	row := make([]Hash, tileWidth)
	for i := range row {
		copy(row[i][:], value[i*sha256.Size:])
	}
	return row, nil
}

// read returns a value that must be there and have a size.
func (c *Checker) read(what string, key []byte, size int) ([]byte, error) {
	value, err := c.get(key)
	switch {
	case err != nil && !errors.Is(err, pebble.ErrNotFound):
		return nil, fmt.Errorf("reading %s: %w", what, err)
	case err != nil || len(value) != size:
		return nil, &MismatchError{What: what, Where: fmt.Sprintf("key %q %x", key[:1], key[1:]), Stored: value}
	}
	return value, nil
}
