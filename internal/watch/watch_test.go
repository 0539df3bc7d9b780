package watch_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/watch"
)

// world is an alliance and somebody who watches it.
type world struct {
	*alliancetest.Internet
	t      *testing.T
	w      *watch.Watcher
	mu     sync.Mutex
	events []watch.Event
}

const city = "nl-kanaalstad"

func newWorld(t *testing.T, members ...string) *world {
	t.Helper()
	n := &world{Internet: alliancetest.NewInternet(t), t: t}
	for _, id := range n.IDs {
		n.Declare(id, 2)
	}
	n.Anchor(time.Hour)
	var err error
	n.w, err = watch.New(watch.Options{
		Root: n.First, Open: n.Open, Members: members, Now: func() time.Time { return n.Now },
		Emit: func(e watch.Event) { n.mu.Lock(); defer n.mu.Unlock(); n.events = append(n.events, e) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// round lets the watcher look once, and returns what it told.
func (n *world) round() []watch.Event {
	n.t.Helper()
	n.events = nil
	if err := n.w.Round(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return n.events
}

// want looks for one event of a kind about a city, with words in its text.
func (n *world) want(events []watch.Event, id string, kind watch.Kind, words ...string) watch.Event {
	n.t.Helper()
	for _, e := range events {
		if e.City != id || e.Kind != kind {
			continue
		}
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(e.Text, w) })
		if !missing {
			return e
		}
	}
	n.t.Errorf("no event %s of %q with %q among\n%s", kind, id, words, text(events))
	return watch.Event{}
}

func text(events []watch.Event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(string(e.Kind) + " " + e.City + ": " + e.Text + "\n")
	}
	return b.String()
}

func words(s string) *declarationv1.LocalizedText {
	return &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: proto.String("nl"), Value: &s}}}
}

// video is a data use that is kept for so long.
func video(kept string) *declarationv1.Body {
	return &declarationv1.Body{Language: proto.String("nl"), Nonce: []byte("1234567890123456"), Record: &declarationv1.Body_DataUse{DataUse: &declarationv1.DataUse{
		Name:      words("Pleinbeeld"),
		Retention: []*declarationv1.Retention{{What: words("beeld"), Duration: &kept}},
	}}}
}

func TestWatchTellsWhatIsNewAndWhatItWeakens(t *testing.T) {
	n := newWorld(t)
	events := n.round()
	for _, id := range n.IDs {
		if e := n.want(events, id, watch.State, "3 entries", "final up to 3", "green"); e.Size != 3 || e.Light != logtime.Green {
			t.Errorf("%+v", e)
		}
	}
	n.want(events, "", watch.State, "registry of 3 entries", "4 members")
	if len(events) != 5 {
		t.Errorf("what was there before is news:\n%s", text(events))
	}
	if events = n.round(); len(events) != 0 {
		t.Errorf("nothing happened, and it tells\n%s", text(events))
	}
	n.Logs[city].State("use/9", declaration.Publish, video("P3D"), "officer-1")
	events = n.round()
	if e := n.want(events, city, watch.Declared, `use/9 "Pleinbeeld"`, "entry 3"); e.Subject != "use/9" || e.Title != "Pleinbeeld" || *e.Index != 3 || e.Revision != 1 || !e.Time.Equal(n.Now) {
		t.Errorf("%+v", e)
	}
	n.want(events, city, watch.Head, "size 4", "1 new entry")
	n.want(events, city, watch.Final, "final up to 4", "use/9")
	if len(events) != 3 {
		t.Errorf("more than that:\n%s", text(events))
	}
	n.Logs[city].State("use/9", declaration.Amend, video("P14D"), "officer-2")
	n.Logs[city].State("use/9", declaration.Amend, video("P2D"), "officer-2")
	n.Logs[city].State("use/9", declaration.Withdraw, video("P2D"), "officer-2")
	events = n.round()
	if e := n.want(events, city, watch.Weakened, "WEAKENS", "P3D → P14D"); len(e.Changes) != 1 || e.Revision != 2 {
		t.Errorf("%+v", e)
	}
	n.want(events, city, watch.Changed, "P14D → P2D")
	n.want(events, city, watch.Changed, "WITHDRAWN")
	n.Anchor(time.Minute)
	if events = n.round(); len(events) != 0 {
		t.Errorf("anchors are news:\n%s", text(events))
	}
	if n.w.Verdict() != audit.True {
		t.Errorf("verdict %s", n.w.Verdict())
	}
}

func TestWatchTellsActsAndVoidOnesAsAlarms(t *testing.T) {
	n := newWorld(t, city)
	n.round()
	busan := "kr-busan"
	n.Do(&registryv1.Suspend{Member: &busan}, []string{"root 1", "root 2", "root 3"})
	n.Do(&registryv1.Reinstate{Member: &busan}, []string{"root 1", "root 2", "root 3"})
	n.Admit(alliancetest.NewCity(t, "fr-lyon"))
	n.Put(n.IDs[0], alliancetest.Act(t, n.Roster, &registryv1.Suspend{Member: &busan}, alliancetest.Named("act 1", "act 2")...))
	n.Put(city, []byte("{"))
	events := n.round()
	n.want(events, n.IDs[0], watch.Act, "kr-busan is suspended for 90 days")
	n.want(events, n.IDs[0], watch.Act, "kr-busan is reinstated")
	n.want(events, n.IDs[0], watch.Act, "fr-lyon is admitted")
	n.want(events, n.IDs[0], watch.Alarm, "entry 6", "no effect")
	n.want(events, city, watch.Alarm, "entry 3 is void")
	if slices.ContainsFunc(events, func(e watch.Event) bool { return e.City == "jp-minato" }) {
		t.Errorf("a city that was not named:\n%s", text(events))
	}
	if n.w.Verdict() != audit.False {
		t.Errorf("verdict %s", n.w.Verdict())
	}
	if events = n.round(); len(events) != 0 {
		t.Errorf("told twice:\n%s", text(events))
	}
	w, err := watch.New(watch.Options{Root: n.First, Open: n.Open, Members: []string{"fr-nowhere"}, Emit: func(watch.Event) {}})
	if err != nil {
		t.Fatal(err)
	}
	var none *audit.UnknownMemberError
	if err := w.Run(t.Context()); !errors.As(err, &none) {
		t.Errorf("watching nobody: %v", err)
	}
}

