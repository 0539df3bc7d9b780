package audit

import (
	"context"
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// tails are how many bundles are looked through for anchors, one attempt after the other. An hour of more leaves than the last
// of them holds looks like silence, to whoever does not audit the whole log.
var tails = []uint64{2, 16, 128}

// TailSource is a place where a log lies: *client.LogReader is one, and so is what a node has on its own disk.
type TailSource interface {
	tile.Source
	// Bundle returns the first width entries of an entry bundle.
	Bundle(ctx context.Context, index uint64, width int) ([][]byte, error)
}

// Heard is what Tail found in a log up to a size; the zero value: nothing yet.
type Heard struct {
	Size  uint64
	Clock logtime.Clock
}

// maxHeard is how many anchors are kept from one Tail to the next: who wants to know how long a log is silent needs the last one
// that is not of the future.
const maxHeard = 64

// Tail reads the anchors at the end of a log without the rest: enough to tell its heartbeat. Every leaf that it looks at is
// proven into the head, whose signatures the caller has checked; judge is as in Options.Anchor. What was heard before, if
// anything was, is not judged again. A clock without anchors says that none stands there.
func Tail(ctx context.Context, src TailSource, head client.Head, before Heard, judge func(index uint64, note []byte) (logtime.Anchor, error)) (Heard, error) {
	last := (head.Size + tile.FullWidth - 1) / tile.FullWidth
	if before.Size > head.Size || before.Clock.Len() == 0 {
		before = Heard{}
	}
	for _, n := range tails {
		from := (last - min(last, n)) * tile.FullWidth
		if before.Size > 0 {
			from = before.Size / tile.FullWidth * tile.FullWidth
		}
		clock, err := tail(ctx, src, head, from, before, judge)
		if err != nil {
			return Heard{}, fmt.Errorf("reading the end of %s: %w", head.Origin, err)
		}
		if clock.Len() > 0 || from == 0 {
			return Heard{head.Size, *clock}, nil
		}
	}
	return Heard{Size: head.Size}, nil
}

// tail reads the leaves from a bundle's first one on.
func tail(ctx context.Context, src TailSource, head client.Head, from uint64, before Heard, judge func(uint64, []byte) (logtime.Anchor, error)) (*logtime.Clock, error) {
	partial := make([][]proof.Hash, tile.Levels)
	for level := 1; level < tile.Levels; level++ {
		if width := tile.PartialWidth(level, from); width > 0 {
			var err error
			if partial[level], err = src.Tile(ctx, level, from>>(tile.Height*(level+1)), width); err != nil {
				return nil, err
			}
		}
	}
	tree, err := tile.NewEdge(from, partial)
	if err != nil {
		return nil, err
	}
	roots := map[uint64]proof.Hash{}
	var anchors []found
	for tree.Size() < head.Size {
		first := tree.Size()
		entries, err := src.Bundle(ctx, first/tile.FullWidth, int(min(tile.FullWidth, head.Size-first)))
		if err != nil {
			return nil, err
		}
		for i, b := range entries {
			roots[tree.Size()] = tree.Root()
			if at := first + uint64(i); entry.IsAnchor(b) && at >= before.Size {
				anchors = append(anchors, found{at, b})
			}
			tree.Append(proof.LeafHash(b))
		}
	}
	if tree.Root() != head.Root {
		return nil, fmt.Errorf("the leaves from %d on: %w", from, errTree)
	}
	clock := before.Clock.Newest(maxHeard)
	for _, a := range anchors {
		at, err := judge(a.index, a.note)
		if err == nil && belongs(ctx, src, head, roots, a.note) == nil {
			_ = clock.Add(at) // one that does not count is no heartbeat
		}
	}
	return &clock, nil
}

type found struct {
	index uint64
	note  []byte
}

// belongs proves that an anchor's head is one of this very log.
func belongs(ctx context.Context, src TailSource, head client.Head, roots map[uint64]proof.Hash, note []byte) error {
	c, err := checkpoint.Unverified(note)
	if err != nil {
		return err
	}
	if root, ok := roots[c.Size]; ok {
		if root != c.Root {
			return errTree
		}
		return nil
	}
	if c.Size > head.Size {
		return errTree
	}
	path, err := tile.ConsistencyProof(ctx, src, c.Size, head.Size)
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(c.Size, head.Size, c.Root, head.Root, path)
}
