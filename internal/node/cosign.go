package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/cosigning"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/roster"
)

const (
	// retryRound is how long after a round that was not final the next begins.
	retryRound = 2 * time.Second
	// askAhead bounds how long is asked, after a round, what witnesses hold that they were not shown.
	askAhead = 5 * time.Second
	// askedMirrors is how many mirrors a round asks at once. After a round that was not final it asks the next ones.
	askedMirrors = 8
)

// rounds is what the goroutine that has the log cosigned knows.
type rounds struct {
	collector *cosigning.Collector
	asked     string // whom the collector asks
	failed    int    // rounds that were not final, one after the other
	said      string // why, as it was logged last
	anchored  time.Time
}

// cosign shows each new head to the committee and mirrors, and writes anchors, until ctx ends.
func (a *alliance) cosign(ctx context.Context) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.published:
		case <-wait.C:
		}
		err := a.step(ctx)
		if ctx.Err() != nil {
			return
		}
		next := a.anchors - time.Since(a.rounds.anchored)
		switch {
		case errors.Is(err, errNothingToShow):
			next = retryRound
		case err != nil:
			a.sayNotFinal(err)
			next = retryRound
		}
		wait.Reset(max(next, 0))
	}
}

// errNothingToShow says that the log has no head to be cosigned: it is empty, or being brought back.
var errNothingToShow = errors.New("there is no head to show")

func (a *alliance) sayNotFinal(err error) {
	if now := err.Error(); now != a.rounds.said {
		a.logger.Warn("the newest head is not final", slog.Any("err", err))
		a.rounds.said = now
	}
}

// step makes the newest head final, and anchors it when that is due.
func (a *alliance) step(ctx context.Context) error {
	log := a.member.ledger
	p := log.Published()
	if p == nil || a.member.lost() || a.awaits() != "" {
		return errNothingToShow
	}
	r := a.follower.Roster()
	own := a.own(r)
	if own == nil {
		return fmt.Errorf("%s is not in the roster yet", a.member.cfg.City)
	}
	if turned, err := a.turnKeys(ctx, own); turned || err != nil {
		return err
	}
	bench := r.Bench(own, p.Checkpoint.Size)
	if len(bench.Committee) == 0 {
		return a.anchorUnwitnessed(ctx, p)
	}
	if err := a.collect(r, own, bench); err != nil {
		return err
	}
	if f := log.Final(); f == nil || f.Checkpoint.Size < p.Checkpoint.Size || !stillFinal(r, own, f) {
		if err := a.round(ctx, p.Note); err != nil {
			return err
		}
	}
	// Nothing proves an EPOCH to others before the anchor by which the registry's committee hands over.
	if time.Since(a.rounds.anchored) < a.anchors && !(a.door != nil && r.AwaitsHandOver()) {
		return nil
	}
	return a.anchor(ctx)
}

// stillFinal reports whether those who made a head final have a say in the epoch of now: after an EPOCH others do.
func stillFinal(r *roster.Roster, own *roster.Member, f *ledger.Published) bool {
	_, err := r.Finality(own, f.Note)
	return err == nil
}

// turnKeys lets the log's next keys sign once the registry says that they do. Where the newest head is the last one of the old
// keys, an anchor makes the first of the new ones: else a log in which nothing is published would have no head to show.
func (a *alliance) turnKeys(ctx context.Context, own *roster.Member) (turned bool, err error) {
	log := a.member.ledger
	if turned, err = (ownLog{log}).Turn(a.follower.Roster()); !turned || err != nil {
		return false, err
	}
	in, _ := newestKeys(own)
	again := log.Published().Checkpoint.Size >= in.From
	a.logger.Info("the log is signed with its new keys", slog.Uint64("from_size", in.From))
	f := log.Final()
	if again || f == nil || f.Checkpoint.Size != log.Published().Checkpoint.Size {
		return true, nil
	}
	n, err := checkpoint.ParseNote(f.Note)
	if err != nil {
		return true, err
	}
	entry, err := anchorOf(n, a.member.origin)
	if err != nil {
		return true, err
	}
	return true, a.append(ctx, entry)
}

// newestKeys are the keys that sign a member's log now, and from which size on.
func newestKeys(own *roster.Member) (in roster.KeyRange, vkeys []string) {
	in = own.Log().Keys[len(own.Log().Keys)-1]
	return in, []string{checkpoint.FormatVKey(in.Keys[0]), checkpoint.FormatVKey(in.Keys[1])}
}

// keysChanged reports whether the registry says that other keys sign the member's log than do.
func (a *alliance) keysChanged() bool {
	own := a.own(a.follower.Roster())
	if own == nil {
		return false
	}
	_, want := newestKeys(own)
	return !slices.Equal(want, a.member.ledger.VKeys())
}

