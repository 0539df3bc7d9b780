package years_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"reflect"
	"slices"
	"sort"

	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// What follows computes committees from the pseudocode of internal/roster/FORMAT.md, in its words, and shares nothing with the
// package.

type candidate struct {
	id, country, operator string
	score                 [32]byte
}

// naiveCommittees draws those of all logs for an epoch, as the roster finds its members just before.
func naiveCommittees(r *roster.Roster, seed logproof.Hash, epoch uint32, last map[string][]string) map[string][]string {
	out := map[string][]string{}
	for _, l := range r.Members() {
		if r.Status(l) == roster.Left {
			continue
		}
		before, had := last[l.ID()]
		if seats := naiveCommittee(naiveEligible(r, seed, epoch, l), before, had); len(seats) > 0 {
			out[l.ID()] = seats
		}
	}
	return out
}

func naiveEligible(r *roster.Roster, seed logproof.Hash, epoch uint32, l *roster.Member) []candidate {
	var eligible []candidate
	for _, m := range r.Members() {
		senior := m.Founder || epoch >= m.AdmittedIn+2 && r.Time()-m.Admitted >= 1_209_600
		if m.ID() == l.ID() || r.Status(m) != roster.Active || m.Entry.GetOperator() == l.Entry.GetOperator() || !senior {
			continue
		}
		text := "cityproof/seat/v1\n" + string(seed[:]) + "\n" + l.ID() + "\n" + m.ID()
		eligible = append(eligible, candidate{m.ID(), m.Entry.GetCountry(), m.Entry.GetOperator(), sha256.Sum256([]byte(text))})
	}
	sort.Slice(eligible, func(i, j int) bool { return bytes.Compare(eligible[i].score[:], eligible[j].score[:]) < 0 })
	return eligible
}

func has(list []string, id string) bool { return slices.Contains(list, id) }

func naiveDraw(pool []candidate, seats, limit int) []string {
	var taken []string
	countries, operators := map[string]int{}, map[string]int{}
	for _, w := range pool {
		if len(taken) < seats && countries[w.country] < limit && operators[w.operator] < limit {
			taken = append(taken, w.id)
			countries[w.country]++
			operators[w.operator]++
		}
	}
	for _, w := range pool {
		if len(taken) < seats && !has(taken, w.id) {
			taken = append(taken, w.id)
		}
	}
	return taken
}

func naiveCommittee(order []candidate, last []string, had bool) []string {
	n := min(13, len(order))
	target := naiveDraw(order, n, max(1, (n+2)/3))
	seats := target
	if had {
		var kept, newcomers, leavers []string
		for _, w := range order {
			if has(last, w.id) {
				kept = append(kept, w.id)
			}
		}
		for _, id := range target {
			if !has(kept, id) {
				newcomers = append(newcomers, id)
			}
		}
		for i := len(order) - 1; i >= 0; i-- {
			if has(kept, order[i].id) && !has(target, order[i].id) {
				leavers = append(leavers, order[i].id)
			}
		}
		seats = append([]string(nil), kept...)
		open := n - len(kept)
		in := 0
		for _, id := range newcomers {
			if open > 0 {
				open--
				seats = append(seats, id)
				continue
			}
			if in == 4 || in == len(leavers) {
				break
			}
			seats[slices.Index(seats, leavers[in])] = id
			in++
		}
	}
	var out []string
	for _, w := range order {
		if has(seats, w.id) {
			out = append(out, w.id)
		}
	}
	return out
}

// checkCommittees holds the committees in force to those that this test computed.
func (w *world) checkCommittees() {
	w.t.Helper()
	for _, m := range w.r.Members() {
		if got := w.r.Committee(m.ID()); !slices.Equal(got, w.seats[m.ID()]) {
			w.t.Fatalf("%s: the committee of %s is %v, computed %v", w, m.ID(), got, w.seats[m.ID()])
		}
	}
}

// checkHandOver holds a new epoch's committees to what everybody is promised of them, whatever computed them: before is the
// roster just before EPOCH.
func (w *world) checkHandOver(before *roster.Roster, last, now map[string][]string, epoch uint32) {
	w.t.Helper()
	for id, seats := range now {
		if len(seats) > 13 {
			w.t.Fatalf("%s: %d seats", w, len(seats))
		}
		for _, s := range seats {
			m := before.Member(s)
			if !m.Founder && (epoch < m.AdmittedIn+2 || before.Time() < m.Admitted+int64((14*day).Seconds())) {
				w.t.Fatalf("%s: %s has a seat of %s before its time (T-29)", w, s, id)
			}
			if s == id || before.Status(m) != roster.Active {
				w.t.Fatalf("%s: %s has a seat of %s", w, s, id)
			}
		}
		old, had := last[id]
		if !had {
			continue
		}
		came := 0
		for _, s := range seats {
			if !has(old, s) {
				came++
			}
		}
		gone := 0 // seats that are empty because their member can't sit any more
		for _, s := range old {
			m := before.Member(s)
			senior := m.Founder || epoch >= m.AdmittedIn+2 && before.Time() >= m.Admitted+int64((14*day).Seconds())
			if before.Status(m) != roster.Active || !senior { // a reseat may name who can't be drawn yet
				gone++
			}
		}
		if more := len(seats) - len(old); came > 4+gone+max(0, more) {
			w.t.Fatalf("%s: %d of %d seats of %s changed hands, %d were empty (T-30)", w, came, len(seats), id, gone)
		}
		w.told["seats that changed hands"] += came
	}
}

