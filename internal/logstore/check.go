package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

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

// Checked is what one check looked at and found.
type Checked struct {
	Bytes   int // read from the store
	Damages []Damage
}

func (c *Checked) report(key []byte, format string, args ...any) {
	detail, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n") // Pebble's corruption errors go on for lines
	c.Damages = append(c.Damages, Damage{Key: bytes.Clone(key), Detail: detail})
}

// Checker compares what is stored with the tree, a bundle or a tile at a time: each bundle with the tile above it, each
// tile with its hash in the tile above it, the uppermost ones with the right edge, and that with the root. If all of them
// are whole, all of the log is. It reads from the store itself and uses no cache of this package. It is the one way in
// which stored data are checked: the scrub of a running node and fsck both go through it.
//
// It may be used from several goroutines.
type Checker struct {
	r    pebble.Reader
	head func() *head

	// each, if set, is called with every entry of a checked bundle; entry is nil if it cannot be read or is not what was
	// appended, ok is false if its leaf hash is not known either.
	each func(out *Checked, index uint64, entry []byte, hash proof.Hash, ok bool)
}

// Checker checks the log while it is in use. Each call sees the log as it is then. It holds nothing open in between, so
// that erasures need not wait. visit, if set, is called with every entry that is found to be what was appended; an error
// of it is a damage of the key that it returns.
func (l *Log) Checker(visit func(index uint64, entry []byte) (key []byte, err error)) *Checker {
	c := &Checker{r: l.db.Reader(), head: l.head.Load}
	if visit != nil {
		c.each = func(out *Checked, index uint64, entry []byte, _ proof.Hash, _ bool) {
			if entry == nil {
				return
			}
			if key, err := visit(index, entry); err != nil {
				out.report(key, "entry %d: %v", index, err)
			}
		}
	}
	return c
}

// Size returns how many entries the log has now.
func (c *Checker) Size() uint64 { return c.head().size }

// Root checks that the right edge of the tree in memory has the root of the head.
func (c *Checker) Root() (out Checked) {
	h := c.head()
	edge, err := tile.NewEdge(h.size, h.partial[:])
	if err != nil {
		out.report(headKey(), "the right edge of the tree: %v", err)
	} else if root := edge.Root(); root != h.root {
		out.report(headKey(), "the tree has root %v, the head says %v", root, h.root)
	}
	return out
}

// Bundle checks the entries of bundle n, full or not, and the tile of their leaf hashes. Beyond the end there is nothing
// to check.
func (c *Checker) Bundle(n uint64) (out Checked) {
	h := c.head()
	if n > h.size/tile.FullWidth || n*tile.FullWidth == h.size {
		return out
	}
	width := int(min(tile.FullWidth, h.size-n*tile.FullWidth))
	entries, err := h.entries.Entries(c.r, n, 0, width, math.MaxInt)
	if err != nil {
		out.report(bundleKey(n), "entries %d to %d: %v", n*tile.FullWidth, n*tile.FullWidth+uint64(width)-1, err)
	}
	leaves := make([]proof.Hash, len(entries))
	for i, entry := range entries {
		leaves[i] = proof.LeafHash(entry)
		out.Bytes += 2 + len(entry)
	}
	want := h.partial[0]
	if width == tile.FullWidth {
		want = c.leafTile(&out, h, n, leaves)
	}
	c.compareEntries(&out, n, leaves, want)
	for i := range width {
		if c.each == nil {
			break
		}
		index := n*tile.FullWidth + uint64(i)
		switch {
		case want == nil:
			c.each(&out, index, nil, proof.Hash{}, false)
		case len(leaves) > 0 && leaves[i] == want[i]:
			c.each(&out, index, entries[i], want[i], true)
		default:
			c.each(&out, index, nil, want[i], true)
		}
	}
	return out
}

