package audit

import (
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/roster"
)

// AllianceReport is what an audit of an alliance found out. From the same heads, and as of the same moment, everybody gets the
// same report, byte for byte as JSON, but for Observed (invariant I9).
type AllianceReport struct {
	Version  int    `json:"version"`  // of this format: 1
	Alliance string `json:"alliance"` // hex id
	Name     string `json:"name"`
	AsOf     string `json:"as_of"`
	Findings
	Registry RegistryReport `json:"registry"`
	Members  []MemberReport `json:"members"`
	// Observed is what the servers did, and which of them showed what.
	Observed AllianceObserved `json:"observed"`
}

// Findings are a verdict and why it is not true.
type Findings struct {
	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"`
}

// fail records what is false, unknown what could not be told. What is false comes first.
func (f *Findings) fail(why string) {
	f.Verdict = False
	if !slices.Contains(f.Reasons, why) && len(f.Reasons) < maxListed {
		f.Reasons = slices.Insert(f.Reasons, 0, why)
	}
}

func (f *Findings) unknown(why string) {
	if f.Verdict != False {
		f.Verdict = CouldNotTell
	}
	if !slices.Contains(f.Reasons, why) {
		list(&f.Reasons, why)
	}
}

// ShownLag is the lag of a log as of the audit's moment.
type ShownLag struct {
	Light logtime.Light `json:"light"`
	// Heartbeat is when the last anchor was seen; empty: there was none.
	Heartbeat string `json:"heartbeat,omitempty"`
	// Silence since then, in seconds.
	Silence     int64 `json:"silence_seconds"`
	Unwitnessed bool  `json:"unwitnessed,omitempty"`
	// Below is the size of the head that the last anchor vouches for.
	Below uint64 `json:"below"`
}

func lagOf(l logtime.Lag) *ShownLag {
	out := &ShownLag{Light: l.Light}
	if l.Known {
		out.Heartbeat, out.Silence, out.Unwitnessed, out.Below = timeOf(l.Last.Time), int64(l.Silence.Seconds()), l.Last.Unwitnessed, l.Last.Size
	}
	return out
}

// RegistryReport is what was found about the registry: who is a member, and whose keys count.
type RegistryReport struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Root   string `json:"root,omitempty"` // base64
	Findings
	Lag         *ShownLag `json:"lag,omitempty"`
	Epoch       uint32    `json:"epoch"`
	RootVersion int64     `json:"root_version"`
	Rules       uint32    `json:"rules"`
	// Alarms are entries without effect, for they break a rule.
	Alarms []Alarm `json:"alarms,omitempty"`
	// Notes are the signed heads that contradict each other.
	Notes []string `json:"notes,omitempty"`
}

// Alarm is an entry of the registry that breaks a rule.
type Alarm struct {
	Index uint64 `json:"index"`
	What  string `json:"what,omitempty"` // kind of the act
	Why   string `json:"why"`
}

// MemberReport is what was found about one member's log.
type MemberReport struct {
	ID     string        `json:"id"`
	Name   string        `json:"name"`
	Status roster.Status `json:"status"`
	Origin string        `json:"origin"`
	Findings
	// Ends is the size at which the registry ended the log; absent: it goes on.
	Ends *uint64 `json:"ends,omitempty"`
	// GoesOnFrom are the logs with whose entries this one begins, oldest first.
	GoesOnFrom []string `json:"goes_on_from,omitempty"`
	// Earlier are other logs that the member had before, whose entries are not in this one; they are not audited.
	Earlier []string `json:"earlier,omitempty"`
	// Final is the size up to which committee and mirrors vouch for the log; 0: nothing that could be read shows it.
	Final uint64    `json:"final"`
	Lag   *ShownLag `json:"lag,omitempty"`
	// Evidence speaks against the log, or the member's witness.
	Evidence []Proof `json:"evidence,omitempty"`
	// Log is the audit of the log itself; absent where no head could be read. What servers did is in
	// AllianceReport.Observed.
	Log *Report `json:"log,omitempty"`
}

// Proof is evidence that was verified.
type Proof struct {
	Kind     string `json:"kind"`
	Accused  string `json:"accused"`
	Says     string `json:"says"`
	Evidence []byte `json:"evidence"` // its bytes
}

// AllianceObserved is what depends on the servers that were asked.
type AllianceObserved struct {
	// Heads are the verified heads that places showed.
	Heads    []Sighting          `json:"heads,omitempty"`
	Troubles []MemberObservation `json:"troubles,omitempty"`
}

// Sighting is a head that a place showed.
type Sighting struct {
	Member string `json:"member"` // whose log
	From   string `json:"from"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
	// Agrees says that it was proven to belong to the history that was audited.
	Agrees bool `json:"agrees"`
}

// MemberObservation is a trouble with a server, about a member's log; of the registry's replay the member is empty.
type MemberObservation struct {
	Member string `json:"member,omitempty"`
	Observation
}

// finish draws the verdict from all parts.
func (r *AllianceReport) finish() {
	if r.Registry.Verdict == "" {
		r.Registry.Verdict = True
	}
	r.Verdict = True
	add := func(who string, f Findings) {
		switch f.Verdict {
		case False:
			r.fail(fmt.Sprintf("%s: false", who))
		case CouldNotTell:
			r.unknown(fmt.Sprintf("%s: could not tell all", who))
		}
	}
	add("the registry", r.Registry.Findings)
	for _, m := range r.Members {
		add(m.ID, m.Findings)
	}
}
