package logstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// FsckOptions say what Fsck compares with.
type FsckOptions struct {
	// Identity computes the identity of a leaf from its entry, as whoever appends to the log does. Without it the
	// index by identity is checked for its number of keys only.
	Identity func(entry []byte) ([32]byte, error)

	// Report is called with each damage that is found, from the goroutine of Fsck.
	Report func(Damage)
}

// Damage is one thing that is not as it should be.
type Damage struct {
	Key    []byte // the database key that holds or should hold it
	Detail string
}

// String shows the key as its prefix letter and the rest in hex.
func (d Damage) String() string {
	if len(d.Key) == 0 {
		return d.Detail
	}
	return fmt.Sprintf("key %c %x: %s", d.Key[0], d.Key[1:], d.Detail)
}

// FsckResult sums up what was checked.
type FsckResult struct {
	Size    uint64     // of the log
	Root    proof.Hash // computed from the entries
	Tiles   uint64     // full tiles compared
	Bodies  uint64     // bodies and attachments hashed
	Damages uint64     // how often Report was called
}

// Fsck rebuilds the log from its entries and compares everything stored with that: tiles, root, both indexes; and hashes
// every body and attachment. It reports every damage and goes on after it; its error says that it could not finish.
//
// It needs no open Log, so it works on a log that Open refuses, and sees one moment of a log that is being written.
// progress, if set, is called with the entries done and their number. While it runs, erasures must wait
// (pebbledb.ErrSnapshotOpen).
func Fsck(ctx context.Context, db *pebbledb.DB, o FsckOptions, progress func(done, total uint64)) (_ FsckResult, err error) {
	snapshot := db.NewSnapshot()
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	f := &fsck{FsckOptions: o, r: snapshot}
	root := f.readHead(db)
	edge := new(tile.Edge)
	for first := uint64(0); first < f.result.Size; first += tile.FullWidth {
		if err := ctx.Err(); err != nil {
			return f.result, fmt.Errorf("checking the log at entry %d: %w", first, err)
		}
		f.bundle(edge, first, min(first+tile.FullWidth, f.result.Size))
		if progress != nil {
			progress(min(first+tile.FullWidth, f.result.Size), f.result.Size)
		}
	}
	f.result.Root = edge.Root()
	if f.result.Root != root {
		f.report(headKey(), "the entries have root %v, the stored head says %v", f.result.Root, root)
	}
	for _, check := range []func() error{f.strayEntries, f.strayTiles, f.leafHashIndex, f.identityIndex} {
		if err := errors.Join(ctx.Err(), check()); err != nil {
			return f.result, fmt.Errorf("checking the log: %w", err)
		}
	}
	f.result.Bodies, err = bodystore.Check(ctx, snapshot, func(key []byte, err error) { f.report(key, "%v", err) })
	return f.result, err
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
	r       pebble.Reader
	entries *entrystore.View
	result  FsckResult

	// How many entries are the one that the index by leaf hash, or by identity, names for them. If the index has as many
	// keys, each key was seen, and none is left over.
	byLeafHash, byIdentity uint64
}

func (f *fsck) report(key []byte, format string, args ...any) {
	f.result.Damages++
	if f.Report != nil {
		detail, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n") // Pebble's corruption errors go on for lines
		f.Report(Damage{Key: bytes.Clone(key), Detail: detail})
	}
}

// readHead opens the entries and sets the size, and returns the stored root. Of a head that cannot be right the size is
// taken from the identities, of which there is one for each entry.
func (f *fsck) readHead(db *pebbledb.DB) proof.Hash {
	head, err := readHead(f.r)
	if err != nil {
		f.report(headKey(), "%v", err)
	}
	if err != nil || checkEnd(f.r, head.size) != nil {
		var size uint64
		if f.walk(pebbledb.PrefixIdentity, 0, func(_, _ []byte) { size++ }) == nil && size != head.size {
			if err == nil {
				f.report(headKey(), "says size %d, but there are %d identities", head.size, size)
			}
			head.size = size
			head.end, _ = entrystore.FindEnd(db, f.r, size) // what is wrong is reported where it is missed
		}
	}
	f.result.Size = head.size
	// A view that comes with an error reads the full bundles; what it can't read is reported where it is missed.
	f.entries, _ = entrystore.Open(db, f.r, head.size, head.end)
	return head.root
}

// bundle checks the entries first to end-1, which are one bundle, and the tiles that they complete.
func (f *fsck) bundle(edge *tile.Edge, first, end uint64) {
	entries := f.read(first, end)
	var stored []proof.Hash
	if end-first == tile.FullWidth {
		stored = f.tile(0, first/tile.FullWidth)
	}
	for i := range end - first {
		index, entry := first+i, entries[i]
		var hash proof.Hash
		switch {
		case entry != nil:
			hash = proof.LeafHash(entry)
			if stored != nil && stored[i] != hash {
				f.report(pebbledb.TileKey(0, first/tile.FullWidth), "hash %d is %v, entry %d has %v", i, stored[i], index, hash)
			}
			f.indexes(index, entry, hash)
		case stored != nil:
			hash = stored[i] // so that one lost entry does not hide what is wrong above
		}
		for _, full := range edge.Append(hash) {
			if full.ID.Level > 0 {
				f.compareTile(full)
			}
		}
	}
}

