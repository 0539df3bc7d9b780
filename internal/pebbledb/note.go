package pebbledb

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Note writes one key without waiting for the disk: for facts that a crash may
// lose, because they only repeat what is durable elsewhere. It is there after a
// crash at the latest when a later Commit is.
func (d *DB) Note(key, value []byte) error {
	if err := d.fence.err(); err != nil {
		return err
	}
	if err := d.pebble.Set(key, value, pebble.NoSync); err != nil {
		return fmt.Errorf("writing %q: %w", key, err)
	}
	return nil
}

// Noted returns what Note wrote under key; nil if there is nothing.
func (d *DB) Noted(key []byte) ([]byte, error) {
	value, err := d.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", key, err)
	}
	return value, nil
}
