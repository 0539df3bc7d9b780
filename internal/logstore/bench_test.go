package logstore_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/logstore"
)

// BenchmarkAppend appends leaves of 1 KiB, one per call, durable and in the tree when the call returns. Beside each figure it
// gives the fdatasync rate of the same directory, measured in the same run: appends of one writer cannot be faster.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			dir := b.TempDir()
			syncs := syncRate(b, dir)
			s, err := openStore(dir+"/data", nil, logstore.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer s.close()
			var n atomic.Int64
			var mu sync.Mutex
			var took []time.Duration
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range writers {
				wg.Go(func() {
					rnd := rand.NewChaCha8([32]byte{byte(w), byte(w >> 8)})
					var mine []time.Duration
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						entry := make([]byte, 1024)
						rnd.Read(entry)
						binary.BigEndian.PutUint64(entry, uint64(i))
						start := time.Now()
						_, err := s.log.Append(context.Background(), logstore.Group{
							Leaves: []logstore.Leaf{{Entry: entry, Identity: sha256.Sum256(entry[:16])}},
						})
						if err != nil {
							b.Error(err)
							return
						}
						mine = append(mine, time.Since(start))
					}
					mu.Lock()
					took = append(took, mine...)
					mu.Unlock()
				})
			}
			wg.Wait()
			b.StopTimer()
			if len(took) == 0 {
				return
			}
			slices.Sort(took)
			rate := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(rate, "appends/s")
			b.ReportMetric(syncs, "fdatasync/s")
			b.ReportMetric(rate/syncs, "appends/fdatasync")
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// syncRate measures how often a second the disk below dir syncs 1 KiB more of a file.
func syncRate(b *testing.B, dir string) float64 {
	b.Helper()
	f, err := vfs.Default.Create(filepath.Join(dir, "sync"), vfs.WriteCategoryUnspecified)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1024)
	const n = 500
	start := time.Now()
	for range n {
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.SyncData(); err != nil {
			b.Fatal(err)
		}
	}
	return n / time.Since(start).Seconds()
}
