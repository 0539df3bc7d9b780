package signingkey

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// maxNote bounds a stored note, in bytes.
const maxNote = 64 << 10

// ErrLocked says that another process signs from this state directory.
var ErrLocked = errors.New("another process uses this state directory")

// ErrSwapped says that lastsigned on disk is not what this process wrote last:
// somebody else signs for this log, or the file was put back from a copy.
var ErrSwapped = errors.New("lastsigned was changed by somebody else: another process signs for this log, or an old copy was put back")

// State is an open state directory: the last signed note, which must never roll
// back. It is not safe for concurrent use.
type State struct {
	dir  string
	lock *os.File
	last []byte // as on disk; nil: none yet
}

// OpenState opens or makes a state directory and locks it for this process.
func OpenState(dir string) (*State, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening state: %w", err)
	}
	s := &State{dir: dir, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("opening state %s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("opening state %s: %w", dir, err)
	}
	if err := s.load(); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("opening state: %w", err)
	}
	return s, nil
}

func (s *State) load() (err error) {
	if err = os.Remove(s.file() + ".new"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.last, err = s.read()
	return err
}

func (s *State) file() string { return filepath.Join(s.dir, "lastsigned") }

func (s *State) read() ([]byte, error) { return readNote(s.file()) }

func readNote(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err == nil && (len(b) == 0 || len(b) > maxNote) {
		return nil, fmt.Errorf("%s is damaged: it must hold one signed checkpoint", path)
	}
	return b, err
}

// ReadLastSigned reads the last signed note of a state directory without locking
// it: nil if there is none.
func ReadLastSigned(dir string) ([]byte, error) {
	b, err := readNote(filepath.Join(dir, "lastsigned"))
	if err != nil {
		return nil, fmt.Errorf("reading last signed checkpoint: %w", err)
	}
	return b, nil
}

// Last returns the last signed note, nil if there is none. The caller must not
// change it.
func (s *State) Last() []byte { return s.last }

// Swap replaces the last signed note, durably. It fails with ErrSwapped if the
// file no longer holds what Last returns. After any error the state of the disk
// is not known, and the caller must sign no more.
func (s *State) Swap(note []byte) error {
	disk, err := s.read()
	if err != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", err)
	}
	if !bytes.Equal(disk, s.last) {
		return fmt.Errorf("swapping last signed checkpoint: %w", ErrSwapped)
	}
	tmp := s.file() + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", err)
	}
	_, err = f.Write(note)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", err)
	}
	if err := os.Rename(tmp, s.file()); err != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", err)
	}
	if err := syncDir(s.dir); err != nil {
		return fmt.Errorf("swapping last signed checkpoint: %w", err)
	}
	s.last = note
	return nil
}

// Close unlocks the directory.
func (s *State) Close() error { return s.lock.Close() }
