package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/roster"
)

// auditAlliance audits the logs of all members, or of those named, from their nodes and mirrors, and compares what these show.
func (a *App) auditAlliance(ctx context.Context, v *auditor, ids []string) error {
	first, err := a.firstRoot(v.root)
	if err != nil {
		return err
	}
	asOf, err := a.asOf(v.asOf)
	if err != nil {
		return err
	}
	nodes := &openNodes{}
	defer nodes.close()
	opts := audit.AllianceOptions{
		Root: first, Members: ids, Open: nodes.open, From: v.from, AsOf: asOf, Thresholds: v.lag.Thresholds, WithoutBodies: v.noBodies,
		Progress: func(member string) (func(uint64, uint64), func()) { return a.progress("auditing " + member) },
	}
	if v.at != "" {
		log, err := openLog(ctx, v.at)
		if err != nil {
			return err
		}
		defer log.close()
		opts.Registry = []*client.LogReader{log.LogReader}
	}
	r, err := audit.Alliance(ctx, opts)
	var none *audit.UnknownMemberError
	if errors.As(err, &none) {
		return usage(err, "cityproof alliance roster lists the members")
	}
	if err != nil {
		return err
	}
	if v.asJSON {
		err = printJSON(a.Out, r)
	} else {
		a.printAlliance(r)
	}
	switch {
	case err != nil || r.Verdict == audit.True:
		return err
	case r.Verdict == audit.False:
		return refused(errors.New("the audit found what must not be"), "keep a copy of what is served now (--json has the proofs), and show it to other cities")
	}
	return unknown(errors.New("the audit could not tell all"), "nothing was found false; what is missing is said above")
}

// asOf reads a moment: a day, which counts to its end, or a time; empty is now.
func (a *App) asOf(s string) (time.Time, error) {
	if s == "" {
		return a.Now(), nil
	}
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, usage(fmt.Errorf("--as-of %q is no date", s), "write it like 2026-12-31, or 2026-12-31T14:00:00Z")
	}
	return t, nil
}

// openNodes are connections to nodes, for all that is read from one. It is safe for concurrent use.
type openNodes struct {
	mu   sync.Mutex             // guards webs
	webs map[string]*client.Web // by server
}

func (n *openNodes) open(base string) (client.Getter, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	server, err := client.Server(base)
	if err != nil {
		return nil, err
	}
	if w := n.webs[server]; w != nil {
		return w.Beside(base)
	}
	web, err := client.NewWeb(base, client.HTTPOptions{Tries: 1, Timeout: nodeTimeout})
	if err != nil {
		return nil, err
	}
	if n.webs == nil {
		n.webs = map[string]*client.Web{}
	}
	n.webs[server] = web
	return web, nil
}

// nodeTimeout is for one file of one node, of several that may have it.
const nodeTimeout = 15 * time.Second

func (n *openNodes) close() {
	for _, w := range n.webs {
		w.Close()
	}
}

// memberPlaces are where a member's log lies: its node, and the copies of the others.
func memberPlaces(r *roster.Roster, m *roster.Member) []string {
	places := []string{m.Entry.GetHttp() + "/log"}
	for _, o := range r.Mirrors(m) {
		places = append(places, client.MirrorURL(o.Entry.GetHttp(), m.Log().Origin))
	}
	return places
}

// printAlliance prints what an audit of an alliance found, the verdict last.
func (a *App) printAlliance(r *audit.AllianceReport) {
	a.say("%s, as of %s", line(r.Name), r.AsOf)
	g := &r.Registry
	a.say("%-14s registry %s: %d entries, epoch %d, root version %d%s", strings.ToUpper(string(g.Verdict)), line(g.Origin), g.Size, g.Epoch, g.RootVersion, shownLag(g.Lag))
	a.sayReasons(g.Findings)
	for _, alarm := range g.Alarms {
		a.say("  ALARM entry %d (%s) breaks a rule and has no effect: %s", alarm.Index, line(alarm.What), line(alarm.Why))
	}
	for _, m := range r.Members {
		a.printMember(&m)
	}
	agree := map[string]int{}
	var troubles []string
	for _, h := range r.Observed.Heads {
		if h.Agrees {
			agree[h.Member]++
		}
	}
	for _, o := range r.Observed.Troubles {
		troubles = append(troubles, line(troubleOf(o.Member, o.Observation)))
	}
	var heads []string
	for _, m := range r.Members {
		heads = append(heads, fmt.Sprintf("%s: %d heads agree", m.ID, agree[m.ID]))
	}
	a.say("")
	a.items("What the servers showed", heads, uint64(len(heads)))
	a.items("What the servers did on the way", troubles, uint64(len(troubles)))
	a.say("%s", strings.ToUpper(string(r.Verdict))+allianceVerdict(r))
}

