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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/witness"
)

// source shows a log, through what a test puts in between.
type source struct {
	*alliancetest.Log
	bundle func(entries [][]byte) [][]byte
	tile   func(hashes []proof.Hash) []proof.Hash
	file   func(b []byte) []byte
	bulk   bool
}

func (s *source) Bundle(ctx context.Context, index uint64, width int) ([][]byte, error) {
	b, err := s.Log.Bundle(ctx, index, width)
	if err == nil && s.bundle != nil {
		b = s.bundle(append([][]byte(nil), b...))
	}
	return b, err
}

func (s *source) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	h, err := s.Log.Tile(ctx, level, index, width)
	if err == nil && s.tile != nil {
		h = s.tile(append([]proof.Hash(nil), h...))
	}
	return h, err
}

func (s *source) File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	b, err := s.Log.File(ctx, sum)
	if err == nil && s.file != nil {
		b = s.file(bytes.Clone(b))
	}
	return b, err
}

func (s *source) Files(_ context.Context, index uint64, width int) ([][]byte, error) {
	if !s.bulk {
		return nil, errors.New("not here")
	}
	files, err := s.Bundled(index, width)
	for i, f := range files {
		if f != nil && s.file != nil {
			files[i] = s.file(bytes.Clone(f))
		}
	}
	return files, err
}

// world is a mirror of jp-minato, and the log of nl-kanaalstad.
type world struct {
	t       testing.TB
	city    *alliancetest.City
	own     *alliancetest.City
	others  []*alliancetest.City // who witnesses the city's log
	r       *roster.Roster
	log     *alliancetest.Log
	dir     string
	store   *mirrorstore.Store
	heads   *peerstore.Store
	mirror  *mirror.Mirror
	sources []mirror.Source
	accused [][2][]byte
	limits  mirror.Limits
	now     time.Time
	logged  bytes.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	var cities []*alliancetest.City
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"} {
		cities = append(cities, alliancetest.NewCity(t, id))
	}
	r, err := roster.New(alliancetest.Found(t, cities...))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, others: []*alliancetest.City{cities[0], cities[2], cities[3]}, city: cities[1], own: cities[2], r: r, log: alliancetest.NewLog(t, cities[1]), dir: t.TempDir(), now: alliancetest.FoundedAt}
	w.sources = []mirror.Source{&source{Log: w.log, bulk: true}}
	w.open()
	t.Cleanup(w.close)
	return w
}

