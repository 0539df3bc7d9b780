package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/recovery"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/witness"
)

// freshRegistry is how old the registry's newest anchor may be for its roster to say who is asked: in an older one the committee
// of now may be missing (T-32).
const freshRegistry = 24 * time.Hour

// lost reports whether something of the member's log is lost on this disk, and is being brought back.
func (m *member) lost() bool {
	loss, _ := m.ledger.Lost()
	return loss != ledger.NotLost
}

// recover brings the member's log back where some of it is lost, and fills one that goes on from another with that one's entries.
func (a *alliance) recover(ctx context.Context) {
	m := a.member
	tick := time.NewTicker(a.poll)
	defer tick.Stop()
	for {
		if begin := a.beginning(); begin != nil {
			m.ledger.MustBegin(*begin)
		}
		err := recovery.Run(ctx, recovery.Options{
			Ledger: m.ledger, Electorate: a.electorate, Begin: a.beginning, Copies: m.logs.ownLog, Scratch: m.cfg.Data + ".refill", Retry: a.poll, Logger: a.logger,
			Ask: func(ctx context.Context, id string) ([]byte, error) { return m.gossip.Head(ctx, id, m.origin) },
		})
		if err != nil && ctx.Err() == nil {
			a.logger.Error("bringing the log back", slog.Any("err", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// electorate is who says which head of the member's log was signed last: its committee by a roster of today, and everybody else.
func (a *alliance) electorate() (*recovery.Electorate, error) {
	if head := a.continued(); head != nil {
		return &recovery.Electorate{Head: head}, nil
	}
	r := a.follower.Roster()
	own := a.own(r)
	switch {
	case a.member.gossip == nil:
		return nil, errors.New("without its TLS key this node can ask nobody: put it back, or have the registry rotate it")
	case a.follower.State().Note == nil:
		return nil, errors.New("the registry could not be read yet")
	case time.Since(time.Unix(r.Time(), 0)) > freshRegistry:
		return nil, fmt.Errorf("the registry as it can be read ends at %s: who sits on the committee now can't be told",
			time.Unix(r.Time(), 0).UTC().Format(time.RFC3339))
	case own == nil:
		return nil, fmt.Errorf("%s is not in the roster", a.member.cfg.City)
	}
	size, _ := a.member.log.Head()
	bench := r.Bench(own, max(size, r.Size()+1))
	e := &recovery.Electorate{Committee: bench.Committee, Keys: func(size uint64) ([]*checkpoint.Verifier, error) {
		return r.LogKeys(a.member.origin, size)
	}}
	for _, o := range r.Members() {
		if o != own && r.Status(o) != roster.Left {
			e.Others = append(e.Others, o.ID())
		}
	}
	e.Others = without(e.Others, bench.Committee)
	return e, nil
}

// continued is the head up to which this node's log has the entries of the registry's old log, where a version of the root lets
// the registry go on here; nil if it is another log.
func (a *alliance) continued() *checkpoint.Checkpoint {
	next := a.follower.State().Next
	if next == nil || next.Terms.Registry.Origin != a.member.origin {
		return nil
	}
	head := next.GoesOn().Head()
	head.Origin = a.member.origin
	return &head
}

func without(ids, gone []string) []string {
	in := map[string]bool{}
	for _, id := range gone {
		in[id] = true
	}
	var out []string
	for _, id := range ids {
		if !in[id] {
			out = append(out, id)
		}
	}
	return out
}

// kept are the notes of a log that this node's witness and mirror have cosigned.
func (m *member) kept(origin string) [][]byte {
	var out [][]byte
	keep := func(w *witness.Witness) {
		if note, ok, err := w.Checkpoint(originHash(origin)); err == nil && ok {
			out = append(out, note)
		}
	}
	if m.witness != nil {
		keep(m.witness)
	}
	if m.mirror != nil {
		keep(m.mirror.Witness)
	}
	return out
}
