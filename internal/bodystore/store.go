package bodystore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

var (
	// ErrNotFound is wrapped by the errors for content that is not, and was not, here.
	ErrNotFound = errors.New("not in the store")

	// ErrErased is what errors.Is finds in an *ErasedError.
	ErrErased = errors.New("erased")
)

// ErasedError says that content was erased.
type ErasedError struct {
	Hash   [32]byte
	Notice uint64 // index of the log entry that says why
}

// Error implements error.
func (e *ErasedError) Error() string {
	return fmt.Sprintf("content %x was erased, see log entry %d", e.Hash, e.Notice)
}

// Is makes errors.Is(err, ErrErased) true.
func (e *ErasedError) Is(target error) bool { return target == ErrErased }

// DamagedError says that the stored bytes are not those that were stored.
type DamagedError struct {
	Key []byte // the database key: prefix and the hash that the content should have
	Got [32]byte
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("stored content %x is damaged (its hash is now %x): fetch it from a mirror", e.Key[1:], e.Got)
}

// Store reads and erases content. Its methods may be called from several goroutines.
type Store struct {
	db       *pebbledb.DB
	onDamage func(*DamagedError)

	mending sync.Mutex // held while content is mended or marked as erased
}

// OnDamage sets what is called with each damaged content that a read finds, in the goroutine that reads. It must be set
// before the store is used.
func (s *Store) OnDamage(f func(*DamagedError)) { s.onDamage = f }

// New returns the store in db.
func New(db *pebbledb.DB) *Store { return &Store{db: db} }

// StageBody adds a body to w and returns its SHA-256, under which Body finds it once w is committed.
func StageBody(w pebble.Writer, body []byte) ([32]byte, error) {
	return stage(w, pebbledb.PrefixBody, body)
}

// StageAttachment adds an attachment to w and returns its SHA-256.
func StageAttachment(w pebble.Writer, data []byte) ([32]byte, error) {
	return stage(w, pebbledb.PrefixAttachment, data)
}

func stage(w pebble.Writer, prefix byte, content []byte) ([32]byte, error) {
	hash := sha256.Sum256(content)
	if err := w.Set(pebbledb.HashKey(prefix, hash), content, nil); err != nil {
		return hash, fmt.Errorf("storing content %x: %w", hash, err)
	}
	return hash, nil
}

// Body returns the body with this SHA-256. Errors: *ErasedError, ErrNotFound, *DamagedError, or of the storage.
func (s *Store) Body(hash [32]byte) ([]byte, error) { return s.read(pebbledb.PrefixBody, hash) }

// Attachment returns the attachment with this SHA-256; errors as Body.
func (s *Store) Attachment(hash [32]byte) ([]byte, error) {
	return s.read(pebbledb.PrefixAttachment, hash)
}

func (s *Store) read(prefix byte, hash [32]byte) ([]byte, error) {
	key := pebbledb.HashKey(prefix, hash)
	content, err := s.db.Get(key)
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		notice, erased, err := s.Erased(hash)
		if err != nil {
			return nil, err
		}
		if erased {
			return nil, &ErasedError{Hash: hash, Notice: notice}
		}
		return nil, fmt.Errorf("content %x: %w", hash, ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("reading content %x: %w", hash, err)
	}
	if got := sha256.Sum256(content); got != hash {
		damage := &DamagedError{Key: key, Got: got}
		if s.onDamage != nil {
			s.onDamage(damage)
		}
		return nil, damage
	}
	return content, nil
}

// Mend stores a body or attachment again in place of one that is damaged or missing, by its database key. The content must
// have the hash. What was erased stays so: then it does nothing.
func (s *Store) Mend(key, content []byte) error {
	if len(key) != 1+sha256.Size || key[0] != pebbledb.PrefixBody && key[0] != pebbledb.PrefixAttachment {
		return fmt.Errorf("mending content: %x is no key of any", key)
	}
	hash := [32]byte(key[1:])
	if sha256.Sum256(content) != hash {
		return fmt.Errorf("mending content %x: these are other bytes", hash)
	}
	s.mending.Lock()
	defer s.mending.Unlock()
	if _, erased, err := s.Erased(hash); erased || err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if _, err := stage(b, key[0], content); err != nil {
		return err
	}
	return s.db.Commit(b)
}

