package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func unverified(err error) bool {
	var e *client.UnverifiedError
	return errors.As(err, &e)
}

// I10: nothing that a node or whoever stands before it has changed is shown as
// verified.
func TestNoLieIsVerified(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	honest := dial(t, client.Options{Node: c.http, Trust: c.trust})
	out, err := honest.Publish(ctx, []draft.Submission{seal(t, 1, nil), seal(t, 2, nil)})
	must(t, err)
	_, err = honest.Publish(ctx, []draft.Submission{seal(t, 1, &declaration.Head{Revision: 1, Leaf: out.Placed[0].Hash, Operation: declaration.Publish})})
	must(t, err)
	p, addr := startProxy(t, c)
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	_, err = cl.Newest(ctx, "com/1", "")
	must(t, err)

	flip := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }
	for name, lie := range map[string]func(*ledgerv1.Receipt){
		"body":       func(r *ledgerv1.Receipt) { r.Body = flip(r.Body) },
		"another":    func(r *ledgerv1.Receipt) { r.Body = out.Placed[1].Raw },
		"envelope":   func(r *ledgerv1.Receipt) { r.Envelope = flip(r.Envelope) },
		"checkpoint": func(r *ledgerv1.Receipt) { r.Checkpoint = flip(r.Checkpoint) },
		"one signature": func(r *ledgerv1.Receipt) {
			r.Checkpoint = r.Checkpoint[:bytes.LastIndex(r.Checkpoint[:len(r.Checkpoint)-1], []byte("\n"))+1]
		},
		"index":      func(r *ledgerv1.Receipt) { r.Index++ },
		"path":       func(r *ledgerv1.Receipt) { r.InclusionPath[0] = flip(r.InclusionPath[0]) },
		"short path": func(r *ledgerv1.Receipt) { r.InclusionPath = r.InclusionPath[1:] },
		"long path":  func(r *ledgerv1.Receipt) { r.InclusionPath = slices.Repeat(r.InclusionPath, 100) },
		"no hash":    func(r *ledgerv1.Receipt) { r.InclusionPath[0] = r.InclusionPath[0][:31] },
		"nothing":    func(r *ledgerv1.Receipt) { *r = ledgerv1.Receipt{} },
	} {
		p.receipt = lie
		if rec, err := cl.Newest(ctx, "com/1", ""); !unverified(err) {
			t.Errorf("%s: Newest = %+v, %v; want UnverifiedError", name, rec, err)
		}
		if _, err := cl.History(ctx, "com/1", ""); !unverified(err) {
			t.Errorf("%s: History: %v; want UnverifiedError", name, err)
		}
	}
	p.receipt = nil

	p.declare = func(d *ledgerv1.Declaration) { d.Index = 1 } // com/2
	for _, subject := range []string{"com/1", "besluit-1"} {
		if _, err := cl.Newest(ctx, subject, ""); !unverified(err) {
			t.Errorf("%s answered by com/2: %v", subject, err)
		}
	}
	p.declare = nil
	if _, err := cl.Newest(ctx, "besluit-1", declaration.Commitment); err != nil {
		t.Errorf("besluit-1: %v", err)
	}

	for name, lie := range map[string]func(*ledgerv1.ListHistoryResponse){
		"the first left out": func(r *ledgerv1.ListHistoryResponse) { r.Declarations = r.Declarations[1:] },
		"turned around":      func(r *ledgerv1.ListHistoryResponse) { slices.Reverse(r.Declarations) },
		"one twice":          func(r *ledgerv1.ListHistoryResponse) { r.Declarations = append(r.Declarations, r.Declarations[1]) },
		"another subject":    func(r *ledgerv1.ListHistoryResponse) { r.Declarations[0].Index = 1 },
		"nothing":            func(r *ledgerv1.ListHistoryResponse) { r.Declarations = nil },
	} {
		p.history = lie
		if _, err := cl.History(ctx, "com/1", ""); !unverified(err) {
			t.Errorf("history, %s: %v; want UnverifiedError", name, err)
		}
	}
}

