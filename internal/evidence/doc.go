// Package evidence reads, builds and verifies proofs that a log, its registry or a witness signed two things which
// contradict each other: E1 to E5 of the federation's design. A proof is one text of at most MaxSize bytes, holds all it
// needs but trust, and is verified offline.
//
// It is part of the trust root: on a finding, cities stop vouching for another city. So nothing counts but what is
// signed and shown: a proof that fails, an answer that does not come or an index that nobody signed is never evidence
// (T-26). FORMAT.md shows why an honest log or witness can't be accused with any bytes whatever.
//
// Invariants kept here: I5 (the bytes that a key signed are kept as they were made), I7 (Parse and Evidence.Format are
// inverse in both directions, and the builders give one encoding to one contradiction), I8 (MaxSize, MaxText).
//
// The package supplies no trust: Keys says which keys count, and until where. It keeps and sends nothing, and does not
// decide what follows from a finding. Nor does it look for contradictions: who holds two heads calls a builder.
package evidence
