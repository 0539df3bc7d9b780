package pebbledb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Memory: the block cache, in whose size Pebble counts the memtables, up to maxMemTables and one more, and the buffers of
// two compactions; under 150 MiB in all. The first memtables are small ones of which Pebble flushes several at once, so
// bytes are counted, not tables.
//
// What the memtables leave of the cache must hold the Bloom filters, 2.5 bytes a leaf: with a cache of 32 MiB each look-up
// read its filter from the disk, and a million leaves took 30 s instead of 9.
const (
	defaultMemTableSize = 16 << 20
	defaultCacheSize    = 96 << 20
	maxMemTables        = 4

	// tableSize is small at every level: the Bloom filter of a table is one block, and a look-up that misses the cache reads
	// the whole of it. Pebble's own 128 MiB at the lowest level make filters of 4 MiB.
	tableSize = 4 << 20

	// maxSublevels is the read amplification of level 0 at which Commit waits for compactions.
	maxSublevels = 24

	// neverStall replaces Pebble's own stall limits; see Commit.
	neverStall = 1 << 10
)

// ErrHalted is what errors.Is finds in every error of a database that has halted.
var ErrHalted = errors.New("storage has halted")

// ErrReadOnly is returned for a write to a database that was opened read-only.
var ErrReadOnly = errors.New("the database was opened read-only")

// ErrNoDatabase is wrapped by the error of Open where Options.MustExist finds no database.
var ErrNoDatabase = errors.New("there is no database")

// HaltedError says that a write failed earlier, and how. Nothing was written since and nothing will be until the operator
// has looked at the disk and restarted the process.
type HaltedError struct {
	Cause error
}

// Error implements error.
func (e *HaltedError) Error() string {
	if errors.Is(e.Cause, errDamagedFile) { // which says itself what helps
		return "storage has halted: " + e.Cause.Error()
	}
	return "storage has halted; check the disk, then restart the node: " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *HaltedError) Unwrap() error { return e.Cause }

// Is makes errors.Is(err, ErrHalted) true.
func (e *HaltedError) Is(target error) bool { return target == ErrHalted }

// Options tune Open. The zero value is right for a node.
type Options struct {
	// FS is the file system; default: the operating system's. Tests put crashes and failures here.
	FS vfs.FS

	// Logger gets one record at Error when the database halts, and Pebble's own messages at Debug. Default: none.
	Logger *slog.Logger

	// ReadOnly opens an existing database without changing a byte of it, also on a read-only medium.
	ReadOnly bool

	// MustExist refuses a directory in which there is no database yet, with an error that wraps ErrNoDatabase, for a caller
	// to whom an empty one would be a lost one.
	MustExist bool

	// Copies says that all of it can be had again elsewhere: a database in which a file turned out to be damaged is thrown away
	// when it is opened next, and an empty one takes its place. Default: it is opened as it is, or refused.
	Copies bool

	// MemTableSize is how many bytes are kept in memory before they go to a table; default 16 MiB. Tests make it small, so
	// that little data takes the same paths as much.
	MemTableSize int

	// CacheSize is how many bytes Pebble may hold, memtables counted in; default 96 MiB, which a log of a million leaves
	// needs. A store of a few thousand keys does with 8 MiB.
	CacheSize int
}

