package integration_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

const (
	// everywhereWithin and memoryOfNode are what an alliance of thirty nodes is held to.
	everywhereWithin = time.Minute
	memoryOfNode     = 150 // MiB, resident, at most so far
)

// BenchmarkThirtyNodes has an alliance of 30 nodes, each with a machine of its own and 50 ms from the others there and back,
// at the intervals that a node has by default. All publish; it measures, from the first publication on, until every head is
// final, and until all other mirrors hold every one, and the largest node.
//
//	go test ./integration -run xxx -bench ThirtyNodes -benchtime 3x -timeout 30m
func BenchmarkThirtyNodes(b *testing.B) {
	c := newCities(b, 29, wire{delay: far.delay}, unhurried)
	c.begin()
	c.awaitEverywhere(make([]uint64, len(c.all)))
	for _, m := range c.all {
		m.awaitFinal()
	}
	var final, everywhere time.Duration
	b.ResetTimer()
	for range b.N {
		begun := time.Now()
		for _, m := range c.all {
			m.declare(0, 0)
		}
		published, sizes := time.Since(begun), c.sizes()
		for _, m := range c.all {
			m.awaitFinal()
		}
		took := time.Since(begun)
		final = max(final, took)
		c.awaitEverywhere(sizes)
		everywhere = max(everywhere, time.Since(begun))
		load, err := os.ReadFile("/proc/loadavg")
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("30 declarations published after %v, all final after %v, all heads everywhere after %v (limit %v); largest node %.0f MiB (limit %d); load of the machine %s",
			published.Round(time.Millisecond), took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond), everywhereWithin, c.memory(), memoryOfNode, strings.TrimSpace(string(load)))
	}
	b.StopTimer()
	b.ReportMetric(final.Seconds(), "max-s-to-final")
	b.ReportMetric(everywhere.Seconds(), "max-s-everywhere")
	b.ReportMetric(c.memory(), "max-MiB-a-node")
	if everywhere > everywhereWithin || c.memory() > memoryOfNode {
		b.Errorf("missed: %v and %.0f MiB", everywhere, c.memory())
	}
}
