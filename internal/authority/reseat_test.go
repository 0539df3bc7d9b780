package authority_test

import (
	"errors"
	"slices"
	"testing"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

const registryOrigin = "secretariat.example/log"

// loseKeys gives a seat of the registry other keys, by the root keys.
func (w *world) loseKeys(id string) {
	w.t.Helper()
	c := w.city(id)
	next := c.Renew(w.t, "", map[string]string{"witness": id + " witness 2", "mirror": id + " mirror 2"})
	req := c.Change(w.t, registryOrigin, w.r.Member(id).Member, func(m *registryv1.Member) {
		m.WitnessVkey, m.MirrorVkey = next.Entry.WitnessVkey, next.Entry.MirrorVkey
	}, nil, append(c.Keys("recovery"), next.Keys("witness", "mirror")...)...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, alliancetest.Named(byRoot...)...)
	w.cities[id] = next
}

// signed is a version of the root that nobody has recorded yet.
func (w *world) signed(d root.Draft) (*root.Root, []byte) {
	w.t.Helper()
	next := alliancetest.SignRoot(w.t, w.r.Root(), d, byRoot...)
	b, err := next.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	return next, b
}

func (w *world) reseatDraft(epoch uint32, ids ...string) root.Draft {
	var seats []*alliancetest.City
	for _, id := range ids {
		seats = append(seats, w.city(id))
	}
	return alliancetest.ReseatDraft(w.r.Root(), epoch, seats...)
}

func (w *world) record(d root.Draft) *root.Root {
	w.t.Helper()
	next, b := w.signed(d)
	w.do(&registryv1.RootVersion{File: w.file(b)}, byAct...)
	return next
}

// cut keeps the registry's key and some cosignatures of an anchor.
func cut(t *testing.T, note []byte, keep int) []byte {
	t.Helper()
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		t.Fatal(err)
	}
	n.Sigs = n.Sigs[:1+1+keep]
	if note, err = checkpoint.FormatNote(n); err != nil {
		t.Fatal(err)
	}
	return note
}

// TestReseatProvesTheNextEpoch: from version 1 of the root alone, with keys that the epoch's lines don't have; and by nothing less
// than the version of the root that names them for this very epoch, and by the quorum of them.
func TestReseatProvesTheNextEpoch(t *testing.T) {
	w := found(t, 14)
	w.epochs(1)
	drawn := w.r.Committee(secretariat)
	w.loseKeys(drawn[0])
	seats := slices.Sorted(slices.Values(drawn[:4]))
	h := holder(t, w.first)
	elsewhere := w.reseatDraft(0, seats...)
	_, otherEpoch := w.signed(elsewhere)
	other := w.reseatDraft(1, drawn[4:8]...)
	_, otherSeats := w.signed(other)
	second := w.record(w.reseatDraft(1, seats...))

	own := w.final(secretariat, 99)
	a := w.authority(secretariat, own)
	if err := judgeOf(h, a, registryOrigin, own, 99); err != nil {
		t.Errorf("the registry's head in the epoch itself: %v", err)
	}
	if lines := len(authority.Unwrap(a).GetLines()); lines != 1 {
		t.Errorf("%d lines for those who are in the version of the root, want the registry's own alone", lines)
	}
	without := w.edited(secretariat, own, func(a *registryv1.Authority) { a.Roots = nil })
	if err := judgeOf(h, without, registryOrigin, own, 99); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("the registry's head without the version: %v, want ErrNotFinal", err)
	}
	few := w.headBy(secretariat, 99, seats[:2])
	if err := judgeOf(h, a, registryOrigin, few, 99); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("the registry's head by two of four: %v, want ErrNotFinal", err)
	}
	// What the reseat says is of the registry alone.
	note := w.headBy(busan, 7, w.r.Committee(busan)[:9])
	if err := judge(h, w.authority(busan, note), w.headBy(busan, 7, seats), 7); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("a city's head by the registry's seats: %v, want ErrNotFinal", err)
	}

	w.epochs(1)
	note = w.final(busan, 9)
	good := func(*registryv1.Authority) {}
	for name, tc := range map[string]struct {
		edit func(*registryv1.Authority)
		by   *authority.Holder
		want error
	}{
		"version 1":                                             {good, h, nil},
		"without the version":                                   {func(a *registryv1.Authority) { a.Roots = nil }, h, authority.ErrCouldNotTell},
		"with one of another epoch":                             {func(a *registryv1.Authority) { a.Roots = [][]byte{otherEpoch} }, h, authority.ErrCouldNotTell},
		"with one of other seats":                               {func(a *registryv1.Authority) { a.Roots = [][]byte{otherSeats} }, h, authority.ErrCouldNotTell},
		"two of four in the anchor":                             {func(a *registryv1.Authority) { a.Links[1].Anchor = cut(t, a.Links[1].Anchor, 2) }, h, authority.ErrCouldNotTell},
		"the first epoch's lines cut":                           {func(a *registryv1.Authority) { a.Links[1].Lines = nil }, h, nil}, // there are none
		"version 2, which pins nothing and is not the founding": {good, holder(t, second), authority.ErrCouldNotTell},
	} {
		err := judge(tc.by, w.edited(busan, note, tc.edit), note, 9)
		if tc.want == nil && err != nil || !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
	// Later epochs are proven as ever, by those who were drawn.
	w.epochs(2)
	note = w.final(busan, 10)
	if err := judge(h, w.authority(busan, note), note, 10); err != nil {
		t.Errorf("two epochs later: %v", err)
	}
	d := alliancetest.NextDraft(w.r.Root())
	d.Terms.Pin, d.Terms.Reseat = w.r.Pin(), nil
	third := w.record(d)
	w.epochs(1)
	note = w.final(busan, 11)
	for _, by := range []*authority.Holder{h, holder(t, second), holder(t, third)} {
		if err := judge(by, w.authority(busan, note), note, 11); err != nil {
			t.Errorf("by version %d, after one that pins a later epoch and lets go of the reseat: %v", by.Root().Version, err)
		}
	}
}

