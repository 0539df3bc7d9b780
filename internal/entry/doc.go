// Package entry tells what stands in a leaf of a member's log: a statement about a
// deployment, an act of the registry, an anchor of log time, or a proof of
// misbehaviour. It reads the form; who may have signed it, and what it does, others
// say (packages publication, roster, evidence).
//
// It does no input or output and never looks at a clock.
package entry
