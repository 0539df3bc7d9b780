package authority_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/roster"
)

const origin = "busan.example/log"

// judge certifies an authority and lets its bench judge a note, as whoever verifies a receipt does.
func judge(h *authority.Holder, a *authority.Authority, note []byte, size uint64) error {
	return judgeOf(h, a, origin, note, size)
}

func judgeOf(h *authority.Holder, a *authority.Authority, origin string, note []byte, size uint64) error {
	c, err := h.Certify(a, origin)
	if err != nil {
		return err
	}
	keys, err := c.Standing.LogKeys(origin, size)
	if err != nil {
		return err
	}
	_, _, err = c.Final(note, keys)
	return err
}

// F17: whoever has root.json alone knows who sits on a committee in a later epoch.
func TestF17LaterEpochsAreCertified(t *testing.T) {
	w := found(t, 20)
	h := holder(t, w.first)
	committees := map[uint32][]string{}
	for epoch := range uint32(4) {
		note := w.final(busan, 9)
		a := w.authority(busan, note)
		c, err := h.Certify(a, origin)
		if err != nil {
			t.Fatalf("epoch %d: %v", epoch, err)
		}
		if c.Epoch != epoch || !slices.Equal(c.Bench.Committee, w.r.Committee(busan)) || c.Standing.ID() != busan {
			t.Errorf("certified epoch %d of %s with %v, want %d, %s, %v", c.Epoch, c.Standing.ID(), c.Bench.Committee, epoch, busan, w.r.Committee(busan))
		}
		if diff := cmp.Diff(w.r.Member(busan).PublisherRanges(), c.Standing.Publishers); diff != "" {
			t.Errorf("publishers (-roster +certified):\n%s", diff)
		}
		if err := judge(h, a, note, 9); err != nil {
			t.Errorf("a final head of epoch %d: %v", epoch, err)
		}
		b, err := a.Format()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("epoch %d: %d bytes", epoch, len(b))
		committees[epoch] = c.Bench.Committee
		w.epochs(1)
	}
	if slices.Equal(committees[0], committees[3]) {
		t.Fatal("the committees did not change, so this test tells nothing")
	}
}

// T-30, F2: a committee that retired makes nothing final, whatever authority comes with it.
func TestT30RetiredCommitteeMakesNothingFinal(t *testing.T) {
	w := found(t, 30)
	h := holder(t, w.first)
	old := w.r.Committee(busan)
	founding := w.authority(busan, w.final(busan, 9))
	w.epochs(3)
	now := w.r.Committee(busan)
	good := w.final(busan, 10)
	a := w.authority(busan, good)
	gone := slices.DeleteFunc(slices.Clone(old), func(id string) bool { return slices.Contains(now, id) })
	stay := slices.DeleteFunc(slices.Clone(old), func(id string) bool { return !slices.Contains(now, id) })
	if len(gone) < 5 {
		t.Fatalf("%d of 13 left, so this test tells nothing", len(gone))
	}
	by := w.headBy(busan, 10, append(gone, stay...)[:9])
	if err := judge(h, a, by, 10); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("nine of the first committee in epoch 3: %v", err)
	}
	if err := judge(h, a, good, 10); err != nil {
		t.Errorf("the committee of epoch 3: %v", err)
	}
	// What is judged by the founding is what the founding's committee may still say to who knows nothing newer: its
	// own receipts stay good. A newer root ends that.
	if err := judge(h, founding, by, 10); err != nil {
		t.Errorf("the founding's own: %v", err)
	}
	renewed := holder(t, w.renew(true))
	if err := judge(renewed, founding, by, 10); !errors.Is(err, authority.ErrCouldNotTell) {
		t.Errorf("the founding's, by a root that pins epoch 3: %v", err)
	}
}

// A root of later years proves an epoch by itself: links before are needed no more, and what lies before can't be told.
func TestRootsThatPinAnEpoch(t *testing.T) {
	w := found(t, 14)
	w.epochs(1)
	early := w.final(busan, 5)
	earlyAuthority := w.authority(busan, early)
	w.epochs(1)
	second := w.renew(true)
	w.anchor(time.Hour)
	third := w.renew(false)
	w.epochs(2)
	note := w.final(busan, 9)
	a := w.authority(busan, note)
	for version, h := range []*authority.Holder{holder(t, w.first), holder(t, second), holder(t, third)} {
		if err := judge(h, a, note, 9); err != nil {
			t.Errorf("epoch 4 by version %d of the root: %v", version+1, err)
		}
		c, err := h.Certify(a, origin)
		if err != nil || c.Root.Version != 3 {
			t.Errorf("the newest root is not taken: %+v, %v", c, err)
		}
	}
	if err := judge(holder(t, w.first), earlyAuthority, early, 5); err != nil {
		t.Errorf("epoch 1 by version 1: %v", err)
	}
	if err := judge(holder(t, second), earlyAuthority, early, 5); !errors.Is(err, authority.ErrCouldNotTell) {
		t.Errorf("epoch 1 by a root that pins epoch 2: %v, want that it could not be told", err)
	}
}

