package recheck_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/cityproof/cityproof/internal/recheck"
)

func mustOpen(t *testing.T, s recheck.Store, size int, root [32]byte) *recheck.Checker {
	t.Helper()
	c, err := recheck.Open(s, uint64(size), root)
	if err != nil {
		t.Fatalf("Open at %d: %v", size, err)
	}
	return c
}

// wantMismatch checks that an error is evidence, and that it can be shown.
func wantMismatch(t *testing.T, err error, what string) {
	t.Helper()
	var m *recheck.MismatchError
	if !errors.As(err, &m) {
		t.Errorf("%s: %v, want *MismatchError", what, err)
		return
	}
	if n := len(m.Evidence()); n == 0 || n > 64<<10 {
		t.Errorf("%s: evidence of %d bytes, want at most 64 KiB", what, n)
	}
	if n := len(m.Error()); n > 1000 {
		t.Errorf("%s: a message of %d bytes: %.200s", what, n, m.Error())
	}
}

func TestSecondPathPassesWhatIsRight(t *testing.T) {
	h := newHandmade(t)
	c := mustOpen(t, h.store(), 0, sha256.Sum256(nil))
	if err := c.Check(t.Context(), 0, sha256.Sum256(nil)); err != nil {
		t.Fatalf("an empty log: %v", err)
	}
	for _, size := range []int{1, 2, 3, 255, 256, 257, 511, 512, 512, 700, 1024, 1026} {
		root := h.grow(size)
		if err := c.Check(t.Context(), uint64(size), root); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if again := mustOpen(t, h.store(), size, root); again.Check(t.Context(), uint64(size), root) != nil {
			t.Fatalf("size %d after a restart: %v", size, again.Check(t.Context(), uint64(size), root))
		}
	}
}

func TestSecondPathGoesOnFromAnySize(t *testing.T) {
	h := newHandmade(t)
	const total = 770
	root := h.grow1(total)
	h.write()
	for size := 0; size <= total; size++ {
		if near := (size + 2) % 256; near > 4 && size%19 != 0 {
			continue // around the ends of bundles every one
		}
		c := mustOpen(t, h.store(), size, treeHash(h.entries[:size]))
		if err := c.Check(t.Context(), total, root); err != nil {
			t.Fatalf("from size %d: %v", size, err)
		}
	}
}

// grow1 appends without writing.
func (h *handmade) grow1(size int) [32]byte {
	for i := len(h.entries); i < size; i++ {
		h.entries = append(h.entries, fmt.Appendf(nil, "entry %d", i))
	}
	return treeHash(h.entries)
}

// Commits run ahead of the size that is signed.
func TestSecondPathReadsWhatBelongsToTheSize(t *testing.T) {
	h := newHandmade(t)
	first := h.grow(300)
	c := mustOpen(t, h.store(), 0, sha256.Sum256(nil))
	last := h.grow(600)
	if err := c.Check(t.Context(), 300, first); err != nil {
		t.Fatalf("size 300 while 600 are stored: %v", err)
	}
	if err := c.Check(t.Context(), 600, last); err != nil {
		t.Fatalf("then size 600: %v", err)
	}
	wantMismatch(t, c.Check(t.Context(), 300, first), "a size behind the verified one")
	c = mustOpen(t, h.store(), 300, first)
	flipValue(t, h.db, h, []byte("mhead"), 47, 0)
	wantMismatch(t, c.Check(t.Context(), 301, treeHash(h.entries[:301])), "a head ahead that does not end where an entry does")
}

