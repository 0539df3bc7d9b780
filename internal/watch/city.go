package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/roster"
)

// city is one member's log as it is followed. Its methods are called one at a time.
type city struct {
	w    *Watcher
	id   string
	live *audit.Live

	origin  string // of the log; another one begins anew
	bodies  map[declaration.Subject]bodyRef
	told    bool // how it is was told
	away    bool
	light   logtime.Light
	final   uint64   // size of the newest final head
	waiting []waiter // declared, and not final yet
	acts    []audit.Entry
	turn    int // whose copy is asked next
}

// bodyRef is what a statement says of its body.
type bodyRef struct {
	sum  [sha256.Size]byte
	size uint32
}

// waiter is a declaration that waits to be final.
type waiter struct {
	index uint64
	name  string
}

// city returns a member's state.
func (w *Watcher) city(id string) *city {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cities[id] == nil {
		w.cities[id] = &city{w: w, id: id}
	}
	return w.cities[id]
}

func (w *Watcher) isAway(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.cities[id]
	return c != nil && c.away
}

func (c *city) tell(e Event) {
	e.City = c.id
	c.w.tell(e)
}

// look takes one city's news.
func (c *city) look(ctx context.Context) {
	st := c.w.follower.State()
	m := st.Roster.Member(c.id)
	if m == nil {
		return
	}
	if c.origin != m.Log().Origin {
		c.origin, c.live, c.bodies, c.final, c.waiting, c.told = m.Log().Origin, audit.NewLive(), map[declaration.Subject]bodyRef{}, 0, nil, false
	}
	trust, err := receipt.TrustIn(st.Roster, m)
	if err != nil {
		return
	}
	opts := audit.Options{Trust: trust, City: c.id, Anchor: judge(st, m), Acts: c.isRegistry(st)}
	first := c.live.Note() == nil
	patience := c.w.opts.Patience
	if first {
		patience *= 20 // all that was ever written is read
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	src, entries := c.update(ctx, st.Roster, m, opts, patience/3)
	c.entries(ctx, src, entries, first)
	c.sayActs(st)
	if src != nil {
		c.compare(ctx, st.Roster, m, src)
		c.finality(ctx, st.Roster, m, src)
	}
	if ctx.Err() == nil {
		c.sayLag(st, m)
	}
}

func (c *city) isRegistry(st *registry.State) bool {
	return c.origin == st.Roster.Root().Terms.Registry.Origin
}

// judge judges the anchors of a member's log; those of the registry its replay does.
func judge(st *registry.State, m *roster.Member) func(uint64, []byte) (logtime.Anchor, error) {
	return func(index uint64, note []byte) (logtime.Anchor, error) {
		if m.Log().Origin == st.Roster.Root().Terms.Registry.Origin {
			if at, ok := st.Clock.At(index); ok {
				return at, nil
			}
			return logtime.Anchor{}, roster.ErrNotFinal // its clock is the registry's
		}
		return st.Roster.Heartbeat(m, st.Past, index, note)
	}
}

// places are where the log is: at the city's node, and in the copies.
func places(r *roster.Roster, m *roster.Member) []string {
	out := []string{m.Entry.GetHttp() + "/log"}
	for _, o := range r.Mirrors(m) {
		out = append(out, client.MirrorURL(o.Entry.GetHttp(), m.Log().Origin))
	}
	return out
}

// maxCopies is how many copies are tried where the city's node is away.
const maxCopies = 4

// update takes what is new from the city's node, or a copy, each within its time, and returns the place that was read; nil where none could be.
func (c *city) update(ctx context.Context, r *roster.Roster, m *roster.Member, opts audit.Options, each time.Duration) (*client.LogReader, []audit.Entry) {
	for i, place := range places(r, m) {
		if i > maxCopies || ctx.Err() != nil {
			break
		}
		if i > 0 && c.w.isAway(r.Mirrors(m)[i-1].ID()) {
			continue
		}
		get, err := c.w.opts.Open(place)
		if err != nil {
			continue
		}
		src := client.NewLogReader(get)
		one, cancel := context.WithTimeout(ctx, each)
		entries, err := c.live.Update(one, opts, src)
		cancel()
		if err != nil && ctx.Err() != nil {
			break
		}
		if i == 0 {
			c.presence(isAway(err))
		}
		if err == nil {
			return src, entries
		}
		c.trouble(place, err)
	}
	return nil, nil
}

// isAway reports whether an error is of a node that does not answer, and not of what it answered.
func isAway(err error) bool {
	var none *client.NotFoundError
	var bad *client.DamagedError
	var gone *client.GoneError
	var two *audit.TwoHistoriesError
	return err != nil && !errors.As(err, &none) && !errors.As(err, &bad) && !errors.As(err, &gone) && !errors.As(err, &two) &&
		!errors.Is(err, proof.ErrMismatch) && !errors.Is(err, checkpoint.ErrSignature) && !errors.Is(err, checkpoint.ErrMalformed) && !errors.Is(err, checkpoint.ErrOrigin)
}

// presence tells once that the city's node is away, and once that it is back.
func (c *city) presence(away bool) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if away == c.away {
		return
	}
	c.away = away
	if away {
		c.w.emit(Event{City: c.id, Kind: Away, Text: "its node does not answer; its log is followed from the copies that others keep"})
		return
	}
	c.w.emit(Event{City: c.id, Kind: Back, Text: "its node answers again"})
}

