package node

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/telemetry"
	"github.com/cityproof/cityproof/internal/tile"
)

// heartbeats is when the logs that a member has, its own and the mirrored ones, showed their last sign of life: the anchors in
// them, and not what was fetched or cosigned last (T-23).
type heartbeats struct {
	mu   sync.Mutex // guards logs
	logs map[string]audit.Heard
}

// listen reads the ends of the logs until ctx ends.
func (a *alliance) listen(ctx context.Context) {
	tick := time.NewTicker(a.poll)
	defer tick.Stop()
	for {
		for _, m := range a.follower.Roster().Members() {
			if err := a.beat(ctx, m); err != nil && ctx.Err() == nil {
				a.logger.Debug("the end of a log can't be read", slog.String("log", m.Log().Origin), slog.Any("err", err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// beat looks for a member's last anchor, where its log is here and has grown.
func (a *alliance) beat(ctx context.Context, m *roster.Member) error {
	st := a.follower.State()
	origin := m.Log().Origin
	if origin == st.Roster.Root().Terms.Registry.Origin {
		a.beats.set(origin, audit.Heard{Size: st.Roster.Size(), Clock: st.Clock})
		return nil
	}
	src, head, err := a.stored(origin)
	before := a.beats.of(origin)
	if err != nil || src == nil || before.Size == head.Size {
		return err
	}
	heard, err := audit.Tail(ctx, src, head, before, func(index uint64, note []byte) (logtime.Anchor, error) {
		return st.Roster.Heartbeat(m, nil, index, note)
	})
	if err != nil {
		return err
	}
	a.beats.set(origin, heard)
	return nil
}

// stored is a log on this node's disk with its newest head; nil if it is not here.
func (a *alliance) stored(origin string) (audit.TailSource, client.Head, error) {
	if origin == a.member.origin {
		p := a.member.ledger.Published()
		if p == nil {
			return nil, client.Head{}, nil
		}
		c := p.Checkpoint
		return ownFiles{ownLog{a.member.ledger}, ownTiles{a.member.ledger}}, client.Head{Origin: origin, Size: c.Size, Root: c.Root}, nil
	}
	if a.member.copies == nil {
		return nil, client.Head{}, nil
	}
	log, err := a.member.copies.Find(originHash(origin))
	if err != nil || log == nil {
		return nil, client.Head{}, err
	}
	size, root := log.Head()
	return copiedFiles{log}, client.Head{Origin: origin, Size: size, Root: root}, nil
}

// ownFiles are the files of this node's own log, copiedFiles those of a log that it mirrors.
type (
	ownFiles struct {
		ownLog
		ownTiles
	}
	copiedFiles struct{ *mirrorstore.Log }
)

// Bundle implements audit.TailSource.
func (c copiedFiles) Bundle(_ context.Context, index uint64, width int) ([][]byte, error) {
	b, err := c.Log.Bundle(index, width)
	if err != nil {
		return nil, fmt.Errorf("reading the copy: %w", err)
	}
	return tile.ParseBundle(b, width)
}

func (h *heartbeats) of(origin string) audit.Heard {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.logs[origin]
}

func (h *heartbeats) set(origin string, b audit.Heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.logs == nil {
		h.logs = map[string]audit.Heard{}
	}
	h.logs[origin] = b
}

// lags is how long each of the logs has been silent.
func (h *heartbeats) lags(now time.Time) []telemetry.LogLag {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []telemetry.LogLag
	for origin, b := range h.logs {
		lag := b.Clock.Lag(now.Unix(), logtime.Default)
		seconds := math.Inf(1)
		if lag.Known {
			seconds = lag.Silence.Seconds()
		}
		out = append(out, telemetry.LogLag{Log: origin, Seconds: seconds})
	}
	slices.SortFunc(out, func(x, y telemetry.LogLag) int { return strings.Compare(x.Log, y.Log) })
	return out
}
