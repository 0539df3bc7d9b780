// Package trillianapi serves Trillian's gRPC service TrillianLog over a logstore.Log, so that Trillian clients and
// personalities can read a city's log, and Trillian's own integration suite can be run against our engine.
//
// A city's log is served read-only: a write here would go round the publication rules, so each is PERMISSION_DENIED
// (threats.md, F18). Trees that may be written are for tests and trials; they keep times and extra data of a leaf under
// pebbledb.PrefixScratch. The service is off by default and belongs on a unix socket or loopback.
//
// Where Trillian is odd, we answer as it does, because its suite and its clients expect it:
//
//   - A proof for a size beyond the root is answered with success, the latest root and no proof: the client may have
//     heard of that size from another server. GetEntryAndProof then proves the size it has.
//   - A range that begins beyond the root is answered with success and no leaves.
//   - QueueLeaf of a leaf that is there is a success of the call, with status ALREADY_EXISTS and the first leaf in the
//     answer. (Its integration suite does not look; ours does.)
//   - Sizes of 0 are INVALID_ARGUMENT in proofs; GetLatestSignedLogRoot with first size 0 asks for no proof.
//   - A tree that was created but not initialised is FAILED_PRECONDITION until InitLog, which a second time is
//     ALREADY_EXISTS.
//
// Where we differ:
//
//   - A leaf that QueueLeaf answered is in the tree already and durable, so LeafIndex is set. Trillian integrates later.
//   - AddSequencedLeaves writes all leaves of a call or none, and refuses a gap after the end of the tree; Trillian would
//     keep leaves beyond the end until the gap is filled. Leaves below the end are compared: the same is
//     ALREADY_EXISTS, another FAILED_PRECONDITION with the one that is there, as the service's definition says.
//   - Two leaves with equal bytes but different identities share a leaf hash; GetInclusionProofByHash proves the first
//     of them only.
//   - GetInclusionProofByHash for a size beyond the root answers as GetInclusionProof does. Trillian fails there.
//   - Revision and metadata of a root are empty; charge_to is ignored. A root's timestamp is when this server first saw
//     that size.
//   - Leaves are at most 65,535 bytes (c2sp.org/tlog-tiles), extra data too, identities 32; a call writes at most 1,024
//     leaves. GetLeavesByRange answers with about 256 KiB of leaves, and with at least one.
//
// Served with ServerOptions and at most MaxConnections connections, clients of any will can make the process hold about
// 110 MiB (I8); a longer message is RESOURCE_EXHAUSTED, a stream too many is refused by HTTP/2.
//
// It does no authentication and no admin API, and has no queue of its own: overload is RESOURCE_EXHAUSTED.
package trillianapi
