package audit_test

import (
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/receipt"
)

// internet is an alliance whose nodes answer from memory.
type internet struct {
	*alliancetest.Internet
	t testing.TB
}

func newInternet(t testing.TB) *internet { return &internet{alliancetest.NewInternet(t), t} }

// auditLog audits a member's log as it is served by its node, with its log time.
func (n *internet) auditLog(id string) *audit.Report {
	n.t.Helper()
	m := n.Roster.Member(id)
	trust, err := receipt.TrustIn(n.Roster, m)
	must(n.t, err)
	web, err := n.Open(m.Entry.GetHttp() + "/log")
	must(n.t, err)
	return run(n.t, audit.Options{
		Trust: trust, City: id, Sources: []*client.LogReader{client.NewLogReader(web)}, WithoutBodies: true,
		Anchor: func(index uint64, note []byte) (logtime.Anchor, error) {
			return n.Roster.Heartbeat(m, nil, index, note)
		},
	})
}

// F3: two audits agree on when a leaf was seen, for the anchors that say it stand in the log.
func TestF3LogTimeFromAnchorsThatStandInTheLog(t *testing.T) {
	n := newInternet(t)
	id := "nl-kanaalstad"
	n.Logs[id].Declare(3, "officer-1")
	n.Anchor(time.Hour)
	first := n.Now
	n.Logs[id].Declare(2, "officer-1")
	n.Now = n.Now.Add(time.Hour)
	n.Put(id, n.Note(n.HeadOf(id), id, n.Roster.Committee(id)[:1], nil)) // one of three witnesses: no quorum
	n.Logs[id].Declare(1, "officer-1")
	n.Anchor(time.Hour)
	last := n.Now
	n.Logs[id].Declare(1, "officer-1")
	r := n.auditLog(id)
	wantVerdict(t, r, audit.True)
	if lt := r.LogTime; lt.Anchors != 2 || lt.Uncounted != 1 || lt.WithoutQuorum[0].Index != 6 || lt.Below != 8 || lt.Unwitnessed ||
		lt.Heartbeat != last.Format(time.RFC3339) {
		t.Errorf("log time: %+v", lt)
	}
	for leaf, want := range map[uint64]time.Time{0: first, 2: first, 3: last, 7: last} {
		if a, ok := r.Clock().Of(leaf); !ok || a.Time != want.Unix() {
			t.Errorf("entry %d: %+v, %v, want %v", leaf, a, ok, want)
		}
	}
	if a, ok := r.Clock().Of(9); ok {
		t.Errorf("entry 9 is pending, and has %+v", a)
	}
}

// T-23, F4: whoever has an old head cosigned again and again, for two days, shows no life; nor does writing it down again.
func TestT23OldHeadWithFreshCosignaturesMovesNothing(t *testing.T) {
	n := newInternet(t)
	id := "nl-kanaalstad"
	n.Logs[id].Declare(3, "officer-1")
	n.Anchor(time.Hour)
	n.Logs[id].Declare(1, "officer-1")
	died, old := n.Now, n.HeadOf(id)
	for hour := 1; hour <= 48; hour++ {
		n.Now = died.Add(time.Duration(hour) * time.Hour)
		n.Instead["kanaalstad.example/log/checkpoint"] = n.Note(old, id, n.Roster.Committee(id), n.Others(id)[:2])
		if hour%12 != 0 {
			continue
		}
		r := n.auditLog(id)
		wantVerdict(t, r, audit.True)
		lag := r.Clock().Lag(n.Now.Unix(), logtime.Default)
		if want := n.Now.Sub(died); lag.Silence != want || lag.Light != logtime.Default.Judge(want) {
			t.Errorf("after %d hours: %+v, want %v of silence", hour, lag, want)
		}
	}
	if lag := n.auditLog(id).Clock().Lag(n.Now.Unix(), logtime.Default); lag.Light != logtime.Red {
		t.Errorf("after two days: %+v", lag)
	}
	delete(n.Instead, "kanaalstad.example/log/checkpoint")
	n.Put(id, n.Note(old, id, n.Roster.Committee(id), nil)) // covers the last anchor: the log's keys are alive
	alive := n.Now
	n.Now = n.Now.Add(20 * time.Hour)
	n.Put(id, n.Note(old, id, n.Roster.Committee(id), nil)) // the same head once more
	r := n.auditLog(id)
	if lag := r.Clock().Lag(n.Now.Unix(), logtime.Default); lag.Last.Time != alive.Unix() || lag.Light != logtime.Amber {
		t.Errorf("the same head written down twice: %+v", lag)
	}
}

func TestLogTimeIsMarkedUnwitnessedWithoutCommittee(t *testing.T) {
	n := newInternet(t)
	late := alliancetest.NewCity(t, "ke-mwambao")
	n.IDs = append(n.IDs, late.ID)
	n.Cities[late.ID], n.Logs[late.ID] = late, alliancetest.NewLog(t, late)
	if out := n.Admit(late); out.Reason != nil {
		t.Fatal(out.Reason)
	}
	n.Logs[late.ID].Declare(1, "officer-1")
	n.Now = n.Now.Add(time.Hour)
	n.Put(late.ID, n.Note(n.HeadOf(late.ID), late.ID, nil, nil))
	r := n.auditLog(late.ID)
	wantVerdict(t, r, audit.True)
	if !r.LogTime.Unwitnessed || r.LogTime.Anchors != 1 {
		t.Errorf("log time: %+v", r.LogTime)
	}
}
