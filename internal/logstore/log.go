package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

var (
	// ErrClosed is returned by Append once Close was called.
	ErrClosed = errors.New("the log is closed")

	// ErrInvalidGroup is wrapped by the errors for a group that could never be written: empty, an entry of 0 or of more
	// than 65,535 bytes, or larger than the whole queue.
	ErrInvalidGroup = errors.New("invalid group")

	// ErrOutOfRange is wrapped by the errors for an index, size or tile that the log does not have (yet).
	ErrOutOfRange = errors.New("beyond the end of the log")
)

// OverloadError refuses a group because too much is waiting already. Nothing of the group was or will be written.
type OverloadError struct {
	RetryAfter time.Duration // when there may be room
}

// Error implements error.
func (e *OverloadError) Error() string {
	return fmt.Sprintf("the log is overloaded: try again in %v", e.RetryAfter)
}

// Leaf is one entry to append. Its leaf hash is SHA-256(0x00 || Entry).
type Leaf struct {
	Entry    []byte   // 1 to 65,535 bytes
	Identity [32]byte // equal identities are one leaf: the first
}

// Group is a set of leaves that is written whole or not at all, in its order and without other leaves in between (apart
// from repeats, which keep their first index).
//
// Nothing that it refers to may change after it was given to Append, not even after an Append that ended early.
type Group struct {
	Leaves []Leaf

	// Check, if set, runs in the writer before anything of the group is written. Through r it sees everything durable
	// and every earlier group of the same commit. index[i] is the index that leaf i has or would get; fresh[i] says that
	// the leaf is new, and is false for a repeat, also of another leaf of this group. An error refuses this group alone
	// and is what Append returns. It must only read, must not change or keep its arguments, and may run more than once.
	Check func(r pebble.Reader, index []uint64, fresh []bool) error

	// Stage, if set, runs after Check and adds the group's own keys to the batch that holds its leaves. It must not
	// commit, apply or close w, nor change or keep the slices. It has no way to refuse: an error from it refuses the group, but
	// costs every group of the commit a second Check. It runs also when no leaf is fresh.
	Stage func(w pebble.Writer, index []uint64, fresh []bool) error

	// StageBytes is about how much Stage adds, for the limits of the queue and of one commit.
	StageBytes int
}

// Result says where the leaves of a group are.
type Result struct {
	Index []uint64 // by leaf of the group
	Fresh []bool   // by leaf: whether this call made it

	// Size and Root are of a durable tree that covers all of Index.
	Size uint64
	Root proof.Hash
}

