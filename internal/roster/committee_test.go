package roster_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

func TestQuorum(t *testing.T) {
	for n, want := range []int{0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9} {
		if got := roster.Quorum(n); got != want {
			t.Errorf("Quorum(%d) = %d, want %d", n, got, want)
		}
	}
	if got := roster.Quorum(0); got != 0 {
		t.Errorf("Quorum(0) = %d: nobody makes a head final", got)
	}
}

// ids invents n members of several countries; the first is the secretariat.
func ids(n int, countries ...string) []string {
	out := []string{"nl-secretariat"}
	for i := 1; i < n; i++ {
		const letters = "abefgkpqsz" // none that is taken for another
		out = append(out, fmt.Sprintf("%s-city%c%c", countries[i%len(countries)], letters[i/10], letters[i%10]))
	}
	return out
}

func TestCommitteesAreCapped(t *testing.T) {
	w := found(t, ids(30, "nl", "de", "fr", "jp", "kr")...)
	for _, m := range w.r.Members() {
		seats := w.r.Committee(m.ID())
		if len(seats) != roster.MaxSeats {
			t.Fatalf("the committee of %s has %d seats, want %d", m.ID(), len(seats), roster.MaxSeats)
		}
		country := map[string]int{}
		for _, id := range seats {
			country[id[:2]]++
		}
		for c, n := range country {
			if n > 5 {
				t.Errorf("the committee of %s has %d seats of %s, want at most a third of 13", m.ID(), n, c)
			}
		}
		if slices.Contains(seats, m.ID()) {
			t.Errorf("%s witnesses itself", m.ID())
		}
	}
}

func TestCapsThatCanNotBeMetAreFilledUp(t *testing.T) {
	w := found(t, ids(14, "nl")...)
	if got := len(w.r.Committee("nl-cityaf")); got != roster.MaxSeats {
		t.Errorf("a committee in one country has %d seats, want all %d", got, roster.MaxSeats)
	}
}

func TestOneOperatorIsOneVoice(t *testing.T) {
	w := &world{t: t, cities: map[string]*alliancetest.City{}, files: map[[32]byte][]byte{}, now: alliancetest.FoundedAt}
	var cities []*alliancetest.City
	for i, id := range ids(20, "nl", "de", "fr", "jp") {
		c := w.city(id)
		if i >= 10 {
			c.Entry.Operator = proto.String("nl-secretariat") // one machine hosts half the alliance
		}
		cities = append(cities, c)
	}
	var err error
	if w.r, err = roster.New(alliancetest.Found(t, cities...)); err != nil {
		t.Fatal(err)
	}
	for _, c := range cities {
		hosted := 0
		for _, id := range w.r.Committee(c.ID) {
			if operator := w.city(id).Entry.GetOperator(); operator == "nl-secretariat" {
				hosted++
				if c.Entry.GetOperator() == operator {
					t.Errorf("%s and its witness %s have one operator", c.ID, id)
				}
			}
		}
		if n := len(w.r.Committee(c.ID)); n == roster.MaxSeats && hosted > 5 {
			t.Errorf("the committee of %s has %d seats of one operator", c.ID, hosted)
		}
	}
}

// TestT28GrindingMovesNoSeat: seats come from ids and the seed. Other keys, another origin or address: the same seats.
func TestT28GrindingMovesNoSeat(t *testing.T) {
	all := ids(30, "nl", "de", "fr", "jp", "kr")
	plain := found(t, all...)
	ground := &world{t: t, cities: map[string]*alliancetest.City{}, files: map[[32]byte][]byte{}, now: alliancetest.FoundedAt}
	d := alliancetest.Draft(t, plain.all(all)...)
	d.Terms.Founders = nil
	for _, id := range all {
		c := ground.city(id)
		signers := c.AllKeys()
		if id == "de-cityab" {
			c.Entry.TlsKey = alliancetest.Public(id + " ground")
			signers = append(c.Keys("log", "witness", "mirror", "node", "recovery", "officer-1", "officer-2"), alliancetest.Key(c.ID+" ground"))
		}
		d.Terms.Founders = append(d.Terms.Founders, c.Join(t, plain.registry(), signers...).Envelope.Format())
	}
	other, err := roster.New(alliancetest.SignRoot(t, nil, d, "root 1", "root 2", "root 3"))
	if err != nil {
		t.Fatal(err)
	}
	// The alliance's id, which is epoch 0's seed, differs; from epoch 1 on the seed comes from a cosigned head.
	seed := rootOf("kr-busan", 7)
	if a, b := plain.r.CommitteesOf(seed), other.CommitteesOf(seed); !maps.EqualFunc(a, b, slices.Equal[[]string]) {
		t.Error("a key moved a seat")
	}
}

