package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/telemetry"
)

const (
	// mirrorAll is how many logs an alliance may have for every member to mirror every log.
	mirrorAll = 100
	// mirrorsOfLog is how many members mirror a log where there are more.
	mirrorsOfLog = 4
	// otherSources is how many other mirrors a log is looked for at, after its own city.
	otherSources = 3
	// followsAtOnce is how many logs are fetched side by side.
	followsAtOnce = 4
)

// copies are the logs that a member mirrors: those of its alliance.
type copies struct{ alliance *alliance }

// places are where other members serve logs.
type places struct {
	transport http.RoundTripper

	mu  sync.Mutex // guards web
	web map[string]*client.LogReader
}

// openMirror opens the member's mirror, if it is in an alliance and has the key and its heads.
func (m *member) openMirror(cfg config.Mirror, logger *slog.Logger) error {
	if m.alliance == nil || m.peers == nil {
		return nil
	}
	signer, err := cosigner(m.cfg, signingkey.Mirror, m.cfg.Keys.Mirror)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	next, err := nextCosigner(m.cfg, signingkey.Mirror, m.cfg.Keys.NextMirror)
	if err != nil {
		return err
	}
	if m.copies, err = mirrorstore.Open(m.cfg.Mirror, mirrorstore.Options{Logger: logger}); err != nil {
		return err
	}
	m.mirror, err = mirror.New(mirror.Options{
		Store: m.copies, Heads: m.peers, Signer: signer, Next: next, Logs: m.logs, Ready: m.ready, Seen: m.seen, Conflict: m.conflict, Logger: m.alliance.logger,
		Shown:  m.witnessedNote,
		Limits: mirror.Limits{DailyBytes: cfg.DailyBytesPerLog, DiskBytes: cfg.MaxDiskBytes, BytesPerSecond: cfg.MaxBytesPerSecond},
	})
	return err
}

// witnessedNote is the newest head of a log that the member's witness cosigned.
func (m *member) witnessedNote(origin string) ([]byte, error) {
	if m.witness == nil {
		return nil, nil
	}
	note, _, err := m.witness.Checkpoint(originHash(origin))
	return note, err
}

// Origins implements mirror.Logs.
func (c *copies) Origins() []string { return c.alliance.mirrored() }

// Mirrored implements mirror.Logs.
func (c *copies) Mirrored(origin string) (mirror.Log, bool) {
	r := c.alliance.follower.Roster()
	if origin == c.alliance.member.origin {
		return mirror.Log{}, false
	}
	known, ok := witnessed{alliance: c.alliance}.Log(origin)
	if !ok {
		return mirror.Log{}, false
	}
	m := r.ByOrigin(origin)
	log := mirror.Log{Log: known, Publisher: m.Publisher, AnchoredAt: func(anchor []byte) (int64, error) { return anchoredAt(r, m, anchor) }}
	if trust, err := receipt.TrustIn(r, m); err == nil {
		log.Trust = trust
	}
	for _, url := range sourcesOf(r, m, c.alliance.member.cfg.City) {
		src, err := c.alliance.places.reader(url)
		if err != nil {
			continue // an address that this node may not reach
		}
		log.Sources = append(log.Sources, src)
	}
	return log, true
}

// anchoredAt is the time of an anchor of a member's log, by its committee's clocks: the log's own word counts for nothing here.
func anchoredAt(r *roster.Roster, m *roster.Member, anchor []byte) (int64, error) {
	beat, err := r.Heartbeat(m, nil, 0, anchor)
	if err == nil && beat.Unwitnessed {
		err = roster.ErrNotFinal
	}
	return beat.Time, err
}

// own are the copies of this member's own log that others keep: all of them, for who lies or is away must not keep the log from
// coming back.
func (c *copies) own() (out []*client.LogReader) {
	r := c.alliance.follower.Roster()
	m := c.alliance.own(r)
	if c.alliance.continued() != nil {
		m = r.Member(c.alliance.member.cfg.City) // with the registry's old log, whose entries are wanted
	}
	if m == nil {
		return nil
	}
	logs := append(m.Before(m.Log().Origin), m.Log())
	for _, log := range slices.Backward(logs) { // a log from which this one goes on has its first entries
		for _, other := range r.Mirrors(m) {
			if src, err := c.alliance.places.reader(copyAt(other, log.Origin)); err == nil {
				out = append(out, src)
			}
		}
	}
	return out
}