// T-36 over gRPC: erased is only what a notice in the log erased.
func TestNoFalseErasureIsVerified(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	honest := dial(t, client.Options{Node: c.http, Trust: c.trust})
	out, err := honest.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	must(t, err)
	first := out.Placed[0]
	p, addr := startProxy(t, c)
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	p.receipt = func(r *ledgerv1.Receipt) { r.Body = nil }
	real := &ledgerv1.Receipt{Envelope: first.Envelope, Body: first.Raw, Index: 0, Checkpoint: first.Checkpoint}
	for name, notice := range map[string]*ledgerv1.Receipt{"no notice": nil, "no erasure notice": real} {
		p.body = func(r *ledgerv1.GetBodyResponse) {
			r.Body, r.Erased = nil, &ledgerv1.ErasedBody{Notice: notice}
		}
		if rec, err := cl.Newest(ctx, "com/1", ""); !unverified(err) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: %+v, %v; want UnverifiedError: missing", name, rec, err)
		}
	}
	p.body = func(r *ledgerv1.GetBodyResponse) { r.Body = nil }
	if rec, err := cl.Newest(ctx, "com/1", ""); !unverified(err) {
		t.Errorf("no body at all: %+v, %v", rec, err)
	}
}

func TestNoFalsePlaceIsVerified(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	p, addr := startProxy(t, c)
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	_, err := cl.Publish(ctx, []draft.Submission{seal(t, 100, nil)})
	must(t, err)
	n := 0
	for name, lie := range map[string]func(*ledgerv1.PublishResponse){
		"index":      func(r *ledgerv1.PublishResponse) { r.Receipt.Index++ },
		"index 0":    func(r *ledgerv1.PublishResponse) { r.Receipt.Index = 0; r.Repeat = true },
		"path":       func(r *ledgerv1.PublishResponse) { r.Receipt.InclusionPath = nil },
		"checkpoint": func(r *ledgerv1.PublishResponse) { r.Receipt.Checkpoint = r.Receipt.Checkpoint[1:] },
		"nothing":    func(r *ledgerv1.PublishResponse) { r.Receipt = nil },
	} {
		n++
		p.publish = lie
		if out, err := cl.Publish(ctx, []draft.Submission{seal(t, n, nil)}); !unverified(err) {
			t.Errorf("%s: %+v, %v; want UnverifiedError", name, out, err)
		}
	}
	for name, lie := range map[string]func(*ledgerv1.PublishBatchResponse){
		"swapped":  func(r *ledgerv1.PublishBatchResponse) { slices.Reverse(r.Placed) },
		"one less": func(r *ledgerv1.PublishBatchResponse) { r.Placed = r.Placed[1:] },
		"nothing":  func(r *ledgerv1.PublishBatchResponse) { *r = ledgerv1.PublishBatchResponse{} },
	} {
		n += 2
		p.batch = lie
		if out, err := cl.Publish(ctx, []draft.Submission{seal(t, n-1, nil), seal(t, n, nil)}); !unverified(err) {
			t.Errorf("batch, %s: %+v, %v; want UnverifiedError", name, out, err)
		}
	}
}

// A statement that is in the log with other signatures is a repeat, proven by the
// leaf that is there.
func TestRepeatInAnotherEnvelope(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	one := seal(t, 1, nil, 1)
	out, err := cl.Publish(ctx, []draft.Submission{one})
	must(t, err)
	// The same statement, signed by the colleague alone.
	e, err := declaration.ParseEnvelope(one.Envelope)
	must(t, err)
	e, err = declaration.Sign(e.PayloadType, e.Payload, officer(2))
	must(t, err)
	two := draft.Submission{Envelope: e.Format(), Body: one.Body}
	for _, batch := range [][]draft.Submission{{two}, {two, seal(t, 2, nil)}} {
		again, err := cl.Publish(ctx, batch)
		must(t, err)
		if got := again.Placed[0]; !got.Repeat || got.Index != 0 || !bytes.Equal(got.Envelope, one.Envelope) || got.Hash != out.Placed[0].Hash {
			t.Errorf("placed at %d, repeat %v, in the envelope given %v; want 0, true, the stored one", got.Index, got.Repeat, bytes.Equal(got.Envelope, two.Envelope))
		}
	}
}

