package years_test

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/roster"
)

// epoch draws the next epoch, whose seed must be fixed, and hands the registry over.
func (w *world) epoch() {
	w.t.Helper()
	if w.chance(2) {
		w.tryVoid(epochAttempts)
	}
	now, number := w.nextSeats()
	w.pinHeads()
	pins := roster.FormatPins(w.pins)
	p, err := w.r.Propose(pins)
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	if p.Number != number || !slices.Equal(p.Committee, now[secretariat]) {
		w.t.Fatalf("%s: epoch %d proposes the registry's committee %v, computed %v", w, p.Number, p.Committee, now[secretariat])
	}
	e := &registryv1.Epoch{
		Number: &number, NextDraw: proto.Uint64(uint64(w.now.Add(20 * day).Unix())),
		RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: w.file(pins),
	}
	if w.chance(3) { // members came or keys turned: people draw sooner
		*e.NextDraw = uint64(w.now.Add(time.Duration(1+w.rnd.IntN(4)) * day).Unix())
	}
	before := w.r.Clone()
	w.do(e, w.act()...)
	w.checkHandOver(before, w.seats, now, number)
	w.atEpoch, w.seats = before, now
	if w.chance(4) {
		w.tryVoid(attempts) // between EPOCH and the hand-over, too
	}
	if w.chance(12) && !w.wrong { // holders sign a number once, so the liar's side gets no version
		w.silence() // and its anchor hands over
	}
	w.anchor(time.Hour)
	if w.r.AwaitsHandOver() {
		w.t.Fatalf("%s: an anchor that covers EPOCH did not hand over", w)
	}
	w.checkCommittees()
}

// pinHeads takes the newest head of each log that can be final.
func (w *world) pinHeads() {
	for _, id := range append(w.members(roster.Active), w.members(roster.Suspended)...) {
		m := w.r.Member(id)
		if id == secretariat || m.Log().End != nil {
			continue
		}
		head := w.head(id)
		witnesses, mirrors, quorum := w.voices(w.r, m, head.Size)
		can := quorum > 0 && len(witnesses) >= quorum && len(mirrors) >= roster.MirrorQuorum
		if pin := w.pins[head.Origin]; head.Size > pin.Size && can {
			w.pins[head.Origin] = roster.Pin{Size: head.Size, Root: head.Root}
		}
	}
}

// checkPins: what was pinned stays so.
func (w *world) checkPins() {
	w.t.Helper()
	if w.r.Epoch().Number == 0 {
		return
	}
	for origin, was := range w.pinned {
		if got, ok := w.r.Epoch().Pin(origin); !ok || got.Size < was.Size || got.Size == was.Size && got.Root != was.Root {
			w.t.Fatalf("%s: the pin of %s is %v, was %v", w, origin, got, was)
		}
	}
	w.pinned = maps.Clone(w.pins)
}

// available reports whether in a roster the registry has a quorum of honest witnesses left, now and for its next head, and one
// more, so that not everything hangs on one.
func (w *world) available(r *roster.Roster) bool {
	owner := r.Member(secretariat)
	witnesses, mirrors, quorum := w.voices(r, owner, r.Size())
	return len(witnesses) >= quorum && len(mirrors) >= roster.MirrorQuorum
}

// nameless is a head that is nowhere.
func nameless(head checkpoint.Checkpoint) checkpoint.Checkpoint {
	head.Root[0] ^= 1
	return head
}
