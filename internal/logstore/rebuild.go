package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// DamagedError says that stored data is not what was written.
type DamagedError struct {
	Key    []byte // the database key that holds or should hold it; nil if it is the log as a whole
	Detail string
}

// Error implements error.
func (e *DamagedError) Error() string {
	return "the stored log is damaged (run fsck --deep, then restore from a backup or a mirror): " + e.Detail
}

// damaged gives damage that package entrystore found this package's type; it returns any other error as it is.
func damaged(err error) error {
	var d *entrystore.DamagedError
	if errors.As(err, &d) {
		key := bundleKey(d.Bundle)
		if d.Copy != nil {
			key = d.Copy
		}
		return &DamagedError{Key: key, Detail: d.Error()}
	}
	return err
}

// headKey is the key of the size and root after the newest commit.
func headKey() []byte { return append([]byte{pebbledb.PrefixMeta}, "head"...) }

// storedHead is the value of headKey: the tree after the newest commit, and how far the file with its last entry is used.
type storedHead struct {
	size uint64
	root proof.Hash
	end  uint64
}

const storedHeadSize = 8 + len(proof.Hash{}) + 8

func (h storedHead) format() []byte {
	value := append(binary.BigEndian.AppendUint64(nil, h.size), h.root[:]...)
	return binary.BigEndian.AppendUint64(value, h.end)
}

// readHead returns the stored head, that of the empty tree if there is none.
func readHead(r pebble.Reader) (storedHead, error) {
	empty := storedHead{root: proof.EmptyRoot()}
	value, closer, err := r.Get(headKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return empty, nil
	}
	if err != nil {
		return empty, fmt.Errorf("reading the stored head: %w", err)
	}
	defer closer.Close()
	if len(value) != storedHeadSize {
		return empty, fmt.Errorf("reading the stored head: %w", &DamagedError{Detail: fmt.Sprintf("%d bytes", len(value))})
	}
	h := storedHead{size: binary.BigEndian.Uint64(value), root: proof.Hash(value[8:40]), end: binary.BigEndian.Uint64(value[40:])}
	if h.size > proof.MaxSize {
		return empty, fmt.Errorf("reading the stored head: %w", &DamagedError{Detail: fmt.Sprintf("size %d", h.size)})
	}
	return h, nil
}

// rebuild makes the right edge of the stored tree: at level 0 from the last entries, above from the full tiles below.
// It costs at most 255 entries and 255 tiles for each further level, whatever the size of the log.
func rebuild(db *pebbledb.DB) (*tile.Edge, *entrystore.View, error) {
	r := db.Reader()
	head, err := readHead(r)
	if err != nil {
		return nil, nil, err
	}
	if err := checkEnd(r, head.size); err != nil {
		return nil, nil, err
	}
	entries, err := entrystore.Open(db, r, head.size, head.end)
	if err != nil {
		return nil, nil, damaged(err)
	}
	partial := make([][]proof.Hash, tile.Levels)
	if width := tile.PartialWidth(0, head.size); width > 0 {
		last, err := entries.Entries(r, head.size/tile.FullWidth, 0, width, math.MaxInt)
		if err != nil {
			return nil, nil, damaged(err)
		}
		for _, entry := range last {
			partial[0] = append(partial[0], proof.LeafHash(entry))
		}
	}
	for level := 1; level < tile.Levels; level++ {
		if partial[level], err = foldTiles(r, level, head.size); err != nil {
			return nil, nil, err
		}
	}
	edge, err := tile.NewEdge(head.size, partial)
	if err != nil {
		return nil, nil, err
	}
	if got := edge.Root(); got != head.root {
		return nil, nil, &DamagedError{Detail: fmt.Sprintf("size %d has root %v, the stored head says %v", head.size, got, head.root)}
	}
	return edge, entries, nil
}

// foldTiles computes the partial tile at a level, 1 or above, from the full tiles below it.
func foldTiles(r pebble.Reader, level int, size uint64) ([]proof.Hash, error) {
	var partial []proof.Hash
	end := size >> (tile.Height * level)
	for n := end - uint64(tile.PartialWidth(level, size)); n < end; n++ {
		hashes, err := readTile(r, level-1, n)
		if err != nil {
			return nil, err
		}
		var fold proof.Range
		for _, h := range hashes {
			fold.Append(h)
		}
		partial = append(partial, fold.Root())
	}
	return partial, nil
}

// checkEnd compares the stored size with what was written in the same batches: the place of the last full bundle, and
// identities.
func checkEnd(r pebble.Reader, size uint64) error {
	full, err := fullBundles(r)
	if err != nil {
		return err
	}
	if full != size/tile.FullWidth {
		return &DamagedError{Detail: fmt.Sprintf("there are %d full entry bundles, the stored head says size %d", full, size)}
	}
	if size > 0 {
		return nil
	}
	first, err := edgeKey(r, pebbledb.PrefixIdentity, (*pebble.Iterator).First)
	if err == nil && first != nil {
		err = &DamagedError{Detail: "the stored head says that the log is empty, but it is not"}
	}
	return err
}

// fullBundles returns the number after that of the last full entry bundle.
func fullBundles(r pebble.Reader) (uint64, error) {
	key, err := edgeKey(r, pebbledb.PrefixEntry, (*pebble.Iterator).Last)
	if err != nil || key == nil {
		return 0, err
	}
	if len(key) != 9 {
		return 0, &DamagedError{Detail: fmt.Sprintf("key of an entry bundle has %d bytes", len(key))}
	}
	return binary.BigEndian.Uint64(key[1:]) + 1, nil
}

// edgeKey returns the first or last key with a prefix, nil if there is none.
func edgeKey(r pebble.Reader, prefix byte, move func(*pebble.Iterator) bool) (key []byte, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return nil, fmt.Errorf("reading keys %q: %w", prefix, err)
	}
	if move(it) {
		key = bytes.Clone(it.Key())
	}
	if err := it.Close(); err != nil { // it is also the error of the iterator
		return nil, fmt.Errorf("reading keys %q: %w", prefix, err)
	}
	return key, nil
}
