package logstore

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// request is a group on its way through queue and writer.
type request struct {
	group  Group
	hashes []proof.Hash // leaf hashes, computed by the caller's goroutine: the writer is the bottleneck
	known  []known      // by leaf; the writer fills it in
	bytes  int
	queued time.Time

	state atomic.Int32 // one of the states below

	// The writer sets these, then closes done.
	result Result
	err    error
	done   chan struct{}
}

const (
	stateQueued    = iota
	stateTaken     // by the writer; it will be answered
	stateAbandoned // by its caller; the writer leaves it out
)

func newRequest(g Group) (*request, error) {
	n := len(g.Leaves)
	if n == 0 {
		return nil, fmt.Errorf("appending: %w: no leaves", ErrInvalidGroup)
	}
	r := &request{
		group:  g,
		hashes: make([]proof.Hash, n),
		known:  make([]known, n),
		bytes:  max(g.StageBytes, 0),
		done:   make(chan struct{}),
	}
	for i, leaf := range g.Leaves {
		if size := len(leaf.Entry); size == 0 || size > tile.MaxEntrySize {
			return nil, fmt.Errorf("appending: %w: leaf %d has %d bytes, want 1 to %d", ErrInvalidGroup, i, size, tile.MaxEntrySize)
		}
		r.hashes[i] = proof.LeafHash(leaf.Entry)
		r.bytes += len(leaf.Entry)
	}
	r.result.Index = make([]uint64, n)
	r.result.Fresh = make([]bool, n)
	return r, nil
}

// abandon takes the request out of the queue; it returns false if the writer has it already.
func (r *request) abandon() bool { return r.state.CompareAndSwap(stateQueued, stateAbandoned) }

func (r *request) refuse(err error) {
	r.result, r.err = Result{}, err
	close(r.done)
}

func (r *request) accept(h *head) {
	r.result.Size, r.result.Root = h.size, h.root
	close(r.done)
}

// queue holds requests in the order of arrival, within bounds.
type queue struct {
	opts *Options
	wake chan struct{} // holds a token when there is something to take

	mu     sync.Mutex // guards the fields below
	items  []*request
	leaves int
	bytes  int
	closed error // why nothing can be pushed any more
}

func newQueue(opts *Options) *queue {
	return &queue{opts: opts, wake: make(chan struct{}, 1)}
}

// push adds r, or refuses it at once.
func (q *queue) push(r *request) error {
	now := q.opts.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(r.group.Leaves)
	switch {
	case q.closed != nil:
		return fmt.Errorf("appending: %w", q.closed)
	case n > q.opts.MaxQueueLeaves || r.bytes > q.opts.MaxQueueBytes:
		return fmt.Errorf("appending: %w: %d leaves and %d bytes, at most %d and %d allowed", ErrInvalidGroup,
			n, r.bytes, q.opts.MaxQueueLeaves, q.opts.MaxQueueBytes)
	case q.leaves+n > q.opts.MaxQueueLeaves, q.bytes+r.bytes > q.opts.MaxQueueBytes,
		len(q.items) > 0 && now.Sub(q.items[0].queued) > q.opts.MaxQueueAge:
		return &OverloadError{RetryAfter: q.retryAfter(now)}
	}
	r.queued = now
	q.items = append(q.items, r)
	q.leaves += n
	q.bytes += r.bytes
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// retryAfter guesses that what is queued now takes as long again as its oldest part has waited.
func (q *queue) retryAfter(now time.Time) time.Duration {
	const least, most = 50 * time.Millisecond, 5 * time.Second
	if len(q.items) == 0 {
		return least
	}
	return min(max(2*now.Sub(q.items[0].queued), least), most).Round(time.Millisecond)
}

// take removes what fits into one commit, at least one request if there is any. Abandoned ones are dropped.
func (q *queue) take() (into []*request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	leaves, bytes, used := 0, 0, 0
	for _, r := range q.items {
		n := len(r.group.Leaves)
		if len(into) > 0 && (leaves+n > q.opts.MaxCommitLeaves || bytes+r.bytes > q.opts.MaxCommitBytes) {
			break
		}
		used++
		q.leaves -= n
		q.bytes -= r.bytes
		if r.state.CompareAndSwap(stateQueued, stateTaken) {
			into = append(into, r)
			leaves += n
			bytes += r.bytes
		}
	}
	rest := copy(q.items, q.items[used:])
	clear(q.items[rest:]) // else the array would keep entries alive
	q.items = q.items[:rest]
	return into
}

// shut refuses everything that is queued or will be pushed.
func (q *queue) shut(why error) {
	q.mu.Lock()
	if q.closed == nil {
		q.closed = why
	}
	items := q.items
	q.items, q.leaves, q.bytes = nil, 0, 0
	q.mu.Unlock()
	for _, r := range items {
		if r.state.CompareAndSwap(stateQueued, stateTaken) {
			r.refuse(fmt.Errorf("appending: %w", why))
		}
	}
}

// requests returns how many requests wait.
func (q *queue) requests() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.items)
}

func (q *queue) len() (leaves, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.leaves, q.bytes
}
