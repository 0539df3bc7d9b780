package logstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// blocked is a store whose writer is held inside a commit until release is called.
type blocked struct {
	*store
	release func()
	first   chan error // what the held Append returns
}

func newBlocked(t *testing.T, o logstore.Options) *blocked {
	t.Helper()
	s := newStore(t, vfs.NewMem(), o)
	held, hold := make(chan struct{}), make(chan struct{})
	b := &blocked{store: s, release: sync.OnceFunc(func() { close(hold) }), first: make(chan error, 1)}
	go func() {
		_, err := s.log.Append(context.Background(), logstore.Group{
			Leaves: []logstore.Leaf{leaf("held")},
			Check: func(pebble.Reader, []uint64, []bool) error {
				close(held)
				<-hold
				return nil
			},
		})
		b.first <- err
	}()
	<-held
	t.Cleanup(b.release)
	return b
}

// queue appends in the background and returns once the group is queued.
func (b *blocked) queue(ctx context.Context, g logstore.Group) chan error {
	before, _ := b.log.Queued()
	done := make(chan error, 1)
	go func() {
		_, err := b.log.Append(ctx, g)
		done <- err
	}()
	for {
		if now, _ := b.log.Queued(); now > before {
			return done
		}
	}
}

func TestFullQueueRefusesAtOnce(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    logstore.Options
		fits []logstore.Group
		over logstore.Group
	}{
		{"leaves", logstore.Options{MaxQueueLeaves: 3}, []logstore.Group{group(leaf("1")), group(leaf("2"))}, group(leaf("3"), leaf("4"))},
		{"bytes", logstore.Options{MaxQueueBytes: 100}, []logstore.Group{group(leaf("%60d", 1))}, group(leaf("%60d", 2))},
		{"bytes to stage", logstore.Options{MaxQueueBytes: 100}, []logstore.Group{{Leaves: []logstore.Leaf{leaf("1")}, StageBytes: 60}},
			logstore.Group{Leaves: []logstore.Leaf{leaf("2")}, StageBytes: 60}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBlocked(t, tc.o)
			var waiting []chan error
			for _, g := range tc.fits {
				waiting = append(waiting, b.queue(context.Background(), g))
			}
			_, err := b.log.Append(context.Background(), tc.over)
			var overload *logstore.OverloadError
			if !errors.As(err, &overload) || overload.RetryAfter <= 0 || !strings.Contains(err.Error(), "try again in") {
				t.Errorf("Append to a full queue = %v, want OverloadError", err)
			}
			b.release()
			for _, done := range append(waiting, b.first) {
				if err := <-done; err != nil {
					t.Errorf("a group that was queued: %v", err)
				}
			}
			if _, err := b.log.Append(context.Background(), tc.over); err != nil {
				t.Errorf("Append once the queue is empty = %v", err)
			}
		})
	}
}

