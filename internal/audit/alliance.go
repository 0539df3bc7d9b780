package audit

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// AllianceOptions say which alliance to audit, from where, and as of when.
type AllianceOptions struct {
	// Root is version 1 of the root. Required: everything rests on it.
	Root *root.Root
	// Members are the ids of those whose logs are audited; none: all that have not left.
	Members []string
	// Open reaches the files of a node below its address. Required.
	Open func(base string) (client.Getter, error)
	// From are the addresses of the only nodes to read from; none: all that root and registry name.
	From []string
	// Registry are further places of the registry, such as an archive. They are asked first.
	Registry []*client.LogReader
	// AsOf is the moment for which lag, the registry's age and the root's expiry are told. Required.
	AsOf time.Time
	// Thresholds of the lag; zero: logtime.Default. From Red on a registry is too old to tell anything from.
	Thresholds logtime.Thresholds
	// WithoutBodies is as in Options.
	WithoutBodies bool
	// Progress is asked for who is told how far the audit of a member's log is, and when it ended. Default: nobody.
	Progress func(member string) (report func(done, total uint64), end func())
}

// UnknownMemberError says that somebody is to be audited who is no member.
type UnknownMemberError struct{ ID string }

func (e *UnknownMemberError) Error() string { return e.ID + " is no member of the alliance" }

