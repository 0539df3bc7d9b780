package node

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/evidencestore"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/roster"
)

// accusations is what a member knows against logs and witnesses, and whom it therefore does not cosign.
type accusations struct {
	alliance *alliance
	store    *evidencestore.Store
	alert    func(subject, text string)

	fresh chan struct{} // a word that there is evidence that may not be logged yet

	mu      sync.Mutex // guards the following
	of      *roster.Roster
	version int
	stopped map[string]string // origin to why
}

// openEvidence reads what is known against others.
func (m *member) openEvidence(alert func(subject, text string)) error {
	if m.alliance == nil {
		return nil
	}
	store, err := evidencestore.Open(m.cfg.State)
	if err != nil {
		return err
	}
	m.accusations = &accusations{alliance: m.alliance, store: store, alert: alert, fresh: make(chan struct{}, 1)}
	return nil
}

// conflict is told of two notes of one size with two roots, both signed by a log.
func (m *member) conflict(one, other []byte) {
	if m.accusations == nil {
		return // of a log outside the alliance: witness.extra_logs
	}
	e, err := twoRoots(m.alliance.follower.Roster(), one, other)
	if err == nil {
		err = m.accusations.add(e)
	}
	if err == nil && m.gossip != nil {
		m.gossip.AddEvidence(e.Format())
	}
	if err != nil {
		m.alliance.logger.Error("two heads that seem to contradict each other", slog.Any("err", err))
	}
}

// twoRoots builds E1 of two notes, by the Ed25519 key of their log.
func twoRoots(r *roster.Roster, one, other []byte) (*evidence.Evidence, error) {
	head, err := checkpoint.Unverified(one)
	if err != nil {
		return nil, err
	}
	keys, err := r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return nil, err
	}
	return evidence.NewE1(evidence.Head{Note: one, Key: keys[0]}, evidence.Head{Note: other, Key: keys[0]})
}

// add verifies evidence, keeps it, and wakes the operator. What was known before is no news.
func (a *accusations) add(e *evidence.Evidence) error {
	f, err := e.Verify(a.alliance.follower.Roster().EvidenceKeys())
	if err != nil {
		return err
	}
	a.alliance.member.foreignIn(e)
	fresh, err := a.store.Add(e, f)
	if err != nil || !fresh {
		return err
	}
	a.alliance.logger.Error("ALARM: there is evidence of misbehaviour", slog.String("says", f.String()), slog.String("kind", f.Kind.String()), slog.String("evidence", f.Key()))
	text := f.Explain() + fmt.Sprintf("\nThe evidence is %s.evidence in state/evidence of %s; anybody checks it with: cityproof evidence verify FILE --root root.json\n"+
		"Until you say otherwise this node does not cosign the log: cityproof evidence resume %s --reason WHY\n", f.Key(), a.alliance.member.cfg.City, f.Origin)
	a.alert("Cityproof: "+f.String(), text)
	a.toLog()
	return nil
}

// why says why a log is not cosigned; empty if nothing is known against it.
func (a *accusations) why(origin string) string {
	r := a.alliance.follower.Roster()
	a.mu.Lock()
	defer a.mu.Unlock()
	if version := a.store.Version(); a.stopped == nil || a.of != r || a.version != version {
		a.of, a.version, a.stopped = r, version, map[string]string{}
		for _, it := range a.store.Items() {
			if it.Resumed != nil {
				continue
			}
			f, err := it.Evidence.Verify(r.EvidenceKeys())
			if err == nil && f.Accused == evidence.AccusedLog {
				a.stopped[f.Origin] = fmt.Sprintf("there is evidence against it (%v, %.16s…)", f.Kind, it.Key)
			}
		}
	}
	return a.stopped[origin]
}

// watch takes notice of what the operator resumes while the node runs.
func (a *accusations) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.store.Reload(); err != nil {
			a.alliance.logger.Error("reading the evidence again", slog.Any("err", err))
		}
	}
}

// shownEvidence is what is told of a proof.
type shownEvidence struct {
	Key      string   `json:"key"`
	Kind     string   `json:"kind"`
	Accused  string   `json:"accused,omitempty"`
	Origin   string   `json:"origin"`
	Says     string   `json:"says,omitempty"`
	Sizes    []uint64 `json:"sizes"`
	Roots    []string `json:"roots"`
	Evidence []byte   `json:"evidence"` // the proof itself, base64
	Resumed  string   `json:"resumed,omitempty"`
}

// list serves all that is known, for people and other nodes, and beside it what is owed an answer to, which proves nothing.
func (a *accusations) list(w http.ResponseWriter, _ *http.Request) {
	out, challenges := []shownEvidence{}, []mirror.Challenge{}
	if m := a.alliance.member.mirror; m != nil {
		challenges = append(challenges, m.Challenges()...)
	}
	keys := a.alliance.follower.Roster().EvidenceKeys()
	for _, it := range a.store.Items() {
		s := shownEvidence{Key: it.Key, Kind: it.Evidence.Kind().String(), Origin: it.Evidence.Origin(), Evidence: it.Evidence.Format()}
		if f, err := it.Evidence.Verify(keys); err == nil {
			s.Kind, s.Accused, s.Says = f.Kind.String(), f.Accused.String(), f.String()
		}
		for _, h := range it.Evidence.Heads() {
			s.Sizes, s.Roots = append(s.Sizes, h.Size), append(s.Roots, h.Root.String())
		}
		if it.Resumed != nil {
			s.Resumed = it.Resumed.At.Format(time.RFC3339) + ": " + it.Resumed.Reason
		}
		out = append(out, s)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "public, max-age=2")
	_ = json.NewEncoder(w).Encode(map[string]any{"evidence": out, "challenges": challenges})
}
