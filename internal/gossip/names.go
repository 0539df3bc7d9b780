package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
)

// nonce, the salt of one message, makes the checks in it ones that nobody could know when its heads were signed (PROTOCOL.md,
// "An exchange").
type nonce [16]byte

// salt draws a new one.
func (s *State) salt() nonce {
	var b nonce
	binary.BigEndian.PutUint64(b[:8], s.rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], s.rand.Uint64())
	return b
}

// check stands for the root of a log's head.
func (s *State) check(salt nonce, log int, h *Head) uint64 {
	b := append(make([]byte, 0, 64), salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.view.Short(log)))
	b = binary.BigEndian.AppendUint64(b, h.Size)
	b = append(b, h.Root[:]...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:])
}

// names names the newest heads of logs; nil if there are none.
func (s *State) names(salt nonce, logs []int) *gossipv1.Names {
	if len(logs) == 0 {
		return nil
	}
	n := &gossipv1.Names{Origins: make([]uint64, len(logs)), Sizes: make([]uint64, len(logs)), Checks: make([]uint64, len(logs))}
	for i, log := range logs {
		h := s.slots[log].head
		n.Origins[i], n.Sizes[i], n.Checks[i] = uint64(s.view.Short(log)), h.Size, s.check(salt, log, h)
	}
	return n
}

// compare looks at the heads that a peer names: want are the origins of which it has more, ours the logs of which this node
// has more, and answered all that it names.
func (s *State) compare(salt nonce, names *gossipv1.Names) (want []uint64, ours []int, answered map[int]bool, err error) {
	sizes, checks := names.GetSizes(), names.GetChecks()
	if len(sizes) != len(names.GetOrigins()) || len(checks) != len(sizes) {
		return nil, nil, nil, fmt.Errorf("names of %d origins, %d sizes and %d checks", len(names.GetOrigins()), len(sizes), len(checks))
	}
	answered = make(map[int]bool, len(sizes))
	for i, origin := range names.GetOrigins() {
		log, ok := s.view.Lookup(Short(origin))
		if !ok || answered[log] {
			continue // it knows more of the roster, or less; or it repeats itself
		}
		answered[log] = true
		mine := s.Head(log)
		wants, gives := false, false
		switch {
		case mine == nil || mine.Size < sizes[i]:
			wants = true
		case mine.Size > sizes[i]:
			gives = true
		default: // another check is a fork, if it is true: both must see both
			wants = s.check(salt, log, mine) != checks[i]
			gives = wants
		}
		if wants && len(want) < MaxHeads {
			want = append(want, origin)
		}
		if gives {
			ours = append(ours, log)
		}
	}
	return want, ours, answered, nil
}

// buckets is into how many a full reconcile puts all heads, by the first byte of a log's short name.
const buckets = 256

func (s *State) bucket(log int) int { return int(s.view.Short(log) >> 56) }

// digests are the XOR of the checks of all heads in each bucket.
func (s *State) digests(salt nonce) []uint64 {
	out := make([]uint64, buckets)
	for log := range s.slots {
		if h := s.slots[log].head; h != nil {
			out[s.bucket(log)] ^= s.check(salt, log, h)
		}
	}
	return out
}

// differing are the logs in buckets whose digests are others than a peer's, but for those that it was answered about.
func (s *State) differing(ours, theirs []uint64, answered map[int]bool) []int {
	var out []int
	for log := range s.slots {
		if b := s.bucket(log); s.slots[log].head != nil && ours[b] != theirs[b] && !answered[log] {
			out = append(out, log)
		}
	}
	return out
}
