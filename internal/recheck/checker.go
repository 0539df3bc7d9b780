package recheck

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Store is where a log is stored.
type Store struct {
	DB      pebble.Reader
	FS      vfs.FS
	Entries string // directory of the entry files, in FS

	// Identity computes the identity of a leaf from its entry, as whoever appends to the log does. It must not keep or
	// change the entry.
	Identity func(entry []byte) (Hash, error)
}

// Checker verifies a log as it grows. It holds the hashes of the unfinished tiles, at most 64 KiB. It is not safe for
// concurrent use.
type Checker struct {
	store   Store
	entries entries

	at     place
	tree   tree
	bundle int64             // where the bundle with the next entry begins
	ends   [tileWidth]uint32 // where its entries end, counted from there
	passed struct {          // what Check or Open was content with last
		size uint64
		root Hash
	}
	key    [1 + sha256.Size]byte // scratch space of checkIndex
	copies []copyOf              // that are to be met, in order
	failed error                 // every later Check returns it
}

// Open makes a Checker that takes the tree of size and root, which was signed, for verified. It rebuilds the right edge
// of that tree from the store, which costs at most 255 entries and 255 tiles for each level, and compares its root: a
// difference is a *MismatchError.
func Open(s Store, size uint64, root Hash) (*Checker, error) {
	c := &Checker{store: s, entries: entries{fs: s.FS, dir: s.Entries}}
	c.passed.size, c.passed.root = size, root
	defer c.entries.close()
	err := c.rebuild(size)
	if err == nil && c.tree.root() != root {
		computed := c.tree.root()
		err = &MismatchError{What: "the signed root", Stored: root[:], Computed: computed[:]}
	}
	if err != nil {
		return nil, c.explain(fmt.Errorf("rebuilding the signed tree of size %d: %w", size, err), size, root)
	}
	return c, nil
}

// Check verifies the leaves from the last verified size on, all that became full with them, and that size has root. All
// of it must be durable; the store may hold more already. Any difference is a *MismatchError. After an error other than
// that of ctx every later Check fails with the same.
func (c *Checker) Check(ctx context.Context, size uint64, root Hash) error {
	if c.failed != nil {
		return c.failed
	}
	defer c.entries.close()
	err := c.check(ctx, size, root)
	switch {
	case err == nil:
		c.passed.size, c.passed.root = size, root
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("checking the log again up to size %d: %w", size, err)
	}
	c.failed = c.explain(fmt.Errorf("checking the log again up to size %d: %w", size, err), size, root)
	return c.failed
}

// explain adds to the evidence what was asked for.
func (c *Checker) explain(err error, size uint64, root Hash) error {
	var m *MismatchError
	if errors.As(err, &m) {
		m.Index = c.at.next
		m.Size, m.Root, m.SignedSize, m.SignedRoot = size, root, c.passed.size, c.passed.root
	}
	return err
}

func (c *Checker) check(ctx context.Context, size uint64, root Hash) error {
	if size < c.at.next {
		return &MismatchError{What: "the size to be signed", Stored: number(size), Computed: number(c.at.next)}
	}
	copies, err := readCopies(c.store.DB, c.at.next, size)
	if err != nil {
		return err
	}
	c.copies = copies
	if err := c.advance(ctx, size); err != nil {
		return err
	}
	if len(c.copies) > 0 {
		left := c.copies[0]
		return &MismatchError{What: "the copies of the last entries", Where: fmt.Sprintf("key %q %x", left.key[:1], left.key[1:]), Stored: left.value}
	}
	if got := c.tree.root(); got != root {
		return &MismatchError{What: "the root to be signed", Stored: root[:], Computed: got[:]}
	}
	return c.checkHead(ctx)
}

