package audit_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/declaration"
)

// BenchmarkAudit audits a log of 5,001 declarations, 3 KB each, that is held in
// memory, and says how near that comes to what it can't do without: verifying one
// Ed25519 signature for each leaf, on all cores. All figures come from one run.
//
//	ed25519/s    signatures that all cores verify
//	proofs/s     leaves audited without bodies; proofs% of the above
//	full/s       leaves audited with bodies and rules; full% of the above
func BenchmarkAudit(b *testing.B) {
	c := newCity(b)
	const squares = 1667
	c.squares(1, squares)
	c.sign()
	bodies := 0
	for path, data := range c.files {
		if strings.HasPrefix(path, "bodies/") {
			bodies += len(data)
		}
	}
	leaves := float64(3 * squares)

	var limit, proofs, full time.Duration
	for b.Loop() {
		limit += verifyAll(c, 3*squares)
		proofs += timeAudit(b, c, true)
		full += timeAudit(b, c, false)
	}
	rate := func(d time.Duration) float64 { return leaves * float64(b.N) / d.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(bodies)/leaves, "body-bytes")
	b.ReportMetric(rate(limit), "ed25519/s")
	b.ReportMetric(rate(proofs), "proofs/s")
	b.ReportMetric(rate(full), "full/s")
	b.ReportMetric(100*rate(proofs)/rate(limit), "proofs%")
	b.ReportMetric(100*rate(full)/rate(limit), "full%")
}

func timeAudit(b *testing.B, c *city, withoutBodies bool) time.Duration {
	opts := c.options()
	opts.WithoutBodies = withoutBodies
	runtime.GC()
	start := time.Now()
	r, err := audit.Run(context.Background(), opts)
	took := time.Since(start)
	if err != nil || r.Verdict != audit.True || r.Marked > 0 {
		b.Fatalf("audit: %+v, %v", r, err)
	}
	return took
}

// verifyAll verifies n signatures over a statement on all cores.
func verifyAll(c *city, n int) time.Duration {
	signed, err := declaration.ParseEnvelope(c.entry(c.statement("dep/1", declaration.Publish, []byte("{}")), 1))
	must(c.t, err)
	pae, sig := signed.PAE(), signed.Signatures[0].Sig
	key := officer(1).Public().(ed25519.PublicKey)
	cores := runtime.GOMAXPROCS(0)
	start := time.Now()
	var wg sync.WaitGroup
	for core := range cores {
		wg.Go(func() {
			for i := core; i < n; i += cores {
				if !ed25519.Verify(key, pae, sig) {
					panic(fmt.Sprintf("signature %d does not verify", i))
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
