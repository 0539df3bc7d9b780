package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The subjects.
const (
	subjectTessera   = "tessera"
	subjectAntispam  = "tessera-antispam"
	subjectFixed     = "tessera-fixed"
	subjectPublished = "tessera-published"
	subjectEngine    = "engine"
	subjectTrillian  = "trillian"
	subjectNode      = "node"
)

var allSubjects = []string{subjectTessera, subjectAntispam, subjectFixed, subjectPublished, subjectEngine, subjectTrillian, subjectNode}

// The measures of a log. A cell of the table is one measure of one subject.
const (
	measureBatch  = "batch"
	measureBuild  = "build"
	measureStart  = "start"
	measureProofs = "proofs"
	measureBurst  = "burst"

	nodeSingle   = "single"
	nodeBatch    = "node-batch"
	nodeReaders  = "single+readers"
	nodeRead     = "readers"
	nodeServe    = "serve" // the node's own usage while it took single calls
	nodeServeB   = "serve-batch"
	nodeOver     = "overload"
	nodeOverSelf = "serve-overload" // the node's own usage meanwhile
)

// queueLeaves is what the log's queue takes, logstore.Options.MaxQueueLeaves. It is offered in calls of burstLeaves: with
// a goroutine for each leaf, the peak memory would be the load generator's.
const (
	queueLeaves = 16384
	burstLeaves = 64
)

func measureAppend(writers int) string { return fmt.Sprintf("append-%d", writers) }

var writerCounts = []int{1, 16, 256}

// cell names a measure of a subject.
type cell struct{ subject, measure string }

// report is everything that one run found: one result a round.
type report struct {
	opts    options
	limits  []limits
	results map[cell][]result
	tunings map[cell]tuning
	body    int // mean size of a declaration's body, bytes
	entry   int // of its whole message
	over    float64
	began   time.Time
	took    time.Duration
}

func (r *report) add(subject, measure string, res result) {
	c := cell{subject, measure}
	r.results[c] = append(r.results[c], res)
}

// of is the median over the rounds of something about a cell; ok is false if it was not measured.
func (r *report) of(subject, measure string, what func(result) float64) (value float64, ok bool) {
	var values []float64
	for _, res := range r.results[cell{subject, measure}] {
		values = append(values, what(res))
	}
	return median(values), len(values) > 0
}

func (r *report) limit(what func(limits) float64) float64 {
	var values []float64
	for _, l := range r.limits {
		values = append(values, what(l))
	}
	return median(values)
}

func (r *report) has(subject string) bool { return slices.Contains(r.opts.subjects, subject) }

// logs are the chosen subjects that are a log called in process.
func (r *report) logs() []string {
	return slices.DeleteFunc(slices.Clone(r.opts.subjects), func(s string) bool { return s == subjectNode })
}

func progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// measure does the whole run.
func measure(ctx context.Context, o options) (*report, error) {
	r := &report{opts: o, results: map[cell][]result{}, tunings: map[cell]tuning{}, began: time.Now()}
	if err := r.tune(ctx); err != nil {
		return r, err
	}
	for round := range o.rounds {
		progress("round %d of %d", round+1, o.rounds)
		l, err := measureLimits(o.dir, o.window)
		if err != nil {
			return r, err
		}
		progress("  machine: %.0f fdatasync/s, %.0f MB/s, %.0f SHA-256/s, %.0f Ed25519/s", l.SyncsOne, l.Bandwidth/1e6, l.SHA256, l.Verify)
		r.limits = append(r.limits, l)
		if err := r.round(ctx); err != nil {
			return r, err
		}
	}
	return r, r.overload(ctx)
}

// round measures everything once, subject after subject for each measure.
func (r *report) round(ctx context.Context) error {
	for _, writers := range writerCounts {
		for _, s := range r.logs() {
			if err := r.fresh(ctx, s, measureAppend(writers), job{Phase: "append", Writers: writers}); err != nil {
				return err
			}
		}
	}
	for _, s := range r.large() {
		if err := r.fresh(ctx, s, measureBatch, job{Phase: "batch"}); err != nil {
			return err
		}
	}
	if err := r.million(ctx); err != nil {
		return err
	}
	if r.has(subjectEngine) && r.opts.over > 0 {
		j := job{Phase: "burst", Leaves: r.opts.over * queueLeaves, Batch: burstLeaves}
		if err := r.fresh(ctx, subjectEngine, measureBurst, j); err != nil {
			return err
		}
	}
	if r.has(subjectNode) {
		return r.node(ctx)
	}
	return nil
}