// TestT29NewcomersWaitForASeat: no seat before two epochs and fourteen days.
func TestT29NewcomersWaitForASeat(t *testing.T) {
	w := founded(t)
	w.admit("de-bremen")
	sits := func() bool {
		for _, m := range w.r.Members() {
			if slices.Contains(w.r.Committee(m.ID()), "de-bremen") {
				return true
			}
		}
		return false
	}
	for i, after := range []time.Duration{day, day, day} { // two epochs, but not fourteen days
		w.epoch(after, nil)
		if sits() {
			t.Errorf("the newcomer has a seat in epoch %d", i+1)
		}
	}
	w.epoch(12*day, nil)
	if !sits() {
		t.Error("the newcomer has no seat after 15 days and four epochs")
	}
	late := founded(t)
	late.admit("de-bremen")
	late.epoch(20*day, nil) // fourteen days, but one epoch
	for _, m := range late.r.Members() {
		if slices.Contains(late.r.Committee(m.ID()), "de-bremen") {
			t.Error("the newcomer has a seat after one epoch")
		}
	}
}

// TestT30SeatsChangeSlowly: at most four newcomers an epoch, beside those on empty seats.
func TestT30SeatsChangeSlowly(t *testing.T) {
	w := found(t, ids(30, "nl", "de", "fr", "jp", "kr")...)
	for range 4 {
		before := map[string][]string{}
		for _, m := range w.r.Members() {
			before[m.ID()] = w.r.Committee(m.ID())
		}
		w.epoch(2*time.Hour, nil)
		moved := 0
		for id, old := range before {
			fresh := 0
			for _, s := range w.r.Committee(id) {
				if !slices.Contains(old, s) {
					fresh++
				}
			}
			if fresh > 4 {
				t.Errorf("epoch %d seats %d newcomers for %s", w.r.Epoch().Number, fresh, id)
			}
			moved += fresh
		}
		if moved == 0 {
			t.Errorf("epoch %d moves nobody", w.r.Epoch().Number)
		}
	}
}

func TestEmptySeatsAreFilledAtOnce(t *testing.T) {
	all := ids(30, "nl", "de", "fr", "jp", "kr")
	w := found(t, all...)
	old := w.r.Committee("nl-secretariat")
	for _, id := range old[:4] { // with more gone the registry would have no quorum for an anchor
		w.do(&registryv1.Leave{Member: proto.String(id)}, byRoot...)
	}
	w.epoch(2*time.Hour, nil)
	now := w.r.Committee("nl-secretariat")
	if len(now) != roster.MaxSeats {
		t.Errorf("%d seats after four fell empty, want %d", len(now), roster.MaxSeats)
	}
	for _, id := range old[:4] {
		if slices.Contains(now, id) {
			t.Errorf("%s has left and sits", id)
		}
	}
}

