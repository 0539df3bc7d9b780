package node

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// grow appends entries to the log of a data directory, up to size.
func grow(t *testing.T, data string, size uint64) {
	t.Helper()
	db, err := pebbledb.Open(data, pebbledb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, _ := log.Head(); i < size; i++ {
		entry := fmt.Appendf(nil, "entry %d", i)
		if _, err := log.Append(t.Context(), logstore.Group{Leaves: []logstore.Leaf{{Entry: entry, Identity: sha256.Sum256(entry)}}}); err != nil {
			t.Fatal(err)
		}
	}
	log.Close()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestInterruptedBackupsLeaveAWholeOne goes through what a backup leaves when it ends between any two of its steps.
func TestInterruptedBackupsLeaveAWholeOne(t *testing.T) {
	for name, tc := range map[string]struct {
		interrupt func(b *backupDir) error
		size      uint64 // of the whole one
	}{
		"while copying": {func(b *backupDir) error {
			return errors.Join(os.MkdirAll(filepath.Join(b.next(), "pebble"), 0o700), os.WriteFile(filepath.Join(b.next(), "pebble", "000004.sst"), []byte("half"), 0o600))
		}, 5},
		"copied": {func(b *backupDir) error { return os.CopyFS(b.next(), os.DirFS(b.at("data"))) }, 5},
		"after the old one went aside": {func(b *backupDir) error {
			return errors.Join(os.CopyFS(b.next(), os.DirFS(b.at("data"))), os.Rename(b.at("data"), b.at("data.old")))
		}, 5},
		"before the old one is removed": {func(b *backupDir) error { return os.CopyFS(b.at("data.old"), os.DirFS(b.at("data"))) }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			m := config.Member{Data: filepath.Join(dir, "data"), State: filepath.Join(dir, "state"), Trust: filepath.Join(dir, "trust.json")}
			if err := errors.Join(os.WriteFile(m.Trust, []byte("{}"), 0o600), os.Mkdir(m.State, 0o700)); err != nil {
				t.Fatal(err)
			}
			grow(t, m.Data, 5)
			to := filepath.Join(dir, "backup")
			logger := slog.New(slog.DiscardHandler)
			if _, err := Backup(t.Context(), m, to, nil, logger); err != nil {
				t.Fatal(err)
			}
			if err := tc.interrupt(&backupDir{to}); err != nil {
				t.Fatal(err)
			}
			restored := filepath.Join(dir, "restored")
			if err := copyTree((&backupDir{to}).current(), restored); err != nil {
				t.Fatal(err)
			}
			if size, _, err := headOf(restored, logger); err != nil || size != tc.size {
				t.Errorf("what restore takes has size %d, %v, want %d", size, err, tc.size)
			}
			grow(t, m.Data, 9)
			if _, err := Backup(t.Context(), m, to, nil, logger); err != nil {
				t.Fatal(err)
			}
			if size, _, err := headOf(filepath.Join(to, "data"), logger); err != nil || size != 9 {
				t.Errorf("the next backup has size %d, %v, want 9", size, err)
			}
			for _, left := range []string{"data.new", "data.old", "trust.json.new"} {
				if _, err := os.Stat(filepath.Join(to, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", left, err)
				}
			}
		})
	}
}

func TestBackupThatCannotBeWrittenLeavesTheOldOne(t *testing.T) {
	dir := t.TempDir()
	m := config.Member{Data: filepath.Join(dir, "data"), State: filepath.Join(dir, "state"), Trust: filepath.Join(dir, "trust.json")}
	if err := errors.Join(os.WriteFile(m.Trust, []byte("{}"), 0o600), os.Mkdir(m.State, 0o700)); err != nil {
		t.Fatal(err)
	}
	grow(t, m.Data, 5)
	to := filepath.Join(dir, "backup")
	logger := slog.New(slog.DiscardHandler)
	if _, err := Backup(t.Context(), m, to, nil, logger); err != nil {
		t.Fatal(err)
	}
	grow(t, m.Data, 9)
	if err := os.Remove(m.Trust); err != nil { // the last thing that is read
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), m, to, nil, logger); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Backup = %v, want the missing file", err)
	}
	if size, _, err := headOf((&backupDir{to}).current(), logger); err != nil || size != 5 {
		t.Errorf("the old backup has size %d, %v, want 5", size, err)
	}
	if _, err := os.Stat(checkpointDir(m)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the checkpoint is left: %v", err)
	}
}
