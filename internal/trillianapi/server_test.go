package trillianapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/trillian"
	"github.com/google/trillian/integration"
	"github.com/google/trillian/types"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	inmemory "github.com/transparency-dev/merkle/testonly"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/trillianapi"
)

const (
	scratchID    = 1
	preorderedID = 2
	cityID       = 3
)

type env struct {
	client trillian.TrillianLogClient
	city   *logstore.Log
}

// newEnv serves a writable, a preordered and a city's tree over a real gRPC connection.
func newEnv(t *testing.T) env {
	t.Helper()
	var trees []trillianapi.Tree
	var city *logstore.Log
	for _, id := range []int64{scratchID, preorderedID, cityID} {
		db, err := pebbledb.Open("data", pebbledb.Options{FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		log, err := logstore.Open(db, logstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			log.Close()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		tree := trillianapi.Tree{ID: id, Log: log, Scratch: db, Preordered: id == preorderedID}
		if id == cityID {
			tree.Scratch = nil
			city = log
		}
		trees = append(trees, tree)
	}
	server, err := trillianapi.New(trees, trillianapi.Options{})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	trillian.RegisterTrillianLogServer(g, server)
	done := make(chan error)
	go func() { done <- g.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		g.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return env{trillian.NewTrillianLogClient(conn), city}
}

func (e env) init(t *testing.T, id int64) {
	t.Helper()
	if _, err := e.client.InitLog(t.Context(), &trillian.InitLogRequest{LogId: id}); err != nil {
		t.Fatal(err)
	}
}

func (e env) root(t *testing.T, id int64) types.LogRootV1 {
	t.Helper()
	resp, err := e.client.GetLatestSignedLogRoot(t.Context(), &trillian.GetLatestSignedLogRootRequest{LogId: id})
	if err != nil {
		t.Fatal(err)
	}
	return parseRoot(t, resp.SignedLogRoot)
}

func parseRoot(t *testing.T, slr *trillian.SignedLogRoot) types.LogRootV1 {
	t.Helper()
	var root types.LogRootV1
	if err := root.UnmarshalBinary(slr.GetLogRoot()); err != nil {
		t.Fatal(err)
	}
	return root
}

func wantCode(t *testing.T, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: got code %v (%v), want %v", what, got, err, want)
	}
}

// TestTrillianIntegrationSuite runs Trillian's own suite, unchanged, against a scratch tree.
func TestTrillianIntegrationSuite(t *testing.T) {
	e := newEnv(t)
	e.init(t, scratchID)
	params := integration.DefaultTestParameters(scratchID)
	params.SequencingPollWait = time.Millisecond
	if err := integration.RunLogIntegration(e.client, params); err != nil {
		t.Fatal(err)
	}
	if root := e.root(t, scratchID); root.TreeSize != uint64(params.LeafCount) {
		t.Errorf("size %d, want %d", root.TreeSize, params.LeafCount)
	}
}

func TestQueueLeafFindsDuplicates(t *testing.T) {
	e := newEnv(t)
	e.init(t, scratchID)
	identity := bytes.Repeat([]byte{7}, 32)
	queue := func(l *trillian.LogLeaf) *trillian.QueuedLogLeaf {
		t.Helper()
		resp, err := e.client.QueueLeaf(t.Context(), &trillian.QueueLeafRequest{LogId: scratchID, Leaf: l})
		if err != nil {
			t.Fatal(err)
		}
		return resp.QueuedLeaf
	}
	for _, tc := range []struct {
		name      string
		leaf      *trillian.LogLeaf
		code      codes.Code
		index     int64
		value     string
		extraData string
	}{
		{"the first", &trillian.LogLeaf{LeafValue: []byte("a"), ExtraData: []byte("x")}, codes.OK, 0, "a", "x"},
		{"the same value", &trillian.LogLeaf{LeafValue: []byte("a"), ExtraData: []byte("y")}, codes.AlreadyExists, 0, "a", "x"},
		{"an identity", &trillian.LogLeaf{LeafValue: []byte("b"), LeafIdentityHash: identity}, codes.OK, 1, "b", ""},
		{"the same identity", &trillian.LogLeaf{LeafValue: []byte("c"), LeafIdentityHash: identity}, codes.AlreadyExists, 1, "b", ""},
		{"the same value, new identity", &trillian.LogLeaf{LeafValue: []byte("b")}, codes.OK, 2, "b", ""},
	} {
		got := queue(tc.leaf)
		if code := codes.Code(got.Status.GetCode()); code != tc.code {
			t.Errorf("%s: status %v, want %v", tc.name, code, tc.code)
		}
		l := got.Leaf
		hash := rfc6962.DefaultHasher.HashLeaf([]byte(tc.value))
		if l.LeafIndex != tc.index || string(l.LeafValue) != tc.value || string(l.ExtraData) != tc.extraData || !bytes.Equal(l.MerkleLeafHash, hash) {
			t.Errorf("%s: answered with leaf %v", tc.name, l)
		}
	}
	if root := e.root(t, scratchID); root.TreeSize != 3 {
		t.Errorf("size %d, want 3", root.TreeSize)
	}
}

func TestProofByHash(t *testing.T) {
	e := newEnv(t)
	e.init(t, scratchID)
	tree := inmemory.New(rfc6962.DefaultHasher)
	for i := range 300 {
		value := fmt.Appendf(nil, "leaf %d", i)
		tree.AppendData(value)
		if _, err := e.client.QueueLeaf(t.Context(), &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{LeafValue: value}}); err != nil {
			t.Fatal(err)
		}
	}
	byHash := func(hash []byte, size int64) (*trillian.GetInclusionProofByHashResponse, error) {
		return e.client.GetInclusionProofByHash(t.Context(), &trillian.GetInclusionProofByHashRequest{LogId: scratchID, LeafHash: hash, TreeSize: size})
	}
	for _, index := range []uint64{0, 1, 255, 256, 299} {
		hash := tree.LeafHash(index)
		for _, size := range []uint64{index + 1, 300} {
			resp, err := byHash(hash, int64(size))
			if err != nil || len(resp.Proof) != 1 || resp.Proof[0].LeafIndex != int64(index) {
				t.Fatalf("index %d, size %d: %v, %v", index, size, resp, err)
			}
			if err := proof.VerifyInclusion(rfc6962.DefaultHasher, index, size, hash, resp.Proof[0].Hashes, tree.HashAt(size)); err != nil {
				t.Errorf("index %d, size %d: %v", index, size, err)
			}
		}
		if index > 0 {
			_, err := byHash(hash, int64(index))
			wantCode(t, "a size before the leaf", err, codes.NotFound)
		}
	}
	unknown := sha256.Sum256([]byte("unknown"))
	_, err := byHash(unknown[:], 300)
	wantCode(t, "unknown hash", err, codes.NotFound)
	_, err = byHash(unknown[:5], 300)
	wantCode(t, "short hash", err, codes.InvalidArgument)
	_, err = byHash(unknown[:], 0)
	wantCode(t, "size 0", err, codes.InvalidArgument)
	resp, err := byHash(tree.LeafHash(0), 301)
	if err != nil || len(resp.Proof) != 0 || parseRoot(t, resp.SignedLogRoot).TreeSize != 300 {
		t.Errorf("a size beyond the root: %v, %v, want the root and no proof", resp, err)
	}
}

func TestCityLogIsReadOnly(t *testing.T) {
	e := newEnv(t)
	for i := range 5 {
		entry := fmt.Appendf(nil, "entry %d", i)
		g := logstore.Group{Leaves: []logstore.Leaf{{Entry: entry, Identity: sha256.Sum256(entry)}}}
		if _, err := e.city.Append(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	leaf := &trillian.LogLeaf{LeafValue: []byte("x"), LeafIndex: 5}
	_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: cityID, Leaf: leaf})
	wantCode(t, "QueueLeaf", err, codes.PermissionDenied)
	_, err = e.client.AddSequencedLeaves(ctx, &trillian.AddSequencedLeavesRequest{LogId: cityID, Leaves: []*trillian.LogLeaf{leaf}})
	wantCode(t, "AddSequencedLeaves", err, codes.PermissionDenied)
	_, err = e.client.InitLog(ctx, &trillian.InitLogRequest{LogId: cityID})
	wantCode(t, "InitLog", err, codes.PermissionDenied)
	if s, _ := status.FromError(err); !bytes.Contains([]byte(s.Message()), []byte("publication rules")) {
		t.Errorf("the refusal does not say why: %q", s.Message())
	}
	root := e.root(t, cityID)
	size, hash := e.city.Head()
	if root.TreeSize != 5 || size != 5 || !bytes.Equal(root.RootHash, hash[:]) {
		t.Errorf("root %+v, want size 5 and root %v", root, hash)
	}
	resp, err := e.client.GetLeavesByRange(ctx, &trillian.GetLeavesByRangeRequest{LogId: cityID, StartIndex: 3, Count: 100})
	if err != nil || len(resp.Leaves) != 2 || string(resp.Leaves[1].LeafValue) != "entry 4" || resp.Leaves[1].LeafIndex != 4 {
		t.Errorf("GetLeavesByRange = %v, %v", resp, err)
	}
	integrationReads(t, e, root)
}

// integrationReads runs the reading half of Trillian's suite's calls on five entries.
func integrationReads(t *testing.T, e env, root types.LogRootV1) {
	t.Helper()
	resp, err := e.client.GetEntryAndProof(t.Context(), &trillian.GetEntryAndProofRequest{LogId: cityID, LeafIndex: 2, TreeSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	hash := rfc6962.DefaultHasher.HashLeaf(resp.Leaf.LeafValue)
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, 2, 5, hash, resp.Proof.Hashes, root.RootHash); err != nil {
		t.Error(err)
	}
}

func TestOddAnswers(t *testing.T) {
	e := newEnv(t)
	ctx := t.Context()
	_, err := e.client.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: scratchID})
	wantCode(t, "before InitLog", err, codes.FailedPrecondition)
	e.init(t, scratchID)
	_, err = e.client.InitLog(ctx, &trillian.InitLogRequest{LogId: scratchID})
	wantCode(t, "InitLog twice", err, codes.AlreadyExists)
	if root := e.root(t, scratchID); root.TreeSize != 0 || !bytes.Equal(root.RootHash, rfc6962.DefaultHasher.EmptyRoot()) {
		t.Errorf("root of the empty tree: %+v", root)
	}
	_, err = e.client.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: 99})
	wantCode(t, "unknown tree", err, codes.NotFound)
	for i := range 3 {
		if _, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{LeafValue: fmt.Appendf(nil, "%d", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	first, again := e.root(t, scratchID), e.root(t, scratchID)
	if first.TimestampNanos == 0 || first.TimestampNanos != again.TimestampNanos {
		t.Errorf("two answers for one size have times %d and %d", first.TimestampNanos, again.TimestampNanos)
	}
	entry, err := e.client.GetEntryAndProof(ctx, &trillian.GetEntryAndProofRequest{LogId: scratchID, LeafIndex: 1, TreeSize: 100})
	if err != nil || entry.Leaf == nil {
		t.Fatalf("GetEntryAndProof beyond the root = %v, %v", entry, err)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, 1, 3, entry.Leaf.MerkleLeafHash, entry.Proof.Hashes, first.RootHash); err != nil {
		t.Errorf("GetEntryAndProof beyond the root: %v", err)
	}
	entry, err = e.client.GetEntryAndProof(ctx, &trillian.GetEntryAndProofRequest{LogId: scratchID, LeafIndex: 50, TreeSize: 100})
	if err != nil || entry.Leaf != nil || entry.Proof != nil {
		t.Errorf("GetEntryAndProof of a leaf beyond the root = %v, %v", entry, err)
	}
	leaves, err := e.client.GetLeavesByRange(ctx, &trillian.GetLeavesByRangeRequest{LogId: scratchID, StartIndex: 3, Count: 1})
	if err != nil || len(leaves.Leaves) != 0 {
		t.Errorf("GetLeavesByRange beyond the root = %v, %v", leaves, err)
	}
	consistency, err := e.client.GetConsistencyProof(ctx, &trillian.GetConsistencyProofRequest{LogId: scratchID, FirstTreeSize: 1, SecondTreeSize: 4})
	if err != nil || consistency.Proof != nil || consistency.SignedLogRoot == nil {
		t.Errorf("GetConsistencyProof beyond the root = %v, %v", consistency, err)
	}
	latest, err := e.client.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: scratchID, FirstTreeSize: 2})
	if err != nil || latest.Proof == nil {
		t.Errorf("GetLatestSignedLogRoot with a first size = %v, %v", latest, err)
	}
	for name, call := range map[string]func() error{
		"first size beyond the root": func() error {
			_, err := e.client.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: scratchID, FirstTreeSize: 4})
			return err
		},
		"negative first size": func() error {
			_, err := e.client.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: scratchID, FirstTreeSize: -1})
			return err
		},
		"negative index": func() error {
			_, err := e.client.GetInclusionProof(ctx, &trillian.GetInclusionProofRequest{LogId: scratchID, LeafIndex: -1, TreeSize: 3})
			return err
		},
		"count 0": func() error {
			_, err := e.client.GetLeavesByRange(ctx, &trillian.GetLeavesByRangeRequest{LogId: scratchID})
			return err
		},
		"empty leaf": func() error {
			_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{}})
			return err
		},
		"no leaf": func() error {
			_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: scratchID})
			return err
		},
		"leaf too long": func() error {
			_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{LeafValue: make([]byte, 65536)}})
			return err
		},
		"short identity": func() error {
			_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{LeafValue: []byte("v"), LeafIdentityHash: []byte("short")}})
			return err
		},
		"QueueLeaf on a preordered tree": func() error {
			_, err := e.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: preorderedID, Leaf: &trillian.LogLeaf{LeafValue: []byte("v")}})
			return err
		},
		"AddSequencedLeaves on a plain tree": func() error {
			_, err := e.client.AddSequencedLeaves(ctx, &trillian.AddSequencedLeavesRequest{LogId: scratchID, Leaves: []*trillian.LogLeaf{{LeafValue: []byte("v")}}})
			return err
		},
	} {
		wantCode(t, name, call(), codes.InvalidArgument)
	}
}

