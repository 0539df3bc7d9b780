package recovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/mirror"
)

const (
	// giveUp is how long a head may be served by nobody before the operator is told of the way out.
	giveUp = time.Hour
	// defaultRetry is how long a try that failed is rested from.
	defaultRetry = 5 * time.Second
)

// Options of Run. All but Retry, Now and Logger are required.
type Options struct {
	Ledger *ledger.Ledger
	// Electorate is who is asked; it is asked for anew before each try, and fails while that is not known.
	Electorate func() (*Electorate, error)
	Ask        AskFunc
	// Publisher says whose statements count: bodies of others are not looked for.
	Publisher mirror.Publisher
	// Sources are the copies of the log, the best first.
	Sources func() []mirror.Source
	// Retry is how long a try that failed is rested from. Default: 5 s.
	Retry time.Duration
	// Now is the clock. Default: time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

func (o *Options) setDefaults() {
	if o.Retry == 0 {
		o.Retry = defaultRetry
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Run brings the log back, trying until it is there or ctx ends. Meanwhile the ledger serves what it has and says why it takes
// nothing. It returns at once where nothing is lost.
func Run(ctx context.Context, opts Options) error {
	opts.setDefaults()
	r := &run{Options: opts}
	for {
		loss, _ := opts.Ledger.Lost()
		if loss == ledger.NotLost {
			return nil
		}
		err := r.try(ctx, loss)
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.say(err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(opts.Retry):
		}
	}
}

// run is what is known between tries.
type run struct {
	Options
	said     string
	head     checkpoint.Checkpoint // that was wanted last
	unserved time.Time             // since when nobody serves it
}

func (r *run) try(ctx context.Context, loss ledger.Loss) error {
	head, err := r.newest(ctx, loss)
	if err != nil {
		return err
	}
	if r.head.Size != head.Size || r.head.Root != head.Root {
		r.head, r.unserved = head, r.Now()
		r.Logger.Info("bringing the log back", slog.Uint64("size", head.Size), slog.String("root", head.Root.String()))
	}
	fill, err := r.Ledger.Refill(ctx)
	if err != nil {
		return err
	}
	if size, _ := fill.Head(); size < head.Size {
		if err := mirror.Follow(ctx, fill, head, r.Publisher, r.Sources()); err != nil {
			return err
		}
	}
	if err := fill.Finish(ctx, head); err != nil {
		return err
	}
	r.Logger.Info("the log is back and signs again", slog.Uint64("size", head.Size), slog.String("root", head.Root.String()))
	return nil
}

// newest is the head up to which the log must be brought back. The state's own word is enough where it is there.
func (r *run) newest(ctx context.Context, loss ledger.Loss) (checkpoint.Checkpoint, error) {
	_, last := r.Ledger.Lost()
	if loss == ledger.LostData {
		return last, nil
	}
	e, err := r.Electorate()
	if err != nil {
		return last, err
	}
	head, err := e.newest(ctx, r.Ledger.Origin(), r.Ask)
	if err == nil && last.Size > head.Size {
		head = last
	}
	return head, err
}

// say tells an operator why the log is not back yet, once for each reason.
func (r *run) say(err error) {
	why := "recovering: " + err.Error()
	var silent *SilentError
	switch {
	case errors.As(err, &silent):
		why += ". Nothing is signed before a quorum has answered, or a second history could begin"
	case r.head.Size > 0 && r.Now().Sub(r.unserved) >= giveUp:
		why += fmt.Sprintf(". For %v nobody serves this log at size %d, which its keys have signed: if that is a thief's, or lost everywhere, "+
			"the log has ended, and the city goes on in a new one (cityproof alliance move-log)", r.Now().Sub(r.unserved).Round(time.Minute), r.head.Size)
	}
	r.Ledger.SayRecovering(why)
	if r.said != why {
		r.Logger.Error("the log can't be brought back yet", slog.String("reason", why))
		r.said = why
	}
}
