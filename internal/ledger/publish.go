package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

// Limits of a batch (federation.md, section 8).
const (
	MaxBatch      = 2000
	MaxBatchBytes = 64 << 20
)

// Submission is one signed declaration: the exact bytes.
type Submission struct {
	Envelope []byte
	Body     []byte
}

// Placed says where a statement is.
type Placed struct {
	Index  uint64
	Repeat bool // the log had it before
	Path   []proof.Hash
}

// Outcome is what became of a batch: all of it is in the log, under Published.
type Outcome struct {
	Placed    []Placed // by submission
	Published *Published
	Warnings  [][]publication.Result // by submission
}

// admitted is a submission that has passed the part of the door before the
// writer.
type admitted struct {
	Submission
	signed   *declaration.Signed
	body     *declarationv1.Body
	identity [sha256.Size]byte
	leaf     proof.Hash
	results  []publication.Result // of the rules that need only the record
}

// Publish appends a batch, all or nothing, and returns when it is durable and
// under a signed checkpoint. Statements that the log has already are answered
// with their first index. Errors: *MalformedError, *ForbiddenError,
// *RefusedError, *StaleError, *QuotaError, *ReadOnlyError,
// *logstore.OverloadError, or of the context or the disk.
//
// A batch must not be changed after it was given, not even after an error.
func (l *Ledger) Publish(ctx context.Context, batch []Submission) (*Outcome, error) {
	if why := l.ReadOnly(); why != "" {
		return nil, &ReadOnlyError{why}
	}
	in, err := l.admit(batch)
	if err != nil {
		return nil, err
	}
	if err = l.judge(in); err != nil {
		return nil, err
	}
	out := &Outcome{}
	result, err := l.log.Append(ctx, l.group(in, out))
	if err != nil {
		return nil, err
	}
	if out.Published, err = l.cover(ctx, result.Size); err != nil {
		return nil, err
	}
	for i, index := range result.Index {
		path, err := l.log.InclusionProof(ctx, index, out.Published.Checkpoint.Size)
		if err != nil {
			return nil, err
		}
		out.Placed = append(out.Placed, Placed{index, !result.Fresh[i], path})
	}
	if !slices.ContainsFunc(in, func(a admitted) bool { return a.body.GetNotice().GetErasure() != nil }) {
		return out, nil
	}
	// The notice stands whatever happens now; what is left is done at the next
	// erasure or start, and readiness says so.
	if err := l.finishErasures(context.WithoutCancel(ctx)); err != nil {
		l.logger.Error("erasing", slog.String("origin", l.origin), slog.Any("err", err))
	}
	return out, nil
}

// admit bounds, parses and checks the signatures of a batch.
func (l *Ledger) admit(batch []Submission) ([]admitted, error) {
	if len(batch) == 0 || len(batch) > MaxBatch {
		return nil, &MalformedError{0, fmt.Errorf("a batch has 1 to %d declarations, not %d", MaxBatch, len(batch))}
	}
	total := 0
	for i, sub := range batch {
		if total += len(sub.Envelope) + len(sub.Body); total > MaxBatchBytes {
			return nil, &MalformedError{i, fmt.Errorf("a batch has at most %d bytes", MaxBatchBytes)}
		}
	}
	in, errs := make([]admitted, len(batch)), make([]error, len(batch))
	each(len(batch), func(i int) { in[i], errs[i] = l.admitOne(i, batch[i]) })
	for _, err := range errs { // the first in order, so that an answer doesn't depend on chance
		if err != nil {
			return nil, err
		}
	}
	return in, nil
}

// Vouch checks of one submission what the door checks first: that it has the right
// form and place, and is signed by keys that may publish. Errors: *MalformedError,
// *ForbiddenError.
func (l *Ledger) Vouch(sub Submission) error {
	_, err := l.admitOne(0, sub)
	return err
}

// each calls f for 0 to n−1, on all cores where there are several.
func each(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error {
			f(i)
			return nil
		})
	}
	_ = g.Wait() // f reports through what it closes over
}

func (l *Ledger) admitOne(i int, sub Submission) (a admitted, err error) {
	a.Submission = sub
	if a.signed, err = declaration.ParseSigned(sub.Envelope); err != nil {
		return a, &MalformedError{i, err}
	}
	st := a.signed.Statement
	switch {
	case st.Log != l.origin:
		return a, &ForbiddenError{i, fmt.Errorf("the statement is for the log %s, this is %s", st.Log, l.origin)}
	case st.City != l.city:
		return a, &ForbiddenError{i, fmt.Errorf("the statement is by %s, this log is %s's", st.City, l.city)}
	}
	size, _ := l.log.Head()
	if err = a.signed.Envelope.Verify(l.keysAt(size)); err != nil {
		return a, &ForbiddenError{i, err}
	}
	if a.body, err = declaration.ParseBody(sub.Body); err != nil {
		return a, &MalformedError{i, err}
	}
	if err := st.CheckBody(sub.Body, a.body); err != nil {
		return a, &MalformedError{i, err}
	}
	a.identity = a.signed.Envelope.Identity()
	a.leaf = proof.LeafHash(sub.Envelope)
	return a, nil
}

// keysAt returns the keys that may sign the leaf at index.
func (l *Ledger) keysAt(index uint64) func(declaration.KeyID) (ed25519.PublicKey, bool) {
	return func(id declaration.KeyID) (ed25519.PublicKey, bool) { return l.publisher(id, index) }
}

