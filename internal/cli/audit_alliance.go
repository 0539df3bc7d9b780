package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// auditedMember is what was found about one member's log.
type auditedMember struct {
	ID      string        `json:"id"`
	Origin  string        `json:"origin"`
	Verdict audit.Verdict `json:"verdict"`
	Why     []string      `json:"why,omitempty"`
	Size    uint64        `json:"size"`
	// Final is the size up to which the committee and mirrors vouch for the log.
	Final uint64 `json:"final"`
	// Agree are the places whose heads belong to one history.
	Agree  []string      `json:"agree"`
	Report *audit.Report `json:"report,omitempty"`
}

// auditAlliance audits the logs of all members, or of those named, from their nodes and mirrors, and compares what these show.
func (a *App) auditAlliance(ctx context.Context, v *auditor, ids []string) error {
	st, _, err := a.follow(ctx, &v.decision)
	if err != nil {
		return err
	}
	r := st.Roster
	for _, id := range ids {
		if r.Member(id) == nil {
			return usage(fmt.Errorf("%s is no member", id), "cityproof alliance roster lists the members")
		}
	}
	accused := gatherEvidence(ctx, r)
	var all []auditedMember
	for _, m := range r.Members() {
		if len(ids) > 0 && !slices.Contains(ids, m.ID()) || len(ids) == 0 && r.Status(m) == roster.Left {
			continue
		}
		one, err := a.auditMember(ctx, v, r, m)
		if err != nil {
			return err
		}
		for _, says := range accused[one.Origin] {
			one.Verdict, one.Why = audit.False, append(one.Why, "there is proof: "+says)
		}
		if all = append(all, one); !v.asJSON {
			a.sayAudited(one)
		}
	}
	if v.asJSON {
		if err := printJSON(a.Out, map[string]any{"registry_size": r.Size(), "epoch": r.Epoch().Number, "alarms": st.Alarms, "members": all}); err != nil {
			return err
		}
	} else {
		a.say("The registry was replayed up to size %d, epoch %d; %d of its entries break a rule and have no effect.", r.Size(), r.Epoch().Number, len(st.Alarms))
	}
	verdicts := func(want audit.Verdict) bool {
		return slices.ContainsFunc(all, func(m auditedMember) bool { return m.Verdict == want })
	}
	switch {
	case verdicts(audit.False):
		return refused(errors.New("the audit found what must not be"), "keep a copy of what is served now, and show it to other cities")
	case verdicts(audit.CouldNotTell):
		return unknown(errors.New("the audit could not tell all"), "nothing was found false; what is missing is said above")
	}
	return nil
}

// gatherEvidence asks all members for what they know against logs, and returns what proves itself, by origin.
func gatherEvidence(ctx context.Context, r *roster.Roster) map[string][]string {
	out := map[string][]string{}
	for _, m := range r.Members() {
		known, err := fetchEvidence(ctx, m.Entry.GetHttp())
		if err != nil {
			continue // what it knows, others know as well
		}
		for _, k := range known {
			e, err := evidence.Parse(k.Evidence)
			if err != nil {
				continue
			}
			f, err := e.Verify(r.EvidenceKeys())
			if err == nil && f.Accused == evidence.AccusedLog && !slices.Contains(out[f.Origin], f.String()) {
				out[f.Origin] = append(out[f.Origin], f.String())
			}
		}
	}
	return out
}

func (a *App) sayAudited(m auditedMember) {
	final := fmt.Sprintf("final up to %d", m.Final)
	if m.Final == 0 {
		final = "nothing of it is final"
	}
	a.say("%-14s %s  %s: %d entries, %s, %d places agree", strings.ToUpper(string(m.Verdict)), m.ID, m.Origin, m.Size, final, len(m.Agree))
	for _, why := range m.Why {
		a.say("  %s", line(why))
	}
}

