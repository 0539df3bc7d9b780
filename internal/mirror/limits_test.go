package mirror_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/witness"
)

// grown is what the copy has taken of the log so far.
func (w *world) grown(from, to uint64) (bytes int64) {
	for i := from; i < to; i++ {
		bytes += int64(len(w.log.Entries[i]))
	}
	return bytes
}

// T-45: a city that logs more in a day than a mirror is ready to take is not cosigned until the next day.
func TestT45DailyBudgetStopsOneLogForTheDay(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(1000, "officer-1")
	all := w.grown(0, 1000)
	for _, f := range w.log.Files {
		all += int64(len(f))
	}
	w.limits = mirror.Limits{DailyBytes: all / 3}
	w.close()
	w.open()
	note, _ := w.log.Checkpoint(t.Context())
	for day := 1; day <= 4; day++ {
		before, _ := w.copied().Head()
		_, err := w.mirror.AddCheckpoint(t.Context(), (&witness.Request{Note: note}).Format())
		held, _ := w.copied().Head()
		if day == 4 {
			if err != nil || held != 1000 || w.cosigned() != 1000 || w.mirror.State().Stopped != 0 {
				t.Fatalf("on day %d it holds %d, cosigned %d: %v, %+v", day, held, w.cosigned(), err, w.mirror.State())
			}
			break
		}
		var limit *mirror.LimitError
		var refused *witness.RefusedError
		if !errors.As(err, &limit) || !errors.As(err, &refused) || refused.Status != http.StatusServiceUnavailable || !strings.Contains(err.Error(), "daily_bytes_per_log") || w.cosigned() != 0 {
			t.Fatalf("on day %d: %v", day, err)
		}
		if took := w.grown(before, held); took > all/3 || held == before {
			t.Errorf("on day %d it took %d entries with %d bytes", day, held-before, took)
		}
		for range 3 { // it does not go on, and does not say so again and again
			if err := w.follow(); !errors.As(err, &limit) {
				t.Errorf("on day %d: %v", day, err)
			}
		}
		if now, _ := w.copied().Head(); now != held || w.mirror.State().Stopped != 1 || w.mirror.Stopped(w.city.Origin) == "" {
			t.Errorf("on day %d it went on from %d to %d: %+v", day, held, now, w.mirror.State())
		}
		w.close()
		w.open() // a restart gives no new budget
		if err := w.follow(); !errors.As(err, &limit) {
			t.Errorf("after a restart: %v", err)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
	if n := strings.Count(w.logged.String(), "neither mirrored further"); n > 6 {
		t.Errorf("it was said %d times in three days with a restart each", n)
	}
}

// An entry that is larger than the budget does not stop a log for ever.
func TestT45SmallestBudgetTakesAnEntryADay(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(3, "officer-1")
	w.limits = mirror.Limits{DailyBytes: 1}
	w.close()
	w.open()
	for day := range 3 {
		err := w.follow()
		if held, _ := w.copied().Head(); held != uint64(day)+1 || (err == nil) != (day == 2) {
			t.Errorf("after %d days: %d entries, %v", day+1, held, err)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
}

func TestT45FullDiskStopsAllCopies(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(10, "officer-1")
	w.mustFollow()
	w.log.Declare(10, "officer-1")
	w.limits = mirror.Limits{DiskBytes: 1}
	w.close()
	w.open()
	var limit *mirror.LimitError
	if err := w.follow(); !errors.As(err, &limit) || !strings.Contains(err.Error(), "max_disk_bytes") || w.cosigned() != 10 {
		t.Errorf("Follow = %v, cosigned %d", err, w.cosigned())
	}
	w.limits = mirror.Limits{DiskBytes: 1 << 40}
	w.close()
	w.open()
	w.mustFollow()
}

// However much is fetched, on average it is no more than the limit.
func TestFetchingKeepsItsRate(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(256, "officer-1")
	size := w.grown(0, 256)
	synctest.Test(t, func(t *testing.T) {
		src := mirror.Throttled(&source{Log: w.log}, size/4) // a bundle in four seconds
		begun := time.Now()
		for range 10 {
			if _, err := src.Bundle(t.Context(), 0, 256); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begun); took < 34*time.Second || took > 40*time.Second {
			t.Errorf("ten bundles of four seconds each took %v", took)
		}
	})
}