func (o *Options) setDefaults() {
	if o.MemTableSize == 0 {
		o.MemTableSize = defaultMemTableSize
	}
	if o.CacheSize == 0 {
		o.CacheSize = defaultCacheSize
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// DB is an open database. All methods may be called from several goroutines, except Close, which must be the last.
type DB struct {
	pebble   *pebble.DB
	fence    *fence
	lock     io.Closer
	fs       vfs.FS
	dir      string
	readOnly bool
	copies   bool
	memTable int // bytes
	cache    int // bytes

	// progress holds a token when a flush or compaction has ended since the last look.
	progress chan struct{}
	// deleted holds a token when a file has been deleted since the last look.
	deleted chan struct{}

	// roomMu guards sinceRoom, and lets one commit at a time wait for room.
	roomMu    sync.Mutex
	sinceRoom int

	// purgeMu lets one Purge run at a time, and guards purgeHolds.
	purgeMu    sync.Mutex
	purgeHolds int

	// wedged is set when Pebble panicked inside a commit: it may hold its locks for ever, so Close leaves it alone.
	wedgedMu sync.Mutex // guards wedged
	wedged   bool
}

// Open opens the data directory dir, and creates it unless opts.ReadOnly. The errors say what to do about a directory
// that is in use, of another format, damaged or not writable.
func Open(dir string, opts Options) (*DB, error) {
	opts.setDefaults()
	db, err := open(dir, opts)
	if err != nil && opts.Copies && pebble.IsCorruptionError(err) {
		if merr := markDamaged(opts.FS, dir); merr != nil {
			return nil, errors.Join(err, merr)
		}
		return open(dir, opts)
	}
	return db, err
}

func open(dir string, opts Options) (_ *DB, err error) {
	if opts.FS == vfs.Default {
		// The lock is on the path: two spellings of one directory must be one lock.
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, fmt.Errorf("opening the data directory: %w", err)
		}
	}
	if opts.MustExist {
		if _, err := opts.FS.Stat(opts.FS.PathJoin(dir, formatName)); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w: it has no %s file", dir, ErrNoDatabase, formatName)
		}
	}
	if !opts.ReadOnly {
		if err := makeDir(opts.FS, dir); err != nil {
			return nil, fmt.Errorf("creating the data directory %s: %w", dir, err)
		}
	}
	db := &DB{
		fs:       opts.FS,
		dir:      dir,
		readOnly: opts.ReadOnly,
		copies:   opts.Copies,
		memTable: opts.MemTableSize,
		cache:    opts.CacheSize,
		progress: make(chan struct{}, 1),
		deleted:  make(chan struct{}, 1),
	}
	log := opts.Logger
	db.fence = newFence(opts.FS, opts.FS.PathJoin(dir, pebbleName), opts.ReadOnly, func(cause error) {
		log.Error("storage halted", slog.Any("err", cause))
		if opts.Copies && errors.Is(cause, errDamagedFile) {
			if err := markDamaged(opts.FS, dir); err != nil {
				log.Error("the next start won't know that this database is damaged", slog.Any("err", err))
			}
		}
	})
	if db.lock, err = lock(db.fence, dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.lock.Close())
		}
	}()
	created, err := checkFormat(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	if !created {
		if opts.ReadOnly {
			return nil, fmt.Errorf("%s is not a data directory: it has no %s file", dir, formatName)
		}
		if err := makeDir(opts.FS, db.EntriesDir()); err != nil {
			return nil, fmt.Errorf("creating the data directory %s: %w", dir, err)
		}
		if err := writeFormat(opts.FS, dir); err != nil {
			return nil, err
		}
	}
	if opts.Copies && !opts.ReadOnly {
		if err := dropDamaged(opts.FS, dir, log); err != nil {
			return nil, err
		}
	}
	if err := db.openPebble(log, opts.MustExist); err != nil {
		return nil, err
	}
	return db, nil
}

func lock(fe *fence, dir string) (io.Closer, error) {
	l, err := fe.Lock(fe.PathJoin(dir, lockName))
	switch {
	case err == nil:
		return l, nil
	case isNotWritable(err):
		return nil, fmt.Errorf("the data directory %s is not writable: give the node's user the right to write there: %w", dir, err)
	default:
		return nil, fmt.Errorf("the data directory %s is in use: stop the other cityproof process (or choose another directory): %w", dir, err)
	}
}

// openPebble opens the database under the fence. A failed write during opening is an error of Open, not a halt.
func (d *DB) openPebble(log *slog.Logger, mustExist bool) (err error) {
	path := d.fs.PathJoin(d.dir, pebbleName)
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("opening the database %s: %v", path, r)
		}
	}()
	o := d.pebbleOptions(log)
	o.ErrorIfNotExists = d.readOnly || mustExist
	p, err := pebble.Open(path, o)
	close(d.fence.opened)
	if err != nil {
		close(d.fence.closing)
		if errors.Is(err, pebble.ErrDBDoesNotExist) {
			return fmt.Errorf("opening the database %s: %w", path, errors.Join(ErrNoDatabase, err))
		}
		if pebble.IsCorruptionError(err) {
			return fmt.Errorf("the database %s is damaged: restore it from a backup or from a mirror: %w", path, err)
		}
		return fmt.Errorf("opening the database %s: %w", path, err)
	}
	if halted := d.fence.err(); halted != nil {
		close(d.fence.closing)
		return fmt.Errorf("opening the database %s: %w", path, errors.Join(halted, p.Close()))
	}
	d.pebble = p
	return nil
}

