package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// engine is our log engine, called in process. It refuses duplicates: a leaf's identity is the SHA-256 of its entry.
type engine struct {
	db  *pebbledb.DB
	log *logstore.Log
}

func openEngine(_ context.Context, dir string, _ tuning, _ bool) (store, error) {
	return newEngine(dir)
}

func newEngine(dir string) (*engine, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	db, err := pebbledb.Open(dir, pebbledb.Options{})
	if err != nil {
		return nil, err
	}
	log, err := logstore.Open(db, logstore.Options{PureIdentity: true})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &engine{db, log}, nil
}

func (e *engine) Append(ctx context.Context, leaves [][]byte) error {
	g := logstore.Group{Leaves: make([]logstore.Leaf, len(leaves))}
	for i, leaf := range leaves {
		g.Leaves[i] = logstore.Leaf{Entry: leaf, Identity: sha256.Sum256(leaf)}
	}
	r, err := e.log.Append(ctx, g)
	if err != nil {
		return err
	}
	for _, fresh := range r.Fresh {
		if !fresh {
			return errors.New("a new leaf was answered as a repeat")
		}
	}
	return nil
}

func (e *engine) Prover(ctx context.Context) (func(uint64) error, error) {
	size, _ := e.log.Head()
	return func(index uint64) error {
		_, err := e.log.InclusionProof(ctx, index, size)
		return err
	}, nil
}

func (e *engine) Size(context.Context) (uint64, error) {
	size, _ := e.log.Head()
	return size, nil
}

func (e *engine) Compact(ctx context.Context) error { return e.db.CompactAll(ctx) }

func (e *engine) Close() error {
	e.log.Close()
	return e.db.Close()
}

// overloaded says that a log refused because too much was waiting.
func overloaded(err error) bool {
	var overload *logstore.OverloadError
	return errors.As(err, &overload)
}
