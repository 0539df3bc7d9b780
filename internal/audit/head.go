package audit

import (
	"context"
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// head gets the head to audit and verifies it by all keys of the log.
func (a *auditor) head(ctx context.Context) (h client.Head, ok bool, err error) {
	verify := func(note []byte) (client.Head, error) {
		v, err := checkpoint.Verify(note, a.opts.Trust.Log, nil)
		if err != nil {
			return client.Head{}, err
		}
		return client.Head{Origin: v.Checkpoint.Origin, Size: v.Checkpoint.Size, Root: v.Checkpoint.Root}, nil
	}
	if note := a.opts.Checkpoint; note != nil {
		if h, err = verify(note); err != nil {
			a.report.fail("the checkpoint given does not verify: " + err.Error())
			return h, false, nil
		}
		a.report.setHead(h)
		return h, true, nil
	}
	const path = "checkpoint"
	h, t, err := from(ctx, a.sources, path, func(r *client.LogReader) (client.Head, error) {
		note, err := r.Checkpoint(ctx)
		if err != nil {
			return client.Head{}, err
		}
		verified, err := verify(note)
		if err != nil {
			return verified, &client.DamagedError{From: r.String(), Path: path, Err: err}
		}
		return verified, nil
	})
	switch {
	case err != nil:
		return h, false, err
	case t == damaged:
		a.report.fail("the checkpoint does not verify")
		return h, false, nil
	case t != fine:
		a.report.unknown("the checkpoint can't be read")
		return h, false, nil
	}
	a.report.setHead(h)
	return h, true, nil
}

// spine gives the hashes of full bundles in rising order, each proven to lead to the
// root: the tiles at the right edge lead there together, and every full tile leads
// to a hash in the tile above it. It keeps one tile of each level.
type spine struct {
	sources *sources
	size    uint64
	edge    [][]proof.Hash // by level, from 1: the partial tile's hashes
	last    []proof.Hash   // leaf hashes of the partial bundle
	full    [tile.Levels]fullTile
}

type fullTile struct {
	index  uint64
	hashes []proof.Hash // nil: none yet
}

// edge reads the tiles at the right edge of the tree and the partial bundle, and
// checks that they lead to the root.
func (a *auditor) edge(ctx context.Context, head client.Head) (s *spine, ok bool, err error) {
	const what = "the tiles at the right edge"
	s, t, err := from(ctx, a.sources, what, func(r *client.LogReader) (*spine, error) {
		partial := make([][]proof.Hash, tile.Levels)
		for level := range partial {
			width := tile.PartialWidth(level, head.Size)
			if width == 0 {
				continue
			}
			index := head.Size >> (tile.Height * (level + 1))
			var err error
			if level == 0 {
				partial[0], err = leafHashes(ctx, r, index, width)
			} else {
				partial[level], err = r.Tile(ctx, level, index, width)
			}
			if err != nil {
				return nil, err
			}
		}
		edge, err := tile.NewEdge(head.Size, partial)
		if err != nil {
			return nil, err
		}
		if root := edge.Root(); root != head.Root {
			return nil, &client.DamagedError{From: r.String(), Path: what, Err: fmt.Errorf("they lead to the root %s", root)}
		}
		return &spine{sources: a.sources, size: head.Size, edge: partial, last: partial[0]}, nil
	})
	switch {
	case err != nil:
		return nil, false, err
	case t == damaged:
		a.report.fail("the tiles at the right edge do not lead to the signed root")
	case t != fine:
		a.report.unknown("the tiles at the right edge can't be read")
	}
	return s, t == fine, nil
}

// leafHashes hashes the entries of a bundle.
func leafHashes(ctx context.Context, r *client.LogReader, index uint64, width int) ([]proof.Hash, error) {
	entries, err := r.Bundle(ctx, index, width)
	if err != nil {
		return nil, err
	}
	hashes := make([]proof.Hash, len(entries))
	for i, e := range entries {
		hashes[i] = proof.LeafHash(e)
	}
	return hashes, nil
}

// bundle returns the root of the subtree over the full bundle of that index.
func (s *spine) bundle(ctx context.Context, index uint64) (proof.Hash, trouble, error) {
	return s.hash(ctx, 1, index)
}

// hash returns the i-th hash of a tile level.
func (s *spine) hash(ctx context.Context, level int, i uint64) (proof.Hash, trouble, error) {
	index, within := i/tile.FullWidth, i%tile.FullWidth
	if index == s.size>>(tile.Height*(level+1)) {
		return s.edge[level][within], fine, nil
	}
	kept := &s.full[level]
	if kept.hashes == nil || kept.index != index {
		hashes, t, err := s.tile(ctx, level, index)
		if t != fine || err != nil {
			return proof.Hash{}, t, err
		}
		*kept = fullTile{index, hashes}
	}
	return kept.hashes[within], fine, nil
}

// tile reads a full tile and checks it against the tile above.
func (s *spine) tile(ctx context.Context, level int, index uint64) ([]proof.Hash, trouble, error) {
	want, t, err := s.hash(ctx, level+1, index)
	if t != fine || err != nil {
		return nil, t, err
	}
	id := tile.ID{Level: level, Index: index, Width: tile.FullWidth}
	return from(ctx, s.sources, id.Path(), func(r *client.LogReader) ([]proof.Hash, error) {
		hashes, err := r.Tile(ctx, level, index, tile.FullWidth)
		if err != nil {
			return nil, err
		}
		if fold(hashes) != want {
			return nil, &client.DamagedError{From: r.String(), Path: id.Path(), Err: errTree}
		}
		return hashes, nil
	})
}

var errTree = fmt.Errorf("it does not belong to the signed tree")

func fold(hashes []proof.Hash) proof.Hash {
	var r proof.Range
	for _, h := range hashes {
		r.Append(h)
	}
	return r.Root()
}
