package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// each runs check for every name, on all processors.
func each(names []string, check func(name string)) {
	work := make(chan string)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for name := range work {
				check(name)
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	wg.Wait()
}

// small is a log of three leaves with short bodies.
func small(t testing.TB) *city {
	c := newCity(t)
	for n := 1; n <= 3; n++ {
		c.publish(fmt.Sprintf("com/%d", n), declaration.Publish, sample(noneJSON, n))
	}
	c.sign()
	wantVerdict(t, run(t, c.options()), audit.True)
	return c
}

// deep is a log with a full bundle, a full tile above it and a partial one.
func deep(t testing.TB) *city {
	c := newCity(t)
	for n := 1; n <= 258; n++ {
		c.publish(fmt.Sprintf("com/%d", n), declaration.Publish, sample(noneJSON, n))
	}
	c.sign()
	wantVerdict(t, run(t, c.options()), audit.True)
	return c
}

// paths are the city's files, of its bodies three at most.
func (c *city) paths() []string {
	bodies := 0
	return slices.DeleteFunc(slices.Sorted(maps.Keys(c.files)), func(p string) bool {
		if !strings.HasPrefix(p, "bodies/") {
			return false
		}
		bodies++
		return bodies > 3
	})
}

// T-33.
func TestNoFlippedByteIsTrue(t *testing.T) {
	testenv.SkipInRace(t)
	c := small(t)
	step := 1
	if testing.Short() {
		step = 17
	}
	flips := 0
	var mu sync.Mutex
	each(slices.Sorted(maps.Keys(c.files)), func(path string) {
		for i := 0; i < len(c.files[path]); i += step {
			files := c.clone()
			files[path] = bytes.Clone(files[path])
			files[path][i] ^= 1 << (i % 8)
			r, err := audit.Run(context.Background(), c.options(files))
			if err != nil || r.Verdict != audit.False {
				t.Errorf("%s with bit %d of byte %d flipped: %+v, %v", path, i%8, i, r, err)
			}
			mu.Lock()
			flips++
			mu.Unlock()
		}
	})
	t.Logf("%d flips", flips)
}

// T-33, where tiles are full and stand on tiles.
func TestNoFlippedByteOfAFullTileIsTrue(t *testing.T) {
	testenv.SkipInRace(t)
	c := deep(t)
	paths := slices.DeleteFunc(slices.Sorted(maps.Keys(c.files)), func(p string) bool { return !strings.HasPrefix(p, "tile/") })
	if want := []string{"tile/0/000", "tile/0/001.p/2", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/2"}; !slices.Equal(paths, want) {
		t.Fatalf("tiles %v, want %v", paths, want)
	}
	each(paths, func(path string) {
		for k := range 12 {
			files := c.clone()
			files[path] = bytes.Clone(files[path])
			i := k * len(files[path]) / 12
			files[path][i] ^= 0x20
			r, err := audit.Run(context.Background(), c.options(files))
			if err != nil || r.Verdict != audit.False {
				t.Errorf("%s with byte %d flipped: %+v, %v", path, i, r, err)
			}
			// The same from a second source that is whole.
			r, err = audit.Run(context.Background(), c.options(files, c.files))
			if err != nil || r.Verdict != audit.True || len(r.Observed) == 0 {
				t.Errorf("%s with byte %d flipped at one of two sources: %+v, %v", path, i, r, err)
			}
		}
	})
}

// What is of another length than it must be.
func TestNoFileOfAnotherLengthIsTrue(t *testing.T) {
	testenv.SkipInRace(t)
	for _, c := range []*city{small(t), deep(t)} {
		each(c.paths(), func(path string) {
			data := c.files[path]
			for name, changed := range map[string][]byte{
				"empty": {}, "one byte short": data[:len(data)-1], "half": data[:len(data)/2],
				"one byte more": append(bytes.Clone(data), 0), "a line more": append(bytes.Clone(data), '\n'),
				"twice": append(bytes.Clone(data), data...), "a hash more": append(bytes.Clone(data), make([]byte, 32)...),
			} {
				files := c.clone()
				files[path] = changed
				r, err := audit.Run(context.Background(), c.options(files))
				if err != nil || r.Verdict != audit.False {
					t.Errorf("%s, %s: %+v, %v", path, name, r, err)
				}
			}
		})
	}
}

// T-17.
func TestWithheldFileCouldNotTell(t *testing.T) {
	for _, c := range []*city{small(t), deep(t)} {
		each(c.paths(), func(path string) {
			files := c.clone()
			delete(files, path)
			r, err := audit.Run(context.Background(), c.options(files))
			if err != nil || r.Verdict != audit.CouldNotTell || r.Void > 0 {
				t.Errorf("without %s: %+v, %v", path, r, err)
			}
			if strings.HasPrefix(path, "bodies/") && (r.Bodies.Missing != 1 || len(r.Missing) != 1) {
				t.Errorf("without %s: bodies %+v, missing %v; want one missing", path, r.Bodies, r.Missing)
			}
		})
	}
}

// What follows a lost bundle is not called void because its chain can't be seen.
func TestGapIsNoReasonForVoid(t *testing.T) {
	c := newCity(t)
	c.squares(1, 100)
	c.publish("use/1", declaration.Amend, reason(video(1), "korter"))
	c.sign()
	delete(c.files, "tile/entries/000")
	r := run(t, c.options())
	wantVerdict(t, r, audit.CouldNotTell)
	if r.Void != 0 || r.Unfollowed != 45 || r.Leaves != 45 || r.Marked != 0 || len(r.Lost) != 1 || r.Lost[0].Path != "tile/entries/000" {
		t.Errorf("void %d, unfollowed %d of %d, marked %d, lost %v; want 0, 45 of 45, 0 and the bundle", r.Void, r.Unfollowed, r.Leaves, r.Marked, r.Lost)
	}
}

// brokenLine is a source that fails for everything but what works says.
type brokenLine struct {
	client.Getter
	works func(path string) bool
}

func (b brokenLine) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if !b.works(path) {
		return nil, errors.New("no route to host")
	}
	return b.Getter.Get(ctx, path, limit)
}

