// Package receipt reads, writes and verifies receipts: files that prove offline
// that a declaration is in a city's log. It also reads and writes trust files,
// which say whose keys a verifier believes. FORMAT.md in this folder shows both.
//
// It is part of the trust root. A receipt never supplies keys; Verify looks at the
// receipt and the trust file, and at no network, clock or file. Every claim is
// listed with what it rests on, and what could not be told is listed as such
// (invariant I10).
//
// Invariants kept here: I7 for receipt files (Parse and Format are inverse in both
// directions, so a changed byte is a changed receipt), I8 (MaxFile, MaxTrust).
//
// The package does not know who are a city's witnesses, and has no say in whether a
// declaration is true, complete or still in force: only in whether these words
// stand in that log under those keys.
package receipt
