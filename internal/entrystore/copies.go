package entrystore

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

// A commit of few bytes does not wait for its entries' file: its batch, which is synced anyway, has a copy of them. Two
// syncs would be nearly all that such a commit takes. The file is synced, and the copies are deleted, once they are
// maxCopies bytes, with a commit of more than maxCopy bytes, and at the end of a file.
const (
	maxCopy   = 32 << 10
	maxCopies = 256 << 10
)

// copies are the ends of the files, with lengths, that are kept in the database too: the last bytes of the last file.
type copies struct {
	keys  [][]byte // in order
	bytes uint64

	// Only after Open: the content, the number of its file, and where it begins there.
	data []byte
	file uint64
	at   uint64
}

// fill fills in what it has of a range of the file with the entry at index, and returns how many bytes at the end of data
// that is.
func (c *copies) fill(data []byte, index, off uint64) int {
	if len(c.data) == 0 || index/FileEntries != c.file || off+uint64(len(data)) <= c.at {
		return 0
	}
	if off < c.at {
		data, off = data[c.at-off:], c.at
	}
	if off-c.at > uint64(len(c.data)) {
		return 0
	}
	if n := copy(data, c.data[off-c.at:]); n < len(data) {
		return 0 // beyond the end: the file says so
	}
	return len(data)
}

// readCopies finds the copies that the database has. They must reach to the end of the view.
func (v *View) readCopies(r pebble.Reader) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{pebbledb.PrefixEntryCopy}, UpperBound: []byte{pebbledb.PrefixEntryCopy + 1}})
	if err != nil {
		return fmt.Errorf("reading copies of entries: %w", err)
	}
	defer it.Close() // its error is that of the iterator, returned below
	next := uint64(0)
	var c copies
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("reading copies of entries: %w", err)
		}
		key := append([]byte(nil), it.Key()...)
		first, n := binary.BigEndian.Uint64(append(key[1:], make([]byte, 8)...)), countEntries(value)
		if len(key) != 9 || n == 0 || len(c.keys) > 0 && first != next {
			return &DamagedError{first / 256, fmt.Sprintf("the copy of entries under %x is not one", key)}
		}
		c.keys, c.data, next = append(c.keys, key), append(c.data, value...), first+n
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("reading copies of entries: %w", err)
	}
	if len(c.keys) == 0 {
		return nil
	}
	if c.bytes = uint64(len(c.data)); next != v.size || c.bytes > v.end {
		return &DamagedError{v.size / 256, fmt.Sprintf("copies of entries end at index %d and are %d bytes, the log has %d entries and %d bytes",
			next, c.bytes, v.size, v.end)}
	}
	c.file, c.at = (v.size-1)/FileEntries, v.end-c.bytes
	v.copies = c
	return nil
}

// countEntries returns how many entries data is made of, 0 if it is not made of whole ones.
func countEntries(data []byte) (n uint64) {
	for len(data) > 0 {
		if len(data) < lengthSize {
			return 0
		}
		size := lengthSize + int(binary.BigEndian.Uint16(data))
		if len(data) < size || size == lengthSize {
			return 0
		}
		data = data[size:]
		n++
	}
	return n
}

// add keeps a copy of the entries from first on, which are data with their lengths.
func (c copies) add(b pebble.Writer, first uint64, data []byte) (copies, error) {
	key := pebbledb.Uint64Key(pebbledb.PrefixEntryCopy, first)
	return copies{keys: append(c.keys, key), bytes: c.bytes + uint64(len(data))}, b.Set(key, data, nil)
}

// drop deletes the copies. Each key was set once and never before, so that nothing of either reaches a table.
func (c copies) drop(b pebble.Writer) error {
	for _, key := range c.keys {
		if err := b.SingleDelete(key, nil); err != nil {
			return err
		}
	}
	return nil
}
