package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/tile"
)

// maxDamages bounds the list of what is damaged; more is found again when that is mended.
const maxDamages = 10_000

// damage is a part of a log that is damaged.
type damage struct {
	origin [sha256.Size]byte
	part   mirrorstore.Part
}

// damages is the list of what is known to be damaged and not mended yet.
type damages struct {
	logger *slog.Logger
	news   chan struct{}

	mu            sync.Mutex // guards the following
	items         map[damage]bool
	found, mended uint64
}

func newDamages(logger *slog.Logger) *damages {
	return &damages{logger: logger, news: make(chan struct{}, 1), items: map[damage]bool{}}
}

// add lists a damage, which is logged once, and wakes who mends.
func (d *damages) add(origin [sha256.Size]byte, e *mirrorstore.DamagedError) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at := damage{origin, e.Part}
	if d.items[at] || len(d.items) >= maxDamages {
		return
	}
	d.items[at] = true
	d.found++
	d.logger.Warn("a mirrored log is damaged: what is damaged is not served, and is fetched again",
		slog.String("origin_hash", fmt.Sprintf("%x", origin)), slog.String("damaged", e.Error()))
	select {
	case d.news <- struct{}{}:
	default: // a word is waiting already
	}
}

// mend takes a damage off the list.
func (d *damages) mend(at damage) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.items[at] {
		return
	}
	delete(d.items, at)
	d.mended++
	d.logger.Info("a mirrored log is whole again", slog.String("origin_hash", fmt.Sprintf("%x", at.origin)), slog.String("mended", at.part.String()))
}

func (d *damages) of(origin [sha256.Size]byte) (parts []mirrorstore.Part) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at := range d.items {
		if at.origin == origin {
			parts = append(parts, at.part)
		}
	}
	return parts
}

// forget empties the list: what it tells of is gone.
func (d *damages) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.items)
}

// retryHeal is how often what could not be mended is tried again.
const retryHeal = time.Minute

// Heal mends what readers and the scrub find damaged, until ctx ends.
func (m *Mirror) Heal(ctx context.Context) {
	tick := time.NewTicker(retryHeal)
	defer tick.Stop()
	halted := m.opts.Store.Halted()
	for {
		select {
		case <-ctx.Done():
			return
		case <-halted:
			halted = m.renew()
		case <-m.damages.news:
		case <-tick.C:
			if halted == nil {
				halted = m.renew()
			}
		}
		m.healAll(ctx)
	}
}

// renew makes the database anew if a damaged file has halted it; followers then fetch all copies again, and nothing smaller than
// before is cosigned, for what was cosigned is kept elsewhere. It returns what tells of the next halt, nil while this one lasts.
func (m *Mirror) renew() <-chan struct{} {
	renewed, err := m.opts.Store.Renew()
	if err != nil {
		m.opts.Logger.Error("the mirror's damaged database can't be made anew now: check the disk", slog.Any("err", err))
	}
	if !renewed {
		return nil
	}
	m.damages.forget()
	m.opts.Logger.Warn("the mirror's database was damaged and is made anew: all copies are fetched again; check the disk")
	return m.opts.Store.Halted()
}

// healAll tries once to mend all that is known to be damaged.
func (m *Mirror) healAll(ctx context.Context) {
	for _, origin := range m.opts.Logs.Origins() {
		hash := sha256.Sum256([]byte(origin))
		for _, p := range m.damages.of(hash) {
			if err := m.heal(ctx, origin, p); err != nil && ctx.Err() == nil {
				m.opts.Logger.Debug("a damage can't be mended now", slog.String("log", origin), slog.String("damaged", p.String()), slog.Any("err", err))
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// heal replaces a damaged part by what the log's node or another mirror gives, if that is what the signed tree has there.
func (m *Mirror) heal(ctx context.Context, origin string, p mirrorstore.Part) error {
	known, ok := m.known(origin)
	if !ok {
		return errUnknown
	}
	hash := sha256.Sum256([]byte(origin))
	log, err := m.opts.Store.Log(hash)
	if err != nil {
		return err
	}
	err = mend(ctx, log, p, known.Sources)
	if err == nil {
		_, err = log.Check(p)
	}
	if err == nil {
		m.damages.mend(damage{hash, p})
	}
	return err
}

// mend mends a part, and first what it is compared with.
func mend(ctx context.Context, log *mirrorstore.Log, p mirrorstore.Part, sources []Source) error {
	for range tile.Levels {
		err := mendOne(ctx, log, p, sources)
		var other *mirrorstore.DamagedError
		if err == nil || !errors.As(err, &other) || other.Part == p {
			return err
		}
		if err := mendOne(ctx, log, other.Part, sources); err != nil {
			var higher *mirrorstore.DamagedError
			if !errors.As(err, &higher) {
				return err
			}
			if err := mend(ctx, log, higher.Part, sources); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("the %v can't be mended", p)
}

func mendOne(ctx context.Context, log *mirrorstore.Log, p mirrorstore.Part, sources []Source) error {
	if _, err := log.Check(p); err == nil {
		return nil // it was a reader's bad luck, or is mended already
	}
	var errs []error
	if p.Kind == mirrorstore.Tile {
		hashes, err := log.Below(p.Level, p.Index)
		if err == nil {
			if err = log.MendTile(p.Level, p.Index, hashes); err == nil || isDamaged(err) {
				return err
			}
		}
		errs = append(errs, err)
	}
	for _, src := range sources {
		err := mendFrom(ctx, log, p, src)
		if err == nil || isDamaged(err) {
			return err
		}
		if errs = append(errs, fmt.Errorf("%s: %w", src, err)); ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("mending the mirrored %v: %w", p, errors.Join(errs...))
}

func isDamaged(err error) bool {
	var d *mirrorstore.DamagedError
	return errors.As(err, &d)
}

func mendFrom(ctx context.Context, log *mirrorstore.Log, p mirrorstore.Part, src Source) error {
	switch p.Kind {
	case mirrorstore.Bundle:
		entries, err := src.Bundle(ctx, p.Index, tile.FullWidth)
		if err != nil {
			return err
		}
		return log.MendBundle(p.Index, entries)
	case mirrorstore.Tile:
		hashes, err := src.Tile(ctx, p.Level, p.Index, tile.FullWidth)
		if err != nil {
			return err
		}
		return log.MendTile(p.Level, p.Index, hashes)
	}
	get := src.File
	if p.Kind == mirrorstore.Attachment {
		get = src.Attachment
	}
	b, err := get(ctx, p.Sum)
	if err != nil {
		return err
	}
	return log.MendFile(p, b)
}
