package pebbledb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fence is the file system below Pebble. The first write, sync, create or rename under root that fails shuts it for good,
// and from then on nothing under root changes any more. That gives the failure policy without trusting any code path of
// Pebble's to give up: after a failed fsync the kernel may have dropped the dirty pages, so that a second fsync succeeds
// and lies, and Pebble, whose answer to such an error is to end the process, would go on to build on the lost bytes if
// its Fatalf returned.
//
// A shut fence answers
//
//   - for tables: with the error. A flush or compaction that fails leaves Pebble's state as it was. Pebble tries again at
//     once and for ever, so the creation of another table waits until the database is being closed.
//   - for all else, which is logs, manifests, markers and the directory: with success, and nothing done. On an error there
//     Pebble panics without holding the mutex that it is about to unlock, or goes on with indexes out of step; neither
//     can be recovered from. In memory it goes on as if all were well, and every file that it may still read
//     exists, for nothing is removed either. On disk, the next start finds what was there when the fence shut.
//     No caller is misled: Commit asks the fence after each sync, before it says yes.
//
// Paths outside root (a backup's) pass through: a full backup disk must not halt the log.
type fence struct {
	vfs.FS
	root     string // with a trailing separator
	readOnly bool
	onHalt   func(error) // called once, possibly with Pebble's locks held

	shut    chan struct{} // closed at the first failure
	opened  chan struct{} // closed when Pebble's Open has returned
	closing chan struct{} // closed when the database is being closed

	mu sync.Mutex // guards cause

	cause error

	// walMu makes the creation of a log and its bookkeeping one step, for Purge. It guards lastWAL and noReuse.
	walMu   sync.Mutex
	lastWAL uint64 // highest number of a log that was created or reused
	noReuse bool   // while set, a recycled log is replaced by a new file, so that no old bytes are left behind its end
}

func newFence(fsys vfs.FS, root string, readOnly bool, onHalt func(error)) *fence {
	return &fence{
		FS:       fsys,
		root:     strings.TrimSuffix(fsys.PathJoin(root, "x"), "x"),
		readOnly: readOnly,
		onHalt:   onHalt,
		shut:     make(chan struct{}),
		opened:   make(chan struct{}),
		closing:  make(chan struct{}),
	}
}

// halt shuts the fence; only the first cause counts.
func (fe *fence) halt(cause error) {
	fe.mu.Lock()
	first := fe.cause == nil
	if first {
		fe.cause = cause
		close(fe.shut)
	}
	fe.mu.Unlock()
	if first {
		fe.onHalt(cause)
	}
}

// err returns a *HaltedError once the fence is shut.
func (fe *fence) err() error {
	select {
	case <-fe.shut:
	default:
		return nil
	}
	fe.mu.Lock()
	defer fe.mu.Unlock()
	return &HaltedError{Cause: fe.cause}
}

// do runs one operation that changes something under root, unless the fence is shut.
func (fe *fence) do(what, name string, op func() error) error {
	if err := fe.err(); err != nil {
		return err
	}
	if err := op(); err != nil {
		fe.halt(fmt.Errorf("%s %s: %w", what, fe.PathBase(name), err))
		return fe.err()
	}
	return nil
}

func (fe *fence) inside(name string) bool {
	return strings.HasPrefix(name, fe.root) || name+fe.root[len(fe.root)-1:] == fe.root
}

func isWAL(name string) bool { return strings.HasSuffix(name, ".log") }

func isTable(name string) bool {
	return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob")
}

