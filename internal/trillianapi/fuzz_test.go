package trillianapi_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/trillian"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/trillianapi"
)

// documented are the codes that doc.go and the service's definition know. INTERNAL and UNKNOWN are not among them.
var documented = []codes.Code{
	codes.OK, codes.InvalidArgument, codes.NotFound, codes.PermissionDenied, codes.FailedPrecondition, codes.AlreadyExists, codes.OutOfRange,
}

// method is a handler with a request to parse bytes into.
type method struct {
	request func() proto.Message
	call    func(context.Context, *trillianapi.Server, proto.Message) (proto.Message, error)
}

func handler[Q, A proto.Message](request func() Q, call func(*trillianapi.Server, context.Context, Q) (A, error)) method {
	return method{
		func() proto.Message { return request() },
		func(ctx context.Context, s *trillianapi.Server, m proto.Message) (proto.Message, error) {
			return call(s, ctx, m.(Q))
		},
	}
}

func methods() []method {
	return []method{
		handler(func() *trillian.QueueLeafRequest { return &trillian.QueueLeafRequest{} }, (*trillianapi.Server).QueueLeaf),
		handler(func() *trillian.AddSequencedLeavesRequest { return &trillian.AddSequencedLeavesRequest{} }, (*trillianapi.Server).AddSequencedLeaves),
		handler(func() *trillian.InitLogRequest { return &trillian.InitLogRequest{} }, (*trillianapi.Server).InitLog),
		handler(func() *trillian.GetLeavesByRangeRequest { return &trillian.GetLeavesByRangeRequest{} }, (*trillianapi.Server).GetLeavesByRange),
		handler(func() *trillian.GetInclusionProofRequest { return &trillian.GetInclusionProofRequest{} }, (*trillianapi.Server).GetInclusionProof),
		handler(func() *trillian.GetInclusionProofByHashRequest { return &trillian.GetInclusionProofByHashRequest{} }, (*trillianapi.Server).GetInclusionProofByHash),
		handler(func() *trillian.GetConsistencyProofRequest { return &trillian.GetConsistencyProofRequest{} }, (*trillianapi.Server).GetConsistencyProof),
		handler(func() *trillian.GetEntryAndProofRequest { return &trillian.GetEntryAndProofRequest{} }, (*trillianapi.Server).GetEntryAndProof),
		handler(func() *trillian.GetLatestSignedLogRootRequest { return &trillian.GetLatestSignedLogRootRequest{} }, (*trillianapi.Server).GetLatestSignedLogRoot),
	}
}

// FuzzRequest gives bytes to a handler as the request that came over the wire. Whatever they are, the answer is a
// documented one and of bounded size, and the city's log stays as it is.
func FuzzRequest(f *testing.F) {
	var trees []trillianapi.Tree
	var city *logstore.Log
	for _, id := range []int64{scratchID, preorderedID, cityID} {
		db, err := pebbledb.Open("data", pebbledb.Options{FS: vfs.NewMem()})
		if err != nil {
			f.Fatal(err)
		}
		log, err := logstore.Open(db, logstore.Options{})
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() {
			log.Close()
			_ = db.Close() // in memory
		})
		tree := trillianapi.Tree{ID: id, Log: log, Scratch: db, Preordered: id == preorderedID}
		if id == cityID {
			tree.Scratch, city = nil, log
			fill(f, log, 300)
		}
		trees = append(trees, tree)
	}
	server, err := trillianapi.New(trees, trillianapi.Options{})
	if err != nil {
		f.Fatal(err)
	}
	all := methods()
	for _, s := range requestSeeds() {
		b, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		for m := range all {
			f.Add(byte(m), b) // as its own request, and as every other
		}
	}
	size, root := city.Head()
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		m := all[int(which)%len(all)]
		req := m.request()
		if proto.Unmarshal(b, req) != nil {
			return // gRPC answers that
		}
		answer, err := m.call(t.Context(), server, req)
		if code := status.Code(err); !slices.Contains(documented, code) {
			t.Errorf("%T %v: %v", req, req, err)
		}
		if n := proto.Size(answer); err == nil && n > 1<<20 {
			t.Errorf("%T %v: an answer of %d bytes", req, req, n)
		}
		if s, r := city.Head(); s != size || r != root {
			t.Fatalf("%T %v: the city's log is size %d, root %v", req, req, s, r)
		}
	})
}

func requestSeeds() []proto.Message {
	leaf := &trillian.LogLeaf{LeafValue: []byte("a"), ExtraData: []byte("b"), LeafIndex: 1}
	var out []proto.Message
	for _, id := range []int64{scratchID, preorderedID, cityID, 0, -1, math.MaxInt64} {
		out = append(out,
			&trillian.InitLogRequest{LogId: id},
			&trillian.QueueLeafRequest{LogId: id, Leaf: leaf},
			&trillian.QueueLeafRequest{LogId: id},
			&trillian.AddSequencedLeavesRequest{LogId: id, Leaves: []*trillian.LogLeaf{{LeafValue: []byte("z")}, leaf, {}}},
			&trillian.AddSequencedLeavesRequest{LogId: id, Leaves: []*trillian.LogLeaf{{LeafValue: []byte("z"), LeafIndex: math.MaxInt64}, leaf}},
			&trillian.GetLeavesByRangeRequest{LogId: id, StartIndex: 250, Count: math.MaxInt64},
			&trillian.GetInclusionProofRequest{LogId: id, LeafIndex: 299, TreeSize: 300},
			&trillian.GetInclusionProofByHashRequest{LogId: id, LeafHash: make([]byte, 32), TreeSize: math.MaxInt64},
			&trillian.GetConsistencyProofRequest{LogId: id, FirstTreeSize: 7, SecondTreeSize: 300},
			&trillian.GetEntryAndProofRequest{LogId: id, LeafIndex: 299, TreeSize: math.MaxInt64},
			&trillian.GetLatestSignedLogRootRequest{LogId: id, FirstTreeSize: math.MinInt64})
	}
	return out
}
