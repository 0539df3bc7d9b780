package logstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
)

func identity(entry []byte) ([32]byte, error) { return sha256.Sum256(entry), nil }

func fsck(t testing.TB, db *pebbledb.DB) (logstore.FsckResult, []logstore.Damage) {
	t.Helper()
	var found []logstore.Damage
	var last, total uint64
	r, err := logstore.Fsck(context.Background(), db, logstore.FsckOptions{
		Identity: identity,
		Report:   func(d logstore.Damage) { found = append(found, d) },
		Workers:  2,
	}, func(done, of uint64) { last, total = done, of })
	if err != nil {
		t.Fatalf("Fsck = %v", err)
	}
	if last != r.Bytes || total != r.Bytes || r.Damages != uint64(len(found)) {
		t.Errorf("progress ended at %d of %d bytes, %d damages of %d, size %d", last, total, len(found), r.Damages, r.Size)
	}
	return r, found
}

// set writes one key behind the log's back; a nil value deletes it.
func set(t testing.TB, db *pebbledb.DB, key, value []byte) {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	err := b.Set(key, value, nil)
	if value == nil {
		err = b.Delete(key, nil)
	}
	if err := errors.Join(err, db.Commit(b)); err != nil {
		t.Fatal(err)
	}
}

func TestFsckOfAGoodLogFindsNothing(t *testing.T) {
	testenv.SkipInRace(t)
	for _, size := range []uint64{0, 1, 256, 70000} {
		s := newStore(t, vfs.NewMem(), logstore.Options{})
		fill(t, s.log, size)
		_, root := s.log.Head()
		r, found := fsck(t, s.db)
		if r.Size != size || r.Root != root || r.Tiles != size>>8+size>>16 || len(found) != 0 {
			t.Errorf("size %d: %+v, %v", size, r, found)
		}
	}
}

