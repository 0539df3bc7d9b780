package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Dir gets a log's files from a folder, as an export or a mirror keeps them.
type Dir struct {
	files fs.FS
	name  string
}

// NewDir returns the files of a log below the root of files. name says where they
// are, for a person.
func NewDir(files fs.FS, name string) *Dir { return &Dir{files, name} }

// String returns the folder's name.
func (d *Dir) String() string { return d.name }

// Get implements Getter.
func (d *Dir) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := d.files.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotFoundError{From: d.name, Path: path}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", path, d.name, err)
	}
	defer f.Close()
	data, err := readAll(f, limit)
	if errors.Is(err, errTooLarge) {
		return nil, &DamagedError{From: d.name, Path: path, Err: err}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", path, d.name, err)
	}
	return data, nil
}

var errTooLarge = errors.New("it is larger than it may be")

// readAll reads to the end, but no more than limit bytes.
func readAll(r io.Reader, limit int) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fmt.Errorf("%w (%d bytes)", errTooLarge, limit)
	}
	return data, nil
}
