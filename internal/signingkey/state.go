package signingkey

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// maxNote bounds a stored note, in bytes.
const maxNote = 64 << 10

// The files of a state directory.
const (
	lockFile     = "LOCK"
	lastFile     = "lastsigned"
	newFile      = "lastsigned.new"
	identityFile = "identity"
)

// ErrLocked says that another process signs from this state directory.
var ErrLocked = errors.New("another process uses this state directory")

// ErrSwapped says that the state directory is not as this process left it:
// somebody else signs for this log, or a copy was put in its place.
var ErrSwapped = errors.New("the state directory was changed by somebody else: another process signs for this log, or an old copy was put back")

// State is an open state directory: the last signed note, which must never roll
// back. It is safe for concurrent use.
type State struct {
	path    string   // as it was opened
	root    *os.Root // the directory itself: it stays the same one when path comes to name another
	lock    *os.File
	foreign error // why nothing may be signed from here; nil: it may

	mu     sync.Mutex // guards the following, and the directory's files
	last   []byte     // as on disk; nil: none yet
	broken error      // a swap failed or the state is closed: nobody knows what the disk holds
}

// OpenState opens a state directory and locks it for this process. A directory that
// belongs to another machine, is a copy, or holds nothing opens too, so that its log
// can still be read, but Swap refuses: see Foreign.
func OpenState(dir string) (*State, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	s, err := lockState(dir)
	if err != nil {
		return nil, err
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("opening state %s: %w", dir, errors.Join(err, s.Close()))
	}
	return s, nil
}

// MakeState opens a state directory as OpenState does, and lets one that holds nothing
// sign. Whoever calls it has just made the log's keys, or has others tell what they
// signed before they sign again.
func MakeState(dir string) (*State, error) {
	s, err := OpenState(dir)
	if err != nil {
		return nil, err
	}
	if errors.Is(s.foreign, ErrUnmade) {
		if err := s.claim(); err != nil {
			return nil, fmt.Errorf("making state %s: %w", dir, errors.Join(err, s.Close()))
		}
	}
	return s, nil
}

// lockState opens a directory that is there and takes its lock.
func lockState(dir string) (*State, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	lock, err := root.OpenFile(lockFile, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening state %s: %w", dir, errors.Join(err, root.Close()))
	}
	s := &State{path: dir, root: root, lock: lock}
	switch err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = ErrLocked
	case err == nil:
		err = s.inPlace() // a LOCK that was taken away between open and lock guards nothing
	}
	if err != nil {
		return nil, fmt.Errorf("opening state %s: %w", dir, errors.Join(err, s.Close()))
	}
	return s, nil
}

// load decides whether this process may sign from here, and makes what it reads
// durable before anybody acts on it.
func (s *State) load() (err error) {
	if s.last, err = s.read(); err != nil {
		return err
	}
	if err = s.identify(); err != nil || s.foreign != nil {
		return err // a copy is left as it was found
	}
	if err = s.root.Remove(newFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if s.last == nil {
		return nil
	}
	// The process before may have been killed between rename and sync. Its note is
	// about to be published: power loss must not take it back afterwards.
	return errors.Join(s.syncFile(lastFile), s.syncFile("."))
}

func (s *State) syncFile(name string) error { return syncIn(s.root, name) }

func syncIn(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (s *State) read() ([]byte, error) {
	f, err := s.root.Open(lastFile)
	return readNote(f, err)
}

// readNote reads the note of a file that was just opened, with what opening it
// returned: nil if there is no such file.
func readNote(f *os.File, err error) ([]byte, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err == nil && (len(b) == 0 || len(b) > maxNote) {
		return nil, fmt.Errorf("%s is damaged: it must hold one signed checkpoint", lastFile)
	}
	return b, err
}

// ReadLastSigned reads the last signed note of a state directory without locking
// it: nil if there is none.
func ReadLastSigned(dir string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, lastFile))
	b, err := readNote(f, err)
	if err != nil {
		return nil, fmt.Errorf("reading last signed checkpoint of %s: %w", dir, err)
	}
	return b, nil
}

