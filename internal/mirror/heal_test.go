package mirror_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// rot changes a byte of a stored value, by the letter of its kind and what follows it, behind the mirror's back.
func (w *world) rot(kind byte, rest []byte, at int) {
	w.t.Helper()
	w.close()
	db, err := pebbledb.Open(w.dir+"/mirror", pebbledb.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(w.city.Origin))
	key := append(append(append([]byte{pebbledb.PrefixMirror}, sum[:]...), kind), rest...)
	v, err := db.Get(key)
	if err != nil {
		w.t.Fatal(err)
	}
	v[at%len(v)] ^= 4
	b := db.NewBatch()
	if err := errors.Join(b.Set(key, v, nil), db.Commit(b), b.Close(), db.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mirror.NewHandler(w.mirror, slog.New(slog.DiscardHandler)).Routes(mux, "")
	return mux
}

func (w *world) get(path string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, fmt.Sprintf("/mirror/%x/%s", sha256.Sum256([]byte(w.city.Origin)), path), nil)
	rec := httptest.NewRecorder()
	w.handler().ServeHTTP(rec, r)
	return rec
}

// settle runs what runs beside a mirror for a while.
func (w *world) settle(d time.Duration, run func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	run(ctx)
}

// Incident 2, T-33: whatever byte rots in a copy is never served, is found by the scrub and by who reads it, and is mended
// with what others give, if the signed tree has it there.
func TestIncident2RottenCopyIsMendedByHash(t *testing.T) {
	testenv.SkipInRace(t)
	u64 := func(level ...byte) []byte { return append(append([]byte{}, level...), 0, 0, 0, 0, 0, 0, 0, 1) }
	for name, c := range map[string]struct {
		kind byte
		rest func(sum [sha256.Size]byte) []byte
		path func(sum [sha256.Size]byte) string
	}{
		"an entry bundle": {'e', func([32]byte) []byte { return u64() }, func([32]byte) string { return "tile/entries/001" }},
		"a tile":          {'t', func([32]byte) []byte { return u64(0) }, func([32]byte) string { return "tile/0/001" }},
		"a body":          {'b', func(sum [32]byte) []byte { return sum[:] }, func(sum [32]byte) string { return fmt.Sprintf("bodies/%x", sum) }},
	} {
		for _, found := range []string{"by a reader", "by the scrub"} {
			t.Run(name+" "+found, func(t *testing.T) {
				w := newWorld(t)
				sum := w.log.Declare(300, "officer-1")
				w.log.Declare(400, "officer-1")
				w.mustFollow()
				want := w.get(c.path(sum)).Body.Bytes()
				w.rot(c.kind, c.rest(sum), 77)
				if found == "by a reader" {
					if got := w.get(c.path(sum)); got.Code != http.StatusInternalServerError {
						t.Fatalf("what is damaged is answered with %d", got.Code)
					}
				} else {
					w.scrub()
				}
				if s := w.mirror.State(); s.Damaged == 0 || s.Found == 0 {
					t.Fatalf("it is not found: %+v", s)
				}
				liar := &source{Log: w.log, bundle: func(e [][]byte) [][]byte { e[3] = e[4]; return e }, file: func(b []byte) []byte { return append(b, ' ') }}
				if c.kind != 't' { // that one is computed again from the entries
					w.sources = []mirror.Source{liar}
					w.heal()
					if s := w.mirror.State(); s.Damaged == 0 || s.Mended != 0 {
						t.Fatalf("a liar's bytes mended it: %+v", s)
					}
				}
				w.sources = []mirror.Source{liar, &source{Log: w.log}}
				w.heal()
				if s := w.mirror.State(); s.Damaged != 0 || s.Mended != s.Found {
					t.Fatalf("it is not mended: %+v", s)
				}
				if got := w.get(c.path(sum)); got.Code != http.StatusOK || !bytes.Equal(got.Body.Bytes(), want) {
					t.Errorf("mended, it is answered with %d and other bytes", got.Code)
				}
				w.scrub()
				if s := w.mirror.State(); s.Damaged != 0 {
					t.Errorf("after another look: %+v", s)
				}
			})
		}
	}
}

func (w *world) scrub() {
	w.t.Helper()
	if err := w.mirror.ScrubLog(w.t.Context(), w.city.Origin); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) heal() {
	w.mirror.HealAll(w.t.Context())
}