func (w *world) open() {
	w.t.Helper()
	var err error
	if w.store, err = mirrorstore.Open(w.dir+"/mirror", mirrorstore.Options{}); err != nil {
		w.t.Fatal(err)
	}
	if w.heads, err = peerstore.Open(w.dir, []string{"key"}, peerstore.Options{}); err != nil {
		w.t.Fatal(err)
	}
	if w.mirror, err = mirror.New(mirror.Options{
		Store: w.store, Heads: w.heads, Signer: w.own.Mirror(w.t), Logs: w,
		Conflict: func(a, b []byte) { w.accused = append(w.accused, [2][]byte{a, b}) },
		Shown: func(origin string) ([]byte, error) {
			h, _, err := w.heads.Head(sha256.Sum256([]byte(origin)))
			return h.Note, err
		},
		Limits: w.limits, Now: func() time.Time { return w.now }, Logger: slog.New(slog.NewTextHandler(&w.logged, nil)),
	}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) close() {
	if err := errors.Join(w.store.Close(), w.heads.Close()); err != nil {
		w.t.Error(err)
	}
}

func (w *world) Mirrored(origin string) (mirror.Log, bool) {
	m := w.r.ByOrigin(origin)
	if m == nil {
		return mirror.Log{}, false
	}
	keys, err := w.r.NewestLogKeys(origin)
	if err != nil {
		w.t.Fatal(err)
	}
	trust, err := receipt.TrustIn(w.r, m)
	if err != nil {
		w.t.Fatal(err)
	}
	stopped := ""
	if w.mirror != nil {
		stopped = w.mirror.Withheld(origin)
	}
	return mirror.Log{
		Log: witness.Log{Keys: keys, Stopped: stopped}, Publisher: m.Publisher, Sources: w.sources, Trust: trust,
		AnchoredAt: func(anchor []byte) (int64, error) {
			beat, err := w.r.Heartbeat(m, nil, 0, anchor)
			return beat.Time, err
		},
	}, true
}

func (w *world) Origins() []string { return []string{w.city.Origin} }

// copied is the mirror's copy of the city's log.
func (w *world) copied() *mirrorstore.Log {
	w.t.Helper()
	log, err := w.store.Log(sha256.Sum256([]byte(w.city.Origin)))
	if err != nil {
		w.t.Fatal(err)
	}
	return log
}

// cosigned is the size of the head that the mirror vouches for, checked by the keys; 0 where there is none.
func (w *world) cosigned() uint64 {
	w.t.Helper()
	note, ok, err := w.mirror.Checkpoint(sha256.Sum256([]byte(w.city.Origin)))
	if err != nil {
		w.t.Fatal(err)
	}
	if !ok {
		return 0
	}
	key, err := checkpoint.NewVerifier(w.r.Member(w.own.ID).Mirror)
	if err != nil {
		w.t.Fatal(err)
	}
	log, _ := w.Mirrored(w.city.Origin)
	v, err := checkpoint.Verify(note, log.Keys, []*checkpoint.Verifier{key})
	if err != nil || len(v.Cosignatures) != 1 {
		w.t.Fatalf("the mirror's note: %v\n%s", err, note)
	}
	return v.Checkpoint.Size
}

func (w *world) follow() error { return w.mirror.Follow(w.t.Context(), w.city.Origin) }

func (w *world) mustFollow() {
	w.t.Helper()
	if err := w.follow(); err != nil {
		w.t.Fatal(err)
	}
	if size, _ := w.log.Head(); w.cosigned() != size {
		w.t.Fatalf("cosigned size %d of %d", w.cosigned(), size)
	}
}

func TestCopyIsTheLogByteForByte(t *testing.T) {
	testenv.SkipInRace(t)
	w := newWorld(t)
	mux := http.NewServeMux()
	mirror.NewHandler(w.mirror, slog.New(slog.DiscardHandler)).Routes(mux, "/city")
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for _, more := range []int{1, 2, 252, 1, 1, 300, 5000} { // around bundles and chunks
		w.log.Declare(more, "officer-1")
		w.mustFollow()
	}
	w.close()
	w.open() // what is not durable is gone
	mux = http.NewServeMux()
	mirror.NewHandler(w.mirror, slog.New(slog.DiscardHandler)).Routes(mux, "/city")
	srv.Config.Handler = mux
	web, err := client.NewWeb(fmt.Sprintf("%s/city/mirror/%x", srv.URL, sha256.Sum256([]byte(w.city.Origin))), client.HTTPOptions{Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	read := client.NewLogReader(web)
	size, root := w.log.Head()
	copied, err := w.store.Log(sha256.Sum256([]byte(w.city.Origin)))
	if err != nil {
		t.Fatal(err)
	}
	if s, r := copied.Head(); s != size || r != root {
		t.Errorf("after a restart the copy has size %d and root %v, want %d and %v", s, r, size, root)
	}
	for index := uint64(0); index*256 < size; index++ {
		width := int(min(256, size-index*256))
		want, _ := w.log.Bundle(t.Context(), index, width)
		got, err := read.Bundle(t.Context(), index, width)
		if err != nil || len(got) != width {
			t.Fatalf("bundle %d: %d entries, %v", index, len(got), err)
		}
		files, err := read.Files(t.Context(), index, width)
		if err != nil || len(files) != width {
			t.Fatalf("files of bundle %d: %d, %v", index, len(files), err)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) || w.log.Files[sha256.Sum256(files[i])] == nil {
				t.Fatalf("entry %d or its body is another", index*256+uint64(i))
			}
		}
	}
	for sum, want := range w.log.Files {
		if got, err := read.Body(t.Context(), sum, uint32(len(want))); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("body %x: %v", sum, err)
		}
		break
	}
	// A mirror can be followed as the city can.
	second := newWorld(t)
	second.sources = []mirror.Source{read}
	if err := second.follow(); err != nil || second.cosigned() != size {
		t.Errorf("a mirror of the mirror: size %d, %v", second.cosigned(), err)
	}
}

// T-33: whatever byte a source changes, the copy is not changed by it, and nothing is cosigned that is not whole.
func TestT33LyingSourceGetsNothingCosigned(t *testing.T) {
	testenv.SkipInRace(t)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	const chunked = 4600 // more than a chunk: the first is proven by tiles
	for name, lie := range map[string]struct {
		size  int
		spoil func(s *source)
	}{
		"an entry": {chunked, func(s *source) {
			s.bundle = func(e [][]byte) [][]byte { e[0] = flip(bytes.Clone(e[0])); return e }
		}},
		"two entries change places": {300, func(s *source) {
			s.bundle = func(e [][]byte) [][]byte { e[0], e[1] = e[1], e[0]; return e }
		}},
		"a tile": {chunked, func(s *source) {
			s.tile = func(h []proof.Hash) []proof.Hash { h[0][0] ^= 1; return h }
		}},
		"a body":              {300, func(s *source) { s.file = flip }},
		"a body, one by one":  {300, func(s *source) { s.file, s.bulk = flip, false }},
		"a body is withheld":  {300, func(s *source) { s.file = func([]byte) []byte { return nil }; s.bulk = false }},
		"a body is too large": {300, func(s *source) { s.file = func(b []byte) []byte { return append(b, make([]byte, 1<<20)...) } }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.log.Declare(lie.size, "officer-1")
			liar := &source{Log: w.log, bulk: true}
			lie.spoil(liar)
			w.sources = []mirror.Source{liar}
			if err := w.follow(); err == nil || w.cosigned() != 0 {
				t.Errorf("Follow = %v, cosigned size %d", err, w.cosigned())
			}
			w.sources = []mirror.Source{liar, &source{Log: w.log, bulk: true}}
			w.mustFollow()
		})
	}
}

