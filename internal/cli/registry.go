package cli

import (
	"context"
	"errors"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// registry asks the node for numbers and nicknames. What earlier files of the same
// run will publish counts as if it were there.
type registry struct {
	ctx     context.Context //nolint:containedctx // draft.Registry's methods take none; it lives for one run
	client  *client.Client
	earlier run
}

// Next implements draft.Registry.
func (r *registry) Next(kind declaration.Kind) (uint32, error) {
	n, err := r.client.NextNumber(r.ctx, kind)
	return n + r.earlier.count[kind], err
}

// Lookup implements draft.Registry.
func (r *registry) Lookup(kind declaration.Kind, nickname string) (declaration.Subject, bool, error) {
	if s, ok := r.earlier.named[name{kind, nickname}]; ok {
		return s, true, nil
	}
	rec, err := r.client.Newest(r.ctx, nickname, kind)
	var node *client.NodeError
	if errors.As(err, &node) && node.Refusal == client.Missing {
		return declaration.Subject{}, false, nil
	}
	if err != nil {
		return declaration.Subject{}, false, err
	}
	return rec.Statement.Subject, true, nil
}

// run is what earlier files of the same run publish.
type run struct {
	named map[name]declaration.Subject
	count map[declaration.Kind]uint32 // new subjects
}

type name struct {
	kind     declaration.Kind
	nickname string
}

// add takes in drafts that are numbered.
func (r *run) add(drafts []*draft.Draft) {
	if r.named == nil {
		r.named, r.count = map[name]declaration.Subject{}, map[declaration.Kind]uint32{}
	}
	for _, d := range drafts {
		if d.Operation != declaration.Publish {
			continue
		}
		r.count[d.Subject.Kind]++
		if n := d.Nickname(); n != "" {
			r.named[name{d.Subject.Kind, n}] = d.Subject
		}
	}
}
