package grpcapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/priority"
)

// maxMessage bounds one message: a submission with room, or a chunk of a file.
const maxMessage = declaration.MaxBody + declaration.MaxEntry + 64<<10

// maxHeaders bounds the headers of a call, in bytes, as on the HTTP port. gRPC's own bound is 16 MiB, on each stream.
const maxHeaders = 16 << 10

// ServerOptions are the limits under which the API is served (invariant I8):
// message size, streams per connection, idle and total time. observe is told of
// each call.
func ServerOptions(timeout time.Duration, observe func(method string, err error), logger *slog.Logger) []grpc.ServerOption {
	recovered := recovery.WithRecoveryHandler(func(p any) error {
		return toStatus(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), logger)
	})
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(256),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 5 * time.Minute, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainUnaryInterceptor(
			func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
				ctx, cancel := context.WithTimeout(ctx, timeout)
				defer cancel()
				resp, err := next(ctx, req)
				observe(info.FullMethod, err)
				return resp, err
			},
			recovery.UnaryServerInterceptor(recovered),
		),
		grpc.ChainStreamInterceptor(
			func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
				// A batch of 64 MiB over a slow line needs longer than a call.
				ctx, cancel := context.WithTimeout(ss.Context(), streamFactor*timeout)
				defer cancel()
				err := next(srv, timedStream{ss, ctx})
				observe(info.FullMethod, err)
				return err
			},
			recovery.StreamServerInterceptor(recovered),
		),
	}
}

// Gated makes readers pass a gate. Calls that a publisher needs do not wait.
func Gated(gate *priority.Gate) grpc.ServerOption {
	return grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		switch info.FullMethod {
		case ledgerv1.LedgerService_Publish_FullMethodName, ledgerv1.LedgerService_NextSubject_FullMethodName, ledgerv1.LedgerService_GetLog_FullMethodName:
			return next(ctx, req)
		}
		release, err := gate.Read(ctx)
		if err != nil {
			return nil, busy(err)
		}
		defer release() // before the answer is encoded and sent
		return next(ctx, req)
	})
}

// streamFactor is how much longer a stream may take than a single call.
const streamFactor = 10

type timedStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream's context is how grpc passes it
}

func (s timedStream) Context() context.Context { return s.ctx }

// Gateway returns the REST twin of a member's API, answered through conn.
func Gateway(ctx context.Context, conn *grpc.ClientConn, city string) (http.Handler, error) {
	mux := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, &runtime.JSONPb{
			MarshalOptions:   protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: false},
			UnmarshalOptions: protojson.UnmarshalOptions{},
		}),
		runtime.WithMetadata(func(context.Context, *http.Request) metadata.MD {
			return metadata.Pairs(CityKey, city)
		}),
		// Of a visitor's headers nothing is passed on: none means anything here.
		runtime.WithIncomingHeaderMatcher(func(string) (string, bool) { return "", false }),
		runtime.WithOutgoingHeaderMatcher(func(string) (string, bool) { return "", false }),
	)
	if err := ledgerv1.RegisterLedgerServiceHandler(ctx, mux, conn); err != nil {
		return nil, fmt.Errorf("making the REST API: %w", err)
	}
	return mux, nil
}
