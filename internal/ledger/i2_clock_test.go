package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

// signedAt reads a note and the time that it was signed at, in seconds.
func (p *place) signedAt(note []byte) (c checkpoint.Checkpoint, at uint64) {
	p.t.Helper()
	v, err := checkpoint.Verify(note, p.trust().Log, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, s := range v.Log {
		at = max(at, s.Timestamp)
	}
	return v.Checkpoint, at
}

// A clock that jumps, forward or back, while the node runs or while it is down:
// each checkpoint extends the one before, and none is older than it.
func TestI2ClockThatJumpsEitherWay(t *testing.T) {
	p := newPlace(t)
	start := time.Now()
	clock := start
	p.now = func() time.Time { return clock }
	l, closeAll := p.open()
	var size, before uint64
	for i, jump := range []struct {
		by      time.Duration
		restart bool
	}{
		{0, false}, {time.Hour, false}, {-3 * time.Hour, false}, {26 * 365 * 24 * time.Hour, true},
		{-40 * 365 * 24 * time.Hour, true}, {time.Second, false}, {14 * 365 * 24 * time.Hour, false},
	} {
		clock = clock.Add(jump.by)
		if jump.restart {
			closeAll()
			l, closeAll = p.open()
		}
		if why := l.ReadOnly(); why != "" {
			t.Fatalf("jump %d: read-only: %s", i, why)
		}
		body := owed("one more")
		body.GetNotice().DueOn = proto.String(clock.AddDate(0, 2, 0).Format(time.DateOnly))
		mustPublish(t, l, p.seal(fmt.Sprintf("not/%d", i+1), body))
		c, at := p.signedAt(l.Published().Note)
		if c.Size != size+1 {
			t.Errorf("jump %d: size %d after %d", i, c.Size, size)
		}
		if at < before || at == 0 {
			t.Errorf("jump %d: signed at %d, before the last one's %d", i, at, before)
		}
		if want := uint64(clock.Unix()); at != max(want, before) {
			t.Errorf("jump %d: signed at %d, want the clock's %d or the last one's %d", i, at, want, before)
		}
		size, before = c.Size, at
	}
	if before < uint64(start.Add(26*365*24*time.Hour-3*time.Hour).Unix()) {
		t.Error("the clock never was in the future: the test is wrong")
	}
}
