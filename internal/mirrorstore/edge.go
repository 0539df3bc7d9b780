package mirrorstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// The right edge of a log is what all else is compared with: it was proven into a head that the log signed. So its record
// carries a hash of itself, and the log begins anew rather than to trust one that is damaged.

// formatHead makes the value of the head's key.
func formatHead(e *tile.Edge) []byte {
	root := e.Root()
	out := append(make([]byte, sha256.Size, 256), binary.BigEndian.AppendUint64(nil, e.Size())...)
	out = append(out, root[:]...)
	for level := 1; level < tile.Levels; level++ {
		out = tile.AppendTile(out, e.Partial(level))
	}
	sum := sha256.Sum256(out[sha256.Size:])
	copy(out, sum[:])
	return out
}

// parseHead reads the size, the root, and the partial tiles above level 0, whose place is left empty.
func parseHead(b []byte) (size uint64, root proof.Hash, partial [][]proof.Hash, err error) {
	const fixed = sha256.Size + 8 + sha256.Size
	if len(b) < fixed || [sha256.Size]byte(b) != sha256.Sum256(b[sha256.Size:]) {
		return 0, root, nil, errors.New("the right edge is damaged")
	}
	size = binary.BigEndian.Uint64(b[sha256.Size:])
	root, b = proof.Hash(b[sha256.Size+8:]), b[fixed:]
	partial = make([][]proof.Hash, tile.Levels)
	for level := 1; level < tile.Levels; level++ {
		width := tile.PartialWidth(level, size)
		if len(b) < width*sha256.Size {
			return 0, root, nil, errors.New("the right edge is cut short")
		}
		for range width {
			partial[level] = append(partial[level], proof.Hash(b))
			b = b[sha256.Size:]
		}
	}
	return size, root, partial, nil
}

// load reads the right edge. Where the unfinished bundle is damaged, the log ends with the last full one, and where the
// edge is, it is empty: what is behind is fetched again.
func (l *Log) load() error {
	if err := l.each(kindErased, nil, func(_, _ []byte) bool { l.erasures.Store(true); return false }); err != nil {
		return err
	}
	v, ok, err := l.get(l.key(kindHead))
	if err != nil || !ok {
		return err
	}
	size, root, partial, err := parseHead(v)
	if err != nil {
		l.logger.Warn("a mirrored log is fetched again from its beginning", slog.String("origin_hash", fmt.Sprintf("%x", l.prefix[1:])), slog.Any("err", err))
		return nil
	}
	last, _, err := l.get(l.key(kindUnfinished))
	if err != nil {
		return err
	}
	if entries, err := tile.ParseBundle(last, tile.PartialWidth(0, size)); err == nil {
		for _, e := range entries {
			partial[0] = append(partial[0], proof.LeafHash(e))
		}
		if edge, err := tile.NewEdge(size, partial); err == nil && edge.Root() == root {
			l.edge, l.partial = edge, last
			return nil
		}
	}
	partial[0] = nil
	l.logger.Warn("the last entries of a mirrored log are fetched again: they are damaged", slog.String("origin_hash", fmt.Sprintf("%x", l.prefix[1:])))
	l.edge, err = tile.NewEdge(size-size%tile.FullWidth, partial)
	return err
}

// Head returns the size and root of what is stored.
func (l *Log) Head() (uint64, proof.Hash) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.edge.Size(), l.edge.Root()
}
