package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/tile"
	"github.com/cityproof/cityproof/internal/witness"
)

// Label sets a mirror's heads apart from the witness's in one store.
const Label = "cityproof/mirror/v1"

// Log is what a mirror knows of a log that it keeps.
type Log struct {
	witness.Log
	Publisher Publisher
	// Trust is how answers that a body was erased are judged; nil: none is believed.
	Trust *receipt.Trust
	// AnchoredAt checks an anchor of the log and returns its time in Unix seconds. Default: anchors tell no time.
	AnchoredAt func(anchor []byte) (int64, error)
	// Sources are where it is fetched from, the best first.
	Sources []Source
}

// Logs finds the logs that are mirrored; it is asked anew each time.
type Logs interface {
	Mirrored(origin string) (Log, bool)
	// Origins names them all.
	Origins() []string
}

// Options of New. Store, Heads, Signer and Logs are required.
type Options struct {
	Store  *mirrorstore.Store
	Heads  *peerstore.Store   // of what was cosigned; outside backups
	Signer *checkpoint.Signer // of TypeEd25519Cosignature
	Next   *checkpoint.Signer // as a witness's; nil: none
	Logs   Logs
	// Ready returns why nothing may be signed now. Default: nil.
	Ready func() error
	// Seen is told of each note whose log signatures hold. Default: nobody is told.
	Seen func(note []byte)
	// Conflict is told of two notes of one size with two roots, both signed by the log. Default: nobody is told.
	Conflict func(cosigned, shown []byte)
	// Shown returns the newest note of a log that this node knows from elsewhere, for example as its witness; nil for none.
	// Default: none.
	Shown func(origin string) ([]byte, error)
	// Limits bound what is taken. The zero value is no bound.
	Limits Limits
	// Now is the clock of days and of waiting. Default: time.Now.
	Now func() time.Time
	// Logger gets what an operator must know. Default: none.
	Logger *slog.Logger
}

// Mirror keeps logs. It is safe for concurrent use.
type Mirror struct {
	*witness.Witness // cosigns what is held, by the rules of a witness
	opts             Options
	damages          *damages
	bounds           *bounds
	challenges       *challenges
	scrubbed, cycles atomic.Uint64
	erased           atomic.Uint64
}

// New returns a mirror.
func New(opts Options) (*Mirror, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	m := &Mirror{
		opts: opts, damages: newDamages(opts.Logger), bounds: newBounds(opts.Limits, opts.Now, opts.Logger),
		challenges: newChallenges(opts.Store, opts.Now, opts.Logger),
	}
	var err error
	m.Witness, err = witness.New(witness.Options{
		Logs: asWitnessed{opts.Logs}, Store: opts.Heads, Signer: opts.Signer, Next: opts.Next, Ready: opts.Ready, Label: Label,
		Hold: m.hold, Seen: opts.Seen, Conflict: opts.Conflict,
	})
	return m, err
}

type asWitnessed struct{ logs Logs }

// Log implements witness.Logs.
func (l asWitnessed) Log(origin string) (witness.Log, bool) {
	log, ok := l.logs.Mirrored(origin)
	return log.Log, ok
}

// known is what is known of a log that is mirrored, with sources that keep the limit of bytes per second.
func (m *Mirror) known(origin string) (Log, bool) {
	known, ok := m.opts.Logs.Mirrored(origin)
	known.Sources = m.bounds.throttle(known.Sources)
	return known, ok
}

// hold brings the copy of a log up to a head that the log signed, bodies included.
func (m *Mirror) hold(ctx context.Context, c checkpoint.Checkpoint) error {
	known, ok := m.known(c.Origin)
	if !ok {
		return errUnknown
	}
	log, err := m.opts.Store.Log(sha256.Sum256([]byte(c.Origin)))
	if err != nil {
		return err
	}
	err = follow(ctx, follower{log: log, head: c, by: known.Publisher, bounds: m.bounds, trust: known.Trust, time: known.AnchoredAt}, known.Sources)
	m.bounds.say(c.Origin, err)
	m.challenges.heard(ctx, log, c, err)
	return err
}

var errUnknown = errors.New("the log is not mirrored here")

// Follow brings the copy of a log up to the newest head that a source shows and the log signed, and cosigns it.
func (m *Mirror) Follow(ctx context.Context, origin string) error {
	known, ok := m.known(origin)
	if !ok {
		return errUnknown
	}
	_ = m.Withheld(origin) // what was open before a restart is again, also if nobody shows a head
	var errs []error
	for _, src := range known.Sources {
		err := m.follow(ctx, origin, known, src)
		if err == nil {
			errs = nil
			break
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(append(errs, m.catchUp(ctx, origin, known))...)
}

// Checkpointer is a source that shows a head.
type Checkpointer interface {
	Checkpoint(ctx context.Context) ([]byte, error)
}

func (m *Mirror) follow(ctx context.Context, origin string, known Log, src Source) error {
	shows, ok := src.(Checkpointer)
	if !ok {
		return fmt.Errorf("%s shows no head", src)
	}
	note, err := shows.Checkpoint(ctx)
	if err != nil {
		return err
	}
	v, err := checkpoint.Verify(note, known.Keys, nil)
	if err != nil {
		return err
	}
	head := v.Checkpoint
	if head.Origin != origin {
		return fmt.Errorf("%s shows the log %s", src, head.Origin)
	}
	cosigned, root, err := m.cosigned(origin)
	if err != nil || head.Size < cosigned {
		return err // nothing new
	}
	log, err := m.opts.Store.Log(sha256.Sum256([]byte(origin)))
	if err != nil {
		return err
	}
	if held, _ := log.Head(); head.Size == cosigned && head.Root == root && held >= cosigned {
		return nil
	}
	if err := m.hold(ctx, head); err != nil || head.Size == cosigned && head.Root == root {
		return err
	}
	r := witness.Request{Old: cosigned, Note: note}
	if cosigned > 0 && cosigned < head.Size {
		if r.Proof, err = tile.ConsistencyProof(ctx, log, cosigned, head.Size); err != nil {
			return err
		}
	}
	_, err = m.AddCheckpoint(ctx, r.Format())
	return err
}

// cosigned is the head that was cosigned last.
func (m *Mirror) cosigned(origin string) (size uint64, root proof.Hash, err error) {
	note, ok, err := m.Checkpoint(sha256.Sum256([]byte(origin)))
	if err != nil || !ok {
		return 0, proof.EmptyRoot(), err
	}
	c, err := checkpoint.Unverified(note)
	return c.Size, c.Root, err
}
