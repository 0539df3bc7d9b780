package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// bundle is a bundle of leaves on its way through the pipeline. Who receives it
// waits for ready before reading the rest.
type bundle struct {
	first uint64 // index of its first leaf
	width int
	want  *proof.Hash // root of a full bundle; nil: its leaf hashes are those of last
	last  []proof.Hash

	ready   chan struct{} // closed when the following are set
	trouble trouble       // fine, or why the entries are not there
	orphan  bool          // with trouble: not even its root could be learned
	tile    trouble       // fine, or what is wrong with the hash tile over it
	leaves  []leaf
}

// leaf is one entry, read and judged by itself.
type leaf struct {
	index  uint64
	hash   proof.Hash
	signed *declaration.Signed    // nil: void, unknown, or no statement
	anchor *checkpoint.Checkpoint // of an anchor, else nil
	beat   *beat                  // of an anchor that was judged
	proof  *evidence.Evidence     // of misbehaviour, that the log's owner wrote down
	id     identity
	act    bool   // of a registry
	void   string // why it is no leaf of any chain
	late   bool   // by a key that had ended: a statement is in its chain, and is otherwise nothing
	newer  string // why this program can't tell
}

// identity is the beginning of a statement's identity; as long as that, so that no
// two statements can be made to share it by chance or, usefully, by work.
type identity [16]byte

// ahead is how many bundles are in hand at once: they bound the memory.
const ahead = 16

// bundles starts the stage that reads and checks bundles side by side. They come
// out in the order of the log.
func (a *auditor) bundles(ctx context.Context, group *errgroup.Group, head client.Head, edge *spine) <-chan *bundle {
	work := make(chan *bundle)
	out := make(chan *bundle, ahead)
	group.Go(func() error {
		defer close(out)
		defer close(work)
		for first := uint64(0); first < head.Size; first += tile.FullWidth {
			b, err := edge.next(ctx, first)
			if err != nil {
				return err
			}
			// out before work: out is what bounds how many are in hand.
			if !send(ctx, out, b) {
				return ctx.Err()
			}
			if b.trouble != fine {
				close(b.ready)
			} else if !send(ctx, work, b) {
				return ctx.Err()
			}
		}
		return nil
	})
	for range max(a.opts.Workers, ahead) {
		group.Go(func() error {
			for b := range work {
				if err := a.read(ctx, b); err != nil {
					return err
				}
				close(b.ready)
			}
			return nil
		})
	}
	return out
}

// send gives up when ctx ends.
func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// next describes the bundle that begins at first.
func (s *spine) next(ctx context.Context, first uint64) (*bundle, error) {
	b := &bundle{first: first, width: tile.FullWidth, ready: make(chan struct{})}
	if left := s.size - first; left < tile.FullWidth {
		b.width, b.last = int(left), s.last
		return b, nil
	}
	want, t, err := s.bundle(ctx, first/tile.FullWidth)
	b.want, b.trouble, b.orphan = &want, t, t != fine
	return b, err
}

// read gets a bundle's entries, proves them into the tree, and judges each.
func (a *auditor) read(ctx context.Context, b *bundle) error {
	index := b.first / tile.FullWidth
	id := tile.ID{Entries: true, Index: index, Width: b.width}
	var hashes []proof.Hash
	entries, t, err := from(ctx, a.sources, id.Path(), func(r *client.LogReader) ([][]byte, error) {
		entries, err := r.Bundle(ctx, index, b.width)
		if err != nil {
			return nil, err
		}
		hashes = hashes[:0]
		for _, e := range entries {
			hashes = append(hashes, proof.LeafHash(e))
		}
		if !b.holds(hashes) {
			return nil, &client.DamagedError{From: r.String(), Path: id.Path(), Err: errTree}
		}
		return entries, nil
	})
	if b.trouble = t; t != fine || err != nil {
		return err
	}
	if b.tile, err = a.checkTile(ctx, index, hashes); err != nil {
		return err
	}
	b.leaves = make([]leaf, len(entries))
	for i, e := range entries {
		b.leaves[i] = a.judge(b.first+uint64(i), hashes[i], e)
	}
	return nil
}

