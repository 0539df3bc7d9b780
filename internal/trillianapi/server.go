package trillianapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/trillian"
	"github.com/google/trillian/types"
	"google.golang.org/grpc"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// Tree is one log to serve.
type Tree struct {
	// ID is the tree ID that clients give, above 0.
	ID int64

	Log *logstore.Log

	// Scratch, if set, makes the tree writable: it is the database of Log. Never set it for a city's log.
	Scratch *pebbledb.DB

	// Preordered makes a scratch tree a PREORDERED_LOG: written with AddSequencedLeaves instead of QueueLeaf.
	Preordered bool
}

// Options tune New. The zero value is right.
type Options struct {
	// Now is the clock for the timestamps of roots and leaves; default time.Now.
	Now func() time.Time
}

// Server implements trillian.TrillianLogServer.
type Server struct {
	trillian.UnimplementedTrillianLogServer
	trees map[int64]*tree
	now   func() time.Time
}

// tree is a Tree being served.
type tree struct {
	Tree

	mu sync.Mutex // guards the fields below

	// The newest root that was served, and when. For one size the same root is served each time, and times never go
	// back.
	size uint64
	at   uint64
}

// New returns a server of trees.
func New(trees []Tree, o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{trees: make(map[int64]*tree, len(trees)), now: o.Now}
	for _, t := range trees {
		switch {
		case t.ID <= 0:
			return nil, fmt.Errorf("serving Trillian trees: tree ID %d is not above 0", t.ID)
		case t.Log == nil:
			return nil, fmt.Errorf("serving Trillian trees: tree %d has no log", t.ID)
		case t.Preordered && t.Scratch == nil:
			return nil, fmt.Errorf("serving Trillian trees: tree %d is read-only and cannot be preordered", t.ID)
		case s.trees[t.ID] != nil:
			return nil, fmt.Errorf("serving Trillian trees: tree ID %d is given twice", t.ID)
		}
		s.trees[t.ID] = &tree{Tree: t}
	}
	return s, nil
}

// tree finds a tree to read, which must be initialised.
func (s *Server) tree(id int64) (*tree, error) {
	t := s.trees[id]
	if t == nil {
		return nil, notFound("no tree %d", id)
	}
	ok, err := t.initialised()
	if err != nil {
		return nil, rpcError(err)
	}
	if !ok {
		return nil, precondition("tree %d needs InitLog first", id)
	}
	return t, nil
}

// root returns a root of the tree as it is now, and its size.
func (s *Server) root(t *tree) (*trillian.SignedLogRoot, uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	size, hash := t.Log.Head()
	if size != t.size || t.at == 0 {
		t.size, t.at = size, max(uint64(s.now().UnixNano()), t.at+1)
	}
	slr, err := signedRoot(size, hash, t.at)
	return slr, size, err
}

// signedRoot wraps a root. "Signed" is Trillian's old name; nothing is signed here.
func signedRoot(size uint64, hash proof.Hash, nanos uint64) (*trillian.SignedLogRoot, error) {
	b, err := (&types.LogRootV1{TreeSize: size, RootHash: hash[:], TimestampNanos: nanos}).MarshalBinary()
	if err != nil {
		return nil, rpcError(err)
	}
	return &trillian.SignedLogRoot{LogRoot: b}, nil
}

func protoProof(index int64, hashes []proof.Hash) *trillian.Proof {
	p := &trillian.Proof{LeafIndex: index, Hashes: make([][]byte, len(hashes))}
	for i := range hashes {
		p.Hashes[i] = hashes[i][:]
	}
	return p
}

// GetLatestSignedLogRoot implements trillian.TrillianLogServer.
func (s *Server) GetLatestSignedLogRoot(ctx context.Context, req *trillian.GetLatestSignedLogRootRequest) (*trillian.GetLatestSignedLogRootResponse, error) {
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetLatestSignedLogRootResponse{SignedLogRoot: slr}
	if req.FirstTreeSize == 0 {
		return resp, nil
	}
	if err := checkSizes(req.FirstTreeSize, int64(size)); err != nil {
		return nil, err
	}
	hashes, err := t.Log.ConsistencyProof(ctx, uint64(req.FirstTreeSize), size)
	if err != nil {
		return nil, rpcError(err)
	}
	resp.Proof = protoProof(0, hashes)
	return resp, nil
}

// GetConsistencyProof implements trillian.TrillianLogServer.
func (s *Server) GetConsistencyProof(ctx context.Context, req *trillian.GetConsistencyProofRequest) (*trillian.GetConsistencyProofResponse, error) {
	if err := checkSizes(req.FirstTreeSize, req.SecondTreeSize); err != nil {
		return nil, err
	}
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetConsistencyProofResponse{SignedLogRoot: slr}
	if uint64(req.SecondTreeSize) > size {
		return resp, nil
	}
	hashes, err := t.Log.ConsistencyProof(ctx, uint64(req.FirstTreeSize), uint64(req.SecondTreeSize))
	if err != nil {
		return nil, rpcError(err)
	}
	resp.Proof = protoProof(0, hashes)
	return resp, nil
}

