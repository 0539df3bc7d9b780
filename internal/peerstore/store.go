package peerstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// fixedSize is how many bytes of a value come before the note.
const fixedSize = 8 + 32 + 8

// Head is the head of a log that was cosigned last. The zero value stands for none.
type Head struct {
	Size uint64
	Root proof.Hash
	// Time of the cosignature, Unix seconds, at least 1.
	Time uint64
	// Note is what monitors are served: the checkpoint with the log's signatures that were checked, and the cosignature.
	Note []byte
}

// equal says whether nothing tells the heads apart.
func (h Head) equal(other Head) bool {
	return h.Size == other.Size && h.Root == other.Root && h.Time == other.Time && bytes.Equal(h.Note, other.Note)
}

// Options of Open. The zero value is right for a node that was not restored.
type Options struct {
	FS     vfs.FS       // default: the operating system's; the mark is always there
	Logger *slog.Logger // default: none

	// Lost says that the node's state directory went missing, whatever shows that: a first start is then none, and the key
	// must be retired. It is remembered.
	Lost bool
}

// Store is an open store. It is safe for concurrent use.
type Store struct {
	db    *pebbledb.DB
	turns turns
}

// Close closes the store. No other call may run.
func (s *Store) Close() error { return s.db.Close() }

// Err says why the store stores and reads nothing any more: a *pebbledb.HaltedError once a write or sync has failed, for the
// rest of the process. Else nil.
func (s *Store) Err() error { return s.db.Err() }

// Head returns the last head of the log whose origin has this hash; ok is false if there is none. It is durable: while an
// Update of that log runs, Head waits for its end, since the database shows a value before its sync has ended.
func (s *Store) Head(origin [sha256.Size]byte) (h Head, ok bool, err error) {
	defer s.turns.take(origin)()
	if h, err = s.read(origin); err != nil {
		return Head{}, false, err
	}
	return h, h.Time != 0, nil
}

// Update replaces the head of the log whose origin has this hash by what next makes of the old one, which is the zero Head
// if there is none. When it returns nil, a power loss takes that back no more. It refuses to go back (I4). An error of next
// is returned as it is, and nothing is stored; a head equal to the old one is not written again.
//
// Updates of one log run one after the other, next included; those of different logs share syncs. After an error of the disk
// the store has halted, and whether the head was stored shows at the next start.
func (s *Store) Update(origin [sha256.Size]byte, next func(old Head) (Head, error)) error {
	defer s.turns.take(origin)()
	old, err := s.read(origin)
	if err != nil {
		return err
	}
	h, err := next(old)
	if err != nil || h.equal(old) {
		return err
	}
	if err := forward(old, h); err != nil {
		return fmt.Errorf("storing a witnessed head: %w", err)
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

// forward says what is wrong with h after old.
func forward(old, h Head) error {
	switch {
	case h.Time == 0:
		return errors.New("it has no time")
	case h.Size < old.Size, h.Time < old.Time:
		return fmt.Errorf("size %d at %d goes back from size %d at %d", h.Size, h.Time, old.Size, old.Time)
	case h.Size == old.Size && old.Time != 0 && h.Root != old.Root:
		return fmt.Errorf("size %d was cosigned with another root", h.Size)
	}
	return nil
}

// read returns the head that the database shows; the log's turn is held. Once the store has halted it returns the reason:
// what the database shows then may be what failed to reach the disk.
func (s *Store) read(origin [sha256.Size]byte) (Head, error) {
	v, err := s.db.Get(key(origin))
	if halted := s.db.Err(); halted != nil {
		return Head{}, fmt.Errorf("reading a witnessed head: %w", halted)
	}
	if errors.Is(err, pebble.ErrNotFound) {
		return Head{}, nil
	}
	if err == nil && len(v) <= fixedSize {
		err = fmt.Errorf("a value of %d bytes", len(v))
	}
	if err != nil {
		return Head{}, fmt.Errorf("reading a witnessed head: %w", err)
	}
	return Head{Size: binary.BigEndian.Uint64(v), Root: proof.Hash(v[8:40]), Time: binary.BigEndian.Uint64(v[40:48]), Note: v[fixedSize:]}, nil
}

func key(origin [sha256.Size]byte) []byte { return pebbledb.HashKey(pebbledb.PrefixWitnessed, origin) }
