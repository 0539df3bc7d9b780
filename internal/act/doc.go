// Package act is the bytes of what is decided about an alliance: acts, which
// stand in the registry log, and the requests of members that acts grant.
// FORMAT.md in this folder shows both, the proto package cityproof.registry.v1
// their fields.
//
// It checks form, and of a request that the keys signed which must: that is in
// the request alone, or in it and the entry that it replaces. Whether an act has
// effect, at its place in the registry, is package roster's.
//
// Invariants kept here: I7 (one encoding per meaning; signed bytes are kept as
// received), I8 (an envelope has at most 65,535 bytes and 32 signatures).
package act
