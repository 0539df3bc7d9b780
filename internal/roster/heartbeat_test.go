package roster_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/roster"
)

// beat judges an anchor of a city's log, a head of a size that some witnesses cosigned at a time.
func (w *world) beat(id string, past []roster.Epoch, size uint64, at time.Time, witnesses []string) (logtime.Anchor, error) {
	w.t.Helper()
	note := w.city(id).Note(w.t, size, rootOf(id, size), at, w.all(witnesses)...)
	return w.r.Heartbeat(w.r.Member(id), past, size+3, note)
}

func TestHeartbeatIsTheLowerMedianOfTheQuorum(t *testing.T) {
	w := founded(t)
	id := "nl-kanaalstad"
	seats := w.r.Committee(id)
	if len(seats) != 4 || roster.Quorum(4) != 3 {
		t.Fatalf("the committee is %v", seats)
	}
	c := w.city(id)
	times := []time.Time{w.now.Add(40), w.now.Add(10 * time.Second), w.now.Add(time.Hour), w.now.Add(-time.Hour)}
	a, err := w.r.Heartbeat(w.r.Member(id), nil, 9, mixedTimes(t, c, 7, rootOf(id, 7), w.all(seats), times))
	if want := (logtime.Anchor{Index: 9, Size: 7, Time: w.now.Unix()}); err != nil || a != want {
		t.Errorf("Heartbeat = %+v, %v, want %+v", a, err, want)
	}
	if _, err := w.beat(id, nil, 7, w.now, seats[:2]); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("two of four witnesses: %v", err)
	}
	if _, err := w.beat(id, nil, 7, w.now, []string{seats[0], seats[1], id}); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("with the log's own witness: %v", err)
	}
	if _, err := w.r.Heartbeat(w.r.Member(id), nil, 9, w.city("jp-tsukuba").Note(t, 7, rootOf(id, 7), w.now, w.all(seats)...)); err == nil {
		t.Error("an anchor of another log counts")
	}
}

// F2, T-30: behind an epoch's pin its committee vouches, and before it the old one, also when the registry has moved on.
func TestT30HeartbeatByTheCommitteeInForceAtItsSize(t *testing.T) {
	w := found(t, "nl-secretariat", "nl-kanaalstad", "jp-tsukuba", "kr-busan", "fr-lyon", "ca-riviere", "ke-mwambao", "br-enseada",
		"de-hafenau", "us-harbor", "pt-porto", "es-costa", "it-laguna", "se-skargard", "pl-nadmorze", "fi-satama", "gr-limani", "no-fjord")
	id := "nl-kanaalstad"
	past := []roster.Epoch{w.r.Epoch()}
	old := w.r.Committee(id)
	w.epoch(time.Hour, map[string]roster.Pin{w.city(id).Origin: {Size: 10, Root: rootOf(id, 10)}})
	if !slices.ContainsFunc(w.r.Committee(id), func(s string) bool { return !slices.Contains(old, s) }) {
		t.Fatal("the committee did not change: choose other names")
	}
	now := w.r.Committee(id)
	// A quorum that is one in its own epoch alone.
	quorum := func(of, without []string) []string {
		own := slices.DeleteFunc(slices.Clone(of), func(s string) bool { return slices.Contains(without, s) })
		both := slices.DeleteFunc(slices.Clone(of), func(s string) bool { return !slices.Contains(without, s) })
		return append(own, both[:roster.Quorum(len(of))-len(own)]...)
	}
	oldQuorum, newQuorum := quorum(old, now), quorum(now, old)
	for _, tc := range []struct {
		name     string
		size     uint64
		by       []string
		counts   bool
		withPast bool
	}{
		{"old, below the pin", 9, oldQuorum, true, true},
		{"old, below the pin, by the last epoch that every roster keeps", 9, oldQuorum, true, false},
		{"old, at the pin", 10, oldQuorum, true, true},
		{"old, above the pin", 11, oldQuorum, false, true},
		{"new, below the pin", 9, newQuorum, false, true},
		{"new, at the pin", 10, newQuorum, true, true},
		{"new, above the pin", 11, newQuorum, true, true},
	} {
		p := past
		if !tc.withPast {
			p = nil
		}
		if _, err := w.beat(id, p, tc.size, w.now, tc.by); (err == nil) != tc.counts {
			t.Errorf("%s: %v, want it to count: %v", tc.name, err, tc.counts)
		}
	}
	// Another epoch: what the first committee vouched for stays, for those who remember it.
	past = append(past, w.r.Epoch())
	w.epoch(2*time.Hour, map[string]roster.Pin{w.city(id).Origin: {Size: 20, Root: rootOf(id, 20)}})
	if _, err := w.beat(id, past, 9, w.now, oldQuorum); err != nil {
		t.Errorf("two epochs later: %v", err)
	}
	if _, err := w.beat(id, nil, 9, w.now, oldQuorum); err == nil {
		t.Error("an epoch that is not known was judged")
	}
}

