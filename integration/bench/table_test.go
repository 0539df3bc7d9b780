package main

import (
	"strings"
	"testing"
)

func TestMedianOfRounds(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 100}, 3}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	l := latencies{3, 1, 2, 4}
	for q, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 4, 1: 4} {
		if got := l.quantile(q); got != want {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
}

func TestGrouped(t *testing.T) {
	for in, want := range map[float64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(in); got != want {
			t.Errorf("grouped(%v) = %q, want %q", in, got, want)
		}
	}
}

// made is a report with known figures: 1,000 appends/s by the engine, and the other's rate.
func made(theirs int) *report {
	r := &report{opts: options{subjects: []string{subjectAntispam, subjectEngine}}, results: map[cell][]result{}}
	r.limits = []limits{{Syncs: 2000, Flushes: 2000, Bandwidth: 1e9, SHA256: 1e6, Verify: 1e4}}
	r.add(subjectEngine, measureAppend(1), result{Ops: 1000, Seconds: 1, Usage: usage{Seconds: 1, Flushes: 1500, CPU: 0.1}})
	r.add(subjectAntispam, measureAppend(1), result{Ops: theirs, Seconds: 1, Usage: usage{Seconds: 1, CPU: 0.1}})
	return r
}

func TestBindingNamesTheLimitThatIsUsedMost(t *testing.T) {
	if limit, ratio := made(50).binding(subjectEngine, measureAppend(1), measureAppend(1)); limit != "F" || ratio != 0.75 {
		t.Errorf("binding = %s %v, want F 0.75", limit, ratio)
	}
}

func TestRatiosSayWhatWasReached(t *testing.T) {
	for theirs, want := range map[int]string{50: "| 20.0× | yes |", 100: "| 10.0× | **no** |"} {
		if text := made(theirs).markdown(); !strings.Contains(text, want) {
			t.Errorf("against %d/s the report lacks %q:\n%s", theirs, want, text)
		}
	}
}
