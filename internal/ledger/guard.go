package ledger

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

// staleState says in words for an operator that the state is older than the data:
// they hold a note that was signed after the last one the state knows of. The
// state is written first and synced, so no crash leaves that; an old copy does.
// Whoever put it back may have data that are old too, and newer signatures out in
// the world. Empty: it is not.
func staleState(last checkpoint.Checkpoint, stored []byte) (string, error) {
	if stored == nil {
		return "", nil
	}
	c, err := parseStoredNote(stored)
	if err != nil || c.Size <= last.Size {
		return "", err
	}
	return fmt.Sprintf("state/lastsigned ends at size %d, but the data hold a signed checkpoint of size %d: an old copy of the state directory was put back. "+
		"Put back the newest one; if it is lost, the log must be recovered with its committee's word, or moved", last.Size, c.Size), nil
}

// parseStoredNote reads the checkpoint of the newest signed note in the data.
func parseStoredNote(note []byte) (c checkpoint.Checkpoint, err error) {
	if c, err = checkpoint.Unverified(note); err != nil {
		return c, fmt.Errorf("reading stored checkpoint: %w", err)
	}
	return c, nil
}
