package scrub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/scrub"
	"github.com/cityproof/cityproof/internal/testenv"
)

const (
	masterSize = 66_000 // one full tile of level 1, one full tile of level 0 beside it, and an unfinished bundle
	groupSize  = 6_000
)

// entry is so long that the last commit has over 32 KiB: of less there would be a copy in the database, and fsck would
// rightly take that.
func entry(i int) []byte { return fmt.Appendf(nil, "entry %d %90d", i, i) }

func fill(t testing.TB, l *logstore.Log, from, to int) {
	t.Helper()
	for from < to {
		var g logstore.Group
		for ; from < to && len(g.Leaves) < 1000; from++ {
			g.Leaves = append(g.Leaves, logstore.Leaf{Entry: entry(from), Identity: sha256.Sum256(entry(from))})
		}
		if _, err := l.Append(context.Background(), g); err != nil {
			t.Fatal(err)
		}
	}
}

func body(i int) []byte { return fmt.Appendf(nil, "body %d %s", i, bytes.Repeat([]byte("."), 3000)) }

func putBodies(t testing.TB, db *pebbledb.DB, from, to int) {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	for i := from; i < to; i++ {
		if _, err := bodystore.StageBody(b, body(i)); err != nil {
			t.Fatal(err)
		}
		if _, err := bodystore.StageAttachment(b, append([]byte("attached "), body(i)...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Commit(b); err != nil {
		t.Fatal(err)
	}
}

// master is a data directory that is built once.
var master = sync.OnceValues(func() (*vfs.MemFS, error) {
	mem := vfs.NewCrashableMem()
	db, err := pebbledb.Open("data", pebbledb.Options{FS: mem})
	if err != nil {
		return nil, err
	}
	l, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		return nil, err
	}
	for at := 0; at < masterSize; {
		var g logstore.Group
		for ; at < masterSize && len(g.Leaves) < groupSize; at++ {
			g.Leaves = append(g.Leaves, logstore.Leaf{Entry: entry(at), Identity: sha256.Sum256(entry(at))})
		}
		if _, err := l.Append(context.Background(), g); err != nil {
			return nil, err
		}
	}
	b := db.NewBatch()
	for i := range 200 {
		_, err1 := bodystore.StageBody(b, body(i))
		_, err2 := bodystore.StageAttachment(b, append([]byte("attached "), body(i)...))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
	}
	err = errors.Join(db.Commit(b), b.Close())
	l.Close()
	return mem, errors.Join(err, db.Close())
})

// store is an open copy of the master, with a list of damages.
type store struct {
	t       *testing.T
	fs      vfs.FS
	db      *pebbledb.DB
	log     *logstore.Log
	damages *scrub.Damages
	logged  *bytes.Buffer
}

func openMaster(t *testing.T) *store {
	t.Helper()
	mem, err := master()
	if err != nil {
		t.Fatal(err)
	}
	s := &store{t: t, fs: mem.CrashClone(vfs.CrashCloneCfg{})}
	s.open()
	t.Cleanup(s.close)
	return s
}

func (s *store) open() {
	s.t.Helper()
	var err error
	if s.db, err = pebbledb.Open("data", pebbledb.Options{FS: s.fs}); err != nil {
		s.t.Fatal(err)
	}
	if s.log, err = logstore.Open(s.db, logstore.Options{}); err != nil {
		s.t.Fatal(err)
	}
	// Pebble makes a channel for each table that it opens, and may then not use it outside of the bubble that it was made in:
	// so all are opened here.
	if _, _, err := s.db.ReadThrough(pebbledb.Span{Start: []byte{0}, End: []byte{255}}, 1<<30, 1<<40); err != nil {
		s.t.Fatal(err)
	}
	s.logged = &bytes.Buffer{}
	s.damages = scrub.NewDamages(slog.New(slog.NewTextHandler(s.logged, nil)))
}

func (s *store) close() {
	s.log.Close()
	if err := s.db.Close(); err != nil {
		s.t.Error(err)
	}
}

func (s *store) options(period time.Duration, rate int64) scrub.Options {
	return scrub.Options{DB: s.db, Log: s.log, Damages: s.damages, Logger: slog.New(slog.DiscardHandler), Period: period, MaxRate: rate}
}

const fast = 1 << 40 // bytes per second: no ceiling

// cycle runs s for one whole period in a bubble, in which time costs nothing.
func cycle(t *testing.T, s *scrub.Scrubber, period time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		before := s.State().Cycles
		ctx, cancel := context.WithTimeout(context.Background(), period-time.Millisecond)
		defer cancel()
		s.Run(ctx)
		if got := s.State().Cycles; got != before+1 {
			t.Errorf("%d cycles in a period, want 1", got-before)
		}
	})
}

