package node

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/telemetry"
)

// alliance is a member's part in its alliance: it follows the registry, and has the member's log cosigned and anchored.
type alliance struct {
	member   *member
	file     []byte // root.json
	first    *root.Root
	version  int64 // of the newest root file that was adopted
	follower *registry.Follower
	followed []root.Registry   // where it is, as sources was made for
	sources  []registry.Source // of the registry
	door     *registry.Door    // nil: another node runs the registry
	peers    *http.Client
	places   *places
	poll     time.Duration
	anchors  time.Duration
	scrub    config.Scrub
	logger   *slog.Logger

	published chan struct{} // a word that there is a new head
	anchored  atomic.Int64  // Unix second of the last anchor of this process
	begun     atomic.Bool   // the log begins as it must
	rounds    rounds
	beats     heartbeats
}

// openAlliance reads root.json. The registry is followed from what joinLog and run are given.
func (m *member) openAlliance(whole *config.Config, logger *slog.Logger) error {
	if m.cfg.Root == "" {
		return nil
	}
	file, err := os.ReadFile(m.cfg.Root)
	if err != nil {
		return fmt.Errorf("reading the alliance's root: %w", err)
	}
	first, err := root.Parse(file)
	if err != nil {
		return fmt.Errorf("%s: %w", m.cfg.Root, err)
	}
	a := &alliance{
		member: m, file: file, first: first, version: first.Version, peers: peerClient(whole.Peers),
		poll: time.Duration(whole.Peers.Poll), anchors: time.Duration(whole.Anchor.Interval), scrub: whole.Scrub,
		logger: logger.With(slog.String("origin", m.origin)), published: make(chan struct{}, 1),
	}
	a.places = &places{transport: a.peers.Transport, web: map[string]*client.LogReader{}}
	if a.follower, err = registry.NewFollower(first); err != nil {
		return fmt.Errorf("%s: %w", m.cfg.Root, err)
	}
	m.alliance, m.logs = a, &copies{a}
	return a.adopt()
}

// adopt takes the versions of the root that were put beside root.json: root.2.json, root.3.json and so on. The registry holds
// most of them as well; one by which it goes on after a fork is wanted before.
func (a *alliance) adopt() error {
	for {
		a.version = max(a.version, a.follower.Roster().Root().Version)
		file := fmt.Sprintf("%s.%d.json", strings.TrimSuffix(a.member.cfg.Root, ".json"), a.version+1)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the alliance's root: %w", err)
		}
		next, err := root.Parse(b)
		if err == nil {
			err = a.follower.Adopt(next)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if next.Version != a.version+1 {
			return fmt.Errorf("%s: it is version %d", file, next.Version)
		}
		a.version = next.Version
		a.logger.Info("a version of the root was read", slog.Int64("version", next.Version), slog.Bool("goes_on", next.GoesOn() != nil))
	}
}

// registries is where the registry is, the newest that is known first: two while it goes on in another log.
func (a *alliance) registries() []root.Registry {
	st := a.follower.State()
	now := []root.Registry{st.Roster.Root().Terms.Registry}
	if st.Next != nil {
		now = append([]root.Registry{st.Next.Terms.Registry}, now...)
	}
	return now
}

// joinLog gives the alliance the member's log, which may be the registry itself.
func (a *alliance) joinLog(ctx context.Context) error {
	if !a.isRegistry() {
		return nil
	}
	log := ownLog{a.member.ledger}
	a.door = registry.NewDoor(a.follower, log)
	if a.member.lost() {
		return nil // others have it
	}
	return a.follower.Update(ctx, log)
}

// findRegistry lets the registry be followed from where it is and, while that can't be reached, from copies: this node's own,
// then those of the founders. Who serves it doesn't matter: it is checked.
func (a *alliance) findRegistry() error {
	now := a.registries()
	if a.door != nil && !a.member.lost() {
		a.sources, a.followed = []registry.Source{ownLog{a.member.ledger}}, nil
		return nil
	}
	if slices.EqualFunc(now, a.followed, func(x, y root.Registry) bool { return x.Origin == y.Origin && x.URL == y.URL }) {
		return nil
	}
	a.sources = nil
	for _, r := range now {
		if r.Origin != a.member.origin {
			if err := a.followAt(r.URL); err != nil {
				return fmt.Errorf("the registry's address in root metadata: %w", err)
			}
		}
		if err := a.followCopies(r.Origin); err != nil {
			return err
		}
	}
	a.followed = now
	return nil
}

