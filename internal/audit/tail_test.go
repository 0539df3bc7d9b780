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
	heard, judged, err := n.hear(id, audit.Heard{})
	if err == nil && judged < heard.Clock.Len() {
		n.t.Errorf("%d anchors were judged, %d count", judged, heard.Clock.Len())
	}
	return &heard.Clock, err
}

// hear is tailOf after an earlier one. It counts the anchors that are judged.
func (n *internet) hear(id string, before audit.Heard) (heard audit.Heard, judged int, err error) {
	n.t.Helper()
	m := n.Roster.Member(id)
	web, err := n.Open(m.Entry.GetHttp() + "/log")
	must(n.t, err)
	c := n.HeadOf(id)
	heard, err = audit.Tail(n.t.Context(), client.NewLogReader(web), client.Head{Origin: c.Origin, Size: c.Size, Root: c.Root}, before,
		func(index uint64, note []byte) (logtime.Anchor, error) {
			judged++
			return n.Roster.Heartbeat(m, nil, index, note)
		})
	return heard, judged, err
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

// What was heard is not judged again, what is behind it is, and a log that shows less than before is read anew.
func TestTailGoesOnFromWhatWasHeard(t *testing.T) {
	n := newInternet(t)
	id := "nl-kanaalstad"
	for range 70 {
		n.Anchor(time.Hour)
	}
	before, judged, err := n.hear(id, audit.Heard{})
	must(t, err)
	if size, _ := n.Logs[id].Head(); judged != 70 || before.Clock.Len() != 70 || before.Size != size {
		t.Fatalf("%d anchors were judged and %d heard up to size %d", judged, before.Clock.Len(), before.Size)
	}
	n.Logs[id].Declare(300, "officer-1")
	n.Anchor(time.Hour)
	heard, judged, err := n.hear(id, before)
	must(t, err)
	last, _ := heard.Clock.Last()
	if judged != 1 || last.Time != n.Now.Unix() || heard.Clock.Len() != 65 {
		t.Errorf("%d anchors were judged, %d are kept, the last is of %d, want %d", judged, heard.Clock.Len(), last.Time, n.Now.Unix())
	}
	if again, judged, err := n.hear(id, heard); err != nil || judged != 0 || again.Clock.Len() != 64 {
		t.Errorf("of the same head: %d judged, %d kept, %v", judged, again.Clock.Len(), err)
	}
	ahead := heard
	ahead.Size++
	if anew, judged, err := n.hear(id, ahead); err != nil || judged != 71 || anew.Size != heard.Size {
		t.Errorf("a log that shows less: %d judged up to size %d, %v", judged, anew.Size, err)
	}
	if last, _ := before.Clock.Last(); last.Time == n.Now.Unix() {
		t.Error("what was heard before has changed")
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
