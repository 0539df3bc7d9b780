package pebbledb_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/testenv"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PEBBLEDB_TEST_OPEN"); dir != "" {
		secondProcess(dir)
	}
	goleak.VerifyTestMain(m)
}

// secondProcess tries to open a directory that the test process holds, and prints what it was told.
func secondProcess(dir string) {
	_, err := pebbledb.Open(dir, pebbledb.Options{})
	if err != nil {
		_, _ = os.Stdout.WriteString(err.Error())
	}
	os.Exit(0)
}

func open(t *testing.T, dir string, o pebbledb.Options) *pebbledb.DB {
	t.Helper()
	db, err := pebbledb.Open(dir, o)
	if err != nil {
		t.Fatalf("Open(%q) = %v", dir, err)
	}
	return db
}

func closeDB(t *testing.T, db *pebbledb.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
}

func put(db *pebbledb.DB, key, value string) error {
	b := db.NewBatch()
	defer b.Close()
	if err := b.Set([]byte(key), []byte(value), nil); err != nil {
		return err
	}
	return db.Commit(b)
}

func wantError(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("got no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

func TestCommittedIsThereAfterReopen(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, pebbledb.Options{})
	if err := put(db, "mkey", "value"); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	for _, ro := range []bool{false, true} {
		db = open(t, dir, pebbledb.Options{ReadOnly: ro})
		got, err := db.Get([]byte("mkey"))
		if err != nil || string(got) != "value" {
			t.Errorf("read-only %v: Get = %q, %v, want value", ro, got, err)
		}
		if _, err := db.Get([]byte("mnone")); !errors.Is(err, pebble.ErrNotFound) {
			t.Errorf("Get of a missing key = %v", err)
		}
		if err := put(db, "mother", "x"); ro != errors.Is(err, pebbledb.ErrReadOnly) {
			t.Errorf("read-only %v: write = %v", ro, err)
		}
		closeDB(t, db)
	}
}

func TestSecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, pebbledb.Options{})
	defer closeDB(t, db)
	_, err := pebbledb.Open(dir, pebbledb.Options{})
	wantError(t, err, "in use", "stop the other")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PEBBLEDB_TEST_OPEN="+dir)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, errors.New(string(out)), "in use", "stop the other")
}

func TestFormatIsChecked(t *testing.T) {
	for _, tc := range []struct{ name, content, want string }{
		{"newer", "cityproof-data 3\n", "knows only 2"},
		{"older, of no release", "cityproof-data 1\n", "knows only 2"},
		{"zero", "cityproof-data 0\n", "not a data format"},
		{"leading zero", "cityproof-data 01\n", "not a data format"},
		{"no newline", "cityproof-data 1", "not a data format"},
		{"tail", "cityproof-data 1\nx", "not a data format"},
		{"other program", "hello\n", "not a data format"},
		{"empty", "", "not a data format"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			closeDB(t, open(t, dir, pebbledb.Options{}))
			if err := os.WriteFile(filepath.Join(dir, "FORMAT"), []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := pebbledb.Open(dir, pebbledb.Options{})
			wantError(t, err, tc.want)
		})
	}
	t.Run("missing", func(t *testing.T) {
		dir := t.TempDir()
		closeDB(t, open(t, dir, pebbledb.Options{}))
		if err := os.Remove(filepath.Join(dir, "FORMAT")); err != nil {
			t.Fatal(err)
		}
		_, err := pebbledb.Open(dir, pebbledb.Options{})
		wantError(t, err, "no FORMAT file")
	})
	t.Run("without entries", func(t *testing.T) {
		dir := t.TempDir()
		closeDB(t, open(t, dir, pebbledb.Options{}))
		if err := os.Remove(filepath.Join(dir, "entries")); err != nil {
			t.Fatal(err)
		}
		_, err := pebbledb.Open(dir, pebbledb.Options{})
		wantError(t, err, "restore it from a whole backup")
	})
	t.Run("content", func(t *testing.T) {
		dir := t.TempDir()
		closeDB(t, open(t, dir, pebbledb.Options{}))
		got, err := os.ReadFile(filepath.Join(dir, "FORMAT"))
		if err != nil || string(got) != "cityproof-data 2\n" {
			t.Errorf("FORMAT = %q, %v", got, err)
		}
	})
	t.Run("read-only never creates", func(t *testing.T) {
		dir := t.TempDir()
		_, err := pebbledb.Open(dir, pebbledb.Options{ReadOnly: true})
		wantError(t, err, "not a data directory")
	})
}

// TestI1NewDirectoriesSurvivePowerLoss: what was committed in a data directory that was just made must not go with it.
func TestI1NewDirectoriesSurvivePowerLoss(t *testing.T) {
	mem := vfs.NewCrashableMem()
	db := open(t, "some/new/data", pebbledb.Options{FS: mem})
	if err := put(db, "mkey", "value"); err != nil {
		t.Fatal(err)
	}
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	closeDB(t, db)
	db = open(t, "some/new/data", pebbledb.Options{FS: crashed})
	defer closeDB(t, db)
	if got, err := db.Get([]byte("mkey")); err != nil || string(got) != "value" {
		t.Errorf("Get after a power loss = %q, %v", got, err)
	}
}

func TestUnwritableDirectoryIsNamed(t *testing.T) {
	denied := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpMkdirAll && op.Kind != errorfs.OpFileSync {
			return &os.PathError{Op: "open", Path: op.Path, Err: fs.ErrPermission}
		}
		return nil
	})
	_, err := pebbledb.Open("data", pebbledb.Options{FS: errorfs.Wrap(vfs.NewMem(), denied)})
	wantError(t, err, "not writable", "right to write")
}

