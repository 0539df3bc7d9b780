package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// metaFinal is the key of the newest final note.
var metaFinal = append([]byte{pebbledb.PrefixMeta}, "final"...)

// Finalize remembers a published head with the cosignatures that make it final,
// which the caller has verified. Receipts of what it covers carry it from then on. A
// head that is not newer is ignored, but for fresher cosignatures of the same.
func (l *Ledger) Finalize(ctx context.Context, note []byte) error {
	c, err := parseStoredNote(note)
	if err != nil {
		return err
	}
	l.finalizing.Lock()
	defer l.finalizing.Unlock()
	if f := l.final.Load(); f != nil && c.Size < f.Checkpoint.Size {
		return nil
	}
	if err := l.checkFinal(ctx, c); err != nil {
		return err
	}
	if err := l.db.Note(metaFinal, note); err != nil {
		return err
	}
	l.final.Store(&Published{c, note})
	return nil
}

// Final returns the newest final head; nil before the first.
func (l *Ledger) Final() *Published { return l.final.Load() }

// openFinal shows the final head of the last run again. One that the data don't bear
// out, such as of data that were restored, is forgotten: the next round makes another.
func (l *Ledger) openFinal(ctx context.Context) error {
	note, err := l.db.Get(metaFinal)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := parseStoredNote(note)
	if err != nil {
		return err
	}
	if l.checkFinal(ctx, c) == nil {
		l.final.Store(&Published{c, note})
	}
	return nil
}

// checkFinal checks that a head is one of this log's, and published.
func (l *Ledger) checkFinal(ctx context.Context, c checkpoint.Checkpoint) error {
	p := l.Published()
	if c.Origin != l.origin || p == nil || c.Size > p.Checkpoint.Size {
		return fmt.Errorf("the head of %s at size %d is not published here", c.Origin, c.Size)
	}
	root, err := l.log.Root(ctx, c.Size)
	if err != nil {
		return err
	}
	if root != c.Root {
		return fmt.Errorf("the final head of size %d has another root than this log", c.Size)
	}
	return nil
}

// covering is the head to prove a leaf by: the final one if it covers the leaf, else
// the published one; nil if neither does.
func (l *Ledger) covering(index uint64) *Published {
	for _, p := range []*Published{l.Final(), l.Published()} {
		if p != nil && index < p.Checkpoint.Size {
			return p
		}
	}
	return nil
}
