package main

import (
	"fmt"
	"runtime"
	"strings"
)

// markdown writes the whole report.
func (r *report) markdown() string {
	var b strings.Builder
	r.head(&b)
	r.machine(&b)
	r.table(&b)
	r.notes(&b)
	r.ratios(&b)
	return b.String()
}

func (r *report) machine(b *strings.Builder) {
	fmt.Fprintf(b, "## The machine's limits, in the same run\n\n| | all cores | one core |\n|---|--:|--:|\n")
	fmt.Fprintf(b, "| **F** 1 KiB appended and fdatasync, a second: %d files at once, one file (median %s) | %s | %s |\n",
		syncFiles, micros(r.limit(func(l limits) float64 { return l.SyncP50 })),
		grouped(r.limit(func(l limits) float64 { return l.Syncs })), grouped(r.limit(func(l limits) float64 { return l.SyncsOne })))
	fmt.Fprintf(b, "| **B** written in order, then synced, MB/s | %s | |\n", grouped(r.limit(func(l limits) float64 { return l.Bandwidth })/1e6))
	fmt.Fprintf(b, "| **S** SHA-256 of 1 KiB, a second | %s | %s |\n",
		grouped(r.limit(func(l limits) float64 { return l.SHA256 })), grouped(r.limit(func(l limits) float64 { return l.SHA256One })))
	fmt.Fprintf(b, "| **V** Ed25519 verifications, a second | %s | %s |\n",
		grouped(r.limit(func(l limits) float64 { return l.Verify })), grouped(r.limit(func(l limits) float64 { return l.VerifyOne })))
	fmt.Fprintf(b, "| **C** processor time of %d cores | | |\n\n", runtime.NumCPU())
}

// row is one line of the table: what a cell of it says.
type row struct {
	name  string
	value func(subject string) string
}

func (r *report) table(b *strings.Builder) {
	fmt.Fprintf(b, "## The table\n\n|")
	for _, s := range r.opts.subjects {
		fmt.Fprintf(b, " | %s", s)
	}
	fmt.Fprintf(b, " |\n|---%s|\n", strings.Repeat("|--:", len(r.opts.subjects)))
	for _, row := range r.rows() {
		fmt.Fprintf(b, "| %s", row.name)
		for _, s := range r.opts.subjects {
			fmt.Fprintf(b, " | %s", row.value(s))
		}
		b.WriteString(" |\n")
	}
	b.WriteString("\n")
}

func (r *report) rows() []row {
	var rows []row
	for _, w := range writerCounts {
		rows = append(rows, r.rateRow(fmt.Sprintf("appends/s, %d writer%s", w, plural(w)), measureAppend(w), measureAppend(w)),
			r.timeRow("– p50 / p99", measureAppend(w)))
	}
	rows = append(rows, r.rateRow("batched appends/s", measureBatch, measureBatch))
	size := grouped(float64(r.opts.leaves))
	rows = append(rows,
		r.rateRow(size+" leaves built, leaves/s", measureBuild, measureBuild),
		r.cellRow("– seconds", measureBuild, func(x result) float64 { return x.Seconds }, decimal),
		r.cellRow("start-up with "+size+" leaves, cold, ms", measureStart, func(x result) float64 { return x.Seconds * 1e3 }, decimal),
		r.rateRow("inclusion proofs/s at "+size, measureProofs, measureProofs),
		r.timeRow("– p50 / p99", measureProofs),
		r.cellRow("bytes on disk a leaf, compacted", measureBuild, func(x result) float64 { return float64(x.Disk) / float64(x.Ops) }, grouped),
		r.cellRow("bytes written per leaf byte: built", measureBuild, func(x result) float64 { return perByte(x, x.Usage) }, decimal),
		r.cellRow("– and compacted", measureBuild, func(x result) float64 { return perByte(x, x.Compacted) }, decimal),
		r.cellRow("– 256 writers", measureAppend(256), func(x result) float64 { return perByte(x, x.Usage) }, decimal),
		r.cellRow("– 1 writer", measureAppend(1), func(x result) float64 { return perByte(x, x.Usage) }, decimal),
		r.cellRow("peak memory, built, MiB", measureBuild, func(x result) float64 { return float64(x.Usage.PeakRSS >> 20) }, grouped),
		r.cellRow("– 256 writers", measureAppend(256), func(x result) float64 { return float64(x.Usage.PeakRSS >> 20) }, grouped),
	)
	if !r.has(subjectNode) {
		return rows
	}
	return append(rows,
		r.rateRow(fmt.Sprintf("declarations/s, single calls, %d publishers", publishers), nodeSingle, nodeServe),
		r.timeRow("– p50 / p99", nodeSingle),
		r.cellRow("– with readers at full load", nodeReaders, result.rate, grouped),
		r.cellRow("– what the readers got, answers/s", nodeRead, result.rate, grouped),
		r.rateRow("declarations/s, batches", nodeBatch, nodeServeB),
		r.timeRow("– p50 / p99 of a batch", nodeBatch),
		r.cellRow("bytes written per byte declared, batches", nodeServeB,
			func(x result) float64 { return float64(x.Usage.Written) / float64(x.Ops*r.entry) }, decimal),
		r.cellRow("peak memory, single calls, MiB", nodeServe, func(x result) float64 { return float64(x.Usage.PeakRSS >> 20) }, grouped),
		r.cellRow("– batches", nodeServeB, func(x result) float64 { return float64(x.Usage.PeakRSS >> 20) }, grouped),
	)
}

