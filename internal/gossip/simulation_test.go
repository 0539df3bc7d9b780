package gossip_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/gossip"
	logproof "github.com/cityproof/cityproof/internal/proof"
)

// The simulation: as many cities as -cities says, each with the very state machine that a node runs. What stands in for the
// network is a call; what stands in for Ed25519 is one byte of a note (TestGossipWithRealKeys has the real one): ten thousand
// cities verify too much for two cores otherwise. Everything follows from -seed.
var (
	cityCount = flag.Int("cities", 600, "cities of the simulation")
	seed      = flag.Uint64("seed", 1, "of the simulation")
	perMinute = flag.Int("heads", 1, "heads a minute that each log makes in TestSimulationSteadyTraffic")
)

const period = 10 * time.Second

// noteSize is what a note of a log at an origin of 24 bytes has, with its Ed25519 line: measured from a real one.
const noteSize = 197

// towns are what all nodes of a simulation know: the logs.
type towns struct {
	shorts []gossip.Short
	byName map[gossip.Short]int
	peers  []gossip.Peer
	newest []*gossip.Head // by log, as one of the nodes read it last: ten thousand nodes don't keep a copy each
}

func newTowns(n int) *towns {
	t := &towns{byName: map[gossip.Short]int{}, newest: make([]*gossip.Head, n)}
	for i := range n {
		id := fmt.Sprintf("city-%d", i)
		t.shorts = append(t.shorts, gossip.ShortOf(id))
		t.byName[t.shorts[i]] = i
		t.peers = append(t.peers, gossip.Peer{ID: id, Country: fmt.Sprintf("C%d", i%40)})
	}
	return t
}

// view is what one node knows. The list of peers holds the node itself, too: it would not be kept ten thousand times.
type view struct{ *towns }

func (v view) Lookup(s gossip.Short) (int, bool) { n, ok := v.byName[s]; return n, ok }
func (v view) Short(log int) gossip.Short        { return v.shorts[log] }
func (v view) Peers() []gossip.Peer              { return v.peers }

// head makes a note that the log signed; another salt, another history.
func (v view) head(log int, size uint64, salt byte) *gossip.Head {
	h := &gossip.Head{Log: log, Size: size, Root: rootOf(log, size, salt), Note: make([]byte, noteSize)}
	binary.BigEndian.PutUint32(h.Note, uint32(log))
	binary.BigEndian.PutUint64(h.Note[4:], size)
	copy(h.Note[12:], h.Root[:])
	h.Note[44] = 1 // the signature
	return h
}

func rootOf(log int, size uint64, salt byte) logproof.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%d %d %d", log, size, salt))
}

func (v view) Verify(note []byte) (*gossip.Head, error) {
	if len(note) != noteSize || note[44] != 1 {
		return nil, errors.New("the signature is bad")
	}
	log := int(binary.BigEndian.Uint32(note))
	if h := v.newest[log]; h != nil && bytes.Equal(h.Note, note) {
		return h, nil
	}
	v.newest[log] = &gossip.Head{Log: log, Size: binary.BigEndian.Uint64(note[4:]), Root: logproof.Hash(note[12:44]), Note: note}
	return v.newest[log], nil
}

func (v view) TwoRoots(a, b *gossip.Head) (*gossip.Proof, error) {
	if slices.Compare(a.Root[:], b.Root[:]) > 0 {
		a, b = b, a
	}
	return v.VerifyEvidence(slices.Concat(a.Note, b.Note))
}

func (v view) Rewritten(*gossip.Head, *gossip.Head, evidence.Fork) (*gossip.Proof, error) {
	return nil, errors.New("not in this simulation")
}

func (v view) VerifyEvidence(b []byte) (*gossip.Proof, error) {
	if len(b) != 2*noteSize {
		return nil, errors.New("not evidence")
	}
	x, err := v.Verify(b[:noteSize])
	if err != nil {
		return nil, err
	}
	y, err := v.Verify(b[noteSize:])
	if err != nil {
		return nil, err
	}
	if x.Log != y.Log || x.Size != y.Size || x.Root == y.Root {
		return nil, errors.New("nothing is proven")
	}
	return &gossip.Proof{Key: string(b), Names: []string{fmt.Sprint(x.Log)}, Bytes: b}, nil
}