// GetInclusionProof implements trillian.TrillianLogServer.
func (s *Server) GetInclusionProof(ctx context.Context, req *trillian.GetInclusionProofRequest) (*trillian.GetInclusionProofResponse, error) {
	if err := checkIndex(req.LeafIndex, req.TreeSize); err != nil {
		return nil, err
	}
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetInclusionProofResponse{SignedLogRoot: slr}
	if uint64(req.TreeSize) > size {
		return resp, nil
	}
	hashes, err := t.Log.InclusionProof(ctx, uint64(req.LeafIndex), uint64(req.TreeSize))
	if err != nil {
		return nil, rpcError(err)
	}
	resp.Proof = protoProof(req.LeafIndex, hashes)
	return resp, nil
}

// GetInclusionProofByHash implements trillian.TrillianLogServer.
func (s *Server) GetInclusionProofByHash(ctx context.Context, req *trillian.GetInclusionProofByHashRequest) (*trillian.GetInclusionProofByHashResponse, error) {
	if req.TreeSize <= 0 {
		return nil, invalid("tree_size is %d, want > 0", req.TreeSize)
	}
	if len(req.LeafHash) != len(proof.Hash{}) {
		return nil, invalid("leaf_hash has %d bytes, want %d", len(req.LeafHash), len(proof.Hash{}))
	}
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetInclusionProofByHashResponse{SignedLogRoot: slr}
	if uint64(req.TreeSize) > size {
		return resp, nil
	}
	index, ok, err := t.Log.IndexByLeafHash(proof.Hash(req.LeafHash))
	if err != nil {
		return nil, rpcError(err)
	}
	if !ok || index >= uint64(req.TreeSize) {
		return nil, notFound("no leaf with hash %x in tree size %d", req.LeafHash, req.TreeSize)
	}
	hashes, err := t.Log.InclusionProof(ctx, index, uint64(req.TreeSize))
	if err != nil {
		return nil, rpcError(err)
	}
	resp.Proof = []*trillian.Proof{protoProof(int64(index), hashes)}
	return resp, nil
}

// GetEntryAndProof implements trillian.TrillianLogServer.
func (s *Server) GetEntryAndProof(ctx context.Context, req *trillian.GetEntryAndProofRequest) (*trillian.GetEntryAndProofResponse, error) {
	if err := checkIndex(req.LeafIndex, req.TreeSize); err != nil {
		return nil, err
	}
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetEntryAndProofResponse{SignedLogRoot: slr}
	if uint64(req.LeafIndex) >= size {
		return resp, nil
	}
	hashes, err := t.Log.InclusionProof(ctx, uint64(req.LeafIndex), min(uint64(req.TreeSize), size))
	if err != nil {
		return nil, rpcError(err)
	}
	if resp.Leaf, err = t.leaf(uint64(req.LeafIndex)); err != nil {
		return nil, rpcError(err)
	}
	resp.Proof = protoProof(req.LeafIndex, hashes)
	return resp, nil
}

// GetLeavesByRange implements trillian.TrillianLogServer. It may return fewer leaves than asked for.
func (s *Server) GetLeavesByRange(_ context.Context, req *trillian.GetLeavesByRangeRequest) (*trillian.GetLeavesByRangeResponse, error) {
	if req.StartIndex < 0 {
		return nil, invalid("start_index is %d, want >= 0", req.StartIndex)
	}
	if req.Count <= 0 {
		return nil, invalid("count is %d, want > 0", req.Count)
	}
	t, err := s.tree(req.LogId)
	if err != nil {
		return nil, err
	}
	slr, size, err := s.root(t)
	if err != nil {
		return nil, err
	}
	resp := &trillian.GetLeavesByRangeResponse{SignedLogRoot: slr}
	first := uint64(req.StartIndex)
	if first >= size {
		return resp, nil
	}
	// Not beyond the root that goes with them.
	n := min(uint64(req.Count), size-first, logstore.MaxEntries)
	if resp.Leaves, err = t.leaves(first, int(n)); err != nil {
		return nil, rpcError(err)
	}
	return resp, nil
}

func checkIndex(index, size int64) error {
	switch {
	case size <= 0:
		return invalid("tree_size is %d, want > 0", size)
	case index < 0:
		return invalid("leaf_index is %d, want >= 0", index)
	case index >= size:
		return invalid("leaf_index is %d, want < tree_size, which is %d", index, size)
	}
	return nil
}

func checkSizes(first, second int64) error {
	switch {
	case first <= 0:
		return invalid("first tree size is %d, want > 0", first)
	case second <= 0:
		return invalid("second tree size is %d, want > 0", second)
	case second < first:
		return invalid("second tree size is %d, want at least the first, which is %d", second, first)
	}
	return nil
}

// Register adds the service to a gRPC server.
func (s *Server) Register(to grpc.ServiceRegistrar) { trillian.RegisterTrillianLogServer(to, s) }
