package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
)

// Readers at full load: so many ask for the next thing as soon as they are answered.
const (
	fileReaders  = 12
	proofReaders = 4
)

// phaseRead reads from a node until the parent closes our input: checkpoints, tiles and entries over HTTP, proofs over
// gRPC. It runs at the lowest priority, so that it is the node's answering that competes with publishing, not the
// readers themselves. r.Ops counts answers, r.Refused those that the node declined to give.
func phaseRead(ctx context.Context, j job) (r result, err error) {
	if err := syscall.Setpriority(syscall.PRIO_PROCESS, 0, 19); err != nil {
		return r, fmt.Errorf("lowering the priority: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	go func() {
		untilStdinEnds()
		stop()
	}()
	var answers, refused atomic.Int64
	var wg sync.WaitGroup
	transport := &http.Transport{MaxIdleConnsPerHost: fileReaders}
	defer transport.CloseIdleConnections()
	start := time.Now()
	for i := range fileReaders {
		wg.Go(func() { readFiles(ctx, transport, j, i, &answers, &refused) })
	}
	conn, err := dial(j.GRPC)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	for i := range proofReaders {
		wg.Go(func() {
			req, _ := proto.Marshal(&ledgerv1.GetInclusionProofRequest{Index: uint64(i % 2), Size: 2}) // two numbers: it can't fail
			for ctx.Err() == nil {
				var answer []byte
				err := conn.Invoke(ctx, ledgerv1.LedgerService_GetInclusionProof_FullMethodName, &req, &answer)
				count(ctx, err == nil, &answers, &refused)
			}
		})
	}
	wg.Wait()
	r.Seconds = time.Since(start).Seconds()
	r.Ops, r.Refused = int(answers.Load()), int(refused.Load())
	return r, nil
}

// readFiles asks for the log's files in turn, beginning with another one for each reader.
func readFiles(ctx context.Context, transport http.RoundTripper, j job, at int, answers, refused *atomic.Int64) {
	paths := []string{"/log/checkpoint", "/log/tile/0/000.p/2", "/log/tile/entries/000.p/2", "/api/v1/receipts/0"}
	for ; ctx.Err() == nil; at++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+j.HTTP+paths[at%len(paths)], nil)
		if err != nil {
			count(ctx, false, answers, refused)
			return
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			count(ctx, false, answers, refused)
			continue
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		count(ctx, err == nil && resp.StatusCode == http.StatusOK, answers, refused)
	}
}

// count leaves out what failed only because we were told to stop.
func count(ctx context.Context, ok bool, answers, refused *atomic.Int64) {
	switch {
	case ok:
		answers.Add(1)
	case ctx.Err() == nil:
		refused.Add(1)
	}
}
