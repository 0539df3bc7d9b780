package entrystore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// ErrPlace is wrapped by the errors of Mend where it is not known where a bundle belongs: its neighbours must be mended first.
var ErrPlace = errors.New("the bundles beside it do not say where it lies")

// ErrUnsure is wrapped by the errors of Mend after which it is not known what the file holds.
var ErrUnsure = errors.New("the file could not be written")

// Mend writes bundle n again, durably: its entries, all that the view has of it, to where they lie in their file, and the
// record of that place. The caller has made sure that these are the entries that were appended. It may run while others read
// and append.
func (v *View) Mend(db *pebbledb.DB, n uint64, entries [][]byte) error {
	if err := v.mend(db, n, entries); err != nil {
		return fmt.Errorf("mending entry bundle %d: %w", n, err)
	}
	return nil
}

func (v *View) mend(db *pebbledb.DB, n uint64, entries [][]byte) error {
	var data []byte
	at := record{ends: make([]uint32, 0, tile.FullWidth)}
	for _, e := range entries {
		var err error
		if data, err = tile.AppendEntry(data, e); err != nil {
			return err
		}
		at.ends = append(at.ends, uint32(len(data))) //nolint:gosec // within maxBundle
	}
	full := n < v.size/tile.FullWidth
	switch {
	case full && len(entries) == tile.FullWidth:
		var err error
		if at.start, err = v.startOf(db, n, uint64(len(data))); err != nil {
			return err
		}
	case !full && n == v.size/tile.FullWidth && len(entries) == len(v.ends) && uint32(len(data)) == v.lastEnd(): //nolint:gosec // within maxBundle
		at.start = v.start
	default:
		return fmt.Errorf("%d entries of %d bytes are not what a log of %d has there", len(entries), len(data), v.size)
	}
	if err := v.write(n, at.start, data); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsure, err)
	}
	if !full {
		return nil
	}
	b := db.NewBatch()
	defer b.Close() // its error is Commit's
	if err := b.Set(pebbledb.Uint64Key(pebbledb.PrefixEntry, n), at.append(make([]byte, 0, recordSize)), nil); err != nil {
		return err
	}
	return db.Commit(b)
}

// startOf works out where the full bundle n begins, whose length is known, from the bundles before and behind it. What they
// say must agree: nothing is written over another bundle.
func (v *View) startOf(db *pebbledb.DB, n, length uint64) (uint64, error) {
	const perFile = FileEntries / tile.FullWidth
	var start uint64
	before, behind := n%perFile != 0, n%perFile != perFile-1
	if before {
		r, err := readRecord(db.Reader(), n-1)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrPlace, err)
		}
		start = r.start + uint64(r.ends[tile.FullWidth-1])
	}
	if !behind {
		return start, nil
	}
	next := v.start
	if n+1 < v.size/tile.FullWidth {
		r, err := readRecord(db.Reader(), n+1)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrPlace, err)
		}
		next = r.start
	}
	if start+length != next {
		return 0, fmt.Errorf("%w: %d bytes from %d on, and the next one at %d", ErrPlace, length, start, next)
	}
	return start, nil
}

// write puts bytes into the file that holds bundle n, and syncs it.
func (v *View) write(n, off uint64, data []byte) (err error) {
	f, err := v.fs.OpenReadWrite(FileName(v.fs, v.dir, n*tile.FullWidth), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.WriteAt(data, int64(off)); err != nil { //nolint:gosec // a file has at most 4.3 GB
		return err
	}
	if err := f.SyncData(); err != nil {
		return err
	}
	dir, err := v.fs.OpenDir(v.dir) // the file may have been lost
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
