package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// write is the writer goroutine.
func (l *Log) write() {
	defer close(l.done)
	var requests []*request
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
		for {
			requests = l.queue.take(requests[:0])
			if len(requests) == 0 {
				break
			}
			l.commit(requests)
			clear(requests)
			if l.stopped() {
				break
			}
		}
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

// commit answers every request, exactly once.
func (l *Log) commit(requests []*request) {
	c := &commit{
		log:        l,
		batch:      l.db.NewIndexedBatch(),
		waiting:    requests,
		identities: make(map[[32]byte]uint64, len(requests)),
		leafHashes: make(map[proof.Hash]bool, len(requests)),
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
	if c.batch.Empty() { // only repeats, or nothing that passed
		c.acceptAll(l.head.Load())
		return
	}
	if err := c.grow(); err != nil {
		l.db.Halt(err)
		c.refuseAll(l.db.Err())
		return
	}
	if err := l.db.Commit(c.batch); err != nil {
		c.refuseAll(err)
		return
	}
	h := newHead(l.edge)
	l.head.Store(h)
	c.acceptAll(h)
}

// commit is one batch in the making.
type commit struct {
	log     *Log
	batch   *pebble.Batch
	waiting []*request // those not answered yet

	next       uint64              // index of the next new leaf
	hashes     []proof.Hash        // leaf hashes of the new leaves
	identities map[[32]byte]uint64 // of the new leaves
	leafHashes map[proof.Hash]bool // of the new leaves
	key        []byte              // scratch space
}

func (c *commit) refuseAll(err error) {
	for _, r := range c.waiting {
		r.refuse(fmt.Errorf("appending: %w", err))
	}
	c.waiting = nil
}

func (c *commit) acceptAll(h *head) {
	for _, r := range c.waiting {
		r.accept(h)
	}
	c.waiting = nil
}

// assemble fills the batch with every waiting group that passes its Check, and answers the others. Its own error is a
// failure of the storage.
func (c *commit) assemble() error {
	for {
		c.next = c.log.head.Load().size
		c.hashes = c.hashes[:0]
		clear(c.identities)
		clear(c.leafHashes)
		again := false
		kept := c.waiting[:0:0]
		for i, r := range c.waiting {
			refused, err := c.add(r)
			if err != nil {
				c.waiting = append(kept, c.waiting[i:]...)
				return err
			}
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

// add puts one group into the batch.
func (c *commit) add(r *request) (refused, failed error) {
	first, index, fresh := c.next, r.result.Index, r.result.Fresh
	for i := range r.group.Leaves {
		identity := r.group.Leaves[i].Identity
		at, repeat := c.identities[identity]
		if !repeat {
			var err error
			at, repeat, err = lookUp(c.log.db.Reader(), pebbledb.PrefixIdentity, identity)
			if err != nil {
				return nil, err
			}
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
		return err, nil
	}
	if err := c.call("staging a group", func() error {
		if r.group.Stage == nil {
			return nil
		}
		return r.group.Stage(c.batch, index, fresh)
	}); err != nil {
		return &stageError{err}, nil
	}
	for i := range fresh {
		if fresh[i] {
			if err := c.put(index[i], &r.group.Leaves[i], r.hashes[i]); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
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

// put adds one new leaf to the batch.
func (c *commit) put(index uint64, leaf *Leaf, hash proof.Hash) error {
	var value [8]byte
	binary.BigEndian.PutUint64(value[:], index)

	c.key = append(append(c.key[:0], pebbledb.PrefixEntry), value[:]...)
	if err := c.batch.Set(c.key, leaf.Entry, nil); err != nil {
		return fmt.Errorf("storing entry %d: %w", index, err)
	}
	c.key = append(append(c.key[:0], pebbledb.PrefixIdentity), leaf.Identity[:]...)
	if err := c.batch.Set(c.key, value[:], nil); err != nil {
		return fmt.Errorf("storing the identity of %d: %w", index, err)
	}
	c.hashes = append(c.hashes, hash)
	if c.leafHashes[hash] {
		return nil
	}
	c.leafHashes[hash] = true
	_, known, err := lookUp(c.log.db.Reader(), pebbledb.PrefixLeafHash, hash)
	if err != nil || known {
		return err
	}
	c.key = append(append(c.key[:0], pebbledb.PrefixLeafHash), hash[:]...)
	if err := c.batch.Set(c.key, value[:], nil); err != nil {
		return fmt.Errorf("storing the leaf hash of %d: %w", index, err)
	}
	return nil
}

// grow appends the new leaves to the edge and adds the tiles that became full and the new head to the batch.
func (c *commit) grow() error {
	if len(c.hashes) == 0 {
		return nil
	}
	edge := c.log.edge
	data := make([]byte, 0, tileSize)
	for _, h := range c.hashes {
		for _, full := range edge.Append(h) {
			data = tile.AppendTile(data[:0], full.Hashes)
			key := pebbledb.TileKey(uint8(full.ID.Level), full.ID.Index)
			if err := c.batch.Set(key, data, nil); err != nil {
				return fmt.Errorf("storing %v: %w", full.ID, err)
			}
		}
	}
	if edge.Size() != c.next {
		panic(fmt.Sprintf("logstore: %d leaves in the tree after index %d", edge.Size(), c.next))
	}
	root := edge.Root()
	value := append(binary.BigEndian.AppendUint64(nil, edge.Size()), root[:]...)
	if err := c.batch.Set(headKey(), value, nil); err != nil {
		return fmt.Errorf("storing the head: %w", err)
	}
	return nil
}