// advance verifies the entries up to size. The tree is whole after each entry, also when ctx ends it early.
func (c *Checker) advance(ctx context.Context, size uint64) error {
	for c.at.next < size {
		if c.at.next%tileWidth == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			c.bundle = c.at.start()
		}
		b, behind, err := c.entries.read(c.at)
		if err != nil {
			return c.unreadable(err)
		}
		if err := c.checkCopy(b); err != nil {
			return err
		}
		// SHA-256(0x00 || entry), without copying: the entry stands behind its length.
		low := b[1]
		b[1] = 0
		leaf := sha256.Sum256(b[1:])
		b[1] = low
		if err := c.checkIndexes(b[2:], leaf); err != nil {
			return err
		}
		c.ends[c.at.next%tileWidth] = uint32(behind.end - c.bundle) //nolint:gosec // a bundle is at most 256 times 64 KiB
		c.at = behind
		c.tree.add(0, leaf)
		if c.at.next%tileWidth == 0 {
			if err := c.checkBundle(); err != nil {
				return err
			}
			if err := c.checkTiles(); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreadable is the error for an entry that can't be read.
func (c *Checker) unreadable(err error) error {
	if errors.Is(err, errGone) {
		return &MismatchError{What: fmt.Sprintf("entry %d", c.at.next), Where: c.where(c.at)}
	}
	return fmt.Errorf("reading entry %d: %w", c.at.next, err)
}

func (c *Checker) where(p place) string {
	return fmt.Sprintf("%s at byte %d", c.entries.name(p.next/fileEntries), p.start())
}

// checkIndexes looks the entry that follows up by its leaf hash and by its identity. Equal entries have equal identities
// and so are one leaf: both must lead to this very entry.
func (c *Checker) checkIndexes(entry []byte, leaf Hash) error {
	if len(entry) == 0 {
		return &MismatchError{What: fmt.Sprintf("the length of entry %d", c.at.next), Where: c.where(c.at), Stored: []byte{0, 0}}
	}
	if err := c.checkIndex('h', "leaf hash", entry, leaf); err != nil {
		return err
	}
	identity, err := c.store.Identity(entry)
	if err != nil {
		return &MismatchError{What: fmt.Sprintf("entry %d, which has no identity (%v),", c.at.next, err),
			Where: c.where(c.at), Entry: bytes.Clone(entry)}
	}
	return c.checkIndex('i', "identity", entry, identity)
}

func (c *Checker) checkIndex(prefix byte, name string, entry []byte, hash Hash) error {
	key := append(append(c.key[:0], prefix), hash[:]...)
	value, closer, err := c.store.DB.Get(key)
	if err == nil && len(value) == 8 && binary.BigEndian.Uint64(value) == c.at.next {
		return closer.Close()
	}
	what := fmt.Sprintf("the index by %s of entry %d", name, c.at.next)
	m, err := differs(what, key, value, closer, err, number(c.at.next))
	if m != nil {
		m.Entry = bytes.Clone(entry)
		return m
	}
	return err
}

// checkBundle compares the record of the bundle that has just become full.
func (c *Checker) checkBundle() error {
	n := c.at.next/tileWidth - 1
	want := binary.BigEndian.AppendUint64(make([]byte, 0, bundleRecord), uint64(c.bundle)) //nolint:gosec // an offset
	for _, end := range c.ends {
		want = binary.BigEndian.AppendUint32(want, end)
	}
	return c.compare(fmt.Sprintf("the record of entry bundle %d", n), bundleKey(n), want)
}

// checkTiles compares the tiles that have just become full, from the lowest level up.
func (c *Checker) checkTiles() error {
	for level := range c.tree.rows {
		row := c.tree.rows[level]
		if len(row) < tileWidth {
			return nil
		}
		n := c.at.next>>(tileHeight*(level+1)) - 1
		want := make([]byte, 0, tileWidth*sha256.Size)
		for i := range row {
			want = append(want, row[i][:]...)
		}
		if err := c.compare(fmt.Sprintf("hash tile %d of level %d", n, level), tileKey(level, n), want); err != nil {
			return err
		}
		c.tree.rows[level] = row[:0]
	}
	return nil
}

// checkHead compares the stored head. A later commit may have written it; then its entries, which are not to be signed
// yet, must reach as far as it says.
func (c *Checker) checkHead(ctx context.Context) error {
	key := []byte("mhead")
	stored, err := c.get(key)
	if errors.Is(err, pebble.ErrNotFound) && c.at.next == 0 {
		return nil
	}
	if err != nil && !errors.Is(err, pebble.ErrNotFound) {
		return fmt.Errorf("reading the stored head: %w", err)
	}
	root := c.tree.root()
	want := append(number(c.at.next), root[:]...)
	want = append(want, number(uint64(c.at.end))...) //nolint:gosec // an offset
	m := &MismatchError{What: "the stored head", Where: fmt.Sprintf("key %q", key), Stored: stored, Computed: want}
	switch {
	case len(stored) != len(want):
		return m
	case bytes.Equal(stored, want):
		return nil
	}
	size, end := binary.BigEndian.Uint64(stored), int64(binary.BigEndian.Uint64(stored[8+sha256.Size:])) //nolint:gosec // compared only
	if size <= c.at.next {
		return m
	}
	ahead := c.at
	for ahead.next < size {
		if ahead.next%fileEntries == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, ahead, err = c.entries.read(ahead); errors.Is(err, errGone) {
			return m
		} else if err != nil {
			return fmt.Errorf("reading entry %d: %w", ahead.next, err)
		}
	}
	if ahead.end != end {
		return m
	}
	return nil
}

// compare reads a value and compares it.
func (c *Checker) compare(what string, key, want []byte) error {
	value, closer, err := c.store.DB.Get(key)
	if err == nil && bytes.Equal(value, want) {
		return closer.Close()
	}
	m, err := differs(what, key, value, closer, err, want)
	if m != nil {
		return m
	}
	return err
}

// differs makes the evidence of a value that is missing or not what it should be; with another error of the database
// that is all it returns.
func differs(what string, key, value []byte, closer io.Closer, err error, want []byte) (*MismatchError, error) {
	m := &MismatchError{What: what, Where: fmt.Sprintf("key %q %x", key[:1], key[1:]), Computed: want}
	if errors.Is(err, pebble.ErrNotFound) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	m.Stored = append([]byte{}, value...)
	return m, closer.Close()
}

// get returns a copy of a value.
func (c *Checker) get(key []byte) ([]byte, error) {
	value, closer, err := c.store.DB.Get(key)
	if err != nil {
		return nil, err
	}
	return append([]byte{}, value...), closer.Close()
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 0, 8), n) }

// bundleRecord is the size of a bundle's record: u64 offset, 256 times u32.
const bundleRecord = 8 + tileWidth*4

func bundleKey(n uint64) []byte { return append([]byte{'e'}, number(n)...) }

func tileKey(level int, n uint64) []byte {
	return append([]byte{'t', byte(level)}, number(n)...) //nolint:gosec // 0 to 7
}