func TestAddSequencedLeaves(t *testing.T) {
	e := newEnv(t)
	e.init(t, preorderedID)
	add := func(first int64, values ...string) ([]codes.Code, []string, error) {
		req := &trillian.AddSequencedLeavesRequest{LogId: preorderedID}
		for i, v := range values {
			req.Leaves = append(req.Leaves, &trillian.LogLeaf{LeafValue: []byte(v), LeafIndex: first + int64(i), ExtraData: []byte("x" + v)})
		}
		resp, err := e.client.AddSequencedLeaves(context.Background(), req)
		if err != nil {
			return nil, nil, err
		}
		var got []codes.Code
		var there []string
		for _, r := range resp.Results {
			got = append(got, codes.Code(r.Status.GetCode()))
			there = append(there, string(r.Leaf.GetLeafValue()))
		}
		return got, there, nil
	}
	const ok, exists, conflict = codes.OK, codes.AlreadyExists, codes.FailedPrecondition
	for _, tc := range []struct {
		name   string
		first  int64
		values []string
		want   []codes.Code
		there  []string
		size   uint64
	}{
		{"new", 0, []string{"a", "b", "c"}, []codes.Code{ok, ok, ok}, []string{"a", "b", "c"}, 3},
		{"again", 0, []string{"a", "b", "c"}, []codes.Code{exists, exists, exists}, []string{"a", "b", "c"}, 3},
		{"overlap", 2, []string{"c", "d"}, []codes.Code{exists, ok}, []string{"c", "d"}, 4},
		{"another leaf there", 1, []string{"B", "c"}, []codes.Code{conflict, exists}, []string{"b", "c"}, 4},
		{"an identity that is taken", 4, []string{"e", "a", "f"}, []codes.Code{conflict, conflict, conflict}, []string{"", "a", ""}, 4},
		{"an identity twice in one call", 4, []string{"e", "e"}, []codes.Code{conflict, conflict}, []string{"", ""}, 4},
		{"after a refusal", 4, []string{"e", "f"}, []codes.Code{ok, ok}, []string{"e", "f"}, 6},
	} {
		got, there, err := add(tc.first, tc.values...)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(tc.want) || fmt.Sprint(there) != fmt.Sprint(tc.there) {
			t.Errorf("%s: got %v %q %v, want %v %q", tc.name, got, there, err, tc.want, tc.there)
		}
		if root := e.root(t, preorderedID); root.TreeSize != tc.size {
			t.Errorf("%s: size %d, want %d", tc.name, root.TreeSize, tc.size)
		}
	}
	_, _, err := add(7, "z")
	wantCode(t, "a gap", err, codes.FailedPrecondition)
	_, _, err = add(0)
	wantCode(t, "no leaves", err, codes.InvalidArgument)
	_, err = e.client.AddSequencedLeaves(t.Context(), &trillian.AddSequencedLeavesRequest{LogId: preorderedID, Leaves: []*trillian.LogLeaf{
		{LeafValue: []byte("y"), LeafIndex: 6}, {LeafValue: []byte("z"), LeafIndex: 8},
	}})
	wantCode(t, "indices not consecutive", err, codes.FailedPrecondition)
}