// Where all of a bundle is gone, tile and entries, the tree above them says what belongs there; in a log of more than
// 65,536 entries that is a stored tile, which is mended first.
func TestIncident2RottenTreeIsMendedFromAbove(t *testing.T) {
	testenv.SkipInRace(t)
	w := newWorld(t)
	w.log.Declare(1, "officer-1")
	for i := range 66_000 {
		w.log.Append(fmt.Appendf(nil, "void %d", i))
	}
	w.mustFollow()
	w.rot('t', []byte{1, 0, 0, 0, 0, 0, 0, 0, 0}, 32*7)
	w.rot('t', []byte{0, 0, 0, 0, 0, 0, 0, 0, 7}, 9)
	w.rot('e', []byte{0, 0, 0, 0, 0, 0, 0, 7}, 99)
	w.scrub()
	for range 3 { // what hides behind a damage is found when that is mended
		w.heal()
		w.scrub()
	}
	if s := w.mirror.State(); s.Damaged != 0 || s.Mended == 0 {
		t.Errorf("%+v", s)
	}
	for _, path := range []string{"tile/1/000", "tile/0/007", "tile/entries/007"} {
		if got := w.get(path); got.Code != http.StatusOK {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

// What all else is compared with is never trusted when it is damaged: it is fetched again.
func TestIncident2RottenEdgeIsFetchedAgain(t *testing.T) {
	for kind, held := range map[byte]uint64{'h': 0, 'r': 512} {
		w := newWorld(t)
		w.log.Declare(700, "officer-1")
		w.mustFollow()
		w.rot(kind, nil, 50)
		if size, _ := w.copied().Head(); size != held {
			t.Errorf("%c: the copy has size %d, want %d", kind, size, held)
		}
		w.mustFollow()
		if size, root := w.copied().Head(); size != 700 || root != must(tile.Root(t.Context(), w.log, 700)) {
			t.Errorf("%c: fetched again, it has size %d", kind, size)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A body that is not there, and was not noted as absent, is fetched again.
func TestIncident2LostBodyIsFoundByTheScrub(t *testing.T) {
	w := newWorld(t)
	sum := w.log.Declare(300, "officer-1")
	stranger := w.log.Declare(1, "a stranger") // void: nobody keeps its body
	delete(w.log.Files, stranger)
	w.mustFollow()
	w.lose('b', sum[:])
	w.scrub()
	if s := w.mirror.State(); s.Damaged != 1 {
		t.Fatalf("%+v", s)
	}
	w.heal()
	if got, err := w.copied().Body(sum); err != nil || sha256.Sum256(got) != sum {
		t.Errorf("mended: %v", err)
	}
}

// lose deletes a stored value behind the mirror's back.
func (w *world) lose(kind byte, rest []byte) {
	w.t.Helper()
	w.close()
	db, err := pebbledb.Open(w.dir+"/mirror", pebbledb.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(w.city.Origin))
	b := db.NewBatch()
	key := append(append(append([]byte{pebbledb.PrefixMirror}, sum[:]...), kind), rest...)
	if err := errors.Join(b.Delete(key, nil), db.Commit(b), b.Close(), db.Close()); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// A scrub goes over everything within its period, and on where it was after a restart.
func TestScrubOfCopiesKeepsItsPeriodAndPlace(t *testing.T) {
	testenv.SkipInRace(t)
	// In a bubble time costs nothing. The stores are opened in it too: Pebble's goroutines are theirs.
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.log.Declare(3000, "officer-1")
		w.mustFollow()
		w.settle(24*time.Hour-time.Minute, func(ctx context.Context) { w.mirror.Scrub(ctx, 24*time.Hour, 1<<40) })
		whole := w.mirror.State()
		if whole.Cycles != 1 || whole.Bytes == 0 {
			t.Errorf("after a period: %+v", whole)
		}
		w.settle(2*time.Hour, func(ctx context.Context) { w.mirror.Scrub(ctx, 24*time.Hour, 1<<40) })
		part := w.mirror.State().Bytes - whole.Bytes
		w.close()
		w.open()
		w.settle(24*time.Hour, func(ctx context.Context) { w.mirror.Scrub(ctx, 24*time.Hour, 1<<40) })
		if s := w.mirror.State(); s.Cycles != 1 || s.Bytes >= whole.Bytes {
			t.Errorf("after a restart it read %d of %d bytes once more, of which %d were read before", s.Bytes, whole.Bytes, part)
		}
	})
}

// spoilTable flips a byte of a table, spoilList one of the list of tables.
func spoilTable(name string, b []byte) {
	if strings.HasSuffix(name, ".sst") {
		b[len(b)/3] ^= 1
	}
}

func spoilList(name string, b []byte) {
	if strings.HasPrefix(name, "MANIFEST-") {
		b[len(b)/3] ^= 1
	}
}

// spoil changes bytes in the files of the database itself, behind the mirror's back.
func (w *world) spoil(spoil func(name string, b []byte)) {
	w.t.Helper()
	w.close()
	w.open() // what was in the write-ahead log is in tables now
	w.close()
	testenv.Spoil(w.t, filepath.Join(w.dir, "mirror", "pebble"), spoil)
	w.open()
}

// refetches checks that a copy that vouched for 600 entries is empty now, goes back on nothing, and comes back as it was.
func (w *world) refetches(want []byte) {
	w.t.Helper()
	if size, _ := w.copied().Head(); size != 0 {
		w.t.Errorf("the copy has size %d, want a new one", size)
	}
	if size := w.cosigned(); size != 600 {
		w.t.Errorf("it vouched for size %d, want 600 as before", size)
	}
	w.log.Declare(1, "officer-1")
	w.mustFollow()
	if got := w.get("tile/entries/001").Body.Bytes(); !bytes.Equal(got, want) {
		w.t.Error("what was fetched again is something else")
	}
}

// Incident 2: a byte that rots inside a file of the database itself halts the mirror, and is never served; at the next start all is
// fetched again, and nothing smaller than before is cosigned.
func TestIncident2RottenDatabaseIsFetchedAgain(t *testing.T) {
	for name, spoil := range map[string]func(name string, b []byte){"a table": spoilTable, "the list of tables": spoilList} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.log.Declare(600, "officer-1")
			w.mustFollow()
			want := w.get("tile/entries/001").Body.Bytes()
			w.spoil(spoil)
			_ = w.mirror.ScrubLog(t.Context(), w.city.Origin) // it reads all, and may well fail
			if got := w.get("tile/entries/001"); got.Code == http.StatusOK && !bytes.Equal(got.Body.Bytes(), want) {
				t.Error("damaged entries are served")
			}
			_ = errors.Join(w.store.Close(), w.heads.Close()) // halted, in one of the cases
			w.open()
			w.refetches(want)
		})
	}
}

// Incident 2: a mirror that runs needs no restart for it, while others read from it and it follows; who still holds the copy of
// before is told so.
func TestIncident2RottenDatabaseIsMadeAnewWhileTheMirrorRuns(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(600, "officer-1")
	w.mustFollow()
	want := w.get("tile/entries/001").Body.Bytes()
	w.spoil(spoilTable)
	before := w.copied()
	ctx, cancel := context.WithCancel(t.Context())
	var g sync.WaitGroup
	g.Go(func() { w.mirror.Heal(ctx) })
	for range 3 {
		g.Go(func() { // readers, at every moment of it
			for ctx.Err() == nil {
				if got := w.get("tile/entries/001"); got.Code == http.StatusOK && !bytes.Equal(got.Body.Bytes(), want) {
					t.Error("damaged entries are served")
				}
			}
		})
	}
	for deadline := time.Now().Add(time.Minute); w.copied() == before; time.Sleep(10 * time.Millisecond) {
		_ = w.mirror.ScrubLog(ctx, w.city.Origin)
		if time.Now().After(deadline) {
			t.Fatal("the damaged database is still in use after a minute")
		}
	}
	if _, err := before.Bundle(1, 256); !errors.Is(err, mirrorstore.ErrRetired) {
		t.Errorf("the copy of before answers %v", err)
	}
	cancel()
	g.Wait()
	w.refetches(want)
	if log := w.logged.String(); strings.Count(log, "made anew") != 1 {
		t.Errorf("the operator reads:\n%s", log)
	}
}

// A database that is whole is not made anew, whatever halts it.
func TestOnlyADamagedDatabaseIsMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(3, "officer-1")
	w.mustFollow()
	if renewed, err := w.store.Renew(); renewed || err != nil {
		t.Errorf("%v, %v", renewed, err)
	}
	if size, _ := w.copied().Head(); size != 3 {
		t.Errorf("the copy has size %d", size)
	}
}
