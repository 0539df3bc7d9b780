package audit

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// headsAtOnce is how many places are asked side by side, and how many heads are compared.
const headsAtOnce = 16

// sideBySide calls f for each index below n, headsAtOnce of them at a time. Each keeps its own result and error.
func sideBySide(n int, f func(i int)) {
	var group errgroup.Group
	group.SetLimit(headsAtOnce)
	for i := range n {
		group.Go(func() error {
			f(i)
			return nil
		})
	}
	_ = group.Wait()
}

// place is where a log's head may be shown.
type place struct {
	base, at, path string
	log            bool // the log's files are there, too
}

// places are where a member's log or a head of it may be: at its node, at the mirrors, and at the witnesses.
func (a *allianceAuditor) places(m *roster.Member) (out []place) {
	origin := m.Log().Origin
	for _, n := range a.nodesFor(m) {
		if n.base == m.Entry.GetHttp() {
			out = append(out, place{n.base, n.log(), "checkpoint", true}, place{n.base, n.log(), "final", false})
			continue
		}
		out = append(out, place{n.base, n.mirror(origin), "checkpoint", true}, place{n.base, n.witness(origin), "checkpoint", false})
	}
	return out
}

// sightings reads the heads of a member's log wherever one may be shown. The readers are of the places that have the log.
func (a *allianceAuditor) sightings(ctx context.Context, m *roster.Member) (logs []*client.LogReader, heads []sighted) {
	st := a.state()
	places := a.places(m)
	found := make([]struct {
		sighted
		log  *client.LogReader
		err  error
		away bool
	}, len(places))
	sideBySide(len(places), func(i int) {
		f, p := &found[i], places[i]
		get, err := a.opts.Open(p.at)
		if err != nil {
			f.err = err
			return
		}
		var note []byte
		note, f.err = get.Get(ctx, p.path, checkpoint.MaxNoteSize)
		f.away = isAway(f.err)
		if f.err == nil {
			f.sighted, f.err = verifiedHead(st.Roster, p.at, note)
		}
		if p.log && !f.away {
			f.log = client.NewLogReader(get)
		}
	})
	for i, f := range found {
		if f.log != nil {
			logs = append(logs, f.log)
		}
		if f.err == nil {
			heads = append(heads, f.sighted)
			continue
		}
		a.observe(m.ID(), Observation{From: places[i].at, Path: places[i].path, Problem: f.err.Error()})
		if f.away {
			a.away[places[i].base] = true
		}
	}
	if m.Log().Origin == st.Roster.Root().Terms.Registry.Origin {
		if s, err := verifiedHead(st.Roster, "", st.Note); err == nil {
			heads = append(heads, s)
		}
	}
	return logs, heads
}

// isAway reports whether an error is of a server that does not answer, and not of what it answered.
func isAway(err error) bool {
	var none *client.NotFoundError
	var bad *client.DamagedError
	var gone *client.GoneError
	return err != nil && !errors.As(err, &none) && !errors.As(err, &bad) && !errors.As(err, &gone)
}

// verifiedHead checks a note by the keys that its log has at its size.
func verifiedHead(r *roster.Roster, from string, note []byte) (sighted, error) {
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return sighted{}, err
	}
	keys, err := r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return sighted{}, err
	}
	_, err = checkpoint.Verify(note, keys, nil)
	return sighted{from, note, head}, err
}

// newest is the head to audit: the largest of the log; of the registry the one that was replayed, so that all rests on one.
func (a *allianceAuditor) newest(m *roster.Member, heads []sighted) (out *sighted) {
	registry := m.Log().Origin == a.follower.Origin()
	for i, s := range heads {
		switch {
		case s.head.Origin != m.Log().Origin:
		case registry && s.from != "":
		case out == nil || s.head.Size > out.head.Size:
			out = &heads[i]
		}
	}
	return out
}