func (a *alliance) followCopies(registry string) error {
	if registry != a.member.origin && a.member.mirror != nil {
		a.sources = append(a.sources, ownCopy{a.member, registry})
	}
	for _, f := range a.first.Founders {
		if o := f.Member.Origin(); o != a.first.Terms.Registry.Origin && o != a.member.origin {
			if err := a.followAt(client.MirrorURL(f.Member.Entry.GetHttp(), registry)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *alliance) followAt(url string) error {
	web, err := client.NewWeb(url, client.HTTPOptions{Transport: a.peers.Transport, Tries: 1})
	if err != nil {
		return err
	}
	a.sources = append(a.sources, client.NewLogReader(web))
	return nil
}

// news tells that the log has a new head.
func (a *alliance) news() {
	select {
	case a.published <- struct{}{}:
	default: // a word is waiting already
	}
}

// run follows the registry and has the log cosigned until ctx ends.
func (a *alliance) run(ctx context.Context) {
	var g sync.WaitGroup
	g.Go(func() { a.follow(ctx) })
	g.Go(func() { a.mirrorLogs(ctx) })
	g.Go(func() { a.keepCopies(ctx, a.scrub) })
	g.Go(func() { a.recover(ctx) })
	g.Go(func() { a.cosign(ctx) })
	g.Go(func() { a.listen(ctx) })
	g.Go(func() { a.member.accusations.watch(ctx, a.poll) })
	g.Go(func() { a.member.accusations.logAll(ctx) })
	if a.member.gossip != nil {
		g.Go(func() { a.member.gossip.Run(ctx) })
	}
	g.Wait()
}

// follow asks for the registry's news.
func (a *alliance) follow(ctx context.Context) {
	tick := time.NewTicker(a.poll)
	defer tick.Stop()
	said := ""
	for {
		err := a.update(ctx)
		if ctx.Err() != nil {
			return
		}
		if now := fmt.Sprint(err); err != nil && now != said { // once, not every ten seconds
			a.logger.Warn("the registry can't be followed", slog.Any("err", err))
			said = now
		} else if err == nil {
			said = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// update takes the registry's news from the first source that has them.
func (a *alliance) update(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	if err := errors.Join(a.adopt(), a.findRegistry()); err != nil {
		return err
	}
	var errs []error
	for _, src := range a.sources {
		alarms, epoch := len(a.follower.State().Alarms), a.follower.Roster().Epoch().Number
		err := a.follower.Update(ctx, src)
		if a.follower.Roster().Epoch().Number != epoch {
			a.news() // another committee counts
		}
		if err == nil {
			all := a.follower.State().Alarms
			for _, alarm := range all[min(alarms, len(all)):] { // fewer, where the follower went back
				a.logger.Error("the registry holds an entry that breaks a rule and has no effect",
					slog.Uint64("index", alarm.Index), slog.String("what", alarm.What), slog.String("reason", alarm.Reason))
			}
			if a.keysChanged() {
				a.news() // the log's new keys sign at once, not at the next anchor
			}
			return nil
		}
		var fork *registry.ForkError
		if errors.As(err, &fork) {
			// Gossip holds the one head against the other, asks for proofs, and makes evidence of them.
			a.logger.Error("ALARM: the registry shows two histories", slog.Any("err", fork))
			a.member.seen(a.follower.State().Note)
			a.member.seen(fork.Note)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// followTimeout bounds one look at the registry: a slow server costs this long.
const followTimeout = 5 * time.Minute

// own is the member's entry, nil while it is no member, or its log in use is another.
func (a *alliance) own(r *roster.Roster) *roster.Member {
	m := r.Member(a.member.cfg.City)
	if m == nil || m.Log().Origin != a.member.origin {
		return nil
	}
	return m
}

// ended says why nothing counts any more that the member's log takes, as the registry has it; empty where it counts.
func (a *alliance) ended() string {
	r := a.follower.Roster()
	m := r.ByOrigin(a.member.origin)
	if m == nil {
		return "" // no member yet
	}
	if r.Status(m) == roster.Left {
		return "the city has left the alliance; it can go on alone without root in its configuration"
	}
	for _, log := range m.Logs {
		if log.Origin == a.member.origin && log.End != nil {
			return fmt.Sprintf("the alliance's registry ended this log at size %d; what it took later counts for nobody", log.End.Size)
		}
	}
	return ""
}

// takesNothing says why the log takes no declarations: damage, or the alliance's word. Empty: it takes them.
func (m *member) takesNothing() string {
	if why := m.damages.Reason(); why != "" || m.alliance == nil {
		return why
	}
	if why := m.alliance.ended(); why != "" {
		return why
	}
	return m.alliance.awaits()
}

// publisher says whose signature counts at an index: as the roster says, once the city is in it.
func (m *member) publisher(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	if m.alliance != nil {
		if own := m.alliance.own(m.alliance.follower.Roster()); own != nil {
			return own.Publisher(id, index)
		}
	}
	return m.trust.publisher(id, index)
}

// publishers are the keys that may sign the next leaf.
func (m *member) publishers() []ed25519.PublicKey {
	size, _ := m.log.Head()
	if m.alliance != nil {
		if own := m.alliance.own(m.alliance.follower.Roster()); own != nil {
			return own.Publishers(size)
		}
	}
	return m.trust.publishers(size)
}

// rootJSON serves the alliance's root, version 1.
func (a *alliance) rootJSON(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(a.file)
}

// originHash names a log in the paths of witnesses and mirrors.
func originHash(origin string) [sha256.Size]byte { return sha256.Sum256([]byte(origin)) }

// metrics is the member's part in the alliance in numbers.
func (a *alliance) metrics() telemetry.AllianceState {
	st := a.follower.State()
	s := telemetry.AllianceState{
		RegistrySize: st.Roster.Size(), Alarms: len(st.Alarms), Evidence: len(a.member.accusations.store.Items()),
		Anchored: uint64(a.anchored.Load()), //nolint:gosec // a clock's
	}
	if f := a.member.ledger.Final(); f != nil {
		s.FinalSize = f.Checkpoint.Size
	}
	return s
}