// checkKeys: a raw key is one member's in one role, for ever (T-06).
func (w *world) checkKeys() {
	w.t.Helper()
	for _, m := range w.r.Members() {
		for _, k := range m.Keys() {
			whose := m.ID() + " " + string(k.Role)
			if had, ok := w.raw[string(k.Raw)]; ok && had != whose {
				w.t.Fatalf("%s: a key is %s, and was %s", w, whose, had)
			}
			w.raw[string(k.Raw)] = whose
		}
	}
}

// sameAs compares all that a roster says of the alliance.
func sameAs(a, b *roster.Roster) error {
	switch {
	case a.Size() != b.Size() || a.TreeRoot() != b.TreeRoot():
		return fmt.Errorf("sizes %d and %d, or roots", a.Size(), b.Size())
	case a.Time() != b.Time() || a.Previous() != b.Previous() || a.Root().ID != b.Root().ID || a.Rules() != b.Rules():
		return fmt.Errorf("time %d and %d, root versions %d and %d, the last act or the rules", a.Time(), b.Time(), a.Root().Version, b.Root().Version)
	case a.Epoch().Number != b.Epoch().Number || a.Epoch().Seed != b.Epoch().Seed || a.AwaitsHandOver() != b.AwaitsHandOver():
		return fmt.Errorf("epochs %d and %d, or their seeds", a.Epoch().Number, b.Epoch().Number)
	case !reflect.DeepEqual(a.Members(), b.Members()):
		return fmt.Errorf("members")
	}
	for _, m := range a.Members() {
		if !slices.Equal(a.Committee(m.ID()), b.Committee(m.ID())) {
			return fmt.Errorf("committees of %s", m.ID())
		}
		if !reflect.DeepEqual(a.Bench(m, a.Size()).Voices, b.Bench(b.Member(m.ID()), b.Size()).Voices) {
			return fmt.Errorf("voices for %s", m.ID())
		}
	}
	one, ok := a.NextSeed()
	two, ok2 := b.NextSeed()
	if one != two || ok != ok2 {
		return fmt.Errorf("the next seed")
	}
	if !ok {
		return nil
	}
	p, err := a.Propose(roster.FormatPins(nil))
	if err != nil {
		return err
	}
	q, err := b.Propose(roster.FormatPins(nil))
	if err != nil || p.RosterRoot != q.RosterRoot || !slices.Equal(p.Committee, q.Committee) {
		return fmt.Errorf("the next epoch, %w", err)
	}
	return nil
}

// checkReplay: who replays everything comes to what those have who followed.
func (w *world) checkReplay() {
	w.t.Helper()
	r, err := roster.New(w.first)
	if err != nil {
		w.t.Fatal(err)
	}
	cut := w.rnd.IntN(len(w.entries))
	for i, e := range w.entries {
		if i == cut { // and who goes on from a copy
			r = r.Clone()
		}
		if _, err := r.Apply(e, w.get); err != nil {
			w.t.Fatalf("%s: replaying entry %d: %v", w, i, err)
		}
	}
	if err := sameAs(w.r, r); err != nil {
		w.t.Fatalf("%s: a replay differs: %v", w, err)
	}
}

// checkPastKeys: no key that a log ever had is forgotten, or evidence against it could not be told.
func (w *world) checkPastKeys() {
	w.t.Helper()
	keys := w.r.EvidenceKeys()
	for _, m := range w.r.Members() {
		for _, log := range m.Logs {
			known, ok := keys.LogKey(log.Keys[0].Keys[0])
			if !ok || !known.Verifier.Key().Equal(log.Keys[0].Keys[0]) {
				w.t.Fatalf("%s: the roster forgot a key of %s", w, log.Origin)
			}
		}
	}
}

// nextSeats draws what the next EPOCH must say by the test's own means, and returns it.
func (w *world) nextSeats() (map[string][]string, uint32) {
	w.t.Helper()
	seed, ok := w.r.NextSeed()
	if !ok {
		w.t.Fatalf("%s: no seed is fixed", w)
	}
	number := w.r.Epoch().Number + 1
	return naiveCommittees(w.r, seed, number, w.seats), number
}
