package gossipnet

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cityproof/cityproof/internal/gossip"
)

var (
	errStrangerCalls = status.Error(codes.PermissionDenied, "members of the alliance alone, with the TLS key that the roster gives for them")
	errTooOften      = status.Error(codes.ResourceExhausted, "this member asks too often")
	errWatching      = status.Error(codes.ResourceExhausted, "this member watches as often as it may")
	errNoHead        = status.Error(codes.NotFound, "this node knows no head of that log")
	errSizes         = status.Error(codes.InvalidArgument, "want an old and a larger new size")
	errNoProof       = status.Error(codes.NotFound, "this node can't prove that now")
)

// isNoHead reports whether a peer says that it never saw a head of a log.
func isNoHead(err error) bool { return status.Code(err) == codes.NotFound }

// refusal is the status of an error of the state machine.
func refusal(err error) error {
	var bad *gossip.MisbehavedError
	if errors.As(err, &bad) {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return err
}

// ended is the status of a stream whose context ended.
func ended(ctx context.Context) error { return status.FromContextError(ctx.Err()).Err() }
