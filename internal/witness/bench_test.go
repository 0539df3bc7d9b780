package witness_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/witness"
)

// BenchmarkAddCheckpoint has 100 logs that grow as fast as their witness answers, each asking again when it has its answer:
// in process, and over HTTP on loopback. Beside it, in the same run, what the disk can sync: "ofsync" is answers for each
// fdatasync that one file could have had in that time. TMPDIR says which disk.
func BenchmarkAddCheckpoint(b *testing.B) {
	for _, over := range []string{"process", "http"} {
		b.Run(over, func(b *testing.B) {
			w := newWorld(b, peerstore.Options{})
			ask := func(r []byte) ([]byte, error) { return w.w.AddCheckpoint(b.Context(), r) }
			if over == "http" {
				ask = asker(b, w)
			}
			requests := prepare(b, w, 100, b.N/100+1)
			syncs := syncRate(b)
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range requests {
				wg.Go(func() {
					for _, r := range requests[i] {
						if next.Add(1) > int64(b.N) {
							return
						}
						if _, err := ask(r); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			perSecond := float64(b.N) / b.Elapsed().Seconds()
			b.ReportMetric(perSecond, "answers/s")
			b.ReportMetric(perSecond/syncs, "ofsync")
		})
	}
}

// prepare makes requests of each log, one leaf more each time.
func prepare(b *testing.B, w *world, logs, each int) [][][]byte {
	b.Helper()
	requests := make([][][]byte, logs)
	for i := range requests {
		s := w.log(fmt.Sprintf("city-%d.example/log", i))
		var leaves []proof.Hash
		var head proof.Range
		for n := range each {
			leaf := proof.LeafHash(fmt.Appendf(nil, "%d %d", i, n))
			leaves = append(leaves, leaf)
			head.Append(leaf)
			requests[i] = append(requests[i], (&witness.Request{Old: uint64(n), Proof: (&alliancetest.Tree{Leaves: leaves}).Consistency(uint64(n), uint64(n+1)), Note: signed(b, s, uint64(n+1), head.Root())}).Format())
		}
	}
	return requests
}

// asker asks over HTTP, on as many connections as there are logs.
func asker(b *testing.B, w *world) func([]byte) ([]byte, error) {
	srv := w.serve()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 128}}
	return func(r []byte) ([]byte, error) {
		resp, err := client.Post(srv.URL+"/city/witness/add-checkpoint", "text/plain", bytes.NewReader(r))
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		line, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d: %s", resp.StatusCode, line)
		}
		return line, err
	}
}

// syncRate is how many times a second one file takes 1 KiB and is synced.
func syncRate(b *testing.B) float64 {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	n, begun := 0, time.Now()
	for time.Since(begun) < time.Second/2 {
		if _, err := f.Write(make([]byte, 1024)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		n++
	}
	return float64(n) / time.Since(begun).Seconds()
}
