package audit_test

import (
	"errors"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/receipt"
)

// follow has a Live take what a member's node shows, or a mirror.
func (n *internet) follow(l *audit.Live, id, base string) ([]audit.Entry, error) {
	n.t.Helper()
	m := n.Roster.Member(id)
	trust, err := receipt.TrustIn(n.Roster, m)
	must(n.t, err)
	web, err := n.Open(base)
	must(n.t, err)
	return l.Update(n.t.Context(), audit.Options{
		Trust: trust, City: id,
		Anchor: func(index uint64, note []byte) (logtime.Anchor, error) {
			return n.Roster.Heartbeat(m, nil, index, note)
		},
	}, client.NewLogReader(web))
}

func TestLiveFollowsFromHeadToHeadAtAnyPlace(t *testing.T) {
	n := newInternet(t)
	id, node := "nl-kanaalstad", "https://kanaalstad.example/log"
	copied := "https://minato.example/mirror/" + n.Hash(id)
	l := audit.NewLive()
	if out, err := n.follow(l, id, node); err != nil || len(out) != 0 || l.Note() == nil {
		t.Fatalf("an empty log: %v, %v", out, err)
	}
	total := 0
	for i, step := range []int{1, 3, 300, 0, 255, 256, 257} {
		n.Logs[id].Declare(step, "officer-1")
		n.Anchor(time.Hour)
		total += step + 1
		base := []string{node, copied}[i%2]
		out, err := n.follow(l, id, base)
		must(t, err)
		if len(out) != step+1 || l.Size() != uint64(total) || l.Root() != n.HeadOf(id).Root {
			t.Fatalf("step %d: %d entries, size %d", i, len(out), l.Size())
		}
		for j, e := range out {
			if e.Void != "" || e.Newer != "" || (e.Statement != nil) != (j < step) || e.Anchor != (j == step) {
				t.Fatalf("entry %d: %+v", e.Index, e)
			}
		}
		if last, _ := l.Clock().Last(); last.Time != n.Now.Unix() {
			t.Errorf("the heartbeat is %+v, want %v", last, n.Now)
		}
		if out, err := n.follow(l, id, copied); err != nil || len(out) != 0 {
			t.Errorf("nothing new: %v, %v", out, err)
		}
	}
}

func TestLiveTakesNothingOfWhatIsDamagedOrVoid(t *testing.T) {
	n := newInternet(t)
	id, node := "nl-kanaalstad", "https://kanaalstad.example/log"
	l := audit.NewLive()
	n.Logs[id].Declare(2, "officer-1")
	_, err := n.follow(l, id, node)
	must(t, err)
	n.Logs[id].Declare(1, "officer-1")
	good := n.File(id, "log/tile/entries/000.p/3")
	bad := append([]byte(nil), good...)
	bad[len(bad)-1] ^= 1
	n.Instead["kanaalstad.example/log/tile/entries/000.p/3"] = bad
	var damaged *client.DamagedError
	if _, err := n.follow(l, id, node); !errors.As(err, &damaged) || l.Size() != 2 {
		t.Errorf("a damaged entry: %v, size %d", err, l.Size())
	}
	out, err := n.follow(l, id, "https://minato.example/mirror/"+n.Hash(id))
	if err != nil || len(out) != 1 || out[0].Statement == nil {
		t.Errorf("from the mirror: %+v, %v", out, err)
	}
	delete(n.Instead, "kanaalstad.example/log/tile/entries/000.p/3")
	n.Put(id, []byte("{"))
	n.Put(id, n.Logs[id].Entries[0])
	n.Put(id, n.Note(n.Lie(id, 2), id, n.Roster.Committee(id), nil))
	n.Put(id, n.Note(n.HeadOf(id), id, nil, nil)) // without a quorum
	out, err = n.follow(l, id, node)
	must(t, err)
	for i, void := range []bool{true, true, true, false} {
		if (out[i].Void != "") != void {
			t.Errorf("entry %d: %+v, want it void: %v", out[i].Index, out[i], void)
		}
	}
	if l.Clock().Len() != 0 {
		t.Error("an anchor without a quorum shows life")
	}
}

// T-14, T-15: a second history is told from an older state, and comes with what proves it.
func TestT15LiveFindsTwoHistories(t *testing.T) {
	n := newInternet(t)
	id, node := "nl-kanaalstad", "https://kanaalstad.example/log"
	l := audit.NewLive()
	n.Logs[id].Declare(5, "officer-1")
	old := n.Note(n.HeadOf(id), id, nil, nil)
	n.Logs[id].Declare(3, "officer-1")
	_, err := n.follow(l, id, node)
	must(t, err)
	n.Instead["kanaalstad.example/log/checkpoint"] = old
	if _, err := n.follow(l, id, node); err != nil {
		t.Errorf("an older head of the same history: %v", err)
	}
	for _, size := range []uint64{8, 4} {
		n.Instead["kanaalstad.example/log/checkpoint"] = n.Note(n.Lie(id, size), id, nil, nil)
		var two *audit.TwoHistoriesError
		if _, err := n.follow(l, id, node); !errors.As(err, &two) || two.Heads[1].Size != size || len(two.Notes[0]) == 0 {
			t.Errorf("a second history at size %d: %v", size, err)
		}
	}
	n.Instead["kanaalstad.example/log/checkpoint"] = n.Note(n.Lie("jp-minato", 9), "jp-minato", nil, nil)
	if _, err := n.follow(l, id, node); err == nil || l.Size() != 8 {
		t.Errorf("the head of another log: %v", err)
	}
}
