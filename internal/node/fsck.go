package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Fsck reads a member's whole log and compares everything that is stored with what
// the entries say: tiles, root, indexes, bodies, live records, and the last signed
// checkpoint. report is told of each damage; it goes on after it. The node must
// not run.
func Fsck(ctx context.Context, m config.Member, report func(string), progress func(done, total uint64), logger *slog.Logger) (_ logstore.FsckResult, err error) {
	db, err := pebbledb.Open(m.Data, pebbledb.Options{ReadOnly: true, Logger: logger})
	if err != nil {
		return logstore.FsckResult{}, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	result, err := logstore.Fsck(ctx, db, logstore.FsckOptions{
		Identity: func(entry []byte) ([32]byte, error) {
			e, perr := declaration.ParseEnvelope(entry)
			if perr != nil {
				return [32]byte{}, perr
			}
			return e.Identity(), nil
		},
		Report: func(d logstore.Damage) { report(d.String()) },
	}, progress)
	if err != nil {
		return result, err
	}
	damages, err := ledger.CheckRecords(ctx, db, report)
	result.Damages += damages
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
