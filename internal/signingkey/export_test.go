package signingkey

import (
	"syscall"
	"time"

	"github.com/cityproof/cityproof/internal/proof"
)

// Step is one part of a swap, to be run by itself.
type Step struct {
	Name string
	Do   func() error
}

// Steps lists the parts of a swap in order.
func (s *State) Steps(note []byte) []Step {
	var out []Step
	for _, st := range s.swap(note) {
		out = append(out, Step{st.name, func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.do(st)
		}})
	}
	return out
}

// LoseLock lets another process lock the directory too, as a network file system
// does whose lease has ended.
func (s *State) LoseLock() error { return syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN) }

// Make signs and neither keeps nor shows what it signed.
func (s *LogSigner) Make(size uint64, root proof.Hash, now time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, note, err := s.make(size, root, now)
	return note, err
}

// ForeignTo compares two identity files' texts.
func ForeignTo(was, now string) (string, error) {
	w, err := parseIdentity([]byte(was))
	if err != nil {
		return "", err
	}
	n, err := parseIdentity([]byte(now))
	if err != nil {
		return "", err
	}
	return w.foreignTo(n), nil
}
