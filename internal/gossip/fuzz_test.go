package gossip_test

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	gossipv1 "github.com/cityproof/cityproof/api/cityproof/gossip/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/gossip"
)

// FuzzPeer lets a member say anything, in each of its messages: a node crashes at nothing, accuses nobody honest, goes back on no
// head, and stays within its bounds. The corpus has what honest nodes say.
func FuzzPeer(f *testing.F) {
	p := newPair(f)
	tree := alliancetest.NewTree(20, "one")
	a, b := p.cities[0].ID, p.cities[1].ID
	p.nodes[1].Learn(p.head(1, tree, 20))
	known := p.head(0, tree, 9)
	node := func() *gossip.State {
		s := gossip.New(a, p.views[0], rand.NewPCG(1, 2))
		s.Learn(known)
		s.Request(b, gossip.Self{}, true, p.now)
		return s
	}
	seed := func(kind byte, m proto.Message, err error) {
		p.must(err)
		bytes, err := proto.Marshal(m)
		p.must(err)
		f.Add(kind, bytes)
	}
	seed(0, p.nodes[1].Request(a, gossip.Self{}, true, p.now), nil)
	resp, err := p.nodes[1].Answer(a, node().Request(b, gossip.Self{}, true, p.now), gossip.Self{}, p.now)
	seed(1, resp, err)
	short := uint64(gossip.ShortOf(p.cities[3].Origin))
	seed(2, &gossipv1.DeliverRequest{Heads: [][]byte{p.head(1, tree, 20).Note}, Want: []uint64{short}}, nil)
	seed(2, &gossipv1.DeliverRequest{Want: []uint64{short, short, 1}}, nil)
	seed(3, &gossipv1.DeliverResponse{Heads: [][]byte{p.head(1, tree, 5).Note}}, nil)
	log, _ := p.views[0].Lookup(gossip.Short(short))

	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		s := node()
		fits := func(m proto.Message) bool { return proto.Unmarshal(b, m) == nil }
		from, heads, named := p.cities[1].ID, 0, 0
		switch kind % 4 {
		case 0:
			var m gossipv1.ExchangeRequest
			if fits(&m) {
				if out, err := s.Answer(from, &m, gossip.Self{}, p.now); err == nil {
					heads, named = len(out.GetHeads()), len(out.GetHave().GetOrigins())
				}
			}
		case 1:
			var m gossipv1.ExchangeResponse
			if fits(&m) {
				if out, err := s.Take(from, &m, p.now); err == nil {
					heads = len(out.GetHeads())
				}
			}
		case 2:
			var m gossipv1.DeliverRequest
			if fits(&m) {
				if out, err := s.Delivered(from, &m, p.now); err == nil {
					heads = len(out.GetHeads())
				}
			}
		case 3:
			var m gossipv1.DeliverResponse
			if fits(&m) {
				_ = s.TakeDelivered(from, &m, p.now) // refused or taken: both are looked at below
			}
		}
		if len(s.Proofs()) != 0 {
			t.Error("an honest log is accused")
		}
		h := s.Head(log)
		if h == nil || h.Size < 9 || h.Size == 9 && h.Root != tree.Root(9) {
			t.Errorf("the head went back to %+v", h)
		}
		if heads > 1 || named > 1 {
			t.Errorf("%d heads and %d names of one log are sent", heads, named)
		}
	})
}