// read returns the entries first to end-1, which are one bundle. If the bundle cannot be read, all are nil.
func (f *fsck) read(first, end uint64) [][]byte {
	n := first / tile.FullWidth
	entries, err := f.entries.Entries(f.r, n, 0, int(end-first), math.MaxInt)
	if err == nil {
		return entries
	}
	f.report(pebbledb.Uint64Key(pebbledb.PrefixEntry, n), "entries %d to %d: %v", first, end-1, err)
	return make([][]byte, end-first)
}

// tile reads a stored full tile, nil if it is missing or unreadable.
func (f *fsck) tile(level int, n uint64) []proof.Hash {
	hashes, err := readTile(f.r, level, n, tile.FullWidth)
	if err != nil {
		f.report(pebbledb.TileKey(uint8(level), n), "%v", err)
		return nil
	}
	f.result.Tiles++
	return hashes
}

func (f *fsck) compareTile(want tile.Full) {
	stored := f.tile(want.ID.Level, want.ID.Index)
	for i := range stored {
		if stored[i] != want.Hashes[i] {
			f.report(pebbledb.TileKey(uint8(want.ID.Level), want.ID.Index), "hash %d is %v, the tiles below have %v", i, stored[i], want.Hashes[i])
		}
	}
}

// indexes looks an entry up by leaf hash and by identity.
func (f *fsck) indexes(index uint64, entry []byte, hash proof.Hash) {
	key := pebbledb.HashKey(pebbledb.PrefixLeafHash, hash)
	switch at, ok, err := lookUp(f.r, pebbledb.PrefixLeafHash, hash); {
	case err != nil:
		f.report(key, "%v", err)
	case !ok:
		f.report(key, "missing, should say %d", index)
	case at == index:
		f.byLeafHash++
	case at > index || !f.hasLeafHash(at, hash):
		f.report(key, "says %d, should say %d", at, index)
	}
	if f.Identity == nil {
		return
	}
	identity, err := f.Identity(entry)
	if err != nil {
		f.report(pebbledb.Uint64Key(pebbledb.PrefixEntry, index/tile.FullWidth), "entry %d has no identity: %v", index, err)
		return
	}
	key = pebbledb.HashKey(pebbledb.PrefixIdentity, identity)
	switch at, ok, err := lookUp(f.r, pebbledb.PrefixIdentity, identity); {
	case err != nil:
		f.report(key, "%v", err)
	case !ok:
		f.report(key, "missing, should say %d", index)
	case at == index:
		f.byIdentity++
	default:
		f.report(key, "says %d, should say %d", at, index)
	}
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
	entries, err := f.entries.Entries(f.r, index/tile.FullWidth, i, i+1, math.MaxInt)
	if err != nil {
		return nil
	}
	return entries[0]
}

// strayEntries reports bundles beyond the end.
func (f *fsck) strayEntries() error {
	return f.walk(pebbledb.PrefixEntry, f.result.Size/tile.FullWidth, func(key, _ []byte) {
		f.report(key, "a full entry bundle in a log of size %d", f.result.Size)
	})
}

// strayTiles reports tiles that a log of this size does not have.
func (f *fsck) strayTiles() error {
	return f.walk(pebbledb.PrefixTile, 0, func(key, _ []byte) {
		if len(key) == 10 && key[1] < tile.Levels && binary.BigEndian.Uint64(key[2:]) < f.result.Size>>(tile.Height*key[1])/tile.FullWidth {
			return
		}
		f.report(key, "not a full tile of a log of size %d", f.result.Size)
	})
}

// leafHashIndex reports keys that belong to no entry.
func (f *fsck) leafHashIndex() error {
	return f.strayKeys(pebbledb.PrefixLeafHash, f.byLeafHash, func(entry []byte) ([32]byte, error) {
		return proof.LeafHash(entry), nil
	})
}

// identityIndex reports keys that belong to no entry. Identities are unique, so there is one for each entry.
func (f *fsck) identityIndex() error {
	if f.Identity == nil {
		return f.strayKeys(pebbledb.PrefixIdentity, f.result.Size, nil)
	}
	return f.strayKeys(pebbledb.PrefixIdentity, f.byIdentity, f.Identity)
}

// strayKeys counts the keys of an index; only if they are not as many as expected does it look each up.
func (f *fsck) strayKeys(prefix byte, want uint64, keyOf func(entry []byte) ([32]byte, error)) error {
	var got uint64
	err := f.walk(prefix, 0, func(key, value []byte) {
		got++
		if len(key) != 1+len(proof.Hash{}) || len(value) != 8 || binary.BigEndian.Uint64(value) >= f.result.Size {
			f.report(key, "value %x is not an index below %d", value, f.result.Size)
		}
	})
	if err != nil || got == want {
		return err
	}
	if keyOf == nil {
		f.report([]byte{prefix}, "%d keys for %d entries", got, want)
		return nil
	}
	return f.walk(prefix, 0, func(key, value []byte) {
		if len(key) != 1+len(proof.Hash{}) || len(value) != 8 {
			return // reported above
		}
		index := binary.BigEndian.Uint64(value)
		entry := f.entry(index)
		if entry == nil {
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
