package entrystore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// FileEntries is the number of entries in a full file.
const FileEntries = 1 << 16

const lengthSize = 2 // bytes before each entry that say how long it is

// DamagedError says that entries are not where they should be, or not of the form they should have.
type DamagedError struct {
	Bundle uint64
	Detail string
	Copy   []byte // the database key, if it is about a copy in the database
}

// Error implements error.
func (e *DamagedError) Error() string {
	if e.Copy != nil {
		return "the copies of the last entries are damaged: " + e.Detail
	}
	return fmt.Sprintf("entry bundle %d is damaged: %s", e.Bundle, e.Detail)
}

// View reads the entries of a log of one size. It is never changed: an append makes a new one. It may be used from
// several goroutines.
type View struct {
	fs   vfs.FS
	dir  string
	size uint64

	end uint64 // in use of the file with the last entry

	// The bundle that is not full yet begins at start and has its entries' ends, counted from there, in ends.
	start uint64
	ends  []uint32

	copies copies // what is read from there, not from the file; empty but after Open
}

// Open returns a view of the first size entries of the log in db; end is how many bytes of the file with the last entry
// are in use. It reads the bundle that is not full. If that one is damaged, the view that comes with the *DamagedError
// still reads the full ones.
//
// The view reads the entries that may not be in the file yet from their copies in the database. A Writer must Restore them
// before anything else reads the file.
func Open(db *pebbledb.DB, r pebble.Reader, size, end uint64) (*View, error) {
	v := &View{fs: db.FS(), dir: db.EntriesDir(), size: size, end: end}
	c, err := readCopies(r)
	if err == nil {
		err = v.setCopies(c)
	}
	return v, errors.Join(err, v.readUnfinished(r))
}

// readUnfinished reads the bundle that is not full.
func (v *View) readUnfinished(r pebble.Reader) error {
	n, width := v.size/tile.FullWidth, int(v.size%tile.FullWidth)
	if v.size > 0 && (n%(FileEntries/tile.FullWidth) != 0 || width == 0) { // an earlier bundle lies in the same file
		last, err := readRecord(r, n-1)
		if err != nil {
			return err
		}
		v.start = last.start + uint64(last.ends[tile.FullWidth-1])
	}
	switch {
	case v.end < v.start, width == 0 && v.end != v.start, v.end-v.start > maxBundle:
		return &DamagedError{Bundle: n, Detail: fmt.Sprintf("it begins at byte %d of its file, of which %d are in use", v.start, v.end)}
	case width == 0:
		if v.size%FileEntries == 0 {
			v.start = 0 // of the next file
		}
		return nil
	}
	data, err := v.read(n, v.start, int(v.end-v.start)) //nolint:gosec // at most maxBundle
	if err != nil {
		return err
	}
	entries, err := tile.ParseBundle(data, width)
	if err != nil {
		return &DamagedError{Bundle: n, Detail: err.Error()}
	}
	v.ends = make([]uint32, 0, tile.FullWidth)
	for _, e := range entries {
		v.ends = append(v.ends, v.lastEnd()+lengthSize+uint32(len(e))) //nolint:gosec // within maxBundle
	}
	return nil
}

// FindEnd works out the end for Open from the lengths of the entries, for a log of whose head only the size is known.
func FindEnd(db *pebbledb.DB, r pebble.Reader, size uint64) (uint64, error) {
	c, err := readCopies(r)
	if err != nil {
		return 0, err
	}
	synced := size // up to where the file must have the entries
	if len(c.keys) > 0 {
		synced = c.first
	}
	n := synced / tile.FullWidth
	if n < size/tile.FullWidth || synced == size && size%FileEntries == 0 && size > 0 {
		n = min(n, size/tile.FullWidth-1)
		bundle, err := readRecord(r, n)
		if err != nil {
			return 0, err
		}
		end := bundle.start
		if i := synced - n*tile.FullWidth; i > 0 {
			end += uint64(bundle.ends[i-1])
		}
		return end + c.bytes, nil
	}
	var end uint64
	if n%(FileEntries/tile.FullWidth) != 0 {
		last, err := readRecord(r, n-1)
		if err != nil {
			return 0, err
		}
		end = last.start + uint64(last.ends[tile.FullWidth-1])
	}
	v := &View{fs: db.FS(), dir: db.EntriesDir(), size: size}
	for range synced - n*tile.FullWidth {
		length, err := v.read(n, end, lengthSize)
		if err != nil {
			return 0, err
		}
		end += lengthSize + uint64(binary.BigEndian.Uint16(length))
	}
	return end + c.bytes, nil
}