// holds reports whether leaf hashes belong to the signed tree.
func (b *bundle) holds(hashes []proof.Hash) bool {
	if b.want == nil {
		return slices.Equal(hashes, b.last)
	}
	return fold(hashes) == *b.want
}

// checkTile compares the hash tile over a bundle with the leaves. The audit itself
// has no need of it, but everybody who checks a single proof has.
func (a *auditor) checkTile(ctx context.Context, index uint64, hashes []proof.Hash) (trouble, error) {
	id := tile.ID{Index: index, Width: len(hashes)}
	_, t, err := from(ctx, a.sources, id.Path(), func(r *client.LogReader) (struct{}, error) {
		got, err := r.Tile(ctx, 0, index, len(hashes))
		if err == nil && !slices.Equal(got, hashes) {
			err = &client.DamagedError{From: r.String(), Path: id.Path(), Err: errTree}
		}
		return struct{}{}, err
	})
	return t, err
}

// judge reads one entry: everything about it that needs no other entry.
func (a *auditor) judge(index uint64, hash proof.Hash, b []byte) leaf {
	l := leaf{index: index, hash: hash}
	if entry.IsAnchor(b) {
		var err error
		if l.anchor, l.beat, l.late, err = a.readAnchor(index, b); err != nil {
			l.void = err.Error()
		}
		return l
	}
	envelope, err := declaration.ParseEnvelope(b)
	if err != nil {
		l.void = err.Error()
		return l
	}
	if a.opts.Acts && envelope.PayloadType == act.PayloadType {
		if _, err := act.Parse(b); err != nil {
			l.void = err.Error()
		}
		l.act = true
		return l
	}
	if envelope.PayloadType == evidence.PayloadType {
		if l.proof, err = a.readProof(envelope); err != nil {
			l.void = err.Error()
		}
		return l
	}
	if envelope.PayloadType != declaration.PayloadType {
		// These are made for alliances; who may sign them is not in a trust file.
		if slices.Contains(laterTypes, envelope.PayloadType) {
			l.newer = "an entry of type " + envelope.PayloadType
		} else {
			l.void = fmt.Sprintf("the payload type %.100q is none of a city's log", envelope.PayloadType)
		}
		return l
	}
	if err := envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) {
		key, ok := a.opts.Trust.Publisher(id, index)
		if !ok && a.opts.Late {
			key, ok = a.opts.Trust.Ended(id, index)
			l.late = l.late || ok
		}
		return key, ok
	}); err != nil {
		l.void = err.Error()
		return l
	}
	st, err := declaration.ParseStatement(envelope.Payload)
	var newer *declaration.UnknownSchemaError
	switch {
	case errors.As(err, &newer):
		l.newer = err.Error()
	case err != nil:
		l.void = err.Error()
	default:
		if err := st.CheckPlace(a.opts.Trust.OriginAt(index), city(a.opts)); err != nil {
			l.void = err.Error()
			return l
		}
		sum := envelope.Identity()
		l.signed, l.id = &declaration.Signed{Envelope: envelope, Statement: st}, identity(sum[:])
	}
	return l
}

// readProof reads a proof of misbehaviour that the log's owner has written down. Whom it accuses is not this log's business, but
// one that proves nothing has no place in it; with the keys of an alliance that is checked.
func (a *auditor) readProof(envelope *declaration.Envelope) (*evidence.Evidence, error) {
	e, err := evidence.ParsePayload(envelope.Payload)
	if err != nil || a.opts.Evidence == nil {
		return e, err
	}
	// Of a key that this roster does not know nothing can be told; a newer one may.
	if err := a.opts.Evidence(e); err != nil && !errors.Is(err, evidence.ErrUnknownKey) {
		return nil, fmt.Errorf("evidence that proves nothing: %w", err)
	}
	return e, nil
}

// laterTypes are entries that a city's log will hold in an alliance, and that this
// version can't judge (declarations.md, section 2.1).
var laterTypes = []string{
	"application/vnd.cityproof.act.v1+json",
	"application/vnd.cityproof.complaints.v1+json",
	"application/vnd.cityproof.ticket.v1+json",
}
