package recheck_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/recheck"
)

// BenchmarkCheck verifies leaves of 1 KiB, 64 at each signature, and prints what that costs beside plain SHA-256 of the
// same bytes, in the same run.
func BenchmarkCheck(b *testing.B) {
	const leaves, each = 16384, 64
	h := newHandmade(b)
	rnd := rand.NewChaCha8([32]byte{1})
	var tree proof.Range
	var roots [][32]byte
	for i := range leaves {
		entry := make([]byte, 1024)
		_, _ = rnd.Read(entry)
		binary.BigEndian.PutUint64(entry, uint64(i))
		h.entries = append(h.entries, entry)
		tree.Append(leafOf(entry))
		if (i+1)%each == 0 {
			roots = append(roots, tree.Root())
		}
	}
	h.write()
	store := h.store()
	store.Identity = func(entry []byte) (id [32]byte, err error) { // what it costs is its author's business
		return sha256.Sum256(append([]byte("identity of "), entry...)), nil
	}
	var plain, identities, checking time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		for _, entry := range h.entries {
			benchSink = sha256.Sum256(entry)
		}
		plain += time.Since(start)
		start = time.Now()
		for _, entry := range h.entries {
			benchSink, _ = store.Identity(entry)
		}
		identities += time.Since(start)
		start = time.Now()
		c, err := recheck.Open(store, 0, sha256.Sum256(nil))
		if err != nil {
			b.Fatal(err)
		}
		for i, root := range roots {
			size := uint64((i + 1) * each)
			// The head says what the log had when this was to be signed.
			head := append(binary.BigEndian.AppendUint64(nil, size), root[:]...)
			h.set([]byte("mhead"), binary.BigEndian.AppendUint64(head, size*1026%(65536*1026)))
			if err := c.Check(b.Context(), size, root); err != nil {
				b.Fatal(err)
			}
		}
		checking += time.Since(start)
	}
	n := float64(b.N) * leaves
	checking -= identities
	b.ReportMetric(float64(plain.Nanoseconds())/n, "sha256-ns/leaf")
	b.ReportMetric(float64(checking.Nanoseconds())/n, "check-ns/leaf")
	b.ReportMetric(float64((checking-plain).Nanoseconds())/n, "over-ns/leaf")
	b.ReportMetric(float64(checking)/float64(plain), "x-sha256")
	b.ReportMetric(0, "ns/op")
}

var benchSink [32]byte
