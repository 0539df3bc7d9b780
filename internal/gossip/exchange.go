package gossip

import (
	"errors"
	"fmt"
	"slices"
	"time"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/proof"
)

// Self is what a node says of itself at the beginning of each exchange.
type Self struct {
	RegistrySize uint64
	RegistryRoot proof.Hash
}

// Request begins an exchange with a peer; full makes it a full reconcile.
func (s *State) Request(to string, self Self, full bool, now time.Time) *gossipv1.ExchangeRequest {
	p := s.peer(to)
	r := &gossipv1.ExchangeRequest{Hello: s.hello(self, now), Have: s.news(to, p, nil), Evidence: s.unsent(p)}
	p.telling, p.giving = s.seq, p.proofs+len(r.Evidence)
	if full {
		r.Buckets = slices.Clone(s.digests[:])
	}
	return r
}

func (s *State) hello(self Self, now time.Time) *gossipv1.Hello {
	return &gossipv1.Hello{Node: s.self, RegistrySize: self.RegistrySize, RegistryRoot: self.RegistryRoot[:], Clock: now.UnixMilli()}
}

// maxNews is how many changes are told in an exchange, the newest ones. Where 10,000 logs have a new head each minute that is
// what changed in a round and a half, and what is older has reached everybody, or is overtaken, or waits for a full reconcile.
// With all changes since the last exchange each peer would be told nearly everything each time, since nobody meets twice.
const maxNews = 2500

// news are the summaries of what changed since the last exchange with a peer and did not come from it, but for those that it
// was answered about: the newest first.
func (s *State) news(to string, p *peer, answered map[int]bool) []*gossipv1.Summary {
	var out []*gossipv1.Summary
	for _, c := range slices.Backward(s.changes) {
		if c.seq <= p.sent || len(out) == maxNews {
			break
		}
		sl := &s.slots[c.log]
		if sl.seq != c.seq || sl.from == to || answered[c.log] {
			continue
		}
		out = append(out, s.summary(c.log))
	}
	return out
}

func (s *State) summary(log int) *gossipv1.Summary {
	short, h := s.view.Short(log), s.slots[log].head
	return &gossipv1.Summary{Origin: short[:], Size: h.Size, Root: h.Root[:]}
}

// unsent is evidence of which it is not known that a peer has it.
func (s *State) unsent(p *peer) [][]byte {
	var out [][]byte
	for _, proof := range s.proofs[p.proofs:] {
		if len(out) == MaxEvidence {
			break
		}
		out = append(out, proof.Bytes)
	}
	return out
}

// MisbehavedError says that a peer sent what no honest node sends. It is left alone for a minute.
type MisbehavedError struct {
	Peer string
	Err  error
}

func (e *MisbehavedError) Error() string { return fmt.Sprintf("%s misbehaved: %v", e.Peer, e.Err) }

// Unwrap returns what it did.
func (e *MisbehavedError) Unwrap() error { return e.Err }

func (s *State) misbehaved(from string, now time.Time, err error) error {
	s.peer(from).banned = now.Add(banned)
	return &MisbehavedError{from, err}
}

// Answer answers a peer's request.
func (s *State) Answer(from string, r *gossipv1.ExchangeRequest, self Self, now time.Time) (*gossipv1.ExchangeResponse, error) {
	p, err := s.begin(from, r.GetHello(), now)
	if err != nil {
		return nil, err
	}
	if len(r.GetHave()) > MaxHave || len(r.GetEvidence()) > MaxEvidence || len(r.GetBuckets()) != 0 && len(r.GetBuckets()) != buckets {
		return nil, s.misbehaved(from, now, errBounds)
	}
	if err := s.evidence(from, r.GetEvidence(), now); err != nil {
		return nil, err
	}
	out := &gossipv1.ExchangeResponse{Hello: s.hello(self, now)}
	answered := map[int]bool{}
	var heads []int
	if out.Want, heads, err = s.compare(from, r.GetHave(), answered, now); err != nil {
		return nil, err
	}
	out.Heads = s.notes(heads)
	out.Have = s.news(from, p, answered)
	if len(r.GetBuckets()) == buckets {
		out.Buckets = slices.Clone(s.digests[:])
		out.Have = append(out.Have, s.differing(r.GetBuckets(), answered, MaxHave-len(out.Have))...)
	}
	out.Evidence = s.unsent(p)
	return out, nil
}

var errBounds = fmt.Errorf("more than %d summaries, %d heads or %d proofs", MaxHave, MaxHeads, MaxEvidence)

// begin meets a peer, and measures its clock.
func (s *State) begin(from string, hello *gossipv1.Hello, now time.Time) (*peer, error) {
	p := s.peer(from)
	if now.Before(p.banned) {
		return nil, &MisbehavedError{from, fmt.Errorf("left alone until %s", p.banned.UTC().Format(time.RFC3339))}
	}
	p.offset, p.measured = time.UnixMilli(hello.GetClock()).Sub(now), now
	return p, nil
}

