package priority

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// share is what readers leave: after an answer that took some time, the next begins that many times later while
	// something is being published.
	share = 9

	// maxPause bounds that wait, so that one long answer does not close the gate for readers.
	maxPause = 50 * time.Millisecond

	// maxWaiting and maxWait bound how many readers wait and for how long.
	maxWaiting = 1024
	maxWait    = 2 * time.Second
)

// RetryAfter is how long a reader that got ErrBusy should stay away.
const RetryAfter = time.Second

// ErrBusy refuses a reader because too many wait, or because it waited for too long.
var ErrBusy = errors.New("the node is busy taking declarations: ask again in a second")

// Gate lets readers through. The zero value is not usable. Its methods may be called from several goroutines.
type Gate struct {
	publishing atomic.Int64
	waiting    atomic.Int64
	slots      chan struct{} // a token for each reader that may compute

	mu   sync.Mutex // guards next
	next time.Time  // while something is being published no reader begins earlier
}

// New returns a gate for the processors of this machine.
func New() *Gate { return &Gate{slots: make(chan struct{}, runtime.GOMAXPROCS(0))} }

// Publishing says that something is being published until done is called.
func (g *Gate) Publishing() (done func()) {
	g.publishing.Add(1)
	return func() { g.publishing.Add(-1) }
}

// Read waits for a reader's turn. After nil, release must be called as soon as the answer is computed; calling it again
// does nothing. The error is ErrBusy or that of ctx.
func (g *Gate) Read(ctx context.Context) (release func(), err error) {
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > maxWaiting {
		return nil, ErrBusy
	}
	timer := time.NewTimer(maxWait)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
	case <-timer.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := g.pause(ctx); err != nil {
		<-g.slots
		return nil, err
	}
	start := time.Now()
	return sync.OnceFunc(func() {
		g.took(time.Since(start))
		<-g.slots
	}), nil
}

// pause waits until readers may go on, if something is being published.
func (g *Gate) pause(ctx context.Context) error {
	for g.publishing.Load() > 0 {
		g.mu.Lock()
		left := time.Until(g.next)
		g.mu.Unlock()
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
	return nil
}

// took counts what an answer cost, if it took that from a publisher.
func (g *Gate) took(d time.Duration) {
	if g.publishing.Load() == 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); g.next.Before(now) {
		g.next = now
	}
	g.next = g.next.Add(min(share*d, maxPause))
}
