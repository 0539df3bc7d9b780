package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// patience is how long a log may withhold what a head of its own covers, before its heads are not cosigned any more
// (federation.md, section 6). It is never evidence: whoever does not answer may be out of reach.
const patience = time.Hour

// Challenge says that a log signed a head and that nobody hands out all that it covers.
type Challenge struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"` // of the head
	Root   string `json:"root"` // base64, as in the checkpoint
	// Since is when something was handed out last, or the head was first seen: there was no answer since then.
	Since   time.Time `json:"since"`
	Missing string    `json:"missing"` // what was asked for in vain, in words
	// Owed is what is missing below Size: more came whenever it became less.
	Owed mirrorstore.Owed `json:"owed"`
	// Stopped says that the log is therefore not cosigned now.
	Stopped bool `json:"stopped"`
}

// challenges are the open ones. They outlast a restart.
type challenges struct {
	store  *mirrorstore.Store
	now    func() time.Time
	logger *slog.Logger

	mu   sync.Mutex            // guards of
	of   map[string]*Challenge // by origin; nil: none is open
	said map[string]bool       // origins of which it was logged that they are stopped
}

func newChallenges(store *mirrorstore.Store, now func() time.Time, logger *slog.Logger) *challenges {
	return &challenges{store: store, now: now, logger: logger, of: map[string]*Challenge{}, said: map[string]bool{}}
}

// open returns the open challenge of a log, nil if there is none; mu is held.
func (c *challenges) open(origin string) *Challenge {
	ch, known := c.of[origin]
	if known {
		return ch
	}
	log, err := c.store.Find(sha256.Sum256([]byte(origin)))
	if err != nil {
		return nil // asked again
	}
	if log != nil {
		if b, err := log.Challenge(); err != nil {
			return nil
		} else if len(b) > 0 {
			ch = &Challenge{}
			if json.Unmarshal(b, ch) != nil || ch.Origin != origin {
				ch = nil // damaged: it is opened anew, if it must be
			}
		}
	}
	c.of[origin] = ch
	return ch
}

// noWitness reports whether an error says nothing of the log: it is this node's own, or the caller's, or worse than silence.
func noWitness(ctx context.Context, err error) bool {
	var limit *LimitError
	return ctx.Err() != nil || errors.As(err, &limit) || isDamaged(err) || errors.Is(err, ErrRewritten) || errors.Is(err, mirrorstore.ErrMoved) ||
		errors.Is(err, pebbledb.ErrHalted) || errors.Is(err, errUnknown)
}

// heard is told how it ended when a copy was brought up to a head that its log signed.
func (c *challenges) heard(ctx context.Context, log *mirrorstore.Log, head checkpoint.Checkpoint, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.open(head.Origin)
	if ch == nil && err == nil || err != nil && noWitness(ctx, err) {
		return
	}
	var owed mirrorstore.Owed
	if ch != nil {
		var oerr error
		if owed, oerr = log.Owed(ch.Size); oerr != nil {
			return // a storage that fails says so itself
		}
		if (owed == mirrorstore.Owed{}) {
			c.logger.Info("challenge answered: a log hands out what its head covers", slog.String("log", head.Origin), slog.Uint64("size", ch.Size))
			c.of[head.Origin], ch = nil, nil
			delete(c.said, head.Origin)
			c.keep(log, nil)
		}
	}
	switch {
	case err == nil:
		return // also where an earlier head is whole
	case ch == nil:
		c.begin(log, head, err)
		return
	case owed.Entries < ch.Owed.Entries, owed.Entries == ch.Owed.Entries && owed.Files < ch.Owed.Files:
		ch.Since = c.now()
	}
	if owed != ch.Owed {
		ch.Owed = owed
		c.keep(log, ch)
	}
}

// begin opens a challenge.
func (c *challenges) begin(log *mirrorstore.Log, head checkpoint.Checkpoint, err error) {
	owed, oerr := log.Owed(head.Size)
	if oerr != nil || owed == (mirrorstore.Owed{}) {
		return
	}
	ch := &Challenge{Origin: head.Origin, Size: head.Size, Root: head.Root.String(), Since: c.now(), Missing: firstWords(err), Owed: owed}
	c.of[head.Origin] = ch
	c.logger.Warn("challenge open: a log signed a head, and what it covers is not handed out", slog.String("log", head.Origin), slog.Uint64("size", head.Size), slog.Any("err", err))
	c.keep(log, ch)
}

// maxMissing bounds the words of a Challenge, in bytes.
const maxMissing = 500

func firstWords(err error) string {
	s := err.Error()
	return s[:min(len(s), maxMissing)]
}

// keep makes a challenge outlast a restart.
func (c *challenges) keep(log *mirrorstore.Log, ch *Challenge) {
	var b []byte
	var err error
	if ch != nil {
		b, err = json.Marshal(ch)
	}
	if err == nil {
		err = log.SetChallenge(b)
	}
	if err != nil && !errors.Is(err, pebbledb.ErrHalted) {
		c.logger.Error("a challenge can't be kept", slog.Any("err", err))
	}
}

// Withheld says why a log is not cosigned: it has withheld what its heads cover for an hour. Empty if it has not.
func (m *Mirror) Withheld(origin string) string {
	c := m.challenges
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.open(origin)
	if ch == nil || c.now().Sub(ch.Since) < patience {
		return ""
	}
	why := fmt.Sprintf("challenge open: what its head of size %d covers is not handed out, no answer since %s", ch.Size, ch.Since.UTC().Format(time.RFC3339))
	if !c.said[origin] {
		c.said[origin] = true
		c.logger.Warn("a log is not cosigned any more", slog.String("log", origin), slog.String("reason", why))
	}
	return why
}

// Challenges returns those that are open now, in the order of their logs; those of before a restart from when their logs were
// looked at again.
func (m *Mirror) Challenges() []Challenge {
	c := m.challenges
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Challenge
	for _, origin := range slices.Sorted(maps.Keys(c.of)) {
		if ch := c.of[origin]; ch != nil {
			shown := *ch
			shown.Stopped = c.now().Sub(ch.Since) >= patience
			out = append(out, shown)
		}
	}
	return out
}

// catchUp brings the copy up to a head that this node knows from elsewhere, if that is ahead of what the sources show: a log
// that shows its mirrors only old heads withholds the new ones.
func (m *Mirror) catchUp(ctx context.Context, origin string, known Log) error {
	if m.opts.Shown == nil {
		return nil
	}
	note, err := m.opts.Shown(origin)
	if err != nil || note == nil {
		return err
	}
	v, err := checkpoint.Verify(note, known.Keys, nil)
	if err != nil {
		return nil //nolint:nilerr // by keys that the log had before
	}
	log, err := m.opts.Store.Log(sha256.Sum256([]byte(origin)))
	if err != nil {
		return err
	}
	if size, _ := log.Head(); v.Checkpoint.Origin != origin || v.Checkpoint.Size <= size {
		return nil
	}
	return m.hold(ctx, v.Checkpoint)
}
