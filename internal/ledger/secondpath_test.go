package ledger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/recheck"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
)

// flipper is a ledger whose disk and memory are flipped between commit and
// signing, over and over; after each time it is mended.
type flipper struct {
	*place
	l     *ledger.Ledger
	close func()
	log   bytes.Buffer
	next  int // number of the next notice
}

func newFlipper(t *testing.T) *flipper {
	f := &flipper{place: newPlace(t), next: 1}
	if err := f.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.close() })
	return f
}

// start opens the ledger; unlike place.open it may find the data damaged.
func (f *flipper) start() (err error) {
	state, err := signingkey.MakeState(f.state)
	if err != nil {
		return err
	}
	signer, err := signingkey.NewLogSigner(origin, f.ed, f.pq, state)
	if err != nil {
		return errors.Join(err, state.Close())
	}
	db, err := pebbledb.Open(f.data, pebbledb.Options{})
	if err != nil {
		return errors.Join(err, state.Close())
	}
	f.close = func() { _ = errors.Join(db.Close(), state.Close()) }
	log, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		return err
	}
	f.close = func() {
		log.Close()
		_ = errors.Join(db.Close(), state.Close())
	}
	f.log.Reset()
	f.l, err = ledger.Open(f.t.Context(), ledger.Options{
		City: city, DB: db, Log: log, Bodies: bodystore.New(db), Signer: signer, Publisher: f.publisher, Now: f.now,
		Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	return err
}

// commit makes n leaves durable, unsigned. It returns the size before and after.
func (f *flipper) commit(n int) (before, after uint64) {
	f.t.Helper()
	before = f.l.Published().Checkpoint.Size
	batch := make([]ledger.Submission, n)
	for i := range batch {
		batch[i] = f.seal(fmt.Sprintf("not/%d", f.next), owed(fmt.Sprint("report ", f.next)))
		f.next++
	}
	after, err := f.l.Commit(f.t.Context(), batch)
	if err != nil {
		f.t.Fatal(err)
	}
	return before, after
}

func (f *flipper) lastsigned() string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.state, "lastsigned"))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(b)
}

// wantNothingSigned checks what a mismatch must do: no signature, readers served,
// the reason said and logged once, the evidence kept.
func (f *flipper) wantNothingSigned(what string, before, after uint64, lastsigned string) {
	f.t.Helper()
	var mismatch *recheck.MismatchError
	if err := f.l.Cover(f.t.Context(), after); !errors.Is(err, signingkey.ErrHalted) || !errors.As(err, &mismatch) {
		f.t.Errorf("%s: signing: %v, want a halt by *MismatchError", what, err)
	}
	if err := f.l.Cover(f.t.Context(), after); !errors.Is(err, signingkey.ErrHalted) {
		f.t.Errorf("%s: signing again: %v, want ErrHalted", what, err)
	}
	f.wantReading(what, before)
	if f.lastsigned() != lastsigned {
		f.t.Errorf("%s: lastsigned has changed", what)
	}
	if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 {
		f.t.Errorf("%s: %d errors logged, want 1: %s", what, n, f.log.String())
	}
	evidence := filepath.Join(f.state, fmt.Sprintf("evidence-%d.txt", after))
	if b, err := os.ReadFile(evidence); err != nil || len(b) == 0 || len(b) > 64<<10 || !strings.Contains(f.log.String(), evidence) {
		f.t.Errorf("%s: evidence of %d bytes, %v; logged: %s", what, len(b), err, f.log.String())
	}
	if err := os.Remove(evidence); err != nil { // as the operator does; there may be 16
		f.t.Error(err)
	}
}

func (f *flipper) wantReading(what string, size uint64) {
	f.t.Helper()
	if why := f.l.ReadOnly(); why == "" {
		f.t.Errorf("%s: ReadOnly() is empty", what)
	}
	var readOnly *ledger.ReadOnlyError
	if _, err := f.l.Publish(f.t.Context(), []ledger.Submission{f.seal("not/9999999", owed("one more"))}); !errors.As(err, &readOnly) {
		f.t.Errorf("%s: Publish: %v, want *ReadOnlyError", what, err)
	}
	if p := f.l.Published(); p == nil || p.Checkpoint.Size != size {
		f.t.Errorf("%s: published is %+v, want size %d as before", what, p, size)
		return
	}
	for _, index := range []uint64{0, size / 2, size - 1} {
		_, err := f.l.Receipt(f.t.Context(), index)
		var damaged *logstore.DamagedError
		if index/256 == size/256 && errors.As(err, &damaged) {
			continue // it lies in the bundle whose record was flipped: refused, not served wrong
		}
		if err != nil {
			f.t.Errorf("%s: reading entry %d: %v", what, index, err)
		}
	}
}

