package logstore

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

var _ tile.ExpandedSource = (*Log)(nil)

// expandedSize is about what a full tile takes in the cache, in bytes: its hashes, its inner nodes and the list.
const expandedSize = 9728

// tileCache keeps the full tiles that were asked for last. It holds only what was compared with the tree.
type tileCache struct {
	tiles int // at most

	mu    sync.Mutex // guards the fields below
	items map[tileAt]*list.Element
	order *list.List // of cached, the one used last in front
}

type tileAt struct {
	level int
	index uint64
}

type cached struct {
	at    tileAt
	nodes *tile.Expanded
}

func newTileCache(bytes int) *tileCache {
	return &tileCache{tiles: max(bytes/expandedSize, 1), items: make(map[tileAt]*list.Element), order: list.New()}
}

// get returns a tile, nil if it is not there.
func (c *tileCache) get(at tileAt) *tile.Expanded {
	c.mu.Lock()
	defer c.mu.Unlock()
	item, ok := c.items[at]
	if !ok {
		return nil
	}
	c.order.MoveToFront(item)
	return item.Value.(cached).nodes
}

// add puts a tile in, and the one used longest ago out if there are too many.
func (c *tileCache) add(at tileAt, nodes *tile.Expanded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[at]; ok {
		return
	}
	c.items[at] = c.order.PushFront(cached{at, nodes})
	if c.order.Len() > c.tiles {
		delete(c.items, c.order.Remove(c.order.Back()).(cached).at)
	}
}

// edge is the unfinished tile of a level, expanded when first asked for: most heads are followed by the next before.
type edge struct {
	once  sync.Once
	nodes *tile.Expanded
}

func (h *head) expand(level int) *tile.Expanded {
	e := &h.edges[level]
	e.once.Do(func() { e.nodes = tile.NewExpanded(h.partial[level]) })
	return e.nodes
}

// Expanded implements tile.ExpandedSource. What it returns is part of the tree that has the root of the head, whatever the
// disk says: a stored tile is compared with its hash in the tile above, that one likewise, up to the right edge, which is
// in memory and was compared with the root. One that differs is computed again from what is below it, and Options.OnDamage
// is told; if that can't be done, it is a *DamagedError.
func (l *Log) Expanded(_ context.Context, level int, n uint64, width int) (*tile.Expanded, error) {
	nodes, err := l.expanded(level, n, width)
	return nodes, l.tellDamage(err)
}

func (l *Log) expanded(level int, n uint64, width int) (*tile.Expanded, error) {
	h := l.head.Load()
	if !covered(level, n, width, h.size) {
		return nil, fmt.Errorf("reading a tile: %w", ErrOutOfRange)
	}
	if n == h.size>>(tile.Height*level)/tile.FullWidth {
		return h.expand(level), nil
	}
	return l.fullTile(h, level, n)
}

// fullTile returns a full tile that h has, from the cache or compared with the one above.
func (l *Log) fullTile(h *head, level int, n uint64) (*tile.Expanded, error) {
	at := tileAt{level, n}
	if nodes := l.tiles.get(at); nodes != nil {
		return nodes, nil
	}
	want, err := l.hashAbove(h, level, n)
	if err != nil {
		return nil, err
	}
	nodes, err := l.readTile(level, n, want)
	if err != nil {
		if nodes = l.tileFromBelow(h, level, n, want); nodes == nil {
			return nil, err
		}
		_ = l.tellDamage(err) // it is damaged, though readers do not notice
	}
	l.tiles.add(at, nodes)
	return nodes, nil
}

// readTile returns a stored full tile if it has the hash that it should have.
func (l *Log) readTile(level int, n uint64, want proof.Hash) (*tile.Expanded, error) {
	hashes, err := readTile(l.db.Reader(), level, n)
	if err != nil {
		return nil, err
	}
	nodes := tile.NewExpanded(hashes)
	if nodes.Root() != want {
		return nil, &DamagedError{Key: pebbledb.TileKey(uint8(level), n),
			Detail: fmt.Sprintf("%v does not have the hash that the tree has for it", tile.ID{Level: level, Index: n, Width: tile.FullWidth})}
	}
	return nodes, nil
}

// tileFromBelow computes a full tile from the entries or the tiles below it, in place of one that is damaged. It returns
// nil if that does not give the hash that it should have.
func (l *Log) tileFromBelow(h *head, level int, n uint64, want proof.Hash) *tile.Expanded {
	hashes := make([]proof.Hash, 0, tile.FullWidth)
	if level == 0 {
		entries, err := h.entries.Entries(l.db.Reader(), n, 0, tile.FullWidth, math.MaxInt)
		if err != nil {
			return nil
		}
		for _, entry := range entries {
			hashes = append(hashes, proof.LeafHash(entry))
		}
	} else {
		for i := range uint64(tile.FullWidth) {
			below, err := readTile(l.db.Reader(), level-1, n*tile.FullWidth+i)
			if err != nil {
				return nil
			}
			hashes = append(hashes, fold(below))
		}
	}
	if nodes := tile.NewExpanded(hashes); nodes.Root() == want {
		return nodes
	}
	return nil
}

// hashAbove returns the hash that the tree has for a full tile.
func (l *Log) hashAbove(h *head, level int, n uint64) (proof.Hash, error) {
	up, i := n/tile.FullWidth, n%tile.FullWidth
	if up == h.size>>(tile.Height*(level+1))/tile.FullWidth {
		return h.partial[level+1][i], nil
	}
	above, err := l.fullTile(h, level+1, up)
	if err != nil {
		return proof.Hash{}, err
	}
	return above.Hashes()[i], nil
}