// Alliance audits the registry and the logs of an alliance from whatever nodes and mirrors can be reached, and compares what
// these show. An error says that there is no report: a member that is none (*UnknownMemberError), or ctx ended.
func Alliance(ctx context.Context, opts AllianceOptions) (*AllianceReport, error) {
	if opts.Thresholds == (logtime.Thresholds{}) {
		opts.Thresholds = logtime.Default
	}
	if opts.Progress == nil {
		opts.Progress = func(string) (func(uint64, uint64), func()) { return func(uint64, uint64) {}, func() {} }
	}
	f, err := registry.NewFollower(opts.Root)
	if err != nil {
		return nil, fmt.Errorf("auditing alliance: %w", err)
	}
	f.RememberEpochs()
	a := &allianceAuditor{opts: opts, follower: f, away: map[string]bool{}, report: &AllianceReport{
		Version: 1, Alliance: fmt.Sprintf("%x", opts.Root.Alliance), Name: opts.Root.Terms.Name, AsOf: timeOf(opts.AsOf.Unix()),
	}}
	a.registry(ctx)
	for _, id := range opts.Members {
		if a.state().Roster.Member(id) == nil && a.state().Note != nil {
			return nil, &UnknownMemberError{id}
		}
	}
	if a.state().Note != nil {
		a.evidence(ctx)
		for _, m := range a.chosen() {
			if err := a.member(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.report.finish()
	return a.report, nil
}

type allianceAuditor struct {
	opts     AllianceOptions
	follower *registry.Follower
	report   *AllianceReport
	away     map[string]bool    // addresses that do not answer: they are asked no more
	accused  map[string][]Proof // by origin of the log that they speak against, or id of the member whose witness
}

func (a *allianceAuditor) state() *registry.State { return a.follower.State() }

// chosen are the members whose logs are audited.
func (a *allianceAuditor) chosen() (out []*roster.Member) {
	r := a.state().Roster
	for _, m := range r.Members() {
		if slices.Contains(a.opts.Members, m.ID()) || len(a.opts.Members) == 0 && r.Status(m) != roster.Left {
			out = append(out, m)
		}
	}
	return out
}

// node is an address at which a member's node, or somebody's, answers.
type node struct{ base string }

func (n node) log() string { return n.base + "/log" }
func (n node) mirror(origin string) string {
	return client.MirrorURL(n.base, origin)
}
func (n node) witness(origin string) string {
	return client.WitnessURL(n.base, origin)
}

// nodes are where to read, the founders' first while the registry is not known.
func (a *allianceAuditor) nodes() (out []node) {
	if len(a.opts.From) > 0 {
		for _, base := range a.opts.From {
			out = append(out, node{strings.TrimSuffix(base, "/")})
		}
		return out
	}
	r := a.state().Roster
	for _, m := range r.Members() {
		if r.Status(m) != roster.Left {
			out = append(out, node{m.Entry.GetHttp()})
		}
	}
	return out
}

// allNodes is how many nodes are all asked for a log; where there are more, those that witness and mirror it.
const allNodes = 100

// nodesFor are where a member's log may be read, the member's own node first.
func (a *allianceAuditor) nodesFor(m *roster.Member) (out []node) {
	r := a.state().Roster
	all := a.nodes()
	if len(all) > allNodes && len(a.opts.From) == 0 {
		all = []node{{m.Entry.GetHttp()}}
		for _, id := range r.Committee(m.ID()) {
			all = append(all, node{r.Member(id).Entry.GetHttp()})
		}
		for _, o := range r.Mirrors(m) {
			if len(all) > 2*roster.MaxSeats {
				break
			}
			all = append(all, node{o.Entry.GetHttp()})
		}
	}
	slices.SortStableFunc(all, func(x, y node) int {
		own := func(n node) int { return map[bool]int{true: 0, false: 1}[n.base == m.Entry.GetHttp()] }
		return own(x) - own(y)
	})
	for _, n := range all {
		if !a.away[n.base] && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// read opens a log at a place. What can't be opened is observed.
func (a *allianceAuditor) read(member, place string) *client.LogReader {
	get, err := a.opts.Open(place)
	if err != nil {
		a.observe(member, Observation{From: place, Problem: err.Error()})
		return nil
	}
	return client.NewLogReader(get)
}

func (a *allianceAuditor) observe(member string, o Observation) {
	list(&a.report.Observed.Troubles, MemberObservation{member, o})
}

// registry replays the registry as far as any place shows it: one that is behind takes nothing away from the others (T-32).
func (a *allianceAuditor) registry(ctx context.Context) {
	out := &a.report.Registry
	out.Origin = a.follower.Origin()
	places := a.opts.Registry
	asked := map[string]bool{}
	ask := func() {
		for _, place := range a.registryPlaces() {
			if asked[place] {
				continue
			}
			asked[place] = true
			if log := a.read("", place); log != nil {
				places = append(places, log)
			}
		}
		for _, log := range places {
			a.follow(ctx, log)
		}
		places = nil
	}
	ask()
	ask() // the mirrors of members whom the registry has named since
	st := a.state()
	if st.Note == nil {
		out.unknown("no place that could be reached shows a registry that its keys signed")
		return
	}
	r := st.Roster
	out.Size, out.Root, out.Epoch, out.RootVersion, out.Rules = r.Size(), r.TreeRoot().String(), r.Epoch().Number, r.Root().Version, r.Rules().Number
	for _, alarm := range st.Alarms {
		out.Alarms = append(out.Alarms, Alarm{alarm.Index, alarm.What, alarm.Reason})
	}
	lag := st.Clock.Lag(a.opts.AsOf.Unix(), a.opts.Thresholds)
	out.Lag = lagOf(lag)
	switch {
	case !lag.Known:
		out.unknown("the registry has no anchor with the quorum of its committee, so nobody can tell how old it is")
	case lag.Light == logtime.Red:
		out.unknown(fmt.Sprintf("the newest registry to be had is from %s: members may have been admitted, and keys revoked, since", out.Lag.Heartbeat))
	}
	if r.Root().ExpiredAt(a.opts.AsOf) {
		out.unknown(fmt.Sprintf("version %d of the root had expired on %s", r.Root().Version, r.Root().Expires.UTC().Format(time.DateOnly)))
	}
}

// registryPlaces are where the registry may lie: at its own address, and in the mirrors.
func (a *allianceAuditor) registryPlaces() (out []string) {
	terms := a.state().Roster.Root().Terms.Registry // it may have gone on in another log
	nodes := a.nodes()
	if len(a.opts.From) == 0 {
		out = append(out, terms.URL)
	}
	for _, n := range nodes {
		if n.log() == terms.URL {
			out = append(out, n.log())
			continue
		}
		out = append(out, n.mirror(terms.Origin))
	}
	return out
}

// follow takes what a place has of the registry.
func (a *allianceAuditor) follow(ctx context.Context, log *client.LogReader) {
	err := a.follower.Update(ctx, log)
	var fork *registry.ForkError
	switch {
	case errors.As(err, &fork):
		a.report.Registry.fail(fmt.Sprintf("the registry's keys signed two histories: at size %d the roots %s and %s", fork.Size, fork.Ours, fork.Theirs))
		list(&a.report.Registry.Notes, string(fork.Note))
		list(&a.report.Registry.Notes, string(a.state().Note))
	case err != nil && ctx.Err() == nil:
		a.observe("", Observation{From: log.String(), Problem: err.Error()})
		for _, n := range a.nodes() {
			var slow net.Error
			if errors.As(err, &slow) && strings.HasPrefix(log.String(), n.base+"/") {
				a.away[n.base] = true
			}
		}
	}
}
