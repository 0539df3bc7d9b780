package logstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

// known is what the database says of a leaf before the commit.
type known struct {
	index    uint64 // of the leaf with its identity, if repeat
	repeat   bool
	leafHash bool // an earlier leaf has its leaf hash
}

// lookUpAll fills in what is known of every leaf of the requests, whether their leaf hash is there only if withHashes.
//
// Nearly all that is asked for is not there. One iterator for all, in the order of the keys and with the Bloom filters of
// the lowest level too, answers that from memory; single Gets read a block of the lowest level for each leaf, which was
// 60 % of the writer's time.
func lookUpAll(r pebble.Reader, requests []*request, withHashes bool) error {
	var identities, leafHashes []probe
	for _, q := range requests {
		for i := range q.known {
			q.known[i] = known{}
			identities = append(identities, probe{q.group.Leaves[i].Identity, &q.known[i]})
			if withHashes {
				leafHashes = append(leafHashes, probe{q.hashes[i], &q.known[i]})
			}
		}
	}
	err := find(r, pebbledb.PrefixIdentity, identities, func(k *known, index uint64) { k.index, k.repeat = index, true })
	if err != nil || !withHashes {
		return err
	}
	return find(r, pebbledb.PrefixLeafHash, leafHashes, func(k *known, _ uint64) { k.leafHash = true })
}

// probe is one key to look for.
type probe struct {
	hash [32]byte
	leaf *known
}

// find calls found for each probe whose key is in the database.
func find(r pebble.Reader, prefix byte, probes []probe, found func(leaf *known, index uint64)) (err error) {
	slices.SortFunc(probes, func(a, b probe) int { return bytes.Compare(a.hash[:], b.hash[:]) })
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound:   []byte{prefix},
		UpperBound:   []byte{prefix + 1},
		UseL6Filters: true,
	})
	if err != nil {
		return fmt.Errorf("looking up keys %q: %w", prefix, err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil { // it is also the error of a seek
			err = fmt.Errorf("looking up keys %q: %w", prefix, cerr)
		}
	}()
	var key [1 + len(probe{}.hash)]byte
	key[0] = prefix
	for i := range probes {
		copy(key[1:], probes[i].hash[:])
		if !it.SeekPrefixGE(key[:]) || !bytes.Equal(it.Key(), key[:]) {
			if it.Error() != nil {
				return nil // Close returns it
			}
			continue
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("looking up %x under %q: %w", probes[i].hash, prefix, err)
		}
		if len(value) != 8 {
			return fmt.Errorf("looking up %x under %q: %w", probes[i].hash, prefix, &DamagedError{Detail: fmt.Sprintf("%d bytes, want 8", len(value))})
		}
		found(probes[i].leaf, binary.BigEndian.Uint64(value))
	}
	return nil
}
