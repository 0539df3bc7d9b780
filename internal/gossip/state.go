package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

// Bounds: PROTOCOL.md.
const (
	MaxHave     = 4096
	MaxHeads    = 1024
	MaxEvidence = 16

	maxSettled = 8
	maxWaiting = 8
	maxPerKey  = 3
	banned     = time.Minute
)

// Short names a log in a message: the first 8 bytes of SHA-256 of its origin, big-endian.
type Short uint64

// ShortOf returns the short name of an origin.
func ShortOf(origin string) Short {
	sum := sha256.Sum256([]byte(origin))
	return Short(binary.BigEndian.Uint64(sum[:]))
}

// Head is a head whose log signature was verified.
type Head struct {
	Log  int // the number that View gives its log
	Size uint64
	Root proof.Hash
	Note []byte // with the log's Ed25519 line alone
}

// Peer is another member.
type Peer struct {
	ID      string
	Country string
}

// Proof is verified evidence.
type Proof struct {
	Key   string   // identity of the contradiction
	Names []string // the keys that it names
	Bytes []byte
}

// ErrUnknown is wrapped by errors of a View about logs and keys that its roster does not know: who sends them may know a
// newer one.
var ErrUnknown = errors.New("not in this roster")

// View is what a node knows of its alliance. What it answers may change between calls, but the number of a log never does.
type View interface {
	// Lookup returns the number of a log of the roster, from 0 without gaps.
	Lookup(Short) (log int, ok bool)
	// Short returns the short name of a log.
	Short(log int) Short
	// Peers returns all other members that may be spoken to, in a stable order. It is not changed.
	Peers() []Peer
	// Verify checks a note by the log's Ed25519 key.
	Verify(note []byte) (*Head, error)
	// TwoRoots proves that a log signed two roots of one size.
	TwoRoots(a, b *Head) (*Proof, error)
	// Rewritten proves that the larger head has another root at the smaller one's size, by a consistency proof.
	Rewritten(small, large *Head, fork evidence.Fork) (*Proof, error)
	// VerifyEvidence checks evidence that somebody sent.
	VerifyEvidence(b []byte) (*Proof, error)
}

// Question asks for the proof that Large extends Small.
type Question struct {
	Small, Large *Head
	From         string // the peer that showed the head that raised it; empty: this node itself
}

// State is a node's part in the gossip. It is not safe for concurrent use.
type State struct {
	self string
	view View
	rand *rand.Rand

	slots   []slot // by log
	seq     uint64
	changes []change // in the order of their sequence numbers

	peers  map[string]*peer
	proofs []Proof // in the order in which they came
	known  map[string]bool
	naming map[string]int // proofs kept, by the keys that they name

	questions []Question
	turn      int // in the cycle of peers; 0: not begun
}

// slot is what is known of a log.
type slot struct {
	head *Head
	seq  uint64 // when it changed
	from string // the peer that it came from
	more *more
}

// more is what few logs need.
type more struct {
	settled  []point    // in the history, the newest last
	question *Question  // open
	waiting  []Question // behind it, the oldest first
}

type point struct {
	size uint64
	root proof.Hash
}

type change struct {
	log int
	seq uint64
}

// peer is what is known of another node.
type peer struct {
	sent     uint64 // changes up to this number were told, and heard
	proofs   int    // so many of the proofs were given, and came in
	telling  uint64 // as sent, in the request that is not answered
	giving   int
	salt     nonce // of that request
	banned   time.Time
	offset   time.Duration // its clock minus ours
	measured time.Time
}

// New returns the state of a node that knows nothing yet. chance picks its peers and salts what it says: who can foresee it
// can prepare two heads that look alike, so that only a cryptographic source will do outside of a simulation.
func New(self string, view View, chance rand.Source) *State {
	return &State{
		self: self, view: view, rand: rand.New(chance), //nolint:gosec // the source is the caller's
		peers: map[string]*peer{}, known: map[string]bool{}, naming: map[string]int{},
	}
}

// Head returns the newest head known of a log, nil if none is.
func (s *State) Head(log int) *Head {
	if log < 0 || log >= len(s.slots) {
		return nil
	}
	return s.slots[log].head
}

// Changed is the number of the newest change.
func (s *State) Changed() uint64 { return s.seq }

// Since returns the notes of the heads that changed after a number, and the number to ask for next; 0 begins.
func (s *State) Since(seq uint64) (notes [][]byte, next uint64) {
	for _, c := range s.changes {
		if c.seq > seq && s.slots[c.log].seq == c.seq {
			notes = append(notes, s.slots[c.log].head.Note)
		}
	}
	return notes, s.seq
}

// Proofs returns all evidence known, in the order in which it came.
func (s *State) Proofs() []Proof { return s.proofs }

// Questions returns what to ask logs and mirrors for, and forgets it. Answers go to Proven.
func (s *State) Questions() []Question {
	q := s.questions
	s.questions = nil
	return q
}

