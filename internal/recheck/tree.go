package recheck

import "crypto/sha256"

// Hash is a SHA-256 hash, of a leaf or of a node.
type Hash = [sha256.Size]byte

// Tiles are 8 levels of the tree high (c2sp.org/tlog-tiles).
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// peak is a perfect subtree: the root of 2^height leaves.
type peak struct {
	height int
	hash   Hash
}

// tree is what is needed of a tree to let it grow: its perfect subtrees from left to right, each lower than the one
// before, and the hashes of the tiles that are not full yet.
type tree struct {
	peaks []peak
	rows  [tileHeight][]Hash // by level of tiles; 8 of them hold 2^64 leaves

	node [1 + 2*sha256.Size]byte // scratch space of join
}

// add puts a perfect subtree at the right end. It must not be higher than the last peak.
func (t *tree) add(height int, h Hash) {
	for {
		if height%tileHeight == 0 {
			level := height / tileHeight
			t.rows[level] = append(t.rows[level], h)
		}
		last := len(t.peaks) - 1
		if last < 0 || t.peaks[last].height != height {
			t.peaks = append(t.peaks, peak{height, h})
			return
		}
		h = t.join(&t.peaks[last].hash, &h)
		t.peaks = t.peaks[:last]
		height++
	}
}

// root is RFC 6962's: each peak is the left half of a tree whose right half is all that follows it.
func (t *tree) root() Hash {
	last := len(t.peaks) - 1
	if last < 0 {
		return sha256.Sum256(nil)
	}
	h := t.peaks[last].hash
	for i := last - 1; i >= 0; i-- {
		h = t.join(&t.peaks[i].hash, &h)
	}
	return h
}

// join is the node hash of RFC 6962, section 2.1.
func (t *tree) join(left, right *Hash) Hash {
	t.node[0] = 1
	copy(t.node[1:], left[:])
	copy(t.node[1+sha256.Size:], right[:])
	return sha256.Sum256(t.node[:])
}

// tileRoot is the root of the subtree whose lowest row is the content of a full tile. It changes row.
func (t *tree) tileRoot(row []Hash) Hash {
	for n := tileWidth / 2; n > 0; n /= 2 {
		for i := range n {
			row[i] = t.join(&row[2*i], &row[2*i+1])
		}
	}
	return row[0]
}