func perByte(x result, u usage) float64 {
	if x.Ops == 0 {
		return 0
	}
	return float64(u.Written) / float64(x.Ops*leafSize)
}

// cellRow shows one figure.
func (r *report) cellRow(name, measure string, what func(result) float64, format func(float64) string) row {
	return row{name, func(subject string) string {
		v, ok := r.of(subject, measure, what)
		if !ok {
			return "–"
		}
		return format(v)
	}}
}

// rateRow shows a rate and the limit that it comes closest to.
func (r *report) rateRow(name, measure, used string) row {
	return row{name, func(subject string) string {
		v, ok := r.of(subject, measure, result.rate)
		if !ok {
			return "–"
		}
		limit, ratio := r.binding(subject, measure, used)
		return fmt.Sprintf("**%s** %s %.2f", grouped(v), limit, ratio)
	}}
}

func (r *report) timeRow(name, measure string) row {
	return row{name, func(subject string) string {
		p50, ok := r.of(subject, measure, func(x result) float64 { return x.P50 })
		if !ok {
			return "–"
		}
		p99, _ := r.of(subject, measure, func(x result) float64 { return x.P99 })
		return micros(p50) + " / " + micros(p99)
	}}
}

// binding names the limit of the machine of which a rate uses the largest part, and how large a part.
func (r *report) binding(subject, measure, used string) (limit string, ratio float64) {
	rate, _ := r.of(subject, measure, result.rate)
	perSecond := func(what func(usage) float64) float64 {
		v, _ := r.of(subject, used, func(x result) float64 { return what(x.Usage) / x.Usage.Seconds })
		return v
	}
	hashed, verified := 2.0, 0.0 // leaf hash and identity, of 1 KiB each
	switch {
	case measure == measureProofs:
		hashed = 0
	case subject == subjectNode:
		hashed, verified = 2*float64(r.entry)/leafSize, 1
	}
	flushes := r.limit(func(l limits) float64 { return l.Flushes })
	for _, l := range []struct {
		name        string
		used, limit float64
	}{
		{"F", perSecond(func(u usage) float64 { return float64(u.Flushes) }), flushes},
		{"B", perSecond(func(u usage) float64 { return float64(u.Written) }), r.limit(func(l limits) float64 { return l.Bandwidth })},
		{"S", rate * hashed, r.limit(func(l limits) float64 { return l.SHA256 })},
		{"V", rate * verified, r.limit(func(l limits) float64 { return l.Verify })},
		{"C", perSecond(func(u usage) float64 { return u.CPU }), float64(runtime.NumCPU())},
	} {
		if l.limit > 0 && l.used/l.limit >= ratio {
			limit, ratio = l.name, l.used/l.limit
		}
	}
	return limit, ratio
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// grouped writes a number without decimals, its thousands apart.
func grouped(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

func decimal(v float64) string { return fmt.Sprintf("%.2f", v) }

// micros writes a time given in microseconds.
func micros(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2f s", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.2f ms", v/1e3)
	}
	return fmt.Sprintf("%.1f µs", v)
}
