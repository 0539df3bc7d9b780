package registry_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/roster"
)

// anchor submits an anchor of the registry's newest head, cosigned at a time by all founders.
func (w *world) anchor(at time.Time) {
	w.t.Helper()
	r := w.f.Roster()
	var seats []*alliancetest.City
	for _, id := range r.Committee(w.owner.ID) {
		seats = append(seats, alliancetest.NewCity(w.t, id))
	}
	w.submit(w.owner.Note(w.t, r.Size(), r.TreeRoot(), at, seats...))
}

func TestFollowerKeepsLogTimeAndPastEpochs(t *testing.T) {
	w := newWorld(t)
	w.submit(w.admit("fr-lyon"))
	at := alliancetest.FoundedAt.Add(time.Hour)
	w.anchor(at)
	p, err := w.f.Roster().Propose(roster.FormatPins(nil))
	if err != nil {
		t.Fatal(err)
	}
	pins := roster.FormatPins(map[string]roster.Pin{})
	sum := sha256.Sum256(pins)
	epoch := &registryv1.Epoch{
		Number: &p.Number, NextDraw: proto.Uint64(uint64(at.Add(time.Hour).Unix())), RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: sum[:],
	}
	w.submit(alliancetest.Act(t, w.f.Roster(), epoch, alliancetest.Named("act 1", "act 2")...), pins)
	late, forgetful := w.follower(), w.follower()
	late.RememberEpochs()
	if err := late.Update(t.Context(), w.log); err != nil {
		t.Fatal(err)
	}
	if err := forgetful.Update(t.Context(), w.log); err != nil {
		t.Fatal(err)
	}
	st := late.State()
	if a, ok := st.Clock.Last(); !ok || a.Time != at.Unix() || a.Index != 1 || a.Size != 1 || st.Roster.Time() != a.Time {
		t.Errorf("the registry's clock: %+v, %v, its roster's time %d", a, ok, st.Roster.Time())
	}
	if len(st.Past) != 1 || st.Past[0].Number != 0 || st.Roster.Epoch().Number != 1 {
		t.Errorf("past epochs: %d", len(st.Past))
	}
	if n := len(forgetful.State().Past); n != 0 {
		t.Errorf("who need not remember remembers %d epochs", n)
	}
}