func TestReadOnlyMediumCanBeRead(t *testing.T) {
	mem := vfs.NewMem()
	db := open(t, "data", pebbledb.Options{FS: mem})
	if err := put(db, "mkey", "value"); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	readOnly := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return &os.PathError{Op: "open", Path: op.Path, Err: errors.New("read-only file system")}
		}
		return nil
	})
	db = open(t, "data", pebbledb.Options{FS: errorfs.Wrap(mem, readOnly), ReadOnly: true})
	defer closeDB(t, db)
	if got, err := db.Get([]byte("mkey")); err != nil || string(got) != "value" {
		t.Errorf("Get = %q, %v", got, err)
	}
}

// A table of which a byte has rotted is damage, whoever comes upon it: a reader, or a compaction in the background.
func TestDamagedTableIsAnError(t *testing.T) {
	for name, find := range map[string]func(db *pebbledb.DB) error{
		"a reader":     func(db *pebbledb.DB) error { _, err := db.Get([]byte("mkey")); return err },
		"a compaction": func(db *pebbledb.DB) error { return db.CompactAll(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			db := open(t, dir, pebbledb.Options{})
			value := make([]byte, 4096)
			rand.NewChaCha8([32]byte{1}).Read(value)
			if err := put(db, "mkey", string(value)); err != nil {
				t.Fatal(err)
			}
			if err := db.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			closeDB(t, db)
			testenv.Spoil(t, filepath.Join(dir, "pebble"), func(name string, b []byte) {
				if i := bytes.Index(b, value[100:200]); i >= 0 && strings.HasSuffix(name, ".sst") {
					b[i] ^= 1
				}
			})
			db = open(t, dir, pebbledb.Options{})
			if db.Damaged() {
				t.Error("damaged before anybody has read it")
			}
			if err := errors.Join(put(db, "ma", "y"), put(db, "mz", "y")); err != nil { // a compaction must read what is between
				t.Fatal(err)
			}
			if find(db) == nil {
				t.Error("damaged bytes are taken for good")
			}
			wantError(t, db.Err(), "damaged", "storage has halted")
			if !db.Damaged() {
				t.Error("it has halted, and is not said to be damaged")
			}
			wantError(t, put(db, "mother", "x"), "damaged")
			time.Sleep(300 * time.Millisecond) // time for hundreds of compactions, each of which would fail
			if n := db.Metrics().Compact.FailedCount; n > 2 {
				t.Errorf("after the halt %d compactions were tried", n)
			}
			if err := db.Close(); !errors.Is(err, pebbledb.ErrHalted) {
				t.Errorf("Close = %v, want the reason of the halt", err)
			}
		})
	}
}

func TestCheckpointOpensAndIsWhole(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "data"), pebbledb.Options{})
	if err := put(db, "mone", "1"); err != nil {
		t.Fatal(err)
	}
	backup := filepath.Join(dir, "deep", "backup")
	if err := db.Checkpoint(backup); err != nil {
		t.Fatal(err)
	}
	if err := put(db, "mtwo", "2"); err != nil {
		t.Fatal(err)
	}
	wantError(t, db.Checkpoint(backup), "exists already")
	wantError(t, db.Checkpoint(filepath.Join(dir, "data", "pebble", "in")), "inside the database")
	closeDB(t, db)
	copied := open(t, backup, pebbledb.Options{})
	defer closeDB(t, copied)
	if got, err := copied.Get([]byte("mone")); err != nil || string(got) != "1" {
		t.Errorf("Get = %q, %v", got, err)
	}
	if _, err := copied.Get([]byte("mtwo")); !errors.Is(err, pebble.ErrNotFound) {
		t.Errorf("Get of a later key = %v", err)
	}
}

func TestFailedBackupDoesNotHalt(t *testing.T) {
	full := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasPrefix(op.Path, "backup") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("no space left on device")
		}
		return nil
	})
	db := open(t, "data", pebbledb.Options{FS: errorfs.Wrap(vfs.NewMem(), full)})
	defer closeDB(t, db)
	wantError(t, db.Checkpoint("backup"), "no space left")
	if err := put(db, "mkey", "x"); err != nil {
		t.Errorf("write after a failed backup = %v", err)
	}
}

// TestHaltIsLoggedOnceAndForGood fails one sync of the log and expects one record, no later write, and reads.
func TestHaltIsLoggedOnceAndForGood(t *testing.T) {
	mem := vfs.NewCrashableMem()
	var failing bool
	inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if failing && (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) {
			failing = false // only once: a retry would succeed, and must not happen
			return errors.New("input/output error")
		}
		return nil
	})
	var logged bytes.Buffer
	db := open(t, "data", pebbledb.Options{
		FS:     errorfs.Wrap(mem, inj),
		Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err := put(db, "mone", "1"); err != nil {
		t.Fatal(err)
	}
	failing = true
	for range 3 {
		err := put(db, "mtwo", "2")
		if !errors.Is(err, pebbledb.ErrHalted) {
			t.Fatalf("write after a failed sync = %v, want ErrHalted", err)
		}
		wantError(t, err, "input/output error", "restart")
	}
	if got, err := db.Get([]byte("mone")); err != nil || string(got) != "1" {
		t.Errorf("read after the halt = %q, %v", got, err)
	}
	if n := strings.Count(logged.String(), "level=ERROR"); n != 1 {
		t.Errorf("logged %d errors, want 1: %s", n, &logged)
	}
	if err := db.Close(); !errors.Is(err, pebbledb.ErrHalted) {
		t.Errorf("Close = %v", err)
	}
	db = open(t, "data", pebbledb.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{})})
	defer closeDB(t, db)
	if _, err := db.Get([]byte("mtwo")); !errors.Is(err, pebble.ErrNotFound) {
		t.Errorf("a write that failed to sync was synced later: %v", err)
	}
}
