package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/recheck"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// cover returns a published checkpoint of at least need leaves, signing the
// newest durable head if the last one is smaller. need must be durable.
func (l *Ledger) cover(ctx context.Context, need uint64) (*Published, error) {
	if p := l.published.Load(); p != nil && p.Checkpoint.Size >= need {
		return p, nil
	}
	l.signing.Lock()
	defer l.signing.Unlock()
	p := l.published.Load()
	if p != nil && p.Checkpoint.Size >= need {
		return p, nil // another caller's signature covers it
	}
	if err := l.signer.Halted(); err != nil {
		return nil, err // logged when it came about
	}
	size, root := l.log.Head()
	if err := l.prove(ctx, p, size, root); err != nil {
		return nil, err
	}
	note, err := l.signer.Sign(size, root, l.now())
	if err != nil {
		if errors.Is(err, signingkey.ErrHalted) {
			l.logger.Error("signing is halted", slog.String("origin", l.origin), slog.Uint64("size", size), slog.Any("err", err))
		}
		return nil, err
	}
	if err := l.db.Note(metaSigned, note); err != nil {
		return nil, err
	}
	p = &Published{checkpoint.Checkpoint{Origin: l.origin, Size: size, Root: root}, note}
	l.published.Store(p)
	l.onPublish()
	return p, nil
}

// TurnKeys lets the log's next keys sign from now on (signingkey.LogSigner), and has
// them sign the published head as well, where again says so: the old ones have no say
// at its size.
func (l *Ledger) TurnKeys(again bool) error {
	l.signing.Lock()
	defer l.signing.Unlock()
	l.signer.Turn()
	p := l.published.Load()
	if p == nil || !again {
		return nil
	}
	note, err := l.signer.Sign(p.Checkpoint.Size, p.Checkpoint.Root, l.now())
	if err != nil {
		return err
	}
	if err := l.db.Note(metaSigned, note); err != nil {
		return err
	}
	l.published.Store(&Published{p.Checkpoint, note})
	l.onPublish()
	return nil
}

// NextVKeys are the keys that TurnKeys lets sign; nil if there are none.
func (l *Ledger) NextVKeys() []string { return l.signer.NextVKeys() }

// prove shows in two ways that share no code that the tree to be signed begins
// with last, the last signed one: by the second path, which reads back all that is
// new, and by a consistency proof from the tiles. If it can't be shown, nothing is
// signed any more. The end of ctx halts nothing: the next caller tries again.
func (l *Ledger) prove(ctx context.Context, last *Published, size uint64, root proof.Hash) error {
	if l.secondPath == nil {
		return &ReadOnlyError{l.ReadOnly()}
	}
	if err := l.secondPath.Check(ctx, size, root); err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err
		}
		return l.haltSigning(size, root, err)
	}
	if last == nil {
		return nil
	}
	if err := l.extends(ctx, last.Checkpoint, size, root); err != nil {
		return l.haltSigning(size, root, err)
	}
	return nil
}

// openSecondPath makes ready to verify what was stored since last was signed. If
// what was signed is not there any more as it was, signing halts.
func (l *Ledger) openSecondPath(last checkpoint.Checkpoint) error {
	checker, err := recheck.Open(recheck.Store{
		DB: l.db.Reader(), FS: l.db.FS(), Entries: l.db.EntriesDir(), Identity: entry.Identity,
	}, last.Size, last.Root)
	if err != nil {
		return l.haltSigning(last.Size, last.Root, err)
	}
	l.secondPath = checker
	return nil
}

// haltSigning ends signing for the rest of the process, logs why, once, and keeps
// the evidence. It returns an error that wraps signingkey.ErrHalted.
func (l *Ledger) haltSigning(size uint64, root proof.Hash, cause error) error {
	l.signer.Halt(cause)
	attrs := []any{
		slog.String("origin", l.origin), slog.Uint64("size", size), slog.String("root", root.String()), slog.Any("err", cause),
	}
	var mismatch *recheck.MismatchError
	if errors.As(cause, &mismatch) {
		path, err := l.signer.KeepEvidence(size, mismatch.Evidence())
		if err != nil {
			attrs = append(attrs, slog.String("evidence", err.Error()))
		} else {
			attrs = append(attrs, slog.String("evidence", path))
		}
	}
	l.logger.Error("signing is halted", attrs...)
	return fmt.Errorf("%w: %w", signingkey.ErrHalted, cause)
}

// extends proves from the stored tiles that the new tree begins with the last
// signed one.
func (l *Ledger) extends(ctx context.Context, last checkpoint.Checkpoint, size uint64, root proof.Hash) error {
	path, err := l.log.ConsistencyProof(ctx, last.Size, size)
	if err != nil {
		return err
	}
	return proof.VerifyConsistency(last.Size, size, last.Root, root, path)
}
