package ledger

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/recheck"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// PublisherFunc returns the key of an id if it may sign the leaf at index.
type PublisherFunc func(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool)

// Options say whose log it is. All fields but Now, Logger and Quota are required.
type Options struct {
	// City is the member id of the log's owner.
	City string
	// DB holds the log, bodies and live records.
	DB *pebbledb.DB
	// Log is the engine over DB.
	Log *logstore.Log
	// Bodies is the store of bodies and attachments over DB.
	Bodies *bodystore.Store
	// Signer signs the log's checkpoints; its origin is the log's.
	Signer *signingkey.LogSigner
	// Publisher says which keys may publish.
	Publisher PublisherFunc
	// Quota bounds each publisher; the zero value is the default.
	Quota Quota
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Damaged says in words what of the stored data is known to be damaged, or why else
	// the log has ended; empty if neither is so: meanwhile no declarations are taken.
	// Default: never.
	Damaged func() string
	// Known says that others know this log: then one that has signed nothing here was lost, and is not a new one.
	Known bool
	// OnPublish is called when there is a new published checkpoint, and must not
	// block. Default: nobody is told.
	OnPublish func()
	// Logger gets what an operator must know; default: none.
	Logger *slog.Logger
}

// Ledger is one city's log. It is safe for concurrent use.
type Ledger struct {
	city      string
	origin    string
	db        *pebbledb.DB
	log       *logstore.Log
	bodies    *bodystore.Store
	signer    *signingkey.LogSigner
	publisher PublisherFunc
	quotas    *quotas
	now       func() time.Time
	damaged   func() string
	onPublish func()
	logger    *slog.Logger
	known     bool

	published atomic.Pointer[Published]
	readOnly  atomic.Pointer[string] // why no declarations are taken; nil: they are
	lost      atomic.Int32           // a Loss

	signing    sync.Mutex       // held while a checkpoint is made, so that one signature serves many callers
	secondPath *recheck.Checker // used under signing; nil where nothing may be signed

	erasing sync.Mutex // held while bodies are erased

	finalizing sync.Mutex // held while a final head is stored
	final      atomic.Pointer[Published]
}

// Published is a checkpoint that anybody may see.
type Published struct {
	Checkpoint checkpoint.Checkpoint
	Note       []byte
}

