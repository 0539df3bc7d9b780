package mirrorstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

// Erasure is what a valid erasure notice says.
type Erasure struct {
	Notice    uint64 // index of the notice
	Sum       [sha256.Size]byte
	Emergency bool // a court's emergency order: nobody waits
}

// Anchor is a valid anchor in the log.
type Anchor struct {
	Size uint64 // of the head that it anchors
	Time uint64 // the lower median of the witnesses' times, Unix seconds
}

// pendingSize is the size of the record of an erasure that is not done.
const pendingSize = 8 + 8 + 1

func (e *Erasure) pending(at uint64) []byte {
	v := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, e.Notice), at)
	if e.Emergency {
		return append(v, 1)
	}
	return append(v, 0)
}

// stageErasures notes what notices say, and what time it is by the log.
func (l *Log) stageErasures(b *pebble.Batch, c *Chunk) error {
	fresh := map[[sha256.Size]byte]Erasure{}
	for _, e := range c.Erased {
		if _, known, err := l.ErasedBy(e.Sum); err != nil {
			return err
		} else if _, again := fresh[e.Sum]; known || again {
			continue // the first notice counts
		}
		fresh[e.Sum] = e
		l.erasures.Store(true)
		if err := b.Set(l.key(kindErased, e.Sum[:]...), binary.BigEndian.AppendUint64(nil, e.Notice), nil); err != nil {
			return err
		}
	}
	now, err := l.Time()
	if err != nil {
		return err
	}
	times := map[[sha256.Size]byte]uint64{}
	waiting, err := l.pendings()
	if err != nil {
		return err
	}
	for _, e := range fresh {
		waiting = append(waiting, pending{Erasure: e})
	}
	for _, a := range c.Anchors {
		now = max(now, a.Time)
		for _, w := range waiting {
			if w.at == 0 && times[w.Sum] == 0 && w.Notice < a.Size {
				times[w.Sum] = now
			}
		}
	}
	for _, w := range waiting {
		at := max(w.at, times[w.Sum])
		if _, isNew := fresh[w.Sum]; at == w.at && !isNew {
			continue
		}
		if err := b.Set(l.key(kindPending, w.Sum[:]...), w.pending(at), nil); err != nil {
			return err
		}
	}
	if len(c.Anchors) == 0 {
		return nil
	}
	return b.Set(l.key(kindClock), binary.BigEndian.AppendUint64(nil, now), nil)
}

