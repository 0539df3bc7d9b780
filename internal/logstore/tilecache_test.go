package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// uncached is a source of the same tiles without the log's cache: what is stored, expanded for each proof.
type uncached struct{ *logstore.Log }

func (u uncached) Tile(ctx context.Context, level int, n uint64, width int) ([]proof.Hash, error) {
	return u.Log.Tile(ctx, level, n, width)
}

func (u uncached) Expanded() {} // hides the method that makes a Log an ExpandedSource

// TestProofsFromTheCacheVerify makes proofs of random leaves and sizes, with a cache of two tiles, so that nearly all are
// evicted, and with one that holds all.
func TestProofsFromTheCacheVerify(t *testing.T) {
	testenv.SkipInRace(t)
	const size = 70_000
	for _, bytes := range []int{1, 20_000, 0} {
		s := newStore(t, vfs.NewMem(), logstore.Options{TileCacheBytes: bytes})
		fill(t, s.log, size)
		ctx, rnd := t.Context(), rand.New(rand.NewPCG(1, 2))
		for range 200 {
			of := 1 + rnd.Uint64N(size)
			index := rnd.Uint64N(of)
			root, err := tile.Root(ctx, uncached{s.log}, of)
			if err != nil {
				t.Fatal(err)
			}
			path, err := s.log.InclusionProof(ctx, index, of)
			if err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyInclusion(index, of, proof.LeafHash(leaf("leaf %d", index).Entry), path, root); err != nil {
				t.Fatalf("index %d of %d: %v", index, of, err)
			}
			old, err := s.log.Root(ctx, index+1)
			if err != nil {
				t.Fatal(err)
			}
			if path, err = s.log.ConsistencyProof(ctx, index+1, of); err != nil {
				t.Fatal(err)
			}
			if err := proof.VerifyConsistency(index+1, of, old, root, path); err != nil {
				t.Fatalf("%d to %d: %v", index+1, of, err)
			}
		}
	}
}

