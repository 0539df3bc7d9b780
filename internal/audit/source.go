package audit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/cityproof/cityproof/internal/client"
)

// trouble is why something could not be had from any source. The worst one counts:
// damaged bytes are evidence, absent ones are not.
type trouble int

const (
	fine        trouble = iota
	unreachable         // no answer, or none that makes sense
	missing             // every source answers that it has no such file
	damaged             // bytes that are not what they must be
)

// sources are the places to read from, and what was seen of them.
type sources struct {
	readers []*client.LogReader

	mu   sync.Mutex // guards seen
	seen []Observation
}

// maxObservations bounds what is kept of the troubles of servers.
const maxObservations = 1000

func (s *sources) observe(o Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) < maxObservations {
		s.seen = append(s.seen, o)
	}
}

// problems returns what was observed, in an order that does not depend on timing.
func (s *sources) problems() []Observation {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.seen, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.From, b.From), cmp.Compare(a.Problem, b.Problem))
	})
	return slices.Compact(s.seen)
}

// from takes a value from the first source that gives one. get checks what it reads
// and reports what does not hold as *client.DamagedError. The error is ctx's.
func from[T any](ctx context.Context, s *sources, path string, get func(*client.LogReader) (T, error)) (v T, t trouble, err error) {
	for _, r := range s.readers {
		var err error
		if v, err = get(r); err == nil {
			return v, fine, nil
		}
		if ctx.Err() != nil {
			return v, unreachable, ctx.Err()
		}
		t = max(t, s.classify(r, path, err))
	}
	return v, t, nil
}

// classify says what an error means and remembers it.
func (s *sources) classify(r *client.LogReader, path string, err error) trouble {
	var bad *client.DamagedError
	var none *client.NotFoundError
	var gone *client.GoneError
	switch {
	case errors.As(err, &bad):
		s.observe(Observation{From: r.String(), Path: cmp.Or(bad.Path, path), Problem: "damaged: " + bad.Err.Error()})
		return damaged
	case errors.As(err, &none):
		s.observe(Observation{From: r.String(), Path: cmp.Or(none.Path, path), Problem: "not there"})
		return missing
	case errors.As(err, &gone):
		// No observation: whether it is erased by right is for the log to say.
		return missing
	}
	s.observe(Observation{From: r.String(), Path: path, Problem: "not readable: " + err.Error()})
	return unreachable
}