// Time is the time of the newest anchor of the log that is stored, in Unix seconds; 0 if there is none.
func (l *Log) Time() (uint64, error) {
	v, ok, err := l.get(l.key(kindClock))
	if err != nil || !ok || len(v) != 8 {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

// pending is an erasure that is not done; at is the log time of its notice, 0 while no anchor covers it.
type pending struct {
	Erasure
	at uint64
}

func (l *Log) pendings() (out []pending, err error) {
	if !l.erasures.Load() {
		return nil, nil
	}
	err = l.each(kindPending, nil, func(rest, v []byte) bool {
		if len(rest) == sha256.Size && len(v) == pendingSize {
			e := Erasure{Notice: binary.BigEndian.Uint64(v), Sum: [sha256.Size]byte(rest), Emergency: v[16] == 1}
			out = append(out, pending{e, binary.BigEndian.Uint64(v[8:])})
		}
		return true
	})
	return out, err
}

// Due returns the erasures that are to be done: those whose notice is keep seconds old by the log's own time, and emergency
// orders.
func (l *Log) Due(keep uint64) (out []Erasure, err error) {
	all, err := l.pendings()
	if err != nil {
		return nil, err
	}
	now, err := l.Time()
	for _, p := range all {
		if p.Emergency || p.at > 0 && now >= p.at+keep {
			out = append(out, p.Erasure)
		}
	}
	return out, err
}

// Erase deletes bodies, and of the attachments that each names those that no live record names any more. When it returns
// without error, no file of the database holds their bytes. After an error or a crash they are deleted, and a later call,
// also one without erasures, takes them off the disk.
func (l *Log) Erase(ctx context.Context, erasures []Erasure, attachments func(body []byte) [][sha256.Size]byte) error {
	if !l.erasures.Load() {
		return nil
	}
	l.files.Lock()
	for _, e := range erasures {
		if err := l.remove(e, attachments); err != nil {
			l.files.Unlock()
			return fmt.Errorf("erasing %x: %w", e.Sum, err)
		}
	}
	l.files.Unlock()
	return l.purge(ctx)
}

// remove deletes a body and its attachments, and notes that their bytes are still on the disk.
func (l *Log) remove(e Erasure, attachments func(body []byte) [][sha256.Size]byte) error {
	body, _, err := l.get(l.fileKey(Body, e.Sum))
	if err != nil {
		return err
	}
	return l.db.write(func(b *pebble.Batch) error {
		gone := func(kind Kind, sum [sha256.Size]byte) error {
			key := l.fileKey(kind, sum)
			return errors.Join(b.Delete(key, nil), b.Set(l.key(kindPurge, key[len(l.prefix):]...), nil, nil))
		}
		if err := errors.Join(gone(Body, e.Sum), b.Delete(l.key(kindPending, e.Sum[:]...), nil)); err != nil {
			return err
		}
		for _, sum := range attachments(body) {
			free, err := l.release(b, sum, e.Sum)
			if err != nil {
				return err
			}
			if !free {
				continue
			}
			if err := errors.Join(gone(Attachment, sum), b.Set(l.key(kindErased, sum[:]...), binary.BigEndian.AppendUint64(nil, e.Notice), nil)); err != nil {
				return err
			}
		}
		return nil
	})
}

// release forgets that a body names an attachment, and reports whether no live record names it then.
func (l *Log) release(b *pebble.Batch, sum, body [sha256.Size]byte) (free bool, err error) {
	free = true
	var subjects []string
	err = l.each(kindUsed, sum[:], func(rest, v []byte) bool {
		if len(v) != 8+sha256.Size {
			return true
		}
		if [sha256.Size]byte(v[8:]) == body {
			subjects = append(subjects, string(rest[sha256.Size:]))
		} else {
			free = false
		}
		return true
	})
	for _, s := range subjects {
		err = errors.Join(err, b.Delete(l.useKey(sum, s), nil), b.Delete(append(l.subjectKey(kindUses, s), sum[:]...), nil))
	}
	return free, err
}

// purge takes off the disk what was deleted.
func (l *Log) purge(ctx context.Context) error {
	var spans []pebbledb.Span
	var done [][]byte
	err := l.each(kindPurge, nil, func(rest, _ []byte) bool {
		key := append(bytes.Clone(l.prefix), rest...)
		spans = append(spans, pebbledb.Span{Start: key, End: append(bytes.Clone(key), 0)})
		done = append(done, l.key(kindPurge, rest...))
		return true
	})
	if err != nil || len(spans) == 0 {
		return err
	}
	if err := l.db.purge(ctx, spans); err != nil {
		return err
	}
	return l.db.write(func(b *pebble.Batch) (err error) {
		for _, key := range done {
			err = errors.Join(err, b.Delete(key, nil))
		}
		return err
	})
}

// FindLeaves looks in all that is stored for leaves by their hashes, and returns the index of the first with each.
func (l *Log) FindLeaves(wanted map[[sha256.Size]byte]bool) (map[[sha256.Size]byte]uint64, error) {
	found := map[[sha256.Size]byte]uint64{}
	size, _ := l.Head()
	for n := uint64(0); n<<8 < size && len(found) < len(wanted); n++ {
		hashes, ok := l.edgeTile(0, n)
		if !ok {
			var err error
			if hashes, err = l.storedTile(0, n); err != nil {
				return nil, err
			}
		}
		for i, h := range hashes {
			if _, again := found[h]; wanted[h] && !again {
				found[h] = n<<8 + uint64(i)
			}
		}
	}
	return found, nil
}
