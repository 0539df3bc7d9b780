package registry

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// Source is a place where the registry's files lie: a node, a mirror, a folder. *client.LogReader is one.
type Source interface {
	// Checkpoint returns the newest signed checkpoint.
	Checkpoint(ctx context.Context) ([]byte, error)
	// Bundle returns the first width entries of an entry bundle.
	Bundle(ctx context.Context, index uint64, width int) ([][]byte, error)
	// File returns what an act commits to by its SHA-256.
	File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error)
}

// ForkError says that the registry's keys signed two histories, or that a source shows one that nobody signed.
type ForkError struct {
	Size         uint64 // at which both have a root
	Ours, Theirs proof.Hash
	Note         []byte // that names theirs
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("the registry at size %d has the root %s here and the root %s there", e.Size, e.Ours, e.Theirs)
}

// Alarm is an entry of the registry that has no effect because it breaks a rule.
type Alarm struct {
	Index  uint64
	What   string // the act's kind; empty where it could not be read
	Reason string
}

// maxUnproven is how many entries are replayed of a head that the registry's keys, as far as they are known, did not sign:
// the newer keys may stand in them.
const maxUnproven = 1 << 16

// maxAlarms is how many alarms are kept, the first ones.
const maxAlarms = 1000

// State is a registry up to a head. It does not change.
type State struct {
	Roster *roster.Roster
	Note   []byte // the head, signed by the registry; nil before the first, and where it went back to the head that Next names
	Alarms []Alarm
	// Next is the version of the root by which the registry goes on in another log, while Roster does not hold it: until then
	// no act is taken. Nil: there is none.
	Next *root.Root
	// Clock is the registry's log time, by the anchors that had effect.
	Clock logtime.Clock
	// Past are the epochs before the one in force, oldest first, of a follower that remembers them: who audits a log needs
	// the committees of each.
	Past []roster.Epoch
}

// Follower follows a registry. It is safe for concurrent use; updates run one after another.
type Follower struct {
	first    *root.Root
	state    atomic.Pointer[State]
	remember bool

	mu      sync.Mutex // held during an update
	adopted *root.Root // the newest version that was given to Adopt; nil: none. Guarded by mu
}

// NewFollower begins with version 1 of the root, which must verify.
func NewFollower(first *root.Root) (*Follower, error) {
	r, err := roster.New(first)
	if err != nil {
		return nil, fmt.Errorf("following registry: %w", err)
	}
	f := &Follower{first: first}
	f.state.Store(&State{Roster: r})
	return f, nil
}

// RememberEpochs has State.Past filled; it is called before the first Update. An epoch of 10,000 cities takes some 4 MB.
func (f *Follower) RememberEpochs() { f.remember = true }

// State returns where the follower stands. Nobody may apply entries to its roster.
func (f *Follower) State() *State { return f.state.Load() }

// Roster is the roster of State.
func (f *Follower) Roster() *roster.Roster { return f.State().Roster }

// Origin is the registry's name, as the roster has it.
func (f *Follower) Origin() string { return f.Roster().Root().Terms.Registry.Origin }

// Update replays what a source has more than the follower. A source that is behind changes nothing. After an error the
// follower stands where it stood. Errors: *ForkError, *WaitingError, *roster.MissingFileError, *act.LaterVersionError, or of the
// source.
func (f *Follower) Update(ctx context.Context, src Source) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next, err := f.replay(ctx, src)
	if err != nil {
		return fmt.Errorf("following registry %s: %w", f.Origin(), err)
	}
	if next != nil {
		f.state.Store(next)
	}
	return nil
}

