package bodystore_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newDB(t *testing.T, dir string, fsys vfs.FS) *pebbledb.DB {
	t.Helper()
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: fsys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return db
}

// put stores content through f, which is StageBody or StageAttachment.
func put(t *testing.T, db *pebbledb.DB, f func(pebble.Writer, []byte) ([32]byte, error), content []byte) [32]byte {
	t.Helper()
	b := db.NewBatch()
	defer b.Close()
	hash, err := f(b, content)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(b); err != nil {
		t.Fatal(err)
	}
	return hash
}

func TestStoredIsRead(t *testing.T) {
	db := newDB(t, "data", vfs.NewMem())
	s := bodystore.New(db)
	body, attachment := []byte("a body"), []byte("an attachment")
	hb := put(t, db, bodystore.StageBody, body)
	ha := put(t, db, bodystore.StageAttachment, attachment)
	if hb != sha256.Sum256(body) {
		t.Errorf("StageBody = %x", hb)
	}
	if got, err := s.Body(hb); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Body = %q, %v", got, err)
	}
	if got, err := s.Attachment(ha); err != nil || !bytes.Equal(got, attachment) {
		t.Errorf("Attachment = %q, %v", got, err)
	}
	// One is not the other.
	if _, err := s.Body(ha); !errors.Is(err, bodystore.ErrNotFound) {
		t.Errorf("Body of an attachment = %v", err)
	}
	for _, tc := range []struct {
		name string
		f    func([32]byte) (bool, error)
		hash [32]byte
		want bool
	}{
		{"body", s.HasBody, hb, true},
		{"attachment", s.HasAttachment, ha, true},
		{"attachment as body", s.HasBody, ha, false},
		{"body as attachment", s.HasAttachment, hb, false},
	} {
		if got, err := tc.f(tc.hash); err != nil || got != tc.want {
			t.Errorf("%s: has = %v, %v, want %v", tc.name, got, err, tc.want)
		}
	}
	if got, err := s.Count(context.Background()); err != nil || got != (bodystore.Counts{Bodies: 1, Attachments: 1}) {
		t.Errorf("Count = %+v, %v", got, err)
	}
}

func TestDamagedIsNeverReturned(t *testing.T) {
	db := newDB(t, "data", vfs.NewMem())
	s := bodystore.New(db)
	hash := put(t, db, bodystore.StageBody, []byte("a body"))
	b := db.NewBatch()
	defer b.Close()
	if err := b.Set(pebbledb.HashKey(pebbledb.PrefixBody, hash), []byte("a bodx"), nil); err != nil {
		t.Fatal(err)
	}
	if err := db.Commit(b); err != nil {
		t.Fatal(err)
	}
	var damaged *bodystore.DamagedError
	if got, err := s.Body(hash); !errors.As(err, &damaged) || got != nil {
		t.Errorf("Body of damaged content = %q, %v, want DamagedError", got, err)
	}
	var reports int
	all := pebbledb.Span{Start: []byte{pebbledb.PrefixAttachment}, End: []byte{pebbledb.PrefixBody + 1}}
	got, err := bodystore.Check(context.Background(), db.Reader(), all, 0, func(key []byte, err error) {
		reports++
		if !errors.As(err, &damaged) || !bytes.Equal(key[1:], hash[:]) {
			t.Errorf("Check reported %x: %v", key, err)
		}
	})
	if err != nil || got.Count != 1 || got.Next != nil || reports != 1 {
		t.Errorf("Check = %+v, %v with %d reports", got, err, reports)
	}
}

func TestEraseLeavesAMarker(t *testing.T) {
	db := newDB(t, "data", vfs.NewMem())
	s := bodystore.New(db)
	ctx := context.Background()
	hash := put(t, db, bodystore.StageBody, []byte("a body"))
	other := put(t, db, bodystore.StageBody, []byte("another"))
	for range 2 { // erasing twice is fine
		if err := s.Erase(ctx, hash, 42); err != nil {
			t.Fatal(err)
		}
		var erased *bodystore.ErasedError
		if _, err := s.Body(hash); !errors.As(err, &erased) || erased.Notice != 42 || !errors.Is(err, bodystore.ErrErased) {
			t.Errorf("Body after Erase = %v", err)
		}
	}
	if _, err := s.Body(other); err != nil {
		t.Errorf("another body after Erase: %v", err)
	}
	if got, err := s.Count(ctx); err != nil || got != (bodystore.Counts{Bodies: 1, Erased: 1}) {
		t.Errorf("Count = %+v, %v", got, err)
	}
}

