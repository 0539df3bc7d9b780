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
	p, salt := s.peer(to), s.salt()
	r := &gossipv1.ExchangeRequest{Hello: s.hello(self, salt, now), Have: s.names(salt, s.news(to, p, nil)), Evidence: s.unsent(p)}
	p.telling, p.giving, p.salt = s.seq, p.proofs+len(r.Evidence), salt
	if full {
		r.Buckets = s.digests(salt)
	}
	return r
}

func (s *State) hello(self Self, salt nonce, now time.Time) *gossipv1.Hello {
	return &gossipv1.Hello{
		Node: s.self, RegistrySize: self.RegistrySize, RegistryRoot: self.RegistryRoot[:], Clock: now.UnixMilli(), Salt: salt[:],
	}
}

// maxNews is how many changes are told in an exchange, the newest ones. Where 10,000 logs have a new head each minute that is
// what changed in a round and a half, and what is older has reached everybody, or is overtaken, or waits for a full reconcile.
// With all changes since the last exchange each peer would be told nearly everything each time, since nobody meets twice.
const maxNews = 2500

// news are the logs whose heads changed since the last exchange with a peer and did not come from it, but for those that it
// was answered about: the newest first.
func (s *State) news(to string, p *peer, answered map[int]bool) []int {
	var out []int
	for _, c := range slices.Backward(s.changes) {
		if c.seq <= p.sent || len(out) == maxNews {
			break
		}
		if sl := &s.slots[c.log]; sl.seq == c.seq && sl.from != to && !answered[c.log] {
			out = append(out, c.log)
		}
	}
	return out
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
	p, asked, err := s.begin(from, r.GetHello(), now)
	if err != nil {
		return nil, err
	}
	if len(r.GetHave().GetOrigins()) > MaxHave || len(r.GetEvidence()) > MaxEvidence || len(r.GetBuckets()) != 0 && len(r.GetBuckets()) != buckets {
		return nil, s.misbehaved(from, now, errBounds)
	}
	if err := s.evidence(from, r.GetEvidence(), now); err != nil {
		return nil, err
	}
	want, ours, answered, err := s.compare(asked, r.GetHave())
	if err != nil {
		return nil, s.misbehaved(from, now, err)
	}
	salt, have := s.salt(), s.news(from, p, answered)
	out := &gossipv1.ExchangeResponse{Hello: s.hello(self, salt, now), Heads: s.notes(ours), Want: want, Evidence: s.unsent(p)}
	if len(r.GetBuckets()) == buckets {
		out.Buckets = s.digests(asked)
		more := s.differing(out.Buckets, r.GetBuckets(), answered)
		have = append(have, more[:min(len(more), MaxHave-len(have))]...)
	}
	out.Have = s.names(salt, have)
	return out, nil
}

var errBounds = fmt.Errorf("more than %d names, %d heads or %d proofs", MaxHave, MaxHeads, MaxEvidence)

// begin meets a peer, and measures its clock; the salt is that of its message.
func (s *State) begin(from string, hello *gossipv1.Hello, now time.Time) (*peer, nonce, error) {
	p := s.peer(from)
	if now.Before(p.banned) {
		return nil, nonce{}, &MisbehavedError{from, fmt.Errorf("left alone until %s", p.banned.UTC().Format(time.RFC3339))}
	}
	if len(hello.GetSalt()) != len(nonce{}) {
		return nil, nonce{}, s.misbehaved(from, now, fmt.Errorf("a salt of %d bytes", len(hello.GetSalt())))
	}
	p.offset, p.measured = time.UnixMilli(hello.GetClock()).Sub(now), now
	return p, nonce(hello.GetSalt()), nil
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

// Take takes a peer's answer, and returns what to deliver to it; nil if that is nothing.
func (s *State) Take(from string, r *gossipv1.ExchangeResponse, now time.Time) (*gossipv1.DeliverRequest, error) {
	p, salt, err := s.begin(from, r.GetHello(), now)
	if err != nil {
		return nil, err
	}
	// Only an answer shows that the request arrived: what a lost one told is told again.
	p.sent, p.proofs = max(p.sent, p.telling), max(p.proofs, p.giving)
	if len(r.GetHave().GetOrigins()) > MaxHave || len(r.GetEvidence()) > MaxEvidence || len(r.GetWant()) > MaxHeads || len(r.GetHeads()) > MaxHeads {
		return nil, s.misbehaved(from, now, errBounds)
	}
	if err := s.evidence(from, r.GetEvidence(), now); err != nil {
		return nil, err
	}
	want, ours, answered, err := s.compare(salt, r.GetHave())
	if err != nil {
		return nil, s.misbehaved(from, now, err)
	}
	for _, log := range s.held(r.GetWant()) {
		if !answered[log] {
			answered[log], ours = true, append(ours, log)
		}
	}
	if len(r.GetBuckets()) == buckets {
		ours = append(ours, s.differing(s.digests(p.salt), r.GetBuckets(), answered)...)
	}
	out := &gossipv1.DeliverRequest{Heads: s.notes(ours), Want: want} // before those that come now: the peer has those
	if err := s.heads(from, r.GetHeads(), now); err != nil {
		return nil, err
	}
	if len(out.Heads)+len(out.Want) == 0 {
		return nil, nil
	}
	return out, nil
}

// held are the logs of origins that a peer wants, each once, as far as this node has heads of them.
func (s *State) held(origins []uint64) []int {
	var out []int
	seen := map[int]bool{}
	for _, o := range origins {
		if log, ok := s.view.Lookup(Short(o)); ok && !seen[log] && s.Head(log) != nil {
			seen[log], out = true, append(out, log)
		}
	}
	return out
}

// Delivered takes what a peer delivers, and returns what it wanted.
func (s *State) Delivered(from string, r *gossipv1.DeliverRequest, now time.Time) (*gossipv1.DeliverResponse, error) {
	if now.Before(s.peer(from).banned) {
		return nil, &MisbehavedError{from, errBounds}
	}
	if len(r.GetHeads()) > MaxHeads || len(r.GetWant()) > MaxHeads {
		return nil, s.misbehaved(from, now, errBounds)
	}
	out := &gossipv1.DeliverResponse{Heads: s.notes(s.held(r.GetWant()))}
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
