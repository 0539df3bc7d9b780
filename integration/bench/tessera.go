package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	badger "github.com/transparency-dev/tessera/storage/posix/antispam"
	"golang.org/x/mod/sumdb/note"
)

// tesseraLog is Tessera's POSIX driver, called in process.
//
// Its documentation says of this driver that a future that resolves means sequenced and integrated, durably: that is
// what we wait for. A published log also waits until a signed checkpoint covers the entry, which Tessera publishes at
// most every 100 ms; the engine signs nothing, so that is set beside the whole node only.
type tesseraLog struct {
	add     tessera.AddFn
	reader  tessera.LogReader
	cancel  context.CancelFunc
	awaiter *tessera.PublicationAwaiter // nil: integrated is enough
}

// Settings that are the same for every load. The checkpoint interval of a log that nobody waits for is Tessera's default,
// so that publishing costs it next to nothing; that of a published log is the shortest it allows.
const (
	publishInterval = 100 * time.Millisecond
	publishPoll     = 5 * time.Millisecond

	// The antispam follower reads entries back into Badger. Larger transactions than the default 1,500 serve it well on a
	// local disk, and with the default threshold of 2,048 it would push back every second: as many as its memory cache
	// holds may be behind, since those are refused from memory.
	antispamBatch    = 8192
	antispamPushback = tessera.DefaultAntispamInMemorySize
	pushbackPause    = 2 * time.Millisecond
)

func openTessera(antispam, published bool) func(context.Context, string, tuning, bool) (store, error) {
	return func(ctx context.Context, dir string, t tuning, _ bool) (_ store, err error) {
		signer, err := tesseraKey(dir)
		if err != nil {
			return nil, err
		}
		if t.BatchSize == 0 { // only read
			t = tuning{BatchSize: tessera.DefaultBatchMaxSize, BatchAge: tessera.DefaultBatchMaxAge}
		}
		opts := tessera.NewAppendOptions().WithCheckpointSigner(signer).WithBatching(uint(t.BatchSize), t.BatchAge)
		if published {
			opts.WithCheckpointInterval(publishInterval)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer func() {
			if err != nil {
				cancel()
			}
		}()
		driver, err := posix.New(ctx, posix.Config{Path: dir})
		if err != nil {
			return nil, err
		}
		if antispam {
			as, err := badger.NewAntispam(ctx, filepath.Join(dir, ".state", "antispam"),
				badger.AntispamOpts{MaxBatchSize: antispamBatch, PushbackThreshold: antispamPushback})
			if err != nil {
				return nil, err
			}
			opts.WithAntispam(tessera.DefaultAntispamInMemorySize, as)
		}
		appender, _, reader, err := tessera.NewAppender(ctx, driver, opts)
		if err != nil {
			return nil, err
		}
		l := &tesseraLog{add: appender.Add, reader: reader, cancel: cancel}
		if published {
			l.awaiter = tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, publishPoll)
		}
		return l, nil
	}
}

// tesseraKey keeps the log's signing key beside it, for when it is opened again.
func tesseraKey(dir string) (note.Signer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	name := dir + ".key"
	raw, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		key, _, err := note.GenerateKey(rand.Reader, "bench.example/log")
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(name, []byte(key), 0o600); err != nil {
			return nil, err
		}
		raw = []byte(key)
	} else if err != nil {
		return nil, err
	}
	return note.NewSigner(string(raw))
}

// Append adds the leaves and waits for all. Where the antispam follower is behind, it is asked again a little later.
func (l *tesseraLog) Append(ctx context.Context, leaves [][]byte) error {
	futures := make([]tessera.IndexFuture, len(leaves))
	for i, leaf := range leaves {
		futures[i] = l.add(ctx, tessera.NewEntry(leaf))
	}
	for i, future := range futures {
		index, err := l.wait(ctx, future)
		for errors.Is(err, tessera.ErrPushback) {
			time.Sleep(pushbackPause)
			index, err = l.wait(ctx, l.add(ctx, tessera.NewEntry(leaves[i])))
		}
		if err != nil {
			return err
		}
		if index.IsDup {
			return errors.New("a new leaf was answered as a repeat")
		}
	}
	return nil
}

func (l *tesseraLog) wait(ctx context.Context, future tessera.IndexFuture) (tessera.Index, error) {
	if l.awaiter == nil {
		return future()
	}
	index, _, err := l.awaiter.Await(ctx, future)
	return index, err
}

// Prover keeps one ProofBuilder, whose cache of tiles grows with use: the fastest way that Tessera offers.
func (l *tesseraLog) Prover(ctx context.Context) (func(uint64) error, error) {
	size, err := l.Size(ctx)
	if err != nil {
		return nil, err
	}
	b, err := client.NewProofBuilder(ctx, size, l.reader.ReadTile)
	if err != nil {
		return nil, err
	}
	return func(index uint64) error {
		_, err := b.InclusionProof(ctx, index)
		return err
	}, nil
}

func (l *tesseraLog) Size(ctx context.Context) (uint64, error) { return l.reader.IntegratedSize(ctx) }

// Close ends the log without waiting for its checkpoint or its followers: neither is part of what was measured.
func (l *tesseraLog) Close() error {
	l.cancel()
	return nil
}

// tuningsFor are the settings to try for a load, for the best of them to be used: full batches (all writers in one), and
// smaller ones that let one batch fill while another is written.
func tuningsFor(writers int) []tuning {
	var out []tuning
	for _, part := range []int{1, 2, 4} {
		if size := writers / part; size > 0 {
			out = append(out, tuning{size, 5 * time.Millisecond})
		}
	}
	if writers > 1 {
		out = append(out, tuning{writers, time.Millisecond}, tuning{writers, 50 * time.Millisecond})
	}
	return out
}

// tuningsForAll are the settings to try for a log that has to serve one writer as well as many.
func tuningsForAll() []tuning {
	return []tuning{
		{256, time.Millisecond}, {256, 5 * time.Millisecond}, {128, time.Millisecond}, {64, time.Millisecond},
		{16, time.Millisecond}, {16, 5 * time.Millisecond}, {1, time.Millisecond},
	}
}

func (t tuning) String() string { return fmt.Sprintf("%d/%v", t.BatchSize, t.BatchAge) }
