package logstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// FsckOptions say what Fsck looks at and compares with.
type FsckOptions struct {
	// Structure leaves out what is inside: entries, bodies and attachments are not read, and the indexes are only counted.
	Structure bool

	// Identity computes the identity of a leaf from its entry, as whoever appends to the log does. Without it the
	// index by identity is checked for its number of keys only.
	Identity func(entry []byte) ([32]byte, error)

	// Report is called with each damage that is found, one at a time, in the order of what is checked, whatever the number
	// of workers.
	Report func(Damage)

	// Workers is how many goroutines read and hash; default 1.
	Workers int
}

// FsckResult sums up what was checked.
type FsckResult struct {
	Size    uint64     // of the log
	Root    proof.Hash // of the tree whose tiles and entries were checked
	Tiles   uint64     // full tiles compared
	Bodies  uint64     // bodies and attachments hashed
	Bytes   uint64     // of entries, tiles, bodies and attachments read
	Damages uint64     // how often Report was called
}

// Fsck compares everything stored with the tree, through a Checker: tiles, root, both indexes, entries; and hashes every
// body and attachment. It reports every damage and goes on after it; its error says that it could not finish.
//
// It needs no open Log, so it works on a log that Open refuses, and sees one moment of a log that is being written.
// progress, if set, is called with the bytes done and about how many there are. While it runs, erasures must wait
// (pebbledb.ErrSnapshotOpen).
func Fsck(ctx context.Context, db *pebbledb.DB, o FsckOptions, progress func(done, total uint64)) (_ FsckResult, err error) {
	snapshot := db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	f := &fsck{FsckOptions: o, r: snapshot, damagedEntries: map[uint64]bool{}, progress: progress}
	f.readHead(db)
	f.findEdge()
	f.estimate(db)
	for _, check := range []func(context.Context) error{f.tree, f.strayEntries, f.strayTiles, f.leafHashIndex, f.identityIndex, f.content} {
		if err := errors.Join(ctx.Err(), check(ctx)); err != nil {
			return f.result, fmt.Errorf("checking the log: %w", err)
		}
	}
	if progress != nil {
		progress(f.result.Bytes, f.result.Bytes)
	}
	return f.result, nil
}

// EachEntry calls f with every entry that r, the database or a snapshot of it, has. It needs no open Log and compares
// nothing with the tree: that is Fsck's work. The slice may be kept.
func EachEntry(ctx context.Context, db *pebbledb.DB, r pebble.Reader, f func(index uint64, entry []byte) error) error {
	head, err := readHead(r)
	if err != nil {
		return err
	}
	view, err := entrystore.Open(db, r, head.size, head.end)
	if err != nil {
		return damaged(err)
	}
	for first := uint64(0); first < head.size; first += tile.FullWidth {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("reading entries from %d: %w", first, err)
		}
		width := int(min(tile.FullWidth, head.size-first))
		entries, err := view.Entries(r, first/tile.FullWidth, 0, width, math.MaxInt)
		if err != nil {
			return damaged(err)
		}
		for i, entry := range entries {
			if err := f(first+uint64(i), entry); err != nil {
				return err
			}
		}
	}
	return nil
}

// fsck is one run.
type fsck struct {
	FsckOptions
	r        pebble.Reader
	head     *head
	result   FsckResult
	progress func(done, total uint64)
	total    uint64 // bytes, about

	mu sync.Mutex
	// How many entries are the one that the index by leaf hash, or by identity, names for them. If the index has as many
	// keys, each key was seen, and none is left over.
	byLeafHash, byIdentity uint64
	damagedEntries         map[uint64]bool // reported as entries, so not again as what the indexes say of them
}

func (f *fsck) report(key []byte, format string, args ...any) {
	var c Checked
	c.report(key, format, args...)
	f.took(c)
}

// took adds up what a check found.
func (f *fsck) took(c Checked) {
	f.result.Bytes += uint64(c.Bytes)
	for _, d := range c.Damages {
		f.result.Damages++
		if f.Report != nil {
			f.Report(d)
		}
	}
	if f.progress != nil {
		f.progress(f.result.Bytes, max(f.total, f.result.Bytes))
	}
}