// HasBody says whether a body is stored, without reading it.
func (s *Store) HasBody(hash [32]byte) (bool, error) { return s.has(pebbledb.PrefixBody, hash) }

// HasAttachment says whether an attachment is stored, without reading it.
func (s *Store) HasAttachment(hash [32]byte) (bool, error) {
	return s.has(pebbledb.PrefixAttachment, hash)
}

func (s *Store) has(prefix byte, hash [32]byte) (bool, error) {
	_, closer, err := s.db.Reader().Get(pebbledb.HashKey(prefix, hash))
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking up content %x: %w", hash, err)
	}
	return true, closer.Close()
}

// Counts is the number of stored things.
type Counts struct {
	Bodies, Attachments, Erased uint64
}

// Count counts by walking all keys: for reports, not for each request.
func (s *Store) Count(ctx context.Context) (Counts, error) {
	var c Counts
	for prefix, n := range map[byte]*uint64{
		pebbledb.PrefixBody:       &c.Bodies,
		pebbledb.PrefixAttachment: &c.Attachments,
		pebbledb.PrefixErased:     &c.Erased,
	} {
		err := walk(ctx, s.db.Reader(), prefix, func([]byte, func() ([]byte, error)) { *n++ })
		if err != nil {
			return Counts{}, err
		}
	}
	return c, nil
}

// walk calls f with each key of a prefix and a function that reads its value; both are valid only during the call.
func walk(ctx context.Context, r pebble.Reader, prefix byte, f func(key []byte, value func() ([]byte, error))) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefix}, UpperBound: []byte{prefix + 1}})
	if err != nil {
		return fmt.Errorf("walking keys %q: %w", prefix, err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for it.First(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("walking keys %q: %w", prefix, err)
		}
		f(it.Key(), it.ValueAndErr)
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("walking keys %q: %w", prefix, err)
	}
	return nil
}

// Checked says what Check looked at.
type Checked struct {
	Count uint64 // bodies and attachments
	Bytes int    // their sum
	Next  []byte // where to go on; nil at the end of the span
}

// Check hashes the bodies and attachments whose keys lie in span, and calls report for each that does not match its key or
// cannot be read, and for each that is still here although it is marked as erased. With maxBytes above 0 it stops after as
// many bytes or 1,024 keys, so that nobody has to wait for its iterator. An error says that a damaged table hides what comes
// after Next.
//
// If r is not a snapshot, content that is being erased at that very moment may be reported: look again before believing it.
func Check(ctx context.Context, r pebble.Reader, span pebbledb.Span, maxBytes int, report func(key []byte, err error)) (c Checked, err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: span.Start, UpperBound: span.End})
	if err != nil {
		return c, fmt.Errorf("walking content: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	c.Next = span.Start
	for it.First(); it.Valid(); it.Next() {
		if maxBytes > 0 && (c.Bytes >= maxBytes || c.Count >= 1024) || ctx.Err() != nil {
			c.Next = bytes.Clone(it.Key())
			return c, ctx.Err()
		}
		c.Count++
		if err := checkOne(r, it.Key(), it.ValueAndErr, &c.Bytes); err != nil {
			report(bytes.Clone(it.Key()), err)
		}
		c.Next = append(bytes.Clone(it.Key()), 0)
	}
	if err := it.Error(); err != nil {
		return c, fmt.Errorf("walking content: %w", err)
	}
	c.Next = nil
	return c, nil
}

func checkOne(r pebble.Reader, key []byte, value func() ([]byte, error), size *int) error {
	if len(key) != 1+sha256.Size {
		return fmt.Errorf("key of %d bytes", len(key))
	}
	content, err := value()
	if err != nil {
		return err
	}
	*size += len(content)
	if got := sha256.Sum256(content); got != [32]byte(key[1:]) {
		return &DamagedError{Key: bytes.Clone(key), Got: got}
	}
	_, closer, err := r.Get(pebbledb.HashKey(pebbledb.PrefixErased, [32]byte(key[1:])))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(errors.New("is marked as erased but still stored: erase it again"), closer.Close())
}

// Erased says whether content was erased, and the index of the notice.
func (s *Store) Erased(hash [32]byte) (notice uint64, ok bool, err error) {
	value, err := s.db.Get(pebbledb.HashKey(pebbledb.PrefixErased, hash))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("looking up the erasure of %x: %w", hash, err)
	}
	if len(value) != 8 {
		return 0, false, fmt.Errorf("looking up the erasure of %x: %d bytes, want 8", hash, len(value))
	}
	return binary.BigEndian.Uint64(value), true, nil
}

