package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/proof"
)

// Limits bound what a mirror takes for others (threat T-45). 0 is no bound.
type Limits struct {
	// DailyBytes is how much the copy of one log may grow in a day (UTC); one entry a day is always taken.
	DailyBytes int64
	// DiskBytes is how much all copies may take on the disk.
	DiskBytes int64
	// BytesPerSecond is how much is fetched, of all logs together, on average.
	BytesPerSecond int64
}

// LimitError says that a copy is not brought up to a head because of this node's own limits. The log is not at fault.
type LimitError struct {
	Reason string
	Until  time.Time // when it may go on by itself; zero if a human must look
}

// Error implements error.
func (e *LimitError) Error() string { return e.Reason }

// bounds keeps what is known of the limits.
type bounds struct {
	limits Limits
	now    func() time.Time
	logger *slog.Logger
	rate   *rate.Limiter // nil: none

	mu        sync.Mutex        // guards the following
	exhausted map[string]uint64 // origin to the day on which no more fits
	said      map[string]string // origin to why it was stopped, as it was logged
}

func newBounds(l Limits, now func() time.Time, logger *slog.Logger) *bounds {
	b := &bounds{limits: l, now: now, logger: logger, exhausted: map[string]uint64{}, said: map[string]string{}}
	if l.BytesPerSecond > 0 {
		b.rate = rate.NewLimiter(rate.Limit(l.BytesPerSecond), int(min(l.BytesPerSecond, math.MaxInt32)))
	}
	return b
}

const daySeconds = 24 * 60 * 60

// day is the number of the day since 1970.
func (b *bounds) day() uint64 { return uint64(max(b.now().Unix(), 0)) / daySeconds }

// left is how many bytes the copy of a log may still grow today, and whether it has grown at all; its error is a *LimitError,
// or of the storage.
func (b *bounds) left(log *mirrorstore.Log, origin string) (bytes int64, fresh bool, err error) {
	if used := log.DiskUsed(); b.limits.DiskBytes > 0 && used >= uint64(b.limits.DiskBytes) {
		return 0, false, &LimitError{Reason: fmt.Sprintf("the copies on this node take %d bytes on its disk, of %d that they may (mirror.max_disk_bytes)", used, b.limits.DiskBytes)}
	}
	if b.limits.DailyBytes <= 0 {
		return math.MaxInt64, true, nil
	}
	day := b.day()
	grown, err := log.Grown(day)
	if err != nil {
		return 0, false, err
	}
	b.mu.Lock()
	full := b.exhausted[origin] == day
	b.mu.Unlock()
	if bytes = b.limits.DailyBytes - int64(grown); full || bytes <= 0 { //nolint:gosec // bytes on a disk
		return 0, false, b.dayIsOver(day)
	}
	return bytes, grown == 0, nil
}

func (b *bounds) dayIsOver(day uint64) *LimitError {
	until := time.Unix(int64(day+1)*daySeconds, 0).UTC() //nolint:gosec // a day
	return &LimitError{Until: until, Reason: fmt.Sprintf("this log has used up the %d bytes by which its copy here may grow in a day (mirror.daily_bytes_per_log): it goes on at %s",
		b.limits.DailyBytes, until.Format(time.RFC3339))}
}

// exhaust notes that what comes next does not fit into today.
func (b *bounds) exhaust(origin string) error {
	day := b.day()
	b.mu.Lock()
	b.exhausted[origin] = day
	b.mu.Unlock()
	return b.dayIsOver(day)
}

// say logs once that a log is stopped by a limit, and once that it goes on.
func (b *bounds) say(origin string, err error) {
	why := ""
	var limit *LimitError
	if errors.As(err, &limit) {
		why = limit.Reason
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.said[origin]
	switch {
	case old == why || why == "" && err != nil: // it fails for another reason: nothing is known to have changed
		return
	case why != "":
		b.said[origin] = why
		b.logger.Warn("a log is neither mirrored further nor cosigned as a mirror", slog.String("log", origin), slog.String("reason", why))
	default:
		delete(b.said, origin)
		b.logger.Info("a log is mirrored further", slog.String("log", origin))
	}
}

// stopped is how many logs are stopped by a limit now.
func (b *bounds) stopped() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.said)
}

// Stopped says why the copy of a log is not brought further by this node's own limits; empty while it is.
func (m *Mirror) Stopped(origin string) string {
	m.bounds.mu.Lock()
	defer m.bounds.mu.Unlock()
	return m.bounds.said[origin]
}

// throttle makes sources wait for the limit of bytes per second.
func (b *bounds) throttle(sources []Source) []Source {
	if b.rate == nil {
		return sources
	}
	out := make([]Source, len(sources))
	for i, s := range sources {
		out[i] = throttled{s, b.rate}
	}
	return out
}

// throttled waits before it asks until what came before is paid for. So a slow limit makes no single answer late.
type throttled struct {
	Source
	rate *rate.Limiter
}

// paid waits, asks, and charges what came.
func paid[T any](ctx context.Context, t throttled, get func() (T, error), size func(T) int) (T, error) {
	if err := t.rate.WaitN(ctx, 1); err != nil {
		var none T
		return none, err
	}
	v, err := get()
	for n := size(v); n > 0; n -= t.rate.Burst() {
		t.rate.ReserveN(time.Now(), min(n, t.rate.Burst()))
	}
	return v, err
}

func sizes(all [][]byte) (n int) {
	for _, b := range all {
		n += len(b)
	}
	return n
}

func (t throttled) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	return paid(ctx, t, func() ([]proof.Hash, error) { return t.Source.Tile(ctx, level, index, width) }, func(h []proof.Hash) int { return len(h) * sha256.Size })
}

func (t throttled) Bundle(ctx context.Context, index uint64, width int) ([][]byte, error) {
	return paid(ctx, t, func() ([][]byte, error) { return t.Source.Bundle(ctx, index, width) }, sizes)
}

func (t throttled) File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return paid(ctx, t, func() ([]byte, error) { return t.Source.File(ctx, sum) }, func(b []byte) int { return len(b) })
}

func (t throttled) Files(ctx context.Context, index uint64, width int) ([][]byte, error) {
	return paid(ctx, t, func() ([][]byte, error) { return t.Source.Files(ctx, index, width) }, sizes)
}

func (t throttled) Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return paid(ctx, t, func() ([]byte, error) { return t.Source.Attachment(ctx, sum) }, func(b []byte) int { return len(b) })
}

// Checkpoint implements Checkpointer where the source does.
func (t throttled) Checkpoint(ctx context.Context) ([]byte, error) {
	shows, ok := t.Source.(Checkpointer)
	if !ok {
		return nil, fmt.Errorf("%s shows no head", t.Source)
	}
	return shows.Checkpoint(ctx)
}
