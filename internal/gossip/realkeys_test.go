package gossip_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/gossip"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// pair is two nodes of an alliance with real keys, and a city that lies.
type pair struct {
	t      testing.TB
	cities []*alliancetest.City
	r      *roster.Roster
	views  [2]*gossip.RosterView
	nodes  [2]*gossip.State
	now    time.Time
}

func newPair(t testing.TB) *pair {
	t.Helper()
	p := &pair{t: t, now: alliancetest.FoundedAt}
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"} {
		p.cities = append(p.cities, alliancetest.NewCity(t, id))
	}
	var err error
	if p.r, err = roster.New(alliancetest.Found(t, p.cities...)); err != nil {
		t.Fatal(err)
	}
	for i := range p.nodes {
		p.views[i] = gossip.NewRosterView(p.cities[i].ID, p.r)
		p.nodes[i] = gossip.New(p.cities[i].ID, p.views[i], rand.NewPCG(1, uint64(i)))
	}
	return p
}

// head is a head of the last city's log, as a node reads it.
func (p *pair) head(i int, h *alliancetest.Tree, size uint64) *gossip.Head {
	p.t.Helper()
	head, err := p.views[i].Verify(p.cities[3].Note(p.t, size, h.Root(size), p.now))
	if err != nil {
		p.t.Fatal(err)
	}
	return head
}

// exchange lets the first node exchange with the second.
func (p *pair) exchange() error {
	p.t.Helper()
	p.now = p.now.Add(10 * time.Second)
	a, b := p.cities[0].ID, p.cities[1].ID
	resp, err := p.nodes[1].Answer(a, p.nodes[0].Request(b, gossip.Self{}, false, p.now), gossip.Self{}, p.now)
	if err != nil {
		return err
	}
	push, err := p.nodes[0].Take(b, resp, p.now)
	if err != nil || push == nil {
		return err
	}
	back, err := p.nodes[1].Delivered(a, push, p.now)
	if err != nil {
		return err
	}
	return p.nodes[0].TakeDelivered(b, back, p.now)
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// proven checks that both nodes hold one proof that a stranger verifies, of this kind against the last city's log.
func (p *pair) proven(kind evidence.Kind) {
	p.t.Helper()
	for i, n := range p.nodes {
		all := n.Proofs()
		if len(all) != 1 {
			p.t.Fatalf("node %d holds %d proofs, want 1", i, len(all))
		}
		e, err := evidence.Parse(all[0].Bytes)
		p.must(err)
		f, err := e.Verify(p.r.EvidenceKeys())
		p.must(err)
		if f.Kind != kind || f.Accused != evidence.AccusedLog || f.Origin != p.cities[3].Origin {
			p.t.Errorf("node %d: %v", i, f)
		}
	}
	if !bytes.Equal(p.nodes[0].Proofs()[0].Bytes, p.nodes[1].Proofs()[0].Bytes) {
		p.t.Error("the proofs differ")
	}
}

func TestGossipWithRealKeys(t *testing.T) {
	p := newPair(t)
	h := alliancetest.NewTree(20, "one")
	p.nodes[0].Learn(p.head(0, h, 5))
	p.must(p.exchange())
	p.nodes[1].Learn(p.head(1, h, 20))
	p.must(p.exchange())
	for i, n := range p.nodes {
		log, _ := p.views[i].Lookup(gossip.ShortOf(p.cities[3].Origin))
		if got := n.Head(log); got == nil || got.Size != 20 || got.Root != h.Root(20) {
			t.Errorf("node %d: %+v", i, got)
		}
		for _, q := range n.Questions() {
			p.must(n.Proven(q, nil, h.Consistency(q.Small.Size, q.Large.Size)))
		}
		if len(n.Proofs()) != 0 {
			t.Errorf("node %d accuses an honest log", i)
		}
	}
}

// T-14, E1: two roots of one size meet, wherever each was shown.
func TestT14TwoRootsOfOneSizeAreProven(t *testing.T) {
	p := newPair(t)
	p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "one"), 9))
	p.nodes[1].Learn(p.head(1, alliancetest.NewTree(9, "two"), 9))
	p.must(p.exchange())
	p.must(p.exchange())
	p.proven(evidence.TwoRoots)
}

// T-15, E2: a history that was rewritten is proven by a proof that holds for another root.
func TestT15RewrittenHistoryIsProven(t *testing.T) {
	p := newPair(t)
	one, two := alliancetest.NewTree(9, "one"), alliancetest.NewTree(20, "two")
	p.nodes[0].Learn(p.head(0, one, 9))
	p.nodes[1].Learn(p.head(1, two, 20))
	p.must(p.exchange())
	asked := 0
	for _, n := range p.nodes {
		for _, q := range n.Questions() {
			asked++
			root := two.Root(9)
			// T-26: what merely fails is evidence of nothing, and leaves the question open.
			if err := n.Proven(q, nil, two.Consistency(9, 20)); err == nil {
				t.Error("a proof of another history settled the head")
			}
			wrong := root
			wrong[0] ^= 1
			if err := n.Proven(q, &wrong, two.Consistency(9, 20)); err == nil || len(n.Proofs()) != 0 {
				t.Errorf("a failing proof became evidence: %v", err)
			}
			p.must(n.Proven(q, &root, two.Consistency(9, 20)))
		}
	}
	if asked == 0 {
		t.Fatal("nobody asked how the one head leads to the other")
	}
	p.must(p.exchange())
	p.must(p.exchange())
	p.proven(evidence.Rewritten)
}

