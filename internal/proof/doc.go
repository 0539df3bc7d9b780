// Package proof is the arithmetic of RFC 6962 Merkle trees with SHA-256: hashing leaves and nodes, checking inclusion
// and consistency proofs, folding appended leaves into a root, and the offline proof file of c2sp.org/tlog-proof.
//
// It is part of the trust root. Whoever checks a receipt runs this code and need trust nothing else that is about
// trees, so it imports nothing of ours, does no input or output, and takes no shortcuts: a proof of the wrong length is
// refused before anything is hashed, and sizes stop at 2^63-1 so that no sum of them overflows.
//
// Invariants kept here:
//
//   - I7: ParseTLogProof and TLogProof.Format, ParseHash and Hash.String, ParseSize and its decimal are inverse in both
//     directions. One meaning has one encoding.
//   - I8: every input has a bound: 63 hashes, MaxProofSize bytes.
//
// The package does not build proofs (package tile does), does not know which root to believe (package checkpoint does),
// and does not look inside the checkpoint that a proof file carries beyond the rules every signed note obeys.
//
// See FORMAT.md for the bytes of a proof file.
package proof
