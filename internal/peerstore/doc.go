// Package peerstore keeps what a node knows of other cities' logs and must not
// forget: for each log the head that its witness cosigned last. It lies in
// state/witness/, a small synced database beside lastsigned, and is never part of
// a backup: a witness whose heads went back would sign two histories (incident 5,
// threat T-35). FORMAT.md in this folder shows keys, values and the marker that
// tells a lost store from a first start.
//
// Invariants: I4 (a head is stored, durably, before anybody is told of a
// cosignature; it never goes back in size or time).
//
// It checks no signature and no proof: package witness does.
package peerstore
