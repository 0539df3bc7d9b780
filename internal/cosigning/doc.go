// Package cosigning is the log's side of c2sp.org/tlog-witness: it shows a head to
// the witnesses of a log, one round at a time, and collects their cosignatures.
//
// A head is final only with the quorum (incident 17: nothing fails open). A
// witness that stands elsewhere than the log thinks is sent the proof from where
// it stands; one that has seen a larger head than this log is an alarm, not a
// peer to catch up with: this log went back, or somebody else signs for it (T-20).
//
// It trusts no witness: a line counts if it is by that witness's key, for this
// very head, and verifies. It does not decide who the witnesses are (package
// roster does), nor when a round begins, and keeps nothing on disk: where a
// witness stands it tells itself.
package cosigning
