package ledger

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/proof"
)

// Append appends an entry that is no statement, an act or an anchor, with the files
// that it commits to, and returns when it is durable and under a signed checkpoint.
// Whether it may stand in this log is for the caller to have judged. Errors:
// *MalformedError, *ReadOnlyError, *logstore.OverloadError, or of the context or
// the disk.
func (l *Ledger) Append(ctx context.Context, b []byte, files [][]byte) (*Outcome, error) {
	if why := l.ReadOnly(); why != "" {
		return nil, &ReadOnlyError{why}
	}
	e, err := entry.Parse(b)
	if err == nil {
		err = checkFiles(e, files)
	}
	if err != nil {
		return nil, &MalformedError{0, err}
	}
	g := logstore.Group{Leaves: []logstore.Leaf{{Entry: b, Identity: e.Identity}}}
	for _, f := range files {
		g.StageBytes += len(f) + 512
	}
	g.Check = func(pebble.Reader, []uint64, []bool) error { return nil }
	g.Stage = func(w pebble.Writer, _ []uint64, _ []bool) error {
		for _, f := range files {
			if _, err := bodystore.StageBody(w, f); err != nil {
				return err
			}
		}
		return nil
	}
	result, err := l.log.Append(ctx, g)
	if err != nil {
		return nil, err
	}
	out := &Outcome{}
	if out.Published, err = l.cover(ctx, result.Size); err != nil {
		return nil, err
	}
	var path []proof.Hash
	if path, err = l.log.InclusionProof(ctx, result.Index[0], out.Published.Checkpoint.Size); err != nil {
		return nil, err
	}
	out.Placed = []Placed{{result.Index[0], !result.Fresh[0], path}}
	return out, nil
}

// checkFiles compares files with what an entry commits to.
func checkFiles(e *entry.Entry, files [][]byte) error {
	if e.Kind == entry.Statement {
		return fmt.Errorf("a %s is published, not appended", e.Kind)
	}
	if len(files) != len(e.Files) {
		return fmt.Errorf("it commits to %d files, and %d came with it", len(e.Files), len(files))
	}
	for i, f := range e.Files {
		if len(files[i]) > entry.MaxFile || sha256.Sum256(files[i]) != f.Sum {
			return fmt.Errorf("file %d is larger than %d bytes, or not the one with SHA-256 %x", i, entry.MaxFile, f.Sum)
		}
	}
	return nil
}
