package logstore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

func identity(entry []byte) ([32]byte, error) { return sha256.Sum256(entry), nil }

func fsck(t testing.TB, db *pebbledb.DB) (logstore.FsckResult, []logstore.Damage) {
	t.Helper()
	var found []logstore.Damage
	var last, total uint64
	r, err := logstore.Fsck(context.Background(), db, logstore.FsckOptions{
		Identity: identity,
		Report:   func(d logstore.Damage) { found = append(found, d) },
	}, func(done, of uint64) { last, total = done, of })
	if err != nil {
		t.Fatalf("Fsck = %v", err)
	}
	if last != r.Size || total != r.Size || r.Damages != uint64(len(found)) {
		t.Errorf("progress ended at %d of %d, %d damages of %d, size %d", last, total, len(found), r.Damages, r.Size)
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
	const size = 66000
	e := func(i uint64) []byte { return leaf("leaf %d", i).Entry }
	hash := func(i uint64) [32]byte { return proof.LeafHash(e(i)) }
	u64 := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	entryKey := func(i uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntry, i) }
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
			flip(t, db, entryKey(5), 0)
			flip(t, db, entryKey(65999), 3)
		}, [][]byte{
			pebbledb.TileKey(0, 0), pebbledb.TileKey(1, 0), headKey,
			pebbledb.HashKey(pebbledb.PrefixLeafHash, proof.LeafHash([]byte("meaf 5"))),
			pebbledb.HashKey(pebbledb.PrefixIdentity, sha256.Sum256([]byte("meaf 5"))),
			pebbledb.HashKey(pebbledb.PrefixLeafHash, proof.LeafHash([]byte("leag 65999"))),
			pebbledb.HashKey(pebbledb.PrefixIdentity, sha256.Sum256([]byte("leag 65999"))),
			leafKey(5), idKey(5), leafKey(65999), idKey(65999),
		}},
		{"entries missing", func(t *testing.T, db *pebbledb.DB) {
			set(t, db, entryKey(7), nil)
			set(t, db, entryKey(700), nil)
		}, [][]byte{entryKey(7), entryKey(700)}},
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
		{"an entry too many", func(t *testing.T, db *pebbledb.DB) { set(t, db, entryKey(size+3), []byte("x")) }, [][]byte{entryKey(size + 3)}},
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
	for name, harm := range map[string]func(*pebbledb.DB){
		"the last entry is missing": func(db *pebbledb.DB) { set(t, db, pebbledb.Uint64Key(pebbledb.PrefixEntry, 65999), nil) },
		"a late entry is missing":   func(db *pebbledb.DB) { set(t, db, pebbledb.Uint64Key(pebbledb.PrefixEntry, 65990), nil) },
		"a late entry is changed":   func(db *pebbledb.DB) { set(t, db, pebbledb.Uint64Key(pebbledb.PrefixEntry, 65990), []byte("x")) },
		"a tile on the edge is gone": func(db *pebbledb.DB) {
			set(t, db, pebbledb.TileKey(0, 256), nil)
		},
		"the head is gone":    func(db *pebbledb.DB) { set(t, db, headKey, nil) },
		"the head is another": func(db *pebbledb.DB) { set(t, db, headKey, make([]byte, 40)) },
		"there is one entry more": func(db *pebbledb.DB) {
			set(t, db, pebbledb.Uint64Key(pebbledb.PrefixEntry, 66000), []byte("x"))
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
	for _, name := range tables {
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
	entries := 0
	for _, d := range found {
		if d.Key[0] == pebbledb.PrefixEntry && len(d.Key) == 9 {
			entries++
		}
	}
	if entries < 20 || entries > 4900 {
		t.Errorf("%d entries reported as damaged", entries)
	}
	if testing.Verbose() {
		fmt.Println(len(found), "damages, for example", found[0])
	}
}