// net is a simulated alliance.
type net struct {
	t       testing.TB
	view    view
	nodes   []*gossip.State
	offline []bool
	skew    []time.Duration
	cut     func(a, b int) bool // a partition; nil: none
	liar    func(from int, m proto.Message)
	now     time.Time
	rand    *rand.Rand
	number  map[string]int
	// together lets all nodes' rounds run at the same time, message by message.
	together bool

	bytes, messages []int // sent, by node
	self            gossip.Self
	errors          int
	liars           int // the first nodes, who need not learn anything
}

func newNet(t testing.TB, n int, salt uint64) *net {
	w := &net{
		t: t, view: view{newTowns(n)}, offline: make([]bool, n), skew: make([]time.Duration, n), now: time.Unix(1_780_000_000, 0),
		rand: rand.New(rand.NewPCG(*seed, salt)), number: map[string]int{}, bytes: make([]int, n), messages: make([]int, n),
	}
	for i := range n {
		w.nodes = append(w.nodes, gossip.New(w.view.peers[i].ID, w.view, rand.NewPCG(*seed+salt, uint64(i))))
		w.number[w.view.peers[i].ID] = i
	}
	return w
}

// count counts a message, as it is on the wire, with what gRPC and TLS put around it.
func (w *net) count(from int, m proto.Message) {
	const around = 100
	w.bytes[from] += proto.Size(m) + around
	w.messages[from]++
	if w.liar != nil {
		w.liar(from, m)
	}
}

// reach reports whether two nodes can talk.
func (w *net) reach(a, b int) bool {
	return a != b && !w.offline[a] && !w.offline[b] && (w.cut == nil || !w.cut(a, b))
}

// round lets every node have one round, in an order drawn anew: one after another, as nodes do whose rounds begin at times of
// their own, or all together, so that no head can travel further than from one node to the next.
func (w *net) round(full bool) {
	w.now = w.now.Add(period)
	var talks []*talk
	for _, i := range w.rand.Perm(len(w.nodes)) {
		if w.offline[i] {
			continue
		}
		for n, p := range w.nodes[i].Choose(w.view.peers[i].Country, w.now) {
			j := w.number[p.ID]
			if !w.reach(i, j) {
				continue
			}
			t := &talk{i: i, j: j, full: full && n == 0}
			if talks = append(talks, t); !w.together {
				w.run(talks)
				talks = nil
			}
		}
	}
	w.run(talks)
}

// run has talks step by step.
func (w *net) run(talks []*talk) {
	for _, step := range steps {
		for _, t := range talks {
			w.step(t, step)
		}
	}
}

func (w *net) clock(i int) time.Time { return w.now.Add(w.skew[i]) }

// talk is an exchange between two nodes.
type talk struct {
	i, j int
	full bool
	over bool

	req  *gossipv1.ExchangeRequest
	resp *gossipv1.ExchangeResponse
	push *gossipv1.DeliverRequest
	back *gossipv1.DeliverResponse
}

// step takes one step of a talk, unless it is over.
func (w *net) step(t *talk, step func(*net, *talk) error) {
	if t.over {
		return
	}
	if err := step(w, t); err != nil {
		w.errors++
		t.over = true
	}
}

// steps are the messages of an exchange, each with the node that gets it.
var steps = []func(*net, *talk) error{
	func(w *net, t *talk) error {
		t.req = w.nodes[t.i].Request(w.view.peers[t.j].ID, w.self, t.full, w.clock(t.i))
		w.count(t.i, t.req)
		return nil
	},
	func(w *net, t *talk) (err error) {
		if t.resp, err = w.nodes[t.j].Answer(w.view.peers[t.i].ID, t.req, w.self, w.clock(t.j)); err == nil {
			w.count(t.j, t.resp)
		}
		return err
	},
	func(w *net, t *talk) (err error) {
		if t.push, err = w.nodes[t.i].Take(w.view.peers[t.j].ID, t.resp, w.clock(t.i)); err == nil && t.push != nil {
			w.count(t.i, t.push)
		}
		t.over = t.push == nil
		return err
	},
	func(w *net, t *talk) (err error) {
		if t.back, err = w.nodes[t.j].Delivered(w.view.peers[t.i].ID, t.push, w.clock(t.j)); err == nil {
			w.count(t.j, t.back)
		}
		return err
	},
	func(w *net, t *talk) error {
		return w.nodes[t.i].TakeDelivered(w.view.peers[t.j].ID, t.back, w.clock(t.i))
	},
}

