package entrystore

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// record says where a bundle lies in its file: where it begins, and where each entry ends, counted from there.
type record struct {
	start uint64
	ends  []uint32
}

const recordSize = 8 + 4*tile.FullWidth

// append appends the record of a full bundle, as FORMAT.md has it, to dst.
func (c record) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, c.start)
	for _, end := range c.ends {
		dst = binary.BigEndian.AppendUint32(dst, end)
	}
	return dst
}

// parseRecord is strict: it accepts only what append could have written.
func parseRecord(data []byte) (record, error) {
	if len(data) != recordSize {
		return record{}, fmt.Errorf("%d bytes, want %d", len(data), recordSize)
	}
	c := record{start: binary.BigEndian.Uint64(data), ends: make([]uint32, tile.FullWidth)}
	if c.start > FileEntries*(lengthSize+tile.MaxEntrySize) {
		return record{}, fmt.Errorf("it begins at %d", c.start)
	}
	from := uint32(0)
	for i := range c.ends {
		end := binary.BigEndian.Uint32(data[8+4*i:])
		if end <= from+lengthSize || end > from+lengthSize+tile.MaxEntrySize {
			return record{}, fmt.Errorf("entry %d reaches from %d to %d", i, from, end)
		}
		c.ends[i], from = end, end
	}
	return c, nil
}

// readRecord reads where the full bundle n lies.
func readRecord(r pebble.Reader, n uint64) (record, error) {
	value, closer, err := r.Get(pebbledb.Uint64Key(pebbledb.PrefixEntry, n))
	if errors.Is(err, pebble.ErrNotFound) {
		return record{}, &DamagedError{Bundle: n, Detail: "the record of its place is missing"}
	}
	if err != nil {
		return record{}, fmt.Errorf("reading where entry bundle %d lies: %w", n, err)
	}
	defer closer.Close()
	c, err := parseRecord(value)
	if err != nil {
		return record{}, &DamagedError{Bundle: n, Detail: "the record of its place: " + err.Error()}
	}
	return c, nil
}
