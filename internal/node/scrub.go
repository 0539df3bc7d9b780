package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/logstore"
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
	bodies := bodystore.New(m.db)
	bodies.OnDamage(func(d *bodystore.DamagedError) { m.damages.FoundKey(d.Key, d.Error()) })
	return bodies
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
		DB: m.db, Log: m.log, Damages: m.damages, Logger: logger, Visit: m.ledger.CheckEntry,
		Period: time.Duration(cfg.Period), MaxRate: cfg.MaxBytesPerSecond,
	})
}

// runScrub scrubs until ctx ends.
func (m *member) runScrub(ctx context.Context) {
	if m.scrub != nil {
		m.scrub.Run(ctx)
	}
}

func (m *member) scrubState() telemetry.ScrubState {
	var s scrub.State
	if m.scrub != nil {
		s = m.scrub.State()
	}
	damaged, found := m.damages.Count()
	return telemetry.ScrubState{Bytes: s.Bytes, Cycles: s.Cycles, Complete: s.Complete, Damaged: damaged, Found: found}
}
