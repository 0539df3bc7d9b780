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
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// BackedUp says what a backup did.
type BackedUp struct {
	Size   uint64 `json:"size"` // of the log in the backup
	Root   string `json:"root"`
	Copied int64  `json:"bytes_copied"`
	Kept   int64  `json:"bytes_kept"` // of the backup before, not copied again
}

// Backup copies a member's data and trust.json into dir, also while the node runs. If dir holds an earlier backup of the
// log, only what is new is copied, and the new backup takes the old one's place when it is whole and could be opened:
// whatever ends this, dir holds one of the two.
//
// Keys and state are left out on purpose: keys have a safe copy of their own, and a state that was put back would let the
// log sign a second history. progress, if set, is told of the bytes done and all.
func Backup(ctx context.Context, m config.Member, dir string, progress func(done, total uint64), logger *slog.Logger) (*BackedUp, error) {
	out, err := backup(ctx, m, dir, progress, logger)
	if err != nil {
		return nil, fmt.Errorf("backing up: %w", err)
	}
	return out, nil
}

func backup(ctx context.Context, m config.Member, dir string, progress func(done, total uint64), logger *slog.Logger) (_ *BackedUp, err error) {
	// Opening a database for writing makes it where there is none: a backup of nothing would look like one.
	if _, serr := os.Stat(filepath.Join(m.Data, "FORMAT")); serr != nil {
		return nil, fmt.Errorf("%s holds no data: %w", m.Data, serr)
	}
	b, err := openBackupDir(dir)
	if err != nil {
		return nil, err
	}
	from, done, running, err := borrowCheckpoint(ctx, m)
	if err != nil {
		return nil, err
	}
	if running {
		defer done()
	} else {
		db, derr := pebbledb.Open(m.Data, pebbledb.Options{Logger: logger})
		if derr != nil {
			return nil, derr
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		var remove func() error
		if from, remove, err = makeCheckpoint(m, db); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	source := filepath.Join(from, "data")
	size, root, err := headOf(source, logger)
	if err != nil {
		return nil, err
	}
	if err := b.checkSameLog(ctx, source, logger); err != nil {
		return nil, err
	}
	out := &BackedUp{Size: size, Root: root.String()}
	if out.Copied, out.Kept, err = b.copy(ctx, source, progress); err != nil {
		return nil, err
	}
	switch gotSize, gotRoot, err := headOf(b.next(), logger); {
	case err != nil:
		return nil, fmt.Errorf("the copy can't be opened: %w", err)
	case gotSize != size || gotRoot != root:
		return nil, fmt.Errorf("the copy has size %d and root %s, want %d and %s", gotSize, gotRoot, size, root)
	}
	return out, b.commit(m.Trust)
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
	if err = copyTree((&backupDir{dir}).current(), tmp); err != nil {
		return nil, fmt.Errorf("restoring: %w", err)
	}
	out := &Restored{}
	if out.Size, _, err = headOf(tmp, logger); err != nil {
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

// headOf opens a data directory and rebuilds the right edge of its log.
func headOf(data string, logger *slog.Logger) (size uint64, root proof.Hash, err error) {
	err = withLog(data, logger, func(log *logstore.Log) error {
		size, root = log.Head()
		return nil
	})
	return size, root, err
}

// withLog calls f with the log of a data directory that nobody else has open.
func withLog(data string, logger *slog.Logger, f func(*logstore.Log) error) (err error) {
	db, err := pebbledb.Open(data, pebbledb.Options{ReadOnly: true, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	log, err := logstore.Open(db, logstore.Options{Logger: logger})
	if err != nil {
		return err
	}
	defer log.Close()
	return f(log)
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
