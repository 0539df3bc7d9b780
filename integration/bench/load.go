package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

// raw passes messages as the bytes that they are: the publishers share the machine with the node, and encode nothing
// while the clock runs. What is measured is the node.
type raw struct{}

func (raw) Name() string                    { return "proto" }
func (raw) Marshal(v any) ([]byte, error)   { return *v.(*[]byte), nil }
func (raw) Unmarshal(b []byte, v any) error { *v.(*[]byte) = append([]byte(nil), b...); return nil }

func dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(64<<20)))
}

func publish(ctx context.Context, conn *grpc.ClientConn, message []byte) (answer []byte, err error) {
	return answer, conn.Invoke(ctx, ledgerv1.LedgerService_Publish_FullMethodName, &message, &answer)
}

// publishBatch sends messages, which are the same bytes for a single call and in a batch, as one batch.
func publishBatch(ctx context.Context, conn *grpc.ClientConn, messages [][]byte) (answer []byte, err error) {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, ledgerv1.LedgerService_PublishBatch_FullMethodName)
	if err != nil {
		return nil, err
	}
	for i := range messages {
		if err := stream.SendMsg(&messages[i]); errors.Is(err, io.EOF) {
			break // the node has answered already
		} else if err != nil {
			return nil, err
		}
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return answer, stream.RecvMsg(&answer)
}

// publisher is one of the load's, with a connection of its own.
type publisher struct {
	conn     *grpc.ClientConn
	messages [][]byte // its own, in order
	took     latencies
	ops      int
	kept     []kept
}

// kept is an answer to check after the clock has stopped.
type kept struct {
	message, answer []byte
}

// keepEvery says which answers are checked: a receipt costs more to verify than to publish.
const keepEvery = 64

// phaseLoad publishes what was signed, as so many publishers, until the window ends, or nothing is left. Each call is
// answered with a receipt under a signed checkpoint: durable, integrated and published.
func phaseLoad(ctx context.Context, j job) (r result, err error) {
	all, err := readMessages(j.Signed)
	if err != nil {
		return r, err
	}
	if err := prologue(ctx, j, &all); err != nil {
		return r, err
	}
	ps := make([]*publisher, j.Writers)
	for i := range ps {
		ps[i] = &publisher{}
		if ps[i].conn, err = dial(j.GRPC); err != nil {
			return r, err
		}
		defer ps[i].conn.Close()
		ps[i].conn.Connect()
	}
	for i, m := range all {
		p := ps[i%len(ps)]
		p.messages = append(p.messages, m)
	}
	start := time.Now()
	errs := make([]error, len(ps))
	var wg sync.WaitGroup
	for i, p := range ps {
		wg.Go(func() { errs[i] = p.run(ctx, j.Batch, start.Add(j.Window)) })
	}
	wg.Wait()
	r.Seconds = time.Since(start).Seconds()
	if err := errors.Join(errs...); err != nil {
		return r, err
	}
	var took latencies
	for _, p := range ps {
		took = append(took, p.took...)
		r.Ops += p.ops
		if err := p.check(j); err != nil {
			return r, err
		}
	}
	r.P50, r.P99, r.Max = took.quantile(0.5), took.quantile(0.99), took.quantile(1)
	return r, nil
}

// prologue publishes what all others name, in a batch, and takes it off the list.
func prologue(ctx context.Context, j job, all *[][]byte) error {
	conn, err := dial(j.GRPC)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := publishBatch(ctx, conn, (*all)[:j.Limit]); err != nil {
		return fmt.Errorf("publishing what the others name: %w", err)
	}
	*all = (*all)[j.Limit:]
	return nil
}

func (p *publisher) run(ctx context.Context, batch int, until time.Time) error {
	for len(p.messages) >= max(1, batch) && time.Now().Before(until) {
		began := time.Now()
		var answer []byte
		var err error
		n := max(1, batch)
		if batch == 0 {
			answer, err = publish(ctx, p.conn, p.messages[0])
		} else {
			answer, err = publishBatch(ctx, p.conn, p.messages[:n])
		}
		if err != nil {
			return err
		}
		p.took.add(time.Since(began))
		if batch == 0 && p.ops%keepEvery == 0 {
			p.kept = append(p.kept, kept{p.messages[0], answer})
		}
		p.ops += n
		p.messages = p.messages[n:]
	}
	return nil
}

// check verifies the receipts that were kept, as their readers would.
func (p *publisher) check(j job) error {
	if len(p.kept) == 0 {
		return nil
	}
	text, err := os.ReadFile(j.Trust)
	if err != nil {
		return err
	}
	trust, err := receipt.ParseTrust(text)
	if err != nil {
		return err
	}
	for _, k := range p.kept {
		var req ledgerv1.PublishRequest
		var resp ledgerv1.PublishResponse
		if err := errors.Join(proto.Unmarshal(k.message, &req), proto.Unmarshal(k.answer, &resp)); err != nil {
			return err
		}
		if resp.GetRepeat() {
			return errors.New("a new declaration was answered as a repeat")
		}
		path := make([]proof.Hash, len(resp.GetReceipt().GetInclusionPath()))
		for i, h := range resp.GetReceipt().GetInclusionPath() {
			path[i] = proof.Hash(h)
		}
		sub, r := req.GetSubmission(), resp.GetReceipt()
		rc := receipt.New(sub.GetEnvelope(), sub.GetBody(), r.GetIndex(), path, r.GetCheckpoint())
		if _, err := receipt.Verify(rc, trust); err != nil {
			return fmt.Errorf("checking a receipt: %w", err)
		}
	}
	return nil
}

// phaseOverload sends all that was signed at once, in batches of j.Batch, each over its own connection: far more than the
// queue holds. Each is tried once. r.Errors counts receipts that came late.
func phaseOverload(ctx context.Context, j job) (r result, err error) {
	all, err := readMessages(j.Signed)
	if err != nil {
		return r, err
	}
	if err := prologue(ctx, j, &all); err != nil {
		return r, err
	}
	var b burst
	for ; len(all) >= j.Batch; all = all[j.Batch:] {
		conn, err := dial(j.GRPC)
		if err != nil {
			return r, err
		}
		defer conn.Close()
		conn.Connect()
		messages := all[:j.Batch]
		b.add(j.Batch, func() error {
			_, err := publishBatch(ctx, conn, messages)
			return err
		}, func(err error) bool { return status.Code(err) == codes.ResourceExhausted })
	}
	return b.run()
}
