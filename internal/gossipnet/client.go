package gossipnet

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/gossip"
)

// exchange runs one exchange with a peer.
func (e *Engine) exchange(ctx context.Context, id string, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := e.dial(id)
	if err != nil {
		return err
	}
	if err = e.exchangeOver(ctx, c, id, full); errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.hangUp(id) // it may lead nowhere any more, which TCP notices after minutes
	}
	return err
}

// hangUp has the next exchange with a peer connect anew.
func (e *Engine) hangUp(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.conns[id]; c != nil {
		_ = c.Close()
		delete(e.conns, id)
	}
}

func (e *Engine) exchangeOver(ctx context.Context, c *grpc.ClientConn, id string, full bool) (err error) {
	api := gossipv1.NewGossipServiceClient(c)
	var req *gossipv1.ExchangeRequest
	e.with(func(s *gossip.State) { req = s.Request(id, e.self(), full, e.opts.Now()) })
	resp, err := api.Exchange(ctx, req)
	if err != nil {
		return err
	}
	var push *gossipv1.DeliverRequest
	e.with(func(s *gossip.State) { push, err = s.Take(id, resp, e.opts.Now()) })
	if err != nil || push == nil {
		return err
	}
	back, err := api.Deliver(ctx, push)
	if err != nil {
		return err
	}
	e.with(func(s *gossip.State) { err = s.TakeDelivered(id, back, e.opts.Now()) })
	return err
}

func (e *Engine) self() gossip.Self {
	r := e.opts.Roster()
	return gossip.Self{RegistrySize: r.Size(), RegistryRoot: r.TreeRoot()}
}

// dial returns the connection to a peer, as the roster says where it is and which key it holds.
func (e *Engine) dial(id string) (*grpc.ClientConn, error) {
	m := e.opts.Roster().Member(id)
	if m == nil {
		return nil, fmt.Errorf("%s is no member", id)
	}
	addr, key := m.Entry.GetGrpc(), m.Entry.GetTlsKey()
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.conns[id]; c != nil {
		if c.addr == addr && c.key == string(key) {
			return c.ClientConn, nil
		}
		_ = c.Close()
		delete(e.conns, id)
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(ClientCredentials(e.opts.Certificate, ed25519.PublicKey(key))),
		grpc.WithDisableServiceConfig(), grpc.WithIdleTimeout(5 * time.Minute),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)), grpc.WithMaxHeaderListSize(16 << 10),
	}
	if e.opts.Dial != nil {
		opts = append(opts, grpc.WithContextDialer(e.opts.Dial))
	}
	c, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		return nil, err
	}
	e.conns[id] = &conn{c, addr, string(key)}
	return c, nil
}

// Head asks a member for the newest head of a log that it knows: a note that nothing is checked of, or nil where it says that it
// never saw one. The answer is the member's own and of now: the connection shows its key.
func (e *Engine) Head(ctx context.Context, id, origin string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c, err := e.dial(id)
	if err != nil {
		return nil, err
	}
	resp, err := gossipv1.NewGossipServiceClient(c).GetHead(ctx, &gossipv1.GetHeadRequest{Origin: origin})
	if isNoHead(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return resp.GetNote(), nil
}
