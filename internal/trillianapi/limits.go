package trillianapi

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/cityproof/cityproof/internal/tile"
)

// MaxConnections is how many connections the listener of the service should accept at once. Others wait in the kernel.
const MaxConnections = 16

// Limits of one connection. What a client that never reads can keep in memory is MaxConnections × maxStreams ×
// (maxLeavesBytes + maxMessage + window), about 55 MiB and as much of garbage, and not for longer than maxAge.
const (
	maxStreams = 8
	// maxMessage has room for one leaf of any size with its extra data. Longer messages are RESOURCE_EXHAUSTED.
	maxMessage = 2*tile.MaxEntrySize + 4<<10
	// maxHeaders bounds the headers of a call, in bytes; gRPC's own bound is 16 MiB.
	maxHeaders = 8 << 10
	// window is gRPC's smallest. Without one set, gRPC lets it grow to 16 MiB a stream, also for what no handler reads.
	window = 64 << 10
	// An idle connection makes room for another after maxIdle, any after maxAge: one that answers pings but does not
	// read its answers looks alive for ever.
	maxIdle  = time.Minute
	maxAge   = 10 * time.Minute
	ageGrace = 30 * time.Second
)

// ServerOptions are the limits under which a server of this service does not let its clients use up the process that it
// is part of. They are for a read-only service of short calls; given after others, they replace them.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle: maxIdle, MaxConnectionAge: maxAge, MaxConnectionAgeGrace: ageGrace,
			Time: time.Minute, Timeout: 20 * time.Second,
		}),
	}
}
