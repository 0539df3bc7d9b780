package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/scrub"
	"github.com/cityproof/cityproof/internal/telemetry"
)

// watchDamage makes the list of what is damaged, before anything that reads is
// opened.
func (m *member) watchDamage(logger *slog.Logger) {
	m.damages = scrub.NewDamages(logger.With(slog.String("origin", m.origin)))
}

// openBodies opens the store of bodies, whose readers tell of damage.
func (m *member) openBodies() *bodystore.Store {
	m.bodies = bodystore.New(m.db)
	m.bodies.OnDamage(func(d *bodystore.DamagedError) { m.damages.FoundKey(d.Key, d.Error()) })
	return m.bodies
}

// foundDamage is told what a reader of the log found.
func (m *member) foundDamage(d *logstore.DamagedError) {
	if d.Key == nil {
		m.damages.Found(d.Error())
		return
	}
	m.damages.FoundKey(d.Key, d.Error())
}

// openScrub makes the scrubber ready, unless it is off. What was damaged before the
// last stop is damaged from here on until the scrubber has looked at it again.
func (m *member) openScrub(cfg config.Scrub, logger *slog.Logger) {
	logger = logger.With(slog.String("origin", m.origin))
	if cfg.Period == config.Off {
		logger.Warn("scrub is off: a stored byte that rots is found only when somebody reads it; run cityproof-node fsck --deep from time to time")
		return
	}
	m.scrub = scrub.New(scrub.Options{
		DB: m.db, Log: m.log, Damages: m.damages, Logger: logger, Visit: m.ledger.CheckEntry, Mend: m.mend,
		Period: time.Duration(cfg.Period), MaxRate: cfg.MaxBytesPerSecond,
	})
}

// runScrub scrubs, and has mended what is damaged, until ctx ends.
func (m *member) runScrub(ctx context.Context) {
	if m.scrub == nil {
		return
	}
	var g sync.WaitGroup
	g.Go(func() { m.scrub.Run(ctx) })
	g.Go(func() { m.scrub.MendFound(ctx) })
	g.Wait()
}

// askedToMend is how many mirrors are asked for what is damaged here.
const askedToMend = 8

// mend puts right what is damaged in the member's own log, with what others hold of it.
func (m *member) mend(ctx context.Context, key []byte) error {
	errs := []error{m.mendFrom(ctx, key, nobody{})} // a tile can be computed again
	if errs[0] == nil {
		return nil
	}
	for _, src := range m.ownMirrors() {
		err := m.mendFrom(ctx, key, src)
		if err == nil {
			return nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// copyOfLog is a copy of the member's log, and of what its entries commit to.
type copyOfLog interface {
	logstore.Source
	File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error)
	Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error)
}

func (m *member) mendFrom(ctx context.Context, key []byte, src copyOfLog) error {
	get := src.File
	switch {
	case key[0] != pebbledb.PrefixBody && key[0] != pebbledb.PrefixAttachment:
		return m.log.Mend(ctx, key, src)
	case len(key) != 1+sha256.Size:
		return fmt.Errorf("key %x: %w", key, logstore.ErrNotMendable)
	case key[0] == pebbledb.PrefixAttachment:
		get = src.Attachment
	}
	content, err := get(ctx, [sha256.Size]byte(key[1:]))
	if err != nil {
		return err
	}
	return m.bodies.Mend(key, content)
}

// ownMirrors are the nearest of those who mirror the member's log.
func (m *member) ownMirrors() []*client.LogReader {
	if m.alliance == nil {
		return nil
	}
	others := m.logs.own()
	return others[:min(len(others), askedToMend)]
}

// nobody has nothing of any log.
type nobody struct{}

var errNobody = errors.New("it can't be computed again from what this node has, and is fetched only from mirrors")

func (nobody) Bundle(context.Context, uint64, int) ([][]byte, error)         { return nil, errNobody }
func (nobody) Tile(context.Context, int, uint64, int) ([]proof.Hash, error)  { return nil, errNobody }
func (nobody) File(context.Context, [sha256.Size]byte) ([]byte, error)       { return nil, errNobody }
func (nobody) Attachment(context.Context, [sha256.Size]byte) ([]byte, error) { return nil, errNobody }

func (m *member) scrubState() telemetry.ScrubState {
	var s scrub.State
	if m.scrub != nil {
		s = m.scrub.State()
	}
	damaged, found := m.damages.Count()
	return telemetry.ScrubState{Bytes: s.Bytes, Cycles: s.Cycles, Complete: s.Complete, Damaged: damaged, Found: found}
}