func TestSameBytesAgainWhileTheNodeIsBusy(t *testing.T) {
	c := startTown(t)
	busy, err := status.New(codes.ResourceExhausted, "the queue is full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
	must(t, err)
	tomorrow, err := status.New(codes.ResourceExhausted, "quota used up").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(8 * time.Hour)})
	must(t, err)
	for i, tc := range []struct {
		name       string
		busy, lose int
		refuse     error
		calls      int
		repeat, ok bool
	}{
		{"busy once", 1, 0, busy.Err(), 2, false, true},
		{"the answer is lost", 0, 1, nil, 2, true, true},
		{"a quota", 9, 0, tomorrow.Err(), 1, false, false},
		{"a refusal", 9, 0, status.Error(codes.PermissionDenied, "no"), 1, false, false},
	} {
		p, addr := startProxy(t, c)
		cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
		p.mu.Lock()
		p.busy, p.lose, p.refuse = tc.busy, tc.lose, tc.refuse
		p.mu.Unlock()
		out, err := cl.Publish(context.Background(), []draft.Submission{seal(t, i+1, nil)})
		if (err == nil) != tc.ok || p.calls != tc.calls || tc.ok && out.Placed[0].Repeat != tc.repeat {
			t.Errorf("%s: %v after %d calls, want ok %v after %d", tc.name, err, p.calls, tc.ok, tc.calls)
		}
		var e *client.NodeError
		if tc.name == "a quota" && (!errors.As(err, &e) || e.Refusal != client.Busy || e.RetryAfter != 8*time.Hour) {
			t.Errorf("a quota: %v, want Busy for 8 h", err)
		}
	}
}

// The caller's time bounds all tries together.
func TestNoTryBeyondTheCallersTime(t *testing.T) {
	c := startTown(t)
	p, addr := startProxy(t, c)
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	p.mu.Lock()
	p.busy, p.refuse = 1000, status.Error(codes.Unavailable, "the log takes no declarations: it is halted")
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	var e *client.NodeError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || !strings.Contains(err.Error(), "halted") || p.calls != 1 {
		t.Errorf("%v after %d calls; want the deadline and the node's reason after 1", err, p.calls)
	}
}

func TestBatchesAreSplitAtTheNodesLimits(t *testing.T) {
	c := startTown(t)
	p, addr := startProxy(t, c)
	p.log = func(r *ledgerv1.GetLogResponse) { r.Limits.BatchStatements = 2 }
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	var subs []draft.Submission
	for n := 1; n <= 6; n++ {
		subs = append(subs, seal(t, n, nil))
	}
	out, err := cl.Publish(context.Background(), subs)
	must(t, err)
	if !slices.Equal(p.sizes, []int{2, 2, 2}) || len(out.Placed) != 6 || out.Placed[5].Index != 5 {
		t.Errorf("batches of %v, %d placed; want 2, 2, 2 and 6", p.sizes, len(out.Placed))
	}

	// What was placed before an error is told, and the error counts in the caller's way.
	subs = []draft.Submission{seal(t, 7, nil), seal(t, 8, nil), seal(t, 9, nil), sealTaken(t)}
	out, err = cl.Publish(context.Background(), subs)
	var stale *client.StaleError
	if !errors.As(err, &stale) || stale.Submission != 3 || len(out.Placed) != 2 {
		t.Errorf("%v, %d placed; want submission 3 stale, 2 placed", err, len(out.Placed))
	}

	// By bytes, too.
	size := len(subs[0].Envelope) + len(subs[0].Body)
	p.log = func(r *ledgerv1.GetLogResponse) { r.Limits.BatchBytes = uint32(3*size + size/2) }
	p.sizes = nil
	cl = dial(t, client.Options{GRPC: addr, Trust: c.trust})
	subs = subs[:0]
	for n := 21; n <= 25; n++ {
		subs = append(subs, seal(t, n, nil))
	}
	_, err = cl.Publish(context.Background(), subs)
	must(t, err)
	if !slices.Equal(p.sizes, []int{3, 2}) {
		t.Errorf("batches of %v, want 3, 2", p.sizes)
	}
}

