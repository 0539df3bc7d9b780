package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// leafSize is the size of every leaf, in bytes.
const leafSize = 1024

// Batched appends: so many callers at once give so many leaves a call.
const (
	batchCallers = 4
	batchLeaves  = 1024
)

// store is a log of one subject, open in this process.
type store interface {
	// Append returns when the leaves are durable and in the tree.
	Append(ctx context.Context, leaves [][]byte) error
	// Prover returns a function that makes the inclusion proof of an index in the tree as it is, for one goroutine.
	Prover(ctx context.Context) (func(index uint64) error, error)
	// Size is the size of the durable tree.
	Size(ctx context.Context) (uint64, error)
	Close() error
}

// compacter is a store that has something to tidy up.
type compacter interface {
	Compact(ctx context.Context) error
}

// openers open each subject that is a log in this process.
var openers = map[string]func(ctx context.Context, dir string, t tuning, batched bool) (store, error){
	subjectTessera:   openTessera(false, false),
	subjectPublished: openTessera(false, true),
	subjectAntispam:  openTessera(true, false),
	subjectFixed:     openTessera(true, false),
	subjectEngine:    openEngine,
	subjectTrillian:  openTrillian,
}

func open(ctx context.Context, j job, batched bool) (store, error) {
	f, ok := openers[j.Subject]
	if !ok {
		return nil, fmt.Errorf("no log %q", j.Subject)
	}
	return f(ctx, filepath.Join(j.Dir, "log"), j.Tuning, batched)
}

// source makes leaves that are all different.
type source struct {
	random *rand.ChaCha8
	next   uint64
}

func newSource(worker int) *source {
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(time.Now().UnixNano()))
	binary.LittleEndian.PutUint64(seed[8:], uint64(worker))
	return &source{random: rand.NewChaCha8(seed), next: uint64(worker) << 40}
}

func (s *source) leaves(n int) [][]byte {
	block := make([]byte, n*leafSize)
	_, _ = s.random.Read(block) // it never fails
	out := make([][]byte, n)
	for i := range out {
		out[i] = block[i*leafSize : (i+1)*leafSize : (i+1)*leafSize]
		binary.BigEndian.PutUint64(out[i], s.next) // else only very likely different
		s.next++
	}
	return out
}

// phaseAppend measures appends of one leaf a call.
func phaseAppend(ctx context.Context, j job) (result, error) {
	return appending(ctx, j, j.Writers, 1, 0)
}

// phaseBatch measures appends of many leaves a call.
func phaseBatch(ctx context.Context, j job) (result, error) {
	return appending(ctx, j, batchCallers, batchLeaves, 0)
}

// phaseBuild makes a log of j.Leaves leaves in batches, and leaves it there.
func phaseBuild(ctx context.Context, j job) (result, error) {
	return appending(ctx, j, batchCallers, batchLeaves, j.Leaves)
}

// appending appends until the window ends, or until there are total leaves.
func appending(ctx context.Context, j job, callers, perCall, total int) (r result, err error) {
	s, err := open(ctx, j, perCall > 1)
	if err != nil {
		return r, err
	}
	before, err := usageNow(j.Dir)
	if err != nil {
		return r, errors.Join(err, s.Close())
	}
	took, ops, err := drive(ctx, s, callers, perCall, total, j.Window)
	if err != nil {
		return r, errors.Join(err, s.Close())
	}
	after, err := usageNow(j.Dir)
	if err != nil {
		return r, errors.Join(err, s.Close())
	}
	size, err := s.Size(ctx)
	if err == nil && size < uint64(ops) {
		err = fmt.Errorf("%d leaves were answered and the tree has %d", ops, size)
	}
	if err != nil {
		return r, errors.Join(err, s.Close())
	}
	r = result{Ops: ops, Seconds: after.Seconds - before.Seconds, P50: took.quantile(0.5), P99: took.quantile(0.99), Max: took.quantile(1)}
	if total > 0 {
		return r, settle(ctx, j, s, before, &r)
	}
	r.Usage = after.since(before)
	return r, s.Close()
}

// settle closes a log that was built and measures what it left: bytes written, with what is written at closing, and
// bytes on disk after a full compaction.
func settle(ctx context.Context, j job, s store, before usage, r *result) error {
	_, compacts := s.(compacter)
	if err := s.Close(); err != nil {
		return err
	}
	closed, err := usageNow(j.Dir)
	if err != nil {
		return err
	}
	r.Usage = closed.since(before)
	if compacts {
		if s, err = open(ctx, j, true); err != nil {
			return err
		}
		if err = errors.Join(s.(compacter).Compact(ctx), s.Close()); err != nil {
			return err
		}
	}
	compacted, err := usageNow(j.Dir)
	if err != nil {
		return err
	}
	r.Compacted = compacted.since(before)
	r.Disk, err = diskBytes(filepath.Join(j.Dir, "log"))
	return err
}