func TestFsckNamesEveryDamage(t *testing.T) {
	testenv.SkipInRace(t)
	const size = 66000
	e := func(i uint64) []byte { return leaf("leaf %d", i).Entry }
	hash := func(i uint64) [32]byte { return proof.LeafHash(e(i)) }
	u64 := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	leafKey := func(i uint64) []byte { return pebbledb.HashKey(pebbledb.PrefixLeafHash, hash(i)) }
	idKey := func(i uint64) []byte { return pebbledb.HashKey(pebbledb.PrefixIdentity, sha256.Sum256(e(i))) }
	stray := sha256.Sum256([]byte("stray"))
	flip := func(t *testing.T, db *pebbledb.DB, key []byte, at int) {
		v, err := db.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		v[at] ^= 1
		set(t, db, key, v)
	}
	for i, tc := range []struct {
		name string
		harm func(t *testing.T, db *pebbledb.DB)
		want [][]byte // the keys that must be named, and no others but the head
	}{
		{"entries flipped", func(t *testing.T, db *pebbledb.DB) {
			flipEntry(t, db, "leaf 5", "meaf 5")
			flipEntry(t, db, "leaf 65999", "leag 65999")
		}, [][]byte{
			bundleKey(0), headKey, // of the unfinished bundle only the root tells
			pebbledb.HashKey(pebbledb.PrefixLeafHash, proof.LeafHash([]byte("leag 65999"))),
			pebbledb.HashKey(pebbledb.PrefixIdentity, sha256.Sum256([]byte("leag 65999"))),
			leafKey(65999), idKey(65999),
		}},
		{"a bundle without a place", func(t *testing.T, db *pebbledb.DB) { set(t, db, bundleKey(7), nil) }, [][]byte{bundleKey(7)}},
		{"a bundle in another place", func(t *testing.T, db *pebbledb.DB) { flip(t, db, bundleKey(7), 7) }, [][]byte{bundleKey(7)}},
		{"a length flipped", func(t *testing.T, db *pebbledb.DB) {
			flipEntry(t, db, "\x00\x08leaf 700", "\x00\x09leaf 700")
		}, [][]byte{bundleKey(700 / 256)}},
		{"a tile flipped", func(t *testing.T, db *pebbledb.DB) { flip(t, db, pebbledb.TileKey(0, 3), 40) }, [][]byte{pebbledb.TileKey(0, 3)}},
		{"a tile of level 1 flipped", func(t *testing.T, db *pebbledb.DB) { flip(t, db, pebbledb.TileKey(1, 0), 8191) }, [][]byte{pebbledb.TileKey(1, 0)}},
		{"tiles missing", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, pebbledb.TileKey(0, 9), nil)
			set(t, db, pebbledb.TileKey(1, 0), nil)
		}, [][]byte{pebbledb.TileKey(0, 9), pebbledb.TileKey(1, 0)}},
		{"a tile too short", func(t *testing.T, db *pebbledb.DB) { set(t, db, pebbledb.TileKey(0, 2), make([]byte, 8191)) }, [][]byte{pebbledb.TileKey(0, 2)}},
		{"a tile too many", func(t *testing.T, db *pebbledb.DB) { set(t, db, pebbledb.TileKey(0, 257), make([]byte, 8192)) }, [][]byte{pebbledb.TileKey(0, 257)}},
		{"leaf hashes lost or wrong", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, leafKey(1), nil)
			set(t, db, leafKey(2), u64(3))
			set(t, db, leafKey(4), u64(2))
			set(t, db, leafKey(6), []byte("short"))
		}, [][]byte{leafKey(1), leafKey(2), leafKey(4), leafKey(6)}},
		{"a leaf hash too many", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, pebbledb.HashKey(pebbledb.PrefixLeafHash, stray), u64(9))
		}, [][]byte{pebbledb.HashKey(pebbledb.PrefixLeafHash, stray)}},
		{"a leaf hash beyond the end", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, pebbledb.HashKey(pebbledb.PrefixLeafHash, stray), u64(size))
		}, [][]byte{pebbledb.HashKey(pebbledb.PrefixLeafHash, stray)}},
		{"identities lost or wrong", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, idKey(1), nil)
			set(t, db, idKey(2), u64(1))
		}, [][]byte{idKey(1), idKey(2)}},
		{"an identity too many", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, pebbledb.HashKey(pebbledb.PrefixIdentity, stray), u64(9))
		}, [][]byte{pebbledb.HashKey(pebbledb.PrefixIdentity, stray)}},
		{"a bundle too many", func(t *testing.T, db *pebbledb.DB) { set(t, db, bundleKey(size/256), []byte("x")) }, [][]byte{bundleKey(size / 256)}},
		{"the head flipped", func(t *testing.T, db *pebbledb.DB) { flip(t, db, headKey, 20) }, [][]byte{headKey}},
		{"the head too short", func(t *testing.T, db *pebbledb.DB) { set(t, db, headKey, []byte("x")) }, [][]byte{headKey}},
		{"bodies", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, pebbledb.HashKey(pebbledb.PrefixBody, stray), []byte("not stray"))
			set(t, db, pebbledb.HashKey(pebbledb.PrefixAttachment, stray), []byte("strax"))
			set(t, db, pebbledb.HashKey(pebbledb.PrefixBody, sha256.Sum256([]byte("good"))), []byte("good"))
		}, [][]byte{pebbledb.HashKey(pebbledb.PrefixBody, stray), pebbledb.HashKey(pebbledb.PrefixAttachment, stray)}},
	} {
		if testing.Short() && i%8 != 0 {
			continue // each case builds a log of 66,000 leaves: minutes under the race detector, for code of one goroutine
		}
		t.Run(tc.name, func(t *testing.T) {
			s := damaged.clone(t)
			tc.harm(t, s)
			_, found := fsck(t, s)
			want := make(map[string]bool)
			for _, k := range tc.want {
				want[string(k)] = true
			}
			got := make(map[string]bool)
			for _, d := range found {
				got[string(d.Key)] = true
				if !want[string(d.Key)] {
					t.Errorf("reported %v", d)
				}
			}
			for k := range want {
				if !got[k] {
					t.Errorf("nothing reported about key %c %x", k[0], k[1:])
				}
			}
		})
	}
}

var headKey = []byte("mhead")

func bundleKey(n uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntry, n) }

