package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/tile"
)

// State is what metrics show.
type State struct {
	Bytes, Cycles uint64 // that the scrub has read, and how often it has read everything
	Found, Mended uint64 // damages
	Damaged       int    // things now
	Stopped       int    // logs, by this node's own limits
	Erased        uint64 // bodies, since the start
	Challenges    int    // logs that owe an answer
	Withheld      int    // logs among them that are not cosigned for it
}

// State may be called at any time.
func (m *Mirror) State() State {
	withheld, challenges := 0, m.Challenges()
	for _, c := range challenges {
		if c.Stopped {
			withheld++
		}
	}
	m.damages.mu.Lock()
	defer m.damages.mu.Unlock()
	return State{m.scrubbed.Load(), m.cycles.Load(), m.damages.found, m.damages.mended, len(m.damages.items), m.bounds.stopped(), m.erased.Load(), len(challenges), withheld}
}

// scrubPlace is where a scrub goes on after a restart: before a bundle, or behind all bundles a tile, of one log.
type scrubPlace struct {
	Began  time.Time `json:"began"`
	Origin string    `json:"origin"` // logs go in the order of their names
	Bundle uint64    `json:"bundle"`
}

// savePlace is how often the place is kept.
const savePlace = time.Minute

// Scrub reads all copies again, within each period once and never faster than maxRate bytes a second, until ctx ends. What
// it finds damaged, Heal mends. It goes on where the last process came to.
func (m *Mirror) Scrub(ctx context.Context, period time.Duration, maxRate int64) {
	var at scrubPlace
	if b, err := m.opts.Store.Place(); err == nil && b != nil && json.Unmarshal(b, &at) != nil {
		at = scrubPlace{}
	}
	for ctx.Err() == nil {
		if at.Began.IsZero() {
			at.Began = time.Now()
		}
		p := &pace{m: m, at: &at, period: period, rate: maxRate, saved: time.Now(), left: float64(m.opts.Store.Size())}
		for _, origin := range slices.Sorted(slices.Values(m.opts.Logs.Origins())) {
			if origin < at.Origin {
				continue
			}
			if origin != at.Origin {
				at.Origin, at.Bundle = origin, 0
			}
			if err := m.scrubLog(ctx, origin, at.Bundle, p.step); err != nil && ctx.Err() == nil {
				m.opts.Logger.Warn("the copy of a log can't be scrubbed now", slog.String("log", origin), slog.Any("err", err))
			}
			if ctx.Err() != nil {
				p.save()
				return
			}
		}
		m.cycles.Add(1)
		rest := min(period, max(0, time.Until(at.Began.Add(period))))
		at = scrubPlace{}
		p.save()
		sleep(ctx, rest)
	}
}

// pace spreads the work over the period.
type pace struct {
	m      *Mirror
	at     *scrubPlace
	period time.Duration
	rate   int64
	saved  time.Time
	left   float64 // bytes, about
}

// step is told that n bytes were read, and which bundle is next, and waits.
func (p *pace) step(ctx context.Context, next uint64, n int) error {
	p.at.Bundle = next
	p.m.scrubbed.Add(uint64(n)) //nolint:gosec // not negative
	if time.Since(p.saved) >= savePlace {
		p.save()
	}
	end := time.Until(p.at.Began.Add(p.period - p.period/20))
	even := time.Duration(float64(max(end, 0)) * min(1, float64(n)/max(p.left, float64(n), 1)))
	p.left -= float64(n)
	sleep(ctx, max(even, time.Duration(float64(n)/float64(p.rate)*float64(time.Second))))
	return ctx.Err()
}

