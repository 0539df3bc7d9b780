package integration_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// BenchmarkPublishToFinalFarApart measures what BenchmarkPublishToFinal does, from the call to a final head that covers it,
// but with a machine for each of 15 nodes, far from each other, TLS between them, and the intervals that a node has by default.
// The officer is in the city. The target is a p50 of 600 ms with 50 ms between cities.
//
//	go test ./integration -run xxx -bench PublishToFinalFarApart -benchtime 100x
func BenchmarkPublishToFinalFarApart(b *testing.B) {
	for _, oneWay := range []time.Duration{25 * time.Millisecond, 50 * time.Millisecond} {
		b.Run(fmt.Sprintf("one_way=%v/there_and_back=%v", oneWay, 2*oneWay), func(b *testing.B) {
			c := newCities(b, 14, wire{delay: oneWay}, unhurried)
			c.begin()
			from := c.all[1]
			o := from.dialOfficer()
			until(b, "all mirror the city's newest final head", func() bool {
				return !slices.ContainsFunc(c.all, func(m *cityNode) bool { return m != from && m.holds(from).Size < max(1, from.final().Size) })
			})
			var took []time.Duration
			b.ResetTimer()
			for range b.N {
				begun := time.Now()
				out, err := o.client.Publish(b.Context(), o.notices(1))
				if err != nil {
					b.Fatal(err)
				}
				for from.final().Size <= out.Placed[0].Index {
					time.Sleep(2 * time.Millisecond)
				}
				took = append(took, time.Since(begun))
			}
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
			b.ReportMetric(float64(took[min(len(took)-1, len(took)*99/100)].Milliseconds()), "p99-ms")
			b.ReportMetric(c.memory(), "max-MiB-a-node")
		})
	}
}

// dialOfficer connects the officer of a member, who is in the city.
func (m *cityNode) dialOfficer() *officer {
	t := m.c.t
	t.Helper()
	b, err := os.ReadFile(m.trust())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := receipt.ParseTrust(b)
	if err != nil {
		t.Fatal(err)
	}
	key, err := signingkey.ReadFile(m.file("officer.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cl, err := client.Dial(t.Context(), client.Options{
		Node: "https://" + m.forward("443"), GRPC: m.forward("9090"), Trust: trust, TLS: &tls.Config{RootCAs: m.c.issuer.pool, MinVersion: tls.VersionTLS13},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	next, err := cl.NextNumber(t.Context(), declaration.Notice)
	if err != nil {
		t.Fatal(err)
	}
	return &officer{t: t, signer: key.Signer(), client: cl, next: next}
}

// memory is the largest resident memory of a node so far, in MiB.
func (c *cities) memory() float64 {
	c.t.Helper()
	most := 0
	for _, m := range c.all {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.run.Process.Pid), "status"))
		if err != nil {
			c.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, err := strconv.Atoi(strings.Fields(rest)[0])
				if err != nil {
					c.t.Fatal(err)
				}
				most = max(most, kib)
			}
		}
	}
	return float64(most) / 1024
}
