// Package recheck is the second path before signing: it computes the tree of a log again from the bytes that are stored,
// read back, and compares it with what the log engine wrote and with the root that is about to be signed. Another log
// died of one bit that flipped in memory between those two moments (incident 1).
//
// So it shares no code with the first path (packages tile, proof, entrystore, logstore) but SHA-256: it has its own
// reading of the entry files, its own tree, its own keys. Keep it so. What both paths use can be wrong in both.
//
// For each new leaf it checks that the entry is there and that the indexes by leaf hash and by identity lead to it; for
// each entry bundle and each hash tile that became full, the stored record, byte by byte; and the stored head. A
// Checker starts from the last signed tree, which it rebuilds from the store and compares with the signed root, and
// from then on holds the right edge of what it has verified: what it passes is an extension of what was signed.
//
// Invariants: I2 (what is signed is the one tree that is stored), I3 (all of it can be read).
//
// It looks at new leaves only: what was verified once and rots later is for the scrub to find. It neither repairs nor
// halts anything; package ledger does. Files and keys are in ../pebbledb/FORMAT.md.
package recheck
