package logtime_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/logtime"
)

func clock(t *testing.T, anchors ...logtime.Anchor) *logtime.Clock {
	t.Helper()
	c := &logtime.Clock{}
	for _, a := range anchors {
		if err := c.Add(a); err != nil {
			t.Fatalf("Add(%+v) = %v", a, err)
		}
	}
	return c
}

// F3: the log time of a leaf is that of the first anchor that covers it, and never goes back.
func TestF3LeafHasTimeOfFirstAnchorThatCoversIt(t *testing.T) {
	c := clock(t,
		logtime.Anchor{Index: 5, Size: 5, Time: 1000},
		logtime.Anchor{Index: 9, Size: 8, Time: 900}, // the witnesses' clocks were behind
		logtime.Anchor{Index: 20, Size: 18, Time: 2000})
	for leaf, want := range map[uint64]int64{0: 1000, 4: 1000, 5: 1000, 7: 1000, 8: 2000, 17: 2000, 18: 0, 20: 0, 1 << 62: 0} {
		if a, ok := c.Of(leaf); a.Time != want || ok != (want > 0) {
			t.Errorf("Of(%d) = %+v, %v, want %d", leaf, a, ok, want)
		}
	}
	if a, ok := c.At(9); !ok || a.Size != 8 || a.Time != 1000 {
		t.Errorf("At(9) = %+v, %v", a, ok)
	}
	if _, ok := c.At(8); ok {
		t.Error("an anchor at 8")
	}
}

func TestAddRefuses(t *testing.T) {
	last := logtime.Anchor{Index: 9, Size: 8, Time: 1000}
	for name, a := range map[string]logtime.Anchor{
		"a head behind its own index":      {Index: 12, Size: 13, Time: 2000},
		"the same head again (T-23)":       {Index: 12, Size: 8, Time: 2000},
		"a head that ends before the last": {Index: 12, Size: 9, Time: 2000},
		"a log's own word after witnesses": {Index: 12, Size: 11, Time: 2000, Unwitnessed: true},
	} {
		c := clock(t, last)
		if err := c.Add(a); err == nil {
			t.Errorf("%s: %+v counts", name, a)
		}
		if got, _ := c.Last(); got != last || c.Len() != 1 {
			t.Errorf("%s moved the clock to %+v", name, got)
		}
	}
	c := clock(t, logtime.Anchor{Index: 3, Size: 3, Time: 5, Unwitnessed: true}, logtime.Anchor{Index: 7, Size: 6, Time: 6})
	if err := c.Add(logtime.Anchor{Index: 9, Size: 6, Time: 9}); !errors.Is(err, logtime.ErrOldHead) {
		t.Errorf("an old head: %v", err)
	}
}

func TestCloneGoesItsOwnWay(t *testing.T) {
	c := clock(t, logtime.Anchor{Index: 1, Size: 1, Time: 1})
	a, b := c.Clone(), c.Clone()
	if err := errors.Join(a.Add(logtime.Anchor{Index: 3, Size: 2, Time: 2}), b.Add(logtime.Anchor{Index: 4, Size: 4, Time: 4})); err != nil {
		t.Fatal(err)
	}
	x, _ := a.Last()
	y, _ := b.Last()
	z, _ := c.Last()
	if x.Time != 2 || y.Time != 4 || z.Time != 1 {
		t.Errorf("clones have the times %d and %d, the original %d", x.Time, y.Time, z.Time)
	}
}

func TestLagByTheLastAnchorUpToThatMoment(t *testing.T) {
	c := clock(t, logtime.Anchor{Index: 1, Size: 1, Time: 10_000}, logtime.Anchor{Index: 3, Size: 3, Time: 100_000})
	first, _ := c.At(1)
	second, _ := c.At(3)
	hour := int64(3600)
	for name, tc := range map[string]struct {
		now  int64
		want logtime.Lag
	}{
		"before any":                   {9000, logtime.Lag{Light: logtime.Red}},
		"a clock that is a bit behind": {9900, logtime.Lag{Light: logtime.Green, Last: first, Known: true}},
		"at once":                      {10_000, logtime.Lag{Light: logtime.Green, Last: first, Known: true}},
		"nearly amber":                 {10_000 + 2*hour - 1, logtime.Lag{Light: logtime.Green, Silence: 2*time.Hour - time.Second, Last: first, Known: true}},
		"amber":                        {10_000 + 2*hour, logtime.Lag{Light: logtime.Amber, Silence: 2 * time.Hour, Last: first, Known: true}},
		"nearly red":                   {10_000 + 24*hour - 1, logtime.Lag{Light: logtime.Amber, Silence: 24*time.Hour - time.Second, Last: first, Known: true}},
		"red":                          {10_000 + 24*hour, logtime.Lag{Light: logtime.Red, Silence: 24 * time.Hour, Last: first, Known: true}},
		"alive again":                  {100_060, logtime.Lag{Light: logtime.Green, Silence: time.Minute, Last: second, Known: true}},
	} {
		if diff := cmp.Diff(tc.want, c.Lag(tc.now, logtime.Default)); diff != "" {
			t.Errorf("%s: Lag (-want +got):\n%s", name, diff)
		}
	}
	if got := c.Lag(100_009, logtime.Thresholds{Amber: 4 * time.Second, Red: 9 * time.Second}).Light; got != logtime.Red {
		t.Errorf("with the demo's thresholds: %s", got)
	}
}