func TestErasedBodyNeedsItsNotice(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(3, "officer-1")
	lost := w.log.Declare(1, "officer-1")
	leaf := proof.LeafHash(w.log.Entries[3])
	delete(w.log.Files, lost)
	w.log.Declare(300, "officer-1")
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 0 {
		t.Errorf("Follow = %v, cosigned size %d, want it incomplete", err, w.cosigned())
	}
	w.log.Erase(lost, leaf)
	w.mustFollow()
}

// T-18, F5: a city that logs what it does not show has nothing final, and no clock starts; when it shows it, that changes.
func TestT18BodyRevealedLaterIsCosignedOnlyThen(t *testing.T) {
	w := newWorld(t)
	sum := w.log.Declare(300, "officer-1")
	body := w.log.Files[sum]
	delete(w.log.Files, sum)
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) {
		t.Errorf("Follow = %v, want it incomplete", err)
	}
	w.log.Files[sum] = body
	w.mustFollow()
	if got, err := w.copied().Body(sum); err != nil || !bytes.Equal(got, body) {
		t.Errorf("the body is %q, %v", got, err)
	}
}

// However many bodies are missing, a head is cosigned only when all of them have come.
func TestF5ManyAbsentBodiesAllCount(t *testing.T) {
	testenv.SkipInRace(t)
	w := newWorld(t)
	w.log.Declare(2300, "officer-1")
	all := w.log.Files
	w.log.Files = map[[sha256.Size]byte][]byte{}
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) {
		t.Fatalf("Follow = %v, want it incomplete", err)
	}
	var last [sha256.Size]byte // in the order in which they are asked for
	for sum := range all {
		if bytes.Compare(sum[:], last[:]) > 0 {
			last = sum
		}
	}
	for sum, f := range all {
		if sum != last {
			w.log.Files[sum] = f
		}
	}
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 0 {
		t.Fatalf("with one body missing Follow = %v, cosigned %d", err, w.cosigned())
	}
	w.log.Files[last] = all[last]
	w.mustFollow()
	if owed, err := w.copied().Owed(2300); err != nil || owed != (mirrorstore.Owed{}) {
		t.Errorf("it lacks %+v, %v", owed, err)
	}
}

