// Package client talks to one node and returns only values that it has checked,
// or says plainly that it has not.
//
// A log is read in two ways. LogReader reads the static files of c2sp.org/tlog-tiles
// with the bodies beside them, from a web server or a folder: that is all an audit
// needs, so a dead city's archive can be audited like a living node. Client speaks
// cityproof.ledger.v1 over gRPC: for publishing, and for single records with their
// proofs.
//
// Nothing that a node says is believed: bodies are hashed, leaves are proven into a
// tree whose checkpoint the log's keys signed, statements are verified against the
// publishers of the trust file. Without a trust file the node's own keys stand in
// for it, and every result says so (Trusted is false). What no proof can show, for
// example that a revision is the newest, is said where it is returned.
//
// Invariants: I8 (every read has a byte limit, every list a count, every call a
// deadline; redirects stay on the host; compressed answers are bounded after
// decompression), I10.
//
// It keeps no state: the file of the last heads seen is the caller's, and Extends
// compares one with a new head. It signs nothing but uploads, with a key that the
// caller passes in. It does not judge declarations: package publication does.
package client
