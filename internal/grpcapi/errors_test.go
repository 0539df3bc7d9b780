package grpcapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/publication"
)

func TestEveryErrorHasItsCode(t *testing.T) {
	cause := errors.New("cause")
	subject := declaration.Subject{Kind: declaration.Notice, Number: 7}
	rule := publication.Result{Rule: "V-01", Level: publication.Reject, Field: "name", Message: "m", Hint: "h"}
	for name, tc := range map[string]struct {
		err    error
		want   codes.Code
		detail func(any) bool
	}{
		"malformed":    {&ledger.MalformedError{Submission: 1, Err: cause}, codes.InvalidArgument, nil},
		"forbidden":    {&ledger.ForbiddenError{Submission: 1, Err: cause}, codes.PermissionDenied, nil},
		"read-only":    {&ledger.ReadOnlyError{Reason: "why"}, codes.Unavailable, nil},
		"not found":    {&ledger.NotFoundError{What: "it"}, codes.NotFound, nil},
		"out of range": {fmt.Errorf("reading: %w", logstore.ErrOutOfRange), codes.NotFound, nil},
		"deadline":     {fmt.Errorf("waiting: %w", context.DeadlineExceeded), codes.DeadlineExceeded, nil},
		"canceled":     {context.Canceled, codes.Canceled, nil},
		"a status":     {status.Error(codes.Aborted, "x"), codes.Aborted, nil},
		"refused": {&ledger.RefusedError{Results: [][]publication.Result{nil, {rule}}}, codes.InvalidArgument, func(d any) bool {
			f, ok := d.(*ledgerv1.RuleFailure)
			return ok && len(f.GetResults()) == 1 && f.GetResults()[0].GetSubmission() == 1 && f.GetResults()[0].GetRule() == "V-01" &&
				f.GetResults()[0].GetLevel() == ledgerv1.RuleLevel_RULE_LEVEL_REJECT
		}},
		"stale": {&ledger.StaleError{Submission: 2, Chain: &declaration.ChainError{Subject: subject}, Next: 9}, codes.FailedPrecondition, func(d any) bool {
			s, ok := d.(*ledgerv1.StaleSubject)
			return ok && s.GetSubject() == "not/7" && s.GetNextNumber() == 9 && s.GetSubmission() == 2
		}},
		"quota":    {&ledger.QuotaError{RetryAfter: time.Minute}, codes.ResourceExhausted, retries(time.Minute)},
		"overload": {&logstore.OverloadError{RetryAfter: time.Second}, codes.ResourceExhausted, retries(time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			st, _ := status.FromError(toStatus(tc.err, slog.New(slog.DiscardHandler)))
			if st.Code() != tc.want {
				t.Fatalf("%v, want %v", st.Code(), tc.want)
			}
			if tc.detail != nil && (len(st.Details()) != 1 || !tc.detail(st.Details()[0])) {
				t.Errorf("details %v", st.Details())
			}
		})
	}
}

func retries(after time.Duration) func(any) bool {
	return func(d any) bool {
		r, ok := d.(*errdetails.RetryInfo)
		return ok && r.GetRetryDelay().AsDuration() == after
	}
}

func TestUnknownErrorsStayInside(t *testing.T) {
	var log strings.Builder
	st, _ := status.FromError(toStatus(errors.New("open /secret/place"), slog.New(slog.NewTextHandler(&log, nil))))
	if st.Code() != codes.Internal || strings.Contains(st.Message(), "secret") || !strings.Contains(log.String(), "/secret/place") {
		t.Errorf("caller gets %v, the log %q", st, log.String())
	}
}

func TestT27StreamThatSendsNothingEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := make(chan struct{})
	defer close(silent)
	cancel()
	_, err := receive(ctx, func() (int, error) { <-silent; return 0, io.EOF })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("receive: %v, want the context's error", err)
	}
}

func TestT27StreamsHeldInMemoryAreBounded(t *testing.T) {
	s := New(nil, Options{Logger: slog.New(slog.DiscardHandler)})
	var last func()
	for range maxStreams {
		release, err := s.takeStream()
		if err != nil {
			t.Fatal(err)
		}
		last = release
	}
	if _, err := s.takeStream(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one stream too many: %v, want ResourceExhausted", err)
	}
	last()
	if _, err := s.takeStream(); err != nil {
		t.Errorf("after one has ended: %v", err)
	}
}
