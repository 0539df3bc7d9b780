package pebbledb

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLogger carries Pebble's messages to slog. Pebble calls Fatalf where it cannot go on and expects the process to
// end; here the fence shuts instead, so that reads go on. Failures of the disk do not get there: the fence answers for
// them. What is left are broken invariants of Pebble's own.
type pebbleLogger struct {
	log  *slog.Logger
	halt func(error)
}

// Infof implements pebble.Logger.
func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug("pebble", slog.String("text", fmt.Sprintf(format, args...)))
}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Warn("pebble", slog.String("text", fmt.Sprintf(format, args...)))
}

// Fatalf implements pebble.Logger.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.halt(fmt.Errorf(format, args...))
}

func (d *DB) listener(log *slog.Logger) pebble.EventListener {
	token := func(c chan struct{}) {
		select {
		case c <- struct{}{}:
		default:
		}
	}
	return pebble.EventListener{
		BackgroundError: func(err error) {
			if !errors.Is(err, ErrHalted) {
				d.fence.halt(fmt.Errorf("in a flush or compaction: %w", err))
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			d.fence.halt(fmt.Errorf("%w: %s: %w (%s)", errDamagedFile, d.fs.PathBase(info.Path), info.Details, d.wayOut()))
		},
		DiskSlow: func(info pebble.DiskSlowInfo) {
			log.Warn("disk is slow", slog.Duration("duration", info.Duration))
		},
		FlushEnd:      func(pebble.FlushInfo) { token(d.progress) },
		CompactionEnd: func(pebble.CompactionInfo) { token(d.progress) },
		TableDeleted:  func(pebble.TableDeleteInfo) { token(d.deleted) },
		WALDeleted:    func(pebble.WALDeleteInfo) { token(d.deleted) },
	}
}