// readHead opens the entries and sets the size and the stored root. Of a head that cannot be right the size is taken from
// the identities, of which there is one for each entry.
func (f *fsck) readHead(db *pebbledb.DB) {
	stored, err := readHead(f.r)
	if err != nil {
		f.report(headKey(), "%v", err)
	}
	if err != nil || checkEnd(f.r, stored.size) != nil {
		var size uint64
		if f.walk(pebbledb.PrefixIdentity, 0, func(_, _ []byte) { size++ }) == nil && size != stored.size {
			if err == nil {
				f.report(headKey(), "says size %d, but there are %d identities", stored.size, size)
			}
			stored.size = size
			stored.end, _ = entrystore.FindEnd(db, f.r, size) // what is wrong is reported where it is missed
		}
	}
	f.result.Size = stored.size
	f.head = &head{size: stored.size, root: stored.root}
	// A view that comes with an error reads the full bundles; what it can't read is reported where it is missed, apart
	// from copies, which nothing misses.
	var damaged *entrystore.DamagedError
	if f.head.entries, err = entrystore.Open(db, f.r, stored.size, stored.end); errors.As(err, &damaged) && damaged.Copy != nil {
		f.report(damaged.Copy, "%v", damaged)
	}
}

// findEdge rebuilds the right edge, under which all tiles lie, and compares its root with the stored one.
func (f *fsck) findEdge() {
	var err error
	f.head.partial, err = edgeFinder{f.checker()}.partials(f.head)
	if err != nil {
		f.report(headKey(), "the right edge of the tree can't be rebuilt: %v", err)
		return
	}
	f.result.Root = rootOf(f.head.size, f.head.partial)
	if f.result.Root != f.head.root {
		f.report(headKey(), "the entries have root %v, the stored head says %v", f.result.Root, f.head.root)
	}
}

func (f *fsck) checker() *Checker {
	return &Checker{r: f.r, head: func() *head { return f.head }}
}

// estimate works out about how many bytes there are to read.
func (f *fsck) estimate(db *pebbledb.DB) {
	f.total = f.head.size / (tile.FullWidth - 1) * uint64(len(proof.Hash{}))
	if f.Structure {
		return
	}
	f.total += EntryBytes(db)
	for _, prefix := range []byte{pebbledb.PrefixAttachment, pebbledb.PrefixBody} {
		f.total += db.Estimate([]byte{prefix}, []byte{prefix + 1})
	}
}

// EntryBytes returns the size of the files of entries; what can't be looked at counts as nothing.
func EntryBytes(db *pebbledb.DB) (total uint64) {
	names, err := db.FS().List(db.EntriesDir())
	if err != nil {
		return 0
	}
	for _, name := range names {
		if info, err := db.FS().Stat(db.FS().PathJoin(db.EntriesDir(), name)); err == nil {
			total += uint64(info.Size())
		}
	}
	return total
}

// tree checks all tiles and, unless only the structure is looked at, all entries.
func (f *fsck) tree(ctx context.Context) error {
	c := f.checker()
	c.each = f.indexes
	from := 0
	if !f.Structure {
		from = 1 // bundles bring the tiles of level 0 with them
		bundles := (f.head.size + tile.FullWidth - 1) / tile.FullWidth
		if err := f.parallel(ctx, bundles, c.Bundle); err != nil {
			return err
		}
		f.result.Tiles = c.Tiles(0)
	}
	for level := from; level < tile.Levels; level++ {
		n := c.Tiles(level)
		if err := f.parallel(ctx, n, func(i uint64) Checked { return c.Tile(level, i) }); err != nil {
			return err
		}
		f.result.Tiles += n
	}
	return nil
}

