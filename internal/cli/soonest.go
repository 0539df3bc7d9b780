package cli

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/client"
	follow "github.com/cityproof/cityproof/internal/registry"
)

// headStart is how long a place is waited for before the next is asked as well. Who is cut off from a place finds out only
// after tens of seconds.
const headStart = 2 * time.Second

// followed is what came of a registry at one place.
type followed struct {
	state *follow.State
	log   *client.LogReader
	err   error
}

// followSoonest replays the registry, with a follower that begin makes, from the first place that gives it. One more place is
// asked after each headStart, and where one fails at once.
func followSoonest(ctx context.Context, begin func() (*follow.Follower, error), places []string) followed {
	var g sync.WaitGroup
	defer g.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan followed, len(places))
	wait := time.NewTimer(0)
	defer wait.Stop()
	var errs []error
	for asked := 0; len(errs) < len(places); {
		select {
		case <-wait.C:
			if asked < len(places) {
				place := places[asked]
				g.Go(func() { done <- followAt(ctx, begin, place) })
				asked++
				wait.Reset(headStart)
			}
		case f := <-done:
			var fork *follow.ForkError
			if f.err == nil || errors.As(f.err, &fork) {
				return f
			}
			errs = append(errs, f.err)
			wait.Reset(0)
		}
	}
	return followed{err: errors.Join(errs...)}
}

// followAt replays the registry from one place.
func followAt(ctx context.Context, begin func() (*follow.Follower, error), place string) (out followed) {
	f, err := begin()
	if err != nil {
		return followed{err: err}
	}
	log, err := openLog(ctx, place)
	if err != nil {
		return followed{err: err}
	}
	if err := f.Update(ctx, log.LogReader); err != nil {
		log.close()
		return followed{err: err}
	}
	return followed{state: f.State(), log: log.LogReader}
}