const maxBundle = tile.FullWidth * (lengthSize + tile.MaxEntrySize)

func (v *View) lastEnd() uint32 {
	if len(v.ends) == 0 {
		return 0
	}
	return v.ends[len(v.ends)-1]
}

// Size returns the number of entries.
func (v *View) Size() uint64 { return v.size }

// End returns how many bytes of the file with the last entry are in use.
func (v *View) End() uint64 { return v.end }

// Bundle returns the first width entries of bundle n as they are stored, which is as c2sp.org/tlog-tiles serves them. The
// bytes are not checked. The view must have as many entries.
func (v *View) Bundle(r pebble.Reader, n uint64, width int) ([]byte, error) {
	at, err := v.place(r, n)
	if err != nil {
		return nil, err
	}
	if width > len(at.ends) {
		return nil, fmt.Errorf("reading %d entries of bundle %d: a log of %d has only %d", width, n, v.size, len(at.ends))
	}
	return v.read(n, at.start, int(at.ends[width-1]))
}

// Entries returns the entries from to to-1 of bundle n, or the first of them, but at least one, if they have more than
// maxBytes. The slices are parts of one array. Only their lengths are checked. The view must have these entries.
func (v *View) Entries(r pebble.Reader, n uint64, from, to, maxBytes int) ([][]byte, error) {
	at, err := v.place(r, n)
	if err != nil {
		return nil, err
	}
	if from < 0 || from >= to || to > len(at.ends) {
		return nil, fmt.Errorf("reading entries %d to %d of bundle %d: a log of %d has %d there", from, to, n, v.size, len(at.ends))
	}
	begin := uint32(0)
	if from > 0 {
		begin = at.ends[from-1]
	}
	for to > from+1 && int(at.ends[to-1]-begin) > maxBytes {
		to--
	}
	data, err := v.read(n, at.start+uint64(begin), int(at.ends[to-1]-begin))
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, 0, to-from)
	for i := from; i < to; i++ {
		length := int(at.ends[i] - begin)
		if got := int(binary.BigEndian.Uint16(data)); got != length-lengthSize {
			return nil, &DamagedError{Bundle: n, Detail: fmt.Sprintf("entry %d of it has %d bytes, its length says %d", i, length-lengthSize, got)}
		}
		entries = append(entries, data[lengthSize:length:length])
		data, begin = data[length:], at.ends[i]
	}
	return entries, nil
}

// place returns where bundle n and its entries lie.
func (v *View) place(r pebble.Reader, n uint64) (record, error) {
	if n == v.size/tile.FullWidth {
		return record{v.start, v.ends}, nil
	}
	return readRecord(r, n)
}

// read returns a range of the file that holds bundle n.
func (v *View) read(n, off uint64, length int) ([]byte, error) {
	data := make([]byte, length)
	fromFile := data[:length-v.copies.fill(data, n*tile.FullWidth, off)]
	if len(fromFile) == 0 {
		return data, nil
	}
	f, err := v.fs.Open(FileName(v.fs, v.dir, n*tile.FullWidth))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &DamagedError{Bundle: n, Detail: "its file is missing"}
	}
	if err != nil {
		return nil, fmt.Errorf("reading entry bundle %d: %w", n, err)
	}
	_, err = f.ReadAt(fromFile, int64(off)) //nolint:gosec // a file has at most 4.3 GB
	if cerr := f.Close(); err == nil || errors.Is(err, io.EOF) {
		if errors.Is(err, io.EOF) {
			return nil, &DamagedError{Bundle: n, Detail: fmt.Sprintf("its file ends before byte %d", off+uint64(len(fromFile)))}
		}
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("reading entry bundle %d: %w", n, err)
	}
	return data, nil
}

// FileName returns the name of the file for the entry at index.
func FileName(fsys vfs.FS, dir string, index uint64) string {
	return fsys.PathJoin(dir, fmt.Sprintf("%09d.bundles", index/FileEntries))
}
