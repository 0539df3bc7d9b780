package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/watch"
)

// T-43: what a city writes into its records, or a node into an error, is shown and drives no terminal: one event, one line.
func TestT43EventsAreOneLineThatDrivesNothing(t *testing.T) {
	e := watch.Event{
		Time: time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC), City: "nl-kanaalstad", Kind: watch.Declared,
		Text: "dep/1 \"a\x1b[2J\u202eb\"\nsecond line", Title: "a\x1b[2J\u202eb",
	}
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		(&App{Out: &out}).sayEvent(e, asJSON)
		if s := out.String(); strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\x1b\u202e") || !strings.Contains(s, "second line") {
			t.Errorf("JSON %v: %q", asJSON, s)
		}
		if asJSON {
			var back watch.Event
			if err := json.Unmarshal(out.Bytes(), &back); err != nil || back.Text != e.Text || back.Title != e.Title || !back.Time.Equal(e.Time) {
				t.Errorf("read back: %+v, %v", back, err)
			}
		}
	}
}

func TestSpanIsInItsTwoLargestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 61 * time.Second: "1 min", 2 * time.Hour: "2 h 0 min", 47*time.Hour + 59*time.Minute: "47 h 59 min", 50 * time.Hour: "2 days",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestAsOfReadsADayToItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)
	a := &App{Now: func() time.Time { return now }}
	for s, want := range map[string]time.Time{
		"": now, "2026-12-31": time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC), "2026-12-31T14:00:00Z": time.Date(2026, 12, 31, 14, 0, 0, 0, time.UTC),
	} {
		if got, err := a.asOf(s); err != nil || !got.Equal(want) {
			t.Errorf("asOf(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"yesterday", "2026-13-01", "2026-12-31 14:00"} {
		if got, err := a.asOf(s); err == nil {
			t.Errorf("asOf(%q) = %v, want an error", s, got)
		}
	}
}

// What was found about each member is said in words, and nothing that came from outside drives a terminal.
func TestPrintAllianceSaysWhatCouldNotBeTold(t *testing.T) {
	var out bytes.Buffer
	ends := uint64(9)
	a := &App{Out: &out}
	a.printAlliance(&audit.AllianceReport{
		Name: "Alliance\x1b[2J", AsOf: "2026-11-30T04:00:00Z",
		Findings: audit.Findings{Verdict: audit.CouldNotTell, Reasons: []string{"nl-kanaalstad: could not tell all"}},
		Registry: audit.RegistryReport{Origin: "s.example/log", Size: 7, Findings: audit.Findings{Verdict: audit.True}, Alarms: []audit.Alarm{{Index: 3, What: "admit", Why: "of\x1b another"}}},
		Members: []audit.MemberReport{
			{ID: "nl-kanaalstad", Status: "SUSPENDED", Origin: "k.example/log", Ends: &ends, Earlier: []string{"old.example/log"},
				Findings: audit.Findings{Verdict: audit.CouldNotTell, Reasons: []string{"no entry is final"}},
				Lag:      &audit.ShownLag{Light: logtime.Amber, Heartbeat: "2026-11-30T01:00:00Z", Silence: 10800, Unwitnessed: true},
				Evidence: []audit.Proof{{Accused: "witness", Says: "its witness lied"}},
				Log:      &audit.Report{Size: 12, LogTime: &audit.LogTime{Anchors: 1, Uncounted: 2, Below: 9, Heartbeat: "2026-11-30T01:00:00Z", Unwitnessed: true}}},
			{ID: "jp-minato", Status: "ACTIVE", Origin: "m.example/log", Final: 4, Findings: audit.Findings{Verdict: audit.True}, Lag: &audit.ShownLag{Light: logtime.Red}},
		},
	})
	s := out.String()
	for _, want := range []string{
		"COULD NOT TELL nl-kanaalstad (SUSPENDED)", "nothing of it is final, AMBER (silent for 3 h 0 min, unwitnessed)", "ended this log at size 9", "old.example/log before",
		"its witness lied", "seen up to entry 8 at 2026-11-30T01:00:00Z, by its own word, unwitnessed; 3 later ones are pending; 2 anchors lack their quorum",
		"final up to 4, RED (no anchor)", "ALARM entry 3 (admit)", "COULD NOT TELL: nl-kanaalstad: could not tell all",
	} {
		if !strings.Contains(strings.Join(strings.Fields(s), " "), want) {
			t.Errorf("it does not say %q:\n%s", want, s)
		}
	}
	if strings.Contains(s, "\x1b") {
		t.Errorf("it drives the terminal: %q", s)
	}
}
