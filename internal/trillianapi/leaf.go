package trillianapi

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/trillian"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// maxLeavesBytes bounds the leaves of one answer: it stays in memory until the client has read it, and there may be
// MaxConnections × maxStreams of them. It has room for one leaf of any size and its extra data.
const maxLeavesBytes = 256 << 10

// leavesAtOnce is how many entries are read before the bytes are counted.
const leavesAtOnce = 32

// scratchLeaf is what a scratch tree keeps of a leaf beside its entry: u64 nanoseconds since 1970 when it was added,
// identity (32 bytes), extra data.
type scratchLeaf struct {
	nanos    uint64
	identity [32]byte
	extra    []byte
}

const scratchHeader = 8 + 32

func (l scratchLeaf) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, l.nanos)
	b = append(b, l.identity[:]...)
	return append(b, l.extra...)
}

func parseScratchLeaf(b []byte) (scratchLeaf, error) {
	if len(b) < scratchHeader {
		return scratchLeaf{}, fmt.Errorf("parsing a scratch leaf: %d bytes, want at least %d", len(b), scratchHeader)
	}
	return scratchLeaf{
		nanos:    binary.BigEndian.Uint64(b),
		identity: [32]byte(b[8:scratchHeader]),
		extra:    b[scratchHeader:],
	}, nil
}

// leaf reads one leaf, which must be in the tree.
func (t *tree) leaf(index uint64) (*trillian.LogLeaf, error) {
	entry, err := t.Log.Entry(index)
	if err != nil {
		return nil, err
	}
	return t.complete(index, entry)
}

// leaves reads up to n leaves from first on, which must be in the tree: fewer if they are more than maxLeavesBytes, but
// at least one.
func (t *tree) leaves(first uint64, n int) ([]*trillian.LogLeaf, error) {
	var leaves []*trillian.LogLeaf
	bytes := 0
	for len(leaves) < n {
		at := first + uint64(len(leaves))
		entries, err := t.Log.Entries(at, min(n-len(leaves), leavesAtOnce))
		if err != nil {
			return nil, err
		}
		for i, entry := range entries {
			leaf, err := t.complete(at+uint64(i), entry)
			if err != nil {
				return nil, err
			}
			bytes += len(leaf.LeafValue) + len(leaf.ExtraData)
			if bytes > maxLeavesBytes && len(leaves) > 0 {
				return leaves, nil
			}
			leaves = append(leaves, leaf)
		}
	}
	return leaves, nil
}

// complete adds to an entry what Trillian returns with it.
func (t *tree) complete(index uint64, entry []byte) (*trillian.LogLeaf, error) {
	hash := proof.LeafHash(entry)
	leaf := &trillian.LogLeaf{MerkleLeafHash: hash[:], LeafValue: entry, LeafIndex: int64(index)}
	if t.Scratch == nil {
		return leaf, nil
	}
	value, err := t.Scratch.Get(pebbledb.Uint64Key(pebbledb.PrefixScratch, index))
	if errors.Is(err, pebble.ErrNotFound) {
		return leaf, nil // appended past this interface
	}
	if err != nil {
		return nil, fmt.Errorf("reading extra data of leaf %d: %w", index, err)
	}
	extra, err := parseScratchLeaf(value)
	if err != nil {
		return nil, err
	}
	at := &timestamppb.Timestamp{Seconds: int64(extra.nanos / 1e9), Nanos: int32(extra.nanos % 1e9)}
	leaf.ExtraData, leaf.LeafIdentityHash = extra.extra, extra.identity[:]
	leaf.QueueTimestamp, leaf.IntegrateTimestamp = at, at // queued and integrated in one step
	return leaf, nil
}

// initKey is there once InitLog has run on a scratch tree.
func initKey() []byte { return append([]byte{pebbledb.PrefixMeta}, "scratch"...) }

// initialised says whether InitLog was called, or need not be: a city's log has its root from the first day.
func (t *tree) initialised() (bool, error) {
	if t.Scratch == nil {
		return true, nil
	}
	if size, _ := t.Log.Head(); size > 0 {
		return true, nil
	}
	_, err := t.Scratch.Get(initKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading whether the tree is initialised: %w", err)
	}
	return true, nil
}
