package gossipnet

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/gossip"
	"github.com/cityproof/cityproof/internal/proof"
)

// Server implements gossipv1.GossipServiceServer for members of the roster alone.
type Server struct {
	gossipv1.UnimplementedGossipServiceServer
	engine *Engine
}

// NewServer returns the service of an engine.
func NewServer(e *Engine) *Server { return &Server{engine: e} }

// admit says which member calls, and charges its quota for the call and the heads that it brings.
func (s *Server) admit(ctx context.Context, heads int) (id string, err error) {
	key, ok := caller(ctx)
	if ok {
		id, ok = s.engine.memberWith(key)
	}
	if !ok {
		return "", errStrangerCalls
	}
	s.engine.mu.Lock()
	q := s.engine.limits[id]
	if q == nil {
		q = &quota{calls: rate.NewLimiter(callsPerSecond, callsAtOnce), heads: rate.NewLimiter(headsPerSecond, headsAtOnce)}
		s.engine.limits[id] = q
	}
	s.engine.mu.Unlock()
	if !q.calls.Allow() || !q.heads.AllowN(time.Now(), heads) {
		return "", errTooOften
	}
	return id, nil
}

// Exchange implements gossipv1.GossipServiceServer.
func (s *Server) Exchange(ctx context.Context, r *gossipv1.ExchangeRequest) (resp *gossipv1.ExchangeResponse, err error) {
	id, err := s.admit(ctx, 0)
	if err != nil {
		return nil, err
	}
	self := s.engine.self()
	s.engine.with(func(st *gossip.State) { resp, err = st.Answer(id, r, self, s.engine.opts.Now()) })
	return resp, refusal(err)
}

// Deliver implements gossipv1.GossipServiceServer.
func (s *Server) Deliver(ctx context.Context, r *gossipv1.DeliverRequest) (resp *gossipv1.DeliverResponse, err error) {
	id, err := s.admit(ctx, len(r.GetHeads()))
	if err != nil {
		return nil, err
	}
	s.engine.with(func(st *gossip.State) { resp, err = st.Delivered(id, r, s.engine.opts.Now()) })
	return resp, refusal(err)
}

// GetHead implements gossipv1.GossipServiceServer.
func (s *Server) GetHead(ctx context.Context, r *gossipv1.GetHeadRequest) (*gossipv1.GetHeadResponse, error) {
	if _, err := s.admit(ctx, 0); err != nil {
		return nil, err
	}
	note := s.engine.newest(r.GetOrigin())
	if note == nil {
		return nil, errNoHead
	}
	return &gossipv1.GetHeadResponse{Note: note}, nil
}

// newest is the newest head of a log that this node knows: from gossip, or from what it cosigned before it was started last.
func (e *Engine) newest(origin string) []byte {
	var best *gossip.Head
	e.with(func(s *gossip.State) {
		for _, note := range e.opts.Kept(origin) {
			if h, err := e.view.Verify(note); err == nil && (best == nil || h.Size > best.Size) {
				best = h
			}
		}
		if log, ok := e.view.Lookup(gossip.ShortOf(origin)); ok {
			if h := s.Head(log); h != nil && (best == nil || h.Size > best.Size) {
				best = h
			}
		}
	})
	if best == nil {
		return nil
	}
	return best.Note
}

// GetConsistencyProof implements gossipv1.GossipServiceServer.
func (s *Server) GetConsistencyProof(ctx context.Context, r *gossipv1.GetConsistencyProofRequest) (*gossipv1.GetConsistencyProofResponse, error) {
	if _, err := s.admit(ctx, 0); err != nil {
		return nil, err
	}
	if r.GetOldSize() > r.GetNewSize() || r.GetNewSize() > proof.MaxSize {
		return nil, errSizes
	}
	path, err := s.engine.opts.ProveHere(ctx, r.GetOrigin(), r.GetOldSize(), r.GetNewSize())
	if err != nil {
		return nil, errNoProof
	}
	out := &gossipv1.GetConsistencyProofResponse{}
	for _, h := range path {
		out.Path = append(out.Path, h[:])
	}
	return out, nil
}

// WatchHeads implements gossipv1.GossipServiceServer.
func (s *Server) WatchHeads(_ *gossipv1.WatchHeadsRequest, stream gossipv1.GossipService_WatchHeadsServer) error {
	id, err := s.admit(stream.Context(), 0)
	if err != nil {
		return err
	}
	s.engine.mu.Lock()
	full := s.engine.watched[id] == watches
	if !full {
		s.engine.watched[id]++
	}
	s.engine.mu.Unlock()
	if full {
		return errWatching
	}
	defer func() {
		s.engine.mu.Lock()
		s.engine.watched[id]--
		s.engine.mu.Unlock()
	}()
	var seq uint64
	for {
		s.engine.mu.Lock()
		notes, next := s.engine.state.Since(seq)
		changed := s.engine.changed
		s.engine.mu.Unlock()
		for _, n := range notes {
			if err := stream.Send(&gossipv1.WatchHeadsResponse{Note: n}); err != nil {
				return err
			}
		}
		seq = next
		select {
		case <-stream.Context().Done():
			return ended(stream.Context())
		case <-changed:
		}
	}
}