func (p *pace) save() {
	b, err := json.Marshal(p.at)
	if err == nil {
		err = p.m.opts.Store.SetPlace(b)
	}
	if err != nil { // a database that has halted says so itself
		p.m.opts.Logger.Debug("the scrub of the copies can't keep its place", slog.Any("err", err))
	}
	p.saved = time.Now()
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// scrubLog checks all that is held of a log from a bundle on: entries, tiles, and what the entries commit to. step is told
// of each bundle that was read. What is damaged goes on the list.
func (m *Mirror) scrubLog(ctx context.Context, origin string, from uint64, step func(ctx context.Context, next uint64, n int) error) error {
	known, ok := m.opts.Logs.Mirrored(origin)
	if !ok {
		return nil // no more
	}
	hash := sha256.Sum256([]byte(origin))
	log, err := m.opts.Store.Find(hash)
	if err != nil || log == nil {
		return err
	}
	s := &scrubber{m: m, hash: hash, log: log, known: known}
	size, _ := log.Head()
	for n := from; n*tile.FullWidth < size; n++ {
		read, err := s.bundle(n, int(min(tile.FullWidth, size-n*tile.FullWidth)))
		if err != nil {
			return err
		}
		if err := step(ctx, n+1, read); err != nil {
			return err
		}
	}
	for level := 1; level < tile.Levels; level++ {
		for n := range size >> (tile.Height * level) / tile.FullWidth {
			read, err := s.check(mirrorstore.Part{Kind: mirrorstore.Tile, Level: level, Index: n})
			if err != nil {
				return err
			}
			if err := step(ctx, size/tile.FullWidth+1, read); err != nil {
				return err
			}
		}
	}
	return s.attachments(func(n int) error { return step(ctx, size/tile.FullWidth+1, n) })
}

// attachments checks those that live records name.
func (s *scrubber) attachments(step func(n int) error) error {
	return s.log.Used(func(sum [sha256.Size]byte, _ uint64) error {
		if lacking, err := s.log.IsLacking(sum); lacking || err != nil {
			return err
		}
		n, err := s.check(mirrorstore.Part{Kind: mirrorstore.Attachment, Sum: sum})
		if err != nil {
			return err
		}
		return step(n)
	})
}

// scrubber checks one log.
type scrubber struct {
	m     *Mirror
	hash  [sha256.Size]byte
	log   *mirrorstore.Log
	known Log
}

// check lists a part if it is damaged. Its error is of the storage.
func (s *scrubber) check(p mirrorstore.Part) (n int, err error) {
	n, err = s.log.Check(p)
	var d *mirrorstore.DamagedError
	if errors.As(err, &d) {
		s.m.damages.add(s.hash, d)
		return n, nil
	}
	return n, err
}

// bundle checks a bundle and what its entries commit to.
func (s *scrubber) bundle(n uint64, width int) (read int, err error) {
	read, err = s.check(mirrorstore.Part{Kind: mirrorstore.Bundle, Index: n})
	if err != nil {
		return read, err
	}
	b, err := s.log.Bundle(n, width)
	if isDamaged(err) {
		return read, nil // it is listed; what it commits to is looked at when it is mended
	}
	if err != nil {
		return read, err
	}
	entries, err := tile.ParseBundle(b, width)
	if err != nil {
		return read, err
	}
	for i, b := range entries {
		got, err := s.files(n*tile.FullWidth+uint64(i), b)
		if read += got; err != nil {
			return read, err
		}
	}
	return read, nil
}

// files checks what an entry commits to. A file that is not there must be noted as absent, or the entry is void.
func (s *scrubber) files(index uint64, b []byte) (read int, err error) {
	e, err := entry.Parse(b)
	if err != nil {
		return 0, nil //nolint:nilerr // it is no entry, and commits to nothing
	}
	for _, f := range e.Files {
		p := mirrorstore.Part{Kind: mirrorstore.Body, Sum: f.Sum}
		there, err := s.log.HasBody(f.Sum)
		if err != nil {
			return read, err
		}
		if !there {
			absent, err := s.log.IsAbsent(mirrorstore.Absent{Index: index, Sum: f.Sum})
			if err != nil {
				return read, err
			}
			if absent || !counts(e, index, s.known.Publisher) {
				continue
			}
		}
		n, err := s.check(p)
		if read += n; err != nil {
			return read, err
		}
	}
	return read, nil
}
