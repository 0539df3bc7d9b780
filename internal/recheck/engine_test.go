package recheck_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/recheck"
)

// TestI2SecondPathAgreesWithTheEngine checks what the engine itself writes, over the end of an entry file and with a full
// tile of level 1, and flips bits of it.
func TestI2SecondPathAgreesWithTheEngine(t *testing.T) {
	fs := vfs.NewMem()
	db, err := pebbledb.Open("data", pebbledb.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	log, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		log.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	store := recheck.Store{DB: db.Reader(), FS: db.FS(), Entries: db.EntriesDir(), Identity: identityOf}
	running := mustOpen(t, store, 0, sha256.Sum256(nil))
	const signed, total = 65_000, 65_836
	var first, root [32]byte
	for size := uint64(0); size < total; {
		end := uint64(signed)
		if size >= signed {
			end = total
		}
		size, root = fill(t, log, size, min(size+4096, end))
		if err := running.Check(t.Context(), size, root); err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		if size == signed {
			first = root
		}
	}
	const entries, second = "data/entries/000000000.bundles", "data/entries/000000001.bundles"
	info, err := fs.Stat(entries)
	if err != nil {
		t.Fatal(err)
	}
	tile := func(level byte, n int) []byte { return append([]byte{'t', level}, u64(n)...) }
	for what, flip := range map[string]func(){
		"a tile of level 1, an old hash":    func() { flipValue(t, db.Reader(), db, tile(1, 0), 9, 0) },
		"a tile of level 1, its last hash":  func() { flipValue(t, db.Reader(), db, tile(1, 0), 8191, 7) },
		"the last tile of level 0 below it": func() { flipValue(t, db.Reader(), db, tile(0, 255), 8191, 7) },
		"the first tile of level 0 behind":  func() { flipValue(t, db.Reader(), db, tile(0, 256), 0, 0) },
		"the last record of a file":         func() { flipValue(t, db.Reader(), db, append([]byte("e"), u64(255)...), 7, 0) },
		"the first record of a file":        func() { flipValue(t, db.Reader(), db, append([]byte("e"), u64(256)...), 7, 0) },
		"the last byte of a file":           func() { flipFile(t, fs, entries, info.Size()-1, 3) },
		"the first byte of a file":          func() { flipFile(t, fs, second, 0, 3) },
	} {
		flip()
		wantMismatch(t, mustOpen(t, store, signed, first).Check(t.Context(), total, root), what)
		flip()
	}
	c := mustOpen(t, store, signed, first)
	c.FlipRow(1, 77)
	if err := c.Check(t.Context(), total, root); err == nil {
		t.Error("a flipped hash of its own unfinished tile of level 1: Check passes")
	}
	last := mustOpen(t, store, total, root)
	if err := last.Check(t.Context(), total, root); err != nil {
		t.Errorf("from the end: %v", err)
	}
	if err := mustOpen(t, store, signed, first).Check(t.Context(), total, root); err != nil {
		t.Errorf("all flipped back: %v", err)
	}
}

// fill appends small leaves from size to end.
func fill(t *testing.T, log *logstore.Log, size, end uint64) (uint64, [32]byte) {
	t.Helper()
	var g logstore.Group
	for ; size < end; size++ {
		entry := fmt.Appendf(nil, "entry %d", size)
		identity, _ := identityOf(entry)
		g.Leaves = append(g.Leaves, logstore.Leaf{Entry: entry, Identity: identity})
	}
	r, err := log.Append(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if r.Size != end {
		t.Fatal(errors.New("other leaves got in"))
	}
	return r.Size, r.Root
}