// wantFoundAtRestart opens the ledger again, which must find a mismatch again: already in the
// engine, or by the second path.
func (f *flipper) wantFoundAtRestart(what string, before uint64, lastsigned string) {
	f.t.Helper()
	f.close()
	var damaged *logstore.DamagedError
	switch err := f.start(); {
	case errors.As(err, &damaged):
	case err != nil:
		f.t.Errorf("%s: restart: %v", what, err)
	default:
		if !strings.Contains(f.l.ReadOnly(), "bear out") && !strings.Contains(f.l.ReadOnly(), "is damaged") {
			f.t.Errorf("%s: after a restart ReadOnly() = %q, want the mismatch", what, f.l.ReadOnly())
		}
		if p := f.l.Published(); p != nil && p.Checkpoint.Size != before {
			f.t.Errorf("%s: after a restart size %d is published, want %d", what, p.Checkpoint.Size, before)
		}
	}
	if f.lastsigned() != lastsigned {
		f.t.Errorf("%s: a restart has changed lastsigned", what)
	}
	f.close()
	f.close = func() {}
	_ = os.Remove(filepath.Join(f.state, fmt.Sprintf("evidence-%d.txt", before))) // of the second path, where that found it
}

// wantGoesOn starts the ledger over mended data: all is signed.
func (f *flipper) wantGoesOn(what string, size uint64) {
	f.t.Helper()
	if err := f.start(); err != nil {
		f.t.Fatalf("%s: mended: %v", what, err)
	}
	if p := f.l.Published(); f.l.ReadOnly() != "" || p.Checkpoint.Size != size {
		f.t.Fatalf("%s: mended: size %d, read-only %q, want size %d signed", what, p.Checkpoint.Size, f.l.ReadOnly(), size)
	}
}

// flip is one bit of the store.
type flip struct {
	key []byte // in the database; nil: in the entry file
	at  int64
	bit int
}

