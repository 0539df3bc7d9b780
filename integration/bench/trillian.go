package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"

	"github.com/google/trillian"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/cityproof/cityproof/internal/trillianapi"
)

// treeID is the scratch tree that is written to.
const treeID = 1

// trillianLog is the engine through trillian.TrillianLog, over gRPC on a unix socket; client and server share a process.
// An answer of QueueLeaf or AddSequencedLeaves is durable and in the tree already (package trillianapi), so there is
// nothing to poll for: Size checks it at the end.
type trillianLog struct {
	engine  *engine
	server  *grpc.Server
	served  chan error
	conn    *grpc.ClientConn
	client  trillian.TrillianLogClient
	batched bool // AddSequencedLeaves, by index, instead of QueueLeaf
	turn    chan struct{}
	next    atomic.Int64
}

func openTrillian(ctx context.Context, dir string, _ tuning, batched bool) (_ store, err error) {
	e, err := newEngine(dir)
	if err != nil {
		return nil, err
	}
	l := &trillianLog{engine: e, served: make(chan error, 1), batched: batched, turn: make(chan struct{}, 1)}
	api, err := trillianapi.New([]trillianapi.Tree{{ID: treeID, Log: e.log, Scratch: e.db, Preordered: batched}}, trillianapi.Options{})
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	socket := filepath.Join(filepath.Dir(dir), "trillian.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	l.server = grpc.NewServer(grpc.MaxRecvMsgSize(16 << 20))
	api.Register(l.server)
	go func() { l.served <- l.server.Serve(listener) }()
	l.conn, err = grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		l.server.Stop()
		return nil, errors.Join(err, <-l.served, e.Close())
	}
	l.client = trillian.NewTrillianLogClient(l.conn)
	if _, err := l.client.InitLog(ctx, &trillian.InitLogRequest{LogId: treeID}); err != nil && status.Code(err) != codes.AlreadyExists {
		return nil, errors.Join(err, l.Close())
	}
	size, _ := e.log.Head()
	l.next.Store(int64(size))
	l.turn <- struct{}{}
	return l, nil
}

func (l *trillianLog) Append(ctx context.Context, leaves [][]byte) error {
	if l.batched {
		return l.sequenced(ctx, leaves)
	}
	for _, leaf := range leaves {
		resp, err := l.client.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: treeID, Leaf: &trillian.LogLeaf{LeafValue: leaf}})
		if err != nil {
			return err
		}
		if code := codes.Code(resp.GetQueuedLeaf().GetStatus().GetCode()); code != codes.OK {
			return fmt.Errorf("a new leaf was answered %v", code)
		}
	}
	return nil
}

// sequenced writes at the end of the tree, one call at a time: a preordered log takes leaves by index, so that its
// callers have to take turns.
func (l *trillianLog) sequenced(ctx context.Context, leaves [][]byte) error {
	<-l.turn
	defer func() { l.turn <- struct{}{} }()
	req := &trillian.AddSequencedLeavesRequest{LogId: treeID}
	for i, leaf := range leaves {
		req.Leaves = append(req.Leaves, &trillian.LogLeaf{LeafValue: leaf, LeafIndex: l.next.Load() + int64(i)})
	}
	resp, err := l.client.AddSequencedLeaves(ctx, req)
	if err != nil {
		return err
	}
	for _, r := range resp.GetResults() {
		if code := codes.Code(r.GetStatus().GetCode()); code != codes.OK {
			return fmt.Errorf("a new leaf was answered %v: %s", code, r.GetStatus().GetMessage())
		}
	}
	l.next.Add(int64(len(leaves)))
	return nil
}

func (l *trillianLog) Prover(ctx context.Context) (func(uint64) error, error) {
	size, err := l.Size(ctx)
	if err != nil {
		return nil, err
	}
	return func(index uint64) error {
		resp, err := l.client.GetInclusionProof(ctx, &trillian.GetInclusionProofRequest{LogId: treeID, LeafIndex: int64(index), TreeSize: int64(size)})
		if err == nil && len(resp.GetProof().GetHashes()) == 0 && size > 1 {
			err = errors.New("no proof in the answer")
		}
		return err
	}, nil
}

func (l *trillianLog) Size(ctx context.Context) (uint64, error) { return l.engine.Size(ctx) }

func (l *trillianLog) Compact(ctx context.Context) error { return l.engine.Compact(ctx) }

func (l *trillianLog) Close() error {
	err := l.conn.Close()
	l.server.Stop()
	return errors.Join(err, <-l.served, l.engine.Close())
}
