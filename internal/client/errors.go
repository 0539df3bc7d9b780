package client

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// NotFoundError says that a server has no such file. That it should have one is
// for the caller to know.
type NotFoundError struct{ From, Path string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("%s has no %s", e.From, e.Path) }

// GoneError says that a server had a body and has erased it, on its own word. Its
// Answer may prove that a notice in the log allows that: see CheckGone.
type GoneError struct {
	From, Path string
	Answer     []byte
}

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s says that %s is erased", e.From, e.Path)
}

// DamagedError says that bytes were served which are not what they must be.
type DamagedError struct {
	From, Path string
	Err        error
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("%s from %s is damaged: %v", e.Path, e.From, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// UnverifiedError says that a node's answer does not prove what it says. It is
// never a reason to try again with the same node.
type UnverifiedError struct {
	What string // what was asked for
	Err  error
}

func (e *UnverifiedError) Error() string {
	return fmt.Sprintf("the node's answer about %s does not verify: %v", e.What, e.Err)
}

// Unwrap returns the cause.
func (e *UnverifiedError) Unwrap() error { return e.Err }

// RuleResult is one publication rule's word on one submission, as the node gives
// it.
type RuleResult struct {
	Submission int    // which of those given, from 0
	Rule       string // for example "V-11"
	Reject     bool   // false: a warning
	Field      string // for example "deployment.tech"
	Value      string
	Message    string
	Hint       string // what to do
}

// RuleError says which publication rules kept a batch from being published.
type RuleError struct {
	Results []RuleResult
	Omitted int // how many more there were, of which the node told nothing
}

func (e *RuleError) Error() string {
	for _, r := range e.Results {
		if r.Reject {
			return fmt.Sprintf("submission %d breaks %s at %s: %s", r.Submission+1, r.Rule, r.Field, r.Message)
		}
	}
	return "a publication rule is broken"
}

// StaleError says that a submission does not follow its subject's newest revision:
// somebody was faster. Sign again from what it says.
type StaleError struct {
	Submission int // which of those given, from 0
	Subject    declaration.Subject
	NextNumber uint32     // next free number of the kind, when the number is taken
	Revision   uint32     // newest revision; 0 if there is none
	Leaf       proof.Hash // its leaf hash
}

func (e *StaleError) Error() string {
	if e.Revision == 0 {
		return fmt.Sprintf("submission %d: %s does not exist yet; the next free number is %d", e.Submission+1, e.Subject, e.NextNumber)
	}
	return fmt.Sprintf("submission %d: %s is at revision %d already; the next free number of its kind is %d",
		e.Submission+1, e.Subject, e.Revision, e.NextNumber)
}

// Refusal is why a node did not do what it was asked.
type Refusal int

// The refusals.
const (
	Malformed   Refusal = iota + 1 // the request is not in the form that it must have
	Forbidden                      // another city, another log, or a key that may not publish
	Missing                        // there is no such thing
	Busy                           // too much at once, or a quota is used up: RetryAfter
	Unavailable                    // not reachable, read-only or halted
	Failed                         // anything else, the node's own fault
)

// NodeError is a node's refusal.
type NodeError struct {
	Refusal Refusal
	// Message is the node's, made fit to print.
	Message string
	// RetryAfter is how long the node asks to wait; 0 if it doesn't say.
	RetryAfter time.Duration
}

func (e *NodeError) Error() string { return e.Message }

// nodeError reads a gRPC error: details first, then the code. first is the number
// of the first submission that the call was about.
func nodeError(err error, first int) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &NodeError{Refusal: Failed, Message: printable(st.Message())}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *ledgerv1.RuleFailure:
			return &RuleError{ruleResults(d.GetResults(), first), int(d.GetOmitted())}
		case *ledgerv1.StaleSubject:
			if stale, err := staleError(d, first); err == nil {
				return stale
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(0, d.GetRetryDelay().AsDuration())
		}
	}
	switch st.Code() {
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		e.Refusal = Malformed
	case codes.PermissionDenied, codes.Unauthenticated:
		e.Refusal = Forbidden
	case codes.NotFound, codes.Unimplemented:
		e.Refusal = Missing
	case codes.ResourceExhausted:
		e.Refusal = Busy
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		e.Refusal = Unavailable
	}
	return e
}

func staleError(d *ledgerv1.StaleSubject, first int) (*StaleError, error) {
	subject, err := declaration.ParseSubject(d.GetSubject())
	if err != nil {
		return nil, err
	}
	e := &StaleError{Submission: first + int(d.GetSubmission()), Subject: subject, NextNumber: d.GetNextNumber(), Revision: d.GetRevision()}
	if e.Revision > 0 && len(d.GetLeafHash()) != len(e.Leaf) {
		return nil, errors.New("no leaf hash")
	}
	copy(e.Leaf[:], d.GetLeafHash())
	return e, nil
}

func ruleResults(in []*ledgerv1.RuleResult, first int) []RuleResult {
	out := make([]RuleResult, 0, len(in))
	for _, r := range in {
		out = append(out, RuleResult{
			Submission: first + int(r.GetSubmission()),
			Rule:       printable(r.GetRule()),
			Reject:     r.GetLevel() != ledgerv1.RuleLevel_RULE_LEVEL_WARN,
			Field:      printable(r.GetField()),
			Value:      printable(r.GetValue()),
			Message:    printable(r.GetMessage()),
			Hint:       printable(r.GetHint()),
		})
	}
	return out
}

// maxText is how many bytes of a node's words are repeated.
const maxText = 1000

// printable makes a node's words fit for a terminal: nothing in them can move its
// cursor, or turn the line around (threat T-43).
func printable(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			return '\uFFFD'
		}
		return r
	}, s)
}

// worthRetry reports whether the same bytes may be sent again: nothing is wrong
// with them, only with the moment.
func worthRetry(err error) (after time.Duration, again bool) {
	var e *NodeError
	if !errors.As(err, &e) || e.Refusal != Busy && e.Refusal != Unavailable {
		return 0, false
	}
	return e.RetryAfter, true
}
