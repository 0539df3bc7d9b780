package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/receipt"
)

// Options say what to audit, from where, and whom to believe.
type Options struct {
	// Trust has the keys of the log and its publishers. Required.
	Trust *receipt.Trust
	// Sources are the places to read from, at least one. A file that one of them
	// does not have, or has damaged, is taken from the next.
	Sources []*client.LogReader
	// City is the member id of the log's owner. Empty: the trust file's, or else that
	// of the first leaf that a publisher of the trust file signed.
	City string
	// Checkpoint is the signed note of the head to audit; nil: the newest that the
	// sources have.
	Checkpoint []byte
	// Since is a head that was verified before and that the log must continue.
	Since *client.Head
	// WithoutBodies leaves out bodies and publication rules: signatures, hashes and
	// chains only. The verdict is then about those.
	WithoutBodies bool
	// Acts says that the log is a registry, whose acts somebody else judges (package
	// registry): they are counted here and not called unknown.
	Acts bool
	// Anchor judges an anchor: that the log's key signed it, and when its head was seen (roster.Heartbeat). An error that
	// wraps roster.ErrNotFinal says that it makes no log time; any other makes it void. It is called from many goroutines,
	// in no order. nil: nobody knows the log's witnesses, and the trust file's keys must have signed it.
	Anchor func(index uint64, note []byte) (logtime.Anchor, error)
	// Evidence verifies a proof of misbehaviour in the log by the keys of an alliance. It is called from many goroutines. nil:
	// only its form is looked at.
	Evidence func(e *evidence.Evidence) error
	// LogKeys are the keys of the log at a size, for logs whose keys were replaced: the
	// anchors in it are by those of their time. Default: those of Trust at any size.
	LogKeys func(size uint64) ([]*checkpoint.Verifier, error)
	// EndedLogKeys are the keys of the log that ended below a size; only with Late.
	EndedLogKeys func(size uint64) [][]*checkpoint.Verifier
	// Late says that keys end by an alliance's registry, at heads of which the log's node
	// learns a little later: what it took meanwhile by such a key, of an officer or of its
	// own, counts for nothing, and is listed, and is no fault of the log.
	Late bool
	// Progress is told, in order, how many leaves are done. Called from one
	// goroutine, once for each bundle of leaves.
	Progress func(done, total uint64)
	// Workers compute; default: one for each processor.
	Workers int
	// Fetches are how many bodies may be asked for at once; default 32.
	Fetches int
}

func (o *Options) setDefaults() {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Fetches == 0 {
		o.Fetches = 32
	}
	if o.LogKeys == nil {
		o.LogKeys = func(uint64) ([]*checkpoint.Verifier, error) { return o.Trust.Log, nil }
	}
	if o.Progress == nil {
		o.Progress = func(uint64, uint64) {}
	}
}

// city is the member id that the log's owner must have; empty if nobody says.
func city(o Options) string { return cmp.Or(o.City, o.Trust.City) }

// Run audits a log. What is wrong with the log is in the report; an error says that
// there is none, because the options make no sense or ctx ended.
func Run(ctx context.Context, opts Options) (*Report, error) {
	if opts.Trust == nil || len(opts.Sources) == 0 {
		return nil, errors.New("auditing: a trust file and a place to read from are needed")
	}
	opts.setDefaults()
	a := &auditor{opts: opts, report: newReport(opts), sources: &sources{readers: opts.Sources}}
	if err := a.run(ctx); err != nil {
		return nil, fmt.Errorf("auditing %s: %w", opts.Trust.Origin, err)
	}
	a.report.finish(a.sources.problems())
	return a.report, nil
}

type auditor struct {
	opts    Options
	sources *sources
	report  *Report
}

// run fills the report. Only ctx's end is an error.
func (a *auditor) run(ctx context.Context) error {
	head, ok, err := a.head(ctx)
	if err != nil || !ok {
		return err
	}
	if head.Size == 0 {
		a.report.compare(0, head.Root)
		return nil
	}
	edge, ok, err := a.edge(ctx, head)
	if err != nil || !ok {
		return err
	}
	return a.replay(ctx, head, edge)
}

// replay runs the pipeline: bundles are fetched and checked side by side, their
// bodies fetched side by side, and their leaves followed one after the other.
func (a *auditor) replay(ctx context.Context, head client.Head, edge *spine) error {
	// Whatever ends the replay early, a stop for too much trouble too, ends the
	// other stages.
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	bundles := a.bundles(ctx, group, head, edge)
	leaves := a.bodies(ctx, group, bundles)
	f := newFollower(a, head)
	group.Go(func() error {
		defer stop()
		return f.follow(ctx, leaves)
	})
	if err := group.Wait(); err != nil && !(f.done && errors.Is(err, context.Canceled)) {
		return err
	}
	return nil
}
