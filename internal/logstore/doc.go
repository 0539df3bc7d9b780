// Package logstore is the log engine: an append-only Merkle tree (RFC 6962, SHA-256) over the database of package
// pebbledb, in the tiles of c2sp.org/tlog-tiles.
//
// One writer goroutine takes whatever groups are queued, gives their leaves consecutive indices, writes their entries
// (package entrystore), and applies the indexes by identity and by leaf hash, the hash tiles that became full and the
// callers' own keys as one batch. A second goroutine waits until that is durable, publishes the new size and root, and
// answers the callers, while the writer prepares the next commit. A leaf whose identity is in the log already is a
// repeat, answered with its first index.
//
// Invariants:
//
//   - I1: an index that Append returned without error holds that leaf after any crash.
//   - I3: Head never covers an entry or tile that is not durable and readable; readers never see beyond Head.
//   - A group is written whole or not at all, and so are all groups of one commit.
//   - Identities are unique, and what Check decided still holds when its group is written: the look-up and the insert
//     both happen in the writer, because Pebble has no uniqueness constraint.
//   - After a storage error the log is read-only until the process is restarted (pebbledb.ErrHalted); a failed fsync is
//     never retried.
//
// It signs nothing, knows no clock but the one of its queue, and does not judge what the entries say. The second path
// that recomputes everything before signing is in package ledger. Keys and values are in ../pebbledb/FORMAT.md.
package logstore