// fileNumber returns the number of a log or table file, 0 for any other.
func fileNumber(base string) uint64 {
	num, _, _ := strings.Cut(base, ".")
	n, err := strconv.ParseUint(num, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// openRetry is how long a table's creation waits before it fails while Pebble opens.
const openRetry = 10 * time.Millisecond

// waitForClosing keeps Pebble from trying again for ever. While it opens, the wait is short: Open itself waits for the
// compaction that would be stuck here, and could never return to be told that the fence is shut.
func (fe *fence) waitForClosing() {
	select {
	case <-fe.closing:
	case <-fe.opened:
		<-fe.closing
	case <-time.After(openRetry):
	}
}

// open runs a call that opens a file for writing, and wraps the file.
func (fe *fence) open(what, name string, op func() (vfs.File, error)) (vfs.File, error) {
	if !fe.inside(name) {
		return op()
	}
	var f vfs.File
	err := fe.do(what, name, func() (err error) {
		f, err = op()
		return err
	})
	switch {
	case err == nil:
	case isTable(name):
		fe.waitForClosing()
		return nil, err
	default:
		f = vfs.NewMemFile(nil) // never written to: see fencedFile
	}
	return &fencedFile{File: f, fe: fe, name: name}, nil
}

// Create implements vfs.FS.
func (fe *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if isWAL(name) && fe.inside(name) {
		fe.walMu.Lock()
		defer fe.walMu.Unlock()
		fe.lastWAL = max(fe.lastWAL, fileNumber(fe.PathBase(name)))
	}
	return fe.open("creating", name, func() (vfs.File, error) { return fe.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (fe *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return fe.open("opening", name, func() (vfs.File, error) { return fe.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS. It makes a new file when Purge asks for that, or has removed the old one.
func (fe *fence) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	fe.walMu.Lock()
	defer fe.walMu.Unlock()
	fe.lastWAL = max(fe.lastWAL, fileNumber(fe.PathBase(newname)))
	return fe.open("reusing", newname, func() (vfs.File, error) {
		if !fe.noReuse {
			if _, err := fe.FS.Stat(oldname); err == nil {
				return fe.FS.ReuseForWrite(oldname, newname, c)
			}
		}
		if err := fe.FS.Remove(oldname); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return fe.FS.Create(newname, c)
	})
}

// Rename implements vfs.FS.
func (fe *fence) Rename(oldname, newname string) error {
	if fe.inside(newname) {
		_ = fe.do("renaming", newname, func() error { return fe.FS.Rename(oldname, newname) })
		return nil
	}
	return fe.FS.Rename(oldname, newname)
}

// Link implements vfs.FS.
func (fe *fence) Link(oldname, newname string) error {
	if fe.inside(newname) {
		return fe.do("linking", newname, func() error { return fe.FS.Link(oldname, newname) })
	}
	return fe.FS.Link(oldname, newname)
}

// Remove implements vfs.FS. A file that cannot be removed costs space, not data, so that is no reason to halt; but once
// halted, nothing that a restart may need is removed.
func (fe *fence) Remove(name string) error {
	if fe.inside(name) && fe.err() != nil {
		return nil
	}
	return fe.FS.Remove(name)
}

// RemoveAll implements vfs.FS, as Remove.
func (fe *fence) RemoveAll(name string) error {
	if fe.inside(name) && fe.err() != nil {
		return nil
	}
	return fe.FS.RemoveAll(name)
}

// OpenDir implements vfs.FS.
func (fe *fence) OpenDir(name string) (vfs.File, error) {
	f, err := fe.FS.OpenDir(name)
	if err != nil || !fe.inside(name) {
		return f, err
	}
	return &fencedFile{File: f, fe: fe, name: name}, nil
}

// Lock implements vfs.FS. A database opened read-only may lie on a read-only medium, where no lock file can be made and
// none is needed.
func (fe *fence) Lock(name string) (io.Closer, error) {
	l, err := fe.FS.Lock(name)
	if err != nil && fe.readOnly && isNotWritable(err) {
		return io.NopCloser(nil), nil
	}
	return l, err
}

// Unwrap implements vfs.FS.
func (fe *fence) Unwrap() vfs.FS { return fe.FS }

func isNotWritable(err error) bool {
	var p *os.PathError // the lock file could not be made; a lock held elsewhere is another error
	return errors.As(err, &p)
}

// fencedFile is a file under root that is open for writing, or root itself. Once the fence is shut nothing reaches the file.
type fencedFile struct {
	vfs.File
	fe   *fence
	name string
}

func (f *fencedFile) do(what string, op func() error) error {
	err := f.fe.do(what, f.name, op)
	if err != nil && !isTable(f.name) {
		return nil // see fence
	}
	return err
}

// Write implements vfs.File.
func (f *fencedFile) Write(p []byte) (int, error) {
	err := f.do("writing", func() error {
		_, err := f.File.Write(p)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteAt implements vfs.File.
func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.do("writing", func() error {
		_, err := f.File.WriteAt(p, off)
		return err
	})
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// Preallocate implements vfs.File. Space that cannot be reserved shows up when it is written, and not all file systems
// can reserve.
func (f *fencedFile) Preallocate(off, n int64) error {
	if f.fe.err() != nil {
		return nil
	}
	return f.File.Preallocate(off, n)
}

// Sync implements vfs.File.
func (f *fencedFile) Sync() error { return f.do("syncing", f.File.Sync) }

// SyncData implements vfs.File.
func (f *fencedFile) SyncData() error { return f.do("syncing", f.File.SyncData) }

// SyncTo implements vfs.File.
func (f *fencedFile) SyncTo(n int64) (full bool, err error) {
	err = f.do("syncing", func() (err error) {
		full, err = f.File.SyncTo(n)
		return err
	})
	return full && err == nil, err
}

// Close implements vfs.File. The file is closed whatever the fence says: a halted node must not leak descriptors.
func (f *fencedFile) Close() error {
	cerr := f.File.Close()
	return f.do("closing", func() error { return cerr })
}
