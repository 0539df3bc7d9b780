package gossipnet_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/gossip"
	"github.com/cityproof/cityproof/internal/gossipnet"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an alliance whose nodes gossip over loopback.
type world struct {
	t       *testing.T
	cities  []*alliancetest.City
	r       *roster.Roster
	addrs   sync.Map // address of the entry -> the string it listens at; engines dial while a test moves one
	engines []*gossipnet.Engine
	proofs  []chan gossip.Proof
	own     []chan []byte // heads of each one's own log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t}
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"} {
		w.cities = append(w.cities, alliancetest.NewCity(t, id))
	}
	var err error
	if w.r, err = roster.New(alliancetest.Found(t, w.cities...)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{}, 3)
	var servers []*grpc.Server
	for i, c := range w.cities[:3] {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		w.addrs.Store(c.Entry.GetGrpc(), l.Addr().String())
		cert, err := gossipnet.Certificate(w.tlsKey(c))
		if err != nil {
			t.Fatal(err)
		}
		found, own := make(chan gossip.Proof, 10), make(chan []byte, 10)
		e := gossipnet.New(gossipnet.Options{
			Self: c.ID, Roster: func() *roster.Roster { return w.r }, Certificate: cert, Period: 50 * time.Millisecond,
			Dial: w.dial,
			Prove: func(context.Context, string, gossip.Question) (*proof.Hash, []proof.Hash, error) {
				return nil, nil, errors.New("not here")
			},
			ProveHere: func(_ context.Context, origin string, small, large uint64) ([]proof.Hash, error) {
				if origin != c.Origin {
					return nil, errors.New("not here")
				}
				return []proof.Hash{{byte(small)}, {byte(large)}}, nil
			},
			Evidence: func(p gossip.Proof) { found <- p },
			Origin:   c.Origin, Own: func(note []byte) { own <- note },
		})
		s := grpc.NewServer(grpc.Creds(gossipnet.ServerCredentials(cert, nil, e.Known)))
		gossipv1.RegisterGossipServiceServer(s, gossipnet.NewServer(e))
		go func() { _ = s.Serve(l) }()
		servers = append(servers, s)
		w.engines, w.proofs, w.own = append(w.engines, e), append(w.proofs, found), append(w.own, own)
		if i == 2 {
			for _, e := range w.engines {
				go func() { e.Run(ctx); done <- struct{}{} }()
			}
		}
	}
	t.Cleanup(func() {
		cancel()
		for range w.engines {
			<-done
		}
		for _, s := range servers {
			s.Stop()
		}
	})
	return w
}

func (w *world) tlsKey(c *alliancetest.City) crypto.Signer { return c.Keys("tls")[0] }

