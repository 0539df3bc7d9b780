package signingkey

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// ErrHalted says that a log signer has met something that it can't explain and
// signs no more until an operator has looked.
var ErrHalted = errors.New("signing is halted")

// RollbackError says that a checkpoint was asked for that does not go forward
// from the last signed one (invariant I2).
type RollbackError struct {
	Last, Asked checkpoint.Checkpoint
}

func (e *RollbackError) Error() string {
	return fmt.Sprintf("refusing to sign size %d, root %s: size %d, root %s is signed already",
		e.Asked.Size, e.Asked.Root, e.Last.Size, e.Last.Root)
}

// LogSigner signs a log's checkpoints and never two roots for one size.
type LogSigner struct {
	origin string

	mu     sync.Mutex // guards the following
	keys   *logKeys   // that sign
	next   *logKeys   // that will, once Turn was called; nil: none
	state  *State
	last   *checkpoint.Verified // nil: nothing signed yet
	lastBy *logKeys             // that signed last
	halted error
}

// logKeys are the keys of a log that sign together.
type logKeys struct {
	signers   []*checkpoint.Signer
	verifiers []*checkpoint.Verifier
}

func newLogKeys(origin string, ed, pq *Key) (*logKeys, error) {
	l := &logKeys{}
	for _, k := range []struct {
		key *Key
		alg Algorithm
		typ checkpoint.KeyType
	}{{ed, Ed25519, checkpoint.TypeEd25519}, {pq, MLDSA44, checkpoint.TypeMLDSA44}} {
		if k.key.Role != Log || k.key.Algorithm != k.alg {
			return nil, fmt.Errorf("making log signer: want a log key of %s, not the %s key %q of %s", k.alg, k.key.Role, k.key.Label, k.key.Algorithm)
		}
		signer, err := checkpoint.NewSigner(origin, k.typ, k.key.Signer())
		if err != nil {
			return nil, fmt.Errorf("making log signer: %w", err)
		}
		verifier, err := checkpoint.NewVerifier(signer.Key())
		if err != nil {
			return nil, fmt.Errorf("making log signer: %w", err)
		}
		l.signers, l.verifiers = append(l.signers, signer), append(l.verifiers, verifier)
	}
	return l, nil
}

func (l *logKeys) vkeys() []string {
	var out []string
	for _, signer := range l.signers {
		out = append(out, checkpoint.FormatVKey(signer.Key()))
	}
	return out
}

// NewLogSigner returns the signer of the log named origin with its Ed25519 and
// ML-DSA-44 keys. A last note in state must be by exactly these keys: else keys
// and state belong to different logs.
func NewLogSigner(origin string, ed, pq *Key, state *State) (*LogSigner, error) {
	return NewTurningLogSigner(origin, ed, pq, nil, nil, state)
}

// NewTurningLogSigner is NewLogSigner for a log whose keys an alliance replaces: the
// next ones, where they are not nil, sign once Turn was called, or if they signed the
// last note already.
func NewTurningLogSigner(origin string, ed, pq, nextEd, nextPQ *Key, state *State) (*LogSigner, error) {
	s := &LogSigner{origin: origin, state: state}
	var err error
	if s.keys, err = newLogKeys(origin, ed, pq); err != nil {
		return nil, err
	}
	if nextEd != nil || nextPQ != nil {
		if s.next, err = newLogKeys(origin, nextEd, nextPQ); err != nil {
			return nil, err
		}
	}
	if err := s.readLast(); err != nil {
		return nil, err
	}
	return s, nil
}

// readLast verifies the last signed note by the keys that sign, or by the next ones.
func (s *LogSigner) readLast() (err error) {
	note := s.state.Last()
	if note == nil {
		return nil
	}
	if s.last, err = checkpoint.Verify(note, s.keys.verifiers, nil); err != nil && s.next != nil {
		if s.last, err = checkpoint.Verify(note, s.next.verifiers, nil); err == nil {
			s.keys, s.next = s.next, nil
		}
	}
	if err != nil {
		return fmt.Errorf("making log signer: lastsigned is not by this log's keys: %w", err)
	}
	s.lastBy = s.keys
	return nil
}