func TestHeartbeatWithoutCommitteeIsTheLogsOwnWord(t *testing.T) {
	w := founded(t)
	w.admit("ke-mwambao")
	a, err := w.beat("ke-mwambao", nil, 4, w.now, nil)
	if err != nil || !a.Unwitnessed || a.Time != w.now.Unix() {
		t.Errorf("before its first committee: %+v, %v", a, err)
	}
	past := []roster.Epoch{w.r.Epoch()}
	w.epoch(time.Hour, nil)
	if len(w.r.Committee("ke-mwambao")) == 0 {
		t.Fatal("no committee for a new log")
	}
	if a, err := w.beat("ke-mwambao", past, 4, w.now, nil); err != nil || !a.Unwitnessed {
		t.Errorf("an unwitnessed anchor from before: %+v, %v", a, err)
	}
	if a, err := w.beat("ke-mwambao", past, 9, w.now, w.r.Committee("ke-mwambao")); err != nil || a.Unwitnessed {
		t.Errorf("a witnessed one: %+v, %v", a, err)
	}
	note := w.city("nl-kanaalstad").Note(t, 4, rootOf("nl-kanaalstad", 4), w.now)
	if a, err := w.r.Heartbeat(w.r.Member("nl-kanaalstad"), past, 9, note); err == nil {
		t.Errorf("a log with a committee gives its own word: %+v", a)
	}
}

func TestHeartbeatLeavesOutSuspendedAndRevoked(t *testing.T) {
	w := founded(t)
	id := "nl-kanaalstad"
	seats := w.r.Committee(id)
	before := w.now
	w.do(&registryv1.Suspend{Member: &seats[0]}, byRoot...)
	for name, tc := range map[string]struct {
		at     time.Time
		counts bool
	}{
		"before":  {before.Add(-time.Hour), true},
		"while":   {before.Add(time.Hour), false},
		"90 days": {before.Add(91 * 24 * time.Hour), true},
	} {
		if _, err := w.beat(id, nil, 7, tc.at, seats[:3]); (err == nil) != tc.counts {
			t.Errorf("%s: %v, want it to count: %v", name, err, tc.counts)
		}
	}
	w.anchorBy(time.Minute, seats[0])
	w.do(&registryv1.Reinstate{Member: &seats[0]}, byRoot...)
	if _, err := w.beat(id, nil, 7, w.now.Add(time.Hour), seats[:3]); err != nil {
		t.Errorf("after it was reinstated: %v", err)
	}
	key := alliancetest.Public(seats[1] + " witness")
	from := uint64(w.now.Add(time.Hour).Unix())
	w.do(&registryv1.RevokeKey{Member: &seats[1], Key: key, FromTime: &from}, byAct...)
	if _, err := w.beat(id, nil, 7, w.now, seats[1:]); err != nil {
		t.Errorf("before the revocation: %v", err)
	}
	if _, err := w.beat(id, nil, 7, w.now.Add(time.Hour), seats[1:]); err == nil {
		t.Error("what a revoked key signed counts")
	}
}

// anchorBy moves registry time on by an anchor that a member does not sign.
func (w *world) anchorBy(after time.Duration, without string) {
	w.t.Helper()
	w.now = w.now.Add(after)
	secretariat := w.city("nl-secretariat")
	seats := slices.DeleteFunc(slices.Clone(w.r.Committee(secretariat.ID)), func(s string) bool { return s == without })
	if out := w.apply(secretariat.Note(w.t, w.r.Size(), w.r.TreeRoot(), w.now, w.all(seats)...)); out.Kind != roster.Anchor {
		w.t.Fatalf("anchor = %v %v", out.Kind, out.Reason)
	}
}
