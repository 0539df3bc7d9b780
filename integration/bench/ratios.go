package main

import (
	"fmt"
	"strings"
)

// ratio is one target of the project and what was reached.
type ratio struct {
	name   string
	wanted string
	got    string
	ok     bool
}

// ratios writes the targets below the table.
func (r *report) ratios(b *strings.Builder) {
	var all []ratio
	all = append(all, r.againstTessera()...)
	all = append(all, r.ofTheEngine()...)
	all = append(all, r.ofTheNode()...)
	all = append(all, r.ofTheQueues()...)
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(b, "## What it must reach\n\n| | wanted | measured | reached |\n|---|--:|--:|---|\n")
	for _, x := range all {
		verdict := "**no**"
		if x.ok {
			verdict = "yes"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", x.name, x.wanted, x.got, verdict)
	}
}

// againstTessera compares the engine, which refuses duplicates, with Tessera that does too, tuned for each load or for all
// together, and with Tessera that doesn't.
func (r *report) againstTessera() (out []ratio) {
	for _, peer := range []string{subjectAntispam, subjectTessera, subjectFixed} {
		for _, t := range []struct {
			name, measure string
			least         float64
		}{
			{"1 writer", measureAppend(1), 15}, {"16 writers", measureAppend(16), 10},
			{"256 writers", measureAppend(256), 1.7}, {"batched", measureBatch, 1.5},
		} {
			ours, ok := r.of(subjectEngine, t.measure, result.rate)
			theirs, also := r.of(peer, t.measure, result.rate)
			if ok && also {
				out = append(out, ratio{"engine against " + peer + ", " + t.name, fmt.Sprintf("≥ %.1f×", t.least),
					fmt.Sprintf("%.1f×", ours/theirs), ours/theirs >= t.least})
			}
		}
		ours, ok := r.of(subjectEngine, measureBuild, func(x result) float64 { return x.Seconds })
		theirs, also := r.of(peer, measureBuild, func(x result) float64 { return x.Seconds })
		if ok && also {
			out = append(out, ratio{fmt.Sprintf("engine's time to build %s leaves, against %s", grouped(float64(r.opts.leaves)), peer),
				"≤ 1.3×", fmt.Sprintf("%.2f×", ours/theirs), ours/theirs <= 1.3})
		}
	}
	return out
}

// most is a target that something of the engine stays below.
func (r *report) most(name, subject, measure string, what func(result) float64, limit float64, unit string) []ratio {
	v, ok := r.of(subject, measure, what)
	if !ok {
		return nil
	}
	text := decimal
	if limit >= 100 {
		text = grouped
	}
	return []ratio{{name, "≤ " + strings.TrimSpace(text(limit)+" "+unit), strings.TrimSpace(text(v) + " " + unit), v <= limit}}
}

func (r *report) least(name, subject, measure string, limit float64) []ratio {
	v, ok := r.of(subject, measure, result.rate)
	if !ok {
		return nil
	}
	return []ratio{{name, "≥ " + grouped(limit) + "/s", grouped(v) + "/s", v >= limit}}
}

func (r *report) ofTheEngine() (out []ratio) {
	size := grouped(float64(r.opts.leaves))
	out = append(out, r.most("engine: bytes written per leaf byte, compacted", subjectEngine, measureBuild,
		func(x result) float64 { return perByte(x, x.Compacted) }, 2.2, "")...)
	out = append(out, r.most("engine: bytes on disk a leaf, compacted", subjectEngine, measureBuild,
		func(x result) float64 { return float64(x.Disk) / float64(x.Ops) }, 1300, "")...)
	out = append(out, r.most("engine: peak memory, "+size+" leaves", subjectEngine, measureBuild,
		func(x result) float64 { return float64(x.Usage.PeakRSS) / (1 << 20) }, 256, "MiB")...)
	out = append(out, r.most("engine: start-up, "+size+" leaves", subjectEngine, measureStart,
		func(x result) float64 { return x.Seconds }, 1, "s")...)
	return append(out, r.most("engine: inclusion proof p50, "+size+" leaves", subjectEngine, measureProofs,
		func(x result) float64 { return x.P50 }, 50, "µs")...)
}

func (r *report) ofTheNode() (out []ratio) {
	out = append(out, r.least(fmt.Sprintf("node: single calls from %d publishers", publishers), subjectNode, nodeSingle, 3000)...)
	out = append(out, r.least("node: batches", subjectNode, nodeBatch, 5000)...)
	alone, ok := r.of(subjectNode, nodeSingle, result.rate)
	with, also := r.of(subjectNode, nodeReaders, result.rate)
	if ok && also {
		slower := 100 * (1 - with/alone)
		out = append(out, ratio{"node: readers at full load slow publishing by", "< 20 %", fmt.Sprintf("%.0f %%", slower), slower < 20})
	}
	return out
}

// ofTheQueues tells what became of far more than a queue takes.
func (r *report) ofTheQueues() (out []ratio) {
	for _, q := range []struct {
		name, subject, measure, used string
		over                         float64
	}{
		{"engine", subjectEngine, measureBurst, measureBurst, float64(r.opts.over)},
		{"node", subjectNode, nodeOver, nodeOverSelf, r.over},
	} {
		offered, ok := r.of(q.subject, q.measure, func(x result) float64 { return float64(x.Ops + x.Refused) })
		if !ok {
			continue
		}
		refused, _ := r.of(q.subject, q.measure, func(x result) float64 { return float64(x.Refused) })
		slowest, _ := r.of(q.subject, q.measure, func(x result) float64 { return x.Max })
		late, _ := r.of(q.subject, q.measure, func(x result) float64 { return float64(x.Errors) })
		peak, _ := r.of(q.subject, q.used, func(x result) float64 { return float64(x.Usage.PeakRSS >> 20) })
		out = append(out, ratio{
			fmt.Sprintf("%s: %s offered at once, %.1f times its queue", q.name, grouped(offered), q.over),
			"refused early, none late, ≤ 512 MiB",
			fmt.Sprintf("%s refused, %s late, slowest %s, peak %s MiB", grouped(refused), grouped(late), micros(slowest), grouped(peak)),
			refused > 0 && late == 0 && peak <= 512,
		})
	}
	return out
}
