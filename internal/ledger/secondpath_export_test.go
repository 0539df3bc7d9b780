package ledger

import (
	"context"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/recheck"
)

// Commit is the first half of Publish: the batch is durable and not signed. It
// returns the size of the log.
func (l *Ledger) Commit(ctx context.Context, batch []Submission) (uint64, error) {
	in, err := l.admit(batch)
	if err != nil {
		return 0, err
	}
	result, err := l.log.Append(ctx, l.group(in, &Outcome{}))
	return result.Size, err
}

// Cover is the second half.
func (l *Ledger) Cover(ctx context.Context, need uint64) error {
	_, err := l.cover(ctx, need)
	return err
}

// Parts are the parts that a test flips bits in.
func (l *Ledger) Parts() (*pebbledb.DB, *logstore.Log, *recheck.Checker) {
	return l.db, l.log, l.secondPath
}
