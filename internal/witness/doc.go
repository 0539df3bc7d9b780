// Package witness cosigns checkpoints of other logs as c2sp.org/tlog-witness
// says: what the cosignature means is that this is the largest tree of the log
// that this witness has seen, and that it extends all that it saw before.
//
// Invariants: I4 (a head is stored before it is cosigned, and never goes back in
// size or time), I8 (a request has a byte limit, a log a rate, all requests
// together a number), I2 of others: for one origin and size it cosigns one root.
//
// It doesn't decide which logs it witnesses, nor from which head: Logs does, for a
// node its roster and configuration. It keeps nothing itself: package peerstore
// does. FORMAT.md shows the request and lists the answers.
package witness
