package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Live follows one log from head to head. It takes every entry, computes the tree from the entries alone, and takes them only
// where that leads to the head that the log's keys signed: so each head continues the one before. Bodies and publication rules
// it leaves to others. It is not safe for concurrent use.
type Live struct {
	trail trail
	heads map[declaration.Subject]declaration.Head
	ids   map[identity]uint64
	clock logtime.Clock
	size  uint64
	note  []byte // the newest head

	anchored  uint64 // size of the last anchor's head
	anchors   bool
	uncertain bool // an entry of a newer format: what follows on it can't be told

	before *Live // while an update runs: what it began with
}

// NewLive begins with the empty log.
func NewLive() *Live {
	return &Live{heads: map[declaration.Subject]declaration.Head{}, ids: map[identity]uint64{}}
}

// Entry is one entry that came, as far as it can be judged without its body.
type Entry struct {
	Index uint64
	Hash  proof.Hash // of the leaf
	// Statement stands in its subject's chain; nil of what is no statement, or void.
	Statement *declaration.Statement
	// Previous is the head of the subject's chain before it; nil for a first revision.
	Previous *declaration.Head
	// Act is the entry itself, of an act in a registry.
	Act []byte
	// Evidence is a proof of misbehaviour that the log's owner wrote down; nil of other entries.
	Evidence *evidence.Evidence
	// Anchor says that it is an anchor, of which Clock tells.
	Anchor bool
	// Void says why it counts for nothing, Newer why this program can't tell.
	Void, Newer string
}

// Size is the number of entries that were taken.
func (l *Live) Size() uint64 { return l.size }

// Root is the root of the tree of Size.
func (l *Live) Root() proof.Hash { return l.trail.now.Root() }

// Note is the newest head as it was signed; nil before the first.
func (l *Live) Note() []byte { return l.note }

// Clock is the log's time so far.
func (l *Live) Clock() *logtime.Clock { return &l.clock }

// TwoHistoriesError says that a log's keys signed a head that does not continue what they signed before.
type TwoHistoriesError struct {
	// Notes are the head that was followed, and the other one.
	Notes [2][]byte
	// Heads are what they say.
	Heads [2]checkpoint.Checkpoint
	// Fork shows what the larger one has in the smaller one's place; zero where both are of one size.
	Fork evidence.Fork
}

func (e *TwoHistoriesError) Error() string {
	return fmt.Sprintf("the keys of %s signed two histories: size %d with the root %s, and size %d with the root %s",
		e.Heads[0].Origin, e.Heads[0].Size, e.Heads[0].Root, e.Heads[1].Size, e.Heads[1].Root)
}

// Update takes what a place shows of the log, and returns the entries that came; none where it is not ahead. Of opts Trust,
// City, Anchor and Acts count. After an error nothing is changed. Errors: *TwoHistoriesError, *client.DamagedError, those of
// package checkpoint for a head that does not verify, or why src can't be read.
func (l *Live) Update(ctx context.Context, opts Options, src *client.LogReader) ([]Entry, error) {
	note, err := src.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	v, err := checkpoint.Verify(note, opts.Trust.Log, nil)
	if err != nil {
		return nil, err
	}
	head := v.Checkpoint
	if head.Size <= l.size && l.note != nil {
		return nil, l.Holds(ctx, note, head, src)
	}
	if head.Size-l.size > maxBehind {
		return nil, fmt.Errorf("%s shows %d entries more than were followed, more than %d", src, head.Size-l.size, maxBehind)
	}
	next := l.clone()
	a := &auditor{opts: opts}
	var out []Entry
	for next.size < head.Size {
		entries, err := next.read(ctx, src, head.Size)
		if err != nil {
			return nil, err
		}
		for _, b := range entries {
			out = append(out, next.take(a.judge(next.size, proof.LeafHash(b), b), b))
		}
	}
	if next.Root() != head.Root {
		if err := l.Holds(ctx, note, head, src); err != nil {
			return nil, err
		}
		return nil, &client.DamagedError{From: src.String(), Path: "tile/entries", Err: errTree}
	}
	next.note = note
	l.settle(next)
	return out, nil
}

// maxBehind is how many entries are taken at once.
const maxBehind = 1 << 26

