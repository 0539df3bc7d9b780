package trillianapi

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// This file is the only one that chooses gRPC codes.

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}

func notFound(format string, args ...any) error {
	return status.Errorf(codes.NotFound, format, args...)
}

func precondition(format string, args ...any) error {
	return status.Errorf(codes.FailedPrecondition, format, args...)
}

func alreadyExists(format string, args ...any) error {
	return status.Errorf(codes.AlreadyExists, format, args...)
}

func denied(treeID int64) error {
	return status.Errorf(codes.PermissionDenied, "tree %d is a city's log and read-only here: a write would go round its "+
		"publication rules; submit to cityproof.ledger.v1 instead", treeID)
}

// aborted asks the client to try again: another writer was faster every time.
func aborted(format string, args ...any) error {
	return status.Errorf(codes.Aborted, format, args...)
}

// leafStatus is the status of one leaf inside a successful answer.
func leafStatus(err error) *spb.Status {
	if err == nil {
		return &spb.Status{Code: int32(codes.OK), Message: "OK"}
	}
	return status.Convert(err).Proto()
}

// rpcError maps an error of the engine. What is not in the table says nothing of its cause to the caller.
func rpcError(err error) error {
	if err == nil {
		return nil
	}
	var overload *logstore.OverloadError
	switch {
	case errors.As(err, &overload):
		s := status.New(codes.ResourceExhausted, overload.Error())
		if d, derr := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(overload.RetryAfter)}); derr == nil {
			s = d
		}
		return s.Err()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	case errors.Is(err, pebbledb.ErrHalted):
		return status.Error(codes.Unavailable, "storage has halted: the log is read-only until the operator restarts it")
	case errors.Is(err, logstore.ErrClosed):
		return status.Error(codes.Unavailable, "the log is being closed")
	case errors.Is(err, pebbledb.ErrReadOnly):
		return status.Error(codes.PermissionDenied, "the database was opened read-only")
	case errors.Is(err, logstore.ErrInvalidGroup):
		return status.Error(codes.InvalidArgument, err.Error())
	case errors.Is(err, logstore.ErrOutOfRange):
		return status.Error(codes.OutOfRange, err.Error())
	}
	if s, ok := status.FromError(err); ok {
		return s.Err() // chosen above, and handed through the engine
	}
	return status.Error(codes.Internal, "internal error")
}
