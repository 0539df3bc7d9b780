package pebbledb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	formatName   = "FORMAT"
	lockName     = "LOCK"
	pebbleName   = "pebble"
	entriesName  = "entries"
	formatPrefix = "cityproof-data "

	// formatVersion is the only layout this program reads and writes. A change of it needs a migration that ends with a
	// full fsck: a log lost its rows in one that did not (incident 7).
	formatVersion = 2
)

// maxFormatFile bounds what is read of a file that should hold 17 bytes.
const maxFormatFile = 64

// checkFormat reads dir/FORMAT. created is false when there is neither a FORMAT nor a database yet.
func checkFormat(fsys vfs.FS, dir string) (created bool, err error) {
	name := fsys.PathJoin(dir, formatName)
	f, err := fsys.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := fsys.Stat(fsys.PathJoin(dir, pebbleName)); err == nil {
			return false, fmt.Errorf("%s has a database but no %s file: it is an unfinished backup or was changed by hand; "+
				"restore it from a whole backup", dir, formatName)
		}
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening %s: %w", name, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFormatFile))
	if err := errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	version, err := parseFormat(string(b))
	if err != nil {
		return false, fmt.Errorf("reading %s: %w", name, err)
	}
	if version != formatVersion {
		return false, fmt.Errorf("%s has data format %d, this program knows only %d: run the version of cityproof that wrote it, "+
			"or a newer one", dir, version, formatVersion)
	}
	if _, err := fsys.Stat(fsys.PathJoin(dir, entriesName)); errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s has no directory %s: it was changed by hand or copied in part; restore it from a whole backup", dir, entriesName)
	}
	return true, nil
}

func parseFormat(s string) (int, error) {
	num, ok := strings.CutPrefix(s, formatPrefix)
	num, nl := strings.CutSuffix(num, "\n")
	version, err := strconv.Atoi(num)
	if !ok || !nl || err != nil || version < 1 || num != strconv.Itoa(version) {
		return 0, fmt.Errorf("%q is not a data format: this is not a cityproof data directory, or it is damaged", s)
	}
	return version, nil
}

// writeFormat puts dir/FORMAT in place durably. It is renamed into place, so that a crash leaves none or a whole one.
func writeFormat(fsys vfs.FS, dir string) error {
	name := fsys.PathJoin(dir, formatName)
	if err := writeSynced(fsys, name+".tmp", formatPrefix+strconv.Itoa(formatVersion)+"\n"); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	if err := fsys.Rename(name+".tmp", name); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return syncDir(fsys, dir)
}

func writeSynced(fsys vfs.FS, name, content string) error {
	f, err := fsys.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(content))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// makeDir creates dir and what is missing above it, and makes the names durable: what is synced inside a directory is lost
// all the same if a power loss takes the directory.
func makeDir(fsys vfs.FS, dir string) error {
	var parents []string // of dir, up to the first that exists
	for d := dir; ; {
		parent := fsys.PathDir(d)
		parents = append(parents, parent)
		if _, err := fsys.Stat(parent); err == nil || parent == d {
			break
		}
		d = parent
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range parents {
		// Where one may not look one cannot have made a directory either.
		if err := syncDir(fsys, d); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}