func (f *flipper) do(db *pebbledb.DB, x flip) {
	f.t.Helper()
	if x.key != nil {
		value, err := db.Get(x.key)
		if err != nil {
			f.t.Fatalf("reading %q: %v", x.key, err)
		}
		value[x.at] ^= 1 << x.bit
		if err := db.Note(x.key, value); err != nil {
			f.t.Fatal(err)
		}
		return
	}
	file, err := os.OpenFile(filepath.Join(f.data, "entries", "000000000.bundles"), os.O_RDWR, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	var b [1]byte
	_, err = file.ReadAt(b[:], x.at)
	b[0] ^= 1 << x.bit
	_, err2 := file.WriteAt(b[:], x.at)
	if err := errors.Join(err, err2, file.Close()); err != nil {
		f.t.Fatalf("flipping byte %d of the entries: %v", x.at, err)
	}
}

// mend flips back on a disk that no ledger has open.
func (f *flipper) mend(x flip) {
	f.t.Helper()
	db, err := pebbledb.Open(f.data, pebbledb.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.do(db, x)
	if err := db.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// end is where the entries end in their file.
func (f *flipper) end() int64 {
	f.t.Helper()
	db, _, _ := f.l.Parts()
	head, err := db.Get([]byte("mhead"))
	if err != nil {
		f.t.Fatal(err)
	}
	return int64(binary.BigEndian.Uint64(head[40:]))
}

// round commits n leaves, flips a bit, and goes through all that must follow.
// where picks it, from the size before and where the new entries begin and end.
func (f *flipper) round(what string, n int, where func(before uint64, start, end int64) flip) {
	f.t.Helper()
	start := f.end()
	before, after := f.commit(n)
	lastsigned := f.lastsigned()
	x := where(before, start, f.end())
	db, _, _ := f.l.Parts()
	f.do(db, x)
	copied := x.key == nil && x.at >= f.end()-f.copied()
	f.wantNothingSigned(what, before, after, lastsigned)
	if copied { // the next start takes them from there
		f.close()
		f.wantGoesOn(what, after)
		return
	}
	f.wantFoundAtRestart(what, before, lastsigned)
	f.mend(x)
	f.wantGoesOn(what, after)
}

// copied is how many bytes at the end of the entries the database has copies of.
func (f *flipper) copied() (n int64) {
	f.t.Helper()
	db, _, _ := f.l.Parts()
	it, err := db.Reader().NewIter(&pebble.IterOptions{LowerBound: []byte("u"), UpperBound: []byte("v")})
	if err != nil {
		f.t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		n += int64(len(it.Value()))
	}
	if err := it.Close(); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func key(prefix string, n uint64) []byte { return binary.BigEndian.AppendUint64([]byte(prefix), n) }

// TestI2FlipBetweenCommitAndSigning is incident 1: one bit, anywhere in what is
// stored for the new leaves.
func TestI2FlipBetweenCommitAndSigning(t *testing.T) {
	testenv.SkipInRace(t)
	f := newFlipper(t)
	mustPublish(t, f.l, f.seal("not/9999998", owed("the first")))
	inEntries := func(at func(start, end int64) int64, bit int) func(uint64, int64, int64) flip {
		return func(_ uint64, start, end int64) flip { return flip{at: at(start, end), bit: bit} }
	}
	inHead := func(at int64, bit int) func(uint64, int64, int64) flip {
		return func(uint64, int64, int64) flip { return flip{[]byte("mhead"), at, bit} }
	}
	for _, tc := range []struct {
		what  string
		n     int
		where func(before uint64, start, end int64) flip
	}{
		{"the length of the first new entry", 3, inEntries(func(start, _ int64) int64 { return start + 1 }, 2)},
		{"the first byte of the first new entry", 3, inEntries(func(start, _ int64) int64 { return start + 2 }, 0)},
		{"a byte in the middle", 3, inEntries(func(start, end int64) int64 { return (start + end) / 2 }, 4)},
		{"the last byte of the last new entry", 3, inEntries(func(_, end int64) int64 { return end - 1 }, 7)},
		{"the copy of the new entries", 3, func(before uint64, start, end int64) flip {
			return flip{key("u", before), (end - start) / 2, 5}
		}},
		{"the head's size, upwards", 2, func(before uint64, _, _ int64) flip {
			after, bit := before+2, 0
			for after>>bit&1 == 1 {
				bit++
			}
			return flip{[]byte("mhead"), 7, bit}
		}},
		{"the head's size, downwards", 2, func(before uint64, _, _ int64) flip {
			after, bit := before+2, 0
			for after>>bit&1 == 0 {
				bit++
			}
			return flip{[]byte("mhead"), 7, bit}
		}},
		{"the head's root", 1, inHead(8, 7)},
		{"the head's end", 1, inHead(47, 1)},
		{"an entry of a bundle that became full", 256, inEntries(func(start, _ int64) int64 { return start + 100 }, 1)},
		{"a tile that became full, a new hash", 256, func(before uint64, _, _ int64) flip {
			return flip{key("t\x00", before/256), int64(before%256) * 32, 3}
		}},
		{"a tile that became full, the last hash", 256, func(before uint64, _, _ int64) flip {
			return flip{key("t\x00", before/256), 8191, 0}
		}},
		{"the record of a bundle that became full", 256, func(before uint64, _, _ int64) flip {
			return flip{key("e", before/256), 500, 6}
		}},
	} {
		f.round(tc.what, tc.n, tc.where)
	}
}

// TestI2RandomFlipsBetweenCommitAndSigning flips random bits. CITYPROOF_SEED
// repeats a run, CITYPROOF_FLIPS makes a longer one.
func TestI2RandomFlipsBetweenCommitAndSigning(t *testing.T) {
	seed, flips := uint64(time.Now().UnixNano()), 8
	for name, to := range map[string]func(uint64){
		"CITYPROOF_SEED": func(n uint64) { seed = n }, "CITYPROOF_FLIPS": func(n uint64) { flips = int(n) },
	} {
		if s := os.Getenv(name); s != "" {
			n, err := strconv.ParseUint(s, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			to(n)
		}
	}
	t.Logf("CITYPROOF_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	f := newFlipper(t)
	mustPublish(t, f.l, f.seal("not/9999998", owed("the first")))
	for i := range flips {
		var x flip
		f.round(fmt.Sprintf("seed %d, flip %d", seed, i), 1+rnd.IntN(40), func(before uint64, start, end int64) flip {
			switch x = (flip{at: start + rnd.Int64N(end-start), bit: rnd.IntN(8)}); {
			case rnd.IntN(4) == 0:
				x = flip{[]byte("mhead"), rnd.Int64N(48), rnd.IntN(8)}
			case f.copied() >= end-start && rnd.IntN(2) == 0:
				x = flip{key("u", before), x.at - start, x.bit}
			}
			return x
		})
	}
}

// memory follows names of fields, and indexes of slices, to a hash, and flips a bit
// of it: nothing else than a bit of this process's memory changes.
func memory(t *testing.T, part any, path ...any) {
	t.Helper()
	v := reflect.ValueOf(part)
	for _, step := range path {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Struct && v.Type().PkgPath() == "sync/atomic" { // an atomic.Pointer
			v = reflect.NewAt(v.Type().Field(0).Type.Elem().Elem(), v.FieldByName("v").UnsafePointer()).Elem()
		}
		switch step := step.(type) {
		case string:
			v = v.FieldByName(step)
		case int:
			v = v.Index(step)
		}
		if !v.IsValid() {
			t.Fatalf("%T has no %v any more", part, path)
		}
	}
	*(*byte)(unsafe.Pointer(v.Index(3).UnsafeAddr())) ^= 1 //nolint:gosec // a flip in memory, past the type system as the real one is
}

// TestI2FlipInMemory flips a bit in what the engine or the second path remember.
// Where that did not reach the disk, a restart goes on rightly.
func TestI2FlipInMemory(t *testing.T) {
	for _, tc := range []struct {
		what        string
		first, more int // leaves signed and leaves after it
		flip        func(t *testing.T, f *flipper)
		late        bool // flipped after the commit, so that it can't reach the disk
	}{
		{"the root that the engine published", 5, 3, func(t *testing.T, f *flipper) {
			_, log, _ := f.l.Parts()
			memory(t, log, "head", "root")
		}, true},
		{"the engine's edge, a hash of the unfinished tile", 5, 253, func(t *testing.T, f *flipper) {
			_, log, _ := f.l.Parts()
			memory(t, log, "edge", "levels", 0, "hashes", 2)
		}, false},
		{"the engine's edge, the fold", 5, 3, func(t *testing.T, f *flipper) {
			_, log, _ := f.l.Parts()
			memory(t, log, "edge", "levels", 0, "fold", "hashes", 0)
		}, false},
		{"the second path, a peak", 5, 3, func(t *testing.T, f *flipper) {
			_, _, checker := f.l.Parts()
			memory(t, checker, "tree", "peaks", 0, "hash")
		}, true},
		{"the second path, a hash of the unfinished tile", 5, 253, func(t *testing.T, f *flipper) {
			_, _, checker := f.l.Parts()
			memory(t, checker, "tree", "rows", 0, 4)
		}, true},
	} {
		f := newFlipper(t)
		_, size := f.commit(tc.first)
		if err := f.l.Cover(t.Context(), size); err != nil {
			t.Fatal(err)
		}
		if !tc.late {
			tc.flip(t, f)
		}
		before, after := f.commit(tc.more)
		if tc.late {
			tc.flip(t, f)
		}
		lastsigned := f.lastsigned()
		f.wantNothingSigned(tc.what, before, after, lastsigned)
		if !tc.late {
			f.wantFoundAtRestart(tc.what, before, lastsigned)
			continue
		}
		f.close()
		f.wantGoesOn(tc.what, after)
	}
}

// A caller who stops waiting halts nothing.
func TestSecondPathEndedByItsCallerHaltsNothing(t *testing.T) {
	f := newFlipper(t)
	_, after := f.commit(3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.l.Cover(ctx, after); !errors.Is(err, context.Canceled) {
		t.Errorf("signing: %v, want context.Canceled", err)
	}
	if err := f.l.Cover(t.Context(), after); err != nil || f.l.ReadOnly() != "" {
		t.Errorf("signing again: %v, read-only %q", err, f.l.ReadOnly())
	}
}
