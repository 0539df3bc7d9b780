package roster

import (
	"bytes"
	"crypto/sha256"
	"slices"

	"github.com/cityproof/cityproof/internal/proof"
)

// Numbers of a committee (FORMAT.md, "Committees").
const (
	MaxSeats       = 13
	maxChanges     = 4         // newcomers an epoch, beside those on empty seats
	seniorEpochs   = 2         // before the first seat
	seniorSeconds  = 1_209_600 // 14 days, as well
	seatScoreLabel = "cityproof/seat/v1\n"
)

// MirrorQuorum is how many mirrors must hold a head and all bodies below it before it is final.
const MirrorQuorum = 2

// Quorum is how many of n witnesses make a head final; 0 where there are none, and nothing is.
func Quorum(n int) int {
	switch {
	case n == 0:
		return 0
	case n < 4:
		return n/2 + 1
	}
	return 2*n/3 + 1
}

// score orders the candidates for the seats of one log.
func score(seed proof.Hash, log, witness string) [sha256.Size]byte {
	b := append(make([]byte, 0, 256), seatScoreLabel...)
	b = append(append(append(b, seed[:]...), '\n'), log...)
	return sha256.Sum256(append(append(b, '\n'), witness...))
}

type candidate struct {
	*Member
	score [sha256.Size]byte
}

// committees draws the seats of every log in an epoch; last are the seats before, or nil.
func (r *Roster) committees(e Epoch, last map[string][]string) map[string][]string {
	members := r.Members()
	out := make(map[string][]string, len(members))
	for _, m := range members {
		if m.left {
			continue
		}
		var pool []candidate
		for _, w := range members {
			if r.eligible(w, m, e.Number) {
				pool = append(pool, candidate{w, score(e.Seed, m.ID(), w.ID())})
			}
		}
		sortByScore(pool)
		before, had := last[m.ID()]
		if seats := seat(pool, before, had); len(seats) > 0 {
			out[m.ID()] = seats
		}
	}
	return out
}

func sortByScore(pool []candidate) {
	slices.SortFunc(pool, func(a, b candidate) int { return bytes.Compare(a.score[:], b.score[:]) })
}

// eligible reports whether w may witness the log of m in an epoch.
func (r *Roster) eligible(w, m *Member, epoch uint32) bool {
	senior := w.Founder || epoch >= w.AdmittedIn+seniorEpochs && r.time >= w.Admitted+seniorSeconds
	return w != m && r.Status(w) == Active && senior && w.Entry.GetOperator() != m.Entry.GetOperator()
}

// seat fills the seats of one log from the candidates, in ascending order of their scores.
func seat(pool []candidate, before []string, had bool) []string {
	n := min(MaxSeats, len(pool))
	target := capped(pool, n, max(1, (n+2)/3))
	seats := target
	if had {
		seats = handOver(pool, target, before, n)
	}
	var ids []string
	for _, c := range pool {
		if slices.ContainsFunc(seats, func(s candidate) bool { return s.Member == c.Member }) {
			ids = append(ids, c.ID())
		}
	}
	return ids
}

// capped takes the first n candidates of whom no country and no operator has more than its cap, then fills up in order.
func capped(pool []candidate, n, limit int) []candidate {
	country, operator := map[string]int{}, map[string]int{}
	var taken, rest []candidate
	for _, c := range pool {
		if len(taken) < n && country[c.Entry.GetCountry()] < limit && operator[c.Entry.GetOperator()] < limit {
			country[c.Entry.GetCountry()]++
			operator[c.Entry.GetOperator()]++
			taken = append(taken, c)
			continue
		}
		rest = append(rest, c)
	}
	return append(taken, rest[:n-len(taken)]...)
}

// handOver keeps who sits and is still eligible, fills empty seats, and lets at most maxChanges newcomers of the target
// have a seat.
func handOver(pool, target []candidate, before []string, n int) []candidate {
	in := func(list []candidate, c candidate) bool {
		return slices.ContainsFunc(list, func(o candidate) bool { return o.Member == c.Member })
	}
	var kept, newcomers, leavers []candidate
	for _, c := range pool {
		if slices.Contains(before, c.ID()) {
			kept = append(kept, c)
		}
	}
	for _, c := range target {
		if !in(kept, c) {
			newcomers = append(newcomers, c)
		}
	}
	for _, c := range slices.Backward(kept) {
		if !in(target, c) {
			leavers = append(leavers, c)
		}
	}
	seats := slices.Clone(kept)
	changes := 0
	for _, c := range newcomers {
		switch {
		case len(seats) < n: // an empty seat protects nobody
		case changes < maxChanges && len(leavers) > 0:
			gone := leavers[0]
			leavers = leavers[1:]
			seats = slices.DeleteFunc(seats, func(s candidate) bool { return s.Member == gone.Member })
			changes++
		default:
			return seats
		}
		seats = append(seats, c)
	}
	return seats
}
