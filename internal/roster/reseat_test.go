package roster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

const owner = "nl-secretariat"

// rotated gives a city other keys for its witness and mirror, by the root keys.
func (w *world) rotated(id string) {
	w.t.Helper()
	c := w.city(id)
	next := c.Renew(w.t, "", map[string]string{"witness": id + " witness 2", "mirror": id + " mirror 2"})
	req := c.Change(w.t, w.registry(), w.r.Member(id).Member, func(m *registryv1.Member) {
		m.WitnessVkey, m.MirrorVkey = next.Entry.WitnessVkey, next.Entry.MirrorVkey
	}, nil, append(c.Keys("recovery"), next.Keys("witness", "mirror")...)...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, byRoot...)
	w.cities[id] = next
}

// reseated records a version by which cities witness the registry.
func (w *world) reseated(epoch uint32, ids ...string) {
	w.t.Helper()
	w.do(w.rootVersion(alliancetest.ReseatDraft(w.r.Root(), epoch, w.all(ids)...)), byAct...)
}

// notAnchored appends an anchor of the newest head by some cities, which must move nothing.
func (w *world) notAnchored(when string, cities ...*alliancetest.City) {
	w.t.Helper()
	before := w.r.Time()
	note := w.city(owner).Note(w.t, w.r.Size(), w.r.TreeRoot(), w.now.Add(time.Hour), cities...)
	if out := w.apply(note); out.Kind != roster.Void || !errors.Is(out.Reason, roster.ErrNotFinal) || w.r.Time() != before {
		w.t.Errorf("%s: an anchor is %v %v, registry time %d", when, out.Kind, out.Reason, w.r.Time())
	}
}

// TestSilentSeatsAreReplaced: nothing of the registry is final any more, and the root keys find a way back, whatever epoch it is.
func TestSilentSeatsAreReplaced(t *testing.T) {
	for name, tc := range map[string]struct {
		before func(*world)
		silent uint32
		awaits bool
	}{
		"founding":       {func(*world) {}, 0, false},
		"a later epoch":  {func(w *world) { w.epoch(time.Hour, nil) }, 1, false},
		"before the new": {func(w *world) { w.anchor(time.Hour); w.do(w.epochAct(nil), byAct...) }, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := founded(t)
			w.admit("es-sevilla")
			tc.before(w)
			busan, live := w.city("kr-busan"), w.all([]string{"nl-kanaalstad", "jp-tsukuba"})
			w.notAnchored("two of four are silent", live...)
			w.rotated("kr-busan")
			w.notAnchored("a key that is newer than the epoch", append(slices.Clone(live), w.city("kr-busan"))...)
			if _, err := w.r.Propose(roster.FormatPins(nil)); !tc.awaits && err == nil {
				t.Fatal("a seed is fixed, so this test tells nothing")
			}

			seats := []string{"es-sevilla", "jp-tsukuba", "kr-busan", "nl-kanaalstad"}
			w.reseated(tc.silent, seats...)
			if got := w.r.Committee(owner); !slices.Equal(got, seats) {
				t.Errorf("the registry is witnessed by %v, want %v", got, seats)
			}
			policy := string(w.r.Policy(w.r.Member(owner)))
			if !strings.Contains(policy, w.city("kr-busan").Entry.GetWitnessVkey()) || strings.Contains(policy, w.city("fr-lyon").Entry.GetWitnessVkey()) {
				t.Errorf("the registry's policy is\n%s", policy)
			}
			w.notAnchored("three of the seats that were drawn", append(slices.Clone(live), w.city("fr-lyon"))...)
			w.notAnchored("three with the old key of one", append(slices.Clone(live), busan)...)
			w.notAnchored("two of the new seats", live...)
			of := func(id string) roster.Voice {
				for _, v := range w.r.Bench(w.r.Member("fr-lyon"), 1).Voices {
					if v.ID == id {
						return v
					}
				}
				return roster.Voice{}
			}
			if of("kr-busan").Witness.Equal(w.r.Member("kr-busan").Witness) {
				t.Error("the reseat gave a member another key in a city's log")
			}

			w.anchor(time.Hour) // by the new seats
			if !tc.awaits {
				w.do(w.epochAct(nil), byAct...)
				w.anchor(0)
			}
			if n := w.r.Epoch().Number; n != tc.silent+1 || w.r.AwaitsHandOver() {
				t.Fatalf("epoch %d, want %d and handed over", n, tc.silent+1)
			}
			if !tc.awaits && !of("kr-busan").Witness.Equal(w.r.Member("kr-busan").Witness) {
				t.Error("after the EPOCH a member has its old key")
			}
			want := []string{"fr-lyon", "jp-tsukuba", "kr-busan", "nl-kanaalstad"}
			if got := slices.Sorted(slices.Values(w.r.Committee(owner))); !slices.Equal(got, want) {
				t.Errorf("the committee drawn next is %v, want all founders, who are senior: %v", got, want)
			}
			if tc.awaits {
				return // its voices were fixed before the key was lost, so it is silent as well
			}
			w.notAnchored("the seats of the epoch before", w.all([]string{"es-sevilla", "jp-tsukuba"})...)
			w.anchor(time.Hour)
			again := replay(t, w, w.r.First())
			if again.TreeRoot() != w.r.TreeRoot() || again.Time() != w.r.Time() || string(again.Policy(again.Member(owner))) != string(w.r.Policy(w.r.Member(owner))) {
				t.Error("a replay gives another roster")
			}
		})
	}
}

