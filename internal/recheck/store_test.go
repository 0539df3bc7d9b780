package recheck_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/recheck"
)

// handmade is a log stored as FORMAT.md says, written here from the definitions alone, so that these tests agree with
// neither path by sharing its code.
type handmade struct {
	t       testing.TB
	fs      vfs.FS
	db      *pebble.DB
	entries [][]byte
}

// quiet drops Pebble's messages.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

func newHandmade(t testing.TB) *handmade {
	t.Helper()
	fs := vfs.NewMem()
	db, err := pebble.Open("pebble", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatValueSeparation, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := fs.MkdirAll("entries", 0o755); err != nil {
		t.Fatal(err)
	}
	return &handmade{t: t, fs: fs, db: db}
}

func (h *handmade) store() recheck.Store {
	return recheck.Store{DB: h.db, FS: h.fs, Entries: "entries", Identity: identityOf}
}

func identityOf(entry []byte) ([32]byte, error) {
	return sha256.Sum256(append([]byte("identity of "), entry...)), nil
}

func leafOf(entry []byte) [32]byte { return sha256.Sum256(append([]byte{0}, entry...)) }

// treeHash is MTH of RFC 6962, section 2.1, word for word.
func treeHash(entries [][]byte) [32]byte {
	switch len(entries) {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return leafOf(entries[0])
	}
	k := 1
	for 2*k < len(entries) {
		k *= 2
	}
	l, r := treeHash(entries[:k]), treeHash(entries[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

func u64(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// grow appends entries up to a size below 65,536 and writes the whole store again. It returns the root.
func (h *handmade) grow(size int) [32]byte {
	h.t.Helper()
	for i := len(h.entries); i < size; i++ {
		h.entries = append(h.entries, bytes.Repeat(fmt.Appendf(nil, "entry %d ", i), 1+i%7))
	}
	h.write()
	return treeHash(h.entries)
}

func (h *handmade) write() {
	h.t.Helper()
	var file []byte
	for first := 0; first < len(h.entries); first += 256 {
		record := u64(len(file))
		start := len(file)
		last := min(first+256, len(h.entries))
		for i, entry := range h.entries[first:last] {
			file = append(binary.BigEndian.AppendUint16(file, uint16(len(entry))), entry...)
			record = binary.BigEndian.AppendUint32(record, uint32(len(file)-start))
			leaf := leafOf(entry)
			identity, _ := identityOf(entry)
			h.set(append([]byte("h"), leaf[:]...), u64(first+i))
			h.set(append([]byte("i"), identity[:]...), u64(first+i))
		}
		if last-first == 256 {
			h.set(append([]byte("e"), u64(first/256)...), record)
			var tile []byte
			for _, entry := range h.entries[first:last] {
				leaf := leafOf(entry)
				tile = append(tile, leaf[:]...)
			}
			h.set(append([]byte("t\x00"), u64(first/256)...), tile)
		}
	}
	h.writeCopies(len(h.entries)-60, len(h.entries)-10)
	root := treeHash(h.entries)
	h.set([]byte("mhead"), append(append(u64(len(h.entries)), root[:]...), u64(len(file))...))
	f, err := h.fs.Create("entries/000000000.bundles", vfs.WriteCategoryUnspecified)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := f.Write(file); err != nil {
		h.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		h.t.Fatal(err)
	}
}

// writeCopies stores the entries from a to b-1 and those from b on once more, as two small commits would.
func (h *handmade) writeCopies(a, b int) {
	h.t.Helper()
	if err := h.db.DeleteRange([]byte("u"), []byte("v"), pebble.NoSync); err != nil {
		h.t.Fatal(err)
	}
	a, b = max(a, 0), max(b, 0)
	for _, part := range [][2]int{{a, b}, {b, len(h.entries)}} {
		var value []byte
		for _, entry := range h.entries[part[0]:part[1]] {
			value = append(binary.BigEndian.AppendUint16(value, uint16(len(entry))), entry...)
		}
		if value != nil {
			h.set(append([]byte("u"), u64(part[0])...), value)
		}
	}
}

func (h *handmade) set(key, value []byte) {
	h.t.Helper()
	if err := h.db.Set(key, value, pebble.NoSync); err != nil {
		h.t.Fatal(err)
	}
}

// at is where entry i begins, with its length.
func (h *handmade) at(i int) int64 {
	n := 0
	for _, entry := range h.entries[:i] {
		n += 2 + len(entry)
	}
	return int64(n)
}

// flipFile flips a bit of a file.
func flipFile(t testing.TB, fs vfs.FS, name string, at int64, bit int) {
	t.Helper()
	f, err := fs.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << bit
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// noter writes a key as pebbledb.DB does.
type noter interface{ Note(key, value []byte) error }

// Note makes a handmade store a noter.
func (h *handmade) Note(key, value []byte) error { return h.db.Set(key, value, pebble.NoSync) }

// flipValue flips a bit of a value.
func flipValue(t testing.TB, r pebble.Reader, w noter, key []byte, at, bit int) {
	t.Helper()
	value, closer, err := r.Get(key)
	if err != nil {
		t.Fatalf("reading %q: %v", key, err)
	}
	flipped := append([]byte(nil), value...)
	if err := closer.Close(); err != nil {
		t.Fatal(err)
	}
	flipped[at] ^= 1 << bit
	if err := w.Note(key, flipped); err != nil {
		t.Fatal(err)
	}
}