// auditMember audits one log.
func (a *App) auditMember(ctx context.Context, v *auditor, r *roster.Roster, m *roster.Member) (auditedMember, error) {
	out := auditedMember{ID: m.ID(), Origin: m.Log().Origin, Verdict: audit.CouldNotTell}
	trust, err := receipt.TrustIn(r, m)
	if err != nil {
		return out, err
	}
	places := memberPlaces(r, m)
	origin := m.Log().Origin
	opts := audit.Options{
		Trust: trust, City: m.ID(), WithoutBodies: v.noBodies, Late: true, Acts: origin == r.Root().Terms.Registry.Origin,
		LogKeys:      func(size uint64) ([]*checkpoint.Verifier, error) { return r.LogKeys(origin, size) },
		EndedLogKeys: func(size uint64) [][]*checkpoint.Verifier { return r.EndedLogKeys(origin, size) },
	}
	for _, url := range places {
		web, err := client.NewWeb(url, client.HTTPOptions{Tries: 1})
		if err != nil {
			out.Why = append(out.Why, err.Error())
			continue
		}
		defer web.Close()
		opts.Sources = append(opts.Sources, client.NewLogReader(web))
	}
	if len(opts.Sources) == 0 {
		return out, nil
	}
	opts.Checkpoint = newestHead(ctx, opts.Sources, trust)
	report, end := a.progress("auditing " + m.ID())
	opts.Progress = report
	rep, err := audit.Run(ctx, opts)
	end()
	if err != nil {
		return out, err
	}
	out.Verdict, out.Why, out.Size, out.Report = rep.Verdict, append(out.Why, rep.Reasons...), rep.Size, rep
	if opts.Checkpoint == nil {
		return out, nil
	}
	a.compare(ctx, &out, opts, trust)
	a.finalUpTo(ctx, &out, r, m)
	return out, nil
}

// memberPlaces are where a member's log lies: its node, and the copies of the others.
func memberPlaces(r *roster.Roster, m *roster.Member) []string {
	places := []string{m.Entry.GetHttp() + "/log"}
	for _, o := range r.Members() {
		if o != m && r.Status(o) == roster.Active {
			places = append(places, fmt.Sprintf("%s/mirror/%x", o.Entry.GetHttp(), sha256.Sum256([]byte(m.Log().Origin))))
		}
	}
	return places
}

// compare holds the heads that the places show against the audited one: each must belong to its history.
func (a *App) compare(ctx context.Context, out *auditedMember, opts audit.Options, trust *receipt.Trust) {
	newest, err := headOf(opts.Checkpoint)
	if err != nil {
		return // audit has said so
	}
	for _, src := range opts.Sources {
		note, err := src.Checkpoint(ctx)
		var v *checkpoint.Verified
		if err == nil {
			v, err = checkpoint.Verify(note, trust.Log, nil)
		}
		if err != nil {
			continue // it is away, or shows what nobody signed: that speaks against nobody
		}
		switch err := sameHistory(ctx, opts.Sources, v.Checkpoint, newest); {
		case errors.Is(err, errOtherHistory):
			out.Verdict = audit.False
			out.Why = append(out.Why, fmt.Sprintf("%s shows another history, signed by the log: size %d with the root %s", src, v.Checkpoint.Size, v.Checkpoint.Root))
		case err == nil:
			out.Agree = append(out.Agree, src.String())
		}
	}
}

var errOtherHistory = errors.New("the two heads are of two histories")

// sameHistory proves that one of two signed heads extends the other, from whichever source can.
func sameHistory(ctx context.Context, sources []*client.LogReader, x, y checkpoint.Checkpoint) error {
	if x.Size > y.Size {
		x, y = y, x
	}
	if x.Size == y.Size {
		if x.Root != y.Root {
			return errOtherHistory
		}
		return nil
	}
	err := errors.New("nobody proves it")
	for _, src := range sources {
		var path []proof.Hash
		if path, err = tile.ConsistencyProof(ctx, src, x.Size, y.Size); err != nil {
			continue
		}
		if err = proof.VerifyConsistency(x.Size, y.Size, x.Root, y.Root, path); err == nil {
			return nil
		}
		// The proof must hold for the root that the larger head really has there, before it speaks against anybody.
		root, rerr := tile.Root(ctx, src, x.Size)
		if rerr == nil && root != x.Root && proof.VerifyConsistency(x.Size, y.Size, root, y.Root, path) == nil {
			return errOtherHistory
		}
	}
	return err
}

// finalUpTo asks how far the committee and mirrors vouch for the log.
func (a *App) finalUpTo(ctx context.Context, out *auditedMember, r *roster.Roster, m *roster.Member) {
	note, err := fetchFinal(ctx, m.Entry.GetHttp())
	var by *roster.FinalBy
	if err == nil {
		by, err = r.Finality(m, note)
	}
	if err != nil {
		out.Why = append(out.Why, "its final head: "+err.Error())
		if out.Verdict == audit.True {
			out.Verdict = audit.CouldNotTell
		}
		return
	}
	out.Final = by.Head.Size
}