// sealTaken is another statement under com/1.
func sealTaken(t *testing.T) draft.Submission {
	return sealed(t, &draft.Draft{Operation: declaration.Publish, Body: pledge(77), Subject: declaration.Subject{Kind: declaration.Commitment, Number: 1}},
		draft.Place{Log: origin, City: owner, Revision: 1})
}

// T-43: a node's words can't move a terminal's cursor or turn a line around.
func TestWordsAreMadePrintable(t *testing.T) {
	c := startTown(t)
	p, addr := startProxy(t, c)
	p.log = func(r *ledgerv1.GetLogResponse) {
		r.Version = "1\x1b[2J\u202e2\n3"
		r.ReadOnly = strings.Repeat("é", 2000)
	}
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	info := cl.Known()
	if info.Version != "1\uFFFD[2J\uFFFD2 3" || len(info.ReadOnly) > 1010 {
		t.Errorf("version %q, read-only of %d bytes", info.Version, len(info.ReadOnly))
	}
	p.mu.Lock()
	p.busy, p.refuse = 1, status.Error(codes.PermissionDenied, "no\x07\u2066")
	p.mu.Unlock()
	if _, err := cl.Publish(context.Background(), []draft.Submission{seal(t, 1, nil)}); err == nil || strings.ContainsAny(fmt.Sprint(err), "\x07\u2066") {
		t.Errorf("error %q", err)
	}
}

// A node that dreams of limits, or answers without sense, is bounded or refused.
func TestOddLogs(t *testing.T) {
	c := startTown(t)
	p, addr := startProxy(t, c)
	p.log = func(r *ledgerv1.GetLogResponse) {
		r.Limits = &ledgerv1.Limits{EntryBytes: 1 << 31, BatchStatements: 1 << 30}
	}
	cl := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	if l := cl.Known().Limits; l.Entry != declaration.MaxEntry || l.Body != declaration.MaxBody || l.BatchStatements != 2000 {
		t.Errorf("limits %+v", l)
	}
	for name, change := range map[string]func(*ledgerv1.GetLogResponse){
		"origin":    func(r *ledgerv1.GetLogResponse) { r.Origin = "../log" },
		"city":      func(r *ledgerv1.GetLogResponse) { r.City = "Kanaalstad" },
		"no keys":   func(r *ledgerv1.GetLogResponse) { r.LogVkeys = nil },
		"many keys": func(r *ledgerv1.GetLogResponse) { r.LogVkeys = slices.Repeat(r.LogVkeys, 100) },
		"publisher": func(r *ledgerv1.GetLogResponse) { r.Publishers = [][]byte{{1}} },
	} {
		p.log = change
		if liar, err := client.Dial(context.Background(), client.Options{GRPC: addr, Trust: c.trust}); err == nil {
			liar.Close()
			t.Errorf("%s: dialled", name)
		}
	}
	p.log = func(r *ledgerv1.GetLogResponse) { r.LogVkeys = []string{"no key"} }
	if keyless, err := client.Dial(context.Background(), client.Options{GRPC: addr}); err == nil {
		keyless.Close()
		t.Error("a log without a key was dialled")
	}
	p.log = func(r *ledgerv1.GetLogResponse) { r.City = "nl-elders" }
	if _, err := cl.Log(context.Background()); !unverified(err) {
		t.Errorf("a log that changes its city: %v", err)
	}
}
