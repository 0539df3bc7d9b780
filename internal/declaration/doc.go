// Package declaration is the two layers of a declaration as bytes: the signed
// statement that becomes a leaf of the city's log (a DSSE envelope around a JCS
// payload), and the body beside the log that the statement commits to by hash.
// FORMAT.md in this folder shows both, byte for byte.
//
// Parsing is strict: one encoding per meaning (invariant I7). Signed bytes are
// kept as received and never encoded again.
//
// What makes a leaf part of a subject's chain (envelope, signature, place,
// revision, previous) is frozen for schema 1 and lives here. Whether a
// declaration says enough is package publication's: a verifier marks a record
// that breaks such a rule, but never disagrees about the chain.
package declaration