// ownLog is what a mirror would know of this member's own log.
func (c *copies) ownLog() mirror.Log {
	log := mirror.Log{Publisher: c.alliance.member.publisher}
	r := c.alliance.follower.Roster()
	if m := c.alliance.own(r); m != nil {
		if trust, err := receipt.TrustIn(r, m); err == nil {
			log.Trust = trust
		}
	}
	for _, src := range c.own() {
		log.Sources = append(log.Sources, src)
	}
	return log
}

// copyAt is where a member serves its copy of a log.
func copyAt(keeper *roster.Member, origin string) string {
	return client.MirrorURL(keeper.Entry.GetHttp(), origin)
}

// sourcesOf are the places where a member's log lies: its own node, then others that mirror it.
func sourcesOf(r *roster.Roster, m *roster.Member, self string) []string {
	urls := []string{m.Entry.GetHttp() + "/log"}
	for _, other := range r.Mirrors(m) {
		if len(urls) > otherSources {
			break
		}
		if other.ID() != self {
			urls = append(urls, copyAt(other, m.Log().Origin))
		}
	}
	return urls
}

// reader reads the log at a URL.
func (p *places) reader(url string) (*client.LogReader, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.web[url]; r != nil {
		return r, nil
	}
	web, err := client.NewWeb(url, client.HTTPOptions{Transport: p.transport, Tries: 1})
	if err != nil {
		return nil, err
	}
	p.web[url] = client.NewLogReader(web)
	return p.web[url], nil
}

// mirrorLogs keeps the copies up to date until ctx ends.
func (a *alliance) mirrorLogs(ctx context.Context) {
	if a.member.mirror == nil {
		return
	}
	tick := time.NewTicker(a.poll)
	defer tick.Stop()
	for {
		g, gctx := errgroup.WithContext(ctx)
		g.SetLimit(followsAtOnce)
		for _, origin := range a.mirrored() {
			g.Go(func() error {
				if err := a.member.mirror.Follow(gctx, origin); err != nil && ctx.Err() == nil {
					a.logger.Debug("a log can't be mirrored now", slog.String("log", origin), slog.Any("err", err))
				}
				if err := a.member.mirror.Erase(gctx, origin); err != nil && ctx.Err() == nil {
					a.logger.Warn("a mirrored body can't be erased now", slog.Any("err", err))
				}
				return nil
			})
		}
		_ = g.Wait() // each has said why
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// keepCopies reads again what is mirrored, within the period of the node's own scrub, and mends what is damaged.
func (a *alliance) keepCopies(ctx context.Context, cfg config.Scrub) {
	m := a.member.mirror
	if m == nil {
		return
	}
	var g sync.WaitGroup
	g.Go(func() { m.Heal(ctx) })
	if cfg.Period != config.Off {
		g.Go(func() { m.Scrub(ctx, time.Duration(cfg.Period), cfg.MaxBytesPerSecond) })
	}
	g.Wait()
}

// mirrored are the origins of the logs that this member mirrors: all of a small alliance, else its share.
func (a *alliance) mirrored() []string {
	r := a.follower.Roster()
	members := r.Members()
	var out []string
	for _, m := range members {
		ranked := r.Mirrors(m)
		if len(members) > mirrorAll && len(ranked) > mirrorsOfLog {
			ranked = ranked[:mirrorsOfLog]
		}
		if r.Status(m) != roster.Left && slices.ContainsFunc(ranked, func(o *roster.Member) bool { return o.ID() == a.member.cfg.City }) {
			out = append(out, m.Log().Origin)
		}
	}
	return out
}

// mirrorMetrics is what the member mirrors, in numbers; all 0 where it mirrors nothing.
func (a *alliance) mirrorMetrics() telemetry.MirrorState {
	m := a.member
	if m.mirror == nil {
		return telemetry.MirrorState{}
	}
	s := m.mirror.State()
	return telemetry.MirrorState{
		Disk: m.copies.Size(), ScrubBytes: s.Bytes, ScrubCycles: s.Cycles, Found: s.Found, Mended: s.Mended, Damaged: s.Damaged,
		Stopped: s.Stopped, Erased: s.Erased, Challenges: s.Challenges, Withheld: s.Withheld,
	}
}
