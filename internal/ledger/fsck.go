package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
)

// CheckRecords replays the log's entries and compares the live records with what
// they should be. report is told of each difference. It returns how many there
// were; an error says that it could not finish.
func CheckRecords(ctx context.Context, db *pebbledb.DB, report func(string)) (damages uint64, err error) {
	snap := db.NewSnapshot()
	defer func() { err = errors.Join(err, snap.Close()) }()
	c := &recordCheck{db: db, r: snap, want: map[string][]byte{}, report: func(format string, args ...any) {
		damages++
		report(fmt.Sprintf(format, args...))
	}}
	if err := c.replay(ctx); err != nil {
		return damages, fmt.Errorf("checking records: %w", err)
	}
	if err := c.compare(); err != nil {
		return damages, fmt.Errorf("checking records: %w", err)
	}
	return damages, nil
}

// remakeRecords replaces the live records by what the log's entries say they should be.
func remakeRecords(ctx context.Context, db *pebbledb.DB) error {
	var wrong []error
	c := &recordCheck{db: db, r: db.Reader(), want: map[string][]byte{}, report: func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf(format, args...))
	}}
	err := c.replay(ctx)
	if err = errors.Join(append(wrong, err)...); err != nil {
		return fmt.Errorf("making records anew: %w", err)
	}
	b := db.NewBatch()
	defer b.Close() // its error is Commit's
	for _, prefix := range []byte{prefixFind, prefixLink, prefixRevision} {
		if err := b.DeleteRange([]byte{prefix}, []byte{prefix + 1}, nil); err != nil {
			return fmt.Errorf("making records anew: %w", err)
		}
	}
	for key, value := range c.want {
		if err := b.Set([]byte(key), value, nil); err != nil {
			return fmt.Errorf("making records anew: %w", err)
		}
	}
	if err := db.Commit(b); err != nil {
		return fmt.Errorf("making records anew: %w", err)
	}
	return nil
}

type recordCheck struct {
	db     *pebbledb.DB
	r      pebble.Reader
	want   map[string][]byte
	report func(format string, args ...any)
}

// replay works out what the records should be.
func (c *recordCheck) replay(ctx context.Context) error {
	newest := map[declaration.Subject]*declarationv1.Body{}
	err := logstore.EachEntry(ctx, c.db, c.r, func(index uint64, b []byte) error {
		e, err := entry.Parse(b)
		if err != nil {
			c.report("entry %d: %v", index, err)
			return nil
		}
		if e.Kind != entry.Statement {
			return nil // it has no records
		}
		if err := c.apply(index, proof.LeafHash(b), e.Signed.Statement, newest); err != nil {
			c.report("entry %d: %v", index, err)
		}
		return nil
	})
	for s, body := range newest {
		if body != nil {
			for _, k := range derivedKeys(s, body) {
				c.want[string(k)] = []byte{}
			}
		}
	}
	return err
}

func (c *recordCheck) apply(index uint64, leaf proof.Hash, st *declaration.Statement, newest map[declaration.Subject]*declarationv1.Body) error {
	rev := revision{Number: st.Revision, Index: index, Leaf: leaf, Operation: st.Operation, Body: st.BodySHA256}
	c.want[string(revisionKey(st.Subject, st.Revision))] = rev.format()
	body, err := parseStored(c.r, st.BodySHA256)
	newest[st.Subject] = body
	return err
}

// compare looks for records that are missing, wrong, or should not be there.
func (c *recordCheck) compare() error {
	for _, prefix := range []byte{prefixFind, prefixLink, prefixRevision} {
		if err := (records{c.r}).scan([]byte{prefix}, func(it *pebble.Iterator) error {
			for it.First(); it.Valid(); it.Next() {
				want, ok := c.want[string(it.Key())]
				switch {
				case !ok:
					c.report("record %x should not be there", it.Key())
				case !bytes.Equal(want, it.Value()):
					c.report("record %x is wrong", it.Key())
				}
				delete(c.want, string(it.Key()))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	for key := range c.want {
		c.report("record %x is missing", key)
	}
	return nil
}

// CheckEntry looks whether what an entry of this log commits to is there: each file
// is stored, or was erased. Otherwise it returns the key that is missing.
func (l *Ledger) CheckEntry(_ uint64, b []byte) (key []byte, err error) {
	e, err := entry.Parse(b)
	if err != nil {
		return nil, err
	}
	for _, f := range e.Files {
		key = pebbledb.HashKey(pebbledb.PrefixBody, f.Sum)
		if there, err := l.bodies.HasBody(f.Sum); err != nil {
			return key, err
		} else if there {
			continue
		}
		// An erasure deletes and marks in one batch: what is gone by now is marked by now.
		if _, erased, err := l.bodies.Erased(f.Sum); erased || err != nil {
			return key, err
		}
		return key, fmt.Errorf("body %x is missing", f.Sum)
	}
	return key, nil
}
