package audit

import (
	"context"
	"encoding/hex"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// step is a leaf with its body. Who receives it waits for ready before reading the
// last group of fields.
type step struct {
	leaf
	end    *bundle // that this is the last leaf of, else nil; of a lost bundle, the only step
	weight int64   // of the body in memory; who is done with the step gives it back

	ready   chan struct{}
	trouble trouble // why the body is not there
	body    *declarationv1.Body
	unread  string             // why the right bytes are no body
	record  publication.Record // with its keys worked out
	results []publication.Result
}

const (
	// bodiesAhead bounds the bodies in memory, in bytes as they are read; parsed
	// they take a few times as much. It must exceed what follow looks ahead.
	bodiesAhead = 96 << 20
	// stepsAhead bounds the leaves between this stage and the next.
	stepsAhead = 1024
)

// bodies starts the stage that fetches bodies side by side and checks what needs
// only one record. Leaves come out in the order of the log, and memory is given to
// them in that order, so that no later leaf can keep an earlier one waiting.
func (a *auditor) bodies(ctx context.Context, group *errgroup.Group, in <-chan *bundle) *steps {
	s := &steps{ch: make(chan *step, stepsAhead), memory: semaphore.NewWeighted(bodiesAhead)}
	work := make(chan *step, stepsAhead)
	group.Go(func() error {
		defer close(s.ch)
		defer close(work)
		for b := range in {
			select {
			case <-b.ready:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := a.dispatch(ctx, b, s, work); err != nil {
				return err
			}
		}
		return nil
	})
	for range max(a.opts.Workers, a.opts.Fetches) {
		group.Go(func() error {
			for st := range work {
				if err := a.fetch(ctx, st); err != nil {
					return err
				}
				close(st.ready)
			}
			return nil
		})
	}
	return s
}

// steps is the ordered stream of leaves to follow.
type steps struct {
	ch     chan *step
	memory *semaphore.Weighted
}

// closed is what a step that needs no body waits for.
var closed = func() chan struct{} {
	ch := make(chan struct{})
	close(ch)
	return ch
}()

func (a *auditor) dispatch(ctx context.Context, b *bundle, s *steps, work chan<- *step) error {
	if b.trouble != fine {
		if !send(ctx, s.ch, &step{leaf: leaf{index: b.first}, end: b, ready: closed}) {
			return ctx.Err()
		}
		return nil
	}
	for i, l := range b.leaves {
		st := &step{leaf: l, ready: closed}
		if i == len(b.leaves)-1 {
			st.end = b
		}
		if l.signed != nil && !a.opts.WithoutBodies {
			st.ready = make(chan struct{})
			st.weight = int64(l.signed.Statement.BodySize)
			if err := s.memory.Acquire(ctx, st.weight); err != nil {
				return err
			}
			if !send(ctx, work, st) {
				return ctx.Err()
			}
		}
		if !send(ctx, s.ch, st) {
			return ctx.Err()
		}
	}
	return nil
}

// fetch gets and checks a step's body.
func (a *auditor) fetch(ctx context.Context, st *step) error {
	statement := st.signed.Statement
	path := "bodies/" + hex.EncodeToString(statement.BodySHA256[:])
	raw, t, err := from(ctx, a.sources, path, func(r *client.LogReader) ([]byte, error) {
		return r.Body(ctx, statement.BodySHA256, statement.BodySize)
	})
	if st.trouble = t; t != fine || err != nil {
		return err
	}
	body, err := declaration.ParseBody(raw)
	if err == nil {
		err = statement.CheckBody(raw, body)
	}
	if err != nil {
		st.unread = err.Error()
		return nil
	}
	st.body = body
	st.record = publication.Record{Statement: statement, Body: body}.WithKeys()
	// Without a clock: nobody can ask years later what the door's clock showed.
	st.results = publication.CheckRecord(st.record, time.Time{})
	return nil
}
