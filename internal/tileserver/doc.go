// Package tileserver serves one log over HTTP as C2SP tlog-tiles says, with the
// bodies and attachments beside it: static files as far as a reader or a cache can
// tell. One path has one answer; queries are ignored, so a cache that drops them
// can't mix answers (threat T-39).
//
// It serves only what a published checkpoint covers (invariant I3) and checks
// nothing for the reader: a reader checks against the checkpoint.
package tileserver
