package watch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// Options of New. Root, Open and Emit are required.
type Options struct {
	// Root is version 1 of the root.
	Root *root.Root
	// Members are the ids of those who are watched, beside the registry's own; none: all that have not left.
	Members []string
	// Open reaches the files of a node below its address. It must be safe for concurrent use.
	Open func(base string) (client.Getter, error)
	// Registry is a further place of the registry, asked first; nil: none.
	Registry *client.LogReader
	// Every is how often each city is looked at; default 5 s.
	Every time.Duration
	// Patience is how long one look may take; default 30 s.
	Patience time.Duration
	// Thresholds of the lag; zero: logtime.Default.
	Thresholds logtime.Thresholds
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Emit is told what happens, one event after the other.
	Emit func(Event)
}

func (o *Options) setDefaults() {
	if o.Every == 0 {
		o.Every = 5 * time.Second
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	if o.Thresholds == (logtime.Thresholds{}) {
		o.Thresholds = logtime.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Watcher watches an alliance.
type Watcher struct {
	opts     Options
	follower *registry.Follower
	asked    int // nodes that were asked for evidence

	mu      sync.Mutex // guards the following, and Emit
	cities  map[string]*city
	proofs  map[string]bool // keys of the findings that were told
	said    map[string]bool // other things that are told once
	alarms  int             // of the registry, that were told
	started bool            // the registry was read once
	lost    bool            // the registry can't be read now
	grave   bool
	unsure  bool
}

// New makes a watcher. Nothing is read yet.
func New(opts Options) (*Watcher, error) {
	opts.setDefaults()
	f, err := registry.NewFollower(opts.Root)
	if err != nil {
		return nil, err
	}
	f.RememberEpochs()
	return &Watcher{opts: opts, follower: f, cities: map[string]*city{}, proofs: map[string]bool{}, said: map[string]bool{}}, nil
}

// Round looks once at everything, one city after the other.
func (w *Watcher) Round(ctx context.Context) error {
	w.registry(ctx)
	members, err := w.members()
	if err != nil {
		return err
	}
	for _, m := range members {
		w.city(m.ID()).look(ctx)
	}
	w.evidence(ctx)
	return ctx.Err()
}

// Run watches until ctx ends, each city by itself, so that a slow one holds up nobody. It returns an error only where somebody
// is to be watched who is no member.
func (w *Watcher) Run(ctx context.Context) error {
	var g sync.WaitGroup
	defer g.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watched := map[string]bool{}
	for {
		w.registry(ctx)
		members, err := w.members()
		if err != nil {
			return err
		}
		for _, m := range members {
			if !watched[m.ID()] {
				watched[m.ID()] = true
				c := w.city(m.ID())
				g.Go(func() { w.repeat(ctx, c.look) })
			}
		}
		w.evidence(ctx)
		if !w.pause(ctx) {
			return nil
		}
	}
}

func (w *Watcher) repeat(ctx context.Context, look func(context.Context)) {
	for {
		look(ctx)
		if !w.pause(ctx) {
			return
		}
	}
}

// pause waits for the next look; false once ctx has ended.
func (w *Watcher) pause(ctx context.Context) bool {
	t := time.NewTimer(w.opts.Every)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Verdict sums up what was seen so far: false where there is proof or an alarm, could not tell where something can't be read.
func (w *Watcher) Verdict() audit.Verdict {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.grave:
		return audit.False
	case w.unsure || w.lost:
		return audit.CouldNotTell
	}
	return audit.True
}

// tell emits an event.
func (w *Watcher) tell(e Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.emit(e)
}

// emit is tell for who holds mu.
func (w *Watcher) emit(e Event) {
	e.Time = w.opts.Now().UTC().Truncate(time.Second)
	w.grave = w.grave || e.Kind.Grave()
	w.unsure = w.unsure || e.Kind == Away || e.Kind == Trouble
	w.opts.Emit(e)
}

// once reports whether something is told for the first time.
func (w *Watcher) once(what string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.said[what] || len(w.said) >= maxSaid {
		return false
	}
	w.said[what] = true
	return true
}

// maxSaid bounds what is remembered of what was told.
const maxSaid = 100_000

// members are those who are watched, as the registry is known now.
func (w *Watcher) members() (out []*roster.Member, err error) {
	st := w.follower.State()
	if st.Note == nil {
		return nil, nil
	}
	for _, id := range w.opts.Members {
		if st.Roster.Member(id) == nil {
			return nil, &audit.UnknownMemberError{ID: id}
		}
	}
	for _, m := range st.Roster.Members() {
		registry := m.Log().Origin == st.Roster.Root().Terms.Registry.Origin
		if registry || slices.Contains(w.opts.Members, m.ID()) || len(w.opts.Members) == 0 && st.Roster.Status(m) != roster.Left {
			out = append(out, m)
		}
	}
	return out, nil
}

// registryPlaces are where the registry may be: its own address, and the mirrors.
func (w *Watcher) registryPlaces() (out []string) {
	r := w.follower.Roster()
	terms := r.Root().Terms.Registry
	out = append(out, terms.URL)
	owner := r.ByOrigin(terms.Origin)
	for _, m := range r.Mirrors(owner) {
		if len(out) <= maxRegistryCopies {
			out = append(out, client.MirrorURL(m.Entry.GetHttp(), terms.Origin))
		}
	}
	return out
}

// maxRegistryCopies is how many copies of the registry are asked for, those that everybody assigns it to first.
const maxRegistryCopies = 16

// registry takes the news of the registry, from every place that has some: one that is frozen holds up nobody.
func (w *Watcher) registry(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Patience)
	defer cancel()
	read := w.opts.Registry != nil && w.follow(ctx, w.opts.Registry)
	for _, place := range w.registryPlaces() {
		get, err := w.opts.Open(place)
		if err != nil {
			continue
		}
		one, cancel := context.WithTimeout(ctx, w.opts.Patience/3)
		answered := w.follow(one, client.NewLogReader(get))
		cancel()
		if read = read || answered; ctx.Err() != nil || answered && w.settled(place) {
			break
		}
	}
	w.registryNews(read)
}

// follow takes what a place has of the registry, and reports whether it could be read.
func (w *Watcher) follow(ctx context.Context, log *client.LogReader) bool {
	err := w.follower.Update(ctx, log)
	var fork *registry.ForkError
	if !errors.As(err, &fork) {
		return err == nil
	}
	if w.once("fork " + fork.Theirs.String()) {
		w.tell(Event{Kind: Alarm, Size: fork.Size, Text: fmt.Sprintf("the registry's keys signed two histories: at size %d the roots %s and %s", fork.Size, fork.Ours, fork.Theirs)})
	}
	w.contradict(w.follower.State().Note, fork.Note)
	return true
}

// settled reports whether a place that answered is enough for this look: the registry's own. The copies are asked as well while
// the registry's anchors are old, or it is away.
func (w *Watcher) settled(place string) bool {
	st := w.follower.State()
	lag := st.Clock.Lag(w.opts.Now().Unix(), w.opts.Thresholds)
	return place == st.Roster.Root().Terms.Registry.URL && lag.Light == logtime.Green
}

// registryNews tells how the registry is and what broke its rules.
func (w *Watcher) registryNews(read bool) {
	st := w.follower.State()
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !read && !w.lost:
		w.lost = true
		w.emit(Event{Kind: Away, Text: "the registry can't be read anywhere: members and keys are as they were known"})
	case read && w.lost:
		w.lost = false
		w.emit(Event{Kind: Back, Text: "the registry can be read again"})
	}
	if st.Note == nil {
		return
	}
	if !w.started {
		w.started = true
		r := st.Roster
		w.emit(Event{Kind: State, Size: r.Size(), Text: fmt.Sprintf("%s: registry of %d entries, epoch %d, %d members, root version %d",
			r.Root().Terms.Name, r.Size(), r.Epoch().Number, len(r.Members()), r.Root().Version)})
	}
	for _, a := range st.Alarms[w.alarms:] {
		index := a.Index
		w.emit(Event{City: w.secretariat(), Kind: Alarm, Index: &index, Text: fmt.Sprintf("entry %d of the registry (%s) breaks a rule and has no effect: %s", a.Index, a.What, a.Reason)})
	}
	w.alarms = len(st.Alarms)
}

// secretariat is the member that runs the registry.
func (w *Watcher) secretariat() string {
	r := w.follower.Roster()
	if m := r.ByOrigin(r.Root().Terms.Registry.Origin); m != nil {
		return m.ID()
	}
	return ""
}

// evidenceAtOnce is how many nodes are asked for evidence in one look, in turn: they tell each other.
const evidenceAtOnce = 16

// evidence asks nodes what they know against logs and witnesses, and tells what proves itself.
func (w *Watcher) evidence(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, w.opts.Patience)
	defer cancel()
	r := w.follower.Roster()
	members := r.Members()
	for range min(len(members), evidenceAtOnce) {
		m := members[w.asked%len(members)]
		w.asked++
		if r.Status(m) == roster.Left || w.isAway(m.ID()) {
			continue
		}
		get, err := w.opts.Open(m.Entry.GetHttp())
		if err != nil {
			continue
		}
		known, err := client.Evidence(ctx, get)
		if err != nil {
			continue // what it knows, others know as well
		}
		for _, k := range known {
			if e, err := evidence.Parse(k.Evidence); err == nil {
				w.proven(e)
			}
		}
	}
}

// proven tells of evidence that verifies, once.
func (w *Watcher) proven(e *evidence.Evidence) {
	r := w.follower.Roster()
	f, err := e.Verify(r.EvidenceKeys())
	if err != nil {
		return
	}
	who := ""
	if f.Accused == evidence.AccusedWitness {
		who = r.Cosigner(f.Keys[0])
	} else if m := r.ByOrigin(f.Origin); m != nil {
		who = m.ID()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.proofs[f.Key()] {
		return
	}
	w.proofs[f.Key()] = true
	w.emit(Event{City: who, Kind: Evidence, Text: fmt.Sprintf("there is proof (%s): %s", f.Kind, f), Proof: e.Format()})
}

// contradict makes evidence of two notes of one log.
func (w *Watcher) contradict(one, other []byte) {
	r := w.follower.Roster()
	if e, err := audit.Prove(r, one, other, evidence.Fork{}); err == nil {
		w.proven(e)
	}
}