func TestWatchTellsSilenceAndAbsenceOnce(t *testing.T) {
	n := newWorld(t)
	n.round()
	n.Now = n.Now.Add(2 * time.Hour)
	for _, id := range n.Others(city) {
		n.Put(id, n.Note(n.HeadOf(id), id, n.Roster.Committee(id), nil))
	}
	n.Away[city] = true
	events := n.round()
	n.want(events, city, watch.Lag, "silent (amber)", "last anchor")
	n.want(events, city, watch.Away, "does not answer")
	if len(events) != 2 {
		t.Errorf("and more:\n%s", text(events))
	}
	// While its node is away it is followed from the copies.
	n.Logs[city].State("use/9", declaration.Publish, video("P3D"), "officer-1")
	events = n.round()
	n.want(events, city, watch.Declared, "use/9")
	n.Away[city] = false
	n.Anchor(time.Minute)
	events = n.round()
	n.want(events, city, watch.Back, "answers again")
	n.want(events, city, watch.Lag, "lives again")
	n.want(events, city, watch.Final, "use/9")
	for _, id := range n.IDs {
		n.Away[id] = true
	}
	n.want(n.round(), "", watch.Away, "the registry can't be read anywhere")
	for _, id := range n.IDs {
		n.Away[id] = false
	}
	n.want(n.round(), "", watch.Back, "can be read again")
}

// T-16: what one place shows is held against what the others show, and becomes a proof.
func TestT16WatchMeetsASplitView(t *testing.T) {
	for _, path := range []string{"minato.example/mirror/", "busan.example/witness/", "kanaalstad.example/log"} {
		n := newWorld(t)
		n.round()
		n.Logs[city].Declare(3, "officer-1")
		n.round()
		if strings.HasSuffix(path, "/") {
			path += n.Hash(city)
		}
		n.Instead[path+"/checkpoint"] = n.Note(n.Lie(city, 5), city, nil, nil)
		var events []watch.Event
		for range 6 { // the places take turns
			events = append(events, n.round()...)
		}
		e := n.want(events, city, watch.Evidence, "there is proof (E2)")
		got, err := evidence.Parse(e.Proof)
		if err == nil {
			_, err = got.Verify(n.Roster.EvidenceKeys())
		}
		if err != nil {
			t.Errorf("%s: the proof: %v", path, err)
		}
		if n.w.Verdict() != audit.False {
			t.Errorf("%s: verdict %s", path, n.w.Verdict())
		}
	}
}

func TestWatchTellsEvidenceThatNodesKeep(t *testing.T) {
	n := newWorld(t)
	n.round()
	keys, err := n.Roster.LogKeys(n.Cities[city].Origin, 3)
	if err != nil {
		t.Fatal(err)
	}
	e, err := evidence.NewE1(evidence.Head{Note: n.Note(n.HeadOf(city), city, nil, nil), Key: keys[0]}, evidence.Head{Note: n.Note(n.Lie(city, 3), city, nil, nil), Key: keys[0]})
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"evidence": []any{map[string]any{"evidence": e.Format()}, map[string]any{"evidence": []byte("junk")}}})
	if err != nil {
		t.Fatal(err)
	}
	n.Instead["busan.example/api/v1/evidence"], n.Instead["minato.example/api/v1/evidence"] = list, list
	events := n.round()
	n.want(events, city, watch.Evidence, "there is proof (E1)")
	if events = append(events, n.round()...); len(events) != 1 {
		t.Errorf("told more than once:\n%s", text(events))
	}
}

func TestWatchTellsWhatNobodySigned(t *testing.T) {
	n := newWorld(t)
	n.round()
	n.Logs[city].Declare(1, "officer-1")
	n.Instead["kanaalstad.example/log/checkpoint"] = []byte("junk")
	events := n.round()
	n.want(events, city, watch.Trouble, "kanaalstad.example")
	n.want(events, city, watch.Declared, "dep/4") // from a copy
	if events = n.round(); len(events) != 0 {
		t.Errorf("told twice:\n%s", text(events))
	}
}

// A city whose node hangs holds up nobody, and Run ends when it is told to.
func TestRunGoesOnAroundOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		w, err := watch.New(watch.Options{
			Root: n.First, Every: 20 * time.Second, Patience: 10 * time.Second, Now: func() time.Time { return n.Now },
			Open: func(base string) (client.Getter, error) {
				if strings.HasPrefix(base, "https://kanaalstad.example/log") {
					return hangs{}, nil
				}
				return n.Open(base)
			},
			Emit: func(e watch.Event) { n.mu.Lock(); defer n.mu.Unlock(); n.events = append(n.events, e) },
		})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		time.Sleep(2 * time.Minute) // in the bubble's time
		synctest.Wait()
		n.mu.Lock()
		events := slices.Clone(n.events)
		n.mu.Unlock()
		n.want(events, "jp-minato", watch.State, "final up to 3")
		n.want(events, city, watch.Away)
		n.want(events, city, watch.State, "3 entries") // from a copy
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// hangs never answers.
type hangs struct{}

func (hangs) String() string { return "a node that hangs" }
func (hangs) Get(ctx context.Context, _ string, _ int) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}