// compare looks at a peer's summaries: want are the origins of which it has more, ours the logs of which this node has more.
func (s *State) compare(from string, have []*gossipv1.Summary, answered map[int]bool, now time.Time) (want [][]byte, ours []int, err error) {
	for _, h := range have {
		if len(h.GetOrigin()) != len(Short{}) || len(h.GetRoot()) != len(proof.Hash{}) {
			return nil, nil, s.misbehaved(from, now, fmt.Errorf("a summary of %d and %d bytes", len(h.GetOrigin()), len(h.GetRoot())))
		}
		log, ok := s.view.Lookup(Short(h.GetOrigin()))
		if !ok {
			continue // it knows more of the roster, or less
		}
		answered[log] = true
		mine := s.slot(log).head
		switch {
		case mine == nil || mine.Size < h.GetSize():
			if len(want) < MaxHeads {
				want = append(want, h.GetOrigin())
			}
		case mine.Size == h.GetSize() && mine.Root == proof.Hash(h.GetRoot()):
		case mine.Size == h.GetSize(): // a fork, if it is true: both must see both
			if len(want) < MaxHeads {
				want = append(want, h.GetOrigin())
			}
			ours = append(ours, log)
		default:
			ours = append(ours, log)
		}
	}
	return want, ours, nil
}

// notes are the newest heads of logs.
func (s *State) notes(logs []int) [][]byte {
	var out [][]byte
	for _, log := range logs {
		if len(out) == MaxHeads {
			break
		}
		out = append(out, s.slots[log].head.Note)
	}
	return out
}

// differing are the summaries of buckets whose digests are others than a peer's.
func (s *State) differing(theirs []uint64, answered map[int]bool, room int) []*gossipv1.Summary {
	var out []*gossipv1.Summary
	for log := range s.slots {
		b := s.view.Short(log)[0]
		if s.slots[log].head != nil && theirs[b] != s.digests[b] && !answered[log] && len(out) < room {
			out = append(out, s.summary(log))
		}
	}
	return out
}

// Take takes a peer's answer, and returns what to deliver to it; nil if that is nothing.
func (s *State) Take(from string, r *gossipv1.ExchangeResponse, now time.Time) (*gossipv1.DeliverRequest, error) {
	p, err := s.begin(from, r.GetHello(), now)
	if err != nil {
		return nil, err
	}
	// Only an answer shows that the request arrived: what a lost one told is told again.
	p.sent, p.proofs = max(p.sent, p.telling), max(p.proofs, p.giving)
	if len(r.GetHave()) > 2*MaxHave || len(r.GetEvidence()) > MaxEvidence || len(r.GetWant()) > MaxHeads || len(r.GetHeads()) > MaxHeads {
		return nil, s.misbehaved(from, now, errBounds)
	}
	if err := s.evidence(from, r.GetEvidence(), now); err != nil {
		return nil, err
	}
	out := &gossipv1.DeliverRequest{}
	answered := map[int]bool{}
	var ours []int
	if out.Want, ours, err = s.compare(from, r.GetHave(), answered, now); err != nil {
		return nil, err
	}
	for _, short := range r.GetWant() {
		if log, ok := s.lookup(short); ok && s.Head(log) != nil && !slices.Contains(ours, log) {
			ours = append(ours, log)
		}
	}
	if len(r.GetBuckets()) == buckets {
		for log := range s.slots {
			b := s.view.Short(log)[0]
			if s.slots[log].head != nil && r.GetBuckets()[b] != s.digests[b] && !answered[log] {
				ours = append(ours, log)
			}
		}
	}
	out.Heads = s.notes(ours) // before those that come now: the peer has those
	if err := s.heads(from, r.GetHeads(), now); err != nil {
		return nil, err
	}
	if len(out.Heads)+len(out.Want) == 0 {
		return nil, nil
	}
	return out, nil
}

func (s *State) lookup(short []byte) (int, bool) {
	if len(short) != len(Short{}) {
		return 0, false
	}
	return s.view.Lookup(Short(short))
}

// Delivered takes what a peer delivers, and returns what it wanted.
func (s *State) Delivered(from string, r *gossipv1.DeliverRequest, now time.Time) (*gossipv1.DeliverResponse, error) {
	if now.Before(s.peer(from).banned) {
		return nil, &MisbehavedError{from, errBounds}
	}
	if len(r.GetHeads()) > MaxHeads || len(r.GetWant()) > MaxHeads {
		return nil, s.misbehaved(from, now, errBounds)
	}
	var logs []int
	for _, short := range r.GetWant() {
		if log, ok := s.lookup(short); ok && s.Head(log) != nil {
			logs = append(logs, log)
		}
	}
	out := &gossipv1.DeliverResponse{Heads: s.notes(logs)}
	return out, s.heads(from, r.GetHeads(), now)
}

// TakeDelivered takes the heads that came back for a delivery.
func (s *State) TakeDelivered(from string, r *gossipv1.DeliverResponse, now time.Time) error {
	if len(r.GetHeads()) > MaxHeads {
		return s.misbehaved(from, now, errBounds)
	}
	return s.heads(from, r.GetHeads(), now)
}

// heads verifies what came and compares it with what is known.
func (s *State) heads(from string, notes [][]byte, now time.Time) error {
	for _, note := range notes {
		h, err := s.view.Verify(note)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return s.misbehaved(from, now, err)
		}
		s.take(h, from)
	}
	return nil
}

// evidence verifies what came and keeps what is new.
func (s *State) evidence(from string, list [][]byte, now time.Time) error {
	for _, b := range list {
		p, err := s.view.VerifyEvidence(b)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return s.misbehaved(from, now, err)
		}
		s.add(p)
	}
	return nil
}