// Erase deletes the body or attachment with this SHA-256 and marks it as erased by the notice at the given index. When it
// returns without error, no file of the database holds the bytes any more. After an error or a crash the content is
// deleted and marked, but its bytes may still be on disk: FinishErasures goes on from there.
//
// It compacts part of the database; pebbledb.ErrSnapshotOpen asks to wait until a long reader (fsck) is through.
func (s *Store) Erase(ctx context.Context, hash [32]byte, notice uint64) error {
	b := s.db.NewBatch()
	defer b.Close()
	mark := binary.BigEndian.AppendUint64(nil, notice)
	err := errors.Join(
		b.Delete(pebbledb.HashKey(pebbledb.PrefixAttachment, hash), nil),
		b.Delete(pebbledb.HashKey(pebbledb.PrefixBody, hash), nil),
		b.Set(pebbledb.HashKey(pebbledb.PrefixErased, hash), mark, nil),
		b.Set(unfinishedKey(hash), nil, nil),
	)
	if err == nil {
		s.mending.Lock()
		err = s.db.Commit(b)
		s.mending.Unlock()
	}
	if err == nil {
		err = s.finish(ctx, hash)
	}
	if err != nil {
		return fmt.Errorf("erasing %x: %w", hash, err)
	}
	return nil
}

// FinishErasures completes the erasures that an error or a crash left unfinished, and returns how many it completed. Call
// it after opening.
func (s *Store) FinishErasures(ctx context.Context) (int, error) {
	var hashes [][32]byte
	prefix := unfinishedKey([32]byte{})
	prefix = prefix[:len(prefix)-sha256.Size]
	err := walk(ctx, s.db.Reader(), prefix[0], func(key []byte, _ func() ([]byte, error)) {
		if rest, ok := bytes.CutPrefix(key, prefix); ok && len(rest) == sha256.Size {
			hashes = append(hashes, [32]byte(rest))
		}
	})
	if err != nil {
		return 0, fmt.Errorf("looking for unfinished erasures: %w", err)
	}
	for i, hash := range hashes {
		if err := s.finish(ctx, hash); err != nil {
			return i, fmt.Errorf("finishing the erasure of %x: %w", hash, err)
		}
	}
	return len(hashes), nil
}

// finish takes deleted content off the disk and notes that this is done.
func (s *Store) finish(ctx context.Context, hash [32]byte) error {
	var spans []pebbledb.Span
	for _, prefix := range []byte{pebbledb.PrefixAttachment, pebbledb.PrefixBody} {
		key := pebbledb.HashKey(prefix, hash)
		spans = append(spans, pebbledb.Span{Start: key, End: append(bytes.Clone(key), 0)})
	}
	if err := s.db.Purge(ctx, spans...); err != nil {
		return err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.Delete(unfinishedKey(hash), nil); err != nil {
		return err
	}
	return s.db.Commit(b)
}

// unfinishedKey is there while an erasure has deleted content but not yet taken it off the disk.
func unfinishedKey(hash [32]byte) []byte {
	return append(append([]byte{pebbledb.PrefixMeta}, "purge"...), hash[:]...)
}