func (s *store) set(key, value []byte) {
	s.t.Helper()
	b := s.db.NewBatch()
	defer b.Close()
	if err := errors.Join(b.Set(key, value, nil), s.db.Commit(b)); err != nil {
		s.t.Fatal(err)
	}
}

// flip changes one bit of a value in the database, and returns what changes it back.
func (s *store) flip(key []byte, at int) (back func()) {
	s.t.Helper()
	old, err := s.db.Get(key)
	if err != nil {
		s.t.Fatal(err)
	}
	changed := bytes.Clone(old)
	changed[at] ^= 1
	s.set(key, changed)
	return func() { s.set(key, old) }
}

// flipFile changes bytes in a file of entries.
func (s *store) flipFile(from, to string) (back func()) {
	s.t.Helper()
	names, err := s.db.FS().List(s.db.EntriesDir())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		f, err := s.db.FS().OpenReadWrite(s.db.FS().PathJoin(s.db.EntriesDir(), name), vfs.WriteCategoryUnspecified)
		if err != nil {
			s.t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		at := bytes.Index(data, []byte(from))
		if at >= 0 && err == nil {
			_, err = f.WriteAt([]byte(to), int64(at))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			s.t.Fatal(err)
		}
		if at >= 0 {
			return func() { s.flipFile(to, from) }
		}
	}
	s.t.Fatalf("no file of entries holds %q", from)
	return nil
}

func bundleKey(n uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntry, n) }

func TestEachKindOfDamageIsFoundAndRefused(t *testing.T) {
	testenv.SkipInRace(t)
	bodyKey := pebbledb.HashKey(pebbledb.PrefixBody, sha256.Sum256(body(7)))
	fileKey := pebbledb.HashKey(pebbledb.PrefixAttachment, sha256.Sum256(append([]byte("attached "), body(7)...)))
	read := func(index uint64) func(*store) error {
		return func(s *store) error { _, err := s.log.Entry(index); return err }
	}
	// A tile of level 0 can be computed again from its entries, and is: such a read must give the entry and its proof.
	heals := func(index uint64) func(*store) error {
		return func(s *store) error {
			got, err := s.log.Entry(index)
			if err != nil {
				return err
			}
			size, root := s.log.Head()
			path, err := s.log.InclusionProof(t.Context(), index, size)
			if err != nil {
				return err
			}
			return proof.VerifyInclusion(index, size, proof.LeafHash(got), path, root)
		}
	}
	for i, tc := range []struct {
		name string
		harm func(*store) (back func())
		want string             // in the reason
		fsck []byte             // the key that fsck --deep names
		read func(*store) error // must be refused
		heal func(*store) error // must be right all the same
	}{
		{"an entry", func(s *store) func() { return s.flipFile("entry 777", "entsy 777") }, "entry 777 does not have", bundleKey(3), read(777), nil},
		{"the length of an entry", func(s *store) func() { return s.flipFile("\x00\x64entry 777", "\x00\x65entry 777") }, "entry bundle 3", bundleKey(3), read(777), nil},
		{"the place of a bundle", func(s *store) func() { return s.flip(bundleKey(3), 7) }, "entry bundle 3", bundleKey(3), read(777), nil},
		{"an entry of the unfinished bundle", func(s *store) func() { return s.flipFile("entry 65990", "entsy 65990") }, "entry 65990 does not have", []byte("mhead"), read(65990), nil},
		{"a tile of level 0", func(s *store) func() { return s.flip(pebbledb.TileKey(0, 3), 40) }, "tile 3 of level 0", pebbledb.TileKey(0, 3), nil, heals(769)},
		{"a tile of level 0 on the edge", func(s *store) func() { return s.flip(pebbledb.TileKey(0, 256), 40) }, "tile 256 of level 0", pebbledb.TileKey(0, 256), nil, heals(65537)},
		{"a tile of level 1", func(s *store) func() { return s.flip(pebbledb.TileKey(1, 0), 8191) }, "tile 0 of level 1", pebbledb.TileKey(1, 0), nil, heals(5)},
		{"a body", func(s *store) func() { return s.flip(bodyKey, 100) }, "body", bodyKey, func(s *store) error {
			_, err := bodystore.New(s.db).Body([32]byte(bodyKey[1:]))
			return err
		}, nil},
		{"an attachment", func(s *store) func() { return s.flip(fileKey, 100) }, "attachment", fileKey, func(s *store) error {
			_, err := bodystore.New(s.db).Attachment([32]byte(fileKey[1:]))
			return err
		}, nil},
	} {
		if testing.Short() && i%4 != 0 {
			continue // hashing is slow under the race detector, and this is one goroutine
		}
		t.Run(tc.name, func(t *testing.T) {
			s := openMaster(t)
			sc := scrub.New(s.options(time.Hour, fast))
			cycle(t, sc, time.Hour)
			if why := s.damages.Reason(); why != "" {
				t.Fatalf("a whole log: %s", why)
			}
			back := tc.harm(s)
			cycle(t, scrub.New(s.options(time.Hour, fast)), 2*time.Hour)
			if why := s.damages.Reason(); !strings.Contains(why, tc.want) || !strings.Contains(why, "fsck --deep") {
				t.Errorf("reason %q, want %q and what to do", why, tc.want)
			}
			if now, found := s.damages.Count(); now != 1 || found != 1 {
				t.Errorf("%d damages, %d found, want 1", now, found)
			}
			if !strings.Contains(s.logged.String(), "level=ERROR") || !strings.Contains(s.logged.String(), tc.want) {
				t.Errorf("logged %q", s.logged)
			}
			if tc.read != nil {
				var inLog *logstore.DamagedError
				var inBodies *bodystore.DamagedError
				if err := tc.read(s); !errors.As(err, &inLog) && !errors.As(err, &inBodies) {
					t.Errorf("reading = %v, want a DamagedError", err)
				}
			}
			if tc.heal != nil {
				if err := tc.heal(s); err != nil {
					t.Errorf("reading = %v", err)
				}
			}
			if got := s.fsck(); !slices.ContainsFunc(got, func(d logstore.Damage) bool { return bytes.Equal(d.Key, tc.fsck) }) {
				t.Errorf("fsck finds %v, want key %q", got, tc.fsck)
			}
			back()
			cycle(t, scrub.New(s.options(time.Hour, fast)), 2*time.Hour)
			if why := s.damages.Reason(); why != "" {
				t.Errorf("put right again: %s", why)
			}
		})
	}
}

