package audit

import (
	"context"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

const (
	// A node takes batches of at most this many records and bytes (federation.md,
	// section 8), so no record of a batch is further from another.
	maxBatch      = 2000
	maxBatchBytes = 64 << 20
	// maxMarks is how many records may break a rule before the rules are given up:
	// each costs a look ahead.
	maxMarks = 10_000
)

// rules checks a record against the live ones, marks what it breaks, and adds it to
// them.
func (f *follower) rules(ctx context.Context, st *step) error {
	if st.unread != "" {
		f.report.result(st, publication.Result{Rule: "V-01", Level: publication.Reject, Message: st.unread})
	}
	if st.body == nil {
		// Erased, missing or no body at all: what others say of it can't be judged.
		f.live.Apply(publication.Record{Statement: st.signed.Statement}, st.hash)
		return nil
	}
	if !f.unruled {
		results := st.results
		live, err := f.liveResults(ctx, st)
		if err != nil {
			return err
		}
		for _, r := range append(results, live...) {
			f.report.result(st, r)
		}
		if f.report.Marked > maxMarks {
			f.unruled = true
			f.report.RulesUntil = &st.index
		}
	}
	f.live.Apply(st.record, st.hash)
	return nil
}

// liveResults runs the rules that look at other records. A log does not say which
// leaves came as one batch, and within a batch a record may name one that follows.
// So a rule counts as broken only if it is broken both when the record is taken
// alone and when it is taken with all that can have been in its batch: what an
// unknown batch might excuse is not held against a city.
func (f *follower) liveResults(ctx context.Context, st *step) ([]publication.Result, error) {
	alone, err := f.checkLive(st, 0)
	if err != nil || !publication.Rejects(alone) {
		return alone, err
	}
	for n := 1; ; n *= 2 {
		more, err := f.lookAhead(ctx, min(n, maxBatch-1))
		if err != nil {
			return nil, err
		}
		with, err := f.checkLive(st, min(n, maxBatch-1))
		if err != nil {
			return nil, err
		}
		alone = stillBroken(alone, with)
		if !more || n >= maxBatch || !publication.Rejects(alone) {
			return alone, nil
		}
	}
}

// lookAhead receives leaves until n are ahead. more is false where there are no
// more, or no more that can be of one batch.
func (f *follower) lookAhead(ctx context.Context, n int) (more bool, err error) {
	for len(f.ahead) < n {
		if f.weight > maxBatchBytes {
			return false, nil
		}
		if more, err := f.receive(ctx); !more || err != nil {
			return false, err
		}
	}
	return true, nil
}

// checkLive checks a record together with up to n that follow it.
func (f *follower) checkLive(st *step, n int) ([]publication.Result, error) {
	batch := []publication.Record{st.record}
	leaves := []proof.Hash{st.hash}
	for _, next := range f.ahead[:min(n, len(f.ahead))] {
		if next.signed != nil && next.body != nil && !next.late {
			batch, leaves = append(batch, next.record), append(leaves, next.hash)
		}
	}
	results, err := publication.CheckLive(batch, leaves, f.live)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

// stillBroken keeps of the rejections in alone those that with has too. Warnings
// stay as they are.
func stillBroken(alone, with []publication.Result) []publication.Result {
	type at struct{ rule, field string }
	broken := map[at]bool{}
	for _, r := range with {
		if r.Level == publication.Reject {
			broken[at{r.Rule, r.Field}] = true
		}
	}
	var out []publication.Result
	for _, r := range alone {
		if r.Level != publication.Reject || broken[at{r.Rule, r.Field}] {
			out = append(out, r)
		}
	}
	return out
}
