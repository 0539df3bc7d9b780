package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
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
type copies struct {
	alliance *alliance

	mu  sync.Mutex // guards web
	web map[string]*client.LogReader
}

// openMirror opens the member's mirror, if it is in an alliance and has the key and its heads.
func (m *member) openMirror(logger *slog.Logger) error {
	if m.alliance == nil || m.peers == nil {
		return nil
	}
	key, err := signingkey.ReadFile(m.cfg.Keys.Mirror, passphrase(m.cfg.Keys))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the mirror key: %w", err)
	}
	if key.Role != signingkey.Mirror {
		return fmt.Errorf("the mirror key %s was made as a %s key", m.cfg.Keys.Mirror, key.Role)
	}
	signer, err := checkpoint.NewSigner(act.Host(m.origin)+"/mirror", checkpoint.TypeEd25519Cosignature, key.Signer())
	if err != nil {
		return err
	}
	if m.copies, err = mirrorstore.Open(m.cfg.Mirror, mirrorstore.Options{Logger: logger}); err != nil {
		return err
	}
	logs := &copies{alliance: m.alliance, web: map[string]*client.LogReader{}}
	m.mirrored = logs.Mirrored
	m.mirror, err = mirror.New(mirror.Options{
		Store: m.copies, Heads: m.peers, Signer: signer, Logs: logs, Ready: m.ready, Seen: m.seen, Conflict: m.conflict,
	})
	return err
}

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
	log := mirror.Log{Log: known, Publisher: m.Publisher}
	for _, url := range sourcesOf(r, m, c.alliance.member.cfg.City) {
		src, err := c.reader(url)
		if err != nil {
			continue // an address that this node may not reach
		}
		log.Sources = append(log.Sources, src)
	}
	return log, true
}

// sourcesOf are the places where a member's log lies: its own node, then others that mirror it.
func sourcesOf(r *roster.Roster, m *roster.Member, self string) []string {
	urls := []string{m.Entry.GetHttp() + "/log"}
	for _, other := range mirrorsIn(r, m) {
		if len(urls) > otherSources {
			break
		}
		if other.ID() != self {
			urls = append(urls, fmt.Sprintf("%s/mirror/%x", other.Entry.GetHttp(), originHash(m.Log().Origin)))
		}
	}
	return urls
}

// mirrorsIn are the members that may mirror a member's log, in an order of that log's own: all but those who run it.
func mirrorsIn(r *roster.Roster, m *roster.Member) []*roster.Member {
	var all []*roster.Member
	for _, other := range r.Members() {
		if other != m && r.Status(other) == roster.Active && other.Cosigns(other.Mirror.Key, time.Now().Unix()) && other.Entry.GetOperator() != m.Entry.GetOperator() {
			all = append(all, other)
		}
	}
	rank := func(o *roster.Member) [32]byte { return originHash(m.ID() + "\n" + o.ID()) }
	slices.SortFunc(all, func(x, y *roster.Member) int { i, j := rank(x), rank(y); return bytes.Compare(i[:], j[:]) })
	return all
}

func (c *copies) reader(url string) (*client.LogReader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.web[url]; r != nil {
		return r, nil
	}
	web, err := client.NewWeb(url, client.HTTPOptions{Transport: c.alliance.peers.Transport, Tries: 1})
	if err != nil {
		return nil, err
	}
	c.web[url] = client.NewLogReader(web)
	return c.web[url], nil
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

// mirrored are the origins of the logs that this member mirrors: all of a small alliance, else its share.
func (a *alliance) mirrored() []string {
	r := a.follower.Roster()
	members := r.Members()
	var out []string
	for _, m := range members {
		ranked := mirrorsIn(r, m)
		if len(members) > mirrorAll && len(ranked) > mirrorsOfLog {
			ranked = ranked[:mirrorsOfLog]
		}
		if r.Status(m) != roster.Left && slices.ContainsFunc(ranked, func(o *roster.Member) bool { return o.ID() == a.member.cfg.City }) {
			out = append(out, m.Log().Origin)
		}
	}
	return out
}