func (s *store) fsck() (found []logstore.Damage) {
	s.t.Helper()
	_, err := logstore.Fsck(context.Background(), s.db, logstore.FsckOptions{
		Identity: func(entry []byte) ([32]byte, error) { return sha256.Sum256(entry), nil },
		Report:   func(d logstore.Damage) { found = append(found, d) }, Workers: 3,
	}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

func TestACycleIsSpreadOverThePeriod(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	sc := scrub.New(s.options(24*time.Hour, fast))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { sc.Run(ctx); close(done) }()
		var hours [25]uint64
		for h := 1; h <= 24; h++ {
			time.Sleep(time.Hour) // of the bubble
			hours[h] = sc.State().Bytes
		}
		cancel()
		<-done
		quiet := 0
		for h := 1; h <= 24; h++ {
			if share := hours[h] - hours[h-1]; share > hours[24]/6 {
				t.Errorf("%d of %d bytes in hour %d", share, hours[24], h)
			} else if share == 0 {
				quiet++
			}
		}
		if quiet > 4 {
			t.Errorf("nothing was read in %d of 24 hours: %v", quiet, hours)
		}
	})
	if got := sc.State(); got.Cycles != 1 {
		t.Errorf("%d cycles in 24 hours", got.Cycles)
	}
}

func TestTheCeilingHoldsWhateverThePeriod(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	const rate = 200_000
	sc := scrub.New(s.options(time.Second, rate))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { sc.Run(ctx); close(done) }()
		for sec := uint64(1); sec <= 120; sec++ {
			time.Sleep(time.Second) // of the bubble
			if got := sc.State().Bytes; got > rate*sec+(512<<10) {
				t.Fatalf("%d bytes in %d s, the ceiling is %d/s", got, sec, rate)
			}
		}
		cancel()
		<-done
	})
	if got := sc.State(); got.Cycles == 0 || got.Bytes < 100*rate {
		t.Errorf("%+v after two minutes at %d/s: it should have gone on at the ceiling", got, rate)
	}
}