func (w *world) dial(ctx context.Context, addr string) (net.Conn, error) {
	at, ok := w.addrs.Load(addr)
	if !ok {
		return nil, errors.New("nobody is there")
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", at.(string))
}

// call is a connection to the first city, by whoever has these credentials.
func (w *world) call(creds credentials.TransportCredentials) gossipv1.GossipServiceClient {
	w.t.Helper()
	c, err := grpc.NewClient("passthrough:///"+w.cities[0].Entry.GetGrpc(), grpc.WithTransportCredentials(creds), grpc.WithContextDialer(w.dial))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return gossipv1.NewGossipServiceClient(c)
}

func (w *world) credentials(key, server crypto.Signer) credentials.TransportCredentials {
	w.t.Helper()
	cert, err := gossipnet.Certificate(key)
	if err != nil {
		w.t.Fatal(err)
	}
	return gossipnet.ClientCredentials(cert, server.Public().(ed25519.PublicKey))
}

// E1 over the wire: two histories shown to two cities meet, and the third hears of it; evidence does not wait.
func TestForkMeetsOverTheWire(t *testing.T) {
	w := newWorld(t)
	liar := w.cities[3]
	w.engines[0].Learn(liar.Note(t, 3, proof.Hash{1}, alliancetest.FoundedAt))
	w.engines[1].Learn(liar.Note(t, 3, proof.Hash{2}, alliancetest.FoundedAt))
	for i, found := range w.proofs {
		select {
		case p := <-found:
			e, err := evidence.Parse(p.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if f, err := e.Verify(w.r.EvidenceKeys()); err != nil || f.Kind != evidence.TwoRoots || f.Origin != liar.Origin {
				t.Errorf("city %d: %v, %v", i, f, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("city %d does not hear of the fork", i)
		}
	}
}

// T-20: a node hears of a head of its own log that somebody else signed.
func TestT20ForeignOwnHeadIsTold(t *testing.T) {
	w := newWorld(t)
	foreign := w.cities[0].Note(t, 5, proof.Hash{5}, alliancetest.FoundedAt)
	w.engines[1].Learn(foreign)
	view := gossip.NewRosterView("", w.r)
	select {
	case note := <-w.own[0]:
		if h, err := view.Verify(note); err != nil || h.Size != 5 || h.Root != (proof.Hash{5}) {
			t.Errorf("it is told of %+v, %v", h, err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it is not told")
	}
}

func TestHeadsSpreadAndAreWatched(t *testing.T) {
	w := newWorld(t)
	c := w.call(w.credentials(w.tlsKey(w.cities[2]), w.tlsKey(w.cities[0])))
	watch, err := c.WatchHeads(t.Context(), &gossipv1.WatchHeadsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w.engines[1].Learn(w.cities[1].Note(t, 7, proof.Hash{7}, alliancetest.FoundedAt))
	m, err := watch.Recv()
	if err != nil {
		t.Fatal(err)
	}
	view := gossip.NewRosterView("", w.r)
	if h, err := view.Verify(m.GetNote()); err != nil || h.Size != 7 {
		t.Errorf("watched: %+v, %v", h, err)
	}
	got, err := c.GetHead(t.Context(), &gossipv1.GetHeadRequest{Origin: w.cities[1].Origin})
	if err != nil || string(got.GetNote()) != string(m.GetNote()) {
		t.Errorf("GetHead: %v", err)
	}
	if _, n := w.engines[0].ClockOffset(); n == 0 {
		t.Error("no clock was heard")
	}
}

// A stranger gets nothing: without TLS, with a key that the roster has for nobody, or with a key of another role. And a
// server that does not hold the member's key is not spoken to.
func TestStrangersAreRefused(t *testing.T) {
	w := newWorld(t)
	server := w.tlsKey(w.cities[0])
	for name, creds := range map[string]credentials.TransportCredentials{
		"no TLS":                     insecure.NewCredentials(),
		"a stranger's key":           w.credentials(alliancetest.Key("a stranger"), server),
		"a member's other key":       w.credentials(w.cities[1].Keys("witness")[0], server),
		"a server that is another's": w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[2])),
	} {
		c := w.call(creds)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := c.GetHead(ctx, &gossipv1.GetHeadRequest{Origin: w.cities[0].Origin})
		if code := status.Code(err); code != codes.PermissionDenied && code != codes.Unavailable && code != codes.DeadlineExceeded {
			t.Errorf("%s: %v, want it refused", name, err)
		}
		watch, err := c.WatchHeads(ctx, &gossipv1.WatchHeadsRequest{})
		if err == nil {
			_, err = watch.Recv()
		}
		if err == nil {
			t.Errorf("%s: it may watch", name)
		}
		cancel()
	}
}

// One member that floods spends its own quota, and no other's.
func TestFloodSpendsOnesOwnQuota(t *testing.T) {
	w := newWorld(t)
	flooder := w.call(w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[0])))
	refused := 0
	for range 300 {
		_, err := flooder.GetHead(t.Context(), &gossipv1.GetHeadRequest{Origin: "x"})
		if status.Code(err) == codes.ResourceExhausted {
			refused++
		}
	}
	if refused < 100 {
		t.Errorf("%d of 300 calls were refused", refused)
	}
	other := w.call(w.credentials(w.tlsKey(w.cities[3]), w.tlsKey(w.cities[0])))
	if _, err := other.GetHead(t.Context(), &gossipv1.GetHeadRequest{Origin: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("another member: %v", err)
	}
}

// Each head that a member brings is a signature to verify, so many in few calls spend its quota too.
func TestT27HeadsSpendTheQuota(t *testing.T) {
	w := newWorld(t)
	flooder := w.call(w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[0])))
	full := &gossipv1.DeliverRequest{Heads: slices.Repeat([][]byte{w.cities[3].Note(t, 3, proof.Hash{1}, alliancetest.FoundedAt)}, gossip.MaxHeads)}
	served, refused := 0, 0
	for range 12 {
		switch _, err := flooder.Deliver(t.Context(), full); status.Code(err) {
		case codes.OK:
			served++
		case codes.ResourceExhausted:
			refused++
		default:
			t.Fatal(err)
		}
	}
	if served < 4 || refused < 6 {
		t.Errorf("%d deliveries of %d heads are served and %d refused, want a few", served, gossip.MaxHeads, refused)
	}
	other := w.call(w.credentials(w.tlsKey(w.cities[2]), w.tlsKey(w.cities[0])))
	if _, err := other.Deliver(t.Context(), full); err != nil {
		t.Errorf("another member: %v", err)
	}
}

// A member who asks for a proof is answered from what this node holds: nobody is asked on its behalf.
func TestProofsComeFromHereAlone(t *testing.T) {
	w := newWorld(t)
	c := w.call(w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[0])))
	got, err := c.GetConsistencyProof(t.Context(), &gossipv1.GetConsistencyProofRequest{Origin: w.cities[0].Origin, OldSize: 3, NewSize: 7})
	if err != nil || len(got.GetPath()) != 2 || got.GetPath()[0][0] != 3 || got.GetPath()[1][0] != 7 {
		t.Errorf("of its own log: %v, %v", got, err)
	}
	for name, tc := range map[string]struct {
		origin string
		small  uint64
		want   codes.Code
	}{"a log that it does not hold": {w.cities[3].Origin, 3, codes.NotFound}, "sizes in the wrong order": {w.cities[0].Origin, 8, codes.InvalidArgument}} {
		if _, err := c.GetConsistencyProof(t.Context(), &gossipv1.GetConsistencyProofRequest{Origin: tc.origin, OldSize: tc.small, NewSize: 7}); status.Code(err) != tc.want {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// T-27: a member has few streams of heads open, and one that ends makes room for another.
func TestT27WatchesAreFew(t *testing.T) {
	w := newWorld(t)
	c := w.call(w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[0])))
	w.engines[0].Learn(w.cities[0].Note(t, 1, proof.Hash{1}, alliancetest.FoundedAt))
	watch := func(ctx context.Context) error {
		s, err := c.WatchHeads(ctx, &gossipv1.WatchHeadsRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	ctx, cancel := context.WithCancel(t.Context())
	for range 4 {
		if err := watch(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := watch(t.Context()); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more: %v, want it refused", err)
	}
	cancel()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		err := watch(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after the others have ended: %v", err)
		}
	}
}

// The public certificate stands on the same port: who does not ask for gossip is shown that, and gets no gossip.
func TestPublicCertificateStandsBesideGossip(t *testing.T) {
	w := newWorld(t)
	own, err := gossipnet.Certificate(w.tlsKey(w.cities[0]))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := gossipnet.Certificate(alliancetest.Key("public"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(gossipnet.ServerCredentials(own, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{shown}}, w.engines[0].Known)))
	gossipv1.RegisterGossipServiceServer(s, gossipnet.NewServer(w.engines[0]))
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	w.addrs.Store(w.cities[0].Entry.GetGrpc(), l.Addr().String())
	var saw ed25519.PublicKey
	public := credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: "secretariat.example", InsecureSkipVerify: true, //nolint:gosec // VerifyConnection looks at it
		VerifyConnection: func(c tls.ConnectionState) error {
			saw = c.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
			return nil
		},
	})
	if _, err := w.call(public).GetHead(t.Context(), &gossipv1.GetHeadRequest{Origin: "x"}); status.Code(err) != codes.PermissionDenied || !saw.Equal(alliancetest.Public("public")) {
		t.Errorf("the public: %v, shown %x", err, saw)
	}
	member := w.call(w.credentials(w.tlsKey(w.cities[1]), w.tlsKey(w.cities[0])))
	if _, err := member.GetHead(t.Context(), &gossipv1.GetHeadRequest{Origin: "x"}); status.Code(err) != codes.NotFound {
		t.Errorf("a member: %v", err)
	}
}
