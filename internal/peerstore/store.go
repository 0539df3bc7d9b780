package peerstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// Memory of the database: a few hundred bytes for each log that is witnessed.
const (
	memTableSize = 1 << 20
	cacheSize    = 8 << 20
)

const (
	storeDir   = "witness"
	markerFile = "witness-key"
	fixedSize  = 8 + 32 + 8
)

// ErrLost says that the heads which this witness key signed are gone.
var ErrLost = errors.New("the heads that this witness signed are lost: what it signs next could contradict them; make a new witness key (cityproof keygen) and have the registry rotate it")

// Head is the head of a log that was cosigned last.
type Head struct {
	Size uint64
	Root proof.Hash
	// Time of the cosignature, Unix seconds.
	Time uint64
	// Note is what monitors are served: the checkpoint with the log's signatures that were checked, and the cosignature.
	Note []byte
}

// Options of Open. The zero value is right for a node.
type Options struct {
	FS     vfs.FS       // default: the operating system's; the marker is always there
	Logger *slog.Logger // default: none
}

// Store is an open store. It is safe for concurrent use.
type Store struct{ db *pebbledb.DB }

// Open opens or makes the store in a node's state directory, for the witness key with this verifier key. It returns an
// error that wraps ErrLost where the key has signed before and its heads are missing.
func Open(state, vkey string, opts Options) (*Store, error) {
	fsys := opts.FS
	if fsys == nil {
		fsys = vfs.Default
	}
	dir := filepath.Join(state, storeDir)
	marker := filepath.Join(state, markerFile)
	marked, err := os.ReadFile(marker)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening the witness's store: %w", err)
	}
	if _, err := fsys.Stat(fsys.PathJoin(dir, "FORMAT")); errors.Is(err, fs.ErrNotExist) && strings.TrimSpace(string(marked)) == vkey {
		return nil, fmt.Errorf("opening the witness's store %s: %w", dir, ErrLost)
	}
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: opts.FS, Logger: opts.Logger, MemTableSize: memTableSize, CacheSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("opening the witness's store: %w", err)
	}
	if string(marked) != vkey+"\n" {
		if err := mark(marker, vkey); err != nil {
			return nil, fmt.Errorf("opening the witness's store: %w", errors.Join(err, db.Close()))
		}
	}
	return &Store{db}, nil
}

// Close closes the store.
func (s *Store) Close() error { return s.db.Close() }

// Head returns the last head of the log whose origin has this hash; ok is false if there is none.
func (s *Store) Head(origin [sha256.Size]byte) (h Head, ok bool, err error) {
	v, err := s.db.Get(key(origin))
	if errors.Is(err, pebble.ErrNotFound) {
		return Head{}, false, nil
	}
	if err == nil && len(v) < fixedSize {
		err = fmt.Errorf("a value of %d bytes", len(v))
	}
	if err != nil {
		return Head{}, false, fmt.Errorf("reading a witnessed head: %w", err)
	}
	h = Head{Size: binary.BigEndian.Uint64(v), Root: proof.Hash(v[8:40]), Time: binary.BigEndian.Uint64(v[40:48]), Note: v[fixedSize:]}
	return h, true, nil
}

// Put stores a head in the place of old, durably: when it returns nil, a power loss takes it back no more. It refuses to go
// back (I4). Callers must not run it twice at a time for one origin. After an error of the disk the store has halted, and
// whether the head was stored shows at the next start.
func (s *Store) Put(origin [sha256.Size]byte, h, old Head) error {
	if h.Size < old.Size || h.Time < old.Time || h.Size == old.Size && old.Time != 0 && h.Root != old.Root {
		return fmt.Errorf("storing a witnessed head of size %d at %d: it goes back from size %d at %d", h.Size, h.Time, old.Size, old.Time)
	}
	b := s.db.NewBatch()
	defer b.Close() // its error is Commit's
	v := binary.BigEndian.AppendUint64(make([]byte, 0, fixedSize+len(h.Note)), h.Size)
	v = binary.BigEndian.AppendUint64(append(v, h.Root[:]...), h.Time)
	if err := b.Set(key(origin), append(v, h.Note...), nil); err != nil {
		return fmt.Errorf("storing a witnessed head: %w", err)
	}
	if err := s.db.Commit(b); err != nil {
		return fmt.Errorf("storing a witnessed head: %w", err)
	}
	return nil
}

func key(origin [sha256.Size]byte) []byte { return pebbledb.HashKey(pebbledb.PrefixWitnessed, origin) }

// mark puts the marker in the place of an old one, durably.
func mark(file, vkey string) (err error) {
	f, err := os.OpenFile(file+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(vkey + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
