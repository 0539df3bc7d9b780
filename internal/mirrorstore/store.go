package mirrorstore

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Memory of the database.
const (
	memTableSize = 4 << 20
	cacheSize    = 16 << 20
)

// Options of Open. The zero value works.
type Options struct {
	FS     vfs.FS       // default: the operating system's
	Logger *slog.Logger // default: none
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db     *pebbledb.DB
	bodies *bodystore.Store

	mu   sync.Mutex // guards logs
	logs map[[sha256.Size]byte]*Log
}

// Open opens or makes the store in a directory.
func Open(dir string, opts Options) (*Store, error) {
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: opts.FS, Logger: opts.Logger, MemTableSize: memTableSize, CacheSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("opening the mirror's store %s: %w", dir, err)
	}
	return &Store{db: db, bodies: bodystore.New(db), logs: map[[sha256.Size]byte]*Log{}}, nil
}

// Close closes the store. No other call may run.
func (s *Store) Close() error { return s.db.Close() }

// Body returns a body by its hash: whichever log names it. Errors wrap bodystore.ErrNotFound, or are
// *bodystore.DamagedError, or of the storage.
func (s *Store) Body(sum [sha256.Size]byte) ([]byte, error) { return s.bodies.Body(sum) }

// HasBody reports whether a body is stored.
func (s *Store) HasBody(sum [sha256.Size]byte) (bool, error) { return s.bodies.HasBody(sum) }

// Log returns the copy of the log whose origin has this hash; it may be empty.
func (s *Store) Log(origin [sha256.Size]byte) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[origin]; l != nil {
		return l, nil
	}
	l := &Log{store: s, prefix: append([]byte{pebbledb.PrefixMirror}, origin[:]...), edge: &tile.Edge{}}
	if err := l.load(); err != nil {
		return nil, fmt.Errorf("reading the mirrored log %x: %w", origin, err)
	}
	s.logs[origin] = l
	return l, nil
}

// Find returns the copy of a log of which something is stored; nil if nothing is. Visitors name hashes at will: nothing is
// kept in memory for those of no log.
func (s *Store) Find(origin [sha256.Size]byte) (*Log, error) {
	s.mu.Lock()
	known := s.logs[origin]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	prefix := append([]byte{pebbledb.PrefixMirror}, origin[:]...)
	if _, err := s.db.Get(append(prefix, kindEdge)); errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return s.Log(origin)
}

// The byte after a log's prefix.
const (
	kindEntries = 'e'
	kindTile    = 't'
	kindEdge    = 'r'
	kindErased  = 'x'
	kindAbsent  = 'a'
)

// Log is the copy of one log.
type Log struct {
	store  *Store
	prefix []byte

	mu      sync.RWMutex // guards edge and partial; held for writing while a chunk is committed
	edge    *tile.Edge
	partial []byte // the entries behind the last full bundle
}

func (l *Log) key(kind byte, rest ...byte) []byte {
	k := make([]byte, 0, len(l.prefix)+1+len(rest))
	return append(append(append(k, l.prefix...), kind), rest...)
}

func (l *Log) numbered(kind byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64(l.key(kind), n)
}

func (l *Log) tileKey(level int, n uint64) []byte {
	return binary.BigEndian.AppendUint64(l.key(kindTile, byte(level)), n) //nolint:gosec // below tile.Levels
}

// load makes the right edge of what is stored.
func (l *Log) load() error {
	v, err := l.store.db.Get(l.key(kindEdge))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(v) < 8 {
		return errors.New("the right edge is damaged")
	}
	size := binary.BigEndian.Uint64(v)
	entries, err := tile.ParseBundle(v[8:], tile.PartialWidth(0, size))
	if err != nil {
		return fmt.Errorf("the right edge: %w", err)
	}
	partial := make([][]proof.Hash, tile.Levels)
	for _, e := range entries {
		partial[0] = append(partial[0], proof.LeafHash(e))
	}
	for level := 1; level < tile.Levels; level++ {
		width := tile.PartialWidth(level, size)
		first := size >> (tile.Height * (level + 1)) << tile.Height
		for i := range uint64(width) { //nolint:gosec // at most 255
			hashes, err := l.fullTile(level-1, first+i)
			if err != nil {
				return err
			}
			partial[level] = append(partial[level], tile.NewExpanded(hashes).Root())
		}
	}
	if l.edge, err = tile.NewEdge(size, partial); err != nil {
		return err
	}
	l.partial = v[8:]
	return nil
}

func (l *Log) fullTile(level int, n uint64) ([]proof.Hash, error) {
	v, err := l.store.db.Get(l.tileKey(level, n))
	if err != nil {
		return nil, fmt.Errorf("tile %d of level %d: %w", n, level, err)
	}
	return tile.ParseTile(v, tile.FullWidth)
}

// Head returns the size and root of what is stored.
func (l *Log) Head() (uint64, proof.Hash) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.edge.Size(), l.edge.Root()
}

// Tile implements tile.Source, of what is stored.
func (l *Log) Tile(_ context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	if l.isEdge(level, index) {
		l.mu.RLock()
		defer l.mu.RUnlock()
		if hashes := l.edge.Partial(level); l.edge.Size()>>(tile.Height*(level+1)) == index && width <= len(hashes) {
			return hashes[:width], nil
		}
	}
	hashes, err := l.fullTile(level, index)
	if err != nil {
		return nil, err
	}
	return hashes[:width], nil
}

func (l *Log) isEdge(level int, index uint64) bool {
	size, _ := l.Head()
	return size>>(tile.Height*(level+1)) == index
}

// Bundle returns the first width entries of an entry bundle, as tlog-tiles has them.
func (l *Log) Bundle(index uint64, width int) ([]byte, error) {
	l.mu.RLock()
	size, whole := l.edge.Size(), l.partial
	l.mu.RUnlock()
	if index != size/tile.FullWidth {
		var err error
		if whole, err = l.store.db.Get(l.numbered(kindEntries, index)); err != nil {
			return nil, fmt.Errorf("entry bundle %d: %w", index, err)
		}
	}
	return cut(whole, width)
}

// cut returns the first n entries of a bundle.
func cut(bundle []byte, n int) ([]byte, error) {
	at := 0
	for range n {
		if at+2 > len(bundle) {
			return nil, fmt.Errorf("the bundle has fewer than %d entries", n)
		}
		at += 2 + int(binary.BigEndian.Uint16(bundle[at:]))
	}
	if at > len(bundle) {
		return nil, errors.New("the bundle is cut short")
	}
	return bundle[:at], nil
}