// holding counts the honest nodes that are up and have a head.
func (w *net) holding(h *gossip.Head) (have, up int) {
	for i, n := range w.nodes {
		if w.offline[i] || i < w.liars {
			continue
		}
		up++
		if got := n.Head(h.Log); got != nil && got.Size >= h.Size {
			have++
		}
	}
	return have, up
}

// spread returns after how many rounds all nodes that are up have a head that one of them learned.
func (w *net) spread(at int, h *gossip.Head) int {
	w.nodes[at].Learn(h)
	for round := 1; round <= 60; round++ {
		w.round(false)
		if have, up := w.holding(h); have == up {
			return round
		}
	}
	have, up := w.holding(h)
	w.t.Fatalf("after 60 rounds %d of %d have the head", have, up)
	return 0
}

func (w *net) down(share float64, but int) {
	for i := range w.offline {
		w.offline[i] = i != but && w.rand.Float64() < share
	}
}

// quantile of numbers.
func quantile(all []int, q float64) int {
	s := slices.Sorted(slices.Values(all))
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// A new head reaches everybody within 8 rounds at p99, and within 10 with 30 % offline, for 10,000 cities:
// go test ./internal/gossip -run Spread -cities 10000 -v -timeout 30m
func TestSimulationNewHeadsSpread(t *testing.T) {
	n := *cityCount
	for _, c := range []struct {
		name     string
		down     float64
		together bool
		limit    int
	}{
		{"all are up", 0, false, 8},
		{"30 % are offline", 0.3, false, 10},
		{"all are up, all rounds at the same time", 0, true, 8},
		{"30 % are offline, all rounds at the same time", 0.3, true, 10},
	} {
		w := newNet(t, n, 7)
		w.together = c.together
		w.down(c.down, 0)
		var rounds []int
		for trial := range 20 {
			at := trial * (n / 20)
			w.offline[at] = false
			rounds = append(rounds, w.spread(at, w.view.head(at, 1, 0)))
		}
		p50, p99 := quantile(rounds, 0.5), quantile(rounds, 0.99)
		t.Logf("%d cities, %s: rounds until everybody has a new head: p50 %d, p99 %d", n, c.name, p50, p99)
		if p99 > c.limit {
			t.Errorf("%s: p99 is %d rounds, want at most %d", c.name, p99, c.limit)
		}
	}
}

// Every city has a new head a minute. At most 100 KB/s a node. Ten thousand need 15 GiB and 37 minutes; fewer with more heads, as
// many a second, stand for them, but they must have more logs than an exchange names.
// GOGC=40 go test ./internal/gossip -run Steady -cities 10000 -v -timeout 120m
func TestSimulationSteadyTraffic(t *testing.T) {
	n := *cityCount
	w := newNet(t, n, 11)
	between := int(time.Minute/period) / *perMinute // rounds from one head of a log to the next
	size := make([]uint64, n)
	grow := func(round int) {
		for i := round % between; i < n; i += between {
			size[i]++
			w.nodes[i].Learn(w.view.head(i, size[i], 0))
		}
	}
	const warm, measured, patience = 12, 6, 8
	var was []uint64 // sizes so many rounds before the end
	for round := range warm + measured {
		if round == warm {
			clear(w.bytes)
			clear(w.messages)
		}
		if round == warm+measured-patience {
			was = slices.Clone(size)
		}
		grow(round)
		w.round(false)
		for _, s := range w.nodes {
			for _, q := range s.Questions() {
				s.Unanswered(q) // that a log extends itself is proven elsewhere
			}
		}
	}
	seconds := measured * period.Seconds()
	var perSecond []int
	for _, b := range w.bytes {
		perSecond = append(perSecond, int(float64(b)/seconds))
	}
	messages := 0
	for _, m := range w.messages {
		messages += m
	}
	behind := 0
	for _, s := range w.nodes {
		for log, size := range was {
			if h := s.Head(log); size > 0 && (h == nil || h.Size < size) {
				behind++
			}
		}
	}
	t.Logf("of what there was %d rounds before the end, nodes know all but %.4f %%", patience, 100*float64(behind)/float64(n)/float64(n))
	t.Logf("%d cities with %d heads a minute each: sent by a node p50 %d, p99 %d bytes/s; %.1f messages a round", n, *perMinute, quantile(perSecond, 0.5), quantile(perSecond, 0.99), float64(messages)/float64(n)/measured)
	if got := quantile(perSecond, 0.99); got > 100_000 {
		t.Errorf("p99 is %d bytes/s, want at most 100,000", got)
	}
}

// A city that shows one half of the world one history and the other half another is caught within 2 rounds of touching a
// second honest node, and everybody knows soon after.
func TestSimulationForkIsCaught(t *testing.T) {
	for name, together := range map[string]bool{"rounds one after another": false, "all rounds at the same time": true} {
		t.Run(name, func(t *testing.T) { forkIsCaught(t, together) })
	}
}

func forkIsCaught(t *testing.T, together bool) {
	n := *cityCount
	var caught, known []int
	for trial := range uint64(20) {
		w := newNet(t, n, 100+trial)
		w.together = together
		liar := int(trial) % n
		w.offline[liar] = true // it answers nobody; it shows
		x, y := w.rand.IntN(n), 0
		for x == liar {
			x = w.rand.IntN(n)
		}
		for y = x; y == x || y == liar; {
			y = w.rand.IntN(n)
		}
		w.nodes[x].Learn(w.view.head(liar, 5, 1))
		for range 3 { // the first history is on its way when the second is shown
			w.round(false)
		}
		w.nodes[y].Learn(w.view.head(liar, 5, 2))
		first, all := 0, 0
		for round := 0; all == 0 && round < 60; round++ {
			with := 0
			for _, s := range w.nodes {
				if len(s.Proofs()) > 0 {
					with++
				}
			}
			if with > 0 && first == 0 {
				first = max(round, 1)
			}
			if with == n-1 {
				all = max(round, 1)
			}
			w.round(false)
		}
		if first == 0 || all == 0 {
			t.Fatalf("trial %d: the fork is not known everywhere", trial)
		}
		caught, known = append(caught, first), append(known, all)
	}
	t.Logf("%d cities: rounds until a fork is caught: p50 %d, p99 %d; until everybody has the proof: p50 %d, p99 %d",
		n, quantile(caught, 0.5), quantile(caught, 0.99), quantile(known, 0.5), quantile(known, 0.99))
	if got := quantile(caught, 0.99); got > 2 {
		t.Errorf("a fork is caught after %d rounds at p99, want at most 2", got)
	}
}

func TestSimulationPartitionHeals(t *testing.T) {
	n := min(*cityCount, 1000)
	w := newNet(t, n, 3)
	w.cut = func(a, b int) bool { return a%2 != b%2 }
	even, odd := w.view.head(0, 9, 0), w.view.head(1, 9, 0)
	w.nodes[0].Learn(even)
	w.nodes[1].Learn(odd)
	for range 12 {
		w.round(false)
	}
	for i, s := range w.nodes {
		if other := []*gossip.Head{odd, even}[i%2]; s.Head(other.Log) != nil {
			t.Fatalf("node %d has a head from beyond the partition", i)
		}
	}
	w.cut = nil
	rounds := 0
	for done := false; !done && rounds < 40; rounds++ {
		w.round(true)
		a, up := w.holding(even)
		b, _ := w.holding(odd)
		done = a == up && b == up
	}
	t.Logf("%d cities: %d rounds after the partition healed everybody has everything", n, rounds)
	if rounds > 15 {
		t.Errorf("it took %d rounds", rounds)
	}
}

// Who was away for a day, and whose peers forgot nothing, catches up by a full reconcile.
func TestSimulationReconcileAfterADay(t *testing.T) {
	n := 200
	w := newNet(t, n, 5)
	w.offline[7] = true
	for i := range n {
		w.nodes[i].Learn(w.view.head(i, 3, 0))
	}
	for range 20 {
		w.round(false)
	}
	w.offline[7] = false
	for range 12 {
		w.round(true)
	}
	for i := range n {
		if h := w.nodes[7].Head(i); h == nil || h.Size != 3 {
			t.Fatalf("the head of log %d is missing: %v", i, h)
		}
	}
}

// Liars: they replay old heads, flood garbage, take heads back, and make up evidence. Honest heads get through all the same,
// nobody honest is accused, and clocks that are off change nothing.
func TestSimulationByzantineMembers(t *testing.T) {
	n := min(*cityCount, 1000)
	w := newNet(t, n, 9)
	for i := range w.skew {
		w.skew[i] = time.Duration(w.rand.IntN(600)-300) * time.Second
	}
	liars := n / 5
	w.liars = liars
	old := w.view.head(n-1, 1, 0)
	w.liar = func(from int, m proto.Message) {
		if from >= liars {
			return
		}
		garbage := make([]byte, noteSize)
		framed := slices.Concat(w.view.head(n-1, 2, 0).Note, w.view.head(n-1, 2, 0).Note)
		switch m := m.(type) {
		case *gossipv1.ExchangeRequest:
			switch from % 4 {
			case 0:
				m.Have = nil // it takes everything back
			case 1:
				m.Evidence = append(m.Evidence, framed)
			}
		case *gossipv1.ExchangeResponse:
			switch from % 4 {
			case 0:
				m.Heads, m.Have = nil, nil
			case 1:
				m.Heads = append(m.Heads, garbage)
			case 2:
				m.Heads = append(m.Heads, old.Note)
			case 3:
				for range 5000 {
					m.Heads = append(m.Heads, old.Note)
				}
			}
		}
	}
	w.nodes[n-1].Learn(old)
	for range 10 {
		w.round(false)
	}
	h := w.view.head(n-1, 2, 0)
	rounds := w.spread(n-1, h)
	t.Logf("%d cities, %d of them liars: %d rounds until everybody has a new head; %d exchanges were broken off", n, liars, rounds, w.errors)
	if rounds > 20 {
		t.Errorf("the liars hold a head up for %d rounds", rounds)
	}
	if w.errors == 0 {
		t.Error("no liar was noticed")
	}
	for i, s := range w.nodes[liars:] {
		if len(s.Proofs()) != 0 {
			t.Fatalf("node %d accuses somebody", i)
		}
		if got := s.Head(n - 1); got.Size != 2 {
			t.Fatalf("node %d went back to size %d", i, got.Size)
		}
	}
	if off, heard := w.nodes[n-1].ClockOffset(w.clock(n - 1)); heard < 10 || (off+w.skew[n-1]).Abs() > 2*time.Minute {
		t.Errorf("the median of %d clocks is %v off ours, which is %v off", heard, off, w.skew[n-1])
	}
}

// T-24, F15: whoever answers and whoever is dead, every peer is tried within as many rounds as there are, and two of three
// places of a round are no other's to fill.
func TestT24EveryPeerIsTriedInOneCycle(t *testing.T) {
	w := newNet(t, 200, 24)
	for _, node := range []int{0, 77, 199} {
		tried := map[string]bool{}
		for range len(w.nodes) {
			chosen := w.nodes[node].Choose(w.view.peers[node].Country, w.now)
			if len(chosen) != 3 {
				t.Fatalf("%d peers in a round, want 3", len(chosen))
			}
			for _, p := range chosen {
				tried[p.ID] = true
			}
			w.now = w.now.Add(period)
		}
		if len(tried) < len(w.nodes)-1 {
			t.Errorf("node %d tried %d of %d peers in as many rounds", node, len(tried), len(w.nodes)-1)
		}
	}
}

func TestSimulationIsDeterministic(t *testing.T) {
	run := func() string {
		w := newNet(t, 100, 1)
		for i := range 100 {
			w.nodes[i].Learn(w.view.head(i, 1, 0))
		}
		for round := range 5 {
			w.round(round == 3)
		}
		return fmt.Sprint(w.bytes, w.messages)
	}
	if a, b := run(), run(); a != b {
		t.Errorf("two runs of one seed differ:\n%s\n%s", a, b)
	}
}