// TestReseatAgain: a second version for the same epoch takes the place of the first; for the next one it pins that.
func TestReseatAgain(t *testing.T) {
	w := founded(t)
	w.reseated(0, "nl-kanaalstad", "jp-tsukuba")
	w.reseated(0, "fr-lyon", "kr-busan")
	w.notAnchored("the first seats", w.all([]string{"nl-kanaalstad", "jp-tsukuba"})...)
	w.epoch(time.Hour, nil)
	later := alliancetest.ReseatDraft(w.r.Root(), 1, w.all([]string{"fr-lyon", "kr-busan"})...)
	later.Terms.Pin = w.r.Pin()
	w.do(w.rootVersion(later), byAct...)
	w.anchor(time.Hour)
	if got := w.r.Committee(owner); !slices.Equal(got, []string{"fr-lyon", "kr-busan"}) {
		t.Errorf("the registry is witnessed by %v", got)
	}
	w.do(w.epochAct(nil), byAct...)
	w.anchor(0)
	gone := alliancetest.NextDraft(w.r.Root())
	gone.Terms.Pin, gone.Terms.Reseat = w.r.Pin(), nil
	w.do(w.rootVersion(gone), byAct...)
	w.anchor(time.Hour)
}

// TestReseatsThatAreVoid: a seat is a member of now with its keys of now, who does not run the registry, in the epoch of now.
func TestReseatsThatAreVoid(t *testing.T) {
	w := founded(t)
	hosted := w.city("de-kiel")
	hosted.Entry.Operator = proto.String(owner)
	w.admit("de-kiel")
	for _, id := range []string{"es-sevilla", "it-bari", "be-gent"} {
		w.admit(id)
	}
	w.epoch(time.Hour, nil)
	old := w.city("kr-busan")
	w.rotated("kr-busan")
	w.do(&registryv1.Suspend{Member: proto.String("es-sevilla")}, byRoot...)
	w.do(&registryv1.Leave{Member: proto.String("it-bari")}, byRoot...)
	w.do(&registryv1.RevokeKey{Member: proto.String("be-gent"), Key: alliancetest.Public("be-gent mirror"), FromTime: proto.Uint64(uint64(w.now.Unix()))}, byAct...)
	for name, tc := range map[string]struct {
		epoch uint32
		with  *alliancetest.City
		edit  func(*root.Reseat)
		why   string
	}{
		"the epoch before":             {0, w.city("fr-lyon"), nil, "it is for epoch 0"},
		"the epoch after":              {2, w.city("fr-lyon"), nil, "it is for epoch 2"},
		"no member":                    {1, w.city("pt-porto"), nil, "pt-porto is no member"},
		"the registry's own witness":   {1, w.city(owner), nil, "run by who runs the registry"},
		"run by who runs the registry": {1, hosted, nil, "de-kiel is run by who runs"},
		"another operator named":       {1, w.city("fr-lyon"), func(s *root.Reseat) { s.Seats[0].Operator = "kr-busan" }, "is run by fr-lyon, not by kr-busan"},
		"the old keys":                 {1, old, nil, "kr-busan cosigns with other keys"},
		"another witness key":          {1, w.city("fr-lyon").Renew(t, "", map[string]string{"witness": "x"}), nil, "fr-lyon cosigns with other keys"},
		"another mirror key":           {1, w.city("fr-lyon").Renew(t, "", map[string]string{"mirror": "x"}), nil, "fr-lyon cosigns with other keys"},
		"keys of each other":           {1, w.city("fr-lyon"), func(s *root.Reseat) { s.Seats[0].Witness, s.Seats[1].Witness = s.Seats[1].Witness, s.Seats[0].Witness }, "cosigns with other keys"},
		"suspended":                    {1, w.city("es-sevilla"), nil, "es-sevilla is SUSPENDED"},
		"left":                         {1, w.city("it-bari"), nil, "it-bari is LEFT"},
		"a key that was revoked":       {1, w.city("be-gent"), nil, "a key of be-gent was revoked"},
	} {
		clone := *w
		clone.r = w.r.Clone()
		d := alliancetest.ReseatDraft(w.r.Root(), tc.epoch, w.city("nl-kanaalstad"), w.city("jp-tsukuba"), tc.with)
		if tc.edit != nil {
			tc.edit(d.Terms.Reseat)
		}
		before := clone.r.Committee(owner)
		out := clone.apply(clone.make(clone.rootVersion(d), byRoot...))
		if out.Kind != roster.Void || !strings.Contains(out.Reason.Error(), tc.why) {
			t.Errorf("%s: it is %v %v, want it void: %s", name, out.Kind, out.Reason, tc.why)
		}
		if clone.r.Root().Version != w.r.Root().Version || !slices.Equal(clone.r.Committee(owner), before) {
			t.Errorf("%s: version %d, witnessed by %v", name, clone.r.Root().Version, clone.r.Committee(owner))
		}
	}
	w.reseated(1, "nl-kanaalstad", "jp-tsukuba", "fr-lyon", "kr-busan")
}

// TestT30SeatsChangeSlowlyAfterAReseat: the next committee goes on from the seats that spoke, not from those that were silent.
func TestT30SeatsChangeSlowlyAfterAReseat(t *testing.T) {
	all := ids(30, "nl", "de", "fr", "jp", "kr")
	w := found(t, all...)
	drawn := w.r.Committee(owner)
	seats := slices.Clone(drawn[:6]) // seven are silent
	for _, id := range all[1:] {
		if len(seats) < roster.MaxSeats && !slices.Contains(drawn, id) {
			seats = append(seats, id)
		}
	}
	w.reseated(0, seats...)
	w.epoch(time.Hour, nil)
	fresh := 0
	for _, id := range w.r.Committee(owner) {
		if !slices.Contains(seats, id) {
			fresh++
		}
	}
	if got := len(w.r.Committee(owner)); got != roster.MaxSeats || fresh > 4 {
		t.Errorf("%d of %d seats are of none who sat before, want at most 4 of 13", fresh, got)
	}
}
