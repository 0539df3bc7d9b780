// Package grpcapi is cityproof.ledger.v1 over a ledger: gRPC, and through
// grpc-gateway its REST twin. It turns requests into calls and errors into codes
// (errors.go, the only place that chooses them), bounds every input, and adds
// nothing of its own: what is signed travels as the bytes that were given.
package grpcapi