// collect makes the collector for the committee of the roster.
func (a *alliance) collect(r *roster.Roster, own *roster.Member, bench *roster.Bench) error {
	opts := cosigning.Options{Prover: ownLog{a.member.ledger}, Client: a.peers, MirrorQuorum: roster.MirrorQuorum}
	voices := map[string]roster.Voice{}
	var asked strings.Builder
	for _, v := range bench.Voices {
		voices[v.ID] = v
		if !slices.Contains(bench.Committee, v.ID) || !r.Member(v.ID).Cosigns(v.Witness.Key, time.Now().Unix()) {
			continue
		}
		w, err := peer(v.Witness, r.Member(v.ID).Entry.GetHttp()+"/witness")
		if err != nil {
			return err
		}
		opts.Witnesses = append(opts.Witnesses, w)
		fmt.Fprintln(&asked, w.URL, v.Witness)
	}
	opts.Quorum = roster.Quorum(len(bench.Committee))
	if len(opts.Witnesses) < opts.Quorum {
		return fmt.Errorf("%w: only %d of %d witnesses have a voice, want %d", roster.ErrNotFinal, len(opts.Witnesses), len(bench.Committee), opts.Quorum)
	}
	for _, m := range a.mirrors(r, own) {
		v, ok := voices[m.ID()]
		if !ok {
			continue // it came in after the EPOCH
		}
		w, err := peer(v.Mirror, client.MirrorURL(m.Entry.GetHttp(), a.member.origin))
		if err != nil {
			return err
		}
		opts.Mirrors = append(opts.Mirrors, w)
		fmt.Fprintln(&asked, w.URL, v.Mirror)
	}
	if a.rounds.collector != nil && a.rounds.asked == asked.String() {
		return nil
	}
	c, err := cosigning.New(opts)
	if err != nil {
		return err
	}
	a.rounds.collector, a.rounds.asked = c, asked.String()
	return nil
}

func peer(key checkpoint.VKey, url string) (cosigning.Witness, error) {
	v, err := checkpoint.NewVerifier(key)
	return cosigning.Witness{Key: v, URL: url}, err
}

// mirrors are the members to ask for a mirror's cosignature, in an order of this log's own: others where some failed.
func (a *alliance) mirrors(r *roster.Roster, own *roster.Member) []*roster.Member {
	all := r.Mirrors(own)
	if len(all) <= askedMirrors {
		return all
	}
	first := a.rounds.failed * askedMirrors % len(all)
	return slices.Concat(all[first:], all[:first])[:askedMirrors]
}

// round shows a head to all who are asked; an error says why it is not final.
func (a *alliance) round(ctx context.Context, note []byte) error {
	h, err := a.ask(ctx, note)
	if err != nil {
		return err
	}
	if !h.Final {
		a.rounds.failed++
		return notFinal(h)
	}
	if a.rounds.failed > 0 || a.rounds.said != "" {
		a.logger.Info("heads are final again", slog.Uint64("size", h.Checkpoint.Size))
	}
	a.rounds.failed, a.rounds.said = 0, ""
	return a.member.ledger.Finalize(ctx, h.Note)
}

// ask runs a round. Whoever knows more of this log than it was shown is asked for that: somebody else may sign for it.
func (a *alliance) ask(ctx context.Context, note []byte) (*cosigning.Head, error) {
	h, err := a.rounds.collector.Round(ctx, note)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askAhead)
	defer cancel()
	for _, why := range h.Missing {
		var ahead *cosigning.AheadError
		if errors.As(why, &ahead) {
			a.ahead(ctx, ahead)
		}
	}
	return h, nil
}

// notFinal says who is missing, in a stable order.
func notFinal(h *cosigning.Head) error {
	var who []string
	for name, why := range h.Missing {
		who = append(who, fmt.Sprintf("%s: %v", name, why))
	}
	slices.Sort(who)
	return fmt.Errorf("%w at size %d: %d witnesses and %d mirrors cosigned (%s)", roster.ErrNotFinal, h.Checkpoint.Size, h.Cosigned, h.Mirrored, strings.Join(who, "; "))
}

// anchor has the newest final head cosigned once more, now, and appends it.
func (a *alliance) anchor(ctx context.Context) error {
	f := a.member.ledger.Final()
	n, err := checkpoint.ParseNote(f.Note)
	if err != nil {
		return err
	}
	own := func(s checkpoint.Signature) bool { return s.Name == a.member.origin }
	log := slices.DeleteFunc(slices.Clone(n.Sigs), func(s checkpoint.Signature) bool { return !own(s) })
	note, err := checkpoint.FormatNote(&checkpoint.Note{Text: n.Text, Sigs: log})
	if err != nil {
		return err
	}
	h, err := a.ask(ctx, note)
	if err != nil {
		return err
	}
	if !h.Final {
		return notFinal(h)
	}
	if n, err = checkpoint.ParseNote(h.Note); err != nil {
		return err
	}
	entry, err := anchorOf(n, a.member.origin)
	if err != nil {
		return err
	}
	return a.append(ctx, entry)
}

// anchorOf keeps of a final note the log's Ed25519 line and the witnesses' (federation.md, section 4).
func anchorOf(n *checkpoint.Note, origin string) ([]byte, error) {
	kept := &checkpoint.Note{Text: n.Text}
	for _, s := range n.Sigs {
		first := s.Name == origin && !slices.ContainsFunc(kept.Sigs, func(k checkpoint.Signature) bool { return k.Name == origin })
		if first || s.Name != origin && strings.HasSuffix(s.Name, "/witness") {
			kept.Sigs = append(kept.Sigs, s)
		}
	}
	return checkpoint.FormatNote(kept)
}

// anchorUnwitnessed appends the log's own word where there is no committee to give theirs.
func (a *alliance) anchorUnwitnessed(ctx context.Context, p *ledger.Published) error {
	if time.Since(a.rounds.anchored) < a.anchors {
		return nil
	}
	return a.append(ctx, p.Note)
}

// append puts an anchor into the log.
func (a *alliance) append(ctx context.Context, entry []byte) error {
	var err error
	if a.door != nil {
		_, err = a.door.Submit(ctx, entry, nil)
	} else {
		_, err = a.member.ledger.Append(ctx, entry, nil)
	}
	if err != nil {
		return fmt.Errorf("appending an anchor: %w", err)
	}
	a.rounds.anchored = time.Now()
	a.anchored.Store(a.rounds.anchored.Unix())
	return nil
}