// TestI3FlippedTilesAreNotServed flips a bit of a stored tile. What is served instead is computed from what is below it;
// if that is damaged too, nothing that needs the tile is answered.
func TestI3FlippedTilesAreNotServed(t *testing.T) {
	testenv.SkipInRace(t)
	const size = 66_000
	for name, tc := range map[string]struct {
		level int
		n     uint64
		width int
		index uint64 // of a leaf below it
	}{
		"level 0":                     {0, 3, 256, 3*256 + 17},
		"level 0, the last":           {0, 256, 256, 256*256 + 1},
		"level 0, part of the tile":   {0, 9, 100, 9*256 + 7},
		"level 1":                     {1, 0, 256, 40_000},
		"level 1, part of an old log": {1, 0, 3, 256},
	} {
		t.Run(name, func(t *testing.T) {
			db := damaged.clone(t)
			var told []*logstore.DamagedError
			log, err := logstore.Open(db, logstore.Options{
				TileCacheBytes: 1, // one tile
				OnDamage:       func(d *logstore.DamagedError) { told = append(told, d) },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			calls := map[string]func() (any, error){
				"Tile":             func() (any, error) { return log.Tile(t.Context(), tc.level, tc.n, tc.width) },
				"InclusionProof":   func() (any, error) { return log.InclusionProof(t.Context(), tc.index, size) },
				"ConsistencyProof": func() (any, error) { return log.ConsistencyProof(t.Context(), tc.index+1, size) },
			}
			want := make(map[string]string)
			for what, call := range calls {
				got, err := call()
				if err != nil {
					t.Fatal(what, err)
				}
				want[what] = fmt.Sprint(got)
			}
			other := uint64(256) // under the right edge, so that reading it reads no tile of level 1
			if tc.n == other {
				other = 255
			}
			evict := func() {
				t.Helper()
				if _, err := log.Tile(t.Context(), 0, other, 256); err != nil {
					t.Fatal(err)
				}
				told = nil
			}
			flip := func(level int, n uint64) []byte {
				key := pebbledb.TileKey(uint8(level), n)
				value, err := db.Get(key)
				if err != nil {
					t.Fatal(err)
				}
				value[8191] ^= 0x40 // a hash that the answer itself need not contain
				set(t, db, key, value)
				return key
			}
			key := flip(tc.level, tc.n)
			wantTold := func(what string) {
				t.Helper()
				if len(told) == 0 || slices.ContainsFunc(told, func(d *logstore.DamagedError) bool { return string(d.Key) != string(key) }) {
					t.Errorf("%s: OnDamage was told %v, want the key of the tile", what, told)
				}
			}
			for what, call := range calls {
				evict()
				if got, err := call(); err != nil || fmt.Sprint(got) != want[what] {
					t.Errorf("%s = %v, %v, want what it was before", what, got, err)
				}
				wantTold(what)
			}
			if tc.level == 0 {
				flipEntry(t, db, fmt.Sprintf("leaf %d", tc.n*256+200), fmt.Sprintf("meaf %d", tc.n*256+200))
			} else {
				flip(0, 77)
			}
			for what, call := range calls {
				evict()
				var d *logstore.DamagedError
				if got, err := call(); !errors.As(err, &d) {
					t.Errorf("damaged twice: %s = %v, %v, want a DamagedError", what, got, err)
				}
				wantTold("damaged twice: " + what)
			}
		})
	}
}

// TestI3EntriesThatDifferAreTold flips an entry in its file.
func TestI3EntriesThatDifferAreTold(t *testing.T) {
	testenv.SkipInRace(t)
	db := damaged.clone(t)
	var told []*logstore.DamagedError
	log, err := logstore.Open(db, logstore.Options{OnDamage: func(d *logstore.DamagedError) { told = append(told, d) }})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	flipEntry(t, db, "leaf 5000", "leaf 500X")
	if _, err := log.Entry(5000); err == nil || len(told) != 1 || string(told[0].Key) != string(bundleKey(5000/256)) {
		t.Errorf("Entry = %v, told %v", err, told)
	}
	if _, err := log.Entry(5001); err != nil {
		t.Errorf("the entry behind it: %v", err)
	}
}

// TestReadersWhileTheLogGrows proves leaves from several goroutines while others append.
func TestReadersWhileTheLogGrows(t *testing.T) {
	s := newStore(t, vfs.NewMem(), logstore.Options{TileCacheBytes: 1 << 15})
	fill(t, s.log, 300)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for r := range 3 {
		rnd := rand.New(rand.NewPCG(uint64(r), 1))
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				size, root := s.log.Head()
				index := rnd.Uint64N(size)
				path, err := s.log.InclusionProof(context.Background(), index, size)
				if err == nil {
					err = proof.VerifyInclusion(index, size, proof.LeafHash(leaf("leaf %d", index).Entry), path, root)
				}
				if err != nil {
					t.Errorf("index %d of %d: %v", index, size, err)
					return
				}
			}
		})
	}
	for size := uint64(400); size < 5_000; size += 100 {
		fill(t, s.log, size)
	}
	close(stop)
	wg.Wait()
}

// BenchmarkInclusionProof proves random leaves of a million, and beside it makes the same proofs with every tile expanded
// anew, in the same run.
func BenchmarkInclusionProof(b *testing.B) {
	const size = 1_000_000
	s, err := openStore(b.TempDir(), nil, logstore.Options{PureIdentity: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.close()
	fill(b, s.log, size)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 4 * size / tile.FullWidth { // warm
		if _, err := s.log.InclusionProof(b.Context(), rnd.Uint64N(size), size); err != nil {
			b.Fatal(err)
		}
	}
	var cached, anew []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		index := rnd.Uint64N(size)
		start := time.Now()
		if _, err := s.log.InclusionProof(b.Context(), index, size); err != nil {
			b.Fatal(err)
		}
		cached = append(cached, time.Since(start))
		if len(cached)%16 != 0 {
			continue
		}
		start = time.Now()
		if _, err := tile.InclusionProof(b.Context(), uncached{s.log}, index, size); err != nil {
			b.Fatal(err)
		}
		anew = append(anew, time.Since(start))
	}
	if len(anew) == 0 {
		return
	}
	slices.Sort(cached)
	slices.Sort(anew)
	b.ReportMetric(float64(cached[len(cached)/2].Nanoseconds()), "p50-ns")
	b.ReportMetric(float64(cached[len(cached)*99/100].Nanoseconds()), "p99-ns")
	b.ReportMetric(float64(anew[len(anew)/2])/float64(cached[len(cached)/2]), "x-expanded-anew")
}
