package priority

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// read keeps a reader busy, each answer taking took, for a while; it returns how many answers there were.
func read(g *Gate, readers int, took, during time.Duration) (answers int) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	end := time.Now().Add(during)
	for range readers {
		wg.Go(func() {
			for time.Now().Before(end) {
				release, err := g.Read(context.Background())
				if err != nil {
					continue
				}
				time.Sleep(took)
				release()
				mu.Lock()
				answers++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return answers
}

func TestReadersLeaveTheProcessorsToPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		cores := runtime.GOMAXPROCS(0)
		const took, during = time.Millisecond, time.Second
		if alone := read(g, 4*cores, took, during); alone < 1000*cores {
			t.Errorf("%d answers in a second with nobody publishing, want %d", alone, 1000*cores)
		}
		done := g.Publishing()
		// A tenth of a core is 100 answers. Those who wait together begin together, so that their own time overlaps: a
		// ninth at most.
		if busy := read(g, 4*cores, took, during); busy < 90 || busy > 112+2*cores {
			t.Errorf("%d answers in a second beside a publisher, want about 100", busy)
		}
		done()
		if after := read(g, 4*cores, took, during); after < 900*cores {
			t.Errorf("%d answers in a second after it, want %d", after, 1000*cores)
		}
	})
}

func TestALongAnswerClosesTheGateForABoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		defer g.Publishing()()
		release, err := g.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		release()
		release() // as a handler that writes in parts does
		start := time.Now()
		release, err = g.Read(t.Context())
		if err != nil || time.Since(start) != maxPause {
			t.Errorf("the next reader waited %v, %v, want %v", time.Since(start), err, maxPause)
		}
		release()
	})
}

func TestReadersAreRefusedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		for range runtime.GOMAXPROCS(0) {
			if _, err := g.Read(t.Context()); err != nil { // never released
				t.Fatal(err)
			}
		}
		start := time.Now()
		if _, err := g.Read(t.Context()); !errors.Is(err, ErrBusy) || time.Since(start) != maxWait {
			t.Errorf("Read = %v after %v, want ErrBusy after %v", err, time.Since(start), maxWait)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range maxWaiting {
			wg.Go(func() {
				if _, err := g.Read(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("a waiting reader got %v", err)
				}
			})
		}
		synctest.Wait()
		start = time.Now()
		if _, err := g.Read(t.Context()); !errors.Is(err, ErrBusy) || time.Since(start) != 0 {
			t.Errorf("one too many: %v after %v, want ErrBusy at once", err, time.Since(start))
		}
		cancel()
		wg.Wait()
	})
}

func TestAReaderThatGoesAwayLeavesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New()
		defer g.Publishing()()
		for range 3 * cap(g.slots) {
			ctx, cancel := context.WithTimeout(t.Context(), maxPause/2)
			release, err := g.Read(ctx)
			if err == nil {
				time.Sleep(time.Second)
				release()
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Read = %v", err)
			}
			cancel()
		}
		if len(g.slots) != 0 || g.waiting.Load() != 0 {
			t.Errorf("%d slots are taken and %d readers wait", len(g.slots), g.waiting.Load())
		}
	})
}