// T-11: versions of the root that nobody signed, that leave one out, or that go back lead nowhere.
func TestT11RootsOfAnAuthority(t *testing.T) {
	w := found(t, 14)
	w.epochs(2)
	w.renew(true)
	w.anchor(time.Hour)
	w.renew(false)
	w.epochs(1)
	note := w.final(busan, 9)
	h := holder(t, w.first)
	for name, c := range map[string]struct {
		edit func(*registryv1.Authority)
		told bool // false is known, not just unknown
	}{
		"version 2 is left out": {func(a *registryv1.Authority) { a.Roots = a.Roots[1:] }, false},
		"no roots":              {func(a *registryv1.Authority) { a.Roots = nil }, false},
		"version 2 in another's words": {func(a *registryv1.Authority) {
			prev := w.first
			d := alliancetest.Draft(t, w.city(secretariat))
			d.Version, d.Terms.Founders, d.Terms.Genesis = 2, nil, prev.Alliance.String()
			d.Keys = append(d.Keys[:2:2], alliancetest.Public("thief 1"), alliancetest.Public("thief 2"), alliancetest.Public("thief 3"))
			forged := alliancetest.SignRoot(t, prev, d, "root 1", "root 2", "thief 1", "thief 2", "thief 3")
			b, err := forged.Format()
			if err != nil {
				t.Fatal(err)
			}
			a.Roots[0] = b
		}, true},
		"twice the same": {func(a *registryv1.Authority) { a.Roots[1] = a.Roots[0] }, false},
		"not a root":     {func(a *registryv1.Authority) { a.Roots[0] = []byte("{}") }, true},
	} {
		err := judge(h, w.edited(busan, note, c.edit), note, 9)
		if err == nil || errors.Is(err, authority.ErrCouldNotTell) == c.told {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// edited is the authority of a note with something changed in it.
func (w *world) edited(id string, note []byte, edit func(*registryv1.Authority)) *authority.Authority {
	w.t.Helper()
	m, err := w.r.Authority(w.r.Member(id), note)
	if err != nil {
		w.t.Fatal(err)
	}
	m = proto.CloneOf(m)
	edit(m)
	return w.again(authority.Wrap(m))
}

func TestForgedAuthorities(t *testing.T) {
	w := found(t, 20)
	w.epochs(2)
	other := w.edited(busan, w.final(busan, 9), func(*registryv1.Authority) {})
	w.epochs(1)
	note := w.final(busan, 9)
	h := holder(t, w.first)
	anchor := func(l *registryv1.EpochLink, keep int) {
		n, err := checkpoint.ParseNote(l.GetAnchor())
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs = n.Sigs[:1+1+keep]
		if l.Anchor, err = checkpoint.FormatNote(n); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		edit func(*registryv1.Authority)
		told bool
	}{
		"a link is missing":        {func(a *registryv1.Authority) { a.Links = a.Links[:2] }, false},
		"links out of order":       {func(a *registryv1.Authority) { a.Links[0], a.Links[1] = a.Links[1], a.Links[0] }, true},
		"a link more":              {func(a *registryv1.Authority) { a.Epoch = proto.Uint32(2) }, true},
		"an anchor by eight of 13": {func(a *registryv1.Authority) { anchor(a.Links[1], 8) }, false},
		"an anchor by nobody":      {func(a *registryv1.Authority) { anchor(a.Links[0], 0) }, false},
		"an anchor of another log": {func(a *registryv1.Authority) { a.Links[0].Anchor = note }, true},
		"another index":            {func(a *registryv1.Authority) { a.Links[1].Index = proto.Uint64(a.Links[1].GetIndex() + 1) }, true},
		"no path":                  {func(a *registryv1.Authority) { a.Links[1].Path = nil }, true},
		"a voice twice":            {func(a *registryv1.Authority) { a.Links[1].Lines[1] = a.Links[1].Lines[0] }, true},
		"no voices":                {func(a *registryv1.Authority) { a.Links[1].Lines = nil }, false},
		"voices of another epoch":  {func(a *registryv1.Authority) { a.Links[2].Lines = a.Links[1].Lines }, true},
		"lines of another epoch":   {func(a *registryv1.Authority) { a.Lines = authority.Unwrap(other).Lines }, true},
		"an act that is no EPOCH": {func(a *registryv1.Authority) {
			a.Links[2].Act = alliancetest.Act(t, w.r, &registryv1.RuleSet{Number: proto.Uint32(1), Bundle: make([]byte, 32)}, byAct...)
		}, true},
		"an EPOCH by one act key": {func(a *registryv1.Authority) {
			p := &registryv1.Epoch{Number: proto.Uint32(3), NextDraw: proto.Uint64(1), RosterRoot: make([]byte, 32), Pins: make([]byte, 32)}
			a.Links[2].Act = alliancetest.Act(t, w.r, p, byAct[:1]...)
		}, true},
		"an EPOCH by act keys that is not in the registry": {func(a *registryv1.Authority) {
			p := &registryv1.Epoch{Number: proto.Uint32(3), NextDraw: proto.Uint64(1), RosterRoot: make([]byte, 32), Pins: make([]byte, 32)}
			a.Links[2].Act = alliancetest.Act(t, w.r, p, byAct...)
		}, true},
		"another member's standing": {func(a *registryv1.Authority) {
			a.Lines[0] = w.r.Epoch().Lines().Standing(secretariat)
		}, true},
		"no lines": {func(a *registryv1.Authority) { a.Lines = nil }, true},
	} {
		err := judge(h, w.edited(busan, note, c.edit), note, 9)
		if err == nil || (errors.Is(err, authority.ErrCouldNotTell) || errors.Is(err, roster.ErrNotFinal)) == c.told {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.forgedOtherwise(note)
}

// forgedOtherwise changes bytes of the text: nothing that is accepted then certifies anything else.
func (w *world) forgedOtherwise(note []byte) {
	t := w.t
	h := holder(t, w.first)
	a := w.authority(busan, note)
	want, err := h.Certify(a, origin)
	if err != nil {
		t.Fatal(err)
	}
	text, err := a.Format()
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		b := slices.Clone(text)
		at := rnd.IntN(len(b))
		b[at] ^= 1 << rnd.IntN(7)
		a, err := authority.Parse(b)
		if err != nil {
			continue
		}
		got, err := h.Certify(a, origin)
		if err != nil {
			continue
		}
		if diff := cmp.Diff(want.Bench.Voices, got.Bench.Voices); diff != "" || !slices.Equal(want.Bench.Committee, got.Bench.Committee) || got.Epoch != want.Epoch {
			t.Errorf("byte %d changed certifies something else: %s", at, diff)
		}
	}
}

// An epoch is proven by the first anchor that covers it; before that nothing carries its authority.
func TestNoAuthorityBeforeTheAnchor(t *testing.T) {
	w := found(t, 14)
	w.epoch()
	note := w.final(busan, 9)
	if a, err := authority.Of(w.r, w.r.Member(busan), note); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("before the anchor: %v, %v", a, err)
	}
	w.anchor(0)
	if err := judge(holder(t, w.first), w.authority(busan, note), note, 9); err != nil {
		t.Errorf("after it: %v", err)
	}
}

// A witness key that turns in an epoch counts from the next one on, for who replays the registry as for who has its lines.
func TestKeysOfSeatsTurnAtAnEpoch(t *testing.T) {
	w := found(t, 5)
	seat := w.r.Committee(busan)[0]
	c := w.city(seat)
	key, err := checkpoint.NewVKey(w.r.Member(seat).Witness.Name, checkpoint.TypeEd25519Cosignature, alliancetest.Public(seat+" witness 2"))
	if err != nil {
		t.Fatal(err)
	}
	req := c.Change(t, w.city(secretariat).Origin, w.r.Member(seat).Member, func(m *registryv1.Member) {
		m.WitnessVkey = proto.String(checkpoint.FormatVKey(key))
	}, nil, c.Keys("recovery", "witness 2")...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, alliancetest.Named(byRoot...)...)
	old := w.final(busan, 9)
	if _, err := w.r.Finality(w.r.Member(busan), old); err != nil {
		t.Errorf("the key of the epoch, after it was replaced: %v", err)
	}
	w.epochs(1)
	a, err := authority.Of(w.r, w.r.Member(busan), w.headBy(busan, 10, slices.DeleteFunc(slices.Clone(w.r.Committee(busan)), func(id string) bool { return id == seat })))
	if err != nil {
		t.Fatal(err)
	}
	got, err := holder(t, w.first).Certify(w.again(a), origin)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []*roster.Bench{got.Bench, w.r.Bench(w.r.Member(busan), 10)} {
		for _, v := range b.Voices {
			if v.ID == seat && !v.Witness.Equal(key) {
				t.Errorf("after EPOCH the witness key of %s is %v, want %v", seat, v.Witness, key)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"epoch":0}`))
	w := found(f, 5)
	w.epochs(1)
	b, err := w.authority(busan, w.final(busan, 3)).Format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	h := holder(f, w.first)
	other := found(f, 5)
	other.record(other.reseatDraft(0, other.r.Committee(secretariat)[1], other.r.Committee(secretariat)[0]))
	if b, err = other.authority(secretariat, other.final(secretariat, 3)).Format(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := authority.Parse(b)
		if err != nil {
			return
		}
		again, err := a.Format()
		if err != nil || string(again) != string(b) {
			t.Errorf("Format(Parse(%q)) = %q, %v", b, again, err)
		}
		_, _ = h.Certify(a, origin) // must not panic
	})
}
