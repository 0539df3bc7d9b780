package pebbledb

import "encoding/binary"

// The first byte of every key. FORMAT.md is the reference for what follows it and for the values; a prefix that is not
// in both places does not exist. They are bytes on disk: never renumber or reuse one.
const (
	PrefixMirror     = 'M' // + SHA-256 of an origin + …: a mirrored log; in mirror/ alone
	PrefixAttachment = 'a' // + SHA-256: attachment
	PrefixBody       = 'b' // + SHA-256: body
	PrefixEntry      = 'e' // + u64 n: where entry bundle n lies
	PrefixLeafHash   = 'h' // + leaf hash: u64 index
	PrefixIdentity   = 'i' // + identity: u64 index
	PrefixMeta       = 'm' // + name: small facts about the store itself
	PrefixTile       = 't' // + u8 level + u64 n: full hash tile
	PrefixEntryCopy  = 'u' // + u64 index: entries from there on, whose file may not be synced
	PrefixWitnessed  = 'w' // + SHA-256 of an origin: the head that was cosigned last; in state/witness/ alone
	PrefixErased     = 'x' // + SHA-256: u64 index of the erasure notice
	PrefixScratch    = 'z' // + u64 index: extra data of a leaf in a Trillian scratch tree, never in a city's log
)

// Uint64Key returns prefix followed by n, big-endian, so that keys sort as their numbers do.
func Uint64Key(prefix byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, n)
}

// HashKey returns prefix followed by hash.
func HashKey(prefix byte, hash [32]byte) []byte {
	return append(append(make([]byte, 0, 1+len(hash)), prefix), hash[:]...)
}

// TileKey returns the key of the full hash tile n of a level.
func TileKey(level uint8, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{PrefixTile, level}, n)
}
