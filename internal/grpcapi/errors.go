package grpcapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/priority"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/registry"
)

// invalid is an argument that can't be read at all.
func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

// toStatus maps an error of the ledger to a gRPC status. What it doesn't know
// becomes INTERNAL without detail, and is logged: it may hold what is nobody's
// business.
func toStatus(err error, logger *slog.Logger) error {
	var (
		malformed *ledger.MalformedError
		forbidden *ledger.ForbiddenError
		refused   *ledger.RefusedError
		stale     *ledger.StaleError
		quota     *ledger.QuotaError
		readOnly  *ledger.ReadOnlyError
		notFound  *ledger.NotFoundError
		overload  *logstore.OverloadError
		void      *registry.RefusedError
	)
	switch {
	case err == nil:
		return nil
	case status.Code(err) != codes.Unknown:
		return err
	case errors.As(err, &malformed):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.As(err, &forbidden):
		return status.Error(codes.PermissionDenied, err.Error())
	case errors.As(err, &refused):
		return detailed(codes.InvalidArgument, err, ruleFailure(refused.Results))
	case errors.As(err, &void):
		return status.Error(codes.FailedPrecondition, err.Error())
	case errors.As(err, &stale):
		return detailed(codes.FailedPrecondition, err, staleSubject(stale))
	case errors.As(err, &quota):
		return detailed(codes.ResourceExhausted, err, retryIn(quota.RetryAfter))
	case errors.As(err, &overload):
		return detailed(codes.ResourceExhausted, err, retryIn(overload.RetryAfter))
	case errors.As(err, &readOnly):
		return status.Error(codes.Unavailable, err.Error())
	case errors.Is(err, pebbledb.ErrHalted): // it was logged when it came about
		return status.Error(codes.Unavailable, "the node's storage has failed: its operator must look at the disk and restart it. "+
			"There is no receipt; sending the same declaration again is safe")
	case errors.As(err, &notFound):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, logstore.ErrOutOfRange):
		return status.Error(codes.NotFound, "beyond the end of the log")
	case errors.Is(err, context.DeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the time for this call is over")
	case errors.Is(err, context.Canceled):
		return status.Error(codes.Canceled, "the caller went away")
	}
	logger.Error("answering a call", slog.Any("err", err))
	return status.Error(codes.Internal, "the node could not do this; its operator finds the reason in its log")
}

// tooMany asks a caller to come back.
func tooMany(err error, wait time.Duration) error {
	return detailed(codes.ResourceExhausted, err, retryIn(wait))
}

// busy maps an error of the readers' gate.
func busy(err error) error {
	if errors.Is(err, priority.ErrBusy) {
		return detailed(codes.Unavailable, err, retryIn(priority.RetryAfter))
	}
	return status.FromContextError(err).Err()
}

func detailed(code codes.Code, err error, detail protoadapt.MessageV1) error {
	st, derr := status.New(code, err.Error()).WithDetails(detail)
	if derr != nil {
		return status.Error(code, err.Error())
	}
	return st.Err()
}

func retryIn(d time.Duration) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: durationpb.New(d)}
}

func staleSubject(e *ledger.StaleError) *ledgerv1.StaleSubject {
	s := &ledgerv1.StaleSubject{
		Submission: uint32(e.Submission), //nolint:gosec // at most ledger.MaxBatch
		Subject:    e.Chain.Subject.String(),
		NextNumber: e.Next,
	}
	if e.Chain.Head != nil {
		s.Revision, s.LeafHash = e.Chain.Head.Revision, e.Chain.Head.Leaf[:]
	}
	return s
}

// maxFailure bounds a RuleFailure, in bytes. gRPC sends it in base64 in a trailer: a client that takes less than that gets no
// reason at all, and clients of C take 8 KiB to 16 KiB by default.
const maxFailure = 5 << 10

func ruleFailure(bySubmission [][]publication.Result) *ledgerv1.RuleFailure {
	all := ruleResults(bySubmission)
	slices.SortStableFunc(all, func(a, b *ledgerv1.RuleResult) int { return cmp.Compare(b.GetLevel(), a.GetLevel()) })
	f := &ledgerv1.RuleFailure{}
	bytes := 0
	for _, r := range all {
		if bytes += proto.Size(r) + 4; bytes > maxFailure && len(f.Results) > 0 {
			break
		}
		f.Results = append(f.Results, r)
	}
	f.Omitted = uint32(len(all) - len(f.Results)) //nolint:gosec // at most maxResults
	return f
}

// maxResults bounds the rule results of one answer, so that it stays below gRPC's
// message limit for the worst batch.
const maxResults = 2000

func ruleResults(bySubmission [][]publication.Result) []*ledgerv1.RuleResult {
	var out []*ledgerv1.RuleResult
	for i, results := range bySubmission {
		for _, r := range results {
			if len(out) == maxResults {
				return out
			}
			level := ledgerv1.RuleLevel_RULE_LEVEL_WARN
			if r.Level == publication.Reject {
				level = ledgerv1.RuleLevel_RULE_LEVEL_REJECT
			}
			out = append(out, &ledgerv1.RuleResult{
				Rule: r.Rule, Level: level, Submission: uint32(i),
				Field: r.Field, Value: r.Value, Message: r.Message, Hint: r.Hint,
			})
		}
	}
	return out
}
