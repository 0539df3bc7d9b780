package entrystore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// Writer appends entries. Only one goroutine may use it. After an error it must not be used again: whether the disk holds
// what was written is not known.
type Writer struct {
	view *View
	file vfs.File // that of the next entry; nil before the first append
	buf  []byte
}

// keepBuffer bounds what a Writer keeps between appends.
const keepBuffer = 8 << 20

// NewWriter returns a writer that appends after the entries of v.
func NewWriter(v *View) *Writer { return &Writer{view: v} }

// Restore writes to the file what the view has from copies, which a crash may have taken from there, and returns a view
// that reads the file alone.
func (w *Writer) Restore() (*View, error) {
	v := *w.view
	if c := v.copies; len(c.data) > 0 {
		err := w.open(v.size - 1)
		if err == nil {
			_, err = w.file.WriteAt(c.data, int64(c.start)) //nolint:gosec // a file has at most 4.3 GB
		}
		if err != nil {
			return nil, fmt.Errorf("restoring the last %d bytes of entries: %w", c.bytes, err)
		}
		v.copies = copies{keys: c.keys, bytes: c.bytes}
	}
	w.view = &v
	return &v, nil
}

// Append writes the entries, 1 to 65,535 bytes each, and either syncs them or adds a copy of them to b. It adds to b the
// places of the bundles that became full. They count once b, with the size and end of the returned view, is committed.
func (w *Writer) Append(b pebble.Writer, entries [][]byte) (*View, error) {
	v := *w.view // the old view stays as it is: it is read while this runs
	var err error
	for len(entries) > 0 && err == nil {
		n := min(uint64(len(entries)), FileEntries-v.size%FileEntries)
		err = w.appendToFile(b, &v, entries[:n])
		entries = entries[n:]
	}
	if err != nil {
		return nil, fmt.Errorf("appending entries from %d: %w", w.view.size, err)
	}
	if cap(w.buf) > keepBuffer {
		w.buf = nil
	}
	w.view = &v
	return &v, nil
}

// appendToFile appends entries that all go to one file.
func (w *Writer) appendToFile(b pebble.Writer, v *View, entries [][]byte) error {
	if w.file == nil {
		if err := w.open(v.size); err != nil {
			return err
		}
	}
	w.buf = w.buf[:0]
	first, off := v.size, v.start+uint64(v.lastEnd()) // 0 for a new file
	for _, e := range entries {
		var err error
		if w.buf, err = tile.AppendEntry(w.buf, e); err != nil {
			return err
		}
		if err := v.add(b, len(e)); err != nil {
			return err
		}
	}
	if _, err := w.file.WriteAt(w.buf, int64(off)); err != nil { //nolint:gosec // a file has at most 4.3 GB
		return err
	}
	v.end = off + uint64(len(w.buf))
	full := v.size%FileEntries == 0
	if len(w.buf) <= maxCopy && v.copies.bytes < maxCopies && !full {
		var err error
		v.copies, err = v.copies.add(b, first, w.buf)
		return err
	}
	if err := errors.Join(w.file.SyncData(), v.copies.drop(b)); err != nil {
		return err
	}
	v.copies = copies{}
	if !full {
		return nil
	}
	v.start = 0
	return w.Close()
}

// add counts one more entry of the given length.
func (v *View) add(b pebble.Writer, length int) error {
	if v.ends == nil {
		v.ends = make([]uint32, 0, tile.FullWidth)
	}
	v.ends = append(v.ends, v.lastEnd()+lengthSize+uint32(length)) //nolint:gosec // at most MaxEntrySize, by AppendEntry
	v.size++
	if len(v.ends) < tile.FullWidth {
		return nil
	}
	value := record{v.start, v.ends}.append(make([]byte, 0, recordSize))
	if err := b.Set(pebbledb.Uint64Key(pebbledb.PrefixEntry, v.size/tile.FullWidth-1), value, nil); err != nil {
		return err
	}
	v.start += uint64(v.lastEnd())
	v.ends = nil // views that are being read share the old slice
	return nil
}

// open opens the file for the entry at index. A new one's name is made durable.
func (w *Writer) open(index uint64) error {
	v := w.view
	f, err := v.fs.OpenReadWrite(FileName(v.fs, v.dir, index), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w.file = f
	if index%FileEntries != 0 {
		return nil
	}
	dir, err := v.fs.OpenDir(v.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Close closes the open file.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}
