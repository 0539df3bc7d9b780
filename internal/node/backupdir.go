package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/proof"
)

// backupDir is a folder of backups: data/ is the backup, trust.json goes with it. While one is made it lies in data.new/;
// in the instant when it takes the old one's place, that lies in data.old/ and data/ is missing.
type backupDir struct{ path string }

func (b *backupDir) at(name string) string { return filepath.Join(b.path, name) }
func (b *backupDir) next() string          { return b.at("data.new") }

// current is the newest whole backup.
func (b *backupDir) current() string {
	if _, err := os.Stat(b.at("data")); errors.Is(err, fs.ErrNotExist) && b.hasOld() {
		return b.at("data.old")
	}
	return b.at("data")
}

func (b *backupDir) hasOld() bool {
	_, err := os.Stat(b.at("data.old"))
	return err == nil
}

// openBackupDir makes the folder if it is missing, and puts in order what a killed backup left. A folder that holds
// anything else is refused.
func openBackupDir(path string) (*backupDir, error) {
	b := &backupDir{path}
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, os.Mkdir(path, 0o700)
	}
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		switch e.Name() {
		case "data", "data.new", "data.old", "trust.json", "trust.json.new":
		default:
			return nil, fmt.Errorf("%s holds %s, which is no part of a backup: choose a folder of its own", path, e.Name())
		}
	}
	if b.current() == b.at("data.old") {
		if err := os.Rename(b.at("data.old"), b.at("data")); err != nil {
			return nil, err
		}
	}
	return b, errors.Join(os.RemoveAll(b.next()), os.RemoveAll(b.at("data.old")))
}

// checkSameLog refuses to put the log in source in the place of another one, or of a longer one.
func (b *backupDir) checkSameLog(ctx context.Context, source string, logger *slog.Logger) error {
	if _, err := os.Stat(b.at("data")); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	size, root, err := headOf(b.at("data"), logger)
	if err != nil {
		return fmt.Errorf("the earlier backup in %s can't be opened; choose another folder, or move it away: %w", b.path, err)
	}
	return withLog(source, logger, func(log *logstore.Log) error {
		if now, _ := log.Head(); now < size {
			return fmt.Errorf("the backup in %s has %d entries, this log has only %d: it may be what you need to restore; choose another folder", b.path, size, now)
		}
		var now proof.Hash
		if now, err = log.Root(ctx, size); err != nil {
			return err
		}
		if now != root {
			return fmt.Errorf("%s holds the backup of another log: choose another folder", b.path)
		}
		return nil
	})
}

// copy brings the files of source into data.new/. A file that the earlier backup has, of the same name, size and time, is
// linked: tables and full entry files never change, and a restored log, whose numbers may come again, has other times.
func (b *backupDir) copy(ctx context.Context, source string, progress func(done, total uint64)) (copied, kept int64, err error) {
	folders, files, total, err := contentsOf(source)
	if err != nil {
		return 0, 0, err
	}
	for _, folder := range folders { // an empty one too: a log without entries has one
		if err := os.Mkdir(filepath.Join(b.next(), folder), 0o700); err != nil {
			return 0, 0, err
		}
	}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return copied, kept, errors.Join(err, os.RemoveAll(b.next()))
		}
		linked, err := b.bring(source, f)
		if err != nil { // such as a full disk: give back what this took
			return copied, kept, errors.Join(fmt.Errorf("copying %s: %w", f.path, err), os.RemoveAll(b.next()))
		}
		if linked {
			kept += f.info.Size()
		} else {
			copied += f.info.Size()
		}
		if progress != nil {
			progress(uint64(copied+kept), uint64(total)) //nolint:gosec // sizes are not negative
		}
	}
	return copied, kept, syncFolders(b.next())
}

// file is one to be brought.
type file struct {
	path string // below the data directory
	info fs.FileInfo
}

// contentsOf lists what is in a folder and below it, each folder, "." first, before what it holds. total counts bytes.
func contentsOf(dir string) (folders []string, files []file, total int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			folders = append(folders, rel)
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file", path)
		}
		files, total = append(files, file{rel, info}), total+info.Size()
		return nil
	})
	return folders, files, total, err
}

// bring links or copies one file.
func (b *backupDir) bring(source string, f file) (linked bool, err error) {
	target := filepath.Join(b.next(), f.path)
	old := filepath.Join(b.at("data"), f.path)
	if info, err := os.Lstat(old); err == nil && immutable(f.path) && info.Mode().IsRegular() &&
		info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
		if os.Link(old, target) == nil {
			return true, nil
		} // no links on this file system: copied again
	}
	if err := copyFile(filepath.Join(source, f.path), target); err != nil {
		return false, err
	}
	return false, os.Chtimes(target, f.info.ModTime(), f.info.ModTime())
}

// immutable says whether a file of a data directory is written once: a table, or entries; of the last entry file, which
// grows, size and time tell.
func immutable(path string) bool {
	return strings.HasSuffix(path, ".sst") || strings.HasSuffix(path, ".bundles")
}

// commit puts data.new/ in the place of data/.
func (b *backupDir) commit(trust string) error {
	_ = os.Remove(b.at("trust.json.new")) // of a killed backup
	if err := copyFile(trust, b.at("trust.json.new")); err != nil {
		return err
	}
	if err := os.Rename(b.at("data"), b.at("data.old")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(os.Rename(b.next(), b.at("data")), os.Rename(b.at("trust.json.new"), b.at("trust.json")),
		syncFolder(b.path), os.RemoveAll(b.at("data.old")), syncFolder(b.path))
}

// syncFolders makes the names in a folder and in all below it durable.
func syncFolders(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncFolder(path)
	})
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