// large are the logs that are measured with large batches: what sets the others apart changes nothing there.
func (r *report) large() []string {
	return slices.DeleteFunc(r.logs(), func(s string) bool { return s == subjectPublished || s == subjectFixed })
}

// fresh does a job in a folder of its own.
func (r *report) fresh(ctx context.Context, subject, measure string, j job) error {
	dir, err := os.MkdirTemp(r.opts.dir, subject+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return r.in(ctx, dir, subject, measure, j)
}

func (r *report) in(ctx context.Context, dir, subject, measure string, j job) error {
	j.Subject, j.Dir, j.Window, j.Tuning = subject, dir, r.opts.window, r.tunings[cell{subject, measure}]
	began := time.Now()
	res, err := do(ctx, j)
	if err != nil {
		return err
	}
	progress("  %-18s %-11s %10.0f/s, p50 %8.0f µs, p99 %8.0f µs, peak %4d MiB, %6.2f s (%.1f s in all)",
		subject, measure, res.rate(), res.P50, res.P99, res.Usage.PeakRSS>>20, res.Seconds, time.Since(began).Seconds())
	r.add(subject, measure, res)
	return nil
}

// million builds each large log, opens it again and asks it for proofs.
func (r *report) million(ctx context.Context) error {
	dirs := map[string]string{}
	defer func() {
		for _, dir := range dirs {
			_ = os.RemoveAll(dir) // the whole folder goes at the end anyway
		}
	}()
	for _, s := range r.large() {
		dirs[s] = filepath.Join(r.opts.dir, "large-"+s)
		if err := os.MkdirAll(dirs[s], 0o755); err != nil {
			return err
		}
		if err := r.in(ctx, dirs[s], s, measureBuild, job{Phase: "build", Leaves: r.opts.leaves}); err != nil {
			return err
		}
	}
	for _, phase := range []string{measureStart, measureProofs} {
		for _, s := range r.large() {
			if err := r.in(ctx, dirs[s], s, phase, job{Phase: phase, Leaves: r.opts.leaves}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tune tries Tessera's batch settings for each load and keeps the fastest.
func (r *report) tune(ctx context.Context) error {
	for _, s := range r.logs() {
		var batches []string
		switch s {
		case subjectTessera, subjectAntispam:
			batches = []string{measureBatch, measureBuild}
			fallthrough
		case subjectPublished:
			for _, w := range writerCounts {
				if err := r.best(ctx, s, []int{w}, tuningsFor(w), measureAppend(w)); err != nil {
					return err
				}
			}
		case subjectFixed:
			var appends []string
			for _, w := range writerCounts {
				appends = append(appends, measureAppend(w))
			}
			if err := r.best(ctx, s, writerCounts, tuningsForAll(), appends...); err != nil {
				return err
			}
		}
		if len(batches) > 0 {
			if err := r.best(ctx, s, nil, tuningsFor(batchCallers*batchLeaves), batches...); err != nil {
				return err
			}
		}
	}
	return nil
}

// best keeps for some measures the setting that is fastest with these numbers of writers: that has the largest product
// of the rates. Without writers, it is tried with batches.
func (r *report) best(ctx context.Context, subject string, writers []int, candidates []tuning, measures ...string) error {
	var jobs []job
	for _, w := range writers {
		jobs = append(jobs, job{Phase: "append", Writers: w})
	}
	if len(jobs) == 0 {
		jobs = []job{{Phase: "batch"}}
	}
	chosen, most := candidates[0], -1.0
	for _, t := range candidates {
		if len(candidates) == 1 {
			break
		}
		product := 1.0
		for _, j := range jobs {
			rate, err := r.try(ctx, subject, t, j)
			if err != nil {
				return err
			}
			product *= rate
		}
		if product > most {
			chosen, most = t, product
		}
	}
	progress("tuned %s for %s to batches of %v", subject, strings.Join(measures, ", "), chosen)
	for _, m := range measures {
		r.tunings[cell{subject, m}] = chosen
	}
	return nil
}

// try measures the rate of a job with one setting.
func (r *report) try(ctx context.Context, subject string, t tuning, j job) (float64, error) {
	dir, err := os.MkdirTemp(r.opts.dir, "tune-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	j.Subject, j.Dir, j.Window, j.Tuning = subject, dir, r.opts.window/2, t
	res, err := do(ctx, j)
	return res.rate(), err
}
