package root

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Reseat names who witnesses the registry instead of the committee that was drawn for an epoch, after so many of its seats fell
// silent that no head of the registry gets its quorum (FORMAT.md).
type Reseat struct {
	Version int64  `json:"version"` // that brought it
	Epoch   uint32 `json:"epoch"`   // whose seats are silent; 0 is the founding
	Seats   []Seat `json:"seats"`   // minSeats to maxSeats, ascending by id
}

// Seat is a member and the keys with which it cosigns.
type Seat struct {
	ID       string `json:"id"`
	Operator string `json:"operator"`
	Witness  string `json:"witness"` // vkey
	Mirror   string `json:"mirror"`  // vkey
}

// Reseats is the reseat of this very version; nil if it brings none.
func (r *Root) Reseats() *Reseat {
	if s := r.Terms.Reseat; s != nil && s.Version == r.Version {
		return s
	}
	return nil
}

func (s *Reseat) same(o *Reseat) bool {
	return s.Version == o.Version && s.Epoch == o.Epoch && slices.Equal(s.Seats, o.Seats)
}

// checkReseat checks the form: whether the seats are members with these keys only the registry can tell.
func (r *Root) checkReseat() error {
	s := r.Terms.Reseat
	if s == nil {
		return nil
	}
	switch {
	case s.Version < 2 || s.Version > r.Version:
		return fmt.Errorf("reseat is of version %d, want the version from 2 on that brought it", s.Version)
	case len(s.Seats) < minSeats || len(s.Seats) > maxSeats:
		return fmt.Errorf("reseat has %d seats, want %d to %d", len(s.Seats), minSeats, maxSeats)
	case r.Reseats() != nil && r.GoesOn() != nil:
		return errors.New("it brings a head in continue_from and a reseat: each takes a version of its own")
	case r.Reseats() != nil && r.Terms.Pin != nil && s.Epoch < r.Terms.Pin.Epoch:
		return fmt.Errorf("reseat is for epoch %d, which lies before epoch %d that it pins", s.Epoch, r.Terms.Pin.Epoch)
	}
	used := map[string]bool{string(r.Log[0].Key): true, string(r.Log[1].Key): true}
	for _, k := range r.Keys {
		used[string(k)] = true
	}
	for _, k := range r.Terms.ActKeys {
		used[string(k)] = true
	}
	for i, seat := range s.Seats {
		if err := seat.check(used); err != nil {
			return fmt.Errorf("reseat.seats[%d]: %w", i, err)
		}
		if i > 0 && s.Seats[i-1].ID >= seat.ID {
			return errors.New("reseat.seats must be distinct and in ascending order of ids")
		}
	}
	return nil
}

// check refuses keys that were used, and adds those of the seat to them.
func (s Seat) check(used map[string]bool) error {
	if err := declaration.CheckMemberID(s.ID); err != nil {
		return err
	}
	if err := declaration.CheckMemberID(s.Operator); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	for _, text := range []string{s.Witness, s.Mirror} {
		k, err := checkpoint.ParseVKey(text)
		if err != nil {
			return err
		}
		if k.Type != checkpoint.TypeEd25519Cosignature {
			return fmt.Errorf("%v is no key for cosigning", k)
		}
		if used[string(k.Key)] {
			return fmt.Errorf("the key of %v is there twice, or is a root key, an act key or the registry's", k)
		}
		used[string(k.Key)] = true
	}
	return nil
}

// checkNextReseat lets go of a reseat only where the version pins a later epoch: until then links from its epoch need it. A second
// one for the same epoch takes the place of the first, should its seats be silent too.
func (r *Root) checkNextReseat(next *Root) error {
	old, now := r.Terms.Reseat, next.Terms.Reseat
	if now != nil && next.Reseats() == nil && (old == nil || !now.same(old)) {
		return errors.New("its reseat is neither its own nor that of the version before")
	}
	if old == nil || now != nil && (now.same(old) || now.Epoch == old.Epoch) {
		return nil
	}
	if p := next.Terms.Pin; p == nil || p.Epoch <= old.Epoch {
		return fmt.Errorf("it gives up the reseat for epoch %d and pins no later one: what is linked from that epoch needs it", old.Epoch)
	}
	return nil
}
