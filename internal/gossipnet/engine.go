package gossipnet

import (
	"context"
	"crypto/ed25519"
	crand "crypto/rand"
	"crypto/tls"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/cityproof/cityproof/internal/gossip"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

const (
	// callTimeout bounds one exchange with a peer.
	callTimeout = 5 * time.Second
	// reconcileEvery is how often one exchange is a full reconcile.
	reconcileEvery = 10 * time.Minute
	// callsPerSecond and callsAtOnce are each member's quota.
	callsPerSecond = 10
	callsAtOnce    = 60
	// headsPerSecond and headsAtOnce are how many heads each member may bring: each is a signature to verify. With 10,000 logs that
	// make a head a minute all members together bring 170.
	headsPerSecond = 200
	headsAtOnce    = 4 * gossip.MaxHeads
	// watches is how many streams of heads a member may have open.
	watches = 4
	// maxMessage bounds one message in bytes: 1,024 heads with room.
	maxMessage = 4 << 20
)

// Options of New. Self, Roster, Certificate and Prove are required.
type Options struct {
	Self string
	// Roster is the newest roster; it is asked anew each time.
	Roster func() *roster.Roster
	// Certificate is what this node shows; its key is in the roster.
	Certificate tls.Certificate
	// Dial connects to a peer's address.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// Prove answers a question: the root at the smaller size in the history of the larger head, nil for the smaller head's
	// own, and the consistency proof.
	Prove func(ctx context.Context, origin string, q gossip.Question) (*proof.Hash, []proof.Hash, error)
	// ProveHere answers a member who asks, from what this node holds alone: else whoever asks many nodes about one log would have
	// all of them ask that log's node. Default: nothing is held.
	ProveHere func(ctx context.Context, origin string, small, large uint64) ([]proof.Hash, error)
	// Kept returns the notes of a log that this node has kept, such as those that it cosigned. Default: none.
	Kept func(origin string) [][]byte
	// Evidence is told of each proof, once. It must not block.
	Evidence func(p gossip.Proof)
	// Origin is the node's own log. Own is told of each head of it that is newer than those before, the node's own among them:
	// one that it did not sign shows that somebody else signs for it. It must not block.
	Origin string
	Own    func(note []byte)
	// Period of rounds. Default: 10 s.
	Period time.Duration
	// Now is the clock. Default: time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.Period == 0 {
		o.Period = 10 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Kept == nil {
		o.Kept = func(string) [][]byte { return nil }
	}
	if o.ProveHere == nil {
		o.ProveHere = func(context.Context, string, uint64, uint64) ([]proof.Hash, error) { return nil, errNoProof }
	}
	if o.Evidence == nil {
		o.Evidence = func(gossip.Proof) {}
	}
	if o.Own == nil {
		o.Own = func([]byte) {}
	}
}

// Engine runs a node's gossip. It is safe for concurrent use.
type Engine struct {
	opts Options

	mu      sync.Mutex // guards the following
	view    *gossip.RosterView
	state   *gossip.State
	told    int           // proofs that Evidence was told of
	own     *gossip.Head  // of the node's own log, as Own was told
	changed chan struct{} // closed when something changed, and made anew
	limits  map[string]*quota
	watched map[string]int // streams of heads, by member
	conns   map[string]*conn

	questions chan gossip.Question
	urgent    chan struct{} // a word that there is new evidence
}

// quota is what a member may do.
type quota struct{ calls, heads *rate.Limiter }

type conn struct {
	*grpc.ClientConn
	addr string
	key  string
}

// New returns an engine. Run runs it.
func New(opts Options) *Engine {
	opts.setDefaults()
	e := &Engine{
		opts: opts, changed: make(chan struct{}), limits: map[string]*quota{}, watched: map[string]int{}, conns: map[string]*conn{},
		questions: make(chan gossip.Question, 256), urgent: make(chan struct{}, 1),
	}
	e.view = gossip.NewRosterView(opts.Self, opts.Roster())
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	e.state = gossip.New(opts.Self, e.view, rand.NewChaCha8(seed))
	return e
}

// with gives f the state, brought up to the newest roster, and passes on what came of it.
func (e *Engine) with(f func(s *gossip.State)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.view.Update(e.opts.Roster())
	before := e.state.Changed()
	f(e.state)
	for _, q := range e.state.Questions() {
		select {
		case e.questions <- q:
		default: // too many at once: the next head asks again
			e.state.Unanswered(q)
		}
	}
	proofs := e.state.Proofs()
	if e.state.Changed() != before || len(proofs) > e.told {
		close(e.changed)
		e.changed = make(chan struct{})
	}
	if log, ok := e.view.Lookup(gossip.ShortOf(e.opts.Origin)); ok {
		if h := e.state.Head(log); h != e.own {
			e.own = h
			e.opts.Own(h.Note)
		}
	}
	for _, p := range proofs[e.told:] {
		e.opts.Evidence(p)
		select {
		case e.urgent <- struct{}{}:
		default:
		}
	}
	e.told = len(proofs)
}

// Learn takes a signed note that this node knows from elsewhere: its own log's, or one that it witnessed.
func (e *Engine) Learn(note []byte) {
	e.with(func(s *gossip.State) {
		if h, err := e.view.Verify(note); err == nil {
			s.Learn(h)
		}
	})
}

// AddEvidence takes evidence that this node found by itself or kept from an earlier run.
func (e *Engine) AddEvidence(b []byte) {
	e.with(func(s *gossip.State) {
		if p, err := e.view.VerifyEvidence(b); err == nil {
			s.AddProof(p)
		}
	})
}

// ClockOffset is the median of the peers' clocks minus this node's, and of how many.
func (e *Engine) ClockOffset() (off time.Duration, n int) {
	e.with(func(s *gossip.State) { off, n = s.ClockOffset(e.opts.Now()) })
	return off, n
}

// Run gossips until ctx ends.
func (e *Engine) Run(ctx context.Context) {
	var g sync.WaitGroup
	g.Go(func() { e.answer(ctx) })
	tick := time.NewTicker(e.opts.Period)
	defer tick.Stop()
	var reconciled time.Time
	for {
		full := time.Since(reconciled) >= reconcileEvery
		if full {
			reconciled = time.Now()
		}
		e.round(ctx, full)
		select {
		case <-ctx.Done():
			g.Wait()
			e.close()
			return
		case <-tick.C:
		case <-e.urgent:
		}
	}
}

// round exchanges with this round's peers, side by side.
func (e *Engine) round(ctx context.Context, full bool) {
	var peers []gossip.Peer
	e.with(func(s *gossip.State) {
		home := ""
		if m := e.opts.Roster().Member(e.opts.Self); m != nil {
			home = m.Entry.GetCountry()
		}
		peers = s.Choose(home, e.opts.Now())
	})
	var g sync.WaitGroup
	for i, p := range peers {
		g.Go(func() {
			if err := e.exchange(ctx, p.ID, full && i == 0); err != nil && ctx.Err() == nil {
				e.opts.Logger.Debug("a peer can't be gossiped with", slog.String("peer", p.ID), slog.Any("err", err))
			}
		})
	}
	g.Wait()
}

// answer has questions answered, one after the other.
func (e *Engine) answer(ctx context.Context) {
	for {
		var q gossip.Question
		select {
		case <-ctx.Done():
			return
		case q = <-e.questions:
		}
		e.mu.Lock()
		origin := e.view.Origin(q.Small.Log)
		e.mu.Unlock()
		call, cancel := context.WithTimeout(ctx, callTimeout)
		root, path, err := e.opts.Prove(call, origin, q)
		cancel()
		e.with(func(s *gossip.State) {
			if err == nil {
				err = s.Proven(q, root, path)
			}
			if err != nil { // is evidence of nothing
				s.Unanswered(q)
			}
		})
		if err != nil && ctx.Err() == nil {
			e.opts.Logger.Debug("a head is not proven to extend another", slog.String("log", origin), slog.Any("err", err))
		}
	}
}

// memberWith finds the member with a TLS key.
func (e *Engine) memberWith(key ed25519.PublicKey) (string, bool) {
	r := e.opts.Roster()
	for _, m := range r.Members() {
		if r.Status(m) != roster.Left && key.Equal(ed25519.PublicKey(m.Entry.GetTlsKey())) {
			return m.ID(), true
		}
	}
	return "", false
}

// Known reports whether a member has this TLS key.
func (e *Engine) Known(key ed25519.PublicKey) bool { _, ok := e.memberWith(key); return ok }

func (e *Engine) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, c := range e.conns {
		_ = c.Close()
		delete(e.conns, id)
	}
}