// Open checks that the data and the signer's state belong together, signs what a
// crash left unsigned, and finishes erasures that were cut short. Where data and
// state contradict each other, or the second path finds the data wrong, it returns
// a ledger that only reads, and says why (ReadOnly); it returns an error only where nothing can be read either.
func Open(ctx context.Context, opts Options) (*Ledger, error) {
	l := &Ledger{
		city:      opts.City,
		origin:    opts.Signer.Origin(),
		db:        opts.DB,
		log:       opts.Log,
		bodies:    opts.Bodies,
		signer:    opts.Signer,
		publisher: opts.Publisher,
		now:       opts.Now,
		damaged:   opts.Damaged,
		onPublish: opts.OnPublish,
		logger:    opts.Logger,
		known:     opts.Known,
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.onPublish == nil {
		l.onPublish = func() {}
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.quotas = newQuotas(opts.Quota, l.now)
	if err := l.start(ctx); err != nil {
		return nil, fmt.Errorf("opening ledger %s: %w", l.origin, err)
	}
	return l, nil
}

// start publishes the last signed checkpoint if the data bear it out, and then
// signs the head.
func (l *Ledger) start(ctx context.Context) error {
	size, root := l.log.Head()
	last, note, signed := l.signer.Last()
	if why, loss, err := l.contradiction(ctx, last, signed, size); err != nil {
		return err
	} else if why != "" {
		l.lost.Store(int32(loss))
		l.setReadOnly(why)
		return l.publishStored(ctx, size)
	}
	if signed {
		l.published.Store(&Published{last, note})
	}
	if err := l.openFinal(ctx); err != nil {
		return err
	}
	if l.db.ReadOnly() {
		l.setReadOnly("the database is open for reading only")
		return nil
	}
	err := l.openSecondPath(last)
	if err == nil {
		_, err = l.cover(ctx, size)
	}
	switch {
	case err == nil:
		return l.finishErasures(ctx)
	case errors.Is(err, signingkey.ErrHalted) && l.Published() != nil:
		return nil // what is signed is served, and ReadOnly says why there is no more
	}
	return fmt.Errorf("signing size %d, root %s: %w", size, root, err)
}

// contradiction says in words for an operator how the data disagree with what
// this machine signed, and what of the two is lost; empty if they don't.
func (l *Ledger) contradiction(ctx context.Context, last checkpoint.Checkpoint, signed bool, size uint64) (string, Loss, error) {
	stored, err := l.storedNote()
	if err != nil {
		return "", NotLost, err
	}
	if foreign := l.signer.Foreign(); foreign != nil && (stored == nil || !errors.Is(foreign, signingkey.ErrUnmade)) {
		return foreign.Error(), NotLost, nil
	}
	switch {
	case !signed && stored != nil:
		return "state/lastsigned is missing, but this log has signed checkpoints before. Signing from here could make a second history. " +
			"Put back the state directory of the machine that signed last; if it is lost, the log must be recovered with its committee's word, or moved", LostState, nil
	case !signed && l.known:
		return "nothing is signed here yet, and the alliance's root.json is in the configuration: this log may have a history that this disk has lost. " +
			"Its committee is asked. A log that is new signs its first checkpoint before its city joins: start the node once without root.json", LostState, nil
	case !signed:
		return "", NotLost, nil
	case last.Size > size:
		return fmt.Sprintf("the data end at size %d, but size %d is signed: an old copy of the data directory was put back. "+
			"Put back the newer data, or restore a newer backup; nothing is signed until the data reach size %d again", size, last.Size, last.Size), LostData, nil
	}
	root, err := l.log.Root(ctx, last.Size)
	if err != nil {
		return "", NotLost, err
	}
	if root != last.Root {
		return fmt.Sprintf("the data have root %s at size %d, but root %s is signed: the data directory belongs to another history, or is damaged. "+
			"Put back the data directory that was signed, or run fsck --deep; do not delete state/", root, last.Size, last.Root), NotLost, nil
	}
	why, err := staleState(last, stored)
	if why != "" {
		return why, LostState, err
	}
	return "", NotLost, err
}

// publishStored shows the newest checkpoint that the data themselves hold, so
// that a ledger that may not sign still serves its readers.
func (l *Ledger) publishStored(ctx context.Context, size uint64) error {
	note, err := l.storedNote()
	if err != nil || note == nil {
		return err
	}
	c, err := parseStoredNote(note)
	if err != nil {
		return err
	}
	if c.Size > size {
		return nil
	}
	if root, err := l.log.Root(ctx, c.Size); err != nil || root != c.Root {
		return err
	}
	l.published.Store(&Published{c, note})
	return nil
}

// metaSigned is the key of the newest signed note as the data know it.
var metaSigned = append([]byte{pebbledb.PrefixMeta}, "signed"...)

func (l *Ledger) storedNote() ([]byte, error) {
	note, err := l.db.Get(metaSigned)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	return note, err
}

func (l *Ledger) setReadOnly(why string) {
	if l.readOnly.CompareAndSwap(nil, &why) {
		l.logger.Error("log is read-only", slog.String("origin", l.origin), slog.String("reason", why))
	}
}

// ReadOnly says why no declarations are taken; empty when they are.
func (l *Ledger) ReadOnly() string {
	if why := l.readOnly.Load(); why != nil {
		return *why
	}
	if l.log.Halted() != nil { // why is in the node's own log: it names files, and this is shown to everybody
		return "its storage has failed: the operator must look at the disk and then restart the node, whose log says what failed"
	}
	if err := l.signer.Halted(); err != nil {
		return err.Error()
	}
	if l.damaged != nil {
		return l.damaged()
	}
	return ""
}

// City is the member id of the log's owner.
func (l *Ledger) City() string { return l.city }

// Origin is the log's name.
func (l *Ledger) Origin() string { return l.origin }

// VKeys are the keys that all sign each checkpoint.
func (l *Ledger) VKeys() []string { return l.signer.VKeys() }

// Published returns the newest published checkpoint; nil before the first.
func (l *Ledger) Published() *Published { return l.published.Load() }
