package scrub

import (
	"encoding/binary"
	"math"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// weights say about how much each part of a cycle weighs, in bytes. How far the cycle has come in a part is known exactly:
// entries and tiles are numbered, and nearly all keys are hashes, which lie evenly. So an estimate that is off makes one
// part go faster than another, and never the cycle too long.
type weights struct {
	entries, tiles float64
	keys           map[byte]float64
}

// weigh estimates the work of the cycle that is under way.
func (s *Scrubber) weigh() {
	w := weights{entries: float64(logstore.EntryBytes(s.DB)), keys: map[byte]float64{}}
	for level := 1; level <= maxLevel; level++ {
		w.tiles += float64(tilesAt(level, s.saved.Size)) * 8192
	}
	for p := byte(firstPrefix); p <= lastPrefix; p++ {
		if p != pebbledb.PrefixEntry && p != pebbledb.PrefixTile {
			w.keys[p] = float64(s.DB.Estimate([]byte{p}, []byte{p + 1}))
		}
	}
	if w.keys[pebbledb.PrefixBody] == 0 { // what is not in a table yet is not in the estimate: about as much as entries
		w.keys[pebbledb.PrefixBody] = w.entries
	}
	s.weights = w
}

// remaining is the weight of what a cycle that is at a position has not done yet.
func (s *Scrubber) remaining(at position) float64 {
	w, sum := &s.weights, 0.0
	switch at.Stage {
	case stageDone:
		return 0
	case stageEntries:
		if all := bundles(s.saved.Size); at.Next < all {
			sum += w.entries * float64(all-at.Next) / float64(all)
		}
		at = position{Stage: stageTiles, Level: 1}
		fallthrough
	case stageTiles:
		var left, all float64
		for level := 1; level <= maxLevel; level++ {
			n := tilesAt(level, s.saved.Size)
			all += float64(n)
			switch {
			case level > at.Level:
				left += float64(n)
			case level == at.Level && at.Next < n:
				left += float64(n - at.Next)
			}
		}
		if all > 0 {
			sum += w.tiles * left / all
		}
		at = position{Stage: stageKeys, Key: []byte{firstPrefix}}
	}
	for p, weight := range w.keys {
		switch {
		case p > at.Key[0]:
			sum += weight
		case p == at.Key[0]:
			sum += weight * (1 - fraction(at.Key))
		}
	}
	return sum
}

// fraction is how far behind its prefix a key lies, if keys are hashes.
func fraction(key []byte) float64 {
	var b [8]byte
	copy(b[:], key[1:])
	return float64(binary.BigEndian.Uint64(b[:])) / math.Exp2(64)
}
