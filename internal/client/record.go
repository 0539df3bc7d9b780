package client

import (
	"context"
	"fmt"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Head is a log at one moment: what a verified checkpoint says.
type Head struct {
	Origin string
	Size   uint64
	Root   proof.Hash
}

// Leaf is an entry that was proven to be in the log, read as a statement.
type Leaf struct {
	Index     uint64
	Hash      proof.Hash
	Envelope  []byte // the exact bytes
	Statement *declaration.Statement
	// Path proves it into Head, which Checkpoint signs.
	Path       []proof.Hash
	Head       Head
	Checkpoint []byte
	// Trusted says that the log's keys and the statement's signers are those of the
	// trust file. Without one only the proof was computed, under the node's own
	// keys, and nobody's signature of the statement was checked.
	Trusted bool
}

// Record is a leaf with its body.
type Record struct {
	*Leaf
	// Raw is the body's exact bytes and Body its value; both nil once it is erased.
	Raw  []byte
	Body *declarationv1.Body
	// ErasedBy is the verified notice by which the body is gone.
	ErasedBy *Record
}

// HeadNow returns the log's newest checkpoint, verified, with its bytes.
func (c *Client) HeadNow(ctx context.Context) (Head, []byte, error) {
	resp, err := call(ctx, c, readTimeout, "the checkpoint", c.rpc.GetCheckpoint, &ledgerv1.GetCheckpointRequest{})
	if err != nil {
		return Head{}, nil, err
	}
	head, err := c.keys.head(resp.GetCheckpoint())
	if err != nil {
		return Head{}, nil, &UnverifiedError{"the checkpoint", err}
	}
	return head, resp.GetCheckpoint(), nil
}

// HistoryError says that a log's newer head does not continue an older one: the
// node shows an older state, or the log was rewritten. Both heads are signed.
type HistoryError struct {
	Old, New Head
	Err      error
}

func (e *HistoryError) Error() string {
	return fmt.Sprintf("%s at size %d does not continue size %d that was seen before: %v", e.New.Origin, e.New.Size, e.Old.Size, e.Err)
}

// Unwrap returns the cause.
func (e *HistoryError) Unwrap() error { return e.Err }

// Extends proves that the log at new begins with the log at old, a head that was
// verified before. Where it does not, the error is a *HistoryError: keep both
// checkpoints.
func (c *Client) Extends(ctx context.Context, old, new Head) error {
	if old.Origin != new.Origin {
		return fmt.Errorf("comparing heads of %s and %s: different logs", old.Origin, new.Origin)
	}
	if old.Size > new.Size {
		return &HistoryError{old, new, fmt.Errorf("the node shows an older state, or took entries back")}
	}
	var path []proof.Hash
	if old.Size > 0 && old.Size < new.Size {
		resp, err := call(ctx, c, readTimeout, "a consistency proof", c.rpc.GetConsistencyProof,
			&ledgerv1.GetConsistencyProofRequest{OldSize: old.Size, NewSize: new.Size})
		if err != nil {
			return err
		}
		if path, err = parseHashes(resp.GetPath()); err != nil {
			return &UnverifiedError{"a consistency proof", err}
		}
	}
	if err := proof.VerifyConsistency(old.Size, new.Size, old.Root, new.Root, path); err != nil {
		return &HistoryError{old, new, err}
	}
	return nil
}

// NextNumber returns the next free number of a kind, on the node's word. It
// reserves nothing: who loses a race is told so by *StaleError.
func (c *Client) NextNumber(ctx context.Context, kind declaration.Kind) (uint32, error) {
	resp, err := call(ctx, c, readTimeout, "the next number", c.rpc.NextSubject, &ledgerv1.NextSubjectRequest{Kind: kind.Prefix()})
	if err != nil {
		return 0, err
	}
	return resp.GetNumber(), nil
}

// Receipt returns the leaf at index with its proof and, unless it is erased, its
// body.
func (c *Client) Receipt(ctx context.Context, index uint64) (*Record, error) {
	what := fmt.Sprintf("entry %d", index)
	l, raw, err := c.leafAt(ctx, index)
	if err != nil {
		return nil, err
	}
	if l.Index != index {
		return nil, &UnverifiedError{what, fmt.Errorf("it is about entry %d", l.Index)}
	}
	return c.withBody(ctx, what, l, raw)
}

// leafAt gets and verifies a receipt, with its body's bytes as they came.
func (c *Client) leafAt(ctx context.Context, index uint64) (*Leaf, []byte, error) {
	what := fmt.Sprintf("the receipt of entry %d", index)
	resp, err := call(ctx, c, readTimeout, what, c.rpc.GetReceipt, &ledgerv1.GetReceiptRequest{Index: index})
	if err != nil {
		return nil, nil, err
	}
	l, err := c.keys.receipt(resp.GetReceipt())
	if err != nil {
		return nil, nil, &UnverifiedError{what, err}
	}
	return l, resp.GetReceipt().GetBody(), nil
}

// withBody makes a record of a leaf: with the body that came, or the one that the
// node has, or the notice by which it is gone.
func (c *Client) withBody(ctx context.Context, what string, l *Leaf, raw []byte) (*Record, error) {
	if len(raw) == 0 {
		resp, err := call(ctx, c, readTimeout, "the body of "+what, c.rpc.GetBody,
			&ledgerv1.GetBodyRequest{Sha256Hex: fmt.Sprintf("%x", l.Statement.BodySHA256)})
		if err != nil {
			return nil, err
		}
		if resp.GetErased() != nil {
			notice, err := c.keys.erasure(resp.GetErased().GetNotice(), l)
			if err != nil {
				return nil, &UnverifiedError{what, fmt.Errorf("the body is missing: %w", err)}
			}
			return &Record{Leaf: l, ErasedBy: notice}, nil
		}
		raw = resp.GetBody()
	}
	rec, err := record(l, raw)
	if err != nil {
		return nil, &UnverifiedError{what, err}
	}
	return rec, nil
}

// Newest returns a subject's newest revision. That there is none newer is the
// node's word: only an audit, which reads the whole log, can tell.
//
// The subject is for example "dep/17" or a nickname; kind says which is meant where
// a nickname stands for several, and may be empty.
func (c *Client) Newest(ctx context.Context, subject string, kind declaration.Kind) (*Record, error) {
	return c.revision(ctx, subject, kind, 0)
}

// Revision returns one revision of a subject, 1 or later.
func (c *Client) Revision(ctx context.Context, subject string, kind declaration.Kind, revision uint32) (*Record, error) {
	rec, err := c.revision(ctx, subject, kind, revision)
	if err == nil && rec.Statement.Revision != revision {
		return nil, &UnverifiedError{subject, fmt.Errorf("it is revision %d", rec.Statement.Revision)}
	}
	return rec, err
}

func (c *Client) revision(ctx context.Context, subject string, kind declaration.Kind, revision uint32) (*Record, error) {
	resp, err := call(ctx, c, readTimeout, subject, c.rpc.GetDeclaration,
		&ledgerv1.GetDeclarationRequest{Subject: subject, Revision: revision, Kind: kind.Prefix()})
	if err != nil {
		return nil, err
	}
	rec, err := c.Receipt(ctx, resp.GetDeclaration().GetIndex())
	if err != nil {
		return nil, err
	}
	if err := asked(rec, subject, kind); err != nil {
		return nil, &UnverifiedError{subject, err}
	}
	return rec, nil
}

// asked checks that a record is about what was asked for.
func asked(rec *Record, subject string, kind declaration.Kind) error {
	got := rec.Statement.Subject
	if want, err := declaration.ParseSubject(subject); err == nil {
		if got != want {
			return fmt.Errorf("it is about %s", got)
		}
		return nil
	}
	if kind != "" && got.Kind != kind {
		return fmt.Errorf("it is about %s, which is no %s", got, kind)
	}
	if rec.Body != nil && rec.Body.GetNickname() != subject {
		return fmt.Errorf("it is about %s, nicknamed %s", got, printable(fmt.Sprintf("%q", rec.Body.GetNickname())))
	}
	return nil
}

// maxHistory bounds the revisions of one subject that History returns.
const maxHistory = 10_000

// History returns every revision of a subject, the first one first: each proven to
// be in the log, and each naming the one before it. As with Newest, that the last
// one is the newest is the node's word.
func (c *Client) History(ctx context.Context, subject string, kind declaration.Kind) ([]*Record, error) {
	resp, err := call(ctx, c, readTimeout, subject, c.rpc.ListHistory, &ledgerv1.ListHistoryRequest{Subject: subject, Kind: kind.Prefix()})
	if err != nil {
		return nil, err
	}
	if len(resp.GetDeclarations()) > maxHistory {
		return nil, &UnverifiedError{subject, fmt.Errorf("it lists %d revisions, more than %d", len(resp.GetDeclarations()), maxHistory)}
	}
	var out []*Record
	var before *declaration.Head
	for _, d := range resp.GetDeclarations() {
		rec, err := c.Receipt(ctx, d.GetIndex())
		if err != nil {
			return nil, err
		}
		st := rec.Statement
		err = st.CheckChain(before)
		if err == nil && len(out) > 0 && st.Subject != out[0].Statement.Subject {
			err = fmt.Errorf("it mixes %s with %s", out[0].Statement.Subject, st.Subject)
		}
		if err != nil {
			return nil, &UnverifiedError{subject, err}
		}
		before = &declaration.Head{Revision: st.Revision, Leaf: rec.Hash, Operation: st.Operation}
		out = append(out, rec)
	}
	if len(out) == 0 {
		return nil, &UnverifiedError{subject, fmt.Errorf("it lists no revision")}
	}
	if err := asked(out[len(out)-1], subject, kind); err != nil {
		return nil, &UnverifiedError{subject, err}
	}
	return out, nil
}
