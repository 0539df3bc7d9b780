package peerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Memory of the database: a few kilobytes for each log that is witnessed.
const (
	memTableSize = 1 << 20
	cacheSize    = 8 << 20
)

// ErrLost says that the heads which this witness key signed are gone, or were put back from a copy.
var ErrLost = errors.New("the heads that this witness signed are lost: what it signs next could contradict them; make a new witness key (cityproof keygen) and have the registry rotate it")

// Open opens or makes the store in a node's state directory, for the witness key with this verifier key; vkeys has a second one
// where another key signs beside it. The directory has been opened as a signingkey.State, whose lock keeps others out, and is
// not foreign.
//
// The error wraps ErrLost where one of the keys has signed before, or may have, and its heads are missing or not those that it left:
// FORMAT.md lists the cases.
func Open(state string, vkeys []string, opts Options) (*Store, error) {
	s, err := open(state, vkeys, opts)
	if err != nil {
		return nil, fmt.Errorf("opening the witness's store %s: %w", filepath.Join(state, signingkey.WitnessDir), err)
	}
	return s, nil
}

func open(state string, vkeys []string, opts Options) (*Store, error) {
	mark, err := signingkey.ReadWitnessMark(state)
	if errors.Is(err, signingkey.ErrMark) {
		return nil, fmt.Errorf("%w (%w)", ErrLost, err)
	}
	if err != nil {
		return nil, err
	}
	onDisk := opts.FS == nil || opts.FS == vfs.Default
	born, err := birth(state, onDisk)
	if err != nil {
		return nil, err
	}
	known := mark != nil && slices.ContainsFunc(vkeys, func(k string) bool { return slices.Contains(mark.VKeys, k) })
	switch {
	case known && mark.Store != born:
		return nil, fmt.Errorf("%w (the store that state/witness-key speaks of is not here)", ErrLost)
	case opts.Lost && mark == nil:
		// Without this mark the next start would be a first one.
		err := signingkey.WitnessMark{VKeys: vkeys, Store: lostStore}.Write(state)
		return nil, errors.Join(fmt.Errorf("%w (so is the rest of the state)", ErrLost), err)
	}
	db, err := pebbledb.Open(filepath.Join(state, signingkey.WitnessDir), pebbledb.Options{
		FS: opts.FS, Logger: opts.Logger, MemTableSize: memTableSize, CacheSize: cacheSize, MustExist: known,
	})
	if errors.Is(err, pebbledb.ErrNoDatabase) {
		return nil, fmt.Errorf("%w (%w)", ErrLost, err)
	}
	if err != nil {
		return nil, err
	}
	if !known || !slices.Equal(mark.VKeys, vkeys) {
		if err := begin(state, vkeys, db, mark, onDisk); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return &Store{db: db}, nil
}

// What stands in a mark for a store that a copy can't be told from, and for one that is gone.
const (
	memStore  = "in memory"
	lostStore = "lost"
)

// birth is what a mark says of the store that is here; empty if there is none.
func birth(state string, onDisk bool) (string, error) {
	if !onDisk {
		return memStore, nil
	}
	born, err := signingkey.Birth(filepath.Join(state, signingkey.WitnessStore))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return born, err
}

// begin marks that these keys sign from this store from now on. A key that is new may have the heads of the one before it, but
// heads that no mark speaks of are of a key that nobody knows.
func begin(state string, vkeys []string, db *pebbledb.DB, mark *signingkey.WitnessMark, onDisk bool) error {
	if mark == nil {
		it, err := db.Reader().NewIter(&pebble.IterOptions{})
		if err != nil {
			return err
		}
		found := it.First()
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return err
		}
		if found {
			return fmt.Errorf("%w (state/witness-key is missing)", ErrLost)
		}
	}
	born, err := birth(state, onDisk)
	if err != nil {
		return err
	}
	return signingkey.WitnessMark{VKeys: vkeys, Store: born}.Write(state)
}
