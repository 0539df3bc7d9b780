// Package root reads, writes, signs and verifies root metadata: the one file
// that a verifier of an alliance must have from elsewhere. It is root metadata
// of The Update Framework (theupdateframework.github.io/specification), checked
// with go-tuf and held narrower; FORMAT.md in this folder says how, and what the
// field "cityproof" adds.
//
// Thresholds count distinct public keys and are never below 2 (T-11). A new
// version is signed by thresholds of the old keys and of its own.
//
// It knows no clock: whether a version had expired is asked of a time that a
// receipt proves. It does not know what the registry holds: package roster does.
package root
