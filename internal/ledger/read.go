package ledger

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/tile"
)

// Declaration is one revision of a subject, with the exact bytes.
type Declaration struct {
	Subject   declaration.Subject
	Revision  uint32
	Operation declaration.Operation
	Index     uint64
	Leaf      proof.Hash
	Envelope  []byte
	Body      []byte  // nil if erased
	ErasedBy  *uint64 // index of the notice that erased the body
}

// Receipt is what verifies offline that a statement is in the log.
type Receipt struct {
	Envelope []byte
	Body     []byte // nil if erased
	Index    uint64
	Path     []proof.Hash
	Note     []byte
}

// Tile returns the bytes of a hash tile or entry bundle that a published
// checkpoint implies (invariant I3).
func (l *Ledger) Tile(ctx context.Context, id tile.ID) ([]byte, error) {
	p := l.Published()
	if p == nil || !id.Within(p.Checkpoint.Size) {
		return nil, &NotFoundError{id.Path()}
	}
	if id.Entries {
		return l.log.Bundle(id.Index, id.Width)
	}
	hashes, err := l.log.Tile(ctx, id.Level, id.Index, id.Width)
	if err != nil {
		return nil, err
	}
	return tile.AppendTile(nil, hashes), nil
}

// Receipt returns the receipt of a published leaf, by the final head if that covers
// it.
func (l *Ledger) Receipt(ctx context.Context, index uint64) (*Receipt, error) {
	p := l.covering(index)
	if p == nil {
		return nil, &NotFoundError{fmt.Sprintf("entry %d", index)}
	}
	entry, err := l.log.Entry(index)
	if err != nil {
		return nil, err
	}
	signed, err := declaration.ParseSigned(entry)
	if err != nil {
		return nil, &NotFoundError{fmt.Sprintf("a declaration at entry %d", index)}
	}
	body, err := l.Body(signed.Statement.BodySHA256)
	var erased *ErasedError
	if err != nil && !errors.As(err, &erased) {
		return nil, err
	}
	path, err := l.log.InclusionProof(ctx, index, p.Checkpoint.Size)
	if err != nil {
		return nil, err
	}
	return &Receipt{Envelope: entry, Body: body, Index: index, Path: path, Note: p.Note}, nil
}

// InclusionProof proves a leaf in the tree of size, 0 for the published one's.
func (l *Ledger) InclusionProof(ctx context.Context, index, size uint64) ([]proof.Hash, uint64, error) {
	size, err := l.publishedSize(size)
	if err != nil {
		return nil, 0, err
	}
	if index >= size {
		return nil, 0, &NotFoundError{fmt.Sprintf("entry %d", index)}
	}
	path, err := l.log.InclusionProof(ctx, index, size)
	return path, size, err
}

// ConsistencyProof proves that the tree of newSize, 0 for the published one's,
// begins with the tree of oldSize.
func (l *Ledger) ConsistencyProof(ctx context.Context, oldSize, newSize uint64) ([]proof.Hash, uint64, error) {
	newSize, err := l.publishedSize(newSize)
	if err != nil {
		return nil, 0, err
	}
	if oldSize > newSize {
		return nil, 0, &NotFoundError{fmt.Sprintf("a tree of size %d before size %d", oldSize, newSize)}
	}
	path, err := l.log.ConsistencyProof(ctx, oldSize, newSize)
	return path, newSize, err
}

// RootAt returns the root of the tree of a size up to the published one.
func (l *Ledger) RootAt(ctx context.Context, size uint64) (proof.Hash, error) {
	size, err := l.publishedSize(size)
	if err != nil {
		return proof.Hash{}, err
	}
	return l.log.Root(ctx, size)
}

// publishedSize bounds a size that a reader asks for by the published one.
func (l *Ledger) publishedSize(size uint64) (uint64, error) {
	p := l.Published()
	switch {
	case p == nil || size > p.Checkpoint.Size:
		return 0, &NotFoundError{fmt.Sprintf("a tree of size %d", size)}
	case size == 0:
		return p.Checkpoint.Size, nil
	}
	return size, nil
}

// published limits what readers see of the records to the published tree, so that
// a record never runs ahead of its proof.
func (l *Ledger) visible(rev *revision) bool {
	p := l.Published()
	return rev != nil && p != nil && rev.Index < p.Checkpoint.Size
}

// NextNumber returns the first number of a kind that was never used. It reserves
// nothing.
func (l *Ledger) NextNumber(k declaration.Kind) (uint32, error) {
	return records{l.db.Reader()}.nextNumber(k)
}

// Lookup finds the subject of a kind with a nickname: the live one, else one that
// is withdrawn; ok is false if there is none.
func (l *Ledger) Lookup(k declaration.Kind, nickname string) (s declaration.Subject, ok bool, err error) {
	v := records{l.db.Reader()}
	found, err := v.Find(publication.NicknameKey(k, nickname))
	if err != nil {
		return s, false, err
	}
	for _, f := range found {
		rev, rerr := v.newest(f)
		if rerr != nil {
			return s, false, rerr
		}
		if rev != nil && (!rev.head().Withdrawn() || !ok) {
			s, ok = f, true // a live one before a withdrawn one
		}
	}
	return s, ok, nil
}

