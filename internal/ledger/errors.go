package ledger

import (
	"fmt"
	"time"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// MalformedError says that a submission is not in the one form that it may have.
type MalformedError struct {
	Submission int // which of the batch, from 0
	Err        error
}

func (e *MalformedError) Error() string {
	return fmt.Sprintf("submission %d: %v", e.Submission+1, e.Err)
}

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error { return e.Err }

// ForbiddenError says that a submission is for another log or city, or by a key
// that may not sign here.
type ForbiddenError struct {
	Submission int
	Err        error
}

func (e *ForbiddenError) Error() string {
	return fmt.Sprintf("submission %d: %v", e.Submission+1, e.Err)
}

// Unwrap returns the cause.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// RefusedError says which publication rules a batch breaks. Nothing of it was
// written.
type RefusedError struct {
	Results [][]publication.Result // by submission; with the warnings
}

func (e *RefusedError) Error() string {
	for i, results := range e.Results {
		for _, r := range results {
			if r.Level == publication.Reject {
				return fmt.Sprintf("submission %d breaks %s at %s: %s", i+1, r.Rule, r.Field, r.Message)
			}
		}
	}
	return "a publication rule is broken"
}

// StaleError says that a submission does not follow the newest revision of its
// subject: somebody else was faster, or the number is taken.
type StaleError struct {
	Submission int
	Chain      *declaration.ChainError
	Next       uint32 // next free number of the kind
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("submission %d: %v", e.Submission+1, e.Chain)
}

// QuotaError says that a publisher has used up its share for now.
type QuotaError struct {
	RetryAfter time.Duration
	What       string // what there is too much of
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("quota of %s used up: try again in %v", e.What, e.RetryAfter.Round(time.Second))
}

// ReadOnlyError says why the log takes no declarations.
type ReadOnlyError struct{ Reason string }

func (e *ReadOnlyError) Error() string { return "the log takes no declarations: " + e.Reason }

// NotFoundError says that the log has no such thing.
type NotFoundError struct{ What string }

func (e *NotFoundError) Error() string { return e.What + " is not in this log" }

// ErasedError says that a body was erased, and by which notice.
type ErasedError struct {
	What   string
	Notice uint64 // index of the notice's leaf
}

func (e *ErasedError) Error() string {
	return fmt.Sprintf("%s was erased by the notice at entry %d", e.What, e.Notice)
}
