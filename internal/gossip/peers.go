package gossip

import (
	"cmp"
	"slices"
	"time"
)

// peersPerRound is how many peers a node exchanges with in a round.
const peersPerRound = 3

// tries is how many peers are drawn to find one that will do.
const tries = 32

// Choose picks the peers of a round: one at random, the one that was tried least recently, and one of another country than
// home. Tried, not heard: with peers that are down, waiting for those would waste the place (federation.md, section 5). An
// alliance that is too small for three different ones has fewer.
func (s *State) Choose(home string, now time.Time) []Peer {
	all := s.view.Peers()
	var out []Peer
	fits := func(p Peer) bool {
		known := s.peers[p.ID]
		return (known == nil || !now.Before(known.banned)) && !slices.ContainsFunc(out, func(o Peer) bool { return o.ID == p.ID })
	}
	draw := func(fits func(Peer) bool) {
		for range tries {
			if p := all[s.rand.IntN(len(all))]; fits(p) {
				out = append(out, p)
				return
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	draw(fits)
	if s.turn == 0 {
		s.turn = 1 + s.rand.IntN(len(all)) // nodes don't all begin with the same one
	}
	for range min(len(all), tries) { // whoever stands longest in the cycle
		p := all[s.turn%len(all)]
		s.turn++
		if fits(p) {
			out = append(out, p)
			break
		}
	}
	draw(func(p Peer) bool { return p.Country != home && fits(p) })
	for len(out) < peersPerRound && len(out) < len(all) {
		had := len(out)
		if draw(fits); len(out) == had {
			break
		}
	}
	return out
}

// clockAge is for how long a peer's clock counts.
const clockAge = 30 * time.Minute

// ClockOffset is the median of the peers' clocks minus this node's, of those that were heard lately, and how many they are.
func (s *State) ClockOffset(now time.Time) (median time.Duration, n int) {
	var all []time.Duration
	for _, p := range s.peers {
		if !p.measured.IsZero() && now.Sub(p.measured) < clockAge {
			all = append(all, p.offset)
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.SortFunc(all, cmp.Compare[time.Duration])
	return all[(len(all)-1)/2], len(all)
}
