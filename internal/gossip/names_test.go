package gossip_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/gossip"
)

// checkOf computes a check as PROTOCOL.md says, beside the code.
func checkOf(t *testing.T, salt []byte, origin string, h *gossip.Head) uint64 {
	t.Helper()
	if len(salt) != 16 {
		t.Fatalf("a salt of %d bytes", len(salt))
	}
	o := sha256.Sum256([]byte(origin))
	b := append(append([]byte{}, salt...), o[:8]...)
	b = append(binary.BigEndian.AppendUint64(b, h.Size), h.Root[:]...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// The vector of PROTOCOL.md.
func TestCheckVector(t *testing.T) {
	salt, err := hex.DecodeString("000102030405060708090a0b0c0d0e0f")
	if err != nil {
		t.Fatal(err)
	}
	h := &gossip.Head{Size: 5, Root: sha256.Sum256(nil)}
	if got := checkOf(t, salt, "kr-busan.example/log", h); got != 0x18d5470d89e641ba {
		t.Errorf("%x", got)
	}
}

// Heads are named as PROTOCOL.md says, in requests, in answers and in digests, and each message has a salt of its own.
func TestHeadsAreNamedBySaltedChecks(t *testing.T) {
	p := newPair(t)
	h := p.head(0, alliancetest.NewTree(9, "one"), 9)
	p.nodes[0].Learn(h)
	origin, short := p.cities[3].Origin, gossip.ShortOf(p.cities[3].Origin)
	names := func(salt []byte, n *gossipv1.Names) {
		t.Helper()
		if len(n.GetOrigins()) != 1 || gossip.Short(n.GetOrigins()[0]) != short || n.GetSizes()[0] != 9 || n.GetChecks()[0] != checkOf(t, salt, origin, h) {
			t.Errorf("named as %v", n)
		}
	}
	a, b := p.cities[0].ID, p.cities[1].ID
	seen := map[string]bool{}
	for range 3 {
		req := p.nodes[0].Request(b, gossip.Self{}, true, p.now)
		names(req.GetHello().GetSalt(), req.GetHave())
		for i, d := range req.GetBuckets() {
			if want := checkOf(t, req.GetHello().GetSalt(), origin, h); i == int(short>>56) && d != want || i != int(short>>56) && d != 0 {
				t.Errorf("digest %d is %x", i, d)
			}
		}
		resp, err := p.nodes[0].Answer(b, p.nodes[1].Request(a, gossip.Self{}, false, p.now), gossip.Self{}, p.now)
		p.must(err)
		names(resp.GetHello().GetSalt(), resp.GetHave())
		seen[string(req.GetHello().GetSalt())], seen[string(resp.GetHello().GetSalt())] = true, true
	}
	if len(seen) != 6 {
		t.Errorf("6 messages have %d salts", len(seen))
	}
}

// A full reconcile finds a fork that neither of both was told of, by the digests alone.
func TestReconcileFindsAFork(t *testing.T) {
	p := newPair(t)
	a, b := p.cities[0].ID, p.cities[1].ID
	p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "one"), 9))
	p.nodes[1].Learn(p.head(1, alliancetest.NewTree(9, "two"), 9))
	req := p.nodes[0].Request(b, gossip.Self{}, true, p.now)
	req.Have = nil // as if told before
	resp, err := p.nodes[1].Answer(a, req, gossip.Self{}, p.now)
	p.must(err)
	resp.Have = nil
	push, err := p.nodes[0].Take(b, resp, p.now)
	p.must(err)
	if push == nil {
		t.Fatal("the digests agree")
	}
	_, err = p.nodes[1].Delivered(a, push, p.now)
	p.must(err)
	p.must(p.exchange()) // brings the first one the proof
	p.proven(evidence.TwoRoots)
}

// Whoever names a log again and again is answered about it once.
func TestARepeatedNameIsAnsweredOnce(t *testing.T) {
	p := newPair(t)
	p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "one"), 9))
	r := p.nodes[1].Request(p.cities[0].ID, gossip.Self{}, false, p.now)
	short := uint64(gossip.ShortOf(p.cities[3].Origin))
	r.Have = &gossipv1.Names{Origins: []uint64{short, short, short}, Sizes: []uint64{1, 2, 3}, Checks: []uint64{1, 2, 3}}
	resp, err := p.nodes[0].Answer(p.cities[1].ID, r, gossip.Self{}, p.now)
	p.must(err)
	if len(resp.GetHeads()) != 1 || len(resp.GetWant())+len(resp.GetHave().GetOrigins()) != 0 {
		t.Errorf("%d heads, %d wanted, %d named", len(resp.GetHeads()), len(resp.GetWant()), len(resp.GetHave().GetOrigins()))
	}
}

// What names nothing is a misbehaving peer's.
func TestBadNamesAreRefused(t *testing.T) {
	for name, spoil := range map[string]func(*gossipv1.ExchangeRequest){
		"no salt":           func(r *gossipv1.ExchangeRequest) { r.Hello.Salt = nil },
		"a short salt":      func(r *gossipv1.ExchangeRequest) { r.Hello.Salt = make([]byte, 15) },
		"no hello":          func(r *gossipv1.ExchangeRequest) { r.Hello = nil },
		"sizes are missing": func(r *gossipv1.ExchangeRequest) { r.Have.Sizes = nil },
		"a check too many":  func(r *gossipv1.ExchangeRequest) { r.Have.Checks = append(r.Have.Checks, 1) },
		"too many": func(r *gossipv1.ExchangeRequest) {
			many := make([]uint64, gossip.MaxHave+1)
			r.Have = &gossipv1.Names{Origins: many, Sizes: many, Checks: many}
		},
		"too few digests": func(r *gossipv1.ExchangeRequest) { r.Buckets = r.GetBuckets()[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			p.nodes[0].Learn(p.head(0, alliancetest.NewTree(9, "one"), 9))
			r := p.nodes[0].Request(p.cities[1].ID, gossip.Self{}, true, p.now)
			spoil(r)
			var misbehaved *gossip.MisbehavedError
			if _, err := p.nodes[1].Answer(p.cities[0].ID, r, gossip.Self{}, p.now); !errors.As(err, &misbehaved) {
				t.Errorf("%v, want it left alone", err)
			}
		})
	}
}