// Options tune Open. The zero value is right for a node.
type Options struct {
	// MaxQueueLeaves and MaxQueueBytes bound what waits for the writer; more is refused with *OverloadError. Default
	// 16,384 leaves and 32 MiB. Larger values turn a burst into long waits and memory.
	MaxQueueLeaves int
	MaxQueueBytes  int

	// MaxQueueAge refuses new groups while the oldest one has been waiting for longer: a disk that slow will not get
	// faster by queueing more. Default 1 s.
	MaxQueueAge time.Duration

	// MaxCommitLeaves and MaxCommitBytes bound one commit; a larger group is committed alone. Default 4,096 leaves and
	// 4 MiB, well below half of Pebble's memtable, from where on it takes a slower path.
	MaxCommitLeaves int
	MaxCommitBytes  int

	// PureIdentity promises that equal entries are appended with equal identities. Then a new identity is a new leaf hash
	// too, which saves looking that up. A broken promise makes the index by leaf hash name a later leaf than the first.
	PureIdentity bool

	// TileCacheBytes bounds the memory for tiles that proofs and readers asked for; default 32 MiB.
	TileCacheBytes int

	// OnDamage, if set, is called by the goroutine of a reader that finds stored data damaged.
	OnDamage func(*DamagedError)

	// Now is the clock for MaxQueueAge; default time.Now.
	Now func() time.Time

	// Logger gets one record when a caller's function panicked. Default: none.
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.MaxQueueLeaves == 0 {
		o.MaxQueueLeaves = 16384
	}
	if o.MaxQueueBytes == 0 {
		o.MaxQueueBytes = 32 << 20
	}
	if o.MaxQueueAge == 0 {
		o.MaxQueueAge = time.Second
	}
	if o.MaxCommitLeaves == 0 {
		o.MaxCommitLeaves = 4096
	}
	if o.MaxCommitBytes == 0 {
		o.MaxCommitBytes = 4 << 20
	}
	if o.TileCacheBytes == 0 {
		o.TileCacheBytes = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Log is an open log. All methods may be called from several goroutines; Close must be the last.
type Log struct {
	db    *pebbledb.DB
	opts  Options
	queue *queue
	head  atomic.Pointer[head]
	tiles *tileCache

	// The writer's; ahead of head while commits are on their way to the disk.
	edge    *tile.Edge
	entries *entrystore.Writer
	tip     *head

	applied chan applied // from the writer to finish

	stopOnce sync.Once
	stop     chan struct{}
	done     chan struct{} // closed when writer and finish have ended
}

// head is the durable tree as readers see it. It is never changed: a commit publishes a new one.
type head struct {
	size    uint64
	root    proof.Hash
	partial [tile.Levels][]proof.Hash
	edges   [tile.Levels]edge // partial, expanded
	entries *entrystore.View
}

func newHead(e *tile.Edge, entries *entrystore.View) *head {
	h := &head{size: e.Size(), root: e.Root(), entries: entries}
	for l := range h.partial {
		h.partial[l] = e.Partial(l)
	}
	return h
}

// Open opens the log in db, which may be empty, and starts its writer, unless db is read-only. The right edge of the tree is
// rebuilt from entries and tiles, and its root compared with the stored one; a difference is a *DamagedError.
func Open(db *pebbledb.DB, opts Options) (*Log, error) {
	opts.setDefaults()
	edge, entries, err := rebuild(db)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	l := &Log{
		db:      db,
		opts:    opts,
		queue:   newQueue(&opts),
		tiles:   newTileCache(opts.TileCacheBytes),
		edge:    edge,
		entries: entrystore.NewWriter(entries),
		applied: make(chan applied),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if !db.ReadOnly() {
		if entries, err = l.entries.Restore(); err != nil {
			return nil, fmt.Errorf("opening the log: %w", err)
		}
	}
	l.tip = newHead(edge, entries)
	l.head.Store(l.tip)
	if db.ReadOnly() {
		l.queue.shut(pebbledb.ErrReadOnly)
		close(l.done)
		return l, nil
	}
	go l.write()
	go l.finish()
	return l, nil
}

// Close ends the writer after its current commit. Groups still queued get ErrClosed. It does not close the database.
func (l *Log) Close() {
	l.stopOnce.Do(func() {
		close(l.stop)
		<-l.done
		_ = l.entries.Close() // all that counts in it is synced
	})
}

// Head returns size and root of the durable tree. Everything below size can be read.
func (l *Log) Head() (size uint64, root proof.Hash) {
	h := l.head.Load()
	return h.size, h.root
}

// Halted returns a *pebbledb.HaltedError if the log refuses all writes until a restart, else nil.
func (l *Log) Halted() error { return l.db.Err() }

// Queued returns how many leaves and bytes wait for the writer.
func (l *Log) Queued() (leaves, bytes int) { return l.queue.len() }

// Append adds a group and returns once it is durable, together with a head that covers it. Its errors:
//
//   - what Check returned;
//   - *OverloadError at once, when too much is queued;
//   - ErrInvalidGroup, ErrClosed, pebbledb.ErrReadOnly: nothing was written;
//   - the error of ctx: if it ended while the group was queued, nothing is or will be written; if the writer had begun
//     with it, the error wraps ErrUndecided as well: the group may become durable;
//   - pebbledb.ErrHalted: the disk failed. The group may or may not be there after a restart. Either way asking again is
//     safe: a leaf that got in is found by its identity.
func (l *Log) Append(ctx context.Context, g Group) (Result, error) {
	r, err := newRequest(g)
	if err != nil {
		return Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return Result{}, fmt.Errorf("appending: %w", err)
	}
	if err := l.queue.push(r); err != nil {
		return Result{}, err
	}
	select {
	case <-r.done:
		return r.result, r.err
	case <-ctx.Done():
	}
	if r.abandon() {
		return Result{}, fmt.Errorf("appending: %w", ctx.Err())
	}
	select {
	case <-r.done: // it was decided before ctx ended
		return r.result, r.err
	default:
		return Result{}, fmt.Errorf("appending: %w: %w", ErrUndecided, ctx.Err())
	}
}

// ErrUndecided says that the caller stopped waiting while its group was being committed.
var ErrUndecided = errors.New("stopped waiting for a commit that had begun")
