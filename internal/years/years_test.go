package years_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

var (
	seedCount = flag.Int("seeds", 24, "how many lives to simulate")
	firstSeed = flag.Uint64("first", 1, "the first seed; the others follow it")
	yearCount = flag.Float64("years", 0.25, "how long each life lasts")
)

// TestYearsOfAnAlliance lives through the years of many alliances. What fails names its seed: -first N -seeds 1 lives it again.
func TestYearsOfAnAlliance(t *testing.T) {
	told := map[string]int{}
	for seed := *firstSeed; seed < *firstSeed+uint64(*seedCount); seed++ {
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			w.live(time.Duration(*yearCount * 365 * float64(day)))
			for what, n := range w.told {
				told[what] += n
			}
		})
		if !ok {
			break
		}
	}
	for _, what := range slices.Sorted(maps.Keys(told)) {
		t.Logf("%6d %s", told[what], what)
	}
}
