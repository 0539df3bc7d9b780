package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// ownLog reads this node's own log as others read it from outside, and appends acts and anchors to it.
type ownLog struct{ ledger *ledger.Ledger }

// Checkpoint implements registry.Source.
func (l ownLog) Checkpoint(context.Context) ([]byte, error) {
	p := l.ledger.Published()
	if p == nil {
		return nil, &ledger.NotFoundError{What: "a checkpoint"}
	}
	return p.Note, nil
}

// Bundle implements registry.Source.
func (l ownLog) Bundle(ctx context.Context, index uint64, width int) ([][]byte, error) {
	b, err := l.ledger.Tile(ctx, tile.ID{Entries: true, Index: index, Width: width})
	if err != nil {
		return nil, err
	}
	return tile.ParseBundle(b, width)
}

// File implements registry.Source.
func (l ownLog) File(_ context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return l.ledger.Body(sum)
}

// Append implements registry.Log.
func (l ownLog) Append(ctx context.Context, entry []byte, files [][]byte) (uint64, error) {
	out, err := l.ledger.Append(ctx, entry, files)
	if err != nil {
		return 0, err
	}
	return out.Placed[0].Index, nil
}

// Turn lets the log's next keys sign its newest head, if the roster says that they do.
func (l ownLog) Turn(r *roster.Roster) (bool, error) {
	in, want := newestKeys(r.ByOrigin(l.ledger.Origin()))
	switch {
	case slices.Equal(want, l.ledger.VKeys()):
		return false, nil
	case !slices.Equal(want, l.ledger.NextVKeys()):
		return false, fmt.Errorf("the registry says that this log is signed with other keys than this node has: %q", want)
	}
	return true, l.ledger.TurnKeys(l.ledger.Published().Checkpoint.Size >= in.From)
}

// ConsistencyProof implements cosigning.Prover.
func (l ownLog) ConsistencyProof(ctx context.Context, old, size uint64) ([]proof.Hash, error) {
	path, _, err := l.ledger.ConsistencyProof(ctx, old, size)
	return path, err
}

// ownCopy reads what this node mirrors of another's log.
type ownCopy struct {
	member *member
	origin string
}

// log is the copy of now: one whose database was damaged is replaced by another.
func (c ownCopy) log() (*mirrorstore.Log, error) { return c.member.copies.Log(originHash(c.origin)) }

// Checkpoint implements registry.Source.
func (c ownCopy) Checkpoint(context.Context) ([]byte, error) {
	note, ok, err := c.member.mirror.Checkpoint(originHash(c.origin))
	if err == nil && !ok {
		err = &ledger.NotFoundError{What: "a copy of " + c.origin}
	}
	return note, err
}

// Bundle implements registry.Source.
func (c ownCopy) Bundle(_ context.Context, index uint64, width int) ([][]byte, error) {
	log, err := c.log()
	if err != nil {
		return nil, err
	}
	b, err := log.Bundle(index, width)
	if err != nil {
		return nil, err
	}
	return tile.ParseBundle(b, width)
}

// File implements registry.Source.
func (c ownCopy) File(_ context.Context, sum [sha256.Size]byte) ([]byte, error) {
	log, err := c.log()
	if err != nil {
		return nil, err
	}
	return log.Body(sum)
}

// ownTiles are the tiles of this node's own log.
type ownTiles struct{ ledger *ledger.Ledger }

// Tile implements tile.Source.
func (t ownTiles) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	b, err := t.ledger.Tile(ctx, tile.ID{Level: level, Index: index, Width: width})
	if err != nil {
		return nil, err
	}
	return tile.ParseTile(b, width)
}