// trouble tells of what a place shows and should not: two histories, or what nobody signed.
func (c *city) trouble(place string, err error) {
	var two *audit.TwoHistoriesError
	switch {
	case errors.As(err, &two):
		if e, perr := audit.Prove(c.w.follower.Roster(), two.Notes[0], two.Notes[1], two.Fork); perr == nil {
			c.w.proven(e)
		} else if c.w.once("two histories " + two.Error()) {
			c.tell(Event{Kind: Alarm, Text: two.Error()})
		}
	case !isAway(err) && c.w.once(place+" "+err.Error()):
		c.tell(Event{Kind: Trouble, Text: fmt.Sprintf("%s: %v", place, err)})
	}
}

// compare holds what one other place shows, in turn, against the history that is followed: a city that shows its visitors
// something else than its mirrors and witnesses is found so (T-16).
func (c *city) compare(ctx context.Context, r *roster.Roster, m *roster.Member, src *client.LogReader) {
	others := r.Mirrors(m)
	if len(others) == 0 {
		return
	}
	o := others[c.turn/2%len(others)]
	place := client.MirrorURL(o.Entry.GetHttp(), c.origin)
	if c.turn%2 == 1 {
		place = client.WitnessURL(o.Entry.GetHttp(), c.origin)
	}
	c.turn++
	if c.w.isAway(o.ID()) {
		return
	}
	get, err := c.w.opts.Open(place)
	if err != nil {
		return
	}
	note, err := get.Get(ctx, "checkpoint", checkpoint.MaxNoteSize)
	if err != nil {
		return // it keeps no copy, or is away: its own look says that
	}
	head, err := c.signed(r, note)
	if err != nil {
		return // nobody signed it: that speaks against nobody
	}
	if err := c.live.Holds(ctx, note, head, src, client.NewLogReader(get)); err != nil {
		var two *audit.TwoHistoriesError
		if errors.As(err, &two) {
			c.trouble(place, err)
		}
	}
}

// signed reads a head that the log's keys signed.
func (c *city) signed(r *roster.Roster, note []byte) (checkpoint.Checkpoint, error) {
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return head, err
	}
	if head.Origin != c.origin {
		return head, checkpoint.ErrOrigin
	}
	keys, err := r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return head, err
	}
	_, err = checkpoint.Verify(note, keys, nil)
	return head, err
}

// finality asks how far committee and mirrors vouch for the log, and tells what became final.
func (c *city) finality(ctx context.Context, r *roster.Roster, m *roster.Member, src *client.LogReader) {
	if c.away || c.told && len(c.waiting) == 0 {
		return
	}
	get, err := c.w.opts.Open(m.Entry.GetHttp() + "/log")
	if err != nil {
		return
	}
	note, err := get.Get(ctx, "final", checkpoint.MaxNoteSize)
	if err != nil {
		return
	}
	by, err := r.Finality(m, note)
	if err != nil || by.Head.Size <= c.final {
		return
	}
	if err := c.live.Holds(ctx, note, by.Head, src); err != nil {
		c.trouble(m.Entry.GetHttp(), err)
		return
	}
	c.final = by.Head.Size
	var done []string
	c.waiting = slices.DeleteFunc(c.waiting, func(x waiter) bool {
		if x.index < c.final {
			done = append(done, x.name)
		}
		return x.index < c.final
	})
	if len(done) > 0 {
		c.tell(Event{Kind: Final, Size: c.final, Text: fmt.Sprintf("final up to %d, by witnesses %s and mirrors %s: %s",
			c.final, strings.Join(by.Witnesses, ", "), strings.Join(by.Mirrors, ", "), some(done))})
	}
}

// some lists the first names of many.
func some(names []string) string {
	const shown = 5
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// sayLag tells how the log is, when it is first seen and whenever its light changes.
func (c *city) sayLag(st *registry.State, m *roster.Member) {
	if c.live.Note() == nil {
		return
	}
	clock := c.live.Clock()
	if c.isRegistry(st) {
		clock = &st.Clock
	}
	lag := clock.Lag(c.w.opts.Now().Unix(), c.w.opts.Thresholds)
	before := c.light
	c.light = lag.Light
	switch {
	case !c.told:
		c.told = true
		c.tell(Event{Kind: State, Size: c.live.Size(), Light: lag.Light, Text: c.state(st, m, lag)})
	case before != lag.Light && lag.Light == logtime.Green:
		c.tell(Event{Kind: Lag, Light: lag.Light, Text: "its log lives again: " + heartbeat(lag)})
	case before != lag.Light:
		c.tell(Event{Kind: Lag, Light: lag.Light, Text: fmt.Sprintf("its log is silent (%s): %s", lag.Light, heartbeat(lag))})
	}
}

// state is how a log is when watching begins.
func (c *city) state(st *registry.State, m *roster.Member, lag logtime.Lag) string {
	final := fmt.Sprintf("final up to %d", c.final)
	if c.final == 0 {
		final = "no final head was seen"
	}
	text := fmt.Sprintf("%s: %d entries, %s, %s, %s", c.origin, c.live.Size(), final, lag.Light, heartbeat(lag))
	if s := st.Roster.Status(m); s != roster.Active {
		text += ", " + string(s)
	}
	if end := m.Log().End; end != nil {
		text += fmt.Sprintf(", ended by the registry at size %d", end.Size)
	}
	return text
}

func heartbeat(l logtime.Lag) string {
	if !l.Known {
		return "no anchor"
	}
	by := ""
	if l.Last.Unwitnessed {
		by = ", unwitnessed"
	}
	return "last anchor " + time.Unix(l.Last.Time, 0).UTC().Format(time.RFC3339) + by
}