// compareEntries reports the entries of bundle n that do not have the leaf hashes that they should have.
func (c *Checker) compareEntries(out *Checked, n uint64, leaves, want []proof.Hash) {
	wrong, first := 0, 0
	for i := range min(len(leaves), len(want)) {
		if leaves[i] != want[i] {
			if wrong == 0 {
				first = i
			}
			wrong++
		}
	}
	index := n*tile.FullWidth + uint64(first)
	switch wrong {
	case 0:
	case 1:
		out.report(bundleKey(n), "entry %d does not have the leaf hash of the tree", index)
	default:
		out.report(bundleKey(n), "entry %d and %d more of its bundle do not have the leaf hashes of the tree", index, wrong-1)
	}
}

// leafTile checks the tile of level 0 over the full bundle n, whose entries have the given leaf hashes; none if they can't
// be read. It returns the leaf hashes as the tree above bears them out; nil if there are none.
func (c *Checker) leafTile(out *Checked, h *head, n uint64, leaves []proof.Hash) []proof.Hash {
	stored, err := readTile(c.r, 0, n)
	if err != nil {
		out.report(pebbledb.TileKey(0, n), "%v", err)
	} else {
		out.Bytes += tileSize
	}
	parent, known := c.parent(h, 0, n)
	switch {
	case stored != nil && (!known || fold(stored) == parent):
		return stored
	case len(leaves) > 0 && known && fold(leaves) == parent:
		if stored != nil {
			out.report(pebbledb.TileKey(0, n), "its hashes are not those of the entries and of the tree above")
		}
		return leaves
	case stored == nil && !known:
		return nil
	case stored == nil:
		out.report(bundleKey(n), "the entries do not have the hash that the tree above has for them")
		return nil
	case len(leaves) == 0:
		out.report(pebbledb.TileKey(0, n), "it does not have the hash that the tree above has for it")
		return nil
	case equal(stored, leaves): // then it is the tile above that is wrong, and is found when it is checked itself
		c.blameEdge(out, h, 0, n)
		return stored
	}
	out.report(pebbledb.TileKey(0, n), "it does not have the hash that the tree above has for it")
	out.report(bundleKey(n), "the entries do not have the hash that the tree above has for them")
	return nil
}

// Tiles returns how many full tiles the log has at a level now.
func (c *Checker) Tiles(level int) uint64 {
	return c.head().size >> (tile.Height * level) / tile.FullWidth
}

// Tile checks the full tile n at a level against the tile above it. At level 0 Bundle does that too, and compares it with
// the entries.
func (c *Checker) Tile(level int, n uint64) (out Checked) {
	h := c.head()
	stored, err := readTile(c.r, level, n)
	if err != nil {
		out.report(pebbledb.TileKey(uint8(level), n), "%v", err)
		return out
	}
	out.Bytes += tileSize
	parent, known := c.parent(h, level, n)
	switch {
	case !known || fold(stored) == parent:
	case level > 0 && c.borneOut(level, n, stored): // then it is the tile above that is wrong
		c.blameEdge(&out, h, level, n)
	default:
		out.report(pebbledb.TileKey(uint8(level), n), "it does not have the hash that the tree above has for it")
	}
	return out
}

// blameEdge reports the right edge if it is what tile n lies under. A stored tile above is found when it is checked itself.
func (c *Checker) blameEdge(out *Checked, h *head, level int, n uint64) {
	if n/tile.FullWidth == h.size>>(tile.Height*(level+1))/tile.FullWidth {
		out.report(headKey(), "the right edge of the tree has another hash for %v", tile.ID{Level: level, Index: n, Width: tile.FullWidth})
	}
}

// borneOut says whether all tiles below have the hashes that tile n at a level, above 0, has for them.
func (c *Checker) borneOut(level int, n uint64, hashes []proof.Hash) bool {
	for i, hash := range hashes {
		below, err := readTile(c.r, level-1, n*tile.FullWidth+uint64(i))
		if err != nil || fold(below) != hash {
			return false
		}
	}
	return true
}

