// Package audit replays one city's log, or those of a whole alliance, from static files alone (C2SP tlog-tiles,
// with the bodies beside them) against a trust file, and reports what it proved. It
// needs no node: a mirror or an archive on a disk will do.
//
// In one pass, in the order of the leaves:
//
//   - the checkpoint, by all keys of the log;
//   - every tile and entry, against the checkpoint's root: no hash is taken from a
//     server that does not lead to it;
//   - every leaf: form, signature by a key that was valid at its index, its log and
//     city, its place in its subject's chain (frozen for schema 1). A leaf that
//     breaks one of these is void: reported, and part of no chain. In an alliance a
//     leaf by a key that had ended is late: part of its chain, so that the officers who
//     remain can go on from it, and counted for nothing else;
//   - every body, by its hash; a body that is gone, by the notice in this same log
//     that erased it;
//   - the publication rules. What breaks one is marked; that never changes a chain;
//   - anchors, against the tree; and where the log's witnesses are known, whether
//     they vouch for them: that is the log time of every leaf (package logtime). An
//     anchor without its quorum makes no log time, and changes no verdict;
//   - if asked, that the log continues a head seen before.
//
// # Verdicts
//
// True: everything was read and holds. False: something was served that does not
// belong to the signed tree, the tree does not continue the head seen before, or it
// holds void leaves; void leaves count for nothing, but the node's door must not let
// them in, and a trust file that lacks a key shows itself the same way. Could not
// tell: something is missing, out of reach, or made for a newer program. Marks and
// repeated leaves do not change the verdict.
//
// Invariants: I8 (memory is bounded by a window of leaves, work by what servers
// deliver, whatever size a checkpoint claims), I9 (the same head gives the same
// bytes; what differs between servers is kept apart under "observed"), I10.
//
// What grows with the log: some 50 bytes for each statement (its identity), some 150
// for each subject (its head), and package publication's memory of the live records,
// which is by far the most; an audit without bodies goes without that.
//
// # An alliance
//
// Alliance replays the registry from every place that can be reached, audits the log of
// each member from its node and the others' mirrors, and holds all heads that anybody
// shows, at witnesses too, against the audited one: a second history is proven, and the
// proof is in the report. What is final is told by one note with all cosignatures, or by
// what each witness and mirror shows for itself. A registry whose last anchor is a day
// old leaves everything in doubt (T-32). What servers did and who showed what is kept
// apart under "observed".
//
// It does not judge obligations over time, and publishes nothing.
package audit
