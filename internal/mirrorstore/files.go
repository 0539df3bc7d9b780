package mirrorstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrNotFound is wrapped by the errors for a file that is not here.
var ErrNotFound = errors.New("not in the mirror's store")

// ErasedError says that a file is not here because a notice in its log erased it.
type ErasedError struct {
	Sum    [sha256.Size]byte
	Notice uint64 // index of the notice
}

// Error implements error.
func (e *ErasedError) Error() string {
	return fmt.Sprintf("%x was erased, see log entry %d", e.Sum, e.Notice)
}

// fileKey is where a log's file lies.
func (l *Log) fileKey(kind Kind, sum [sha256.Size]byte) []byte {
	if kind == Attachment {
		return l.key(kindAttachment, sum[:]...)
	}
	return l.key(kindBody, sum[:]...)
}

// Body returns what an entry commits to, by its SHA-256. Errors wrap ErrNotFound, or are *ErasedError, *DamagedError, or of
// the storage.
func (l *Log) Body(sum [sha256.Size]byte) ([]byte, error) { return l.file(Body, sum) }

func (l *Log) file(kind Kind, sum [sha256.Size]byte) ([]byte, error) {
	b, ok, err := l.get(l.fileKey(kind, sum))
	if err != nil {
		return nil, err
	}
	if !ok {
		notice, erased, err := l.ErasedBy(sum)
		switch {
		case err != nil:
			return nil, err
		case erased:
			return nil, &ErasedError{sum, notice}
		}
		return nil, fmt.Errorf("%v %x: %w", kind, sum, ErrNotFound)
	}
	if sha256.Sum256(b) != sum {
		return nil, &DamagedError{Part{Kind: kind, Sum: sum}, "it does not have its hash"}
	}
	return b, nil
}

// HasBody reports whether a body is stored.
func (l *Log) HasBody(sum [sha256.Size]byte) (bool, error) { return l.has(Body, sum) }

func (l *Log) has(kind Kind, sum [sha256.Size]byte) (bool, error) {
	_, ok, err := l.get(l.fileKey(kind, sum))
	return ok, err
}

// ErasedBy returns the index of the notice in this log that erased a file, or is about to.
func (l *Log) ErasedBy(sum [sha256.Size]byte) (notice uint64, ok bool, err error) {
	if !l.erasures.Load() {
		return 0, false, nil
	}
	v, ok, err := l.get(l.key(kindErased, sum[:]...))
	if err != nil || !ok {
		return 0, false, err
	}
	if len(v) != 8 {
		return 0, false, fmt.Errorf("%d bytes for an erasure", len(v))
	}
	return binary.BigEndian.Uint64(v), true, nil
}

// IsAbsent reports whether a file is noted as one that was not to be had.
func (l *Log) IsAbsent(a Absent) (bool, error) {
	_, ok, err := l.get(l.absentKey(a))
	return ok, err
}

// IsErased reports whether a body is gone by a notice: it must not be stored again.
func (l *Log) IsErased(sum [sha256.Size]byte) (bool, error) {
	_, known, err := l.ErasedBy(sum)
	if err != nil || !known {
		return false, err
	}
	there, err := l.HasBody(sum)
	if err != nil || there {
		return false, err
	}
	_, waits, err := l.get(l.key(kindPending, sum[:]...))
	return !waits, err
}

// Challenge returns what SetChallenge was given last, nil if nothing is kept.
func (l *Log) Challenge() ([]byte, error) {
	b, _, err := l.get(l.key(kindChallenge))
	return b, err
}

// SetChallenge keeps, durably, what the log owes an answer to; nothing for nil.
func (l *Log) SetChallenge(b []byte) error { return l.set(l.key(kindChallenge), b) }
