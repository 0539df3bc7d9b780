// Package watch follows an alliance live, from whatever nodes and mirrors answer, and tells what happens: declarations and what
// they weaken, heads and when they are final, acts of the registry, silence, absence, and proofs of misbehaviour.
//
// Nothing is told that was not verified first: every entry is proven into a head that its log signed and that continues the
// head before (audit.Live), every body by its hash, every act by replaying the registry, every proof by itself. A city that is
// away is followed from the copies that others keep.
//
// Invariants: I8 (every read is bounded, and each place has a deadline), I10.
//
// It keeps nothing on disk: what happened before it was started is state, and no news. Whether all publication rules are kept,
// an audit tells.
package watch
