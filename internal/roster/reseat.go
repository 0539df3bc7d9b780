package roster

import (
	"fmt"
	"maps"
	"slices"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
)

// reseat is who witnesses the registry in an epoch instead of the committee that was drawn, because that fell silent
// (FORMAT.md, "Reseat"). It does not change.
type reseat struct {
	owner string // member id of the registry's own log
	seats []Voice
}

// reseat takes the seats that a version of the root names. It leaves the roster as it is where one of them is not what the
// registry knows.
func (r *Roster) reseat(s *root.Reseat) error {
	owner := r.registryOwner()
	counts := r.epochOf(owner, r.Size()+1)
	if s.Epoch != counts.Number {
		return fmt.Errorf("reseat: it is for epoch %d, and the registry's next head is judged by epoch %d", s.Epoch, counts.Number)
	}
	seats, err := SeatsOf(s)
	if err != nil {
		return err
	}
	for _, v := range seats {
		if err := r.checkSeat(v, owner); err != nil {
			return fmt.Errorf("reseat: %w", err)
		}
	}
	in := &r.epoch
	if counts.Number != r.epoch.Number {
		in = &r.last
	}
	in.reseat = &reseat{owner.ID(), seats}
	return nil
}

// ReseatBy is a reseat by members, with their keys of now, that would have effect as the registry's next entry. The version that
// brings it is for the caller to enter.
func (r *Roster) ReseatBy(ids ...string) (*root.Reseat, error) {
	owner := r.registryOwner()
	s := &root.Reseat{Epoch: r.epochOf(owner, r.Size()+1).Number}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		m := r.members[id]
		if m == nil {
			return nil, fmt.Errorf("%s is no member", id)
		}
		v := m.voice()
		if err := r.checkSeat(v, owner); err != nil {
			return nil, err
		}
		s.Seats = append(s.Seats, root.Seat{ID: id, Operator: v.Operator, Witness: checkpoint.FormatVKey(v.Witness), Mirror: checkpoint.FormatVKey(v.Mirror)})
	}
	return s, nil
}

// checkSeat refuses who can't witness the registry now, and keys that are not the member's: they may be newer than the epoch.
func (r *Roster) checkSeat(v Voice, owner *Member) error {
	m := r.members[v.ID]
	switch {
	case m == nil:
		return fmt.Errorf("%s is no member", v.ID)
	case r.Status(m) != Active:
		return fmt.Errorf("%s is %s", v.ID, r.Status(m))
	case m == owner || m.Entry.GetOperator() == owner.Entry.GetOperator():
		return fmt.Errorf("%s is run by who runs the registry", v.ID)
	case v.Operator != m.Entry.GetOperator():
		return fmt.Errorf("%s is run by %s, not by %s", v.ID, m.Entry.GetOperator(), v.Operator)
	case !v.Witness.Equal(m.Witness) || !v.Mirror.Equal(m.Mirror):
		return fmt.Errorf("%s cosigns with other keys", v.ID)
	case m.revoked(v.Witness.Key) || m.revoked(v.Mirror.Key):
		return fmt.Errorf("a key of %s was revoked", v.ID)
	}
	return nil
}

// SeatsOf are the voices that a reseat names, in the order of their ids.
func SeatsOf(s *root.Reseat) ([]Voice, error) {
	var out []Voice
	for _, seat := range s.Seats {
		v := Voice{ID: seat.ID, Operator: seat.Operator}
		var err error
		if v.Witness, err = checkpoint.ParseVKey(seat.Witness); err == nil {
			v.Mirror, err = checkpoint.ParseVKey(seat.Mirror)
		}
		if err != nil {
			return nil, fmt.Errorf("reading the seat of %s: %w", seat.ID, err)
		}
		out = append(out, v)
	}
	return out, nil
}

// reseatOf is the reseat that counts for the log of a member; nil: what was drawn does.
func (e Epoch) reseatOf(id string) *reseat {
	if e.reseat != nil && e.reseat.owner == id {
		return e.reseat
	}
	return nil
}

// committee are the member ids on the seats of a member's log.
func (e Epoch) committee(id string) []string {
	s := e.reseatOf(id)
	if s == nil {
		return e.committees[id]
	}
	var out []string
	for _, v := range s.seats {
		out = append(out, v.ID)
	}
	return out
}

// voicesFor are the voices, by member id, that count for the log of a member: those of the epoch, and those of a reseat before them.
func (e Epoch) voicesFor(id string) map[string]Voice {
	s := e.reseatOf(id)
	if s == nil {
		return e.voices
	}
	out := maps.Clone(e.voices)
	for _, v := range s.seats {
		out[v.ID] = v
	}
	return out
}

// lastSeats are the seats that the next epoch's committees go on from. Of the registry they are those of the reseat: from the
// silent ones the next committee would be silent again, for few seats change at once.
func (e Epoch) lastSeats() map[string][]string {
	if e.reseat == nil {
		return e.committees
	}
	out := maps.Clone(e.committees)
	out[e.reseat.owner] = e.committee(e.reseat.owner)
	return out
}

// proveVoices are the epoch's lines of members who cosigned the log of m. Those whom a reseat names are in the version of the
// root, and the founders in version 1.
func (e Epoch) proveVoices(m *Member, ids []string) []*registryv1.RosterLine {
	if e.lines == nil {
		return nil
	}
	var seats []Voice
	if s := e.reseatOf(m.ID()); s != nil {
		seats = s.seats
	}
	var out []*registryv1.RosterLine
	for _, id := range ids {
		if !slices.ContainsFunc(seats, func(v Voice) bool { return v.ID == id }) {
			out = append(out, e.lines.Voice(id))
		}
	}
	return out
}
