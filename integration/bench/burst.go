package main

import (
	"sync"
	"time"
)

// lateAfter is when an answer is late: the longest after which a refusal tells a publisher to come again.
const lateAfter = 5 * time.Second

// burst is calls that are all made at once.
type burst struct {
	begin chan struct{}
	wg    sync.WaitGroup

	mu     sync.Mutex // guards the fields below
	r      result
	took   latencies
	failed error
}

// add prepares a call with so many items. Its error is a refusal if refused says so, else it fails the burst.
func (b *burst) add(items int, call func() error, refused func(error) bool) {
	if b.begin == nil {
		b.begin = make(chan struct{})
	}
	b.wg.Go(func() {
		<-b.begin
		began := time.Now()
		err := call()
		spent := time.Since(began)
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case err == nil:
			b.r.Ops += items
			b.took.add(spent)
			if spent > lateAfter {
				b.r.Errors += items
			}
		case refused(err):
			b.r.Refused += items
		default:
			b.failed = err
		}
	})
}

// run makes the calls and waits for all answers.
func (b *burst) run() (result, error) {
	start := time.Now()
	close(b.begin)
	b.wg.Wait()
	b.r.Seconds = time.Since(start).Seconds()
	b.r.P50, b.r.P99, b.r.Max = b.took.quantile(0.5), b.took.quantile(0.99), b.took.quantile(1)
	return b.r, b.failed
}