// drive runs callers against s. A call begun before the window's end is waited for and counted, as is its time.
func drive(ctx context.Context, s store, callers, perCall, total int, window time.Duration) (latencies, int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex // guards all and ops
	var all latencies
	ops := 0
	var claimed atomic.Int64
	start := time.Now()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			from := newSource(c)
			var took latencies
			mine := 0
			for ctx.Err() == nil {
				n := perCall
				if total > 0 {
					n = min(n, total-int(claimed.Add(int64(n)))+n)
				} else if time.Since(start) >= window {
					break
				}
				if n <= 0 {
					break
				}
				leaves := from.leaves(n)
				began := time.Now()
				if err := s.Append(ctx, leaves); err != nil {
					cancel(err)
					break
				}
				took.add(time.Since(began))
				mine += n
			}
			mu.Lock()
			all, ops = append(all, took...), ops+mine
			mu.Unlock()
		})
	}
	wg.Wait()
	return all, ops, context.Cause(ctx)
}

// phaseStart measures how long a large log takes from opening to its first proof, with nothing of it in the page cache.
func phaseStart(ctx context.Context, j job) (r result, err error) {
	if err := forget(j.Dir); err != nil {
		return r, err
	}
	began := time.Now()
	s, err := open(ctx, j, true)
	if err != nil {
		return r, err
	}
	prove, err := s.Prover(ctx)
	if err == nil {
		err = prove(uint64(j.Leaves) - 1)
	}
	r.Seconds, r.Ops = time.Since(began).Seconds(), 1
	return r, errors.Join(err, s.Close())
}

// phaseProofs measures inclusion proofs of random leaves: first one goroutine for the times, then all cores for the
// rate.
func phaseProofs(ctx context.Context, j job) (r result, err error) {
	s, err := open(ctx, j, true)
	if err != nil {
		return r, err
	}
	took, _, err := prove(ctx, s, j, 1)
	if err != nil {
		return r, errors.Join(err, s.Close())
	}
	all, used, err := prove(ctx, s, j, runtime.GOMAXPROCS(0))
	r = result{Ops: len(all), Seconds: used.Seconds, Usage: used,
		P50: took.quantile(0.5), P99: took.quantile(0.99), Max: took.quantile(1)}
	return r, errors.Join(err, s.Close())
}

// prove makes proofs in so many goroutines until the window ends. Before that each of them asks for one leaf below each
// tile, so that what is measured is a log that has been read before: starting cold is measured by itself.
func prove(ctx context.Context, s store, j job, workers int) (all latencies, used usage, err error) {
	provers := make([]func(uint64) error, workers)
	for w := range provers {
		if provers[w], err = s.Prover(ctx); err != nil {
			return nil, used, err
		}
		for index := uint64(0); index < uint64(j.Leaves); index += 256 {
			if err := provers[w](index); err != nil {
				return nil, used, fmt.Errorf("proving %d: %w", index, err)
			}
		}
	}
	before, err := usageNow(j.Dir)
	if err != nil {
		return nil, used, err
	}
	took, errs := make([]latencies, workers), make([]error, workers)
	start := time.Now()
	var wg sync.WaitGroup
	for w, one := range provers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(uint64(w), 1))
			for time.Since(start) < j.Window && errs[w] == nil {
				index := random.Uint64N(uint64(j.Leaves))
				began := time.Now()
				errs[w] = one(index)
				took[w].add(time.Since(began))
			}
		})
	}
	wg.Wait()
	after, err := usageNow(j.Dir)
	return slices.Concat(took...), after.since(before), errors.Join(append(errs, err)...)
}

// phaseBurst offers a log j.Leaves leaves at once, j.Batch in each call, and counts what is refused and how long the
// longest answer takes. r.Errors counts what was answered late.
func phaseBurst(ctx context.Context, j job) (r result, err error) {
	s, err := open(ctx, j, false)
	if err != nil {
		return r, err
	}
	from := newSource(0)
	var b burst
	for range j.Leaves / j.Batch {
		leaves := from.leaves(j.Batch)
		b.add(j.Batch, func() error { return s.Append(ctx, leaves) }, overloaded)
	}
	r, err = b.run()
	return r, errors.Join(err, s.Close())
}
