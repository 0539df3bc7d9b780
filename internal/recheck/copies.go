package recheck

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// copyOf is what is left to be compared of one copy in the database. What is not in a synced file yet comes back from
// there after a power loss: a flipped bit in it would be in the log then.
type copyOf struct {
	key   []byte
	next  uint64 // index of the entry that rest begins with
	value []byte
	rest  []byte // of value
}

// readCopies returns the copies that begin at the entries from from to to-1.
func readCopies(r pebble.Reader, from, to uint64) (all []copyOf, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: copyKey(from), UpperBound: copyKey(to)})
	if err != nil {
		return nil, fmt.Errorf("reading the copies of entries: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		key, value := bytes.Clone(it.Key()), bytes.Clone(it.Value())
		all = append(all, copyOf{key, binary.BigEndian.Uint64(append(key[1:len(key):len(key)], make([]byte, 8)...)), value, value})
	}
	if err := it.Close(); err != nil { // it is also the error of the iterator
		return nil, fmt.Errorf("reading the copies of entries: %w", err)
	}
	return all, nil
}

func copyKey(index uint64) []byte { return append([]byte{'u'}, number(index)...) }

// checkCopy compares the entry at c.at, with its length, with its copy, if there is one. A copy begins at its key's
// entry and ends with an entry.
func (c *Checker) checkCopy(entry []byte) error {
	if len(c.copies) == 0 || c.copies[0].next > c.at.next {
		return nil
	}
	first := &c.copies[0]
	if first.next != c.at.next || !bytes.HasPrefix(first.rest, entry) {
		return &MismatchError{What: fmt.Sprintf("the copy of entry %d", c.at.next), Where: fmt.Sprintf("key %q %x", first.key[:1], first.key[1:]),
			Stored: first.value, Computed: bytes.Clone(entry)}
	}
	first.rest, first.next = first.rest[len(entry):], c.at.next+1
	if len(first.rest) == 0 {
		c.copies = c.copies[1:]
	}
	return nil
}
