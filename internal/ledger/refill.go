package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Loss says what of a log is lost on this disk.
type Loss int32

// The losses.
const (
	NotLost Loss = iota
	// LostData: the state knows a larger signed head than the data reach.
	LostData
	// LostState: nobody here knows which head was signed last.
	LostState
)

// Lost says what is lost, and the newest head that this disk knows to be signed. A log of which something is lost only reads,
// until a Refill has brought it back.
func (l *Ledger) Lost() (Loss, checkpoint.Checkpoint) {
	last, _, _ := l.signer.Last()
	return Loss(l.lost.Load()), last
}

// SayRecovering replaces the words for an operator why the log only reads.
func (l *Ledger) SayRecovering(why string) {
	if l.lost.Load() != int32(NotLost) {
		l.readOnly.Store(&why)
	}
}

// Refill fills a log that has lost data from copies of it: it is what package mirror brings up to a head. The entries were
// proven into a head that the log's keys have signed; nothing is judged again. It is not safe for concurrent use.
type Refill struct {
	l *Ledger

	mu     sync.Mutex // guards the following: readers of tiles run beside Append
	edge   *tile.Edge
	absent map[[sha256.Size]byte]uint64 // index of the entry that commits to it
	erased map[[sha256.Size]byte]uint64 // index of the notice
}

var errNotLost = errors.New("nothing of this log is lost")

// Refill begins to fill the log.
func (l *Ledger) Refill(ctx context.Context) (*Refill, error) {
	if l.lost.Load() == int32(NotLost) {
		return nil, errNotLost
	}
	size, _ := l.log.Head()
	partial := make([][]proof.Hash, tile.Levels)
	for level := range partial {
		width := tile.PartialWidth(level, size)
		if width == 0 {
			continue
		}
		hashes, err := l.log.Tile(ctx, level, size>>(tile.Height*(level+1)), width)
		if err != nil {
			return nil, fmt.Errorf("refilling %s: %w", l.origin, err)
		}
		partial[level] = hashes
	}
	edge, err := tile.NewEdge(size, partial)
	if err != nil {
		return nil, fmt.Errorf("refilling %s: %w", l.origin, err)
	}
	r := &Refill{l: l, edge: edge, absent: map[[sha256.Size]byte]uint64{}, erased: map[[sha256.Size]byte]uint64{}}
	if err := logstore.EachEntry(ctx, l.db, l.db.Reader(), r.look); err != nil {
		return nil, fmt.Errorf("refilling %s: %w", l.origin, err)
	}
	return r, nil
}

// look notes what an entry that is stored already lacks, and what it erases: a crash may have cut an earlier refill short.
func (r *Refill) look(index uint64, b []byte) error {
	e, err := entry.Parse(b)
	if err != nil {
		return fmt.Errorf("entry %d: %w", index, err)
	}
	for _, f := range e.Files {
		body, err := r.l.bodies.Body(f.Sum)
		if errors.Is(err, bodystore.ErrNotFound) {
			r.absent[f.Sum] = index
		} else if err != nil && !errors.Is(err, bodystore.ErrErased) {
			return err
		}
		if e.Kind != entry.Statement || e.Signed.Statement.Subject.Kind != declaration.Notice || body == nil {
			continue
		}
		if notice, err := declaration.ParseBody(body); err == nil && notice.GetNotice().GetErasure() != nil {
			r.erased[[sha256.Size]byte(notice.GetNotice().GetErasure().GetBodySha256())] = index
		}
	}
	return nil
}

// Head returns the size and root of what is stored.
func (r *Refill) Head() (uint64, proof.Hash) { return r.l.log.Head() }

// Tile implements tile.Source.
func (r *Refill) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	return r.l.log.Tile(ctx, level, index, width)
}

// RootWith returns the root that the log would have after more leaves.
func (r *Refill) RootWith(leaves []proof.Hash) proof.Hash {
	r.mu.Lock()
	edge := r.edge.Clone()
	r.mu.Unlock()
	for _, h := range leaves {
		edge.Append(h)
	}
	return edge.Root()
}

// HasBody reports whether a body is stored.
func (r *Refill) HasBody(sum [sha256.Size]byte) (bool, error) { return r.l.bodies.HasBody(sum) }

// Body returns a stored body.
func (r *Refill) Body(sum [sha256.Size]byte) ([]byte, error) { return r.l.bodies.Body(sum) }

// refillLeaves and refillBytes bound what is given to the log's writer at once.
const (
	refillLeaves = 1000
	refillBytes  = 8 << 20
)

