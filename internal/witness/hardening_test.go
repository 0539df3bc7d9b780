package witness_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/witness"
)

// TestI4MonitorsSeeOnlyWhatIsDurable: Pebble shows a value before its sync has ended. A monitor that was shown a cosignature
// which a power loss then takes back would hold the proof that this witness went backwards.
func TestI4MonitorsSeeOnlyWhatIsDurable(t *testing.T) {
	var failing atomic.Bool
	syncing, fail := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fault := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !failing.Load() || op.Kind != errorfs.OpFileSyncData && op.Kind != errorfs.OpFileSync {
			return nil
		}
		once.Do(func() { close(syncing) })
		<-fail
		return errors.New("the disk is gone")
	})
	w := newWorld(t, peerstore.Options{FS: errorfs.Wrap(vfs.NewMem(), fault)})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	if _, err := w.ask(s, h, 0, 5); err != nil {
		t.Fatal(err)
	}
	failing.Store(true)
	shown := func(when string) {
		note, ok, err := w.w.Checkpoint(sha256.Sum256([]byte(origin)))
		if err != nil || !ok {
			return // nothing is shown, which is no lie
		}
		if c, _ := w.verified(origin, note); c.Size != 5 {
			t.Errorf("%s monitors are shown size %d, which nobody was answered", when, c.Size)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := w.ask(s, h, 5, 7); err == nil {
			t.Error("answered although the sync failed")
		}
	})
	<-syncing
	for range 4 {
		wg.Go(func() { shown("while the disk syncs") })
	}
	close(fail)
	wg.Wait()
	shown("after the sync failed")
	if _, err := w.ask(s, h, 7, 9); status(err) != 503 {
		t.Errorf("after the sync failed: %v, want 503", err)
	}
}

// TestStrangersSpendNothingOfALogsRate: checkpoints are public, so anybody can show a witness one that the log signed, as
// often as he likes. That must not keep the log from being cosigned.
func TestStrangersSpendNothingOfALogsRate(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(100, "a")
	limited, err := witness.New(witness.Options{Logs: w.logs, Store: w.store, Signer: w.signer(), Now: func() time.Time { return w.now }, Rate: 1, Burst: 2})
	if err != nil {
		t.Fatal(err)
	}
	w.w = limited
	if _, err := w.ask(s, h, 0, 5); err != nil {
		t.Fatal(err)
	}
	public := signed(t, s, 5, h.Root(5))
	for name, tc := range map[string]struct {
		r    witness.Request
		want int
	}{
		"with a wrong size":    {witness.Request{Old: 0, Note: public}, 409},
		"with a proof":         {witness.Request{Old: 5, Proof: h.Consistency(3, 5), Note: public}, 422},
		"again in this second": {witness.Request{Old: 5, Note: public}, 200},
	} {
		for range 20 {
			if _, err := w.w.AddCheckpoint(context.Background(), tc.r.Format()); status(err) != tc.want {
				t.Fatalf("a checkpoint shown again %s: %v, want %d", name, err, tc.want)
			}
		}
	}
	for size := uint64(6); size <= 8; size++ {
		_, err := w.ask(s, h, size-1, size)
		if want := map[uint64]int{6: 200, 7: 429, 8: 409}[size]; status(err) != want {
			t.Errorf("size %d: %v, want %d", size, err, want)
		}
	}
	var refused *witness.RefusedError
	if _, err := w.ask(s, h, 6, 7); !errors.As(err, &refused) || refused.RetryAfter <= 0 || refused.RetryAfter > time.Second {
		t.Errorf("over the rate: %v, want to be told when to come back", err)
	}
	w.now = w.now.Add(time.Second)
	if _, err := w.ask(s, h, 6, 7); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// TestRefreshInOneSecondWritesOnce: the same head in the same second has the same cosignature.
func TestRefreshInOneSecondWritesOnce(t *testing.T) {
	mem := vfs.NewMem()
	var writes atomic.Int64
	count := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			writes.Add(1)
		}
		return nil
	})
	w := newWorld(t, peerstore.Options{FS: errorfs.Wrap(mem, count)})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	first, err := w.ask(s, h, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	before := writes.Load()
	for range 50 {
		if again, err := w.ask(s, h, 5, 5); err != nil || !bytes.Equal(again, first) {
			t.Fatalf("the same head in the same second = %q, %v, want %q", again, err, first)
		}
	}
	w.now = w.now.Add(-time.Hour) // the last time counts as now
	if again, err := w.ask(s, h, 5, 5); err != nil || !bytes.Equal(again, first) {
		t.Errorf("with the clock gone back = %q, %v, want %q", again, err, first)
	}
	if n := writes.Load(); n != before {
		t.Errorf("%d writes for what was known", n-before)
	}
	w.now = w.now.Add(time.Hour + time.Second)
	again, err := w.ask(s, h, 5, 5)
	if err != nil || bytes.Equal(again, first) {
		t.Errorf("a second later = %q, %v, want a new time", again, err)
	}
	if _, at := w.served(origin); at != uint64(start.Unix())+1 {
		t.Errorf("the time served is %d, want %d", at, start.Unix()+1)
	}
}

