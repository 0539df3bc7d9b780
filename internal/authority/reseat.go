package authority

import (
	"errors"
	"slices"

	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// reseats puts beside those who were drawn to vouch for the registry in an epoch those whom versions of the root named instead:
// the committee of a reseat, with the voices of its seats in place of what is proven otherwise.
func reseats(roots []*root.Root, epoch uint32, drawn *roster.Bench) ([]*roster.Bench, error) {
	out := []*roster.Bench{drawn}
	version := int64(0)
	for _, r := range roots {
		s := r.Terms.Reseat
		if s == nil || s.Epoch != epoch || s.Version == version {
			continue // of another epoch, or repeated
		}
		version = s.Version
		seats, err := roster.SeatsOf(s)
		if err != nil {
			return nil, err
		}
		b := &roster.Bench{Voices: seats, Operator: drawn.Operator}
		for _, v := range seats {
			b.Committee = append(b.Committee, v.ID)
		}
		for _, v := range drawn.Voices {
			if !slices.Contains(b.Committee, v.ID) {
				b.Voices = append(b.Voices, v)
			}
		}
		out = append(out, b)
	}
	return out, nil
}

// reseat adds who may vouch instead, where the log is the registry's, or was.
func (c *Certificate) reseat(origin string, roots []*root.Root) error {
	if !slices.ContainsFunc(roots, func(r *root.Root) bool {
		return r.Terms.Registry.Origin == origin || slices.ContainsFunc(r.Terms.ContinueFrom, func(from root.ContinueFrom) bool { return from.Origin == origin })
	}) {
		return nil
	}
	benches, err := reseats(roots, c.Epoch, c.Bench)
	if err == nil {
		c.Reseats = benches[1:]
	}
	return err
}

// oneOf asks benches, one after the other, for one that lacks no cosignature. An error that is not about missing ones ends it.
func oneOf(benches []*roster.Bench, judge func(*roster.Bench) (*roster.FinalBy, error)) (by *roster.FinalBy, committee []string, err error) {
	var errs []error
	for _, b := range benches {
		by, err := judge(b)
		if err == nil {
			return by, b.Committee, nil
		}
		errs = append(errs, err)
		if !errors.Is(err, roster.ErrNotFinal) {
			break
		}
	}
	return nil, nil, errors.Join(errs...)
}
