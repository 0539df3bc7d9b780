package integration_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/gossipnet"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// callsOf connects a member to another's gossip, with its own key.
func (m *cityNode) callsOf(o *cityNode) gossipv1.GossipServiceClient {
	t := m.c.t
	t.Helper()
	var keys [2]*signingkey.Key
	for i, n := range []*cityNode{m, o} {
		var err error
		if keys[i], err = signingkey.ReadFile(n.file("node/keys/tls.key"), nil); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := gossipnet.Certificate(keys[0].Signer())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("passthrough:///"+o.grpc(), grpc.WithTransportCredentials(gossipnet.ClientCredentials(cert, ed25519.PublicKey(keys[1].Public()))),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return m.dial(ctx, "tcp", addr) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return gossipv1.NewGossipServiceClient(conn)
}

// T-27 in gossip: a member asks all the others without end, opens a thousand streams at each and sends what is no evidence.
// It spends its own quota; what the others publish becomes final as before.
func TestT27MemberThatFloodsGossip(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, far, quick)
	c.begin()
	for _, m := range c.all {
		m.awaitFinal()
	}
	flooder, others := c.all[4], c.all[:4]
	flooder.stop()
	ctx, stop := context.WithCancel(t.Context())
	var g sync.WaitGroup
	defer g.Wait()
	defer stop()
	var served, refused atomic.Int64
	count := func(err error) {
		switch status.Code(err) {
		case codes.OK:
			served.Add(1)
		case codes.ResourceExhausted, codes.InvalidArgument:
			refused.Add(1)
		}
	}
	garbage := &gossipv1.ExchangeRequest{Hello: &gossipv1.Hello{Node: flooder.id, RegistryRoot: make([]byte, 32), Clock: time.Now().UnixMilli(), Salt: make([]byte, 16)}}
	for range 16 {
		garbage.Evidence = append(garbage.Evidence, bytes.Repeat([]byte("no evidence\n"), 1300))
	}
	for _, o := range others {
		calls := flooder.callsOf(o)
		for range 1000 {
			g.Go(func() {
				s, err := calls.WatchHeads(ctx, &gossipv1.WatchHeadsRequest{})
				if err == nil {
					_, err = s.Recv()
				}
				count(err)
			})
		}
		g.Go(func() {
			for ctx.Err() == nil {
				_, err := calls.Exchange(ctx, garbage)
				count(err)
			}
		})
		g.Go(func() {
			for ctx.Err() == nil {
				_, err := calls.GetConsistencyProof(ctx, &gossipv1.GetConsistencyProofRequest{Origin: o.origin(), OldSize: 1, NewSize: 2})
				count(err)
			}
		})
	}
	for range 2 {
		for _, m := range others {
			c.verify(0, m.declare(0, patience))
		}
	}
	until(t, "the flood is refused", func() bool { return refused.Load() > 1000 })
	stop()
	g.Wait()
	t.Logf("%d calls of the flood were answered and %d refused", served.Load(), refused.Load())
	flooder.start()
	c.verify(0, others[1].declare(0, patience))
	c.audit(others[0], others[1])
}