// TestI2SecondPathFindsEveryFlip flips a bit in each kind of thing that is stored for the leaves 300 to 699.
func TestI2SecondPathFindsEveryFlip(t *testing.T) {
	h := newHandmade(t)
	first := h.grow(300)
	root := h.grow(700)
	const file = "entries/000000000.bundles"
	leaf, tile := leafOf(h.entries[400]), func(n int) []byte { return append([]byte("t\x00"), u64(n)...) }
	identity, _ := identityOf(h.entries[699])
	record := append([]byte("e"), u64(1)...)
	copied := func(n int) []byte { return append([]byte("u"), u64(n)...) }
	inFile := func(at int64, bit int) func() { return func() { flipFile(t, h.fs, file, at, bit) } }
	inValue := func(key []byte, at, bit int) func() { return func() { flipValue(t, h.db, h, key, at, bit) } }
	for what, flip := range map[string]func(){
		"the first new entry":              inFile(h.at(300)+2, 0),
		"the last byte of it":              inFile(h.at(301)-1, 7),
		"its length, low byte":             inFile(h.at(300)+1, 0),
		"its length, high byte":            inFile(h.at(300), 6),
		"a length that becomes nought":     inFile(h.at(307)+1, 3),
		"an entry in the middle":           inFile(h.at(500)+5, 3),
		"the length of the last entry":     inFile(h.at(699)+1, 1),
		"the last byte of all":             inFile(h.at(700)-1, 0),
		"the offset of a bundle":           inValue(record, 7, 0),
		"the end of its first entry":       inValue(record, 11, 0),
		"the end of its last entry":        inValue(record, 1031, 7),
		"the first hash of a tile":         inValue(tile(1), 0, 0),
		"a hash of before in a new tile":   inValue(tile(1), 10, 2),
		"the last hash of a tile":          inValue(tile(1), 8191, 7),
		"the index by leaf hash":           inValue(append([]byte("h"), leaf[:]...), 7, 0),
		"the index by identity":            inValue(append([]byte("i"), identity[:]...), 0, 7),
		"a copy, its first length":         inValue(copied(640), 1, 0),
		"a copy, in the middle":            inValue(copied(640), 100, 4),
		"the last copy, its last byte":     inValue(copied(690), int(h.at(700)-h.at(690))-1, 7),
		"the head's size, to a smaller":    inValue([]byte("mhead"), 7, 2),
		"the head's size, to a larger":     inValue([]byte("mhead"), 7, 0),
		"the head's size, to a huge":       inValue([]byte("mhead"), 0, 6),
		"the head's size, to another file": inValue([]byte("mhead"), 5, 0),
		"the head's root":                  inValue([]byte("mhead"), 20, 4),
		"the head's end":                   inValue([]byte("mhead"), 47, 0),
	} {
		c := mustOpen(t, h.store(), 300, first)
		flip()
		wantMismatch(t, c.Check(t.Context(), 700, root), what)
		if err := c.Check(t.Context(), 700, root); err == nil {
			t.Errorf("%s: a second Check passes", what)
		}
		wantMismatch(t, mustOpen(t, h.store(), 300, first).Check(t.Context(), 700, root), what+", after a restart")
		flip()
		if err := mustOpen(t, h.store(), 300, first).Check(t.Context(), 700, root); err != nil {
			t.Fatalf("%s: flipped back: %v", what, err)
		}
	}
}

func TestI2SecondPathMissesNothingThatIsGone(t *testing.T) {
	h := newHandmade(t)
	first := h.grow(300)
	root := h.grow(700)
	leaf := leafOf(h.entries[400])
	for what, key := range map[string][]byte{
		"a tile": append([]byte("t\x00"), u64(1)...), "a bundle's record": append([]byte("e"), u64(1)...),
		"the head": []byte("mhead"), "an index": append([]byte("h"), leaf[:]...),
	} {
		c := mustOpen(t, h.store(), 300, first)
		if err := h.db.Delete(key, nil); err != nil {
			t.Fatal(err)
		}
		wantMismatch(t, c.Check(t.Context(), 700, root), what)
		h.write()
	}
	for what, value := range map[string][]byte{
		"a copy that ends early": []byte("\x00\x09entry 69"), "a copy that goes on": append(lengthed(h.entries[698]), 0),
	} {
		c := mustOpen(t, h.store(), 300, first)
		h.set(append([]byte("u"), u64(698)...), value)
		wantMismatch(t, c.Check(t.Context(), 700, root), what)
		h.write()
	}
	c := mustOpen(t, h.store(), 300, first)
	if err := h.fs.Remove("entries/000000000.bundles"); err != nil {
		t.Fatal(err)
	}
	wantMismatch(t, c.Check(t.Context(), 700, root), "the entry file")
}

func lengthed(entry []byte) []byte {
	return append([]byte{byte(len(entry) >> 8), byte(len(entry))}, entry...)
}

