// Package bodystore keeps the bodies and attachments that log entries refer to by SHA-256.
//
// They are written through the batch of the log's commit that holds their entry, so that entry and body appear together
// (I3). Content is hashed again on each read; what does not match is a *DamagedError and is never returned.
//
// Erase takes content off this node's disk and leaves a marker with the index of the erasure notice, so that "erased, see
// there" can be told from "missing" (threat T-36). The log entry and its hashes stay.
//
// It does not decide who may erase what, nor when, and does not reach into backups or other nodes.
package bodystore
