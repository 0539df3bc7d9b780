// Package pebbledb opens the one database of a node, in a data directory laid out as
//
//	FORMAT    text "cityproof-data 1\n"
//	LOCK      locked while a process has the directory open
//	pebble/   a Pebble v2 database; FORMAT.md lists every key prefix
//
// It adds to Pebble what a log needs that must never answer before its data is on disk:
//
//   - Commit returns only after the batch is synced, and never says yes after any write has failed (I1).
//   - The first failed write, sync or background job halts the database for the rest of the process: nothing more
//     reaches the disk, no sync is tried twice, reads go on (the failure policy in ARCHITECTURE.md). Pebble's own answer
//     to such a failure is to end the process.
//   - Commit waits for room itself, so that a halt always ends the wait; a writer stalled inside Pebble cannot be woken.
//   - Purge takes bytes off the disk for good: tables, logs and recycled logs.
//
// It does not know what the keys mean, except their prefixes, and holds no Merkle tree: see packages logstore and
// bodystore.
package pebbledb
