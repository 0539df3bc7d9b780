// Package mirrorstore keeps full copies of other cities' logs: entries, tiles and
// bodies of all of them in one database, so that thirty logs cost the memory of one.
// FORMAT.md shows the keys.
//
// It stores what it is given, whole chunks at a time, and computes the tree itself.
// That a chunk belongs to a log which somebody signed, the caller has proven. What it
// reads it compares with that tree: bytes that rot are a *DamagedError, never an
// answer, and are replaced only by those that belong there (incident 2).
package mirrorstore
