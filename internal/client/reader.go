package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Getter gets a log's files by their paths below the log's prefix: "checkpoint",
// "tile/0/000.p/5", "bodies/<hex>". It must be safe for concurrent use.
type Getter interface {
	// Get returns a file of at most limit bytes. Errors: *NotFoundError, *GoneError,
	// *DamagedError for a larger file, or whatever kept it from being read.
	Get(ctx context.Context, path string, limit int) ([]byte, error)
	// String names the place for a person: a URL or a folder.
	String() string
}

// LogReader reads one log's files. What it returns has the right form; bodies and
// attachments have the right hash. Whether tiles and entries belong to a tree, the
// caller finds out. It is safe for concurrent use and implements tile.Source.
type LogReader struct {
	get Getter
}

// NewLogReader returns a reader of the log whose files get returns.
func NewLogReader(get Getter) *LogReader { return &LogReader{get} }

// String names the place that is read.
func (r *LogReader) String() string { return r.get.String() }

var _ tile.Source = (*LogReader)(nil)

// Checkpoint returns the bytes of the newest signed checkpoint.
func (r *LogReader) Checkpoint(ctx context.Context) ([]byte, error) {
	return r.get.Get(ctx, "checkpoint", checkpoint.MaxNoteSize)
}

// Tile returns the first width hashes of a hash tile.
func (r *LogReader) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	var hashes []proof.Hash
	id := tile.ID{Level: level, Index: index, Width: width}
	err := r.either(ctx, id, tile.FullWidth*sha256.Size, func(data []byte, width int) (err error) {
		hashes, err = tile.ParseTile(data, width)
		return err
	})
	if err != nil {
		return nil, err
	}
	return hashes[:width], nil
}

// maxBundle is the size of a bundle of 256 of the largest entries.
const maxBundle = tile.FullWidth * (2 + tile.MaxEntrySize)

// Bundle returns the first width entries of an entry bundle.
func (r *LogReader) Bundle(ctx context.Context, index uint64, width int) ([][]byte, error) {
	var entries [][]byte
	id := tile.ID{Entries: true, Index: index, Width: width}
	err := r.either(ctx, id, maxBundle, func(data []byte, width int) (err error) {
		entries, err = tile.ParseBundle(data, width)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries[:width], nil
}

// either gets a tile, or where a partial one is gone the full one that begins with
// it: logs may delete partials once the full tile is there (c2sp.org/tlog-tiles,
// "Partial Tiles").
func (r *LogReader) either(ctx context.Context, id tile.ID, fullLimit int, parse func(data []byte, width int) error) error {
	limit := fullLimit / tile.FullWidth * id.Width
	data, err := r.get.Get(ctx, id.Path(), limit)
	var missing *NotFoundError
	if id.Width < tile.FullWidth && errors.As(err, &missing) {
		full := id
		full.Width = tile.FullWidth
		wide, fullErr := r.get.Get(ctx, full.Path(), fullLimit)
		if errors.As(fullErr, &missing) {
			return err // the path that should be there
		}
		return r.parsed(full, wide, fullErr, parse)
	}
	return r.parsed(id, data, err, parse)
}

func (r *LogReader) parsed(id tile.ID, data []byte, err error, parse func([]byte, int) error) error {
	if err != nil {
		return err
	}
	if err := parse(data, id.Width); err != nil {
		return &DamagedError{From: r.String(), Path: id.Path(), Err: err}
	}
	return nil
}

// Body returns the bytes of a body that a statement commits to by hash and size.
// A *GoneError says no more than that the server has it no longer: CheckGone finds
// out whether that is by right.
func (r *LogReader) Body(ctx context.Context, sum [sha256.Size]byte, size uint32) ([]byte, error) {
	return r.hashed(ctx, "bodies/", sum, size, declaration.MaxBody)
}

// Attachment returns the bytes of an attachment of at most limit bytes.
func (r *LogReader) Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return r.hashed(ctx, "attachments/", sum, 0, declaration.MaxAttachment)
}

// hashed gets a file by its hash; size is 0 where it is not known.
func (r *LogReader) hashed(ctx context.Context, dir string, sum [sha256.Size]byte, size uint32, limit int) ([]byte, error) {
	path := dir + hex.EncodeToString(sum[:])
	if size != 0 {
		limit = min(limit, int(size))
	}
	data, err := r.get.Get(ctx, path, limit)
	if err != nil {
		return nil, err
	}
	if got := sha256.Sum256(data); got != sum {
		return nil, &DamagedError{From: r.String(), Path: path, Err: fmt.Errorf("its SHA-256 is %x", got)}
	}
	return data, nil
}

// File returns what an act of a registry commits to by hash: the pins of an epoch,
// root metadata.
func (r *LogReader) File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	return r.hashed(ctx, "bodies/", sum, 0, entry.MaxFile)
}

// Files returns the first file of each entry of a bundle, nil where the server gives
// none. Whether they are what the entries commit to, the caller finds out.
func (r *LogReader) Files(ctx context.Context, index uint64, width int) ([][]byte, error) {
	id := tile.ID{Entries: true, Index: index, Width: width}
	path := "bodies/bundle/" + strings.TrimPrefix(id.Path(), "tile/entries/")
	data, err := r.get.Get(ctx, path, entry.MaxFilesBundle+4*tile.FullWidth)
	if err != nil {
		return nil, err
	}
	files, err := entry.ParseFiles(data, width)
	if err != nil {
		return nil, &DamagedError{From: r.String(), Path: path, Err: err}
	}
	return files, nil
}
