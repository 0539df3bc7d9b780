package mirrorstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Use says which attachments the body of a statement names. Of each subject the use by the newest revision counts: that is
// its live record.
type Use struct {
	Subject     string
	Revision    uint32
	Index       uint64
	Body        [sha256.Size]byte
	Attachments [][sha256.Size]byte
}

// subjectKey is where a subject's facts lie: its name cannot hold a zero byte.
func (l *Log) subjectKey(kind byte, subject string) []byte {
	return append(l.key(kind, []byte(subject)...), 0)
}

func (l *Log) useKey(sum [sha256.Size]byte, subject string) []byte {
	return append(l.key(kindUsed, sum[:]...), subject...)
}

// stageUses makes uses known, in the order of the log.
func (l *Log) stageUses(b *pebble.Batch, uses []Use) error {
	newest := map[string]Use{}
	for _, u := range uses {
		if old, ok := newest[u.Subject]; !ok || old.Revision < u.Revision {
			newest[u.Subject] = u
		}
	}
	for _, u := range newest {
		if err := l.stageUse(b, u); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) stageUse(b *pebble.Batch, u Use) error {
	if known, err := l.revision(u.Subject); err != nil || known > u.Revision {
		return err // a body that was found late
	}
	if u.Revision > 1 {
		if err := b.Set(l.subjectKey(kindRevision, u.Subject), binary.BigEndian.AppendUint32(nil, u.Revision), nil); err != nil {
			return err
		}
		if err := l.dropUses(b, u.Subject); err != nil {
			return err
		}
	}
	for _, sum := range u.Attachments {
		value := append(binary.BigEndian.AppendUint64(nil, u.Index), u.Body[:]...)
		if err := errors.Join(b.Set(l.useKey(sum, u.Subject), value, nil), b.Set(append(l.subjectKey(kindUses, u.Subject), sum[:]...), nil, nil)); err != nil {
			return err
		}
	}
	return nil
}

// revision is the newest revision of a subject, if it is above 1.
func (l *Log) revision(subject string) (uint32, error) {
	v, ok, err := l.get(l.subjectKey(kindRevision, subject))
	if err != nil || !ok || len(v) != 4 {
		return 0, err
	}
	return binary.BigEndian.Uint32(v), nil
}

// dropUses forgets what a subject's last revision named.
func (l *Log) dropUses(b *pebble.Batch, subject string) error {
	skip := len(l.subjectKey(kindUses, subject)) - len(l.prefix) - 1
	var errs []error
	err := l.each(kindUses, append([]byte(subject), 0), func(rest, _ []byte) bool {
		if len(rest) == skip+sha256.Size {
			errs = append(errs, b.Delete(l.useKey([sha256.Size]byte(rest[skip:]), subject), nil), b.Delete(l.key(kindUses, rest...), nil))
		}
		return true
	})
	return errors.Join(append(errs, err)...)
}

// Attachment returns an attachment by its SHA-256; errors as Body.
func (l *Log) Attachment(sum [sha256.Size]byte) ([]byte, error) { return l.file(Attachment, sum) }

// HasAttachment reports whether an attachment is stored.
func (l *Log) HasAttachment(sum [sha256.Size]byte) (bool, error) { return l.has(Attachment, sum) }

// PutAttachment stores an attachment, before the entry that names it or after, and counts it to a day.
func (l *Log) PutAttachment(data []byte, day uint64) error {
	sum := sha256.Sum256(data)
	l.files.Lock()
	defer l.files.Unlock()
	err := l.db.write(func(b *pebble.Batch) error {
		return errors.Join(b.Set(l.fileKey(Attachment, sum), data, nil), b.Delete(l.key(kindLacking, sum[:]...), nil), l.grow(b, &Chunk{Day: day, Files: [][]byte{data}}))
	})
	if err != nil {
		return fmt.Errorf("mirroring an attachment: %w", err)
	}
	return nil
}

// Used lists the attachments that live records name, whose bodies no notice erased, with the index of an entry that does.
func (l *Log) Used(f func(sum [sha256.Size]byte, index uint64) error) error {
	type use struct {
		sum, body [sha256.Size]byte
		index     uint64
	}
	var all []use
	err := l.each(kindUsed, nil, func(rest, value []byte) bool {
		if len(rest) > sha256.Size && len(value) == 8+sha256.Size {
			all = append(all, use{[sha256.Size]byte(rest), [sha256.Size]byte(value[8:]), binary.BigEndian.Uint64(value)})
		}
		return true
	})
	if err != nil {
		return err
	}
	for _, u := range all {
		if _, erased, err := l.ErasedBy(u.body); err != nil {
			return err
		} else if erased {
			continue
		}
		if err := f(u.sum, u.index); err != nil {
			return err
		}
	}
	return nil
}

// used returns the index of a live record's entry that names an attachment; ok is false if none does.
func (l *Log) used(sum [sha256.Size]byte) (index uint64, ok bool, err error) {
	var bodies [][sha256.Size]byte
	var at []uint64
	err = l.each(kindUsed, sum[:], func(_, value []byte) bool {
		if len(value) == 8+sha256.Size {
			bodies, at = append(bodies, [sha256.Size]byte(value[8:])), append(at, binary.BigEndian.Uint64(value))
		}
		return true
	})
	for i, body := range bodies {
		if _, erased, eerr := l.ErasedBy(body); eerr != nil || !erased {
			return at[i], eerr == nil, eerr
		}
	}
	return 0, false, err
}

// Lacking returns the attachments, at most limit, that live records name and that were not to be had. Those that no live
// record names any more are forgotten.
func (l *Log) Lacking(limit int) (out []Absent, err error) {
	var all [][sha256.Size]byte
	if err := l.each(kindLacking, nil, func(rest, _ []byte) bool {
		if len(rest) == sha256.Size {
			all = append(all, [sha256.Size]byte(rest))
		}
		return true
	}); err != nil {
		return nil, err
	}
	for _, sum := range all {
		index, ok, err := l.used(sum)
		switch {
		case err != nil:
			return nil, err
		case ok && len(out) < limit:
			out = append(out, Absent{Index: index, Sum: sum})
		case !ok:
			if err := l.db.write(func(b *pebble.Batch) error { return b.Delete(l.key(kindLacking, sum[:]...), nil) }); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// IsLacking reports whether an attachment is noted as one that was not to be had.
func (l *Log) IsLacking(sum [sha256.Size]byte) (bool, error) {
	_, ok, err := l.get(l.key(kindLacking, sum[:]...))
	return ok, err
}
