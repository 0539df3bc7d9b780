// Package ledger is one city's log as a service: what passes the door becomes a
// leaf with its body, under a signed checkpoint, and the caller gets a receipt.
//
// The door checks in this order: bounds, form and signature; a repeat is answered
// with the stored leaf; the rules that need only the record. Then, in the log's
// writer, per submission: the key is valid at that index, the chain, and the rules
// that look at the city's live records. Leaf, body, tiles and live records share
// one synced batch. Then all that is new is read back and computed again by a
// second path (package recheck), the checkpoint is signed, lastsigned swapped, and
// only then is anything published or answered.
//
// Invariants: I1 (an answer means durable), I2 with package signingkey (before a
// new root is signed it is proven, twice, to extend the last signed one), I3 (a published
// checkpoint covers only what is readable).
//
// Whatever can't be explained halts signing and leaves the reads up. It does not
// speak any network protocol: packages grpcapi and tileserver do.
package ledger