// content hashes all bodies and attachments, each prefix in 256 parts of the hashes.
func (f *fsck) content(ctx context.Context) error {
	if f.Structure {
		return nil
	}
	for _, prefix := range []byte{pebbledb.PrefixAttachment, pebbledb.PrefixBody} {
		if err := f.parallel(ctx, 256, func(i uint64) Checked { return f.contentPart(ctx, prefix, byte(i)) }); err != nil {
			return err
		}
	}
	return nil
}

func (f *fsck) contentPart(ctx context.Context, prefix, part byte) (out Checked) {
	span := pebbledb.Span{Start: []byte{prefix, part}, End: []byte{prefix, part + 1}}
	if part == 255 {
		span.End = []byte{prefix + 1}
	}
	if part == 0 {
		span.Start = []byte{prefix}
	}
	done, err := bodystore.Check(ctx, f.r, span, 0, func(key []byte, err error) { out.report(key, "%v", err) })
	if err != nil && ctx.Err() == nil {
		out.report(span.Start, "%v", err) // what is behind it can't be reached
	}
	out.Bytes = done.Bytes
	f.mu.Lock()
	f.result.Bodies += done.Count
	f.mu.Unlock()
	return out
}

// parallel runs check for 0 to n-1 with all workers, and takes what they find in that order. A worker takes a run of
// numbers at a time, so that what it reads lies together.
func (f *fsck) parallel(ctx context.Context, n uint64, check func(uint64) Checked) error {
	const run = 8
	runs := (n + run - 1) / run
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	var next, taken uint64
	found := map[uint64]Checked{}
	for range max(1, f.Workers) {
		group.Go(func() error {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= runs {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				var all Checked
				for j := i * run; j < min(n, (i+1)*run); j++ {
					c := check(j)
					all.Bytes += c.Bytes
					all.Damages = append(all.Damages, c.Damages...)
				}
				mu.Lock()
				found[i] = all
				for c, ok := found[taken]; ok; c, ok = found[taken] {
					delete(found, taken)
					taken++
					f.took(c)
				}
				mu.Unlock()
			}
		})
	}
	return group.Wait()
}

// indexes looks an entry up by leaf hash and by identity.
func (f *fsck) indexes(out *Checked, index uint64, entry []byte, hash proof.Hash, ok bool) {
	if entry == nil {
		f.mu.Lock()
		f.damagedEntries[index] = true
		f.mu.Unlock()
	}
	if !ok {
		return
	}
	byLeafHash := f.leafHashOf(out, index, hash)
	byIdentity := entry != nil && f.Identity != nil && f.identityOf(out, index, entry)
	f.mu.Lock()
	defer f.mu.Unlock()
	if byLeafHash {
		f.byLeafHash++
	}
	if byIdentity {
		f.byIdentity++
	}
}

func (f *fsck) leafHashOf(out *Checked, index uint64, hash proof.Hash) bool {
	key := pebbledb.HashKey(pebbledb.PrefixLeafHash, hash)
	switch at, ok, err := lookUp(f.r, pebbledb.PrefixLeafHash, hash); {
	case err != nil:
		out.report(key, "%v", err)
	case !ok:
		out.report(key, "missing, should say %d", index)
	case at == index:
		return true
	case at > index || !f.hasLeafHash(at, hash):
		out.report(key, "says %d, should say %d", at, index)
	}
	return false
}

func (f *fsck) identityOf(out *Checked, index uint64, entry []byte) bool {
	identity, err := f.Identity(entry)
	if err != nil {
		out.report(bundleKey(index/tile.FullWidth), "entry %d has no identity: %v", index, err)
		return false
	}
	key := pebbledb.HashKey(pebbledb.PrefixIdentity, identity)
	switch at, ok, err := lookUp(f.r, pebbledb.PrefixIdentity, identity); {
	case err != nil:
		out.report(key, "%v", err)
	case !ok:
		out.report(key, "missing, should say %d", index)
	case at == index:
		return true
	default:
		out.report(key, "says %d, should say %d", at, index)
	}
	return false
}

func (f *fsck) hasLeafHash(index uint64, hash proof.Hash) bool {
	entry := f.entry(index)
	return entry != nil && proof.LeafHash(entry) == hash
}

