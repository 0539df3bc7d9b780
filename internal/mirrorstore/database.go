package mirrorstore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/pebbledb"
)

// ErrRetired is wrapped by the errors of a Log that was read from a database that is damaged and gone: Store.Log and
// Store.Find return the new copy.
var ErrRetired = errors.New("the mirror's database was damaged and is made anew")

// database is one opening of the store's files. A Log belongs to the one that it was read from: what it knows of the end of
// its copy is true of that one alone. Nothing else touches the database, which must not be used once it is closed.
type database struct {
	pebble *pebbledb.DB

	mu      sync.Mutex // guards retired: nobody joins the users once it is set
	retired bool
	users   sync.WaitGroup
}

func openDatabase(dir string, opts Options) (*database, error) {
	db, err := pebbledb.Open(dir, pebbledb.Options{FS: opts.FS, Logger: opts.Logger, Copies: true, MemTableSize: memTableSize, CacheSize: cacheSize})
	if err != nil {
		return nil, fmt.Errorf("opening the mirror's store %s: %w", dir, err)
	}
	d := &database{pebble: db}
	if err := d.checkLayout(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the mirror's store %s: %w", dir, err), db.Close())
	}
	return d, nil
}

// layoutKey holds the number of the layout that FORMAT.md describes.
var layoutKey = append([]byte{pebbledb.PrefixMeta}, "mirror"...)

const layout = "2"

func (d *database) checkLayout() error {
	got, err := d.pebble.Noted(layoutKey)
	if err != nil || string(got) == layout {
		return err
	}
	if got != nil {
		return fmt.Errorf("it has the layout %q of another version of this program: remove the directory, and all is fetched again", got)
	}
	return d.write(func(b *pebble.Batch) error {
		return errors.Join(b.DeleteRange([]byte{0}, []byte{0xff}, nil), b.Set(layoutKey, []byte(layout), nil))
	})
}

// use lets f use the database. Uses may be nested; when it is retired meanwhile, those within fail.
func (d *database) use(f func(db *pebbledb.DB) error) error {
	d.mu.Lock()
	if d.retired {
		d.mu.Unlock()
		return ErrRetired
	}
	d.users.Add(1)
	d.mu.Unlock()
	defer d.users.Done()
	return f(d.pebble)
}

// retire ends all use of the database, and closes it once nobody uses it any more. Only the first call does something.
func (d *database) retire() {
	d.mu.Lock()
	before := d.retired
	d.retired = true
	d.mu.Unlock()
	if before {
		return
	}
	d.users.Wait()
	_ = d.pebble.Close() // it says why it has halted, which is known
}

// get returns a value; ok is false where there is none.
func (d *database) get(key []byte) (value []byte, ok bool, err error) {
	err = d.use(func(db *pebbledb.DB) (err error) {
		value, err = db.Get(key)
		return err
	})
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	return value, err == nil, err
}

// write commits, durably, what f writes into a batch.
func (d *database) write(f func(b *pebble.Batch) error) error {
	return d.use(func(db *pebbledb.DB) error {
		b := db.NewBatch()
		defer b.Close() // its error is Commit's
		if err := f(b); err != nil {
			return err
		}
		return db.Commit(b)
	})
}

func (d *database) purge(ctx context.Context, spans []pebbledb.Span) error {
	return d.use(func(db *pebbledb.DB) error { return db.Purge(ctx, spans...) })
}

// size is about how many bytes it takes on the disk.
func (d *database) size() (n uint64) {
	_ = d.use(func(db *pebbledb.DB) error { n = db.Metrics().DiskSpaceUsage(); return nil })
	return n
}