// parent returns the hash that the tree has for the full tile n at a level, from the tile above or the right edge; false if
// it can't be read, which is reported when the tile above is checked.
func (c *Checker) parent(h *head, level int, n uint64) (proof.Hash, bool) {
	up, i := n/tile.FullWidth, n%tile.FullWidth
	if up < h.size>>(tile.Height*(level+1))/tile.FullWidth {
		hashes, err := readTile(c.r, level+1, up)
		if err != nil {
			return proof.Hash{}, false
		}
		return hashes[i], true
	}
	if i >= uint64(len(h.partial[level+1])) {
		return proof.Hash{}, false // a right edge that could not be rebuilt
	}
	return h.partial[level+1][i], true
}

// fold returns the hash of a full tile.
func fold(hashes []proof.Hash) proof.Hash {
	var f proof.Range
	for _, h := range hashes {
		f.Append(h)
	}
	return f.Root()
}

func equal(a, b []proof.Hash) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func bundleKey(n uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntry, n) }

// edgeFinder rebuilds the right edge for fsck, of a log whose tiles may be damaged.
type edgeFinder struct{ *Checker }

// partials returns the right edge from the tiles; where they don't give the stored root, from what is below them. errs
// holds what could not be read either way.
func (f edgeFinder) partials(h *head) (partial [tile.Levels][]proof.Hash, err error) {
	partial, err = f.fill(h, f.fromTile)
	if err == nil && rootOf(h.size, partial) == h.root {
		return partial, nil
	}
	below, berr := f.fill(h, f.fromBelow)
	if berr != nil {
		return partial, errors.Join(err, berr)
	}
	return below, nil
}

func rootOf(size uint64, partial [tile.Levels][]proof.Hash) proof.Hash {
	edge, err := tile.NewEdge(size, partial[:])
	if err != nil {
		return proof.Hash{}
	}
	return edge.Root()
}

func (f edgeFinder) fill(h *head, hashOf func(h *head, level int, n uint64) (proof.Hash, error)) (partial [tile.Levels][]proof.Hash, err error) {
	if width := tile.PartialWidth(0, h.size); width > 0 {
		entries, rerr := h.entries.Entries(f.r, h.size/tile.FullWidth, 0, width, math.MaxInt)
		if rerr != nil {
			return partial, rerr
		}
		for _, entry := range entries {
			partial[0] = append(partial[0], proof.LeafHash(entry))
		}
	}
	for level := 1; level < tile.Levels; level++ {
		end := h.size >> (tile.Height * level)
		for n := end - uint64(tile.PartialWidth(level, h.size)); n < end; n++ {
			hash, herr := hashOf(h, level-1, n)
			if herr != nil {
				return partial, herr
			}
			partial[level] = append(partial[level], hash)
		}
	}
	return partial, nil
}

// fromTile returns the hash of a full tile as it is stored.
func (f edgeFinder) fromTile(_ *head, level int, n uint64) (proof.Hash, error) {
	hashes, err := readTile(f.r, level, n)
	if err != nil {
		return proof.Hash{}, err
	}
	return fold(hashes), nil
}

// fromBelow returns the hash of a full tile from the tiles below it, or from the entries.
func (f edgeFinder) fromBelow(h *head, level int, n uint64) (proof.Hash, error) {
	var folded proof.Range
	if level == 0 {
		entries, err := h.entries.Entries(f.r, n, 0, tile.FullWidth, math.MaxInt)
		if err != nil {
			return f.fromTile(h, level, n)
		}
		for _, entry := range entries {
			folded.Append(proof.LeafHash(entry))
		}
		return folded.Root(), nil
	}
	for i := range uint64(tile.FullWidth) {
		hash, err := f.fromTile(h, level-1, n*tile.FullWidth+i)
		if err != nil {
			hash, err = f.fromBelow(h, level-1, n*tile.FullWidth+i)
		}
		if err != nil {
			return proof.Hash{}, err
		}
		folded.Append(hash)
	}
	return folded.Root(), nil
}