// Append stores what follows on what is stored, durably.
func (r *Refill) Append(c *mirrorstore.Chunk) error {
	files := map[[sha256.Size]byte][]byte{}
	for _, f := range c.Files {
		files[sha256.Sum256(f)] = f
	}
	for rest := c.Entries; len(rest) > 0; {
		n, bytes := 0, 0
		for n < len(rest) && n < refillLeaves && (n == 0 || bytes < refillBytes) {
			bytes += len(rest[n])
			n++
		}
		if err := r.append(rest[:n], files); err != nil {
			return fmt.Errorf("refilling %s: %w", r.l.origin, err)
		}
		rest = rest[n:]
	}
	for _, a := range c.Absent {
		r.absent[a.Sum] = a.Index
	}
	for _, e := range c.Erased {
		r.erased[e.Sum] = e.Notice
	}
	return nil
}

func (r *Refill) append(entries [][]byte, files map[[sha256.Size]byte][]byte) error {
	g := logstore.Group{}
	var bodies [][]byte
	for _, b := range entries {
		e, err := entry.Parse(b)
		if err != nil {
			return fmt.Errorf("an entry that this program can't read: %w", err)
		}
		g.Leaves = append(g.Leaves, logstore.Leaf{Entry: b, Identity: e.Identity})
		for _, f := range e.Files {
			if body, ok := files[f.Sum]; ok {
				bodies = append(bodies, body)
				g.StageBytes += len(body) + 512
			}
		}
	}
	g.Stage = func(w pebble.Writer, _ []uint64, _ []bool) error { return stageBodies(w, bodies) }
	result, err := r.l.log.Append(context.Background(), g) // it is durable or not: a half-given order would leave the edge unknown
	if err != nil {
		return err
	}
	if slices.Contains(result.Fresh, false) {
		return errors.New("the log has one of these entries already, at another index")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range entries {
		r.edge.Append(proof.LeafHash(b))
	}
	return nil
}

func stageBodies(w pebble.Writer, bodies [][]byte) error {
	for _, b := range bodies {
		if _, err := bodystore.StageBody(w, b); err != nil {
			return err
		}
	}
	return nil
}

// Absent returns what entries commit to and nobody gave, but for what a notice in the log erased.
func (r *Refill) Absent(limit int) (out []mirrorstore.Absent, err error) {
	for sum, index := range r.absent {
		if _, erased := r.erased[sum]; !erased && len(out) < limit {
			out = append(out, mirrorstore.Absent{Index: index, Sum: sum})
		}
	}
	return out, nil
}

// Found stores files that were absent.
func (r *Refill) Found(found [][]byte, _ []mirrorstore.Absent) error {
	b := r.l.db.NewBatch()
	defer b.Close() // its error is Commit's
	if err := stageBodies(b, found); err != nil {
		return fmt.Errorf("refilling %s: %w", r.l.origin, err)
	}
	if err := r.l.db.Commit(b); err != nil {
		return fmt.Errorf("refilling %s: %w", r.l.origin, err)
	}
	for _, f := range found {
		delete(r.absent, sha256.Sum256(f))
	}
	return nil
}

// Finish makes the live records of what was filled in, signs, and lets the log take declarations again. head is the newest head
// that the log's keys have signed, as far as those who must be asked know: the data must lead to it.
func (r *Refill) Finish(ctx context.Context, head checkpoint.Checkpoint) error {
	if err := r.finish(ctx, head); err != nil {
		return fmt.Errorf("recovering %s: %w", r.l.origin, err)
	}
	return nil
}

func (r *Refill) finish(ctx context.Context, head checkpoint.Checkpoint) error {
	l := r.l
	last, note, signed := l.signer.Last()
	if signed && last.Size > head.Size {
		head = last
	}
	size, _ := l.log.Head()
	if size < head.Size {
		return fmt.Errorf("the data end at size %d, and size %d is signed", size, head.Size)
	}
	for _, c := range []checkpoint.Checkpoint{head, last} {
		root, err := l.log.Root(ctx, c.Size)
		if err != nil {
			return err
		}
		if root != c.Root {
			return fmt.Errorf("the data have the root %s at size %d, and %s is signed there", root, c.Size, c.Root)
		}
	}
	if err := r.erase(ctx); err != nil {
		return err
	}
	if err := remakeRecords(ctx, l.db); err != nil {
		return err
	}
	if signed {
		l.published.Store(&Published{last, note})
	} else {
		l.published.Store(nil)
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

// erase does what notices among the entries ask for: they are under a signed head. What nobody gave is marked as erased, so
// that nobody looks for it; what is there is erased as ever, once it is signed here.
func (r *Refill) erase(ctx context.Context) error {
	for sum, notice := range r.erased {
		if _, done, err := r.l.bodies.Erased(sum); done || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if _, absent := r.absent[sum]; absent {
			if err := r.l.bodies.Erase(ctx, sum, notice); err != nil {
				return err
			}
			continue
		}
		if err := r.l.db.Note(eraseKey(sum), binary.BigEndian.AppendUint64(nil, notice)); err != nil {
			return err
		}
	}
	return nil
}
