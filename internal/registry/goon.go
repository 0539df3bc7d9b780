package registry

import (
	"context"
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// WaitingError says that a version of the root is known by which the registry goes on in another log, and that a source did not
// show that history.
type WaitingError struct {
	Next *root.Root
	Why  string
}

func (e *WaitingError) Error() string {
	from := fromOf(e.Next)
	return fmt.Sprintf("version %d of the root says that the registry goes on in %s from size %d with the root %s: %s; until that log is seen, no act is taken and the members are as they were known",
		e.Next.Version, e.Next.Terms.Registry.Origin, from.Size, from.Root, e.Why)
}

// fromOf is the head from which the registry goes on by a version.
func fromOf(next *root.Root) roster.Pin {
	head := next.GoesOn().Head()
	return roster.Pin{Size: head.Size, Root: head.Root}
}

// Adopt takes a version of the root from elsewhere: a file that the holders handed out. Each version needs the one before it,
// from the registry or from an earlier Adopt. What is known already changes nothing. A version with continue_from ends the old
// log at once: what its keys signed for larger sizes is taken no more, and the next Update goes back and replays the history
// that goes on, if its source has it. On errors nothing changes.
func (f *Follower) Adopt(next *root.Root) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := *f.State()
	known := now.Roster.Root()
	if f.adopted != nil && f.adopted.Version > known.Version {
		known = f.adopted
	}
	switch {
	case next.Version < known.Version, next.Same(known):
		return nil
	case next.Version == known.Version:
		return fmt.Errorf("adopting root metadata: another version %d is known, %s: two were signed", known.Version, known.ID)
	case next.Version > known.Version+1:
		return fmt.Errorf("adopting root metadata: version %d came before version %d: get the files of the versions between", next.Version, known.Version+1)
	}
	if err := known.VerifyNext(next); err != nil {
		return fmt.Errorf("adopting root metadata: %w", err)
	}
	if next.GoesOn() != nil {
		if now.Next == nil {
			ended, err := now.Roster.EndRegistry(next)
			if err != nil {
				return fmt.Errorf("adopting root metadata: %w", err)
			}
			now.Roster = ended
		}
		now.Next, now.Note = next, nil
		f.state.Store(&now)
	}
	f.adopted = next
	return nil
}

// again replays a source from the founding on, up to a size.
func (f *Follower) again(ctx context.Context, src Source, size uint64) (*State, error) {
	r, err := roster.New(f.first)
	if err != nil {
		return nil, err
	}
	s := &State{Roster: r}
	return s, s.apply(ctx, src, size, f.remember)
}

// moved replays a source whose log has another origin than the registry that is followed: a version of the root in it must say
// that the registry went on there. Without the file the keys are known only after the replay, which is bounded therefore.
func (f *Follower) moved(ctx context.Context, src Source, note []byte, head checkpoint.Checkpoint) (*State, error) {
	if head.Size > maxUnproven {
		return nil, fmt.Errorf("the checkpoint is of %s; if the registry went on there, get the newest version of the root", head.Origin)
	}
	now := f.State()
	next, err := f.again(ctx, src, 0)
	if err != nil {
		return nil, err
	}
	if err := next.applyAll(ctx, src, head, f.remember); err != nil {
		return nil, err
	}
	if in := next.Roster.Root(); in.Terms.Registry.Origin != head.Origin || in.Version <= now.Roster.Root().Version || now.Next != nil && in.Version < now.Next.Version {
		return nil, fmt.Errorf("the checkpoint is of %s, where no version of the root that is new here lets the registry go on", head.Origin)
	}
	next.Note = note
	return next, verify(next.Roster, note, head)
}

// goOn replays the history that the next version of the root names, from its new log or, up to the head that it names, from the
// old one.
func (f *Follower) goOn(ctx context.Context, src Source, note []byte, head checkpoint.Checkpoint) (*State, error) {
	now := f.State()
	next, from := now.Next, fromOf(now.Next)
	waiting := func(format string, args ...any) error { return &WaitingError{next, fmt.Sprintf(format, args...)} }
	size, isNew := head.Size, head.Origin == next.Terms.Registry.Origin
	switch {
	case !isNew && head.Origin != f.Origin():
		return f.moved(ctx, src, note, head)
	case head.Size < from.Size:
		return nil, waiting("the source's log %s has %d entries", head.Origin, head.Size)
	case isNew && head.Size > maxUnproven:
		if err := verifyNew(next, note); err != nil {
			return nil, err
		}
	case !isNew:
		size = from.Size
	}
	got, err := rootAt(ctx, src, from.Size)
	if err != nil {
		return nil, err
	}
	if got != from.Root {
		return nil, waiting("the source's log %s has the root %s there and is another history", head.Origin, got)
	}
	if size == now.Roster.Size() && now.goesOn(from) {
		switch {
		case !isNew:
			return nil, waiting("this is the old log, up to there")
		case now.Roster.TreeRoot() == head.Root && now.Note != nil:
			return nil, nil // and the act that records the version is still to come
		}
	}
	s, err := f.again(ctx, src, size)
	if err != nil {
		return nil, err
	}
	if isNew {
		if got := s.Roster.TreeRoot(); got != head.Root {
			return nil, fmt.Errorf("its entries lead to the root %s at size %d, its checkpoint says %s", got, head.Size, head.Root)
		}
		s.Note = note
	}
	if s.Roster.Root().Version >= next.Version {
		return s, verify(s.Roster, note, head)
	}
	return f.upTo(s, next, note, isNew)
}

// rootAt hashes a source's entries up to a size, which costs less than to replay them.
func rootAt(ctx context.Context, src Source, size uint64) (proof.Hash, error) {
	var tree proof.Range
	for tree.Size() < size {
		entries, err := src.Bundle(ctx, tree.Size()/tile.FullWidth, int(min(tile.FullWidth, size-tree.Size())))
		if err != nil {
			return proof.Hash{}, err
		}
		for _, e := range entries {
			tree.Append(proof.LeafHash(e))
		}
	}
	return tree.Root(), nil
}

// upTo is a state in which the registry has the head from which the version goes on, and not yet the act that records it.
func (f *Follower) upTo(s *State, next *root.Root, note []byte, isNew bool) (*State, error) {
	if isNew {
		if err := verifyNew(next, note); err != nil {
			return nil, err
		}
	}
	if !s.goesOn(fromOf(next)) {
		return nil, &WaitingError{next, "in the source's log the act ROOT_VERSION does not follow that head"}
	}
	ended, err := s.Roster.EndRegistry(next)
	if err != nil {
		return nil, err
	}
	s.Roster, s.Next = ended, next
	return s, nil
}

// goesOn reports whether the version that names this head can still be recorded next.
func (s *State) goesOn(from roster.Pin) bool {
	got, ok := s.Roster.RootAt(from.Size)
	return ok && got == from.Root && from.Size >= s.Roster.Settled()
}

// verifyNew checks a head of the log in which the registry goes on, by the keys that the version names.
func verifyNew(next *root.Root, note []byte) error {
	var keys []*checkpoint.Verifier
	for _, k := range next.Log {
		v, err := checkpoint.NewVerifier(k)
		if err != nil {
			return err
		}
		keys = append(keys, v)
	}
	_, err := checkpoint.Verify(note, keys, nil)
	return err
}
