// Package checkpoint reads, writes, signs and verifies the signed statement "this log has this size and this root":
// signed notes and verifier keys (c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint) and cosignatures
// (c2sp.org/tlog-cosignature) with Ed25519 and ML-DSA-44.
//
// It is part of the trust root: every mark "verified" anywhere rests on Verify. So it is stricter than the public
// implementations. Whatever it accepts, they accept with the same values; tests hold it to that.
//
// Rules, beside those of the specifications:
//
//   - All signatures that the roster demands of a log are demanded (T-12); one that is stripped is named in the error.
//   - A line of a known key that fails rejects the whole note; so does a second line of a known key. Lines of unknown
//     keys are ignored.
//   - Signature types never stand in for one another, and a cosignature with time 0 says nothing about a checkpoint: it
//     is not counted (T-08).
//   - Ed25519 keys of small order or in a second encoding are refused when a verifier key is parsed (T-07).
//   - Extension lines are refused unless an Ed25519 signature of the log covers them: ML-DSA-44 signatures do not.
//
// Invariants kept here: I7 (ParseNote and FormatNote, ParseCheckpoint and FormatCheckpoint, ParseVKey and FormatVKey are
// inverse in both directions) and I8 (MaxNoteSize, MaxSignatures).
//
// The package does not decide whom to trust, how many witnesses are enough, or whether a time is plausible; it knows no
// clock and keeps no memory of what it signed, so it cannot keep a log from signing two roots of one size: package
// signingkey does.
//
// See FORMAT.md for the bytes.
package checkpoint
