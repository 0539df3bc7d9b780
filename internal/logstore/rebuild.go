package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// DamagedError says that stored data is not what was written.
type DamagedError struct {
	Detail string
}

// Error implements error.
func (e *DamagedError) Error() string {
	return "the stored log is damaged (run fsck, then restore from a backup or a mirror): " + e.Detail
}

func damagedIfMissing(err error) error {
	if errors.Is(err, pebble.ErrNotFound) {
		return &DamagedError{Detail: "missing"}
	}
	return err
}

// headKey is the key of the size and root after the newest commit.
func headKey() []byte { return append([]byte{pebbledb.PrefixMeta}, "head"...) }

// readHead returns the stored size and root, those of the empty tree if there are none.
func readHead(r pebble.Reader) (uint64, proof.Hash, error) {
	value, closer, err := r.Get(headKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, proof.EmptyRoot(), nil
	}
	if err != nil {
		return 0, proof.Hash{}, fmt.Errorf("reading the stored head: %w", err)
	}
	defer closer.Close()
	if len(value) != 8+len(proof.Hash{}) {
		return 0, proof.Hash{}, fmt.Errorf("reading the stored head: %w", &DamagedError{Detail: fmt.Sprintf("%d bytes", len(value))})
	}
	size := binary.BigEndian.Uint64(value)
	if size > proof.MaxSize {
		return 0, proof.Hash{}, fmt.Errorf("reading the stored head: %w", &DamagedError{Detail: fmt.Sprintf("size %d", size)})
	}
	return size, proof.Hash(value[8:]), nil
}

// rebuild makes the right edge of the stored tree: at level 0 from the last entries, above from the full tiles below.
// It costs at most 255 entries and 255 tiles for each further level, whatever the size of the log.
func rebuild(r pebble.Reader) (*tile.Edge, error) {
	size, root, err := readHead(r)
	if err != nil {
		return nil, err
	}
	if err := checkEnd(r, size); err != nil {
		return nil, err
	}
	partial := make([][]proof.Hash, tile.Levels)
	end := size
	first := end - uint64(tile.PartialWidth(0, size))
	err = scanEntries(r, first, end, func(_ uint64, entry []byte) bool {
		partial[0] = append(partial[0], proof.LeafHash(entry))
		return true
	})
	if err != nil {
		return nil, err
	}
	for level := 1; level < tile.Levels; level++ {
		end := size >> (tile.Height * level)
		for n := end - uint64(tile.PartialWidth(level, size)); n < end; n++ {
			hashes, err := readTile(r, level-1, n, tile.FullWidth)
			if err != nil {
				return nil, err
			}
			var fold proof.Range
			for _, h := range hashes {
				fold.Append(h)
			}
			partial[level] = append(partial[level], fold.Root())
		}
	}
	edge, err := tile.NewEdge(size, partial)
	if err != nil {
		return nil, err
	}
	if got := edge.Root(); got != root {
		return nil, &DamagedError{Detail: fmt.Sprintf("size %d has root %v, the stored head says %v", size, got, root)}
	}
	return edge, nil
}

// checkEnd compares the last entry with the stored size. They are written in one batch.
func checkEnd(r pebble.Reader, size uint64) error {
	end, err := lastEntry(r)
	if err != nil {
		return err
	}
	if end != size {
		return &DamagedError{Detail: fmt.Sprintf("entries end at %d, the stored head says %d", end, size)}
	}
	return nil
}

// lastEntry returns the index after that of the last stored entry.
func lastEntry(r pebble.Reader) (end uint64, err error) {
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound: []byte{pebbledb.PrefixEntry},
		UpperBound: []byte{pebbledb.PrefixEntry + 1},
	})
	if err != nil {
		return 0, fmt.Errorf("reading the last entry: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if it.Last() {
		if len(it.Key()) != 9 {
			return 0, &DamagedError{Detail: fmt.Sprintf("entry key of %d bytes", len(it.Key()))}
		}
		end = binary.BigEndian.Uint64(it.Key()[1:]) + 1
	}
	if err := it.Error(); err != nil {
		return 0, fmt.Errorf("reading the last entry: %w", err)
	}
	return end, nil
}
