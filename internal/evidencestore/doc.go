// Package evidencestore keeps proofs of misbehaviour that a node has verified, byte
// for byte, in its state directory: they outlive restarts and restores, and until an
// operator resumes with a reason the node cosigns the accused log no more. FORMAT.md
// shows the files.
//
// It decides nothing about evidence; package evidence has verified what comes in.
package evidencestore