// read returns the next entries, of one bundle.
func (l *Live) read(ctx context.Context, src *client.LogReader, size uint64) ([][]byte, error) {
	first := l.size &^ (tile.FullWidth - 1)
	entries, err := src.Bundle(ctx, first/tile.FullWidth, int(min(tile.FullWidth, size-first)))
	if err != nil {
		return nil, err
	}
	return entries[l.size-first:], nil
}

// clone is what an update works on, so that it can fail without a trace: new heads and identities are kept apart.
func (l *Live) clone() *Live {
	c := *l
	c.trail, c.clock, c.before = l.trail.clone(), l.clock.Clone(), l
	c.heads, c.ids = map[declaration.Subject]declaration.Head{}, map[identity]uint64{}
	return &c
}

// settle takes over what an update came to.
func (l *Live) settle(next *Live) {
	heads, ids := l.heads, l.ids
	maps.Copy(heads, next.heads)
	maps.Copy(ids, next.ids)
	*l = *next
	l.heads, l.ids, l.before = heads, ids, nil
}

func (l *Live) head(s declaration.Subject) *declaration.Head {
	h, ok := l.heads[s]
	if !ok && l.before != nil {
		h, ok = l.before.heads[s]
	}
	if !ok {
		return nil
	}
	return &h
}

func (l *Live) known(id identity) bool {
	_, ok := l.ids[id]
	if !ok && l.before != nil {
		_, ok = l.before.ids[id]
	}
	return ok
}

// take follows one entry, as an audit does.
func (l *Live) take(it leaf, b []byte) Entry {
	out := Entry{Index: it.index, Hash: it.hash, Void: it.void, Newer: it.newer, Anchor: it.anchor != nil}
	switch {
	case it.void != "":
	case it.newer != "":
		l.uncertain = true
	case it.act:
		out.Act = b
	case it.proof != nil:
		out.Evidence = it.proof
	case it.anchor != nil:
		out.Void = l.beat(it)
	case l.known(it.id):
		out.Void = "it stood in the log before"
	default:
		l.ids[it.id] = it.index
		l.chain(it, &out)
	}
	l.trail.append(it.hash)
	l.size++
	return out
}

// chain puts a statement into its subject's chain.
func (l *Live) chain(it leaf, out *Entry) {
	s := it.signed.Statement
	before := l.head(s.Subject)
	if err := s.CheckChain(before); err != nil {
		if l.uncertain {
			out.Newer = "it may follow an entry that only a newer program can read: " + err.Error()
		} else {
			out.Void = err.Error()
		}
		return
	}
	l.heads[s.Subject] = declaration.Head{Revision: s.Revision, Leaf: it.hash, Operation: s.Operation}
	out.Statement, out.Previous = s, before
}

// beat takes an anchor, and says why it is void.
func (l *Live) beat(it leaf) string {
	root, ok := l.trail.root(it.anchor.Size)
	switch {
	case it.anchor.Size > it.index:
		return fmt.Sprintf("an anchor of size %d", it.anchor.Size)
	case l.anchors && it.anchor.Size <= l.anchored:
		return fmt.Sprintf("an anchor of size %d after one of size %d", it.anchor.Size, l.anchored)
	case ok && root != it.anchor.Root:
		return fmt.Sprintf("an anchor with the root %s at size %d, where this log has %s", it.anchor.Root, it.anchor.Size, root)
	}
	l.anchored, l.anchors = it.anchor.Size, true
	if ok && it.beat != nil && it.beat.err == nil {
		_ = l.clock.Add(it.beat.Anchor) // one that does not count shows no life
	}
	return ""
}

// Holds proves that a head, which the log's keys signed, belongs to the history that was followed, with the tiles of a place.
// An error that is none of *TwoHistoriesError says that this could not be told.
func (l *Live) Holds(ctx context.Context, note []byte, head checkpoint.Checkpoint, sources ...*client.LogReader) error {
	if l.note == nil {
		return nil
	}
	mine := checkpoint.Checkpoint{Origin: head.Origin, Size: l.size, Root: l.Root()}
	fork, err := sameHistory(ctx, sources, mine, head)
	if errors.Is(err, errOtherHistory) {
		return &TwoHistoriesError{Notes: [2][]byte{l.note, note}, Heads: [2]checkpoint.Checkpoint{mine, head}, Fork: fork}
	}
	return err
}
