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
	dir  string
	opts Options

	mu   sync.Mutex // guards db and logs
	db   *database
	logs map[[sha256.Size]byte]*Log
}

// Open opens or makes the store in a directory. What an earlier layout has is dropped: all of it is fetched again.
func Open(dir string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	db, err := openDatabase(dir, opts)
	if err != nil {
		return nil, err
	}
	return &Store{dir: dir, opts: opts, db: db, logs: map[[sha256.Size]byte]*Log{}}, nil
}

func (s *Store) database() *database {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db
}

// Halted is closed when the database of now halts: for good, unless Renew mends it.
func (s *Store) Halted() <-chan struct{} { return s.database().pebble.Halted() }

// Renew makes the database anew, empty, if a damaged file has halted it: these are copies, and others have them. It reports
// whether it did. Logs that were read before have errors that wrap ErrRetired from then on. After an error the store has
// nothing, and Renew may be called again.
func (s *Store) Renew() (renewed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.db.pebble.Damaged() {
		return false, nil
	}
	s.db.retire()
	db, err := openDatabase(s.dir, s.opts)
	if err != nil {
		return false, err
	}
	s.db, s.logs = db, map[[sha256.Size]byte]*Log{}
	return true, nil
}

// Close closes the store. No other call may run.
func (s *Store) Close() error {
	if s.db.retired { // and could not be made anew
		return nil
	}
	return s.db.pebble.Close()
}

// Log returns the copy of the log whose origin has this hash; it may be empty.
func (s *Store) Log(origin [sha256.Size]byte) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.logs[origin]; l != nil {
		return l, nil
	}
	l := &Log{db: s.db, logger: s.opts.Logger, prefix: append([]byte{pebbledb.PrefixMirror}, origin[:]...), edge: &tile.Edge{}}
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
	known, db := s.logs[origin], s.db
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	prefix := append([]byte{pebbledb.PrefixMirror}, origin[:]...)
	for _, kind := range []byte{kindHead, kindChallenge} { // of a log that hands out nothing there is only the latter
		if _, ok, err := db.get(append(prefix, kind)); err != nil {
			return nil, err
		} else if ok {
			return s.Log(origin)
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
	db     *database
	logger *slog.Logger
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
func (l *Log) get(key []byte) (value []byte, ok bool, err error) { return l.db.get(key) }

// set writes a value, durably.
func (l *Log) set(key, value []byte) error {
	return l.db.write(func(b *pebble.Batch) error { return b.Set(key, value, nil) })
}

// each calls f with the rest of each key of a kind that begins with some bytes, and its value, in order. Both are f's. f
// returns false to end it.
func (l *Log) each(kind byte, begin []byte, f func(rest, value []byte) bool) error {
	prefix := l.key(kind, begin...)
	return l.db.use(func(db *pebbledb.DB) (err error) {
		it, err := db.Reader().NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: behind(prefix)})
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
	})
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
func (s *Store) Place() (b []byte, err error) {
	err = s.database().use(func(db *pebbledb.DB) (err error) { b, err = db.Noted(placeKey); return err })
	return b, err
}

// SetPlace keeps how far a scrub has come.
func (s *Store) SetPlace(b []byte) error {
	return s.database().use(func(db *pebbledb.DB) error { return db.Note(placeKey, b) })
}

// Size is about how many bytes the copies take on the disk.
func (s *Store) Size() uint64 { return s.database().size() }