// TestT30HeadsAtAnEpochsEdge: the registry's old committee counts until its anchor covers the EPOCH, and for the head just after
// that anchor; above it the new one counts alone.
func TestT30HeadsAtAnEpochsEdge(t *testing.T) {
	w := found(t, ids(30, "nl", "de", "fr", "jp", "kr")...)
	secretariat := w.city("nl-secretariat")
	w.anchor(2 * time.Hour)
	old := w.r.Committee(secretariat.ID)
	proposal := w.epochAct(nil)
	w.do(proposal, byAct...)
	now := proposal.GetCommittee()
	if slices.Equal(old, now) {
		t.Fatal("the committee did not change, so this test tells nothing")
	}
	only := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(id string) bool { return slices.Contains(b, id) })
	}
	// Nine of each who are no quorum of the other.
	nineOf := func(list, other []string) []*alliancetest.City {
		return w.all(append(only(list, other), only(list, only(list, other))...)[:9])
	}
	if len(only(old, now)) == 0 {
		t.Fatal("nobody left, so this test tells nothing")
	}
	at := w.now.Add(time.Minute)
	head := func(by []*alliancetest.City) roster.Outcome {
		at = at.Add(time.Second)
		return w.apply(secretariat.Note(t, w.r.Size(), w.r.TreeRoot(), at, by...))
	}
	if out := head(nineOf(now, old)); !errors.Is(out.Reason, roster.ErrNotFinal) {
		t.Errorf("a head by nine of the new committee, before the old one handed over, is %v %v", out.Kind, out.Reason)
	}
	w.apply([]byte("junk")) // what comes in the same commit as EPOCH keeps nobody from handing over
	if out := head(nineOf(old, now)); out.Kind != roster.Anchor {
		t.Fatalf("a head that covers EPOCH by nine of the old committee is %v %v", out.Kind, out.Reason)
	}
	if got := w.r.Bench(w.r.Member(secretariat.ID), w.r.Size()).Committee; !slices.Equal(got, old) {
		t.Errorf("the head just after the anchor is for %v, want the old committee", got)
	}
	if out := head(nineOf(old, now)); out.Kind != roster.Anchor {
		t.Errorf("the head just after that anchor by the old committee is %v %v", out.Kind, out.Reason)
	}
	if out := head(nineOf(old, now)); !errors.Is(out.Reason, roster.ErrNotFinal) {
		t.Errorf("a later head by nine of the old committee is %v %v", out.Kind, out.Reason)
	}
	if out := head(w.all(now)); out.Kind != roster.Anchor {
		t.Errorf("the same head by the new committee is %v %v", out.Kind, out.Reason)
	}
}

func TestAnchorsThatDoNotCount(t *testing.T) {
	w := founded(t)
	w.anchor(time.Hour)
	w.do(&registryv1.RuleSet{Number: proto.Uint32(1), Bundle: make([]byte, 32)}, byAct...)
	secretariat, committee := w.city("nl-secretariat"), w.all(w.r.Committee("nl-secretariat"))
	size, root, at := w.r.Size(), w.r.TreeRoot(), w.now.Add(time.Hour)
	for name, note := range map[string][]byte{
		"of another log":      w.city("kr-busan").Note(t, size, root, at, committee...),
		"of a later head":     secretariat.Note(t, size+1, root, at, committee...),
		"with another root":   secretariat.Note(t, size, rootOf("kr-busan", 1), at, committee...),
		"below the quorum":    secretariat.Note(t, size, root, at, committee[:2]...),
		"of an anchored head": secretariat.Note(t, size-2, root, at, committee...),
		"by strangers":        secretariat.Note(t, size, root, at, w.city("de-bremen"), w.city("be-gent"), w.city("it-bari"), w.city("es-cadiz")),
		"of nothing":          []byte("anchor\n"),
		"of zero bytes":       {},
	} {
		before := w.r.Time()
		if out := w.apply(note); out.Kind != roster.Void || w.r.Time() != before {
			t.Errorf("an anchor %s is %v, registry time %d", name, out.Kind, w.r.Time())
		}
	}
	// T-22: one witness years ahead and one years behind move nothing but themselves: the lower median counts.
	w.now = at
	n := w.r.Size()
	mixed := mixedTimes(t, secretariat, n, w.r.TreeRoot(), committee, []time.Time{at.AddDate(10, 0, 0), at, at.Add(time.Second), at.AddDate(-10, 0, 0)})
	if out := w.apply(mixed); out.Kind != roster.Anchor || w.r.Time() != at.Unix() {
		t.Errorf("the time of an anchor with clocks ten years off is %d, want %d (%v)", w.r.Time(), at.Unix(), out.Reason)
	}
	// T-23: an older time moves nothing back.
	w.apply([]byte("junk"))
	if out := w.apply(secretariat.Note(t, w.r.Size(), w.r.TreeRoot(), at.Add(-time.Hour), committee...)); out.Kind != roster.Anchor || w.r.Time() != at.Unix() {
		t.Errorf("registry time went back to %d (%v)", w.r.Time(), out.Reason)
	}
}

