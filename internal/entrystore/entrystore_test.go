package entrystore_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/entrystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

// entry i; their lengths differ, so that an offset in the wrong unit is noticed.
func entry(i uint64) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 1+int(i%7)) }

func entries(from, to uint64) (all [][]byte) {
	for i := from; i < to; i++ {
		all = append(all, entry(i))
	}
	return all
}

func openDB(t *testing.T) *pebbledb.DB {
	t.Helper()
	db, err := pebbledb.Open("data", pebbledb.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// grow appends entries in the given steps, commits, and returns the last view.
func grow(t *testing.T, db *pebbledb.DB, v *entrystore.View, sizes ...uint64) *entrystore.View {
	t.Helper()
	w := entrystore.NewWriter(v)
	v, err := w.Restore()
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range sizes {
		b := db.NewBatch()
		if v, err = w.Append(b, entries(v.Size(), size)); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Commit(b), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return v
}

func open(t *testing.T, db *pebbledb.DB, size, end uint64) *entrystore.View {
	t.Helper()
	v, err := entrystore.Open(db, db.Reader(), size, end)
	if err != nil {
		t.Fatalf("Open(%d, %d) = %v", size, end, err)
	}
	return v
}

// restore returns the view of a writer that goes on after v.
func restore(t *testing.T, v *entrystore.View) *entrystore.View {
	t.Helper()
	w := entrystore.NewWriter(v)
	restored, err := w.Restore()
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return restored
}

// check reads every bundle of a view.
func check(t *testing.T, db *pebbledb.DB, v *entrystore.View) {
	t.Helper()
	for first := uint64(0); first < v.Size(); first += tile.FullWidth {
		n, width := first/tile.FullWidth, int(min(tile.FullWidth, v.Size()-first))
		want := entries(first, first+uint64(width))
		got, err := v.Entries(db.Reader(), n, 0, width, math.MaxInt)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("bundle %d of %d entries is not what was appended (%v)", n, v.Size(), err)
		}
		data, err := v.Bundle(db.Reader(), n, width)
		if err != nil {
			t.Fatal(err)
		}
		if parsed, err := tile.ParseBundle(data, width); err != nil || fmt.Sprint(parsed) != fmt.Sprint(want) {
			t.Fatalf("bundle %d of %d entries is no tlog-tiles bundle of them (%v)", n, v.Size(), err)
		}
	}
}

func TestEveryBoundaryIsReadBack(t *testing.T) {
	const file = entrystore.FileEntries
	db := openDB(t)
	v := open(t, db, 0, 0)
	for _, size := range []uint64{1, 255, 256, 257, 511, 1024, file - 1, file, file + 1, file + 256, 2 * file, 2*file + 300} {
		v = grow(t, db, v, size)
		check(t, db, v)
		again := open(t, db, size, v.End())
		check(t, db, again)
		check(t, db, restore(t, again))
		if found, err := entrystore.FindEnd(db, db.Reader(), size); err != nil || found != v.End() {
			t.Errorf("FindEnd(%d) = %d, %v, want %d", size, found, err, v.End())
		}
		v = again
	}
}

func TestOneAppendOverSeveralFiles(t *testing.T) {
	db := openDB(t)
	check(t, db, grow(t, db, open(t, db, 0, 0), 10, 2*entrystore.FileEntries+5))
}

func TestOldViewsStayAsTheyWere(t *testing.T) {
	db := openDB(t)
	old := grow(t, db, open(t, db, 0, 0), 200)
	grow(t, db, old, 230, 300, 1000)
	check(t, db, old)
	if _, err := old.Entries(db.Reader(), 0, 0, 201, math.MaxInt); err == nil {
		t.Error("a view of 200 entries shows entry 200")
	}
}

// TestI1WhatWasNotCommittedIsWrittenOver crashes between the sync of the entries and the commit of their batch.
func TestI1WhatWasNotCommittedIsWrittenOver(t *testing.T) {
	db := openDB(t)
	v := grow(t, db, open(t, db, 0, 0), 100)
	lost := db.NewBatch()
	defer lost.Close()
	w := entrystore.NewWriter(v)
	if _, err := w.Append(lost, [][]byte{[]byte("a longer entry that never counted"), []byte("and one more")}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, db, 100, v.End())
	check(t, db, again)
	check(t, db, grow(t, db, again, 600))
}

func TestReadingStopsAtMaxBytes(t *testing.T) {
	db := openDB(t)
	v := grow(t, db, open(t, db, 0, 0), 256)
	for _, maxBytes := range []int{0, 1, 10, 500} {
		got, err := v.Entries(db.Reader(), 0, 3, 200, maxBytes)
		size := 0
		for _, e := range got {
			size += 2 + len(e)
		}
		if err != nil || len(got) == 0 || size > maxBytes && len(got) > 1 {
			t.Errorf("at most %d bytes: %d entries of %d bytes, %v", maxBytes, len(got), size, err)
		}
	}
}

func TestDamageIsNamed(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, *pebbledb.DB){
		"no file": func(t *testing.T, db *pebbledb.DB) {
			if err := db.FS().Remove(entrystore.FileName(db.FS(), db.EntriesDir(), 0)); err != nil {
				t.Fatal(err)
			}
			dropCopies(t, db)
		},
		"no record":       func(t *testing.T, db *pebbledb.DB) { setRecord(t, db, nil) },
		"a short record":  func(t *testing.T, db *pebbledb.DB) { setRecord(t, db, make([]byte, 1031)) },
		"a record of nil": func(t *testing.T, db *pebbledb.DB) { setRecord(t, db, make([]byte, 1032)) },
	} {
		t.Run(name, func(t *testing.T) {
			db := openDB(t)
			v := grow(t, db, open(t, db, 0, 0), 300)
			harm(t, db)
			var damaged *entrystore.DamagedError
			if _, err := v.Entries(db.Reader(), 0, 0, 256, math.MaxInt); !errors.As(err, &damaged) {
				t.Errorf("Entries = %v, want a DamagedError", err)
			}
			if _, err := entrystore.Open(db, db.Reader(), 300, v.End()); !errors.As(err, &damaged) {
				t.Errorf("Open = %v, want a DamagedError", err)
			}
		})
	}
	db := openDB(t)
	v := grow(t, db, open(t, db, 0, 0), 300)
	for _, end := range []uint64{0, 1, v.End() - 1, v.End() + 1, math.MaxUint64} {
		var damaged *entrystore.DamagedError
		if _, err := entrystore.Open(db, db.Reader(), 300, end); !errors.As(err, &damaged) {
			t.Errorf("Open with end %d = %v, want a DamagedError", end, err)
		}
	}
}

// dropCopies deletes the copies of the last entries.
func dropCopies(t *testing.T, db *pebbledb.DB) {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	if err := errors.Join(b.DeleteRange([]byte{pebbledb.PrefixEntryCopy}, []byte{pebbledb.PrefixEntryCopy + 1}, nil), db.Commit(b)); err != nil {
		t.Fatal(err)
	}
}

func setRecord(t *testing.T, db *pebbledb.DB, value []byte) {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	key := pebbledb.Uint64Key(pebbledb.PrefixEntry, 0)
	err := b.Set(key, value, nil)
	if value == nil {
		err = b.Delete(key, nil)
	}
	if err := errors.Join(err, db.Commit(b)); err != nil {
		t.Fatal(err)
	}
}