// Declaration returns a subject's newest revision, or the one asked for.
func (l *Ledger) Declaration(s declaration.Subject, number uint32) (*Declaration, error) {
	history, err := l.revisions(s)
	if err != nil {
		return nil, err
	}
	for i := len(history) - 1; i >= 0; i-- {
		if number == 0 || history[i].Number == number {
			return l.declaration(s, history[i])
		}
	}
	what := s.String()
	if number != 0 {
		what = fmt.Sprintf("revision %d of %s", number, s)
	}
	return nil, &NotFoundError{what}
}

// History returns all published revisions of a subject, the first one first.
func (l *Ledger) History(s declaration.Subject) ([]*Declaration, error) {
	history, err := l.revisions(s)
	if err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, &NotFoundError{s.String()}
	}
	var out []*Declaration
	for _, rev := range history {
		d, err := l.declaration(s, rev)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (l *Ledger) revisions(s declaration.Subject) (out []revision, err error) {
	prefix := appendSubject([]byte{prefixRevision}, s)
	err = records{l.db.Reader()}.scan(prefix, func(it *pebble.Iterator) error {
		for it.First(); it.Valid(); it.Next() {
			rev, perr := parseRevision(it.Key(), it.Value())
			if perr != nil {
				return perr
			}
			if l.visible(&rev) {
				out = append(out, rev)
			}
		}
		return nil
	})
	return out, err
}

func (l *Ledger) declaration(s declaration.Subject, rev revision) (*Declaration, error) {
	entry, err := l.log.Entry(rev.Index)
	if err != nil {
		return nil, err
	}
	d := &Declaration{Subject: s, Revision: rev.Number, Operation: rev.Operation, Index: rev.Index, Leaf: rev.Leaf, Envelope: entry}
	var erased *ErasedError
	switch d.Body, err = l.Body(rev.Body); {
	case errors.As(err, &erased):
		d.ErasedBy = &erased.Notice
	case err != nil:
		return nil, err
	}
	return d, nil
}

// MaxPage is the most that List returns at once.
const MaxPage = 1000

// List returns the newest revision of up to n subjects after the one given (the
// zero subject: from the start), in order of kind and number. kind "" means all.
func (l *Ledger) List(kind declaration.Kind, after declaration.Subject, withdrawn bool, n int) ([]*Declaration, error) {
	newest, err := l.newestAfter(kind, after, withdrawn, min(n, MaxPage))
	if err != nil {
		return nil, err
	}
	var out []*Declaration
	for _, s := range newest {
		d, err := l.declaration(s.subject, s.rev)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

type subjectRevision struct {
	subject declaration.Subject
	rev     revision
}

func (l *Ledger) newestAfter(kind declaration.Kind, from declaration.Subject, withdrawn bool, n int) (out []subjectRevision, err error) {
	prefix := []byte{prefixRevision}
	if kind != "" {
		prefix = append(prefix, kindByte(kind))
	}
	err = records{l.db.Reader()}.scan(prefix, func(it *pebble.Iterator) error {
		start := prefix
		if !from.IsZero() {
			start = after(appendSubject([]byte{prefixRevision}, from))
		}
		var last *subjectRevision // newest seen of the subject at hand
		flush := func() {
			if last != nil && (withdrawn || !last.rev.head().Withdrawn()) {
				out = append(out, *last)
			}
			last = nil
		}
		for it.SeekGE(start); it.Valid() && len(out) < n; it.Next() {
			rev, perr := parseRevision(it.Key(), it.Value())
			if perr != nil {
				return perr
			}
			s := parseSubject(it.Key()[1:])
			if last != nil && last.subject != s {
				flush()
			}
			if l.visible(&rev) && len(out) < n {
				last = &subjectRevision{s, rev}
			}
		}
		if len(out) < n {
			flush()
		}
		return nil
	})
	return out, err
}

// Body returns the exact bytes of a body. Errors: *NotFoundError, *ErasedError.
func (l *Ledger) Body(hash [sha256.Size]byte) ([]byte, error) {
	b, err := l.bodies.Body(hash)
	return b, l.storeError(fmt.Sprintf("body %x", hash), err)
}

// Attachment returns the exact bytes of an attachment. Errors as for Body.
func (l *Ledger) Attachment(hash [sha256.Size]byte) ([]byte, error) {
	b, err := l.bodies.Attachment(hash)
	return b, l.storeError(fmt.Sprintf("attachment %x", hash), err)
}

func (l *Ledger) storeError(what string, err error) error {
	var erased *bodystore.ErasedError
	switch {
	case errors.As(err, &erased):
		return &ErasedError{what, erased.Notice}
	case errors.Is(err, bodystore.ErrNotFound):
		return &NotFoundError{what}
	}
	return err
}

// State is what the log says of itself, for metrics and readiness.
func (l *Ledger) State() (size, published uint64, queued int) {
	size, _ = l.log.Head()
	if p := l.Published(); p != nil {
		published = p.Checkpoint.Size
	}
	queued, _ = l.log.Queued()
	return size, published, queued
}
