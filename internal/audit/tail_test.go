package audit_test

import (
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
)

// tailOf reads the end of a member's log at its node.
func (n *internet) tailOf(id string) (*logtime.Clock, error) {
	n.t.Helper()
	m := n.Roster.Member(id)
	web, err := n.Open(m.Entry.GetHttp() + "/log")
	must(n.t, err)
	c := n.HeadOf(id)
	return audit.Tail(n.t.Context(), client.NewLogReader(web), client.Head{Origin: c.Origin, Size: c.Size, Root: c.Root},
		func(index uint64, note []byte) (logtime.Anchor, error) {
			return n.Roster.Heartbeat(m, nil, index, note)
		})
}

func TestTailTellsTheHeartbeatOfALongLog(t *testing.T) {
	n := newInternet(t)
	id := "nl-kanaalstad"
	if clock, err := n.tailOf(id); err != nil || clock.Len() != 0 {
		t.Errorf("of an empty log: %d anchors, %v", clock.Len(), err)
	}
	n.Anchor(time.Hour)
	n.Logs[id].Declare(70, "officer-1")
	n.Anchor(time.Hour)
	want, index := n.Now, uint64(71)
	for _, behind := range []int{0, 1, 255, 300, 600} { // beyond the first attempt, too
		n.Logs[id].Declare(behind, "officer-1")
		clock, err := n.tailOf(id)
		must(t, err)
		if last, ok := clock.Last(); !ok || last.Time != want.Unix() || last.Index != index {
			t.Errorf("%d leaves behind: %+v, %v, want index %d and %v", behind, last, ok, index, want)
		}
	}
	// An anchor of a head from before what was read, and of another history.
	size, _ := n.Logs[id].Head()
	n.Now = n.Now.Add(time.Hour)
	n.Put(id, n.Note(n.Lie(id, size), id, n.Roster.Committee(id), nil))
	n.Put(id, n.Note(n.Lie(id, 400), id, n.Roster.Committee(id), nil))
	clock, err := n.tailOf(id)
	must(t, err)
	if last, ok := clock.Last(); ok && last.Time != want.Unix() {
		t.Errorf("an anchor of another history shows life: %+v", last)
	}
	n.Put(id, n.Note(n.HeadOf(id), id, n.Roster.Committee(id), nil))
	clock, err = n.tailOf(id)
	must(t, err)
	if last, _ := clock.Last(); last.Time != n.Now.Unix() {
		t.Errorf("a true one behind them: %+v", last)
	}
}

func TestTailBelievesNoServer(t *testing.T) {
	n := newInternet(t)
	id := "nl-kanaalstad"
	n.Logs[id].Declare(300, "officer-1")
	n.Anchor(time.Hour)
	good := n.File(id, "log/tile/entries/001.p/45")
	bad := append([]byte(nil), good...)
	bad[len(bad)-1] ^= 1
	n.Instead["kanaalstad.example/log/tile/entries/001.p/45"] = bad
	if clock, err := n.tailOf(id); err == nil {
		t.Errorf("a changed entry was read: %d anchors", clock.Len())
	}
	n.Away[id] = true
	if _, err := n.tailOf(id); err == nil {
		t.Errorf("from a node that is away: %v", err)
	}
}