// T-16, E2: a head of another history that is shown but once, while a question about the log is open, is compared all the
// same.
func TestT16HeadShownOnceIsCompared(t *testing.T) {
	p := newPair(t)
	one, two := alliancetest.NewTree(30, "one"), alliancetest.NewTree(9, "two")
	n := p.nodes[0]
	n.Learn(p.head(0, one, 5))
	n.Learn(p.head(0, one, 20))
	growth := n.Questions()
	if len(growth) != 1 {
		t.Fatalf("%d questions, want 1", len(growth))
	}
	n.Learn(p.head(0, two, 9))
	n.Learn(p.head(0, one, 30))
	if q := n.Questions(); len(q) != 0 {
		t.Fatalf("%d more questions while one is open", len(q))
	}
	p.must(n.Proven(growth[0], nil, one.Consistency(5, 20)))
	for range 2 {
		for _, q := range n.Questions() {
			root := one.Root(q.Small.Size)
			p.must(n.Proven(q, &root, one.Consistency(q.Small.Size, q.Large.Size)))
		}
	}
	if proofs := n.Proofs(); len(proofs) != 1 {
		t.Errorf("%d proofs, want 1", len(proofs))
	}
	if q := n.Questions(); len(q) != 0 {
		t.Errorf("%d questions are left", len(q))
	}
}

// T-23: old heads, shown again and again, move nothing and make nobody ask twice.
func TestT23ReplayedHeadsMoveNothing(t *testing.T) {
	p := newPair(t)
	h := alliancetest.NewTree(20, "one")
	n := p.nodes[0]
	n.Learn(p.head(0, h, 5))
	n.Learn(p.head(0, h, 20))
	for _, q := range n.Questions() {
		p.must(n.Proven(q, nil, h.Consistency(5, 20)))
	}
	for range 100 {
		n.Learn(p.head(0, h, 5))
	}
	log, _ := p.views[0].Lookup(gossip.ShortOf(p.cities[3].Origin))
	if q := n.Questions(); len(q) != 0 || n.Head(log).Size != 20 {
		t.Errorf("%d questions, size %d", len(q), n.Head(log).Size)
	}
	for range 100 {
		n.Learn(p.head(0, h, 7)) // not known: one question, not a hundred
	}
	if q := n.Questions(); len(q) != 1 {
		t.Errorf("%d questions about one log at a time", len(q))
	}
}

// Garbage has the peer left alone, and only that peer; what a newer roster knows has nobody left alone.
func TestGarbageIsThePeersOwnLoss(t *testing.T) {
	p := newPair(t)
	n, now := p.nodes[0], p.now
	good := p.cities[3].Note(t, 1, proof.LeafHash(nil), now)
	bad := bytes.Replace(good, []byte("\n1\n"), []byte("\n2\n"), 1)
	stranger := alliancetest.NewCity(t, "fr-lyon").Note(t, 1, proof.LeafHash(nil), now)
	take := func(peer string, r *gossipv1.ExchangeResponse) error {
		r.Hello = &gossipv1.Hello{Clock: now.UnixMilli(), Salt: make([]byte, 16)}
		_, err := n.Take(peer, r, now)
		return err
	}
	if err := take("b", &gossipv1.ExchangeResponse{Heads: [][]byte{stranger, good}}); err != nil {
		t.Errorf("a log that is not in the roster: %v", err)
	}
	var misbehaved *gossip.MisbehavedError
	for peer, r := range map[string]*gossipv1.ExchangeResponse{
		"c": {Heads: [][]byte{bad}}, "d": {Heads: [][]byte{[]byte("x")}}, "e": {Evidence: [][]byte{good}},
		"f": {Have: &gossipv1.Names{Origins: []uint64{1}}}, "g": {Heads: make([][]byte, gossip.MaxHeads+1)},
	} {
		if err := take(peer, r); !errors.As(err, &misbehaved) {
			t.Errorf("%s: %v, want it left alone", peer, err)
		}
		if err := take(peer, &gossipv1.ExchangeResponse{}); !errors.As(err, &misbehaved) {
			t.Errorf("%s is spoken to again at once: %v", peer, err)
		}
	}
	if err := take("b", &gossipv1.ExchangeResponse{}); err != nil {
		t.Errorf("another peer pays for it: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if err := take("c", &gossipv1.ExchangeResponse{}); err != nil {
		t.Errorf("it is left alone for ever: %v", err)
	}
}

// What a lost message told is told again: a proof must not end because a peer was just starting.
func TestLostMessagesLoseNothing(t *testing.T) {
	p := newPair(t)
	p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "one"), 9))
	p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "two"), 9))
	a, b := p.cities[0].ID, p.cities[1].ID
	for range 3 { // requests that never arrive
		if r := p.nodes[0].Request(b, gossip.Self{}, false, p.now); len(r.GetEvidence()) != 1 || len(r.GetHave().GetOrigins()) != 1 {
			t.Fatalf("%d proofs and %d summaries are told", len(r.GetEvidence()), len(r.GetHave().GetOrigins()))
		}
	}
	for range 3 { // answers that never arrive
		if _, err := p.nodes[0].Answer(b, p.nodes[1].Request(a, gossip.Self{}, false, p.now), gossip.Self{}, p.now); err != nil {
			t.Fatal(err)
		}
	}
	p.must(p.exchange())
	p.proven(evidence.TwoRoots)
	if r := p.nodes[0].Request(b, gossip.Self{}, false, p.now); len(r.GetEvidence())+len(r.GetHave().GetOrigins()) != 0 {
		t.Errorf("what was heard is told again: %d proofs, %d summaries", len(r.GetEvidence()), len(r.GetHave().GetOrigins()))
	}
}
