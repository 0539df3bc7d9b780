package scrub

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// saveEvery is how often the place is kept while a cycle runs.
const saveEvery = time.Minute

// Options say what is scrubbed, and how fast. All fields are required but Visit and Mend.
type Options struct {
	DB      *pebbledb.DB
	Log     *logstore.Log
	Damages *Damages
	Logger  *slog.Logger

	// Visit is called with every good entry, and may return the key of something that should be there and is not, and why.
	Visit func(index uint64, entry []byte) (key []byte, err error)

	// Mend is asked to put right what is damaged, by its database key. Whether it did is looked at again.
	Mend func(ctx context.Context, key []byte) error

	// Period is how long one cycle takes; above 0.
	Period time.Duration

	// MaxRate is how many bytes are read in a second at most; above 0. It wins over Period.
	MaxRate int64
}

// Scrubber goes over one log again and again.
type Scrubber struct {
	Options
	checker *logstore.Checker

	saved    saved // Run's only
	lastSave time.Time
	weights  weights

	bytes, cycles, complete atomic.Uint64
}

// New reads how far the last process came; nothing is checked before Run.
func New(o Options) *Scrubber {
	s := &Scrubber{Options: o, checker: o.Log.Checker(o.Visit)}
	s.load()
	s.setComplete()
	return s
}

func (s *Scrubber) setComplete() {
	if !s.saved.Complete.IsZero() {
		s.complete.Store(uint64(s.saved.Complete.Unix())) //nolint:gosec // after 1970
	}
}

// State is what metrics show.
type State struct {
	Bytes    uint64 // read since the start
	Cycles   uint64 // whole ones since the start
	Complete uint64 // when the last whole one ended, in Unix seconds; 0: never
}

// State may be called at any time.
func (s *Scrubber) State() State {
	return State{s.bytes.Load(), s.cycles.Load(), s.complete.Load()}
}

// Run scrubs until ctx ends. Log and database must stay open until it returns.
func (s *Scrubber) Run(ctx context.Context) {
	s.lastSave = time.Now()
	s.recheck(ctx)
	resumed := s.saved.At.Stage != ""
	if resumed {
		s.weigh()
	} else {
		s.restart()
	}
	for s.cycle(ctx, resumed) {
		s.restart()
		resumed = false
	}
	s.save()
}

// restart begins a cycle.
func (s *Scrubber) restart() {
	s.saved.Began, s.saved.Size, s.saved.At, s.saved.Bytes = time.Now(), s.checker.Size(), position{Stage: stageEntries}, 0
	s.Damages.begin()
	s.weigh()
}

// cycle goes on to the end of a cycle and of its period; false when ctx ended. A resumed cycle did not look at everything in
// this process, so it clears nothing that it did not look at.
func (s *Scrubber) cycle(ctx context.Context, resumed bool) bool {
	for s.saved.At.Stage != stageDone {
		if ctx.Err() != nil {
			return false
		}
		began, before := time.Now(), s.remaining(s.saved.At)
		next, n := s.step(ctx, s.saved.At)
		if ctx.Err() != nil {
			return false // what it found may be because of that
		}
		s.saved.At = next
		s.saved.Bytes += uint64(n) //nolint:gosec // not negative
		s.bytes.Add(uint64(n))     //nolint:gosec // as above
		if next.Stage == stageDone {
			s.finish(resumed)
		}
		if now := time.Now(); now.Sub(s.lastSave) >= saveEvery || next.Stage == stageDone {
			s.save()
		}
		share := 0.0
		if before > 0 {
			share = min(1, max(0, (before-s.remaining(next))/before))
		}
		if !sleep(ctx, s.pause(began, n, share)) {
			return false
		}
	}
	return sleep(ctx, s.left(time.Now()))
}

// finish ends a cycle's work.
func (s *Scrubber) finish(resumed bool) {
	if !resumed {
		s.Damages.end()
	}
	took := time.Since(s.saved.Began)
	s.saved.Complete = time.Now()
	s.setComplete()
	s.cycles.Add(1)
	damaged, _ := s.Damages.Count()
	attrs := []any{slog.Uint64("size", s.saved.Size), slog.Uint64("bytes", s.saved.Bytes), slog.Duration("took", took.Round(time.Second)), slog.Int("damaged", damaged)}
	if took > s.Period+s.Period/10 {
		s.Logger.Warn("scrub took longer than scrub.period: raise scrub.max_bytes_per_second, or the period", attrs...)
		return
	}
	s.Logger.Info("scrub has read everything", attrs...)
}

// left is how much of the period is left; a clock that jumps makes it neither negative nor longer than the period.
func (s *Scrubber) left(now time.Time) time.Duration {
	return min(s.Period, max(0, s.saved.Began.Add(s.Period).Sub(now)))
}

// pause is how long to wait after a step that began at a time, read n bytes, and was a share of what remained: so long that
// the rest of the work takes the rest of the period but for a twentieth of it, in which the cycle can be late and still be in
// time; and no more than MaxRate bytes are read in a second.
func (s *Scrubber) pause(began time.Time, n int, share float64) time.Duration {
	even := time.Duration(share * float64(s.left(began)-s.Period/20))
	ceiling := time.Duration(float64(n) / float64(s.MaxRate) * float64(time.Second))
	return max(even, ceiling) - time.Since(began)
}

// sleep waits; false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
