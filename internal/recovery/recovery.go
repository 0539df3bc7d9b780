package recovery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
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
	// Begin is the head that the log must hold at least, of a log that goes on from another; nil: none. Default: none.
	Begin func() *checkpoint.Checkpoint
	// Copies says where others keep the log, and how what they give is judged.
	Copies func() mirror.Log
	// Scratch is a directory for the copy from which the log is refilled. It is removed when the log is back.
	Scratch string
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
	if o.Begin == nil {
		o.Begin = func() *checkpoint.Checkpoint { return nil }
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
	if err := r.refill(ctx, head); err != nil {
		return err
	}
	r.Logger.Info("the log is back and signs again", slog.Uint64("size", head.Size), slog.String("root", head.Root.String()))
	return nil
}

// refill fetches a whole copy of the log, proven into the head as a mirror proves it, and fills the log from that. What was
// fetched before an error or a crash is not fetched again.
func (r *run) refill(ctx context.Context, head checkpoint.Checkpoint) (err error) {
	store, err := mirrorstore.Open(r.Scratch, mirrorstore.Options{Logger: r.Logger})
	if err != nil {
		return err
	}
	log, err := store.Log(sha256.Sum256([]byte(head.Origin)))
	if err == nil && head.Size > 0 {
		err = mirror.Follow(ctx, log, head, r.Copies())
	}
	if err == nil {
		err = r.Ledger.Refill(ctx, log, head)
	}
	if err = errors.Join(err, store.Close()); err == nil {
		err = os.RemoveAll(r.Scratch)
	}
	return err
}

// newest is the head up to which the log must be brought back.
func (r *run) newest(ctx context.Context, loss ledger.Loss) (checkpoint.Checkpoint, error) {
	head, err := r.signed(ctx, loss)
	if begin := r.Begin(); err == nil && begin != nil && begin.Size > head.Size {
		return *begin, nil
	}
	return head, err
}

// signed is the newest head of the log that was signed. The state's own word is enough where it is there.
func (r *run) signed(ctx context.Context, loss ledger.Loss) (checkpoint.Checkpoint, error) {
	_, last := r.Ledger.Lost()
	if loss == ledger.LostData {
		return last, nil
	}
	e, err := r.Electorate()
	if err != nil {
		return last, err
	}
	if e.Head != nil {
		return *e.Head, nil
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
