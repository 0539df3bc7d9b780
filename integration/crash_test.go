package integration_test

import (
	"bytes"
	"context"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/ledger"
)

// placed is what an officer holds a receipt of.
type placed struct {
	index    uint64
	envelope []byte
}

// TestI1T44NothingReceiptedIsLostWhenTheNodeIsKilled kills the node ten times at random points while four officers' batches
// are under way. What was answered must be at its index for ever; what was not is sent again, byte for byte, as the
// command does from NAME.pending. No two checkpoints may contradict each other. CITYPROOF_KILLS makes a longer run,
// CITYPROOF_SEED repeats the choice of points.
func TestI1T44NothingReceiptedIsLostWhenTheNodeIsKilled(t *testing.T) {
	seed, kills := uint64(time.Now().UnixNano()), uint64(10)
	for name, to := range map[string]*uint64{"CITYPROOF_SEED": &seed, "CITYPROOF_KILLS": &kills} {
		if s := os.Getenv(name); s != "" {
			var err error
			if *to, err = strconv.ParseUint(s, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("CITYPROOF_SEED=%d", seed)
	rnd := mrand.New(mrand.NewPCG(seed, 0))
	p := newPlace(t)
	w := p.witness()
	n := p.start(true)
	next := uint32(1)
	var receipted []placed
	var unanswered []draft.Submission
	for round := range kills {
		o := p.dial(n)
		o.next = next
		// Some kills hit at once, most while the declarations are on their way.
		got, left := o.publishUntilKilled(n, unanswered, time.Duration(rnd.Int64N(int64(60*time.Millisecond))))
		receipted, unanswered, next = append(receipted, got...), left, o.next
		n = p.start(true)
		w.lookAt(p, n, fmt.Sprintf("after kill %d", round+1))
		if round%20 == 19 {
			n.kill()
			p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
			n = p.start(true)
		}
	}
	receipted = append(receipted, p.sendAgain(n, unanswered)...)
	if len(receipted) != int(next)-1 {
		t.Errorf("%d receipts for %d declarations", len(receipted), next-1)
	}
	p.holds(n, receipted, int(next)-1)
	w.oneHistory(n)
	n.stop()
	p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
	t.Logf("%d kills, %d receipts", kills, len(receipted))
}

// sendAgain publishes what was not answered.
func (p *place) sendAgain(n *process, unanswered []draft.Submission) (receipted []placed) {
	p.t.Helper()
	for len(unanswered) > 0 {
		part := unanswered[:min(len(unanswered), ledger.MaxBatch)]
		unanswered = unanswered[len(part):]
		out, err := p.dial(n).client.Publish(p.t.Context(), part)
		if err != nil {
			p.t.Fatalf("sending again what was not answered: %v", err)
		}
		for i, pl := range out.Placed {
			receipted = append(receipted, placed{pl.Index, part[i].Envelope})
		}
	}
	return receipted
}

// holds checks with a stranger's eyes that the log has so many entries, and all that was receipted where the receipt says.
func (p *place) holds(n *process, receipted []placed, count int) {
	p.t.Helper()
	s := &stranger{p.t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(p.vkey())
	if err != nil {
		p.t.Fatal(err)
	}
	entries, err := s.entries(tree)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range receipted {
		if r.index >= uint64(len(entries)) || !bytes.Equal(entries[r.index], r.envelope) {
			p.t.Errorf("a receipt says index %d of %d, but what it is for is not there", r.index, len(entries))
		}
	}
	if len(entries) != count {
		p.t.Errorf("%d entries, want the %d declarations once each", len(entries), count)
	}
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
}

// publishUntilKilled publishes again what was not answered before, and new declarations from four goroutines; it kills
// the node after a time. It returns what was answered and what was not.
func (o *officer) publishUntilKilled(n *process, again []draft.Submission, after time.Duration) (answered []placed, left []draft.Submission) {
	o.t.Helper()
	const publishers, each = 4, 6
	type answer struct {
		placed placed
		sub    draft.Submission
		err    error
	}
	work := make(chan draft.Submission)
	answers := make(chan answer)
	ctx, cancel := context.WithCancel(o.t.Context())
	defer cancel()
	todo := append(again, o.notices(publishers*each)...)
	kill := time.AfterFunc(after, func() {
		n.kill()
		cancel() // the client would wait for the node to come back
	})
	for range publishers {
		go func() {
			for sub := range work {
				out, err := o.client.Publish(ctx, []draft.Submission{sub})
				a := answer{sub: sub, err: err}
				if err == nil {
					a.placed = placed{out.Placed[0].Index, sub.Envelope}
				}
				answers <- a
			}
		}()
	}
	go func() {
		defer close(work)
		for _, sub := range todo {
			work <- sub
		}
	}()
	for range todo {
		a := <-answers
		if a.err != nil {
			left = append(left, a.sub)
			continue
		}
		answered = append(answered, a.placed)
	}
	if kill.Stop() { // all were answered before
		n.kill()
	}
	<-n.done
	return answered, left
}