func TestEpochThatIsNotComputed(t *testing.T) {
	w := founded(t)
	w.anchor(time.Hour)
	for name, edit := range map[string]func(*registryv1.Epoch){
		"number 2":          func(e *registryv1.Epoch) { e.Number = proto.Uint32(2) },
		"another committee": func(e *registryv1.Epoch) { e.Committee = e.Committee[1:] },
		"another order":     func(e *registryv1.Epoch) { slices.Reverse(e.Committee) },
		"another root":      func(e *registryv1.Epoch) { e.RosterRoot = make([]byte, 32) },
		"a draw now":        func(e *registryv1.Epoch) { e.NextDraw = proto.Uint64(uint64(w.now.Unix())) },
		"a draw next year":  func(e *registryv1.Epoch) { e.NextDraw = proto.Uint64(uint64(w.now.AddDate(1, 0, 0).Unix())) },
		"pins out of order": func(e *registryv1.Epoch) { e.Pins = w.file([]byte("cityproof/pins/v1\nb\na\n")) },
	} {
		e := w.epochAct(nil)
		edit(e)
		w.void(name, e, byAct...)
	}
	w.void("by one act key", w.epochAct(nil), byAct[:1]...)
	w.do(w.epochAct(map[string]roster.Pin{"busan.example/log": {Size: 5, Root: rootOf("kr-busan", 5)}}), byAct...)
	if _, err := w.r.Propose(roster.FormatPins(nil)); err == nil {
		t.Error("an epoch is proposed before its seed is fixed")
	}
	w.anchor(2 * time.Hour)
	if _, err := w.r.Propose(roster.FormatPins(nil)); err == nil {
		t.Error("an epoch is proposed by the anchor that hands over: the new committee has not spoken yet")
	}
	w.anchor(2 * time.Hour)
	w.void("a pin that goes back", w.epochAct(map[string]roster.Pin{"busan.example/log": {Size: 4, Root: rootOf("kr-busan", 4)}}), byAct...)
	w.void("a pin that is gone", w.epochAct(nil), byAct...)
	missing := w.epochAct(nil)
	missing.Pins = make([]byte, 32)
	if out, err := w.r.Apply(w.make(missing, byAct...), w.get); err == nil {
		t.Errorf("an EPOCH whose pins are missing = %v, want that nothing can be told", out)
	}
}

// TestI9ReplayGivesTheSame: two who replay one registry have the same roster; and what one of them never saw is not in it.
func TestI9ReplayGivesTheSame(t *testing.T) {
	w := founded(t)
	w.admit("de-bremen")
	w.epoch(time.Hour, nil)
	w.do(&registryv1.Suspend{Member: proto.String("fr-lyon")}, byRoot...)
	w.epoch(2*time.Hour, nil)
	again := replay(t, w, w.r.Root())
	if again.TreeRoot() != w.r.TreeRoot() || again.Epoch().Seed != w.r.Epoch().Seed || again.Time() != w.r.Time() {
		t.Error("a replay has another tree, seed or time")
	}
	for _, m := range w.r.Members() {
		if a, b := string(w.r.Policy(m)), string(again.Policy(again.Member(m.ID()))); a != b {
			t.Errorf("policies differ:\n%s\n%s", a, b)
		}
	}
}

func replay(t *testing.T, w *world, first *root.Root) *roster.Roster {
	t.Helper()
	r, err := roster.New(first)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range w.entries {
		if _, err := r.Apply(e, w.get); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