func (d *DB) pebbleOptions(log *slog.Logger) *pebble.Options {
	listener := d.listener(log)
	o := &pebble.Options{
		FS:                          d.fence,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		ReadOnly:                    d.readOnly,
		CacheSize:                   int64(d.cache),
		MemTableSize:                uint64(d.memTable),
		MemTableStopWritesThreshold: neverStall,
		L0StopWritesThreshold:       neverStall,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      pebbleLogger{log: log, halt: d.fence.halt},
		EventListener:               &listener,
	}
	o.Experimental.CompactionScheduler = newCompactions(d.fence.shut)
	for i := range o.TargetFileSizes {
		o.TargetFileSizes[i] = tableSize
	}
	for i := range o.Levels {
		// Nearly every look-up of an identity is for one that is not there.
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].FilterType = pebble.TableFilter
	}
	return o
}

// Err returns a *HaltedError once a write has failed, else nil.
func (d *DB) Err() error { return d.fence.err() }

// Halted is closed when the database halts.
func (d *DB) Halted() <-chan struct{} { return d.fence.shut }

// Halt stops all writing for the rest of the process, for a caller that has found the stored data to be wrong.
func (d *DB) Halt(cause error) { d.fence.halt(cause) }

// ReadOnly says whether the database was opened read-only.
func (d *DB) ReadOnly() bool { return d.readOnly }

// FS is the file system that holds the data directory.
func (d *DB) FS() vfs.FS { return d.fs }

// EntriesDir is where package entrystore keeps its files.
func (d *DB) EntriesDir() string { return d.fs.PathJoin(d.dir, entriesName) }

// Reader gives read access to everything committed, and, for the instant of a sync, to what is just being committed:
// a value that was not read through the batch may be one whose commit then fails.
func (d *DB) Reader() pebble.Reader { return d.pebble }

// Get returns a copy of the value of key, or pebble.ErrNotFound.
func (d *DB) Get(key []byte) ([]byte, error) {
	v, closer, err := d.pebble.Get(key)
	if err != nil {
		return nil, err
	}
	out := append(make([]byte, 0, len(v)), v...)
	return out, closer.Close()
}

// NewSnapshot returns a view of the database as it is now. It must be closed; while it is open, Purge refuses to run.
func (d *DB) NewSnapshot() *pebble.Snapshot { return d.pebble.NewSnapshot() }

// NewIndexedBatch returns an empty batch that can be read as if it were committed.
func (d *DB) NewIndexedBatch() *pebble.Batch { return d.pebble.NewIndexedBatch() }

// NewBatch returns an empty batch.
func (d *DB) NewBatch() *pebble.Batch { return d.pebble.NewBatch() }

// Metrics returns Pebble's counters.
func (d *DB) Metrics() *pebble.Metrics { return d.pebble.Metrics() }

// Estimate returns about how many bytes of tables hold the keys from start up to but without end; 0 if it can't be told.
// What is only in memory and in the write-ahead log yet does not count.
func (d *DB) Estimate(start, end []byte) uint64 {
	n, err := d.pebble.EstimateDiskUsage(start, end)
	if err != nil {
		return 0
	}
	return n
}

// Commit applies b and returns once it is synced. After an error the database has halted, unless it was opened
// read-only; b may or may not survive a restart, so the caller must tell nobody that it does. The caller still closes b.
func (d *DB) Commit(b *pebble.Batch) error {
	if err := d.Apply(b); err != nil {
		return err
	}
	return d.SyncWait(b)
}

// Apply begins a commit that SyncWait, which must be called before b is closed, ends: in between b can be read, and later
// batches can be applied. Batches become durable in the order in which they were applied. The errors are those of Commit.
//
// It first waits while flushes or compactions are behind. Pebble would do so too, but nothing could end that wait after a
// failure, so its own limits are set out of reach.
func (d *DB) Apply(b *pebble.Batch) (err error) {
	if d.readOnly {
		return ErrReadOnly
	}
	if err := d.waitForRoom(b.Len()); err != nil {
		return err
	}
	defer d.haltOnPanic(&err)
	if err := d.pebble.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		d.fence.halt(fmt.Errorf("committing a batch: %w", err))
		return d.fence.err()
	}
	return nil
}