// Last returns the last signed note, nil if there is none. The caller must not
// change it.
func (s *State) Last() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Foreign says why nothing may be signed from this directory: a *ForeignError or
// ErrUnmade, or nil where this process may sign.
func (s *State) Foreign() error { return s.foreign }

// InPlace says why nothing may be signed from the directory at this moment: what
// Foreign says, or ErrSwapped where another directory or LOCK has come to stand in
// its place. It asks the file system each time, and waits for no Swap.
func (s *State) InPlace() error {
	if s.foreign != nil {
		return s.foreign
	}
	return s.inPlace()
}

// Swap replaces the last signed note, durably. It fails with ErrSwapped if the
// directory or its lastsigned is not as this process left it. After any error
// nobody knows what the disk holds, and each further Swap fails with that error.
func (s *State) Swap(note []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, step := range s.swap(note) {
		if err := s.do(step); err != nil {
			return err
		}
	}
	return nil
}

// step is one part of a swap. The model of the signing protocol (model_test.go)
// has the same steps under the same names, and its tests run these one by one.
type step struct {
	name string
	do   func() error
}

// swap lists the steps that make note the last signed one. The note may be shown
// to others when all of them have succeeded, and not before. The new file is made
// first: that only one can exist is a second lock from there to the rename. The
// comparison comes last before the rename, so that little time lies between. What
// was confirmed is synced, not the other way round: else a second signer could put
// the same note there again after the sync, and power loss take it away.
func (s *State) swap(note []byte) []step {
	var tmp *os.File
	return []step{
		{"write", func() (err error) {
			if tmp, err = s.root.OpenFile(newFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
				return err
			}
			_, err = tmp.Write(note)
			return err
		}},
		{"sync", func() error { return errors.Join(tmp.Sync(), tmp.Close()) }},
		{"compare", func() error { return s.holds(s.last) }},
		{"rename", func() error { return s.root.Rename(newFile, lastFile) }},
		{"confirm", func() error { return s.holds(note) }},
		{"syncdir", func() error {
			if err := s.syncFile("."); err != nil {
				return err
			}
			s.last = note
			return nil
		}},
	}
}

// do runs a step of a swap unless one has failed before. The caller holds mu.
func (s *State) do(st step) error {
	if s.broken == nil {
		s.broken = s.foreign
	}
	if s.broken == nil {
		s.broken = st.do()
	}
	if s.broken != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", s.broken)
	}
	return nil
}

// holds checks that the directory is still the one that was opened and locked, and
// that its lastsigned is note.
func (s *State) holds(note []byte) error {
	if err := s.inPlace(); err != nil {
		return err
	}
	disk, err := s.read()
	if err != nil {
		return err
	}
	if !bytes.Equal(disk, note) {
		return fmt.Errorf("%w (lastsigned holds another checkpoint)", ErrSwapped)
	}
	return nil
}

// inPlace checks that the path names the open directory and that its LOCK is the
// locked one: else another process may have locked another LOCK there.
func (s *State) inPlace() error {
	for _, f := range []struct {
		name  string
		named func() (fs.FileInfo, error)
		open  func() (fs.FileInfo, error)
	}{
		{"the directory", func() (fs.FileInfo, error) { return os.Stat(s.path) }, func() (fs.FileInfo, error) { return s.root.Stat(".") }},
		{"LOCK", func() (fs.FileInfo, error) { return s.root.Lstat(lockFile) }, s.lock.Stat},
	} {
		named, err := f.named()
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w (%s is gone)", ErrSwapped, f.name)
		}
		if err != nil {
			return err
		}
		open, err := f.open()
		if err != nil {
			return err
		}
		if !os.SameFile(named, open) {
			return fmt.Errorf("%w (%s is another one now)", ErrSwapped, f.name)
		}
	}
	return nil
}

// Close unlocks the directory. A Swap that runs is waited for; later ones fail.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == nil {
		s.broken = os.ErrClosed
	}
	return errors.Join(s.root.Close(), s.lock.Close())
}
