package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Backup copies a member's data and trust.json into dir, which must not exist.
// Keys and state are left out on purpose: keys have a safe copy of their own, and
// a state that was put back would let the log sign a second history.
func Backup(m config.Member, dir string, logger *slog.Logger) (err error) {
	// Pebble copies only a database that is open for writing, and opening one for
	// writing makes it where there is none: a backup of nothing would look like one.
	if _, serr := os.Stat(filepath.Join(m.Data, "FORMAT")); serr != nil {
		return fmt.Errorf("backing up: %s holds no data: %w", m.Data, serr)
	}
	db, err := pebbledb.Open(m.Data, pebbledb.Options{Logger: logger})
	if err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return backup(db, m.Trust, dir)
}

func backup(db *pebbledb.DB, trust, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := db.Checkpoint(filepath.Join(dir, "data")); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	if err := copyFile(trust, filepath.Join(dir, "trust.json")); err != nil {
		return fmt.Errorf("backing up: %w", err)
	}
	return nil
}

// Restored says what a restore found.
type Restored struct {
	Size   uint64 // of the restored log
	Signed uint64 // of the last signed checkpoint
}

// Restore puts a backup's data in place of a member's, whose data directory must
// be absent or empty, and opens them to see that they are whole. A log whose data
// end before what is signed comes up read-only.
func Restore(ctx context.Context, m config.Member, dir string, logger *slog.Logger) (_ *Restored, err error) {
	state, err := signingkey.OpenState(m.State) // so that no node runs meanwhile
	if err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	if entries, rerr := os.ReadDir(m.Data); rerr == nil && len(entries) > 0 {
		return nil, fmt.Errorf("restoring: %s is not empty: move it away first; what it holds may be newer than the backup", m.Data)
	}
	tmp := m.Data + ".restoring"
	if err = os.RemoveAll(tmp); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	if err = copyTree(filepath.Join(dir, "data"), tmp); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	out := &Restored{}
	if out.Size, err = sizeOf(tmp, logger); err != nil {
		return nil, fmt.Errorf("restoring: the backup can't be opened: %w", err)
	}
	if out.Signed, err = lastSize(state.Last()); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	if err := errors.Join(ctx.Err(), removeEmpty(m.Data), os.Rename(tmp, m.Data)); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	return out, nil
}

func removeEmpty(dir string) error {
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sizeOf opens a data directory and rebuilds the right edge of its log.
func sizeOf(data string, logger *slog.Logger) (size uint64, err error) {
	db, err := pebbledb.Open(data, pebbledb.Options{ReadOnly: true, Logger: logger})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := logstore.Open(db, logstore.Options{Logger: logger})
	if err != nil {
		return 0, err
	}
	defer log.Close()
	size, _ = log.Head()
	return size, nil
}

func copyTree(from, to string) error {
	root, err := os.OpenRoot(from) // no link leads out of it
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	return fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, path)
		if d.IsDir() {
			return os.MkdirAll(target, 0o700)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		return copyFile(filepath.Join(from, path), target)
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}
