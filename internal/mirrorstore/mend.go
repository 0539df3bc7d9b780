package mirrorstore

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Kind says what a Part is.
type Kind int

// The kinds of parts.
const (
	Bundle Kind = iota + 1
	Tile
	Body
	Attachment
)

func (k Kind) String() string {
	switch k {
	case Bundle:
		return "entry bundle"
	case Tile:
		return "tile"
	case Body:
		return "body"
	case Attachment:
		return "attachment"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Part names one stored thing of a log: what is checked, and replaced, as a whole.
type Part struct {
	Kind  Kind
	Level int               // of a Tile
	Index uint64            // of a Bundle or Tile
	Sum   [sha256.Size]byte // of a file
}

// String names it for a person.
func (p Part) String() string {
	switch p.Kind {
	case Bundle:
		return fmt.Sprintf("entry bundle %d", p.Index)
	case Tile:
		return fmt.Sprintf("tile %d of level %d", p.Index, p.Level)
	}
	return fmt.Sprintf("%v %x", p.Kind, p.Sum)
}

// DamagedError says that what is stored is not what was stored.
type DamagedError struct {
	Part   Part
	Detail string
}

// Error implements error.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("the mirrored %v is damaged: %s", e.Part, e.Detail)
}

// Check reads a part and compares it as those do who serve it. It returns the bytes read, and a *DamagedError also for a
// part that is not there, unless it was erased.
func (l *Log) Check(p Part) (n int, err error) {
	var b []byte
	switch p.Kind {
	case Bundle:
		size, _ := l.Head()
		b, err = l.Bundle(p.Index, int(min(tile.FullWidth, size-p.Index*tile.FullWidth)))
	case Tile:
		_, err = l.full(p.Level, p.Index)
		n = tile.FullWidth * sha256.Size
	default:
		return l.checkFile(p)
	}
	return n + len(b), err
}

func (l *Log) checkFile(p Part) (n int, err error) {
	b, err := l.file(p.Kind, p.Sum)
	var erased *ErasedError
	if errors.As(err, &erased) {
		return 0, nil
	}
	if errors.Is(err, ErrNotFound) {
		return 0, &DamagedError{p, "it is missing"}
	}
	return len(b), err
}

// MendBundle replaces a full bundle and the tile of its leaf hashes, if the entries are those that the tree has there.
func (l *Log) MendBundle(n uint64, entries [][]byte) error {
	want, err := l.above(0, n)
	if err != nil {
		return err
	}
	leaves := make([]proof.Hash, len(entries))
	var bundle []byte
	for i, e := range entries {
		leaves[i] = proof.LeafHash(e)
		if bundle, err = tile.AppendEntry(bundle, e); err != nil {
			return err
		}
	}
	if len(entries) != tile.FullWidth || fold(leaves) != want {
		return fmt.Errorf("mending entry bundle %d: these are not its entries", n)
	}
	return l.db.write(func(b *pebble.Batch) error {
		return errors.Join(b.Set(l.numbered(kindEntries, n), bundle, nil), b.Set(l.tileKey(0, n), tile.AppendTile(nil, leaves), nil))
	})
}

// MendTile replaces a full tile, if the hashes are those that the tree has there.
func (l *Log) MendTile(level int, n uint64, hashes []proof.Hash) error {
	want, err := l.above(level, n)
	if err != nil {
		return err
	}
	if len(hashes) != tile.FullWidth || fold(hashes) != want {
		return fmt.Errorf("mending tile %d of level %d: these are not its hashes", n, level)
	}
	return l.set(l.tileKey(level, n), tile.AppendTile(nil, hashes))
}

// Below computes the hashes of a full tile from what is stored below it.
func (l *Log) Below(level int, n uint64) (hashes []proof.Hash, err error) {
	if level == 0 {
		b, err := l.raw(n, tile.FullWidth)
		if err != nil {
			return nil, err
		}
		entries, err := tile.ParseBundle(b, tile.FullWidth)
		for _, e := range entries {
			hashes = append(hashes, proof.LeafHash(e))
		}
		return hashes, err
	}
	for i := range uint64(tile.FullWidth) {
		below, err := l.storedTile(level-1, n*tile.FullWidth+i)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, fold(below))
	}
	return hashes, nil
}

// MendFile stores a file in place of one that is damaged or missing. What was erased stays so.
func (l *Log) MendFile(p Part, data []byte) error {
	if sha256.Sum256(data) != p.Sum {
		return fmt.Errorf("mending the %v: the bytes are others", p)
	}
	l.files.Lock()
	defer l.files.Unlock()
	there, err := l.has(p.Kind, p.Sum)
	if err != nil {
		return err
	}
	if _, erased, err := l.ErasedBy(p.Sum); err != nil || erased && !there {
		return err
	}
	return l.set(l.fileKey(p.Kind, p.Sum), data)
}
