package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/tile"
)

// Loss says what of a log is lost on this disk.
type Loss int32

// The losses.
const (
	NotLost Loss = iota
	// LostData: the state knows a larger signed head than the data reach, or the log must begin with more than they hold.
	LostData
	// LostState: nobody here knows which head was signed last.
	LostState
)

// Lost says what is lost, and the newest head that this disk knows to be signed. A log of which something is lost only reads,
// until Refill has brought it back.
func (l *Ledger) Lost() (Loss, checkpoint.Checkpoint) {
	last, _, _ := l.signer.Last()
	return Loss(l.lost.Load()), last
}

// MustBegin says which head the log has to hold, because it goes on from another log with the same entries. While the data end
// below it, the log is one of which something is lost.
func (l *Ledger) MustBegin(head checkpoint.Checkpoint) {
	if size, _ := l.log.Head(); size < head.Size && l.lost.CompareAndSwap(int32(NotLost), int32(LostData)) {
		l.SayRecovering(fmt.Sprintf("it goes on from another log, whose %d entries are not here yet", head.Size))
	}
}

// SayRecovering replaces the words for an operator why the log only reads.
func (l *Ledger) SayRecovering(why string) {
	if l.lost.Load() != int32(NotLost) {
		l.readOnly.Store(&why)
	}
}

var errNotLost = errors.New("nothing of this log is lost")

// Refill fills a log of which something is lost from a copy of it, signs, and lets it take declarations again. head is the
// newest head that the log's keys have signed, as far as those who must be asked know; the copy was proven into it, and nothing
// is judged again. The data must lead to it, and to what this disk knows to be signed, or nothing is signed. A crash loses
// nothing: the next Refill goes on.
func (l *Ledger) Refill(ctx context.Context, from *mirrorstore.Log, head checkpoint.Checkpoint) error {
	r := &refill{l: l, from: from, head: head}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("refilling %s: %w", l.origin, err)
	}
	return nil
}

type refill struct {
	l    *Ledger
	from *mirrorstore.Log
	head checkpoint.Checkpoint
}

func (r *refill) run(ctx context.Context) error {
	if r.l.lost.Load() == int32(NotLost) {
		return errNotLost
	}
	size, root := r.l.log.Head()
	if size > 0 && size <= r.head.Size {
		theirs, err := tile.Root(ctx, r.from, size)
		if err != nil {
			return err
		}
		if theirs != root {
			return fmt.Errorf("the data on this disk have the root %s at size %d, and the log that was signed has %s: "+
				"move the data directory away, and the log is filled from nothing", root, size, theirs)
		}
	}
	for first := uint64(0); first < r.head.Size; first += tile.FullWidth {
		if err := r.bundle(ctx, first); err != nil {
			return err
		}
	}
	if err := r.attachments(); err != nil {
		return err
	}
	return r.finish(ctx)
}

// bundle stores what is not stored yet of an entry bundle: entries, and the files that they commit to.
func (r *refill) bundle(ctx context.Context, first uint64) error {
	width := int(min(tile.FullWidth, r.head.Size-first))
	raw, err := r.from.Bundle(first/tile.FullWidth, width)
	if err != nil {
		return err
	}
	entries, err := tile.ParseBundle(raw, width)
	if err != nil {
		return err
	}
	size, _ := r.l.log.Head()
	var g logstore.Group
	var bodies [][]byte
	for i, b := range entries {
		e, err := entry.Parse(b)
		if err != nil {
			return fmt.Errorf("entry %d is one that this program can't read: %w", first+uint64(i), err)
		}
		for _, f := range e.Files {
			body, err := r.file(ctx, f)
			if err != nil {
				return fmt.Errorf("entry %d: %w", first+uint64(i), err)
			}
			if body != nil {
				bodies = append(bodies, body)
				g.StageBytes += len(body) + 512
			}
		}
		if first+uint64(i) >= size {
			g.Leaves = append(g.Leaves, logstore.Leaf{Entry: b, Identity: e.Identity})
		}
	}
	if len(g.Leaves) == 0 {
		return r.stage(bodies, bodystore.StageBody)
	}
	g.Stage = func(w pebble.Writer, _ []uint64, _ []bool) error { return stageAll(w, bodies, bodystore.StageBody) }
	result, err := r.l.log.Append(ctx, g)
	if err == nil && slices.Contains(result.Fresh, false) {
		err = errors.New("the log has one of these entries already, at another index")
	}
	return err
}