// judge runs the rules that need only the record on the statements that the log
// does not have yet, and charges their publisher. A repeat is free, and is not
// judged by today's clock.
func (l *Ledger) judge(in []admitted) error {
	bytes, n := 0, 0
	var judged []*admitted
	for i := range in {
		a := &in[i]
		_, repeat, err := l.log.IndexByIdentity(a.identity)
		if err != nil {
			return err
		}
		if !repeat {
			n, bytes, judged = n+1, bytes+len(a.Envelope)+len(a.Body), append(judged, a)
		}
	}
	if n == 0 {
		return nil
	}
	now := l.now()
	each(n, func(i int) { judged[i].results = publication.CheckRecord(judged[i].record(), now) })
	// Of several signers the first one pays; all their signatures are verified.
	return l.quotas.take(in[0].signed.Envelope.Signatures[0].KeyID, n, bytes)
}

func (a *admitted) record() publication.Record {
	return publication.Record{Statement: a.signed.Statement, Body: a.body}
}

// group makes the log engine's group of a batch: what is checked and what is
// written in the writer. Warnings go to out.
func (l *Ledger) group(in []admitted, out *Outcome) logstore.Group {
	g := logstore.Group{Leaves: make([]logstore.Leaf, len(in))}
	for i, a := range in {
		g.Leaves[i] = logstore.Leaf{Entry: a.Envelope, Identity: a.identity}
		g.StageBytes += len(a.Body) + 512
	}
	var changes []change
	g.Check = func(r pebble.Reader, index []uint64, fresh []bool) (err error) {
		out.Warnings, changes, err = l.check(r, in, index, fresh)
		return err
	}
	g.Stage = func(w pebble.Writer, index []uint64, fresh []bool) error {
		for i, a := range in {
			if !fresh[i] {
				continue
			}
			if _, err := bodystore.StageBody(w, a.Body); err != nil {
				return err
			}
			if err := stageErasure(w, a.body, index[i]); err != nil {
				return err
			}
		}
		return stage(w, changes)
	}
	return g
}

// check runs in the writer. It looks only at the fresh statements: what stands in
// the log is not judged again.
func (l *Ledger) check(r pebble.Reader, in []admitted, index []uint64, fresh []bool) ([][]publication.Result, []change, error) {
	results := make([][]publication.Result, len(in))
	var which []int
	var batch []publication.Record
	var leaves []proof.Hash
	refused := false
	for i, a := range in {
		if !fresh[i] {
			continue
		}
		if err := l.mayStillSign(a.signed.Envelope, index[i]); err != nil {
			return nil, nil, &ForbiddenError{i, err}
		}
		if notice, gone, eerr := l.bodies.Erased(a.signed.Statement.BodySHA256); eerr != nil {
			return nil, nil, eerr
		} else if gone {
			return nil, nil, &MalformedError{i, fmt.Errorf("this very body was erased by the notice at entry %d: it is not stored again", notice)}
		}
		stored, err := l.checkStored(r, a.body)
		if err != nil {
			return nil, nil, err
		}
		results[i] = slices.Concat(a.results, stored)
		refused = refused || publication.Rejects(results[i])
		which, batch, leaves = append(which, i), append(batch, a.record()), append(leaves, a.leaf)
	}
	live := records{r}
	found, err := publication.CheckLive(batch, leaves, live)
	if err != nil {
		return nil, nil, err
	}
	for j, rs := range found {
		i := which[j]
		if err = stale(live, i, rs); err != nil && !refused {
			return nil, nil, err
		}
		results[i] = append(results[i], rs...)
		refused = refused || publication.Rejects(rs)
	}
	if refused {
		return nil, nil, &RefusedError{results}
	}
	changes, err := changesOf(live, in, index, fresh)
	return results, changes, err
}

// checkStored runs the rules that look at what else this node stores.
func (l *Ledger) checkStored(r pebble.Reader, body *declarationv1.Body) ([]publication.Result, error) {
	files, err := checkAttachments(r, body)
	if err != nil {
		return nil, err
	}
	erasure, err := l.checkErasure(body)
	return append(files, erasure...), err
}

// stale finds the broken chain among results, which the caller can mend by
// signing again.
func stale(live records, i int, results []publication.Result) error {
	for _, r := range results {
		if r.Chain == nil {
			continue
		}
		next, err := live.nextNumber(r.Chain.Subject.Kind)
		if err != nil {
			return err
		}
		return &StaleError{Submission: i, Chain: r.Chain, Next: next}
	}
	return nil
}

// changesOf works out what the fresh statements do to the records, one after the
// other.
func changesOf(live records, in []admitted, index []uint64, fresh []bool) ([]change, error) {
	var out []change
	now := map[declaration.Subject]*declarationv1.Body{} // newest bodies as this batch leaves them
	for i, a := range in {
		if !fresh[i] {
			continue
		}
		st := a.signed.Statement
		old, seen := now[st.Subject]
		if !seen {
			newest, err := live.Newest(st.Subject)
			if err != nil {
				return nil, err
			}
			if newest != nil {
				old = newest.Body
			}
		}
		c := change{subject: st.Subject, old: old, new: a.body, rev: revision{
			Number: st.Revision, Index: index[i], Leaf: a.leaf, Operation: st.Operation, Body: st.BodySHA256,
		}}
		now[st.Subject] = a.body
		out = append(out, c)
	}
	return out, nil
}

// mayStillSign checks that each key is valid for the leaf's own index. The
// signatures themselves were verified at the door, before the index was known.
func (l *Ledger) mayStillSign(e *declaration.Envelope, index uint64) error {
	for _, s := range e.Signatures {
		if _, ok := l.publisher(s.KeyID, index); !ok {
			return fmt.Errorf("%w (key id %s, entry %d)", declaration.ErrUnknownKey, s.KeyID, index)
		}
	}
	return nil
}
