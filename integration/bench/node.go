package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Batches of declarations: so many publishers at once send so many a call.
const (
	nodeCallers = 4
	nodePerCall = 500
)

// node measures the whole node: single calls with and without readers, and batches, each at a new node.
func (r *report) node(ctx context.Context) error {
	o, signed, err := r.sign(r.opts.signed)
	if err != nil {
		return err
	}
	defer os.Remove(signed)
	load := job{Phase: "load", Signed: signed, Window: r.opts.window, Limit: o.prologue()}
	single, batch := load, load
	single.Writers = publishers
	batch.Writers, batch.Batch = nodeCallers, min(nodePerCall, r.opts.signed/nodeCallers/2)
	for _, m := range []struct {
		load           job
		readers        bool
		measure, usage string
	}{
		{single, false, nodeSingle, nodeServe},
		{single, true, nodeReaders, ""},
		{batch, false, nodeBatch, nodeServeB},
	} {
		if err := r.at(ctx, o, m.load, m.readers, m.measure, m.usage); err != nil {
			return err
		}
	}
	return nil
}

// sign signs n declarations and keeps them in a file.
func (r *report) sign(n int) (*office, string, error) {
	o, err := newOffice()
	if err != nil {
		return nil, "", err
	}
	began := time.Now()
	messages, body, err := o.sign(n)
	if err != nil {
		return nil, "", err
	}
	r.body = body
	r.entry = len(messages[len(messages)-1])
	progress("  signed %d declarations with bodies of %d bytes (%.1f s)", n, body, time.Since(began).Seconds())
	name := filepath.Join(r.opts.dir, "signed")
	return o, name, writeMessages(name, messages)
}

// at runs one load against a new node.
func (r *report) at(ctx context.Context, o *office, load job, readers bool, measure, usage string) error {
	dir := filepath.Join(r.opts.dir, "node-"+measure)
	defer os.RemoveAll(dir)
	var profile string
	if r.opts.profile != "" {
		profile = filepath.Join(r.opts.profile, measure+".pprof")
	}
	n, err := serve(ctx, dir, profile, o)
	if err != nil {
		return err
	}
	stopped := false
	defer func() {
		if !stopped {
			n.kill()
		}
	}()
	load.Subject, load.HTTP, load.GRPC, load.Trust = subjectNode, n.HTTP, n.GRPC, n.trust
	var reading *process
	if readers {
		read := load
		read.Phase = "read"
		if reading, err = startChild(ctx, read); err != nil {
			return err
		}
		defer reading.kill()
	}
	res, err := do(ctx, load)
	if err != nil {
		return err
	}
	if reading != nil {
		answers, err := reading.finish()
		if err != nil {
			return err
		}
		r.add(subjectNode, nodeRead, answers)
		progress("  %-18s %-11s %10.0f/s answered, %d refused", subjectNode, "readers", answers.rate(), answers.Refused)
	}
	stopped = true
	own, err := n.finish()
	if err != nil {
		return err
	}
	// What the node used is told over the load's time: before and after, it has nothing to do.
	own.Ops, own.Seconds, own.Usage.Seconds = res.Ops, res.Seconds, res.Seconds
	progress("  %-18s %-11s %10.0f/s, p50 %8.0f µs, p99 %8.0f µs, peak %4d MiB", subjectNode, measure, res.rate(), res.P50, res.P99, own.Usage.PeakRSS>>20)
	r.add(subjectNode, measure, res)
	if usage != "" {
		r.add(subjectNode, usage, own)
	}
	return nil
}

// queueBytes is what the log's queue takes, logstore.Options.MaxQueueBytes.
const queueBytes = 32 << 20

// overload offers a new node many times its queue's capacity at once.
func (r *report) overload(ctx context.Context) error {
	if !r.has(subjectNode) || r.opts.over == 0 {
		return nil
	}
	o, err := newOffice()
	if err != nil {
		return err
	}
	sample, _, err := o.sign(o.prologue() + 1)
	if err != nil {
		return err
	}
	const batch = 250
	n := r.opts.over*queueBytes/len(sample[o.prologue()])/batch*batch + batch
	o, signed, err := r.sign(n + o.prologue())
	if err != nil {
		return err
	}
	defer os.Remove(signed)
	r.over = float64(n*r.entry) / queueBytes
	progress("overload: %d declarations at once, %.1f times the queue", n, r.over)
	if err := r.at(ctx, o, job{Phase: "overload", Signed: signed, Batch: batch, Limit: o.prologue()}, false, nodeOver, nodeOverSelf); err != nil {
		return fmt.Errorf("overload: %w", err)
	}
	return nil
}
