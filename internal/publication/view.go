package publication

import (
	"fmt"
	"slices"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Newest is the newest revision of a subject.
type Newest struct {
	Head declaration.Head
	// Body is nil where it was erased: rules that need it can't tell and stay
	// silent.
	Body *declarationv1.Body
}

// Live is a city's records as the rules look at them. Its lists may stand in any
// order.
type Live interface {
	// Newest returns the newest revision of a subject, also of a withdrawn one;
	// nil if there is none.
	Newest(s declaration.Subject) (*Newest, error)
	// Linking returns the subjects whose newest revision has s among its Links.
	// Withdrawn ones may be among them.
	Linking(s declaration.Subject) ([]declaration.Subject, error)
	// Find returns the subjects whose newest revision has the key. Withdrawn
	// ones should be among them: V-18 looks there for what is published again
	// under a new number.
	Find(key Key) ([]declaration.Subject, error)
}

// store is a Live that is asked each thing once and keeps the first error.
type store struct {
	live  Live
	known map[declaration.Subject]*Newest
	err   error
}

func (s *store) newest(subject declaration.Subject) *Newest {
	if n, ok := s.known[subject]; ok || s.err != nil {
		return n
	}
	n, err := s.live.Newest(subject)
	if err != nil {
		s.err = fmt.Errorf("reading the newest revision of %s: %w", subject, err)
		return nil
	}
	s.known[subject] = n
	return n
}

// view is a city's records after some batch, or before it where the maps are empty.
type view struct {
	*store
	batch map[declaration.Subject]*Newest
	keys  map[Key][]declaration.Subject
	links map[declaration.Subject][]declaration.Subject
}

func newView(s *store) *view {
	return &view{s, map[declaration.Subject]*Newest{}, map[Key][]declaration.Subject{}, map[declaration.Subject][]declaration.Subject{}}
}

// apply puts a record over what was there. index must be called after the last.
func (v *view) apply(rec Record, leaf proof.Hash) {
	st := rec.Statement
	v.batch[st.Subject] = &Newest{declaration.Head{Revision: st.Revision, Leaf: leaf, Operation: st.Operation}, rec.Body}
}

// index lists the batch's subjects under their keys and links.
func (v *view) index(keysOf map[declaration.Subject][]Key) {
	for s, n := range v.batch {
		for _, k := range keysOf[s] {
			v.keys[k] = append(v.keys[k], s)
		}
		for _, to := range Links(n.Body) {
			v.links[to] = append(v.links[to], s)
		}
	}
}

func (v *view) newest(s declaration.Subject) *Newest {
	if n, ok := v.batch[s]; ok {
		return n
	}
	return v.store.newest(s)
}

// isLive reports whether a subject exists and is not withdrawn.
func (v *view) isLive(s declaration.Subject) bool {
	n := v.newest(s)
	return n != nil && !n.Head.Withdrawn()
}

// body returns a live subject's body; nil if there is none to be had. The getters
// of protobuf messages take nil for empty.
func (v *view) body(s declaration.Subject) *declarationv1.Body {
	if !v.isLive(s) {
		return nil
	}
	return v.newest(s).Body
}

// linking returns the live subjects that link to s, in order.
func (v *view) linking(s declaration.Subject) []declaration.Subject {
	if v.err != nil {
		return nil
	}
	stored, err := v.live.Linking(s)
	if err != nil {
		v.err = fmt.Errorf("reading what names %s: %w", s, err)
		return nil
	}
	return slices.DeleteFunc(v.merge(stored, v.links[s]), func(x declaration.Subject) bool { return !v.isLive(x) })
}

// find returns the subjects with a key, in order, withdrawn ones as well.
func (v *view) find(k Key) []declaration.Subject {
	if v.err != nil || k == "" {
		return nil
	}
	stored, err := v.live.Find(k)
	if err != nil {
		v.err = fmt.Errorf("finding %s: %w", k, err)
		return nil
	}
	return v.merge(stored, v.keys[k])
}

// merge joins what is stored of subjects outside the batch with the batch's.
func (v *view) merge(stored, batch []declaration.Subject) []declaration.Subject {
	out := slices.Clone(batch)
	for _, s := range stored {
		if _, over := v.batch[s]; !over {
			out = append(out, s)
		}
	}
	sortSubjects(out)
	return slices.Compact(out)
}