func TestARestartGoesOnWhereItWas(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	const day = 24 * time.Hour
	whole := scrub.New(s.options(day, fast))
	cycle(t, whole, day)
	all := whole.State().Bytes

	s.set([]byte("mscrub"), []byte("{}")) // as if it had never run
	var sum uint64
	synctest.Test(t, func(t *testing.T) {
		for i := range 5 { // five runs of 4.5 hours, each seconds after the other
			sc := scrub.New(s.options(day, fast))
			ctx, cancel := context.WithTimeout(context.Background(), 4*time.Hour+30*time.Minute)
			sc.Run(ctx)
			cancel()
			sum += sc.State().Bytes
			if sc.State().Cycles != 0 {
				t.Fatalf("run %d: a cycle of a day ended after %v hours", i, 4.5*float64(i+1))
			}
			time.Sleep(time.Second) // of the bubble
		}
		last := scrub.New(s.options(day, fast))
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour+29*time.Minute)
		defer cancel()
		last.Run(ctx)
		if last.State().Cycles != 1 || last.State().Complete == 0 {
			t.Errorf("%+v after a day in six runs, want a whole cycle", last.State())
		}
		sum += last.State().Bytes
	})
	if sum < all*95/100 || sum > all*105/100 {
		t.Errorf("six runs read %d bytes, one reads %d", sum, all)
	}
}

func TestDamageIsKnownAfterARestart(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	back := s.flipFile("entry 777", "entsy 777")
	cycle(t, scrub.New(s.options(time.Hour, fast)), time.Hour)
	s.close()
	s.open()
	sc := scrub.New(s.options(time.Hour, fast))
	if why := s.damages.Reason(); !strings.Contains(why, "before the last start") {
		t.Errorf("after a restart: %q", why)
	}
	stopped, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-stopped.Done()
	sc.Run(stopped) // too short to look
	if why := s.damages.Reason(); why == "" {
		t.Error("what nobody has looked at again is whole")
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		scrub.New(s.options(time.Hour, fast)).Run(ctx)
	})
	if why := s.damages.Reason(); !strings.Contains(why, "entry 777") {
		t.Errorf("looked at again: %q", why)
	}
	back()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		scrub.New(s.options(time.Hour, fast)).Run(ctx) // what is known is looked at first
	})
	if why := s.damages.Reason(); why != "" {
		t.Errorf("put right: %q", why)
	}
}

func TestWhatAReadFoundLeavesAfterAWholeCycle(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	s.damages.Found("a tile that a reader asked for")
	s.damages.Found("a tile that a reader asked for")
	if now, found := s.damages.Count(); now != 1 || found != 1 {
		t.Errorf("%d damages, %d found, want 1", now, found)
	}
	sc := scrub.New(s.options(time.Hour, fast))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { sc.Run(ctx); close(done) }()
		time.Sleep(30 * time.Minute) // of the bubble
		if why := s.damages.Reason(); !strings.Contains(why, "a reader asked for") {
			t.Errorf("half a cycle later: %q", why)
		}
		s.damages.Found("found in the middle of a cycle")
		time.Sleep(31 * time.Minute)
		if why := s.damages.Reason(); !strings.Contains(why, "middle") || strings.Contains(why, "asked for") {
			t.Errorf("after the cycle: %q", why)
		}
		time.Sleep(time.Hour)
		cancel()
		<-done
	})
	if why := s.damages.Reason(); why != "" {
		t.Errorf("after another cycle: %q", why)
	}
}

func TestMissingBodyIsDamage(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	o := s.options(time.Hour, fast)
	gone := pebbledb.HashKey(pebbledb.PrefixBody, [32]byte{9})
	o.Visit = func(index uint64, _ []byte) ([]byte, error) {
		if index == 1234 {
			return gone, errors.New("its body is missing")
		}
		return nil, nil
	}
	cycle(t, scrub.New(o), time.Hour)
	if why := s.damages.Reason(); !strings.Contains(why, "entry 1234: its body is missing") {
		t.Errorf("reason %q", why)
	}
}

// TestAWholeLogInUseHasNoDamage scrubs without a pause while entries are appended and bodies come and are erased.
func TestAWholeLogInUseHasNoDamage(t *testing.T) {
	s := openMaster(t)
	sc := scrub.New(s.options(1, fast))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { sc.Run(ctx); close(done) }()
	bodies := bodystore.New(s.db)
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for i := range rounds {
		at := masterSize + i*300
		fill(t, s.log, at, at+300)
		putBodies(t, s.db, 1000+i, 1001+i)
		if err := bodies.Erase(context.Background(), sha256.Sum256(body(1000+i)), 1); err != nil {
			t.Fatal(err)
		}
	}
	for before := sc.State().Cycles; sc.State().Cycles < before+2; { // one that began after the last append
		if _, err := s.log.Entry(0); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	<-done
	if why := s.damages.Reason(); why != "" || s.logged.Len() > 0 {
		t.Errorf("reason %q, logged %s", why, s.logged)
	}
}
