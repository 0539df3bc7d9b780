package mirrorstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
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
	logger *slog.Logger

	mu   sync.Mutex // guards logs
	logs map[[sha256.Size]byte]*Log
}

// Open opens or makes the store in a directory. What an earlier layout has is dropped: all of it is fetched again.
func Open(dir string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: opts.FS, Logger: opts.Logger, Copies: true, MemTableSize: memTableSize, CacheSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("opening the mirror's store %s: %w", dir, err)
	}
	s := &Store{db: db, logger: opts.Logger, logs: map[[sha256.Size]byte]*Log{}}
	if err := s.checkLayout(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the mirror's store %s: %w", dir, err), db.Close())
	}
	return s, nil
}

// layoutKey holds the number of the layout that FORMAT.md describes.
var layoutKey = append([]byte{pebbledb.PrefixMeta}, "mirror"...)

const layout = "2"

func (s *Store) checkLayout() error {
	got, err := s.db.Noted(layoutKey)
	if err != nil || string(got) == layout {
		return err
	}
	if got != nil {
		return fmt.Errorf("it has the layout %q of another version of this program: remove the directory, and all is fetched again", got)
	}
	b := s.db.NewBatch()
	defer b.Close() // its error is Commit's
	if err := errors.Join(b.DeleteRange([]byte{0}, []byte{0xff}, nil), b.Set(layoutKey, []byte(layout), nil)); err != nil {
		return err
	}
	return s.db.Commit(b)
}

// Close closes the store. No other call may run.
func (s *Store) Close() error { return s.db.Close() }

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
	for _, kind := range []byte{kindHead, kindChallenge} { // of a log that hands out nothing there is only the latter
		if _, err := s.db.Get(append(prefix, kind)); err == nil {
			return s.Log(origin)
		} else if !errors.Is(err, pebble.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}

// The byte after a log's prefix.
const (
	kindAbsent     = 'a'
	kindBody       = 'b'
	kindClock      = 'c'
	kindEntries    = 'e'
	kindAttachment = 'f'
	kindGrown      = 'g'
	kindHead       = 'h'
	kindChallenge  = 'k'
	kindLacking    = 'l'
	kindRevision   = 'n'
	kindPurge      = 'p'
	kindPending    = 'q'
	kindUnfinished = 'r'
	kindUses       = 's'
	kindTile       = 't'
	kindUsed       = 'u'
	kindErased     = 'x'
)

// Log is the copy of one log.
type Log struct {
	store  *Store
	prefix []byte

	mu      sync.RWMutex // guards edge and partial; held for writing while a chunk is committed
	edge    *tile.Edge
	partial []byte // the entries behind the last full bundle

	files    sync.Mutex  // held while a file is mended or erased
	erasures atomic.Bool // whether there was ever a notice
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

// get returns a value; ok is false where there is none.
func (l *Log) get(key []byte) (value []byte, ok bool, err error) {
	value, err = l.store.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// each calls f with the rest of each key of a kind that begins with some bytes, and its value, in order. Both are f's. f
// returns false to end it.
func (l *Log) each(kind byte, begin []byte, f func(rest, value []byte) bool) (err error) {
	prefix := l.key(kind, begin...)
	it, err := l.store.db.Reader().NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: behind(prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }() // it is also the error of the iterator
	for it.First(); it.Valid(); it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if !f(bytes.Clone(it.Key()[len(l.prefix)+1:]), bytes.Clone(value)) {
			return nil
		}
	}
	return nil
}

// behind returns the first key that does not begin with prefix, which has a byte below 0xff.
func behind(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; ; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
}

// placeKey holds how far the scrub has come.
var placeKey = append([]byte{pebbledb.PrefixMeta}, "scrub"...)

// Place returns what SetPlace was given last, nil if nothing is kept. It may be lost in a crash.
func (s *Store) Place() ([]byte, error) { return s.db.Noted(placeKey) }

// SetPlace keeps how far a scrub has come.
func (s *Store) SetPlace(b []byte) error { return s.db.Note(placeKey, b) }

// Size is about how many bytes the copies take on the disk.
func (s *Store) Size() uint64 { return s.db.Metrics().DiskSpaceUsage() }
