package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/roster"
)

// evidence asks all nodes for what they know against logs and witnesses, and keeps what proves itself.
func (a *allianceAuditor) evidence(ctx context.Context) {
	a.accused = map[string][]Proof{}
	asked := slices.DeleteFunc(a.nodes(), func(n node) bool { return a.away[n.base] })
	answers := make([]struct {
		known []client.KnownEvidence
		err   error
	}, len(asked))
	sideBySide(len(asked), func(i int) {
		get, err := a.opts.Open(asked[i].base)
		if err == nil {
			answers[i].known, err = client.Evidence(ctx, get)
		}
		answers[i].err = err
	})
	for i, n := range asked {
		if err := answers[i].err; err != nil {
			a.observe("", Observation{From: n.base, Path: "api/v1/evidence", Problem: err.Error()})
			a.away[n.base] = isAway(err)
			continue
		}
		for _, k := range answers[i].known {
			if e, err := evidence.Parse(k.Evidence); err == nil {
				a.accuse(e)
			}
		}
	}
}

// accuse files evidence under whom it speaks against, once.
func (a *allianceAuditor) accuse(e *evidence.Evidence) {
	r := a.state().Roster
	f, err := e.Verify(r.EvidenceKeys())
	if err != nil {
		return // it speaks against nobody
	}
	p := Proof{Kind: f.Kind.String(), Accused: f.Accused.String(), Says: f.String(), Evidence: e.Format()}
	who := f.Origin
	if f.Accused == evidence.AccusedWitness {
		who = r.Cosigner(f.Keys[0])
	}
	if !slices.ContainsFunc(a.accused[who], func(o Proof) bool { return o.Says == p.Says }) {
		a.accused[who] = append(a.accused[who], p)
		slices.SortFunc(a.accused[who], func(x, y Proof) int { return slices.Compare(x.Evidence, y.Evidence) })
	}
	if f.Kind == evidence.RegistryFork && f.Accused == evidence.AccusedLog {
		a.report.Registry.fail("there is proof: " + p.Says)
	}
}

// sighted is a verified head of a log, and where it was shown.
type sighted struct {
	from string
	note []byte
	head checkpoint.Checkpoint
}

// member audits one member's log.
func (a *allianceAuditor) member(ctx context.Context, m *roster.Member) error {
	r := a.state().Roster
	out := MemberReport{ID: m.ID(), Name: m.Entry.GetName(), Status: r.Status(m), Origin: m.Log().Origin, Findings: Findings{Verdict: True}}
	if end := m.Log().End; end != nil {
		out.Ends = &end.Size
	}
	before := m.Before(out.Origin)
	for _, l := range m.Logs[:len(m.Logs)-1-len(before)] {
		out.Earlier = append(out.Earlier, l.Origin) // with entries that the log in use has not
	}
	for _, l := range before {
		out.GoesOnFrom = append(out.GoesOnFrom, l.Origin)
	}
	sources, heads := a.sightings(ctx, m)
	if err := ctx.Err(); err != nil {
		return err
	}
	newest := a.newest(m, heads)
	if newest == nil {
		out.unknown("no place that could be reached shows a head that the log's keys signed")
	} else if err := a.log(ctx, m, &out, sources, *newest); err != nil {
		return err
	} else {
		a.compare(ctx, m, &out, sources, *newest, heads)
		a.final(m, &out, heads)
	}
	for _, who := range []string{out.Origin, out.ID} {
		for _, p := range a.accused[who] {
			if out.Evidence = append(out.Evidence, p); p.Accused == evidence.AccusedLog.String() {
				out.fail("there is proof: " + p.Says)
			}
		}
	}
	a.report.Members = append(a.report.Members, out)
	return nil
}

// log audits the log at one head.
func (a *allianceAuditor) log(ctx context.Context, m *roster.Member, out *MemberReport, sources []*client.LogReader, at sighted) error {
	st := a.state()
	trust, err := receipt.TrustIn(st.Roster, m)
	if err != nil {
		return err
	}
	r, origin := st.Roster, m.Log().Origin
	opts := Options{
		Trust: trust, City: m.ID(), Sources: sources, Checkpoint: at.note, WithoutBodies: a.opts.WithoutBodies, Anchor: a.judge(m), Late: true,
		LogKeys: func(size uint64) ([]*checkpoint.Verifier, error) { return r.LogKeys(origin, size) },
		Evidence: func(e *evidence.Evidence) error {
			_, err := e.Verify(r.EvidenceKeys())
			return err
		},
		EndedLogKeys: func(size uint64) [][]*checkpoint.Verifier { return r.EndedLogKeys(origin, size) },
	}
	opts.Acts = origin == st.Roster.Root().Terms.Registry.Origin
	if begin := m.Begin(); begin != nil && begin.Size > 0 {
		opts.Since = &client.Head{Origin: origin, Size: begin.Size, Root: begin.Root}
	}
	report, end := a.opts.Progress(m.ID())
	opts.Progress = report
	rep, err := Run(ctx, opts)
	end()
	if err != nil {
		return err
	}
	for _, o := range rep.Observed {
		a.observe(m.ID(), o)
	}
	rep.Observed, out.Log = nil, rep
	out.Lag = lagOf(rep.Clock().Lag(a.opts.AsOf.Unix(), a.opts.Thresholds))
	for _, why := range rep.Reasons {
		if rep.Verdict == False && slices.Contains(rep.falsehoods, why) {
			out.fail(why)
		} else {
			out.unknown(why)
		}
	}
	return nil
}

// judge says who judges the anchors of a member's log. Those of the registry were judged when it was replayed.
func (a *allianceAuditor) judge(m *roster.Member) func(uint64, []byte) (logtime.Anchor, error) {
	st := a.state()
	if m.Log().Origin != st.Roster.Root().Terms.Registry.Origin {
		return func(index uint64, note []byte) (logtime.Anchor, error) {
			return st.Roster.Heartbeat(m, st.Past, index, note)
		}
	}
	return func(index uint64, _ []byte) (logtime.Anchor, error) {
		if at, ok := st.Clock.At(index); ok {
			return at, nil
		}
		return logtime.Anchor{}, fmt.Errorf("%w: it had no effect in the registry", roster.ErrNotFinal)
	}
}

// final tells how far committee and mirrors vouch for the log: by a note that has all their cosignatures, or by what witnesses
// and mirrors show each for themselves, put together.
func (a *allianceAuditor) final(m *roster.Member, out *MemberReport, heads []sighted) {
	r := a.state().Roster
	var notes [][]byte
	for _, s := range heads {
		notes = append(notes, s.note)
	}
	for _, note := range slices.Concat(notes, r.Pool(m, notes)) {
		if by, err := r.Finality(m, note); err == nil {
			out.Final = max(out.Final, min(by.Head.Size, out.Log.Size)) // a later head vouches for all that was audited
		}
	}
	if out.Final == 0 {
		out.unknown("nothing that could be read shows a head with the quorum of the log's committee and mirrors: no entry is final")
	}
}
