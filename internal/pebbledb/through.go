package pebbledb

import (
	"bytes"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ReadThrough reads the keys and values of a span for the sake of their checksums, at most about so many at a time that
// nobody has to wait for its iterator. It returns where to go on, nil at the end of the span, and the bytes read. With an
// error, next is where it could not go on.
func (d *DB) ReadThrough(span Span, maxKeys, maxBytes int) (next []byte, n int, err error) {
	it, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: span.Start, UpperBound: span.End})
	if err != nil {
		return span.Start, 0, fmt.Errorf("reading keys from %x: %w", span.Start, err)
	}
	defer it.Close() // its error is that of the iterator, returned below
	next = span.Start
	valid := it.First()
	for count := 0; valid; count++ {
		next = bytes.Clone(it.Key())
		if count >= maxKeys || n >= maxBytes {
			return next, n, nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return next, n, fmt.Errorf("reading key %x: %w", next, err)
		}
		n += len(next) + len(value)
		valid = it.Next()
	}
	if err := it.Error(); err != nil {
		return append(next, 0), n, fmt.Errorf("reading keys from %x: %w", next, err)
	}
	return nil, n, nil
}
