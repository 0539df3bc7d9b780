package declaration

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/proof"
)

// PlaceError says that a statement belongs to another log, or speaks for another
// city than the log's owner (T-09; frozen for schema 1).
type PlaceError struct {
	Field     string // "log" or "city"
	Got, Want string
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("the statement is for %s %s, not for %s", e.Field, e.Got, e.Want)
}

// CheckPlace checks that s is for the log of that origin and speaks for its
// owner. An empty city leaves the owner unchecked. Errors are *PlaceError.
func (s *Statement) CheckPlace(origin, city string) error {
	if s.Log != origin {
		return &PlaceError{"log", s.Log, origin}
	}
	if city != "" && s.City != city {
		return &PlaceError{"city", s.City, city}
	}
	return nil
}

// Head is what the next revision of a subject must follow.
type Head struct {
	Revision  uint32
	Leaf      proof.Hash // leaf hash of that revision
	Operation Operation
}

// Withdrawn reports whether nothing but REINSTATE may follow.
func (h Head) Withdrawn() bool { return h.Operation == Withdraw }

// ChainError says why a statement does not follow its subject's newest revision
// (V-02, frozen for schema 1).
type ChainError struct {
	Subject Subject
	Head    *Head // nil: the subject does not exist
	Problem string
}

func (e *ChainError) Error() string { return fmt.Sprintf("%s: %s", e.Subject, e.Problem) }

// CheckChain checks that s follows head, the newest revision of its subject, or
// begins a subject when head is nil. Errors are *ChainError.
func (s *Statement) CheckChain(head *Head) error {
	fail := func(format string, args ...any) error {
		return &ChainError{Subject: s.Subject, Head: head, Problem: fmt.Sprintf(format, args...)}
	}
	if head == nil {
		if s.Revision != 1 {
			return fail("revision %d, but the log has no revision 1", s.Revision)
		}
		if s.Operation != Publish {
			return fail("%s, but there is nothing yet: the first revision is PUBLISH", s.Operation)
		}
		return nil
	}
	switch {
	case s.Revision == 1:
		return fail("the number is taken: the log has revision %d", head.Revision)
	case s.Revision != head.Revision+1:
		return fail("revision %d, but the log has revision %d: want %d", s.Revision, head.Revision, head.Revision+1)
	case s.Previous != head.Leaf:
		return fail("previous is not the leaf of revision %d", head.Revision)
	case s.Operation == Publish:
		return fail("PUBLISH only begins a subject: use AMEND")
	case head.Withdrawn() && s.Operation != Reinstate:
		return fail("it is withdrawn: only REINSTATE may follow")
	case !head.Withdrawn() && s.Operation == Reinstate:
		return fail("it is not withdrawn, so it can't be reinstated")
	}
	return nil
}