func TestOldQueueRefusesAtOnce(t *testing.T) {
	var mu sync.Mutex
	now := time.Unix(1_800_000_000, 0)
	clock := func(d time.Duration) time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(d)
		return now
	}
	b := newBlocked(t, logstore.Options{MaxQueueAge: time.Second, Now: func() time.Time { return clock(0) }})
	waiting := b.queue(context.Background(), group(leaf("1")))
	clock(time.Second)
	also := b.queue(context.Background(), group(leaf("2")))
	clock(time.Millisecond)
	_, err := b.log.Append(context.Background(), group(leaf("3")))
	var overload *logstore.OverloadError
	if !errors.As(err, &overload) || overload.RetryAfter < time.Second {
		t.Errorf("Append behind a group that waits for more than a second = %v, want OverloadError", err)
	}
	b.release()
	for _, done := range []chan error{waiting, also, b.first} {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestContextEndsWhileQueued(t *testing.T) {
	b := newBlocked(t, logstore.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	given := b.queue(ctx, group(leaf("given up")))
	stays := b.queue(context.Background(), group(leaf("stays")))
	cancel()
	if err := <-given; !errors.Is(err, context.Canceled) || errors.Is(err, logstore.ErrUndecided) {
		t.Errorf("Append with a cancelled context = %v", err)
	}
	if _, err := b.log.Append(ctx, group(leaf("never queued"))); !errors.Is(err, context.Canceled) {
		t.Errorf("Append with a context that has ended = %v", err)
	}
	b.release()
	if err := errors.Join(<-stays, <-b.first); err != nil {
		t.Fatal(err)
	}
	size, _ := b.log.Head()
	if _, ok, _ := b.log.IndexByIdentity(leaf("given up").Identity); ok || size != 2 {
		t.Errorf("size %d, a cancelled leaf is in the log: %v", size, ok)
	}
}

func TestContextEndsDuringCommit(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	hold := make(chan struct{})
	g := group(leaf("undecided"))
	g.Check = func(pebble.Reader, []uint64, []bool) error {
		cancel()
		<-hold
		return nil
	}
	go func() {
		_, err := s.log.Append(ctx, g)
		gone <- err
	}()
	if err := <-gone; !errors.Is(err, logstore.ErrUndecided) || !errors.Is(err, context.Canceled) {
		t.Errorf("Append whose context ends during the commit = %v", err)
	}
	close(hold)
	// Asking again finds the leaf that got in.
	if r := mustAppend(t, s.log, group(leaf("undecided"))); r.Fresh[0] || r.Index[0] != 0 {
		t.Errorf("Append again = %+v, want a repeat", r)
	}
}

func TestCloseRefusesWhatIsQueued(t *testing.T) {
	b := newBlocked(t, logstore.Options{})
	waiting := b.queue(context.Background(), group(leaf("waits")))
	closed := make(chan struct{})
	go func() {
		b.log.Close()
		close(closed)
	}()
	b.release()
	<-closed
	if err := <-b.first; err != nil {
		t.Errorf("the group being committed: %v", err)
	}
	if err := <-waiting; err != nil && !errors.Is(err, logstore.ErrClosed) {
		t.Errorf("a queued group: %v, want success or ErrClosed", err)
	}
	if _, err := b.log.Append(context.Background(), group(leaf("late"))); !errors.Is(err, logstore.ErrClosed) {
		t.Errorf("Append after Close = %v, want ErrClosed", err)
	}
	b.log.Close() // twice is fine
}

func TestReadOnlyLogRefusesAppends(t *testing.T) {
	mem := vfs.NewMem()
	s, err := openStore("data", mem, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.log, 300)
	_, root := s.log.Head()
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	db, err := pebbledb.Open("data", pebbledb.Options{FS: mem, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if size, got := l.Head(); size != 300 || got != root {
		t.Errorf("Head = %d %v", size, got)
	}
	if _, err := l.Append(context.Background(), group(leaf("x"))); !errors.Is(err, pebbledb.ErrReadOnly) {
		t.Errorf("Append = %v, want ErrReadOnly", err)
	}
	l.Close()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// TestHaltEndsEveryWait halts a log while groups are queued and one is being committed.
func TestHaltEndsEveryWait(t *testing.T) {
	mem := vfs.NewMem()
	s, err := openStore("data", mem, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	held, hold := make(chan struct{}), make(chan struct{})
	first, second := make(chan error, 1), make(chan error, 1)
	g := group(leaf("held"))
	g.Check = func(pebble.Reader, []uint64, []bool) error {
		close(held)
		<-hold
		return nil
	}
	go func() { _, err := s.log.Append(context.Background(), g); first <- err }()
	<-held
	go func() { _, err := s.log.Append(context.Background(), group(leaf("waits"))); second <- err }()
	for {
		if n, _ := s.log.Queued(); n == 1 {
			break
		}
	}
	s.db.Halt(errors.New("a bad sector"))
	close(hold)
	for _, c := range []chan error{first, second} {
		if err := <-c; !errors.Is(err, pebbledb.ErrHalted) || !strings.Contains(err.Error(), "a bad sector") {
			t.Errorf("Append = %v, want ErrHalted with the cause", err)
		}
	}
	if size, _ := s.log.Head(); size != 0 {
		t.Errorf("size %d, want 0", size)
	}
	if err := s.close(); !errors.Is(err, pebbledb.ErrHalted) {
		t.Errorf("closing = %v", err)
	}
}
