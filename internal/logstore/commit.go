package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// write is the writer goroutine. It prepares a commit while the one before is being synced.
func (l *Log) write() {
	defer close(l.applied)
	for {
		select {
		case <-l.stop:
			l.queue.shut(ErrClosed)
			return
		case <-l.db.Halted():
			l.queue.shut(l.db.Err())
			return
		case <-l.queue.wake:
		}
		for !l.stopped() {
			l.gather()
			requests := l.queue.take()
			if len(requests) == 0 {
				break
			}
			l.commit(requests)
		}
	}
}

// gather gives way to the callers that are ready to run, for as long as the queue grows by that: those who were all
// answered at once come back one by one, and each commit costs a sync, whatever it holds. (16 callers: a third more.)
func (l *Log) gather() {
	for before, now := -1, 0; now != before; {
		before = now
		runtime.Gosched()
		now = l.queue.requests()
	}
}

func (l *Log) stopped() bool {
	select {
	case <-l.stop:
		return true
	case <-l.db.Halted():
		return true
	default:
		return false
	}
}

// commit applies what it can of the requests, and refuses the others. Those applied are answered by finish.
func (l *Log) commit(requests []*request) {
	c := &commit{
		log:        l,
		batch:      l.db.NewIndexedBatch(),
		waiting:    requests,
		identities: make(map[[32]byte]uint64, len(requests)),
	}
	defer func() {
		if r := recover(); r != nil { // a broken invariant of ours: the edge in memory cannot be trusted any more
			l.db.Halt(fmt.Errorf("writer panicked: %v\n%s", r, debug.Stack()))
			c.refuseAll(l.db.Err())
		}
	}()
	defer c.batch.Close()
	if err := c.assemble(); err != nil {
		l.db.Halt(err)
		c.refuseAll(l.db.Err())
		return
	}
	done := applied{waiting: c.waiting}
	if !c.batch.Empty() || len(c.leaves) > 0 {
		done.batch = l.db.NewBatch()
		h, err := c.grow(done.batch)
		if err != nil {
			l.db.Halt(err)
		} else if err = l.db.Apply(done.batch); err == nil {
			done.head = h
		}
		if err != nil {
			c.refuseAll(l.db.Err())
			_ = done.batch.Close()
			return
		}
	}
	l.applied <- done
}

// applied is a commit that may not be durable yet.
type applied struct {
	waiting []*request
	batch   *pebble.Batch // nil if there was nothing to write: only repeats, or nothing that passed
	head    *head         // after it; nil with batch
}

// finish publishes commits as they become durable, in their order, and answers their requests. Also those that wrote
// nothing wait for the ones before, in which the leaves that they repeat may be.
func (l *Log) finish() {
	defer close(l.done)
	for a := range l.applied {
		err := l.db.Err()
		if a.batch != nil {
			err = l.db.SyncWait(a.batch)
			_ = a.batch.Close()
		}
		if err == nil && a.head != nil {
			l.head.Store(a.head)
		}
		for _, r := range a.waiting {
			if err != nil {
				r.refuse(fmt.Errorf("appending: %w", err))
			} else {
				r.accept(l.head.Load())
			}
		}
	}
}

// commit is one batch in the making.
type commit struct {
	log     *Log
	batch   *pebble.Batch // what the callers staged; indexed, so that later groups see it
	waiting []*request    // those not answered yet

	next       uint64              // index of the next new leaf
	leaves     []newLeaf           // in the order of their indices
	identities map[[32]byte]uint64 // of the new leaves
}

// newLeaf is a leaf that gets an index.
type newLeaf struct {
	*Leaf
	hash  proof.Hash
	known bool // an earlier leaf has the same hash
}

func (c *commit) refuseAll(err error) {
	for _, r := range c.waiting {
		r.refuse(fmt.Errorf("appending: %w", err))
	}
	c.waiting = nil
}

// assemble fills the batch with every waiting group that passes its Check, and answers the others. Its own error is a
// failure of the storage.
func (c *commit) assemble() error {
	if err := lookUpAll(c.log.db.Reader(), c.waiting, !c.log.opts.PureIdentity); err != nil {
		return err
	}
	for {
		c.next = c.log.edge.Size()
		c.leaves = c.leaves[:0]
		clear(c.identities)
		again := false
		kept := c.waiting[:0:0]
		for _, r := range c.waiting {
			refused := c.add(r)
			var staging *stageError
			switch {
			case refused == nil:
				kept = append(kept, r)
			case errors.As(refused, &staging):
				// The batch holds part of the group now, and nothing can be taken out of a batch.
				again = true
				r.refuse(staging.err)
			default:
				r.refuse(refused)
			}
		}
		c.waiting = kept
		if !again {
			return nil
		}
		c.batch.Reset()
	}
}

