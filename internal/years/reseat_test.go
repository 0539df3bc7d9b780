package years_test

import (
	"errors"
	"slices"
	"strings"
	"time"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// judgedBy is the epoch whose committee counts for the registry's next head.
func (w *world) judgedBy() uint32 {
	if w.r.AwaitsHandOver() {
		return w.r.Epoch().Number - 1
	}
	return w.r.Epoch().Number
}

// reseatedNow reports whether others than were drawn witness the registry in the epoch by which its heads are judged.
func (w *world) reseatedNow() bool {
	s := w.r.Root().Terms.Reseat
	return s != nil && s.Epoch == w.judgedBy()
}

// silence lets so many of the registry's seats lose their keys that nothing of it becomes final any more, and the holders of the root
// keys reseat it, sometimes twice.
func (w *world) silence() {
	w.t.Helper()
	seats := w.r.Committee(secretariat)
	lost := len(seats) - roster.Quorum(len(seats)) + 1
	for _, i := range w.rnd.Perm(len(seats))[:lost] {
		if w.r.Status(w.r.Member(seats[i])) != roster.Left {
			w.rotateCosigners(seats[i]) // to keys that have no voice in this epoch
		}
	}
	if len(w.mayWitness()) < 2 {
		return
	}
	witnesses, _, quorum := w.voices(w.r, w.r.Member(secretariat), w.r.Size())
	w.notAnchored("the seats that still speak", witnesses[:quorum-1])
	if _, ok := w.r.NextSeed(); !ok && w.chance(2) {
		w.admit() // acts go on
	}
	w.reseat()
	if w.chance(3) {
		w.reseat()
	}
	witnesses, _, quorum = w.voices(w.r, w.r.Member(secretariat), w.r.Size())
	w.notAnchored("one too few of the new seats", witnesses[:quorum-1])
	w.anchor(time.Hour)
	w.told["reseats of the registry"]++
}

// mayWitness are the cities that could have a seat by a reseat.
func (w *world) mayWitness() []string {
	owner := w.r.Member(secretariat)
	return slices.DeleteFunc(w.members(roster.Active), func(id string) bool {
		m := w.r.Member(id)
		return m == owner || m.Entry.GetOperator() == owner.Entry.GetOperator() || w.revokedBefore(m)
	})
}

// reseatDraft is a version that names some of those who may witness.
func (w *world) reseatDraft(epoch uint32) root.Draft {
	can := w.mayWitness()
	var seats []*alliancetest.City
	for _, i := range w.rnd.Perm(len(can))[:2+w.rnd.IntN(min(13, len(can))-1)] {
		seats = append(seats, w.towns[can[i]].City)
	}
	d := alliancetest.ReseatDraft(w.r.Root(), epoch, seats...)
	d.Expires = w.now.AddDate(1, 0, 0)
	d.Terms.Registry.VKeys = w.r.Member(secretariat).Entry.GetLogVkeys()
	if old := w.r.Root().Terms.Reseat; old != nil && old.Epoch != epoch || w.chance(2) && w.r.Pin() != nil {
		d.Terms.Pin = w.r.Pin()
	}
	return d
}

func (w *world) reseat() {
	w.t.Helper()
	d := w.reseatDraft(w.judgedBy())
	var seats []string
	for _, s := range d.Terms.Reseat.Seats {
		seats = append(seats, s.ID)
	}
	w.record(w.signRoot(d))
	if got := w.r.Committee(secretariat); !slices.Equal(got, seats) {
		w.t.Fatalf("%s: the registry is witnessed by %v, want %v", w, got, seats)
	}
	if !w.r.AwaitsHandOver() { // else the next committee is drawn already
		w.seats[secretariat] = seats
	}
}

// notAnchored appends an anchor of the registry's newest head by too few.
func (w *world) notAnchored(by string, keys []checkpoint.VKey) {
	w.t.Helper()
	head := w.head(secretariat)
	log, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	n := w.signed(head, log[0].Key())
	w.cosign(n, keys...)
	note, before := w.format(n), w.r.Time()
	if out, err := w.r.Judge(note, w.get); err != nil || !errors.Is(out.Reason, roster.ErrNotFinal) {
		w.t.Fatalf("%s: an anchor by %s is %v %v, %v; want it not final", w, by, out.Kind, out.Reason, err)
	}
	w.apply(note, roster.Void)
	if w.r.Time() != before {
		w.t.Fatalf("%s: an anchor by %s moves registry time", w, by)
	}
}

// badReseat is the act of a version that names seats, with something wrong in it.
func (w *world) badReseat(epoch uint32, edit func(*root.Reseat) bool) []byte {
	if len(w.mayWitness()) < 2 {
		return nil
	}
	d := w.reseatDraft(epoch)
	if !edit(d.Terms.Reseat) {
		return nil
	}
	v, err := root.New(d)
	if err != nil || w.r.Root().CheckNext(v) != nil {
		return nil // its form says so already: an epoch before the pin
	}
	return alliancetest.Act(w.t, w.r, &registryv1.RootVersion{File: w.rootFile(w.signRoot(d))}, w.act()...)
}

var reseatAttempts = []attempt{
	{"a reseat for the next epoch", func(w *world) []byte {
		return w.badReseat(w.judgedBy()+1, func(*root.Reseat) bool { return true })
	}},
	{"a reseat for the epoch before", func(w *world) []byte {
		if w.judgedBy() == 0 {
			return nil
		}
		return w.badReseat(w.judgedBy()-1, func(*root.Reseat) bool { return true })
	}},
	{"a seat for who runs the registry", func(w *world) []byte {
		return w.badReseat(w.judgedBy(), func(s *root.Reseat) bool {
			e := w.towns[secretariat].Entry
			s.Seats = append(s.Seats, root.Seat{ID: secretariat, Operator: e.GetOperator(), Witness: e.GetWitnessVkey(), Mirror: e.GetMirrorVkey()})
			return len(s.Seats) <= 13
		})
	}},
	{"a seat with keys of before", func(w *world) []byte {
		return w.badReseat(w.judgedBy(), func(s *root.Reseat) bool {
			seat := pick(w, s.Seats)
			old := alliancetest.NewCity(w.t, seat.ID)
			i := slices.Index(s.Seats, seat)
			s.Seats[i].Witness = old.Entry.GetWitnessVkey()
			return s.Seats[i] != seat
		})
	}},
	{"a seat for who is suspended or has left", func(w *world) []byte {
		gone := append(w.members(roster.Suspended), w.members(roster.Left)...)
		if len(gone) == 0 {
			return nil
		}
		return w.badReseat(w.judgedBy(), func(s *root.Reseat) bool {
			c := w.towns[pick(w, gone)]
			s.Seats = append(s.Seats, root.Seat{ID: c.ID, Operator: c.Entry.GetOperator(), Witness: c.Entry.GetWitnessVkey(), Mirror: c.Entry.GetMirrorVkey()})
			slices.SortFunc(s.Seats, func(a, b root.Seat) int { return strings.Compare(a.ID, b.ID) })
			return len(s.Seats) <= 13
		})
	}},
}
