// Package entrystore keeps the entries of a log in append-only files of entry bundles (c2sp.org/tlog-tiles), beside the
// database: an entry's bytes are written once, and a bundle is read as one range of a file. In Pebble each byte would be
// written at least twice, to the write-ahead log and to a table, and again with every compaction.
//
// The database is what makes entries count: it is told how far they reach in the caller's batch, and what lies behind that
// end after a crash means nothing and is written over (I1, I3). Append makes them durable first by a sync of the file, or,
// when they are few, in that batch itself, as copies that are dropped with a later sync: one sync is most of what a small
// commit costs. What is before the end is never changed, so readers need no lock and a backup can link a full file; only
// Mend writes there, what should be there anyway.
//
// It knows nothing of hashes: whether the bytes are those that were appended is for package logstore to say, which
// compares them with the tree. Files and records are in ../pebbledb/FORMAT.md.
package entrystore
