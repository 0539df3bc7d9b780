package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Fsck compares what a member has stored: tiles with each other up to the root,
// places of entries, the number of keys of the indexes, and the last signed
// checkpoint. With deep it also reads everything: every entry, body and attachment
// is hashed, each entry looked up in both indexes, and the live records made again
// from the log and compared; on all cores. report is told of each damage, one at a
// time; it goes on after it. The node must not run.
func Fsck(ctx context.Context, m config.Member, deep bool, report func(string), progress func(done, total uint64), logger *slog.Logger) (_ logstore.FsckResult, err error) {
	db, err := pebbledb.Open(m.Data, pebbledb.Options{ReadOnly: true, Logger: logger})
	if err != nil {
		return logstore.FsckResult{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var mu sync.Mutex
	serial := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		report(what)
	}
	g, gctx := errgroup.WithContext(ctx)
	var result logstore.FsckResult
	g.Go(func() (err error) {
		result, err = logstore.Fsck(gctx, db, logstore.FsckOptions{
			Structure: !deep,
			Identity:  entry.Identity,
			Report:    func(d logstore.Damage) { serial(d.String()) },
			Workers:   runtime.GOMAXPROCS(0),
		}, progress)
		return err
	})
	var records uint64
	if deep {
		g.Go(func() (err error) {
			records, err = ledger.CheckRecords(gctx, db, serial)
			return err
		})
	}
	err = g.Wait()
	result.Damages += records
	if err != nil {
		return result, err
	}
	if why := checkSigned(m, result); why != "" {
		result.Damages++
		report(why)
	}
	return result, nil
}

// checkSigned compares the last signed checkpoint with the log; empty if they
// agree.
func checkSigned(m config.Member, result logstore.FsckResult) string {
	note, err := signingkey.ReadLastSigned(m.State)
	switch {
	case err != nil:
		return err.Error()
	case note == nil && result.Size > 0:
		return "state/lastsigned is missing, but the log has entries"
	case note == nil:
		return ""
	}
	size, err := lastSize(note)
	switch {
	case err != nil:
		return "state/lastsigned: " + err.Error()
	case size > result.Size:
		return fmt.Sprintf("size %d is signed, but the log ends at %d: an old copy of the data was put back", size, result.Size)
	case size == result.Size && !strings.Contains(string(note), "\n"+result.Root.String()+"\n"):
		return fmt.Sprintf("at size %d another root is signed than %s, which the entries have", size, result.Root)
	}
	return ""
}