// compare holds all heads of a log, and what the registry pinned, against the audited one: each must belong to its history
// (T-16). What nobody proves can't be told.
func (a *allianceAuditor) compare(ctx context.Context, m *roster.Member, out *MemberReport, sources []*client.LogReader, audited sighted, heads []sighted) {
	answers := make([]struct {
		fork evidence.Fork
		err  error
	}, len(heads))
	sideBySide(len(heads), func(i int) {
		answers[i].fork, answers[i].err = sameHistory(ctx, sources, heads[i].head, audited.head)
	})
	for i, s := range heads {
		agrees := false
		switch fork, err := answers[i].fork, answers[i].err; {
		case s.head.Origin != audited.head.Origin:
			out.fail(fmt.Sprintf("a place shows the log %s instead", s.head.Origin))
		case errors.Is(err, errOtherHistory):
			out.fail(fmt.Sprintf("the log's keys signed two histories: size %d with the root %s is none of the audited one", s.head.Size, s.head.Root))
			a.prove(s, audited, fork)
		case err != nil:
			out.unknown(fmt.Sprintf("nobody proves that the head of size %d, which the log signed, belongs to the same history", s.head.Size))
		default:
			agrees = true
		}
		if s.from != "" {
			list(&a.report.Observed.Heads, Sighting{m.ID(), s.from, s.head.Size, s.head.Root.String(), agrees})
		}
	}
	r := a.state().Roster
	settled := map[string]roster.Pin{}
	if pin, ok := r.Epoch().Pin(m.Log().Origin); ok {
		settled[fmt.Sprintf("epoch %d pinned", r.Epoch().Number)] = pin
	}
	if end := m.Log().End; end != nil {
		settled["the registry ended the log at"] = *end
	}
	for who, pin := range settled {
		at := checkpoint.Checkpoint{Origin: m.Log().Origin, Size: pin.Size, Root: pin.Root}
		if _, err := sameHistory(ctx, sources, at, audited.head); errors.Is(err, errOtherHistory) {
			out.fail(fmt.Sprintf("%s size %d with the root %s, which is none of the audited history", who, pin.Size, pin.Root))
		} else if err != nil || pin.Size > audited.head.Size {
			out.unknown(fmt.Sprintf("%s size %d, and no place proves that it shows that history so far", who, pin.Size))
		}
	}
}

// prove files evidence of two heads that contradict each other.
func (a *allianceAuditor) prove(one, other sighted, fork evidence.Fork) {
	if e, err := Prove(a.state().Roster, one.note, other.note, fork); err == nil {
		a.accuse(e)
	}
}

// Prove makes evidence of two signed heads of one log that contradict each other: E1 of one size, else E2, for which the fork
// must say what the larger one has in the smaller one's place.
func Prove(r *roster.Roster, one, other []byte, fork evidence.Fork) (*evidence.Evidence, error) {
	x, err := verifiedHead(r, "", one)
	if err != nil {
		return nil, err
	}
	y, err := verifiedHead(r, "", other)
	if err != nil {
		return nil, err
	}
	if x.head.Size > y.head.Size {
		x, y = y, x
	}
	small, err := r.LogKeys(x.head.Origin, x.head.Size)
	if err != nil {
		return nil, err
	}
	large, err := r.LogKeys(y.head.Origin, y.head.Size)
	if err != nil {
		return nil, err
	}
	a, b := evidence.Head{Note: x.note, Key: small[0]}, evidence.Head{Note: y.note, Key: large[0]}
	if x.head.Size == y.head.Size {
		return evidence.NewE1(a, b)
	}
	return evidence.NewE2(a, b, fork)
}

var errOtherHistory = errors.New("the two heads are of two histories")

// sameHistory proves that one of two signed heads extends the other, from whichever source can; or that it does not, by what
// the larger one has in the smaller one's place.
func sameHistory(ctx context.Context, sources []*client.LogReader, x, y checkpoint.Checkpoint) (evidence.Fork, error) {
	if x.Size > y.Size {
		x, y = y, x
	}
	if x.Size == y.Size || x.Size == 0 {
		if x.Size == y.Size && x.Root != y.Root {
			return evidence.Fork{}, errOtherHistory
		}
		return evidence.Fork{}, nil
	}
	err := errors.New("nobody proves it")
	for _, src := range sources {
		var path []proof.Hash
		if path, err = tile.ConsistencyProof(ctx, src, x.Size, y.Size); err != nil {
			continue
		}
		if err = proof.VerifyConsistency(x.Size, y.Size, x.Root, y.Root, path); err == nil {
			return evidence.Fork{}, nil
		}
		// The proof must hold for the root that the larger head really has there, before it speaks against anybody.
		root, rerr := tile.Root(ctx, src, x.Size)
		if rerr == nil && root != x.Root && proof.VerifyConsistency(x.Size, y.Size, root, y.Root, path) == nil {
			return evidence.Fork{Root: root, Path: path}, errOtherHistory
		}
	}
	return evidence.Fork{}, err
}
