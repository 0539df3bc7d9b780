// Package tile knows how c2sp.org/tlog-tiles cuts a Merkle tree into tiles of 256 hashes and its entries into bundles:
// their names, their bytes, which of them a tree of a given size has, how proofs are put together from them, and how
// a log makes them as it grows (Edge).
//
// Invariants kept here:
//
//   - I7: ParsePath and ID.Path, ParseTile and AppendTile, ParseBundle and AppendEntry are inverse in both directions.
//   - I8: widths are 1 to 256, entries at most MaxEntrySize bytes, sizes at most proof.MaxSize.
//   - Root, InclusionProof and ConsistencyProof ask their Source only for tiles that a tree of the given size has, as
//     clients of tlog-tiles must.
//
// The package does not fetch, store or cache anything, and it does not judge what a Source answers: whoever asks for a
// proof checks it with package proof against a root from a verified checkpoint.
//
// See FORMAT.md for paths and bytes.
package tile
