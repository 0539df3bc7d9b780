package watch

import (
	"time"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/logtime"
)

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	State    Kind = "state"    // how things are, when watching begins
	Declared Kind = "declared" // something new
	Changed  Kind = "changed"  // a later revision that weakens nothing
	Weakened Kind = "weakened" // a later revision that weakens what was said
	Head     Kind = "head"     // a new head of a log with entries that are no anchors
	Final    Kind = "final"    // committee and mirrors vouch for what was declared
	Act      Kind = "act"      // an act of the registry that has effect
	Lag      Kind = "lag"      // a log fell silent, or lives again
	Away     Kind = "away"     // a city's node does not answer
	Back     Kind = "back"     // it answers again
	Trouble  Kind = "trouble"  // a place shows what nobody signed, or damaged files
	Alarm    Kind = "alarm"    // an entry that breaks a rule and has no effect
	Evidence Kind = "evidence" // a proof of misbehaviour
)

// Grave reports whether somebody must look.
func (k Kind) Grave() bool { return k == Alarm || k == Evidence }

// Event is one thing that happened.
type Event struct {
	Time time.Time `json:"time"` // when it was seen here, in UTC
	City string    `json:"city"` // member id; empty of the alliance as a whole
	Kind Kind      `json:"kind"`
	// Text says it in plain words. It may hold what came from outside.
	Text string `json:"text"`

	// Of entries.
	Subject  string  `json:"subject,omitempty"`
	Title    string  `json:"title,omitempty"`
	Revision uint32  `json:"revision,omitempty"`
	Index    *uint64 `json:"index,omitempty"`
	// Changes of a later revision.
	Changes []draft.Difference `json:"changes,omitempty"`

	// Size of a head.
	Size uint64 `json:"size,omitempty"`
	// Light of a log that fell silent or lives again, and of a state.
	Light logtime.Light `json:"light,omitempty"`
	// Proof is the evidence itself.
	Proof []byte `json:"proof,omitempty"`
}