// stageError is a failure of a group's Stage.
type stageError struct{ err error }

func (e *stageError) Error() string { return e.err.Error() }

// add puts one group into the batch, or says why not.
func (c *commit) add(r *request) error {
	first, index, fresh := c.next, r.result.Index, r.result.Fresh
	for i := range r.group.Leaves {
		identity := r.group.Leaves[i].Identity
		at, repeat := r.known[i].index, r.known[i].repeat
		if !repeat {
			at, repeat = c.identities[identity]
		}
		if !repeat {
			at = c.next
			c.identities[identity] = at
			c.next++
		}
		index[i], fresh[i] = at, !repeat
	}
	if err := c.call("checking a group", func() error {
		if r.group.Check == nil {
			return nil
		}
		return r.group.Check(c.batch, index, fresh)
	}); err != nil {
		for i := range fresh {
			if fresh[i] {
				delete(c.identities, r.group.Leaves[i].Identity)
			}
		}
		c.next = first
		return err
	}
	if err := c.call("staging a group", func() error {
		if r.group.Stage == nil {
			return nil
		}
		return r.group.Stage(c.batch, index, fresh)
	}); err != nil {
		return &stageError{err}
	}
	for i := range fresh {
		if fresh[i] {
			c.leaves = append(c.leaves, newLeaf{&r.group.Leaves[i], r.hashes[i], r.known[i].leafHash})
		}
	}
	return nil
}

// call runs a caller's function. A panic in it is that caller's error, not the end of the writer.
func (c *commit) call(what string, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.log.opts.Logger.Error("panic in the writer", slog.String("doing", what), slog.Any("err", r),
				slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("%s: panic: %v", what, r)
		}
	}()
	return f()
}

// grow writes the new entries, and adds to b what the callers staged, the indexes of the new leaves, the tiles that they
// make full and the new head, which it returns. It does not commit b.
func (c *commit) grow(b *pebble.Batch) (*head, error) {
	if err := b.Apply(c.batch, nil); err != nil {
		return nil, fmt.Errorf("collecting a commit: %w", err)
	}
	if len(c.leaves) == 0 {
		return c.log.tip, nil
	}
	entries := make([][]byte, 0, len(c.leaves))
	for i := range c.leaves {
		entries = append(entries, c.leaves[i].Entry)
	}
	view, err := c.log.entries.Append(b, entries)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.putIndexes(b), c.putTiles(b)); err != nil {
		return nil, err
	}
	h := newHead(c.log.edge, view)
	c.log.tip = h
	if h.size != c.next || view.Size() != c.next {
		panic(fmt.Sprintf("logstore: %d leaves and %d entries after index %d", h.size, view.Size(), c.next))
	}
	stored := storedHead{size: h.size, root: h.root, end: view.End()}
	if err := b.Set(headKey(), stored.format(), nil); err != nil {
		return nil, fmt.Errorf("storing the head: %w", err)
	}
	return h, nil
}

// putIndexes adds the identities and leaf hashes of the new leaves.
func (c *commit) putIndexes(b *pebble.Batch) error {
	index := c.next - uint64(len(c.leaves))
	hashes := make(map[proof.Hash]bool, len(c.leaves)) // of this commit
	var key [1 + len(proof.Hash{})]byte
	var value [8]byte
	for i := range c.leaves {
		leaf := &c.leaves[i]
		binary.BigEndian.PutUint64(value[:], index+uint64(i))
		key[0] = pebbledb.PrefixIdentity
		copy(key[1:], leaf.Identity[:])
		if err := b.Set(key[:], value[:], nil); err != nil {
			return fmt.Errorf("storing an identity: %w", err)
		}
		if leaf.known || hashes[leaf.hash] {
			continue
		}
		hashes[leaf.hash] = true
		key[0] = pebbledb.PrefixLeafHash
		copy(key[1:], leaf.hash[:])
		if err := b.Set(key[:], value[:], nil); err != nil {
			return fmt.Errorf("storing a leaf hash: %w", err)
		}
	}
	return nil
}

// putTiles appends the new leaves to the edge and adds the tiles that became full.
func (c *commit) putTiles(b *pebble.Batch) error {
	data := make([]byte, 0, tileSize)
	for i := range c.leaves {
		for _, full := range c.log.edge.Append(c.leaves[i].hash) {
			data = tile.AppendTile(data[:0], full.Hashes)
			if err := b.Set(pebbledb.TileKey(uint8(full.ID.Level), full.ID.Index), data, nil); err != nil {
				return fmt.Errorf("storing %v: %w", full.ID, err)
			}
		}
	}
	return nil
}