// troubleOf says what a server did, with its address once.
func troubleOf(member string, o audit.Observation) string {
	text := o.Problem
	if !strings.Contains(text, o.From) {
		text = strings.TrimSuffix(o.From+" "+o.Path, " ") + ": " + text
	}
	if member != "" {
		text = member + ": " + text
	}
	return text
}

// allianceVerdict is the end of the last line.
func allianceVerdict(r *audit.AllianceReport) string {
	if r.Verdict == audit.True {
		return ": everything that could be read of the registry and these logs holds, and nobody showed anything else"
	}
	why := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		why[i] = line(reason)
	}
	return ": " + strings.Join(why, "; ")
}

func (a *App) printMember(m *audit.MemberReport) {
	size, final := uint64(0), fmt.Sprintf("final up to %d", m.Final)
	if m.Log != nil {
		size = m.Log.Size
	}
	if m.Final == 0 {
		final = "nothing of it is final"
	}
	status := ""
	if m.Status != roster.Active {
		status = " (" + string(m.Status) + ")"
	}
	a.say("%-14s %s%s  %s: %d entries, %s%s", strings.ToUpper(string(m.Verdict)), m.ID, status, line(m.Origin), size, final, shownLag(m.Lag))
	a.sayReasons(m.Findings)
	if m.Log != nil && m.Log.LogTime != nil {
		a.say("  %s", logTime(m.Log))
	}
	if m.Ends != nil {
		a.say("  The registry ended this log at size %d.", *m.Ends)
	}
	for _, origin := range m.GoesOnFrom {
		a.say("  It goes on from the log %s, with the same entries.", line(origin))
	}
	for _, origin := range m.Earlier {
		a.say("  The city had the log %s before, with other entries; it was not audited.", line(origin))
	}
	for _, p := range m.Evidence {
		if p.Accused != "log" {
			a.say("  There is proof, which does not speak against this log: %s", line(p.Says))
		}
	}
	if m.Log != nil {
		a.printUnproven(m.Log)
	}
}

// logTime says up to which entry a log's anchors tell when it was seen.
func logTime(r *audit.Report) string {
	t := r.LogTime
	if t.Anchors == 0 {
		return "no anchor tells when its entries were seen"
	}
	by := "by its witnesses"
	if t.Unwitnessed {
		by = "by its own word, unwitnessed"
	}
	text := fmt.Sprintf("seen up to entry %d at %s, %s; %d later ones are pending", t.Below-1, t.Heartbeat, by, r.Size-t.Below)
	if t.Below == 0 {
		text = fmt.Sprintf("seen while empty at %s, %s; all entries are pending", t.Heartbeat, by)
	}
	if t.Uncounted > 0 {
		text += fmt.Sprintf("; %d anchors lack their quorum", t.Uncounted)
	}
	return text
}

func (a *App) sayReasons(f audit.Findings) {
	for _, why := range f.Reasons {
		a.say("%s", hang("  ", line(why), a.columnsOf()))
	}
}

// shownLag is the end of a line about a log: nothing where it is green.
func shownLag(l *audit.ShownLag) string {
	if l == nil || l.Light == logtime.Green && !l.Unwitnessed {
		return ""
	}
	if l.Heartbeat == "" {
		return ", " + lightWord(l.Light) + " (no anchor)"
	}
	by := ""
	if l.Unwitnessed {
		by = ", unwitnessed"
	}
	return fmt.Sprintf(", %s (silent for %s%s)", lightWord(l.Light), span(time.Duration(l.Silence)*time.Second), by)
}