func (s *State) slot(log int) *slot {
	for log >= len(s.slots) {
		s.slots = append(s.slots, slot{})
	}
	return &s.slots[log]
}

func (s *State) peer(id string) *peer {
	p := s.peers[id]
	if p == nil {
		p = &peer{}
		s.peers[id] = p
	}
	return p
}

// Learn takes a head that this node knows from elsewhere: its own log's, or one that its witness cosigned.
func (s *State) Learn(h *Head) { s.take(h, "") }

// take compares a head with what is known (PROTOCOL.md, "What a node does with a head").
func (s *State) take(h *Head, from string) {
	sl := s.slot(h.Log)
	now := sl.head
	switch {
	case now == nil:
		s.replace(sl, h, from)
	case h.Size == now.Size && h.Root == now.Root:
	case h.Size == now.Size:
		if p, err := s.view.TwoRoots(now, h); err == nil {
			s.add(p)
		}
	case h.Size > now.Size:
		s.ask(sl, Question{Small: now, Large: h, From: from})
		s.replace(sl, h, from)
	case !sl.settled(h):
		s.ask(sl, Question{Small: h, Large: now, From: from})
	}
}

// replace makes a head the newest.
func (s *State) replace(sl *slot, h *Head, from string) {
	s.seq++
	sl.head, sl.seq, sl.from = h, s.seq, from
	s.changes = append(s.changes, change{h.Log, s.seq})
	if len(s.changes) > 2*len(s.slots)+1024 {
		s.compact()
	}
}

// compact drops changes that later ones have overtaken.
func (s *State) compact() {
	kept := s.changes[:0]
	for _, c := range s.changes {
		if s.slots[c.log].seq == c.seq {
			kept = append(kept, c)
		}
	}
	s.changes = kept
}

func (sl *slot) settled(h *Head) bool {
	if sl.more == nil {
		return false
	}
	for _, p := range sl.more.settled {
		if p.size == h.Size && p.root == h.Root {
			return true
		}
	}
	return false
}

// settle remembers that a head is in the history.
func (sl *slot) settle(h *Head) {
	if sl.more == nil {
		sl.more = &more{}
	}
	if len(sl.more.settled) == maxSettled {
		sl.more.settled = sl.more.settled[1:]
	}
	sl.more.settled = append(sl.more.settled, point{h.Size, h.Root})
}

// ask opens a question. One about a log that has one open waits behind it: a head that is shown but once is compared too.
func (s *State) ask(sl *slot, q Question) {
	if sl.more == nil {
		sl.more = &more{}
	}
	m := sl.more
	if m.question == nil {
		m.question = &q
		s.questions = append(s.questions, q)
		return
	}
	same := func(o Question) bool { return o.Small.Size == q.Small.Size && o.Small.Root == q.Small.Root }
	if !same(*m.question) && len(m.waiting) < maxWaiting && !slices.ContainsFunc(m.waiting, same) {
		m.waiting = append(m.waiting, q)
	}
}

var errNoProof = errors.New("the proof shows nothing")

// Proven takes the answer to a question: a consistency proof from Small to Large, and where it shows another root at the
// smaller size, that root; nil for the smaller head's own. An error says that nothing was shown: the question stays open, and
// Unanswered closes it.
func (s *State) Proven(q Question, root *proof.Hash, path []proof.Hash) error {
	sl := s.slot(q.Small.Log)
	if root == nil || *root == q.Small.Root {
		if err := proof.VerifyConsistency(q.Small.Size, q.Large.Size, q.Small.Root, q.Large.Root, path); err != nil {
			return fmt.Errorf("%w: %w", errNoProof, err)
		}
		s.Unanswered(q)
		sl.settle(q.Small)
		return nil
	}
	p, err := s.view.Rewritten(q.Small, q.Large, evidence.Fork{Root: *root, Path: path})
	if err != nil {
		return fmt.Errorf("%w: %w", errNoProof, err)
	}
	s.Unanswered(q)
	s.add(p)
	return nil
}

// Unanswered closes a question that nobody answered; the next head that raises it asks again.
func (s *State) Unanswered(q Question) {
	sl := s.slot(q.Small.Log)
	if sl.more == nil {
		return
	}
	if sl.more.question = nil; len(sl.more.waiting) > 0 {
		next := sl.more.waiting[0]
		sl.more.waiting = sl.more.waiting[1:]
		s.ask(sl, next)
	} else if len(sl.more.settled) == 0 {
		sl.more = nil
	}
}

// add keeps a proof, unless it is known or its keys have enough against them.
func (s *State) add(p *Proof) {
	if s.known[p.Key] || slices.ContainsFunc(p.Names, func(k string) bool { return s.naming[k] >= maxPerKey }) {
		return
	}
	for _, k := range p.Names {
		s.naming[k]++
	}
	s.known[p.Key] = true
	s.proofs = append(s.proofs, *p)
}

// AddProof takes evidence that this node found by itself, or kept from an earlier run.
func (s *State) AddProof(p *Proof) { s.add(p) }