// SyncWait returns once b, for which Apply returned nil, is durable.
func (d *DB) SyncWait(b *pebble.Batch) (err error) {
	defer d.haltOnPanic(&err)
	if err := b.SyncWait(); err != nil {
		d.fence.halt(fmt.Errorf("syncing a batch: %w", err))
	}
	// The fence hides errors of the log from Pebble: this is where they come out.
	return d.fence.err()
}

func (d *DB) haltOnPanic(err *error) {
	if r := recover(); r != nil {
		d.wedgedMu.Lock()
		d.wedged = true
		d.wedgedMu.Unlock()
		d.fence.halt(fmt.Errorf("committing a batch: %v", r))
		*err = d.fence.err()
	}
}

// waitForRoom blocks while Pebble's backlog is too large, until it is not or the database halts.
func (d *DB) waitForRoom(n int) error {
	d.roomMu.Lock()
	defer d.roomMu.Unlock()
	if d.sinceRoom += n; d.sinceRoom < d.memTable/4 { // a look costs some 20 µs
		return d.fence.err()
	}
	d.sinceRoom = 0
	for {
		m := d.pebble.Metrics()
		if m.MemTable.Size <= maxMemTables*uint64(d.memTable) && m.Levels[0].Sublevels <= maxSublevels {
			return d.fence.err()
		}
		select {
		case <-d.progress:
		case <-d.fence.shut:
			return d.fence.err()
		}
	}
}

// Checkpoint writes a consistent copy of the data directory to destDir, which must not exist, while the database is in
// use. Tables are hard links where the file system allows. FORMAT is written last: without it, Open refuses the copy. A
// database that has halted gives no backup: Pebble's picture of the disk is not what is on it.
func (d *DB) Checkpoint(destDir string) error {
	if err := d.fence.err(); err != nil {
		return fmt.Errorf("writing a backup: %w", err)
	}
	if _, err := d.fs.Stat(destDir); err == nil {
		return fmt.Errorf("writing a backup: %s exists already: choose a new directory", destDir)
	}
	if d.fence.inside(destDir) {
		return fmt.Errorf("writing a backup: %s is inside the database", destDir)
	}
	if err := d.pebble.Checkpoint(d.fs.PathJoin(destDir, pebbleName)); err != nil {
		return fmt.Errorf("writing a backup to %s: %w", destDir, err)
	}
	if err := d.fence.err(); err != nil {
		return fmt.Errorf("writing a backup: %w", err)
	}
	if err := d.copyEntries(d.fs.PathJoin(destDir, entriesName)); err != nil {
		return fmt.Errorf("writing a backup to %s: %w", destDir, err)
	}
	if err := writeFormat(d.fs, destDir); err != nil {
		return fmt.Errorf("writing a backup: %w", err)
	}
	return nil
}

// copyEntries copies the entry files, after the database that says how far they count. All but the last are full and never
// written again, so a link will do; the last one may grow meanwhile, and the copy must not.
func (d *DB) copyEntries(destDir string) error {
	names, err := d.fs.List(d.EntriesDir())
	if err != nil {
		return err
	}
	if err := makeDir(d.fs, destDir); err != nil {
		return err
	}
	slices.Sort(names)
	for i, name := range names {
		copyFile := vfs.LinkOrCopy
		if i == len(names)-1 {
			copyFile = vfs.Copy
		}
		if err := copyFile(d.fs, d.fs.PathJoin(d.EntriesDir(), name), d.fs.PathJoin(destDir, name)); err != nil {
			return err
		}
	}
	return syncDir(d.fs, destDir)
}

// CompactAll rewrites the whole database into its lowest level, for measurements and after large deletions.
func (d *DB) CompactAll(ctx context.Context) error {
	ctx, stop := d.untilHalt(ctx)
	defer stop()
	if err := d.pebble.Compact(ctx, []byte{0}, []byte{0xff}, true); err != nil {
		return fmt.Errorf("compacting: %w", errors.Join(err, d.fence.err()))
	}
	return nil
}

// Close closes the database and gives up the lock. Every snapshot, iterator and batch must be closed before. It returns
// the reason if the database had halted.
func (d *DB) Close() error {
	close(d.fence.closing)
	err := d.fence.err()
	d.wedgedMu.Lock()
	wedged := d.wedged
	d.wedgedMu.Unlock()
	if !wedged {
		err = errors.Join(err, d.pebble.Close())
	}
	return errors.Join(err, d.lock.Close())
}
