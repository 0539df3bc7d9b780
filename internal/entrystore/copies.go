package entrystore

import (
	"bytes"
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

// copies are the entries that are kept in the database too, with their lengths: the last bytes of the last file.
type copies struct {
	keys  [][]byte // in order
	bytes uint64

	// The content, the index of the first and of the entry behind the last, and where the first begins in its file. A
	// view that is written to has it in the file alone.
	data        []byte
	first, next uint64
	start       uint64
}

// fill fills in what it has of a range of the file with the entry at index, and returns how many bytes at the end of data
// that is.
func (c *copies) fill(data []byte, index, off uint64) int {
	end := off + uint64(len(data))
	if len(c.data) == 0 || index/FileEntries != c.first/FileEntries || end <= c.start || end > c.start+uint64(len(c.data)) {
		return 0
	}
	from := max(off, c.start)
	return copy(data[from-off:], c.data[from-c.start:])
}

// readCopies returns the copies that the database has. Where they belong is not known yet.
func readCopies(r pebble.Reader) (c copies, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{pebbledb.PrefixEntryCopy}, UpperBound: []byte{pebbledb.PrefixEntryCopy + 1}})
	if err != nil {
		return copies{}, fmt.Errorf("reading copies of entries: %w", err)
	}
	defer func() {
		if cerr := it.Close(); cerr != nil && err == nil { // it is also the error of the iterator
			c, err = copies{}, fmt.Errorf("reading copies of entries: %w", cerr)
		}
	}()
	for it.First(); it.Valid(); it.Next() {
		key := bytes.Clone(it.Key())
		value, err := it.ValueAndErr()
		if err != nil {
			return copies{}, fmt.Errorf("reading copies of entries: %w", err)
		}
		n := countEntries(value)
		if len(key) != keySize || n == 0 {
			return copies{}, &DamagedError{Copy: key, Detail: fmt.Sprintf("%d bytes under a key of %d are not whole entries", len(value), len(key))}
		}
		first := binary.BigEndian.Uint64(key[1:])
		if len(c.keys) == 0 {
			c.first, c.next = first, first
		}
		if first != c.next {
			return copies{}, &DamagedError{Copy: key, Detail: fmt.Sprintf("they go on at index %d, not %d", first, c.next)}
		}
		c.keys, c.data, c.next = append(c.keys, key), append(c.data, value...), first+n
	}
	c.bytes = uint64(len(c.data))
	return c, nil
}

// keySize is the size of a copy's key: its prefix and u64.
const keySize = 9

// setCopies takes over copies, which must be the end of the last file.
func (v *View) setCopies(c copies) error {
	if len(c.keys) == 0 {
		return nil
	}
	if c.next != v.size || c.bytes > v.end || c.first/FileEntries != (c.next-1)/FileEntries {
		return &DamagedError{Copy: c.keys[0], Detail: fmt.Sprintf("%d bytes from index %d to %d, where the log has %d entries and %d bytes of the last file",
			c.bytes, c.first, c.next, v.size, v.end)}
	}
	c.start = v.end - c.bytes
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

// drop deletes the copies, mostly before a memtable with them became a table, so that they are written but once.
func (c copies) drop(b pebble.Writer) error {
	for _, key := range c.keys {
		if err := b.Delete(key, nil); err != nil {
			return err
		}
	}
	return nil
}
