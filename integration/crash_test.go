package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/draft"
)

// placed is what an officer holds a receipt of.
type placed struct {
	index    uint64
	envelope []byte
}

// TestI1T44NothingReceiptedIsLostWhenTheNodeIsKilled kills the node ten times, each time while four officers' batches
// are under way and after some of them were answered. What was answered must be at its index for ever; what was not
// is sent again, byte for byte, as the command does from NAME.pending.
func TestI1T44NothingReceiptedIsLostWhenTheNodeIsKilled(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	next := uint32(1)
	var receipted []placed
	var unanswered []draft.Submission
	for round := range 10 {
		o := p.dial(n)
		o.next = next
		got, left := o.publishUntilKilled(n, unanswered)
		receipted, unanswered, next = append(receipted, got...), left, o.next
		if len(got) == 0 {
			t.Fatalf("round %d: nothing was answered before the node was killed", round)
		}
		n = p.start(true)
	}
	if out, err := p.dial(n).client.Publish(t.Context(), unanswered); err != nil {
		t.Fatalf("sending again what was not answered: %v", err)
	} else {
		for i, pl := range out.Placed {
			receipted = append(receipted, placed{pl.Index, unanswered[i].Envelope})
		}
	}
	s := &stranger{t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(p.vkey())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.entries(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipted {
		if r.index >= uint64(len(entries)) || !bytes.Equal(entries[r.index], r.envelope) {
			t.Errorf("a receipt says index %d of %d, but what it is for is not there", r.index, len(entries))
		}
	}
	if len(entries) != int(next)-1 {
		t.Errorf("%d entries, want the %d declarations once each", len(entries), next-1)
	}
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
	n.stop()
	if out := p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config); !strings.Contains(out, fmt.Sprintf("good: %d entries", len(entries))) {
		t.Errorf("fsck says %q", out)
	}
}

// publishUntilKilled publishes again what was not answered before, and new declarations from four goroutines; it kills
// the node after a few answers. It returns what was answered and what was not.
func (o *officer) publishUntilKilled(n *process, again []draft.Submission) (answered []placed, left []draft.Submission) {
	o.t.Helper()
	const publishers, each, answersBeforeKill = 4, 6, 5
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
		if answered = append(answered, a.placed); len(answered) == answersBeforeKill {
			n.kill()
			cancel() // the client would wait for the node to come back
		}
	}
	return answered, left
}
