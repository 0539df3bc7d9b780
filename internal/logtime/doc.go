// Package logtime tells when the leaves of a log were seen, from the anchors that stand in the log itself (federation.md,
// section 4), and how long a log has been silent. A checkpoint carries no time, and cosignatures differ between observers;
// an anchor is a leaf like others, so that everybody computes the same.
//
// It takes anchors that count: whose signatures, quorum and root others have checked (packages roster and audit). It knows no
// clock: where now is needed, it is an argument.
package logtime
