package recheck

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fileEntries is how many entries a file of bundles holds.
const fileEntries = 1 << 16

// readAhead is how much is read at once, in bytes; more than the longest entry with its length.
const readAhead = 128 << 10

// place is a position between two entries.
type place struct {
	next uint64 // index of the entry that follows
	end  int64  // where the entry before it ends, in its own file
}

// start is where the next entry begins in its own file.
func (p place) start() int64 {
	if p.next%fileEntries == 0 {
		return 0
	}
	return p.end
}

// entries reads entry files from front to back.
type entries struct {
	fs   vfs.FS
	dir  string
	file vfs.File // nil: none is open
	n    uint64   // number of file
	from int64    // where buf begins in file
	buf  []byte
}

// errGone says that the files end before an entry does.
var errGone = errors.New("the entry files end before it does")

func (e *entries) name(n uint64) string { return fmt.Sprintf("%09d.bundles", n) }

// read returns the entry at p with the two bytes of its length in front of it, valid until the next call, and the place
// behind it.
func (e *entries) read(p place) ([]byte, place, error) {
	start := p.start()
	if err := e.open(p.next / fileEntries); err != nil {
		return nil, p, err
	}
	b, err := e.bytes(start, 2)
	if err != nil {
		return nil, p, err
	}
	n := 2 + int(b[0])<<8 + int(b[1])
	if b, err = e.bytes(start, n); err != nil {
		return nil, p, err
	}
	return b, place{p.next + 1, start + int64(n)}, nil
}

func (e *entries) open(n uint64) error {
	if e.file != nil && e.n == n {
		return nil
	}
	e.close()
	f, err := e.fs.Open(e.fs.PathJoin(e.dir, e.name(n)))
	if errors.Is(err, fs.ErrNotExist) {
		return errGone
	}
	if err != nil {
		return err
	}
	e.file, e.n = f, n
	return nil
}

// bytes returns n bytes of the open file.
func (e *entries) bytes(start int64, n int) ([]byte, error) {
	if i := start - e.from; i >= 0 && i+int64(n) <= int64(len(e.buf)) {
		return e.buf[i : i+int64(n)], nil
	}
	if e.buf == nil {
		e.buf = make([]byte, readAhead)
	}
	got, err := e.file.ReadAt(e.buf[:readAhead], start)
	e.from, e.buf = start, e.buf[:got]
	if got >= n {
		return e.buf[:n], nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil, errGone
	}
	return nil, err
}

// close gives the file back and forgets what was read ahead: behind the last entry that may be bytes of a commit that
// was just being written.
func (e *entries) close() {
	if e.file != nil {
		_ = e.file.Close() // only read
	}
	e.file, e.from, e.buf = nil, 0, e.buf[:0]
}