// What is void commits to nothing: a stranger's signature makes nobody look for bodies.
func TestVoidEntriesAreKeptAndNeedNothing(t *testing.T) {
	w := newWorld(t)
	sum := w.log.Declare(1, "a stranger")
	delete(w.log.Files, sum)
	w.log.Append([]byte("{"))
	w.log.Declare(1, "officer-1")
	w.mustFollow()
}

// T-14, T-15: a second history is not mirrored, not cosigned, and where two roots of one size show, told.
func TestT15SecondHistoryIsRefusedAndTold(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(300, "officer-1")
	w.mustFollow()
	other := alliancetest.NewLog(t, w.city)
	other.Declare(299, "officer-1")
	other.Declare(1, "officer-2")
	note, _ := other.Checkpoint(t.Context())
	w.sources = []mirror.Source{&source{Log: other, bulk: true}}
	for _, old := range []uint64{300, 0} {
		if _, err := w.mirror.AddCheckpoint(t.Context(), (&witness.Request{Old: old, Note: note}).Format()); err == nil {
			t.Errorf("the second history was cosigned from %d", old)
		}
	}
	if len(w.accused) != 2 || !bytes.Equal(w.accused[0][1], note) {
		t.Errorf("%d conflicts were told, want one for each time it was shown", len(w.accused))
	}
	other.Declare(100, "officer-1")
	if err := w.follow(); !errors.Is(err, mirror.ErrRewritten) && !strings.Contains(fmt.Sprint(err), "do not lead") || w.cosigned() != 300 {
		t.Errorf("Follow = %v, cosigned size %d", err, w.cosigned())
	}
}

// Two calls bring the log to two heads at once: the one that comes late goes on from where the other left off, and accuses nobody.
func TestTwoFollowersOfOneLog(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(10, "officer-1")
	var once sync.Once
	w.sources = []mirror.Source{&source{Log: w.log, bundle: func(entries [][]byte) [][]byte {
		once.Do(func() {
			w.log.Declare(300, "officer-1")
			known, _ := w.Mirrored(w.city.Origin)
			known.Sources = []mirror.Source{&source{Log: w.log}}
			size, root := w.log.Head()
			if err := mirror.Follow(t.Context(), w.copied(), checkpoint.Checkpoint{Origin: w.city.Origin, Size: size, Root: root}, known); err != nil {
				t.Errorf("the call that overtakes: %v", err)
			}
		})
		return entries
	}}}
	if err := w.follow(); err != nil {
		t.Errorf("the call that is overtaken: %v", err)
	}
	if open := w.mirror.Challenges(); len(open) > 0 {
		t.Errorf("challenges: %+v", open)
	}
	w.mustFollow()
}

func TestAddCheckpointFetchesInTheSameCall(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(700, "officer-1")
	note, _ := w.log.Checkpoint(t.Context())
	line, err := w.mirror.AddCheckpoint(t.Context(), (&witness.Request{Note: note}).Format())
	if err != nil || !strings.HasPrefix(string(line), "— minato.example/mirror ") || w.cosigned() != 700 {
		t.Errorf("AddCheckpoint = %q, %v; cosigned size %d", line, err, w.cosigned())
	}
}