// entry returns one entry, nil if it is missing or unreadable.
func (f *fsck) entry(index uint64) []byte {
	if index >= f.result.Size {
		return nil
	}
	i := int(index % tile.FullWidth)
	entries, err := f.head.entries.Entries(f.r, index/tile.FullWidth, i, i+1, math.MaxInt)
	if err != nil {
		return nil
	}
	return entries[0]
}

// strayEntries reports bundles beyond the end.
func (f *fsck) strayEntries(context.Context) error {
	return f.walk(pebbledb.PrefixEntry, f.result.Size/tile.FullWidth, func(key, _ []byte) {
		f.report(key, "a full entry bundle in a log of size %d", f.result.Size)
	})
}

// strayTiles reports tiles that a log of this size does not have.
func (f *fsck) strayTiles(context.Context) error {
	return f.walk(pebbledb.PrefixTile, 0, func(key, _ []byte) {
		if len(key) == 10 && key[1] < tile.Levels && binary.BigEndian.Uint64(key[2:]) < f.result.Size>>(tile.Height*key[1])/tile.FullWidth {
			return
		}
		f.report(key, "not a full tile of a log of size %d", f.result.Size)
	})
}

// leafHashIndex reports keys that belong to no entry.
func (f *fsck) leafHashIndex(context.Context) error {
	if f.Structure { // entries can share a leaf hash, so the number of keys says nothing
		return f.strayKeys(pebbledb.PrefixLeafHash, nil, nil)
	}
	return f.strayKeys(pebbledb.PrefixLeafHash, &f.byLeafHash, func(entry []byte) ([32]byte, error) {
		return proof.LeafHash(entry), nil
	})
}

// identityIndex reports keys that belong to no entry. Identities are unique, so there is one for each entry.
func (f *fsck) identityIndex(context.Context) error {
	if f.Identity == nil || f.Structure {
		return f.strayKeys(pebbledb.PrefixIdentity, &f.result.Size, nil)
	}
	return f.strayKeys(pebbledb.PrefixIdentity, &f.byIdentity, f.Identity)
}

// strayKeys counts the keys of an index; only if they are not as many as wanted does it look each up.
func (f *fsck) strayKeys(prefix byte, want *uint64, keyOf func(entry []byte) ([32]byte, error)) error {
	var got uint64
	err := f.walk(prefix, 0, func(key, value []byte) {
		got++
		if len(key) != 1+len(proof.Hash{}) || len(value) != 8 || binary.BigEndian.Uint64(value) >= f.result.Size {
			f.report(key, "value %x is not an index below %d", value, f.result.Size)
		}
	})
	if err != nil || want == nil || got == *want {
		return err
	}
	if keyOf == nil {
		f.report([]byte{prefix}, "%d keys for %d entries", got, *want)
		return nil
	}
	return f.walk(prefix, 0, func(key, value []byte) {
		if len(key) != 1+len(proof.Hash{}) || len(value) != 8 {
			return // reported above
		}
		index := binary.BigEndian.Uint64(value)
		entry := f.entry(index)
		if entry == nil || f.damagedEntries[index] {
			return // as an entry it was reported, and beyond the end as a value
		}
		if hash, err := keyOf(entry); err == nil && !bytes.Equal(hash[:], key[1:]) {
			f.report(key, "says %d, but that entry has another key", index)
		}
	})
}

// walk calls visit with the keys of a prefix from a number on. An unreadable value is a damage.
func (f *fsck) walk(prefix byte, from uint64, visit func(key, value []byte)) error {
	lower := []byte{prefix}
	if from > 0 {
		lower = pebbledb.Uint64Key(prefix, from)
	}
	it, err := f.r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return fmt.Errorf("walking keys %q: %w", prefix, err)
	}
	defer it.Close() // its error is that of the iterator, reported below
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			f.report(it.Key(), "%v", err)
			continue
		}
		visit(it.Key(), value)
	}
	if err := it.Error(); err != nil {
		f.report([]byte{prefix}, "%v", err) // what comes after is reported where it is missed
	}
	return nil
}
