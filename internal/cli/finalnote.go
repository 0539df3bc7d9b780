package cli

import (
	"context"
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/roster"
)

// finalNoteOf gets the newest final note of a member's log: from its node, else put together from what its witnesses saw, so
// that a log can be ended whose node is off.
func (a *App) finalNoteOf(ctx context.Context, r *roster.Roster, m *roster.Member) ([]byte, error) {
	note, err := fetchFinal(ctx, m.Entry.GetHttp())
	if err == nil {
		if _, err = r.Witnessed(m, note); err == nil {
			return note, nil
		}
		err = refused(fmt.Errorf("the final head of %s: %w", m.ID(), err), "its node must have its newest head cosigned first")
	} else {
		err = unknown(fmt.Errorf("the final head of %s: %w", m.ID(), err), "its node must answer, or enough of its witnesses")
	}
	if note := a.finalFromWitnesses(ctx, r, m); note != nil {
		return note, nil
	}
	return nil, err
}

// seen is a head that a witness or mirror shows of a log.
type seen struct {
	head checkpoint.Checkpoint
	raw  []byte // the note
}

// shownAt asks a witness or mirror, at its place for a log, for its newest head of it.
func shownAt(ctx context.Context, place, origin string) (*seen, error) {
	web, err := client.NewWeb(place, client.HTTPOptions{Tries: 1})
	if err != nil {
		return nil, err
	}
	defer web.Close()
	b, err := web.Get(ctx, "checkpoint", checkpoint.MaxNoteSize)
	if err != nil {
		return nil, err
	}
	head, err := checkpoint.Unverified(b)
	if err == nil && head.Origin != origin {
		err = fmt.Errorf("it is of %s", head.Origin)
	}
	return &seen{head, b}, err
}

// finalFromWitnesses puts the cosignatures that a log's witnesses show together: the largest head that is final by them, nil
// if none is.
func (a *App) finalFromWitnesses(ctx context.Context, r *roster.Roster, m *roster.Member) (best []byte) {
	var notes [][]byte
	for _, id := range r.Committee(m.ID()) {
		s, err := shownAt(ctx, client.WitnessURL(r.Member(id).Entry.GetHttp(), m.Log().Origin), m.Log().Origin)
		if err != nil {
			a.note("%s does not say what it saw of %s: %v", id, m.ID(), err)
			continue
		}
		notes = append(notes, s.raw)
	}
	var size uint64
	for _, note := range r.Pool(m, notes) {
		if by, err := r.Witnessed(m, note); err == nil && (best == nil || by.Head.Size > size) {
			best, size = note, by.Head.Size
		}
	}
	return best
}

// lastHead is where a log ends that moves: where the registry ended it, else its final head, else the largest head signed by
// the log that another member holds a copy of.
func (a *App) lastHead(ctx context.Context, r *roster.Roster, m *roster.Member) (head checkpoint.Checkpoint, err error) {
	if end := m.Log().End; end != nil {
		return checkpoint.Checkpoint{Origin: m.Log().Origin, Size: end.Size, Root: end.Root}, nil
	}
	note, err := a.finalNoteOf(ctx, r, m)
	if err == nil {
		return checkpoint.Unverified(note)
	}
	found := false
	for _, other := range r.Members() {
		if other == m || r.Status(other) == roster.Left {
			continue
		}
		s, err := shownAt(ctx, client.MirrorURL(other.Entry.GetHttp(), m.Log().Origin), m.Log().Origin)
		if err != nil || found && s.head.Size <= head.Size {
			continue
		}
		keys, err := r.LogKeys(s.head.Origin, s.head.Size)
		if err != nil {
			continue
		}
		if _, err := checkpoint.Verify(s.raw, keys, nil); err == nil {
			head, found = s.head, true
		}
	}
	if !found {
		return head, err
	}
	return head, nil
}