func TestUnreachableCouldNotTell(t *testing.T) {
	c := deep(t)
	for _, prefix := range []string{"checkpoint", "tile/0/", "tile/1/", "tile/entries/", "bodies/"} {
		opts := c.options()
		opts.Sources = []*client.LogReader{client.NewLogReader(brokenLine{c.files, func(p string) bool { return !strings.HasPrefix(p, prefix) }})}
		wantVerdict(t, run(t, opts), audit.CouldNotTell)
	}
}

// endless is a log of any size in which all leaves are the same junk: its tiles cost
// nothing to make.
type endless struct {
	shelf
	level   [tile.Levels + 1]proof.Hash // a full tile's root, by level; level[0] is the leaf
	entries bool                        // whether bundles are served
}

var junk = []byte("junk")

func newEndless(c *city, size uint64, entries bool) *endless {
	e := &endless{shelf: shelf{}, entries: entries}
	e.level[0] = proof.LeafHash(junk)
	for l := range tile.Levels {
		var r proof.Range
		for range tile.FullWidth {
			r.Append(e.level[l])
		}
		e.level[l+1] = r.Root()
	}
	var top proof.Range // 2^62 leaves are 64 trees of 2^56
	for range size >> 56 {
		top.Append(e.level[7])
	}
	e.shelf["checkpoint"] = c.note(client.Head{Origin: origin, Size: size, Root: top.Root()})
	return e
}

func (e *endless) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	id, err := tile.ParsePath(path)
	if err != nil || id.Entries && !e.entries {
		return e.shelf.Get(ctx, path, limit)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var data []byte
	for range id.Width {
		if id.Entries {
			data, err = tile.AppendEntry(data, junk)
		} else {
			data = append(data, e.level[id.Level][:]...)
		}
	}
	return data, err
}

func TestCheckpointThatClaims2To62Leaves(t *testing.T) {
	c := newCity(t)
	opts := c.options()

	// Without entries the audit gives up by itself.
	opts.Sources = []*client.LogReader{client.NewLogReader(newEndless(c, 1<<62, false))}
	r := run(t, opts)
	wantVerdict(t, r, audit.CouldNotTell)
	if r.Size != 1<<62 || r.Leaves != 0 {
		t.Errorf("size %d, leaves %d; want 2^62, 0", r.Size, r.Leaves)
	}

	// With entries it goes on for as long as the caller lets it, and no longer.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opts.Sources = []*client.LogReader{client.NewLogReader(newEndless(c, 1<<62, true))}
	opts.Progress = func(done, total uint64) {
		if total != 1<<62 {
			t.Errorf("total %d, want 2^62", total)
		}
		if done > 10_000 {
			cancel()
		}
	}
	if r, err := audit.Run(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %+v, %v; want it cancelled", r, err)
	}

	// And nothing is asked of a size that no log can have.
	c.files["checkpoint"] = bytes.Replace(c.note(client.Head{Origin: origin, Size: math.MaxInt64}), []byte("9223372036854775807"), []byte("9223372036854775808"), 1)
	wantVerdict(t, run(t, c.options()), audit.False)
}

// stalled never answers for one path.
type stalled struct {
	client.Getter
	path string

	mu    sync.Mutex // guards asked
	asked int        // bundles
}

func (s *stalled) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if path == s.path {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if strings.HasPrefix(path, "tile/entries/") {
		s.mu.Lock()
		s.asked++
		s.mu.Unlock()
	}
	return s.Getter.Get(ctx, path, limit)
}

// I8: however long the log, only a window of it is in memory.
func TestWindowIsBounded(t *testing.T) {
	c := newCity(t)
	c.publish("com/1", declaration.Publish, sample(noneJSON, 1))
	for n := range 200 * tile.FullWidth {
		c.append(fmt.Appendf(nil, "junk %d", n))
	}
	c.sign()
	var first string
	for path := range c.files {
		if strings.HasPrefix(path, "bodies/") {
			first = path
		}
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		source := &stalled{Getter: c.files, path: first}
		opts := c.options()
		opts.Sources = []*client.LogReader{client.NewLogReader(source)}
		done := make(chan error)
		go func() {
			_, err := audit.Run(ctx, opts)
			done <- err
		}()
		synctest.Wait()
		// 16 bundles ahead, those whose leaves wait to be followed (1,024), and those
		// in hand in between.
		if source.asked > 25 {
			t.Errorf("%d bundles were read while the first leaf waits, want at most 25", source.asked)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it cancelled", err)
		}
	})
}
