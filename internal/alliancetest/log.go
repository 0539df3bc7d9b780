package alliancetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Log is a city's log in memory, with its files: the real formats, and whatever a test puts into it. It shows itself as a
// node does.
type Log struct {
	City    *City
	Entries [][]byte
	Files   map[[sha256.Size]byte][]byte // bodies by hash

	t     testing.TB
	edge  tile.Edge
	tiles map[tile.ID][]proof.Hash
	heads map[declaration.Subject]declaration.Head
}

// NewLog returns the empty log of a city.
func NewLog(t testing.TB, c *City) *Log {
	return &Log{City: c, Files: map[[sha256.Size]byte][]byte{}, t: t, tiles: map[tile.ID][]proof.Hash{}, heads: map[declaration.Subject]declaration.Head{}}
}

// GoOn returns a log of the city as it goes on elsewhere, with the first entries of l.
func (l *Log) GoOn(c *City, size uint64) *Log {
	next := NewLog(l.t, c)
	for _, e := range l.Entries[:size] {
		next.Append(e)
	}
	next.Files = maps.Clone(l.Files)
	return next
}

// Append puts any entry into the log, with files beside it.
func (l *Log) Append(b []byte, files ...[]byte) {
	l.Entries = append(l.Entries, b)
	for _, full := range l.edge.Append(proof.LeafHash(b)) {
		l.tiles[full.ID] = full.Hashes
	}
	for _, f := range files {
		l.Files[sha256.Sum256(f)] = f
	}
}

// Declare appends n statements of an officer, each with a body of its own, and returns the hash of the last body.
func (l *Log) Declare(n int, officer string) (sum [sha256.Size]byte) {
	l.t.Helper()
	for range n {
		sum = l.declare(&declarationv1.Body{
			Language: proto.String("nl"), Nonce: fmt.Appendf(nil, "%16d", len(l.Entries)),
			Record: &declarationv1.Body_Deployment{Deployment: &declarationv1.Deployment{}},
		}, officer)
	}
	return sum
}

// Erase appends a notice that a body is erased, and drops the body.
func (l *Log) Erase(sum [sha256.Size]byte, leaf proof.Hash) {
	l.t.Helper()
	body := &declarationv1.Body{Language: proto.String("nl"), Nonce: fmt.Appendf(nil, "%16d", len(l.Entries))}
	body.Record = &declarationv1.Body_Notice{Notice: &declarationv1.Notice{
		Type: declarationv1.NoticeType_NOTICE_TYPE_ERASURE.Enum(), Erasure: &declarationv1.Erasure{BodySha256: sum[:], Leaf: leaf[:]},
	}}
	l.declare(body, "officer-1")
	delete(l.Files, sum)
}

func (l *Log) declare(body *declarationv1.Body, officer string) [sha256.Size]byte {
	l.t.Helper()
	return l.Say(body, officer, func(*declaration.Statement) {})
}

// State appends a subject's next revision, signed by an officer, and returns the hash of its body.
func (l *Log) State(subject string, op declaration.Operation, body *declarationv1.Body, officer string) [sha256.Size]byte {
	l.t.Helper()
	about, err := declaration.ParseSubject(subject)
	if err != nil {
		l.t.Fatal(err)
	}
	before := l.heads[about]
	sum := l.Say(body, officer, func(st *declaration.Statement) {
		st.Subject, st.Revision, st.Previous, st.Operation = about, before.Revision+1, before.Leaf, op
	})
	l.heads[about] = declaration.Head{Revision: before.Revision + 1, Leaf: proof.LeafHash(l.Entries[len(l.Entries)-1]), Operation: op}
	return sum
}

// Say appends a statement of an officer with a body, edited, and returns the body's hash.
func (l *Log) Say(body *declarationv1.Body, officer string, edit func(*declaration.Statement)) [sha256.Size]byte {
	l.t.Helper()
	raw, err := declaration.FormatBody(body)
	if err != nil {
		l.t.Fatal(err)
	}
	subject, err := declaration.ParseSubject(fmt.Sprintf("dep/%d", len(l.Entries)+1))
	if err != nil {
		l.t.Fatal(err)
	}
	st := &declaration.Statement{
		Log: l.City.Origin, City: l.City.ID, Subject: subject, Revision: 1, Operation: declaration.Publish,
		EffectiveOn: declaration.DateOf(FoundedAt), DeclaredAt: FoundedAt, Provenance: declaration.CityOwn,
		BodySHA256: sha256.Sum256(raw), BodySize: uint32(len(raw)), //nolint:gosec // a few bytes
	}
	edit(st)
	e, err := declaration.Sign(declaration.PayloadType, st.Format(), Key(l.City.ID+" "+officer))
	if err != nil {
		l.t.Fatal(err)
	}
	l.Append(e.Format(), raw)
	return st.BodySHA256
}

// Head returns size and root.
func (l *Log) Head() (uint64, proof.Hash) { return l.edge.Size(), l.edge.Root() }

// String names the log.
func (l *Log) String() string { return "the log of " + l.City.ID }

// Checkpoint returns the newest head, signed.
func (l *Log) Checkpoint(context.Context) ([]byte, error) {
	return l.City.Note(l.t, l.edge.Size(), l.edge.Root(), FoundedAt), nil
}

// Tile implements tile.Source.
func (l *Log) Tile(_ context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	if full := l.tiles[tile.ID{Level: level, Index: index, Width: tile.FullWidth}]; full != nil {
		return full[:width], nil
	}
	partial := l.edge.Partial(level)
	if l.edge.Size()>>(tile.Height*(level+1)) != index || width > len(partial) {
		return nil, fmt.Errorf("no tile %d of level %d", index, level)
	}
	return partial[:width], nil
}

// Bundle returns entries.
func (l *Log) Bundle(_ context.Context, index uint64, width int) ([][]byte, error) {
	first := int(index) * tile.FullWidth //nolint:gosec // in memory
	if first+width > len(l.Entries) {
		return nil, fmt.Errorf("no bundle %d of width %d", index, width)
	}
	return l.Entries[first : first+width], nil
}

// File returns a file by its hash.
func (l *Log) File(_ context.Context, sum [sha256.Size]byte) ([]byte, error) {
	if f, ok := l.Files[sum]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("no file %x", sum)
}

// Attachment returns a file that a body names, by its hash.
func (l *Log) Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return l.File(ctx, sum)
}

// Bundled returns the first files of the entries of a bundle.
func (l *Log) Bundled(index uint64, width int) ([][]byte, error) {
	entries, err := l.Bundle(context.Background(), index, width)
	if err != nil {
		return nil, err
	}
	return entry.ParseFiles(entry.Bundled(entries, func(f entry.File) []byte { return l.Files[f.Sum] }), width)
}