// flipEntry replaces bytes in the files of entries, where they must be once.
func flipEntry(t *testing.T, db *pebbledb.DB, from, to string) {
	t.Helper()
	names, err := db.FS().List(db.EntriesDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := db.FS().OpenReadWrite(db.FS().PathJoin(db.EntriesDir(), name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(f)
		if at := bytes.Index(data, []byte(from)); at >= 0 && err == nil {
			_, err = f.WriteAt([]byte(to), int64(at))
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// dropCopies leaves the last entries in their file alone, as a larger commit would.
func dropCopies(t *testing.T, db *pebbledb.DB) {
	t.Helper()
	names, err := db.FS().List(db.EntriesDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		f, err := db.FS().OpenReadWrite(db.FS().PathJoin(db.EntriesDir(), name), vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.SyncData(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range copyKeys(t, db) {
		set(t, db, key, nil)
	}
}

// copyKeys returns the keys of the copies of entries.
func copyKeys(t *testing.T, db *pebbledb.DB) (keys [][]byte) {
	t.Helper()
	it, err := db.Reader().NewIter(&pebble.IterOptions{LowerBound: []byte{pebbledb.PrefixEntryCopy}, UpperBound: []byte{pebbledb.PrefixEntryCopy + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		keys = append(keys, bytes.Clone(it.Key()))
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestI1EntriesComeBackFromTheirCopies loses what was written to the files but not synced.
func TestI1EntriesComeBackFromTheirCopies(t *testing.T) {
	mem := vfs.NewCrashableMem()
	s, err := openStore("data", mem, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.log, 700) // one small commit
	for i := range 100 {
		mustAppend(t, s.log, group(leaf("leaf %d", 700+i)))
	}
	_, root := s.log.Head()
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	file, err := crashed.Stat("data/entries/000000000.bundles")
	if err != nil || file.Size() != 0 {
		t.Fatalf("the crash left a file of %v bytes (%v): it was synced, and the test tests nothing", file, err)
	}
	readOnly, err := pebbledb.Open("data", pebbledb.Options{FS: crashed, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if r, found := fsck(t, readOnly); r.Size != 800 || r.Root != root || len(found) != 0 {
		t.Errorf("read-only: %+v, %v", r, found)
	}
	if err := readOnly.Close(); err != nil {
		t.Fatal(err)
	}
	s = newStore(t, crashed, logstore.Options{})
	var want [][]byte
	for i := range 800 {
		want = append(want, leaf("leaf %d", i).Entry)
	}
	if err := verify(s.log, want); err != nil {
		t.Error(err)
	}
	if n := len(copyKeys(t, s.db)); n != 101 {
		t.Errorf("%d copies, want 101", n)
	}
	large := group(leaf("%s", strings.Repeat("x", 40_000)))
	mustAppend(t, s.log, large)
	if n := len(copyKeys(t, s.db)); n != 0 {
		t.Errorf("%d copies after a larger commit", n)
	}
	if err := verify(s.log, append(want, large.Leaves[0].Entry)); err != nil {
		t.Error(err)
	}
}

func TestDamagedCopiesAreNotTaken(t *testing.T) {
	key := func(i uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntryCopy, i) }
	for name, harm := range map[string]func(*testing.T, *pebbledb.DB){
		"one in the middle is gone": func(t *testing.T, db *pebbledb.DB) { set(t, db, key(101), nil) },
		"the last is gone":          func(t *testing.T, db *pebbledb.DB) { set(t, db, key(102), nil) },
		"one is cut":                func(t *testing.T, db *pebbledb.DB) { set(t, db, key(101), []byte("\x00\x08leaf 10")) },
		"one has two entries":       func(t *testing.T, db *pebbledb.DB) { set(t, db, key(102), []byte("\x00\x01x\x00\x01y")) },
		"one is longer":             func(t *testing.T, db *pebbledb.DB) { set(t, db, key(102), []byte("\x00\x09leaf  102")) },
		"one is another":            func(t *testing.T, db *pebbledb.DB) { set(t, db, key(102), []byte("\x00\x08leaf 103")) },
		"an empty one":              func(t *testing.T, db *pebbledb.DB) { set(t, db, key(103), []byte{}) },
		"one too many":              func(t *testing.T, db *pebbledb.DB) { set(t, db, key(103), []byte("\x00\x01x")) },
		"a key too long":            func(t *testing.T, db *pebbledb.DB) { set(t, db, append(key(103), 0), []byte("\x00\x01x")) },
	} {
		t.Run(name, func(t *testing.T) {
			mem := vfs.NewMem()
			s, err := openStore("data", mem, logstore.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				fill(t, s.log, 100+uint64(i)+1)
			}
			harm(t, s.db)
			if _, found := fsck(t, s.db); len(found) == 0 {
				t.Error("fsck finds nothing")
			}
			if err := s.close(); err != nil {
				t.Fatal(err)
			}
			db, err := pebbledb.Open("data", pebbledb.Options{FS: mem})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			l, err := logstore.Open(db, logstore.Options{})
			if err == nil {
				l.Close()
			}
			var d *logstore.DamagedError
			if !errors.As(err, &d) {
				t.Errorf("Open = %v, want a DamagedError", err)
			}
		})
	}
}

// master is a store of 66,000 leaves, built once.
type master struct {
	mem *vfs.MemFS
}

var damaged master

// clone opens a copy of the master's database.
func (m *master) clone(t *testing.T) *pebbledb.DB {
	t.Helper()
	if m.mem == nil {
		m.mem = vfs.NewCrashableMem()
		s, err := openStore("data", m.mem, logstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, s.log, 66000)
		dropCopies(t, s.db)
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	db, err := pebbledb.Open("data", pebbledb.Options{FS: m.mem.CrashClone(vfs.CrashCloneCfg{})})
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

func TestDamagedLogIsNotOpened(t *testing.T) {
	testenv.SkipInRace(t)
	for name, harm := range map[string]func(*pebbledb.DB){
		"the last full bundle has no place": func(db *pebbledb.DB) { set(t, db, bundleKey(256), nil) },
		"a late entry is changed":           func(db *pebbledb.DB) { flipEntry(t, db, "leaf 65990", "leaf 6599X") },
		"a late length is changed":          func(db *pebbledb.DB) { flipEntry(t, db, "\x00\x0aleaf 65990", "\x00\x0bleaf 65990") },
		"the last file is gone": func(db *pebbledb.DB) {
			if err := db.FS().Remove(db.FS().PathJoin(db.EntriesDir(), "000000001.bundles")); err != nil {
				t.Fatal(err)
			}
		},
		"a tile on the edge is gone": func(db *pebbledb.DB) {
			set(t, db, pebbledb.TileKey(0, 256), nil)
		},
		"the head is gone":    func(db *pebbledb.DB) { set(t, db, headKey, nil) },
		"the head is another": func(db *pebbledb.DB) { set(t, db, headKey, make([]byte, 48)) },
		"there is one bundle more": func(db *pebbledb.DB) {
			set(t, db, bundleKey(257), []byte("x"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := damaged.clone(t)
			harm(db)
			l, err := logstore.Open(db, logstore.Options{})
			if err == nil {
				l.Close()
			}
			var d *logstore.DamagedError
			if !errors.As(err, &d) || !strings.Contains(err.Error(), "fsck") {
				t.Errorf("Open = %v, want a DamagedError that says what to do", err)
			}
		})
	}
}

// TestFsckGoesOnAfterADamagedBlock flips bytes in tables on disk: Pebble then refuses whole blocks.
func TestFsckGoesOnAfterADamagedBlock(t *testing.T) {
	testenv.SkipInRace(t)
	dir := t.TempDir()
	s, err := openStore(dir, nil, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s.log, 5000)
	body := bytes.Repeat([]byte("body"), 100)
	b := s.db.NewBatch()
	if _, err := bodystore.StageBody(b, body); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.db.Commit(b), b.Close(), s.db.CompactAll(context.Background()), s.close()); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "pebble", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "entries", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	for _, name := range append(tables, files...) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 2000; at < len(data)*2/3; at += 40000 {
			data[at] ^= 0x10
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := pebbledb.Open(dir, pebbledb.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, found := fsck(t, db)
	if r.Size != 5000 || len(found) < 100 {
		t.Errorf("size %d with %d damages: %v", r.Size, len(found), found)
	}
	if testing.Verbose() {
		fmt.Println(len(found), "damages, for example", found[0])
	}
}