// replay returns the state after what a source has more; nil if that is nothing.
func (f *Follower) replay(ctx context.Context, src Source) (*State, error) {
	now := f.State()
	note, err := src.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return nil, err
	}
	if now.Next != nil {
		return f.goOn(ctx, src, note, head)
	}
	if head.Origin != f.Origin() {
		return f.moved(ctx, src, note, head)
	}
	if root, ok := now.Roster.RootAt(head.Size); ok {
		if root != head.Root {
			return nil, f.fork(now.Roster, note, head, root)
		}
		if head.Size < now.Roster.Size() || now.Note != nil {
			return nil, nil
		}
	}
	if head.Size > now.Roster.Size()+maxUnproven {
		if err := verify(now.Roster, note, head); err != nil {
			return nil, err
		}
	}
	next := &State{Roster: now.Roster.Clone(), Note: note, Alarms: now.Alarms, Clock: now.Clock.Clone(), Past: slices.Clip(now.Past)}
	if err := next.applyAll(ctx, src, head, f.remember); err != nil {
		return nil, err
	}
	err = verify(next.Roster, note, head)
	if own, ok := src.(turner); ok && err != nil {
		turned, terr := own.Turn(next.Roster)
		if terr != nil {
			return nil, terr
		}
		if turned {
			return f.replay(ctx, src) // its head is signed anew
		}
	}
	return next, err
}

// turner is a source that is the registry's own log, on the node that signs it. An act in it may end the keys that signed the
// head over that very act: nobody else can follow before the new ones have.
type turner interface {
	// Turn lets the keys sign the newest head that the roster says sign it; false if they do already.
	Turn(r *roster.Roster) (bool, error)
}

// fork tells a head that the registry signed from one that somebody made up.
func (f *Follower) fork(r *roster.Roster, note []byte, head checkpoint.Checkpoint, ours proof.Hash) error {
	if err := verify(r, note, head); err != nil {
		return err
	}
	return &ForkError{Size: head.Size, Ours: ours, Theirs: head.Root, Note: note}
}

// verify checks a head by the keys that the registry has at its size.
func verify(r *roster.Roster, note []byte, head checkpoint.Checkpoint) error {
	keys, err := r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return err
	}
	_, err = checkpoint.Verify(note, keys, nil)
	return err
}

// applyAll replays all entries of a head, which must lead to its root.
func (s *State) applyAll(ctx context.Context, src Source, head checkpoint.Checkpoint, remember bool) error {
	if err := s.apply(ctx, src, head.Size, remember); err != nil {
		return err
	}
	if got := s.Roster.TreeRoot(); got != head.Root {
		return fmt.Errorf("its entries lead to the root %s at size %d, its checkpoint says %s", got, head.Size, head.Root)
	}
	return nil
}

// apply replays entries up to a size.
func (s *State) apply(ctx context.Context, src Source, size uint64, remember bool) error {
	files := func(sum [sha256.Size]byte) ([]byte, error) { return src.File(ctx, sum) }
	for s.Roster.Size() < size {
		first := s.Roster.Size() &^ (tile.FullWidth - 1)
		entries, err := src.Bundle(ctx, first/tile.FullWidth, int(min(tile.FullWidth, size-first)))
		if err != nil {
			return err
		}
		for _, b := range entries[s.Roster.Size()-first:] {
			at, epoch := s.Roster.Size(), s.Roster.Epoch()
			out, err := s.Roster.Apply(b, files)
			if err != nil {
				return fmt.Errorf("entry %d: %w", at, err)
			}
			if remember && s.Roster.Epoch().Number != epoch.Number {
				s.Past = append(s.Past, epoch)
			}
			if out.Kind == roster.Anchor {
				s.beat(at, b)
			}
			if out.Kind == roster.Void && len(s.Alarms) < maxAlarms {
				s.Alarms = append(s.Alarms[:len(s.Alarms):len(s.Alarms)], Alarm{at, out.What, out.Reason.Error()})
			}
		}
	}
	return nil
}

// beat takes an anchor that had effect. What the clock refuses is of no later head, and shows no life.
func (s *State) beat(at uint64, note []byte) {
	if head, err := checkpoint.Unverified(note); err == nil {
		_ = s.Clock.Add(logtime.Anchor{Index: at, Size: head.Size, Time: s.Roster.Time()})
	}
}
