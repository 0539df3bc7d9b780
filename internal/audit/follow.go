package audit

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// follower takes the leaves one after the other: chains, rules over the live
// records, counts.
type follower struct {
	a      *auditor
	report *Report
	total  uint64
	city   string // empty: not known yet
	heads  map[declaration.Subject]declaration.Head
	ids    map[identity]uint64 // index of each statement's first validly signed leaf
	live   *publication.Memory
	tree   proof.Range // of the leaves so far, as long as a head before is to be compared

	trail    trail  // of the leaves up to the first gap
	anchored uint64 // size of the last anchor's head

	gap      bool // leaves are lost: what follows can't be put into chains
	newer    bool // there were leaves that only a newer program can place
	unruled  bool // the rules were given up
	troubles int
	absent   []absent
	erasures map[[sha256.Size]byte][]erasure

	stream *steps
	ahead  []*step // received and not yet followed
	weight int64   // of ahead
	done   bool    // the report is whole, or given up on purpose
}

// absent is a leaf whose body no source gives.
type absent struct {
	index   uint64
	leaf    proof.Hash
	subject declaration.Subject
	body    [sha256.Size]byte
	trouble trouble
}

// erasure is what a notice in the log says.
type erasure struct {
	leaf   proof.Hash
	notice uint64 // its index
}

// maxTroubles is how many lost bundles, damaged tiles and unreachable bodies an audit
// goes through before it gives up: a server that answers nothing, or a checkpoint
// that claims 2^62 leaves, can't hold it for ever.
const maxTroubles = 256

func newFollower(a *auditor, head client.Head) *follower {
	return &follower{
		a: a, report: a.report, total: head.Size, city: city(a.opts),
		heads:    map[declaration.Subject]declaration.Head{},
		ids:      map[identity]uint64{},
		live:     publication.NewMemory(),
		erasures: map[[sha256.Size]byte][]erasure{},
	}
}

// follow runs to the end of the log. An error is ctx's.
func (f *follower) follow(ctx context.Context, stream *steps) error {
	f.stream = stream
	for {
		st, err := f.next(ctx)
		if err != nil {
			return err
		}
		if st == nil {
			break
		}
		if err := f.step(ctx, st); err != nil {
			return err
		}
		stream.memory.Release(st.weight)
		if st.end != nil {
			f.a.opts.Progress(st.end.first+uint64(st.end.width), f.total) //nolint:gosec // at most 256
		}
		if f.troubles > maxTroubles {
			f.report.unknown(fmt.Sprintf("given up at entry %d after more than %d troubles", st.index, maxTroubles))
			break
		}
	}
	f.settle()
	f.done = true
	return nil
}

// next returns the next leaf; nil at the end of the log.
func (f *follower) next(ctx context.Context) (*step, error) {
	if len(f.ahead) == 0 {
		if more, err := f.receive(ctx); !more || err != nil {
			return nil, err
		}
	}
	st := f.ahead[0]
	f.ahead = f.ahead[1:]
	f.weight -= st.weight
	return st, nil
}