// file returns what an entry commits to if it is to be stored; nil where it is here, or was erased. What a notice erased and the
// copy still keeps is stored, with the order to erase it; what the copy has no more is marked as erased: the notice is under a
// signed head.
func (r *refill) file(ctx context.Context, f entry.File) ([]byte, error) {
	here, err := r.l.bodies.HasBody(f.Sum)
	if err != nil {
		return nil, err
	}
	_, gone, err := r.l.bodies.Erased(f.Sum)
	if err != nil || gone {
		return nil, err
	}
	notice, erased, err := r.from.ErasedBy(f.Sum)
	if err != nil {
		return nil, err
	}
	there, err := r.from.HasBody(f.Sum)
	if err != nil {
		return nil, err
	}
	if erased && !there && !here {
		return nil, r.l.bodies.Erase(ctx, f.Sum, notice)
	}
	if erased {
		if err := r.l.db.Note(eraseKey(f.Sum), binary.BigEndian.AppendUint64(nil, notice)); err != nil {
			return nil, err
		}
	}
	if here {
		return nil, nil
	}
	return r.from.Body(f.Sum)
}

// attachments stores the attachments of live records.
func (r *refill) attachments() error {
	return r.from.Used(func(sum [32]byte, index uint64) error {
		here, err := r.l.bodies.HasAttachment(sum)
		if err != nil || here {
			return err
		}
		data, err := r.from.Attachment(sum)
		if err != nil {
			return fmt.Errorf("an attachment of entry %d: %w", index, err)
		}
		return r.stage([][]byte{data}, bodystore.StageAttachment)
	})
}

// stage stores content durably.
func (r *refill) stage(content [][]byte, how func(pebble.Writer, []byte) ([32]byte, error)) error {
	if len(content) == 0 {
		return nil
	}
	b := r.l.db.NewBatch()
	defer b.Close() // its error is Commit's
	if err := stageAll(b, content, how); err != nil {
		return err
	}
	return r.l.db.Commit(b)
}

func stageAll(w pebble.Writer, content [][]byte, how func(pebble.Writer, []byte) ([32]byte, error)) error {
	for _, c := range content {
		if _, err := how(w, c); err != nil {
			return err
		}
	}
	return nil
}

// finish makes the live records of what was filled in, and signs.
func (r *refill) finish(ctx context.Context) error {
	l := r.l
	last, note, signed := l.signer.Last()
	size, _ := l.log.Head()
	for _, c := range []checkpoint.Checkpoint{r.head, last} {
		if size < c.Size {
			return fmt.Errorf("the data end at size %d, and size %d is signed", size, c.Size)
		}
		root, err := l.log.Root(ctx, c.Size)
		if err != nil {
			return err
		}
		if root != c.Root {
			return fmt.Errorf("the data have the root %s at size %d, and %s is signed there", root, c.Size, c.Root)
		}
	}
	if err := remakeRecords(ctx, l.db); err != nil {
		return err
	}
	l.published.Store(nil)
	if signed {
		l.published.Store(&Published{last, note})
	}
	if err := l.openSecondPath(last); err != nil {
		return err
	}
	if _, err := l.cover(ctx, size); err != nil {
		return err
	}
	l.lost.Store(int32(NotLost))
	l.readOnly.Store(nil)
	if err := l.openFinal(ctx); err != nil {
		return err
	}
	return l.finishErasures(ctx)
}
