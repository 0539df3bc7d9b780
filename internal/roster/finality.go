package roster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

// Finality checks that a note of a member's log is signed by the log's keys, by the quorum of its committee in the epoch that
// counts for it, and by mirrors of MirrorQuorum other members. Errors wrap ErrNotFinal where only cosignatures are missing.
func (r *Roster) Finality(m *Member, note []byte) (*FinalBy, error) {
	return r.finality(m, note, (*Bench).Final)
}

// Witnessed is Finality without the mirrors.
func (r *Roster) Witnessed(m *Member, note []byte) (*FinalBy, error) {
	return r.finality(m, note, (*Bench).Witnessed)
}

func (r *Roster) finality(m *Member, note []byte, judge func(*Bench, []byte, []*checkpoint.Verifier) (*FinalBy, error)) (*FinalBy, error) {
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return nil, err
	}
	if head.Origin != m.Log().Origin {
		return nil, fmt.Errorf("the note is of %s, the log of %s is %s", head.Origin, m.ID(), m.Log().Origin)
	}
	keys, err := m.Log().keysAt(head.Size)
	if err != nil {
		return nil, err
	}
	log, err := verifiers(keys[:]...)
	if err != nil {
		return nil, err
	}
	return judge(r.bench(r.epochOf(m, head.Size), m), note, log)
}

// Committee returns the member ids on the seats of a member's log, in the order of the seats. Of the registry's own log they
// are those for its next head.
func (r *Roster) Committee(id string) []string {
	m := r.members[id]
	if m == nil {
		return nil
	}
	return r.epochOf(m, r.Size()+1).committee(id)
}

// Bench is who may vouch now for a head of a member's log of a size.
func (r *Roster) Bench(m *Member, size uint64) *Bench { return r.bench(r.epochOf(m, size), m) }

// bench is who may vouch for the log of a member in an epoch: voices of that epoch whose members are active now. For the
// registry's own log a reseat takes the place of what was drawn.
func (r *Roster) bench(e Epoch, m *Member) *Bench {
	b := &Bench{Committee: e.committee(m.ID()), Operator: m.Entry.GetOperator(), Counts: r.cosignatureCounts}
	for _, v := range e.voicesFor(m.ID()) {
		if v.ID != m.ID() && r.Status(r.members[v.ID]) == Active {
			b.Voices = append(b.Voices, v)
		}
	}
	slices.SortFunc(b.Voices, func(x, y Voice) int { return strings.Compare(x.ID, y.ID) })
	return b
}

// epochOf is the epoch whose committee counts for a member's head of a size: the one in force, but for the registry's own
// log that of before, up to the anchor that hands over.
func (r *Roster) epochOf(m *Member, size uint64) Epoch {
	if m.Log().Origin == r.root.Terms.Registry.Origin && r.epoch.Number > 0 && (r.AwaitsHandOver() || size <= r.epoch.registry) {
		return r.last
	}
	return r.epoch
}

// cosignatureCounts is false for what was signed at or after the time from which the key was revoked.
func (r *Roster) cosignatureCounts(s checkpoint.Signed) bool {
	for m := range maps.Values(r.members) {
		if from, ok := m.cosigners[string(s.Key.Key)]; ok && s.Timestamp >= from {
			return false
		}
	}
	return true
}

// finalAbovePin is Witnessed for an act that ends something at a head: none may lie below what the epoch settled (T-31).
func (r *Roster) finalAbovePin(m *Member, note []byte) (checkpoint.Checkpoint, error) {
	by, err := r.Witnessed(m, note)
	if err != nil {
		return checkpoint.Checkpoint{}, fmt.Errorf("final_note: %w", err)
	}
	if pin, ok := r.epoch.Pin(by.Head.Origin); ok && by.Head.Size < pin.Size {
		return by.Head, fmt.Errorf("final_note: its size %d is below the pin, %d", by.Head.Size, pin.Size)
	}
	return by.Head, nil
}