// TestT30PinAgainstWhatWasCosigned: at the pin's size the pin's root is the only one, whatever this witness cosigned before.
func TestT30PinAgainstWhatWasCosigned(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, fork, settled := w.log(origin), alliancetest.NewTree(100, "fork"), alliancetest.NewTree(100, "settled")
	if _, err := w.ask(s, fork, 0, 40); err != nil {
		t.Fatal(err)
	}
	log := w.logs[origin]
	log.Pin = witness.Pin{Size: 40, Root: settled.Root(40)}
	w.logs[origin] = log
	for name, tc := range map[string]struct {
		h         *alliancetest.Tree
		old, size uint64
	}{
		"the fork again":            {fork, 40, 40},
		"the fork, grown":           {fork, 40, 50},
		"the settled head":          {settled, 40, 40},
		"the settled history grown": {settled, 40, 50},
	} {
		if _, err := w.ask(s, tc.h, tc.old, tc.size); status(err) != 422 {
			t.Errorf("%s: %v, want 422", name, err)
		}
	}
	if c, _ := w.served(origin); c.Root != fork.Root(40) {
		t.Error("what was cosigned is not shown any more")
	}
}

// stopping is a log that is stopped after it was looked up once.
type stopping struct {
	log   witness.Log
	asked int
}

func (l *stopping) Log(string) (witness.Log, bool) {
	l.asked++
	if l.asked > 1 {
		l.log.Stopped = "evidence came meanwhile"
	}
	return l.log, true
}

// TestStopHoldsForWhoWaits: a request that waited for its turn is judged by what is known when its turn comes.
func TestStopHoldsForWhoWaits(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	wit, err := witness.New(witness.Options{Logs: &stopping{log: w.logs[origin]}, Store: w.store, Signer: w.signer()})
	if err != nil {
		t.Fatal(err)
	}
	w.w = wit
	if _, err := w.ask(s, h, 0, 5); status(err) != 403 || !strings.Contains(err.Error(), "evidence came meanwhile") {
		t.Errorf("stopped while it waited: %v, want 403", err)
	}
}

// extended is a checkpoint of size 1 with an extension line of so many bytes.
func extended(t *testing.T, s *checkpoint.Signer, n int) []byte {
	t.Helper()
	text, err := checkpoint.FormatCheckpoint(checkpoint.Checkpoint{
		Origin: s.Key().Name, Size: 1, Root: proof.LeafHash([]byte("x")), Extensions: []string{strings.Repeat("x", n)},
	})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(text, start)
	if err != nil {
		t.Fatal(err)
	}
	note, err := checkpoint.FormatNote(&checkpoint.Note{Text: text, Sigs: []checkpoint.Signature{sig}})
	if err != nil {
		t.Fatal(err)
	}
	return note
}

// TestT05ExtensionLines: the log's Ed25519 signature covers them, and so does the cosignature; one that was put in does not
// verify. The note that is kept has one line more than was sent, and must fit.
func TestT05ExtensionLines(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s := w.log(origin)
	most := checkpoint.MaxNoteSize - len(extended(t, s, 1)) + 1
	for _, c := range []struct{ n, want int }{{most, 400}, {most - 100, 400}, {most - 200, 200}} { // the good one last: in one second there is one
		if _, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Old: w.at(origin), Note: extended(t, s, c.n)}).Format()); status(err) != c.want {
			t.Errorf("an extension line of %d bytes: %v, want %d", c.n, err, c.want)
		}
	}
	w.now = w.now.Add(time.Second)
	note := extended(t, s, 8)
	line, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Old: 1, Note: note}).Format())
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := w.verified(origin, append(note, line...)); len(c.Extensions) != 1 {
		t.Errorf("cosigned %+v", c)
	}
	forged := bytes.Replace(note, []byte("xxxxxxxx"), []byte("yyyyyyyy"), 1)
	if _, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Old: 1, Note: forged}).Format()); status(err) != 403 {
		t.Errorf("with another extension line: %v, want 403", err)
	}
	// Two texts of one size shown in turns: one cosignature a second, and the log may still grow.
	var refused *witness.RefusedError
	if _, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Old: 1, Note: extended(t, s, 9)}).Format()); !errors.As(err, &refused) || refused.Status != 429 || refused.RetryAfter != time.Second {
		t.Errorf("another text in the same second: %v, want 429", err)
	}
}

// TestT27SlowBodiesHoldNoPlace: who sends slowly keeps a connection, which the server bounds, and none of the witness's places.
func TestT27SlowBodiesHoldNoPlace(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	srv := w.serve()
	for range 400 {
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		// The 100-continue comes when the handler has begun to read.
		fmt.Fprintf(conn, "POST /city/witness/add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n")
		if _, err := conn.Read(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	r := witness.Request{Note: signed(t, s, 5, h.Root(5))}
	resp, err := http.Post(srv.URL+"/city/witness/add-checkpoint", "", bytes.NewReader(r.Format()))
	if code, body, _ := answer(t, resp, err); code != 200 {
		t.Errorf("beside 400 slow bodies: %d %q, want 200", code, body)
	}
}
