package pebbledb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

// ErrSnapshotOpen is returned by Purge while a snapshot or a copy may still hold what is to go: try again later.
var ErrSnapshotOpen = errors.New("a reader has a snapshot open")

// HoldPurges makes Purge refuse until release is called, for as long as a checkpoint of the database is on the same disk:
// its links would keep what was purged. It waits for a Purge that is running.
func (d *DB) HoldPurges() (release func()) {
	d.purgeMu.Lock()
	defer d.purgeMu.Unlock()
	d.purgeHolds++
	return sync.OnceFunc(func() {
		d.purgeMu.Lock()
		defer d.purgeMu.Unlock()
		d.purgeHolds--
	})
}

// Span is the key range from Start up to but without End.
type Span struct {
	Start, End []byte
}

// Purge takes everything that was deleted in the spans off the disk: it returns once no file of the database holds it. The deletions must have been committed before. Backups, and blocks that the file system has freed
// but not overwritten, are out of its reach.
//
// It flushes, compacts the spans, then removes the write-ahead logs up to now, also those kept for reuse.
func (d *DB) Purge(ctx context.Context, spans ...Span) error {
	if d.readOnly {
		return ErrReadOnly
	}
	d.purgeMu.Lock()
	defer d.purgeMu.Unlock()
	ctx, stop := d.untilHalt(ctx)
	defer stop()

	if d.purgeHolds > 0 || d.pebble.Metrics().Snapshots.Count > 0 {
		return fmt.Errorf("purging: %w", ErrSnapshotOpen)
	}
	lastWAL := d.startFreshWALs()
	defer d.endFreshWALs()
	flushed, err := d.pebble.AsyncFlush()
	if err != nil {
		return fmt.Errorf("purging: flushing: %w", err)
	}
	select {
	case <-flushed:
	case <-ctx.Done():
		return fmt.Errorf("purging: flushing: %w", context.Cause(ctx))
	}
	before, err := d.files(isTable)
	if err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	for _, s := range spans {
		if err := d.pebble.Compact(ctx, s.Start, s.End, false); err != nil {
			return fmt.Errorf("purging: compacting: %w", err)
		}
	}
	if err := d.removeWALs(lastWAL); err != nil {
		return fmt.Errorf("purging: %w", err)
	}
	if err := d.waitDeleted(ctx, before); err != nil {
		return err
	}
	return d.fence.err()
}

// untilHalt returns a context that also ends when the database halts; stop ends it and waits for its goroutine.
func (d *DB) untilHalt(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-d.fence.shut:
			cancel(d.fence.err())
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); <-done }
}

// startFreshWALs makes every log from now on a new file, and returns the number of the last one that may not be.
func (d *DB) startFreshWALs() uint64 {
	d.fence.walMu.Lock()
	defer d.fence.walMu.Unlock()
	d.fence.noReuse = true
	return d.fence.lastWAL
}

func (d *DB) endFreshWALs() {
	d.fence.walMu.Lock()
	defer d.fence.walMu.Unlock()
	d.fence.noReuse = false
}

// removeWALs removes the logs numbered up to last. They are obsolete once everything written to them is flushed; Pebble
// keeps some of them to write over later.
func (d *DB) removeWALs(last uint64) error {
	logs, err := d.files(isWAL)
	if err != nil {
		return err
	}
	for name := range logs {
		if fileNumber(name) > last {
			continue
		}
		err := d.fence.Remove(d.fence.root + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an old log: %w", err)
		}
	}
	return syncDir(d.fence, strings.TrimSuffix(d.fence.root, d.fence.root[len(d.fence.root)-1:]))
}

// waitDeleted waits until each of the tables is in use again or gone. One that stays is held by a reader.
func (d *DB) waitDeleted(ctx context.Context, tables map[string]bool) error {
	for {
		live, err := d.liveTables()
		if err != nil {
			return fmt.Errorf("purging: %w", err)
		}
		left, err := d.files(func(name string) bool { return tables[name] && !live[fileNumber(name)] })
		if err != nil {
			return fmt.Errorf("purging: %w", err)
		}
		if len(left) == 0 {
			return nil
		}
		select {
		case <-d.deleted:
		case <-ctx.Done():
			return fmt.Errorf("purging: %d old tables are still held by readers: %w", len(left), context.Cause(ctx))
		}
	}
}

func (d *DB) liveTables() (map[uint64]bool, error) {
	levels, err := d.pebble.SSTables()
	if err != nil {
		return nil, fmt.Errorf("listing live tables: %w", err)
	}
	live := make(map[uint64]bool)
	for _, level := range levels {
		for _, t := range level {
			live[uint64(t.BackingSSTNum)] = true
		}
	}
	return live, nil
}

func (d *DB) files(match func(name string) bool) (map[string]bool, error) {
	names, err := d.fs.List(strings.TrimSuffix(d.fence.root, d.fence.root[len(d.fence.root)-1:]))
	if err != nil {
		return nil, fmt.Errorf("listing files: %w", err)
	}
	found := make(map[string]bool)
	for _, name := range names {
		if match(name) {
			found[name] = true
		}
	}
	return found, nil
}

// Flush writes everything in memory to tables.
func (d *DB) Flush(ctx context.Context) error {
	if d.readOnly {
		return ErrReadOnly
	}
	flushed, err := d.pebble.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flushing: %w", err)
	}
	select {
	case <-flushed:
		return d.fence.err()
	case <-d.fence.shut:
		return d.fence.err()
	case <-ctx.Done():
		return fmt.Errorf("flushing: %w", ctx.Err())
	}
}