// NextVKeys are the keys that will sign once Turn was called, as VKeys returns those
// that do; nil if there are none, or they do already.
func (s *LogSigner) NextVKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		return nil
	}
	return s.next.vkeys()
}

// Turn lets the next keys sign from now on; for the last signed head too, if that is
// asked for once more.
func (s *LogSigner) Turn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil {
		s.keys, s.next = s.next, nil
	}
}

// Origin is the log's name.
func (s *LogSigner) Origin() string { return s.origin }

// VKeys are the keys that sign, as C2SP vkeys: Ed25519, then ML-DSA-44.
func (s *LogSigner) VKeys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys.vkeys()
}

// Last returns the last signed checkpoint and its note; ok is false if there is
// none yet.
func (s *LogSigner) Last() (c checkpoint.Checkpoint, note []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return checkpoint.Checkpoint{Origin: s.origin, Root: proof.EmptyRoot()}, nil, false
	}
	return s.last.Checkpoint, s.state.Last(), true
}

// Sign signs the checkpoint of size and root, which must extend the last signed
// one (the caller has checked that), keeps it as the last signed one, and returns
// the note. The same size and root again returns the note that exists, unless the
// keys have turned. Its time never goes back, even if the clock does.
func (s *LogSigner) Sign(size uint64, root proof.Hash, now time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	signed, note, err := s.make(size, root, now)
	if err != nil {
		return nil, s.halt(err)
	}
	if signed == s.last {
		return note, nil
	}
	if err := s.state.Swap(note); err != nil {
		return nil, s.halt(err)
	}
	s.last, s.lastBy = signed, s.keys
	return note, nil
}

// make signs, but keeps and shows nothing: the note may leave this package only
// when the state has swapped it in. It returns s.last itself where that is what was
// asked for.
func (s *LogSigner) make(size uint64, root proof.Hash, now time.Time) (*checkpoint.Verified, []byte, error) {
	if s.halted != nil {
		return nil, nil, s.halted
	}
	c := checkpoint.Checkpoint{Origin: s.origin, Size: size, Root: root}
	if s.last != nil {
		last := s.last.Checkpoint
		switch {
		case last.Size == size && last.Root == root:
			if s.lastBy == s.keys {
				return s.last, s.state.Last(), nil
			} // else the keys have turned since: the same head by the new ones
		case last.Size >= size:
			return nil, nil, &RollbackError{Last: last, Asked: c}
		}
		now = s.notBeforeLast(now)
	}
	note, err := checkpoint.Sign(c, now, s.keys.signers...)
	if err != nil {
		return nil, nil, err
	}
	signed, err := checkpoint.Verify(note, s.keys.verifiers, nil)
	return signed, note, err
}

func (s *LogSigner) notBeforeLast(now time.Time) time.Time {
	for _, sig := range s.last.Log {
		if t := time.Unix(int64(sig.Timestamp), 0); now.Before(t) { //nolint:gosec // the format bounds it to 2^63-1
			now = t
		}
	}
	return now
}

func (s *LogSigner) halt(cause error) error {
	if s.halted != nil {
		return s.halted // the first cause is the one to look at
	}
	s.halted = fmt.Errorf("%w: %w", ErrHalted, cause)
	return s.halted
}

// Foreign says why nothing may be signed on this machine: a *ForeignError, or nil.
func (s *LogSigner) Foreign() error { return s.state.Foreign() }

// Halted returns why signing is halted, or nil.
func (s *LogSigner) Halted() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted
}

// Halt stops signing for good in this process.
func (s *LogSigner) Halt(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.halt(cause)
}

// Close gives the state directory back.
func (s *LogSigner) Close() error { return s.state.Close() }