// TestI2SecondPathRandomFlips flips one random bit of the stored bytes of random new leaves. CITYPROOF_SEED repeats a run,
// CITYPROOF_FLIPS makes a longer one.
func TestI2SecondPathRandomFlips(t *testing.T) {
	seed, flips := uint64(time.Now().UnixNano()), 200
	if s := os.Getenv("CITYPROOF_SEED"); s != "" {
		seed = mustUint(t, s)
	}
	if s := os.Getenv("CITYPROOF_FLIPS"); s != "" {
		flips = int(mustUint(t, s))
	}
	t.Logf("CITYPROOF_SEED=%d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	h := newHandmade(t)
	const total = 1100
	root := h.grow1(total)
	h.write()
	for range flips {
		from := rnd.IntN(total)
		c := mustOpen(t, h.store(), from, treeHash(h.entries[:from]))
		what, flip := h.randomFlip(rnd, from)
		flip()
		wantMismatch(t, c.Check(t.Context(), total, root), fmt.Sprintf("from %d: %s", from, what))
		flip()
	}
}

func mustUint(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// randomFlip picks a bit of what belongs to the leaves from a size on.
func (h *handmade) randomFlip(rnd *rand.Rand, from int) (string, func()) {
	entry := from + rnd.IntN(len(h.entries)-from)
	leaf := leafOf(h.entries[entry])
	identity, _ := identityOf(h.entries[entry])
	keys := [][]byte{append([]byte("h"), leaf[:]...), append([]byte("i"), identity[:]...), []byte("mhead")}
	sizes := []int{8, 8, 48}
	if full := len(h.entries) / 256; entry/256 < full {
		keys = append(keys, append([]byte("e"), u64(entry/256)...), append([]byte("t\x00"), u64(entry/256)...))
		sizes = append(sizes, 1032, 8192)
	}
	bit := rnd.IntN(8)
	if which := rnd.IntN(len(keys) + 3); which < len(keys) {
		at := rnd.IntN(sizes[which])
		return fmt.Sprintf("byte %d bit %d of %q", at, bit, keys[which]), func() { flipValue(h.t, h.db, h, keys[which], at, bit) }
	}
	at := h.at(entry) + rnd.Int64N(h.at(entry+1)-h.at(entry))
	return fmt.Sprintf("byte %d bit %d of the entries", at, bit),
		func() { flipFile(h.t, h.fs, "entries/000000000.bundles", at, bit) }
}

// What the Checker itself remembers may be flipped as well. A restart goes on rightly.
func TestI2SecondPathFindsFlipsInItself(t *testing.T) {
	h := newHandmade(t)
	first, root := h.grow(300), h.grow(1030)
	for part := 0; ; part++ {
		c := mustOpen(t, h.store(), 300, first)
		what := c.FlipMemory(part)
		if what == "" {
			break
		}
		if err := c.Check(t.Context(), 1030, root); err == nil {
			t.Errorf("%s: Check passes", what)
		}
	}
	if err := mustOpen(t, h.store(), 300, first).Check(t.Context(), 1030, root); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func TestI2SecondPathRefusesAnotherRoot(t *testing.T) {
	h := newHandmade(t)
	root := h.grow(300)
	wrong := root
	wrong[5] ^= 8
	wantMismatch(t, mustOpen(t, h.store(), 0, sha256.Sum256(nil)).Check(t.Context(), 300, wrong), "another root to be signed")
	_, err := recheck.Open(h.store(), 300, wrong)
	wantMismatch(t, err, "another signed root")
	_, err = recheck.Open(h.store(), 301, root)
	wantMismatch(t, err, "a signed size that is not stored")
	for what, flip := range map[string]func(){
		"a tile below the signed root":   func() { flipValue(t, h.db, h, append([]byte("t\x00"), u64(0)...), 77, 1) },
		"an entry below the signed root": func() { flipFile(t, h.fs, "entries/000000000.bundles", h.at(280)+4, 1) },
		"the end of the last bundle":     func() { flipValue(t, h.db, h, append([]byte("e"), u64(0)...), 1031, 0) },
		"the sign of that end":           func() { flipValue(t, h.db, h, append([]byte("e"), u64(0)...), 0, 7) },
	} {
		flip()
		_, err := recheck.Open(h.store(), 300, root)
		wantMismatch(t, err, what)
		flip()
	}
}

func TestSecondPathResumesAfterItsContextEnded(t *testing.T) {
	h := newHandmade(t)
	root := h.grow(600)
	c := mustOpen(t, h.store(), 0, sha256.Sum256(nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Check(ctx, 600, root); !errors.Is(err, context.Canceled) {
		t.Fatalf("Check: %v, want context.Canceled", err)
	}
	if err := c.Check(t.Context(), 600, root); err != nil {
		t.Errorf("Check again: %v", err)
	}
}

// A read that fails is no proof of a mismatch, and nothing passes after it: incident 8.
func TestSecondPathStopsAtAFailedRead(t *testing.T) {
	h := newHandmade(t)
	root := h.grow(600)
	store := h.store()
	errIO := errors.New("the disk says no")
	for _, kind := range []errorfs.OpKind{errorfs.OpOpen, errorfs.OpFileReadAt} {
		fails := true
		store.FS = errorfs.Wrap(h.fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if fails && op.Kind == kind {
				return errIO
			}
			return nil
		}))
		c := mustOpen(t, store, 0, sha256.Sum256(nil))
		err := c.Check(t.Context(), 600, root)
		var m *recheck.MismatchError
		if !errors.Is(err, errIO) || errors.As(err, &m) {
			t.Fatalf("Check: %v, want the disk's error", err)
		}
		fails = false
		if again := c.Check(t.Context(), 600, root); !errors.Is(again, errIO) {
			t.Errorf("Check when the disk works again: %v, want the same error until a restart", again)
		}
		if err := mustOpen(t, store, 0, sha256.Sum256(nil)).Check(t.Context(), 600, root); err != nil {
			t.Errorf("after a restart: %v", err)
		}
	}
}

func TestSecondPathReadsTheLongestEntries(t *testing.T) {
	h := newHandmade(t)
	for i := range 300 {
		entry := make([]byte, 1+(i*40503)%65535)
		if i%50 == 0 {
			entry = make([]byte, 65535)
		}
		entry[0], entry[len(entry)-1] = byte(i), byte(i>>8)
		if len(entry) > 8 {
			copy(entry[2:], u64(i))
		}
		h.entries = append(h.entries, entry)
	}
	h.write()
	if err := mustOpen(t, h.store(), 0, sha256.Sum256(nil)).Check(t.Context(), 300, treeHash(h.entries)); err != nil {
		t.Error(err)
	}
}