// TestReseatOfAPinnedEpoch: who holds the version that brings it, with a pin of that very epoch, needs no other.
func TestReseatOfAPinnedEpoch(t *testing.T) {
	w := found(t, 14)
	w.epochs(1)
	seats := slices.Sorted(slices.Values(w.r.Committee(secretariat)[:4]))
	d := w.reseatDraft(1, seats...)
	d.Terms.Pin = w.r.Pin()
	second := w.record(d)
	third := w.record(w.reseatDraft(1, slices.Sorted(slices.Values(w.r.Committee(secretariat)))[:2]...)) // the seats again, fewer
	w.epochs(1)
	note := w.final(busan, 9)
	a := w.authority(busan, note)
	for _, h := range []*authority.Holder{holder(t, w.first), holder(t, second), holder(t, third)} {
		if err := judge(h, a, note, 9); err != nil {
			t.Errorf("by version %d: %v", h.Root().Version, err)
		}
	}
}

// TestReseatOfTheFounding: the founding's authority is empty but for the registry's own heads after a reseat.
func TestReseatOfTheFounding(t *testing.T) {
	w := found(t, 8)
	h := holder(t, w.first)
	seats := slices.Sorted(slices.Values(w.r.Committee(secretariat)[:3]))
	w.loseKeys(seats[0])
	w.record(w.reseatDraft(0, seats...))
	w.record(alliancetest.NextDraft(w.r.Root())) // which repeats it
	own, note := w.final(secretariat, 99), w.headBy(busan, 7, w.r.Committee(busan))
	a := w.authority(secretariat, own)
	if err := judgeOf(h, a, registryOrigin, own, 99); err != nil {
		t.Errorf("the registry's head: %v", err)
	}
	if err := judgeOf(h, w.edited(secretariat, own, func(a *registryv1.Authority) { a.Roots = nil }), registryOrigin, own, 99); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("the registry's head without the version: %v", err)
	}
	city := w.authority(busan, note)
	if b, err := city.Format(); err != nil || string(b) != `{"epoch":0}` {
		t.Errorf("a city's authority = %s, %v", b, err)
	}
	if err := judge(h, city, note, 7); err != nil {
		t.Errorf("a city's head: %v", err)
	}
	w.epochs(1)
	note = w.final(busan, 9)
	if err := judge(h, w.authority(busan, note), note, 9); err != nil {
		t.Errorf("the next epoch: %v", err)
	}

	_, plain := found(t, 8).signed(alliancetest.NextDraft(w.first))
	_, later := found(t, 8).signed(alliancetest.ReseatDraft(w.first, 1, w.city(busan), w.city("nl-cityaa")))
	for name, m := range map[string]*registryv1.Authority{
		"a version without a reseat":        {Roots: [][]byte{plain}},
		"a reseat of a later epoch":         {Roots: [][]byte{later}},
		"something that is no version":      {Roots: [][]byte{[]byte("root")}},
		"lines beside the version":          {Roots: authority.Unwrap(a).GetRoots(), Lines: []*registryv1.RosterLine{{}}},
		"a version before it as the newest": {Roots: append(slices.Clone(authority.Unwrap(a).GetRoots()), plain)},
	} {
		m.Epoch = new(uint32)
		if _, err := authority.Wrap(m).Format(); err == nil {
			t.Errorf("%s: it is written for the founding", name)
		}
	}
}
