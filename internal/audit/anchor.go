package audit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// beat is what was found about an anchor's cosignatures.
type beat struct {
	logtime.Anchor
	err error // why it makes no log time
}

// readAnchor reads an entry that is no envelope: a note of an earlier head, signed by the log itself. Whose cosignatures it
// has, and whether they are enough, Options.Anchor says. late says that keys signed it which had ended below its size.
func (a *auditor) readAnchor(index uint64, b []byte) (head *checkpoint.Checkpoint, seen *beat, late bool, err error) {
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		return nil, nil, false, fmt.Errorf("neither an envelope nor an anchor: %w", err)
	}
	c, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		return nil, nil, false, fmt.Errorf("an anchor of no checkpoint: %w", err)
	}
	if a.opts.Anchor == nil {
		err = a.ownAnchor(c, b)
	} else {
		var at logtime.Anchor
		if at, err = a.opts.Anchor(index, b); err == nil || errors.Is(err, roster.ErrNotFinal) {
			return &c, &beat{at, err}, false, nil
		}
	}
	switch {
	case err == nil:
		return &c, nil, false, nil
	case a.signedLate(c, b):
		return &c, nil, true, nil
	}
	return nil, nil, false, fmt.Errorf("an anchor that does not verify: %w", err)
}

// ownAnchor checks an anchor by the keys that the log has at its size.
func (a *auditor) ownAnchor(c checkpoint.Checkpoint, b []byte) error {
	keys, err := a.opts.LogKeys(c.Size)
	if err == nil {
		_, err = checkpoint.Verify(b, firstKey(keys), nil)
	}
	return err
}

// signedLate reports whether keys that had ended signed an anchor, in a log whose node may learn of that late.
func (a *auditor) signedLate(c checkpoint.Checkpoint, b []byte) bool {
	if !a.opts.Late || a.opts.EndedLogKeys == nil {
		return false
	}
	for _, keys := range a.opts.EndedLogKeys(c.Size) {
		if _, err := checkpoint.Verify(b, firstKey(keys), nil); err == nil {
			return true
		}
	}
	return false
}

// firstKey is a log's Ed25519 key: an anchor has no line by the other.
func firstKey(keys []*checkpoint.Verifier) (first []*checkpoint.Verifier) {
	for _, k := range keys {
		if k.Key().Type == checkpoint.TypeEd25519 {
			first = append(first, k)
		}
	}
	return first
}

// trail remembers enough of the tree to tell its root at any size since the last anchor: the tree at the beginning of each
// bundle, and the leaves behind that.
type trail struct {
	now    proof.Range
	starts []proof.Range // at sizes that are multiples of a bundle's, ascending
	leaves []proof.Hash  // from the first start on
}

// maxTrail is how many leaves a trail remembers where no anchor comes: an hour of the busiest city, many times over.
const maxTrail = 1 << 20

func (t *trail) append(leaf proof.Hash) {
	if len(t.leaves) == maxTrail {
		t.forget(len(t.starts) / 2)
	}
	if t.now.Size()%tile.FullWidth == 0 {
		t.starts = append(t.starts, t.now.Clone())
	}
	t.now.Append(leaf)
	t.leaves = append(t.leaves, leaf)
}

// clone returns a trail that goes on by itself.
func (t *trail) clone() trail {
	return trail{t.now.Clone(), slices.Clip(t.starts), slices.Clip(t.leaves)}
}

// root returns the root at a size up to now's; ok is false for one that is forgotten.
func (t *trail) root(size uint64) (root proof.Hash, ok bool) {
	if size == 0 {
		return proof.EmptyRoot(), true
	}
	for i, start := range slices.Backward(t.starts) {
		if start.Size() > size {
			continue
		}
		at := start.Clone()
		for _, leaf := range t.leaves[start.Size()-t.starts[0].Size():][:size-start.Size()] {
			at.Append(leaf)
		}
		t.forget(i)
		return at.Root(), true
	}
	return root, false
}

// forget drops what lies before a start: anchors only move on.
func (t *trail) forget(i int) {
	t.leaves = t.leaves[t.starts[i].Size()-t.starts[0].Size():]
	t.starts = t.starts[i:]
}

// anchor checks an anchor against the tree that was read.
func (f *follower) anchor(st *step) {
	why := ""
	if f.gap {
		f.report.Unfollowed++
		return
	}
	if st.late {
		f.report.late(st.index, fmt.Sprintf("an anchor of size %d", st.anchor.Size))
		return
	}
	root, ok := f.trail.root(st.anchor.Size)
	switch {
	case st.anchor.Size > st.index:
		why = fmt.Sprintf("an anchor of size %d", st.anchor.Size)
	case f.report.Anchors > 0 && st.anchor.Size <= f.anchored:
		why = fmt.Sprintf("an anchor of size %d after one of size %d", st.anchor.Size, f.anchored)
	case !ok:
		f.report.newer(st.index, fmt.Sprintf("an anchor of size %d, too long ago to be compared", st.anchor.Size))
		return
	case root != st.anchor.Root:
		why = fmt.Sprintf("an anchor with the root %s at size %d, where this log has %s", st.anchor.Root, st.anchor.Size, root)
	}
	if why != "" {
		f.report.void(st.index, why)
		return
	}
	f.anchored = st.anchor.Size
	f.report.Anchors++
	if st.beat == nil {
		return
	}
	err := st.beat.err
	if err == nil {
		err = f.report.clock.Add(st.beat.Anchor)
	}
	f.report.beat(st.index, err)
}