func TestEraseWaitsForSnapshotsAndBackups(t *testing.T) {
	db := newDB(t, "data", vfs.NewMem())
	s := bodystore.New(db)
	hash := put(t, db, bodystore.StageBody, []byte("a body"))
	snapshot := db.NewSnapshot()
	if err := s.Erase(context.Background(), hash, 1); !errors.Is(err, pebbledb.ErrSnapshotOpen) {
		t.Errorf("Erase with a snapshot open = %v, want ErrSnapshotOpen", err)
	}
	release, other := db.HoldPurges(), db.HoldPurges()
	if err := snapshot.Close(); err != nil {
		t.Fatal(err)
	}
	for _, release := range []func(){release, release, other} { // the second time means nothing
		if _, err := s.FinishErasures(context.Background()); !errors.Is(err, pebbledb.ErrSnapshotOpen) {
			t.Errorf("FinishErasures during a backup = %v, want ErrSnapshotOpen", err)
		}
		release()
	}
	for _, want := range []int{1, 0} {
		if n, err := s.FinishErasures(context.Background()); err != nil || n != want {
			t.Errorf("FinishErasures = %d, %v, want %d", n, err, want)
		}
	}
	if _, err := s.Body(hash); !errors.Is(err, bodystore.ErrErased) {
		t.Errorf("Body = %v, want ErrErased", err)
	}
}

// TestErasedBytesLeaveTheDisk looks for a canary in every file of the database, log files and recycled ones included.
func TestErasedBytesLeaveTheDisk(t *testing.T) {
	testenv.SkipInRace(t)
	for _, tc := range []struct {
		name        string
		before      int // bodies stored before the canary, 64 KiB each
		after       int // and after it
		flush       bool
		reopen      bool
		attachments bool
		memTable    int // default 1 MiB
	}{
		{name: "in the log only"},
		{name: "in a table", flush: true},
		{name: "in the last of many small logs", before: 100, memTable: 16 << 20},
		{name: "deep in a recycled log", before: 8, flush: true},
		{name: "in a table below others", before: 100, after: 100, flush: true},
		{name: "among many, with recycled logs", before: 150, after: 200},
		{name: "after a restart", after: 10, reopen: true},
		{name: "an attachment", before: 10, after: 10, attachments: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			rnd := rand.NewChaCha8([32]byte{7})
			random := func(n int) []byte {
				b := make([]byte, n)
				rnd.Read(b)
				return b
			}
			stage := bodystore.StageBody
			if tc.attachments {
				stage = bodystore.StageAttachment
			}
			options := pebbledb.Options{MemTableSize: cmp.Or(tc.memTable, 1<<20)}
			db, err := pebbledb.Open(dir, options)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, db, stage, random, tc.before)
			canary := random(3000) // does not compress
			hash := put(t, db, stage, canary)
			fill(t, db, stage, random, tc.after)
			if tc.flush {
				if err := db.Flush(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if tc.reopen {
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if db, err = pebbledb.Open(dir, options); err != nil {
					t.Fatal(err)
				}
			}
			defer db.Close()
			// A compaction may carry it from one file to another while the folder is read: then it is seen the next time.
			for tries := 0; len(filesWith(t, dir, canary)) == 0; tries++ {
				if tries == 10 {
					t.Fatal("the canary is not on disk before the erasure: the test proves nothing")
				}
			}
			if err := bodystore.New(db).Erase(context.Background(), hash, 5); err != nil {
				t.Fatal(err)
			}
			if found := filesWith(t, dir, canary); len(found) != 0 {
				t.Errorf("erased bytes are still in %v", found)
			}
			// The logs go on being used.
			fill(t, db, stage, random, 300)
			if found := filesWith(t, dir, canary); len(found) != 0 {
				t.Errorf("erased bytes are back in %v", found)
			}
		})
	}
}

// fill stores n contents of 64 KiB, ten to a commit.
func fill(t *testing.T, db *pebbledb.DB, stage func(pebble.Writer, []byte) ([32]byte, error), random func(int) []byte, n int) {
	t.Helper()
	for n > 0 {
		b := db.NewBatch()
		for range min(n, 10) {
			if _, err := stage(b, random(64<<10)); err != nil {
				t.Fatal(err)
			}
			n--
		}
		if err := errors.Join(db.Commit(b), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// filesWith names the files below dir that hold any 64-byte piece of content.
func filesWith(t *testing.T, dir string, content []byte) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil // just deleted
		}
		if err != nil {
			return err
		}
		defer f.Close()
		b, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		for i := 0; i+64 <= len(content); i += 64 {
			if bytes.Contains(b, content[i:i+64]) {
				found = append(found, fmt.Sprintf("%s (piece %d)", filepath.Base(path), i))
				break
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}