// receive adds one more leaf to ahead, complete with its body.
func (f *follower) receive(ctx context.Context) (more bool, err error) {
	var st *step
	select {
	case st, more = <-f.stream.ch:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if !more {
		return false, ctx.Err()
	}
	select {
	case <-st.ready:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	f.ahead = append(f.ahead, st)
	f.weight += st.weight
	return true, nil
}

// step follows one leaf.
func (f *follower) step(ctx context.Context, st *step) error {
	if b := st.end; b != nil {
		if b.trouble != fine {
			f.gap = true
			f.troubles++
			f.report.lost(b)
			return nil
		}
		if b.tile != fine {
			f.troubles++
			f.report.lostTile(b)
		}
	}
	f.report.Leaves++
	f.compare(st)
	if !f.gap {
		defer f.trail.append(st.hash) // an anchor speaks of the tree before it
	}
	switch {
	case st.void != "":
		f.report.void(st.index, st.void)
		return nil
	case st.newer != "":
		f.newer = true
		f.report.newer(st.index, st.newer)
		return nil
	case st.act:
		f.report.Acts++
		return nil
	case st.proof != nil:
		f.report.Evidence++
		return nil
	case st.anchor != nil:
		f.anchor(st)
		return nil
	}
	if f.gap && !st.late {
		f.report.Unfollowed++
		f.body(st)
		return nil
	}
	if first, repeat := f.ids[st.id]; repeat {
		f.report.repeat(st.index, first)
		return nil
	}
	f.ids[st.id] = st.index
	if !f.gap && !f.chain(st) {
		return nil
	}
	if st.late {
		f.report.late(st.index, st.signed.Statement.Subject.String())
		return nil
	}
	f.report.count(st.signed.Statement)
	f.body(st)
	if f.a.opts.WithoutBodies {
		return nil
	}
	return f.rules(ctx, st)
}

// compare checks the head seen before when the tree has grown to its size.
func (f *follower) compare(st *step) {
	since := f.a.opts.Since
	if since == nil || f.gap || st.index >= since.Size {
		return
	}
	if f.tree.Append(st.hash); f.tree.Size() == since.Size {
		f.report.compare(since.Size, f.tree.Root())
	}
}

// chain puts a statement into its subject's chain; false if it is void.
func (f *follower) chain(st *step) bool {
	s := st.signed.Statement
	if f.city == "" {
		f.city = s.City
		f.report.City = s.City
	}
	err := s.CheckPlace(s.Log, f.city)
	if err == nil {
		var before *declaration.Head
		if h, ok := f.heads[s.Subject]; ok {
			before = &h
		}
		err = s.CheckChain(before)
	}
	if err != nil {
		if f.newer {
			f.report.newer(st.index, "it may follow an entry that only a newer program can read: "+err.Error())
		} else {
			f.report.void(st.index, err.Error())
		}
		return false
	}
	f.heads[s.Subject] = declaration.Head{Revision: s.Revision, Leaf: st.hash, Operation: s.Operation}
	return true
}

// body accounts for a statement's body.
func (f *follower) body(st *step) {
	s := st.signed.Statement
	switch {
	case f.a.opts.WithoutBodies:
	case st.trouble != fine:
		if st.trouble == unreachable {
			f.troubles++ // it costs a deadline, where "missing" is answered at once
		}
		f.absent = append(f.absent, absent{st.index, st.hash, s.Subject, s.BodySHA256, st.trouble})
	default:
		f.report.Bodies.Verified++
		if n := st.body.GetNotice(); n.GetType() == declarationv1.NoticeType_NOTICE_TYPE_ERASURE && !f.gap {
			f.erases(n.GetErasure(), st.index)
		}
	}
}

// erases remembers what a notice erases. What it says must be hashes; publication's
// rules mark one that says less.
func (f *follower) erases(e *declarationv1.Erasure, notice uint64) {
	if len(e.GetBodySha256()) == sha256.Size && len(e.GetLeaf()) == sha256.Size {
		sum := [sha256.Size]byte(e.GetBodySha256())
		f.erasures[sum] = append(f.erasures[sum], erasure{proof.Hash(e.GetLeaf()), notice})
	}
}

// settle says of each absent body whether a notice in the log erased it.
func (f *follower) settle() {
	for _, ab := range f.absent {
		notice, ok := f.noticeFor(ab)
		switch {
		case ok:
			f.report.erased(ab, notice)
		default:
			f.report.missing(ab)
		}
	}
}

// noticeFor finds the first notice about an absent body.
func (f *follower) noticeFor(ab absent) (uint64, bool) {
	for _, e := range f.erasures[ab.body] {
		if e.leaf == ab.leaf {
			return e.notice, true
		}
	}
	return 0, false
}