// TestSequencedWritersNeverMix lets several clients write the same pre-ordered leaves at once.
func TestSequencedWritersNeverMix(t *testing.T) {
	e := newEnv(t)
	e.init(t, preorderedID)
	const writers, batches, size = 4, 20, 10
	errs := make(chan error)
	for range writers {
		go func() {
			var failed error
			for b := range batches {
				req := &trillian.AddSequencedLeavesRequest{LogId: preorderedID}
				for i := range size {
					n := int64(b*size + i)
					req.Leaves = append(req.Leaves, &trillian.LogLeaf{LeafValue: fmt.Appendf(nil, "leaf %d", n), LeafIndex: n})
				}
				resp, err := e.client.AddSequencedLeaves(context.Background(), req)
				if err != nil {
					failed = errors.Join(failed, err)
					continue
				}
				for _, r := range resp.Results {
					if c := codes.Code(r.Status.GetCode()); c != codes.OK && c != codes.AlreadyExists {
						failed = errors.Join(failed, fmt.Errorf("batch %d: %v", b, r.Status))
					}
				}
			}
			errs <- failed
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	tree := inmemory.New(rfc6962.DefaultHasher)
	for i := range batches * size {
		tree.AppendData(fmt.Appendf(nil, "leaf %d", i))
	}
	if root := e.root(t, preorderedID); root.TreeSize != batches*size || !bytes.Equal(root.RootHash, tree.Hash()) {
		t.Errorf("size %d root %x, want %d %x", root.TreeSize, root.RootHash, batches*size, tree.Hash())
	}
}
