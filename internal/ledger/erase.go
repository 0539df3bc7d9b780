package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

// An erasure has two steps. The notice is published like any declaration, and in
// the same synced batch a note says that its body is to be erased. Only when the
// notice is under a signed checkpoint is the body deleted: a gap without a signed
// reason must never be seen. A crash in between is finished at the next start.

// metaErase + leaf hash of the erased statement's body: u64 index of the notice.
var metaErase = append([]byte{pebbledb.PrefixMeta}, "erase"...)

func eraseKey(body [32]byte) []byte { return append(append([]byte{}, metaErase...), body[:]...) }

// checkErasure looks whether an erasure notice names a leaf of this log and its
// body: a notice that names another would leave a gap without a reason.
func (l *Ledger) checkErasure(body *declarationv1.Body) ([]publication.Result, error) {
	e := body.GetNotice().GetErasure()
	if e == nil || len(e.GetLeaf()) != 32 || len(e.GetBodySha256()) != 32 {
		return nil, nil // publication's rules look at the form
	}
	st, err := l.statementOf(proof.Hash(e.GetLeaf()))
	if err != nil {
		return nil, err
	}
	refuse := func(field, value, message string) []publication.Result {
		return []publication.Result{{
			Rule: "V-16", Level: publication.Reject, Field: "notice.erasure." + field, Value: value, Message: message,
			Hint: "Use cityproof erase SUBJECT: it fills in what is to be erased.",
		}}
	}
	switch {
	case st == nil:
		return refuse("leaf", fmt.Sprintf("%x", e.GetLeaf()), "This log has no such leaf."), nil
	case st.BodySHA256 != [32]byte(e.GetBodySha256()):
		return refuse("body_sha256", fmt.Sprintf("%x", e.GetBodySha256()), "The leaf commits to another body."), nil
	case !names(body.GetNotice().GetAbout(), st.Subject):
		return refuse("leaf", fmt.Sprintf("%x", e.GetLeaf()), "The notice must name "+st.Subject.String()+" under about."), nil
	}
	return nil, nil
}

func names(about []string, s declaration.Subject) bool {
	for _, a := range about {
		if a == s.String() {
			return true
		}
	}
	return false
}

// statementOf reads the statement of a leaf; nil if the log has no such leaf yet.
func (l *Ledger) statementOf(leaf proof.Hash) (*declaration.Statement, error) {
	at, ok, err := l.log.IndexByLeafHash(leaf)
	if err != nil || !ok {
		return nil, err
	}
	entry, err := l.log.Entry(at)
	if err != nil {
		return nil, err
	}
	signed, err := declaration.ParseSigned(entry)
	if err != nil {
		return nil, err
	}
	return signed.Statement, nil
}

// stageErasure notes what an erasure notice asks for.
func stageErasure(w pebble.Writer, body *declarationv1.Body, index uint64) error {
	e := body.GetNotice().GetErasure()
	if e == nil {
		return nil
	}
	return w.Set(eraseKey([32]byte(e.GetBodySha256())), binary.BigEndian.AppendUint64(nil, index), nil)
}

// finishErasures deletes what published notices say is to be erased.
func (l *Ledger) finishErasures(ctx context.Context) error {
	l.erasing.Lock()
	defer l.erasing.Unlock()
	if _, err := l.bodies.FinishErasures(ctx); err != nil {
		return err
	}
	type order struct {
		body   [32]byte
		notice uint64
	}
	var due []order
	if err := (records{l.db.Reader()}).scan(metaErase, func(it *pebble.Iterator) error {
		for it.First(); it.Valid(); it.Next() {
			due = append(due, order{[32]byte(it.Key()[len(metaErase):]), binary.BigEndian.Uint64(it.Value())})
		}
		return nil
	}); err != nil {
		return err
	}
	for _, o := range due {
		if p := l.Published(); p == nil || o.notice >= p.Checkpoint.Size {
			continue // not signed yet: whoever signs it comes by again
		}
		if err := l.erase(ctx, o.body, o.notice); err != nil {
			return fmt.Errorf("erasing body %x: %w", o.body, err)
		}
		l.logger.Info("body erased", slog.String("origin", l.origin), slog.Uint64("index", o.notice))
	}
	return nil
}

func (l *Ledger) erase(ctx context.Context, hash [32]byte, notice uint64) error {
	raw, err := l.bodies.Body(hash)
	if err != nil && !errors.Is(err, bodystore.ErrErased) && !errors.Is(err, bodystore.ErrNotFound) {
		return err
	}
	var files [][32]byte
	if raw != nil {
		if files, err = l.forget(ctx, hash, raw, notice); err != nil {
			return err
		}
	}
	for _, f := range append(files, hash) {
		if err := l.bodies.Erase(ctx, f, notice); err != nil {
			return err
		}
	}
	b := l.db.NewBatch()
	defer b.Close()
	if err := b.Delete(eraseKey(hash), nil); err != nil {
		return err
	}
	return l.db.Commit(b)
}

// forget removes from the live records what the body put there, and returns the
// files that no other live record names.
func (l *Ledger) forget(_ context.Context, hash [32]byte, raw []byte, notice uint64) ([][32]byte, error) {
	body, err := declaration.ParseBody(raw)
	if err != nil {
		return nil, err
	}
	subject, err := l.subjectErasedBy(notice)
	if err != nil {
		return nil, err
	}
	live := records{l.db.Reader()}
	newest, err := live.newest(subject)
	if err != nil {
		return nil, err
	}
	b := l.db.NewBatch()
	defer b.Close()
	if newest != nil && newest.Body == hash {
		if err := unlist(b, subject, body); err != nil {
			return nil, err
		}
		if err := l.db.Commit(b); err != nil {
			return nil, err
		}
	}
	var files [][32]byte
	for _, at := range attachments(body) {
		users, err := live.subjectsUnder(findPrefix(attachmentKey(at.Attachment.GetSha256())))
		if err != nil {
			return nil, err
		}
		if len(users) == 0 {
			files = append(files, [32]byte(at.Attachment.GetSha256()))
		}
	}
	return files, nil
}

// subjectErasedBy reads which subject's body a notice erases.
func (l *Ledger) subjectErasedBy(notice uint64) (declaration.Subject, error) {
	entry, err := l.log.Entry(notice)
	if err != nil {
		return declaration.Subject{}, err
	}
	signed, err := declaration.ParseSigned(entry)
	if err != nil {
		return declaration.Subject{}, err
	}
	raw, err := l.bodies.Body(signed.Statement.BodySHA256)
	if err != nil {
		return declaration.Subject{}, err
	}
	body, err := declaration.ParseBody(raw)
	if err != nil {
		return declaration.Subject{}, err
	}
	st, err := l.statementOf(proof.Hash(body.GetNotice().GetErasure().GetLeaf()))
	if err != nil || st == nil {
		return declaration.Subject{}, errors.Join(err, fmt.Errorf("notice %d names no leaf of this log", notice))
	}
	return st.Subject, nil
}

// attachmentKey finds the live records that name a file.
func attachmentKey(hash []byte) publication.Key { return publication.Key(fmt.Sprintf("file/%x", hash)) }
