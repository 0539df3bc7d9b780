package pebbledb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errDamagedFile is in the cause of a halt for a file of the database that does not hold what was written to it.
var errDamagedFile = errors.New("a file of the database is damaged")

// Damaged reports whether the database has halted for a damaged file. One of copies is thrown away when it is opened next.
func (d *DB) Damaged() bool { return errors.Is(d.fence.err(), errDamagedFile) }

// damagedName is a file that says so of a database of copies (Options.Copies), for the next Open.
const damagedName = "DAMAGED"

// wayOut is what helps against a damaged file.
func (d *DB) wayOut() string {
	if d.copies {
		return "check the disk: these are copies, and all of them are fetched again"
	}
	return "check the disk, stop the node, move " + d.dir + " away and start it: in an alliance all comes back from the mirrors; else restore a backup"
}

// markDamaged is called with Pebble's locks held, so it stays clear of Pebble and of the fence.
func markDamaged(fsys vfs.FS, dir string) error {
	f, err := fsys.Create(fsys.PathJoin(dir, damagedName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, "A file of this database is damaged. It holds copies only: it is made anew when it is opened next.\n")
	return errors.Join(err, f.Sync(), f.Close())
}

// dropDamaged throws a database away of which an earlier run said that it is damaged. It can be cut off at any point: the mark
// goes last.
func dropDamaged(fsys vfs.FS, dir string, log *slog.Logger) error {
	mark := fsys.PathJoin(dir, damagedName)
	if _, err := fsys.Stat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	log.Warn("a damaged database of copies is made anew", slog.String("dir", dir))
	err := fsys.RemoveAll(fsys.PathJoin(dir, pebbleName))
	if err == nil {
		err = fsys.Remove(mark)
	}
	if err != nil {
		return fmt.Errorf("throwing away the damaged database in %s: %w", dir, err)
	}
	return nil
}
