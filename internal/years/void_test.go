package years_test

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// attempt is an entry that must have no effect; nil: this world does not allow it now.
type attempt struct {
	name string
	make func(w *world) []byte
}

// tryVoid tries one thing that must be void for everybody, and holds everything to stay as it was.
func (w *world) tryVoid(list []attempt) {
	w.t.Helper()
	a := pick(w, list)
	entry := a.make(w)
	if entry == nil {
		return
	}
	before := w.r.Clone()
	out, err := w.r.Apply(entry, w.get)
	var missing *roster.MissingFileError
	if errors.As(err, &missing) {
		w.t.Fatalf("%s: %s: %v", w, a.name, err)
	}
	if err != nil || out.Kind != roster.Void || out.Reason == nil {
		w.t.Fatalf("%s: %s is %v %v, %v; want it void", w, a.name, out.Kind, out.Reason, err)
	}
	w.entries = append(w.entries, entry)
	w.told["void: "+a.name]++
	if err := sameExceptSize(before, w.r); err != nil {
		w.t.Fatalf("%s: %s changed %v", w, a.name, err)
	}
}

// sameExceptSize compares two rosters of which one holds an entry more that did nothing.
func sameExceptSize(before, after *roster.Roster) error {
	c := before.Clone()
	if _, err := c.Apply([]byte("nothing"), nil); err != nil {
		return err
	}
	switch {
	case c.Size() != after.Size():
		return errors.New("the size")
	case c.Time() != after.Time() || c.Previous() != after.Previous() || c.Root() != after.Root() || c.Rules() != after.Rules() || c.Epoch().Number != after.Epoch().Number:
		return errors.New("time, chain, root, rules or epoch")
	}
	one, ok := c.NextSeed()
	if two, ok2 := after.NextSeed(); one != two || ok != ok2 {
		return errors.New("the next seed")
	}
	for _, m := range c.Members() {
		o := after.Member(m.ID())
		if o == nil || o.Hash != m.Hash || c.Status(m) != after.Status(o) || len(o.Logs) != len(m.Logs) || (o.Log().End == nil) != (m.Log().End == nil) ||
			!slices.EqualFunc(o.PublisherRanges(), m.PublisherRanges(), func(a, b roster.PublisherRange) bool {
				return a.Key.Equal(b.Key) && a.From == b.From && a.To == b.To
			}) {
			return errors.New("the member " + m.ID())
		}
	}
	return nil
}

func (w *world) actOf(what proto.Message, names ...string) []byte {
	return alliancetest.Act(w.t, w.r, what, alliancetest.Named(names...)...)
}

func (w *world) rules() *registryv1.RuleSet {
	return &registryv1.RuleSet{Number: proto.Uint32(w.r.Rules().Number + 1), Bundle: make([]byte, 32)}
}

// someone is an active city with a log in use that has entries; empty: there is none.
func (w *world) someone() string {
	var out []string
	for _, id := range w.members(roster.Active) {
		if m := w.r.Member(id); id != secretariat && m.Log().End == nil && w.head(id).Size > 0 {
			out = append(out, id)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return pick(w, out)
}

// below is a head of a city's log below its newest pin, cosigned by who may; nil if there is no such pin.
func (w *world) below(id string) []byte {
	m := w.r.Member(id)
	pin, ok := w.r.Epoch().Pin(m.Log().Origin)
	if !ok || pin.Size < 2 {
		return nil
	}
	if _, err := w.r.LogKeys(m.Log().Origin, pin.Size-1); err != nil {
		return nil // it went on from another log there: no key signs for it below
	}
	var tree logproof.Range
	for _, e := range w.towns[id].log.Entries[:pin.Size-1] {
		tree.Append(logproof.LeafHash(e))
	}
	return w.final(m, checkpoint.Checkpoint{Origin: m.Log().Origin, Size: pin.Size - 1, Root: tree.Root()})
}

var attempts = []attempt{
	{"an act replayed (T-10)", func(w *world) []byte { return w.entries[pick(w, w.effects)] }},
	{"an act that follows an older one (F8)", func(w *world) []byte {
		if w.stale.Previous() == w.r.Previous() {
			return nil
		}
		return alliancetest.Act(w.t, w.stale, w.rules(), w.act()...)
	}},
	{"an act of another alliance (T-09)", func(w *world) []byte { return alliancetest.Act(w.t, w.foreign, w.rules(), w.act()...) }},
	{"one act key", func(w *world) []byte { return w.actOf(w.rules(), w.actKeys[0]) }},
	{"an act key of before", func(w *world) []byte {
		if has(w.actKeys, "act 1") {
			return nil
		}
		return w.actOf(w.rules(), "act 1", w.actKeys[0], w.actKeys[1])
	}},
	{"two root keys", func(w *world) []byte { return w.actOf(w.rules(), w.rootKeys[:2]...) }},
	{"suspension by act keys without evidence", func(w *world) []byte {
		return alliancetest.Act(w.t, w.r, &registryv1.Suspend{Member: proto.String(pick(w, w.members(roster.Active)))}, w.act()...)
	}},
	{"a log frozen below its pin (T-31)", func(w *world) []byte {
		id := w.someone()
		if id == "" {
			return nil
		}
		note := w.below(id)
		if note == nil {
			return nil
		}
		return alliancetest.Act(w.t, w.r, &registryv1.FreezeLog{Member: &id, FinalNote: note}, w.act()...)
	}},
	{"a publisher revoked below the pin (T-31)", func(w *world) []byte {
		id := w.someone()
		if id == "" || len(w.towns[id].officers) < 2 {
			return nil
		}
		note := w.below(id)
		if note == nil {
			return nil
		}
		return alliancetest.Act(w.t, w.r, &registryv1.RevokeKey{Member: &id, Key: alliancetest.Public(id + " " + w.towns[id].officers[1]), FinalNote: note}, w.act()...)
	}},
	{"a log frozen at a head without a quorum", func(w *world) []byte {
		id := w.someone()
		if id == "" {
			return nil
		}
		m, head := w.r.Member(id), w.head(id)
		keys, err := w.r.LogKeys(head.Origin, head.Size)
		if err != nil {
			return nil
		}
		witnesses, _, quorum := w.voices(w.r, m, head.Size)
		n := w.signed(head, keys[0].Key(), keys[1].Key())
		w.cosign(n, witnesses[:min(len(witnesses), max(0, quorum-1))]...)
		return alliancetest.Act(w.t, w.r, &registryv1.FreezeLog{Member: &id, FinalNote: w.format(n)}, w.act()...)
	}},
	{"the registry frozen", func(w *world) []byte {
		id := secretariat
		note := w.final(w.r.Member(id), w.head(id))
		if note == nil {
			return nil
		}
		return alliancetest.Act(w.t, w.r, &registryv1.FreezeLog{Member: &id, FinalNote: note}, w.holders()...)
	}},
	{"the registry's member leaves", func(w *world) []byte {
		return alliancetest.Act(w.t, w.r, &registryv1.Leave{Member: proto.String(secretariat)}, w.holders()...)
	}},
	{"a witness revoked in the past (T-31)", func(w *world) []byte {
		id := pick(w, w.members(roster.Active))
		if w.r.Epoch().Number == 0 {
			return nil
		}
		from := uint64(alliancetest.FoundedAt.Unix()) + 1
		return alliancetest.Act(w.t, w.r, &registryv1.RevokeKey{Member: &id, Key: w.r.Member(id).Witness.Key, FromTime: &from}, w.act()...)
	}},
	{"a city with another's key (T-06)", func(w *world) []byte {
		victim := w.towns[pick(w, w.members(roster.Active))]
		thief := alliancetest.NewCity(w.t, w.newID()).Renew(w.t, "", map[string]string{"node": victim.ID + " tls"})
		return alliancetest.Act(w.t, w.r, &registryv1.Admit{Request: thief.Join(w.t, w.r.Root().Terms.Registry.Origin).Envelope.Format()}, w.act()...)
	}},
	{"a member admitted again", func(w *world) []byte {
		t := w.towns[pick(w, w.members(roster.Active))]
		return alliancetest.Act(w.t, w.r, &registryv1.Admit{Request: t.Join(w.t, w.r.Root().Terms.Registry.Origin).Envelope.Format()}, w.act()...)
	}},
	{"who was dismissed comes back", func(w *world) []byte {
		for _, id := range w.members(roster.Active) {
			t := w.towns[id]
			if len(t.gone) == 0 {
				continue
			}
			label := pick(w, t.gone)
			req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, w.r.Member(id).Member, func(e *registryv1.Member) {
				w.keptPublishers(t, e)
				e.Publishers = append(e.Publishers, t.Publisher(label))
			}, nil, t.Keys(t.officers[0], label)...)
			return alliancetest.Act(w.t, w.r, &registryv1.Update{Request: req.Envelope.Format()}, w.act()...)
		}
		return nil
	}},
	{"who was dismissed moves along (T-13)", func(w *world) []byte {
		for _, id := range w.members(roster.Active) {
			t, m := w.towns[id], w.r.Member(id)
			still := slices.ContainsFunc(m.Entry.GetPublishers(), func(p *registryv1.PublisherKey) bool { return has(t.gone, p.GetLabel()) })
			if id == secretariat || !still {
				continue
			}
			next := t.Renew(w.t, t.Origin+"-x", map[string]string{"log": w.name(id, "log")})
			req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, m.Member, func(e *registryv1.Member) {
				e.Origin, e.LogVkeys = &next.Origin, next.Entry.LogVkeys
			}, next.Note(w.t, 0, logproof.EmptyRoot(), w.now), append(t.Keys("recovery"), next.Keys("log")...)...)
			head := w.head(id)
			return alliancetest.Act(w.t, w.r, &registryv1.MoveLog{OldOrigin: &t.Origin, Size: &head.Size, Root: head.Root[:], Request: req.Envelope.Format()}, w.holders()...)
		}
		return nil
	}},
	{"nothing is contested", func(w *world) []byte {
		t := w.towns[pick(w, w.members(roster.Active))]
		return alliancetest.Act(w.t, w.r, &registryv1.Contest{Rotation: make([]byte, 32)}, t.Keys("tls")...)
	}},
	{"a rotation by who has not the recovery key (T-31)", func(w *world) []byte {
		id := pick(w, w.members(roster.Active))
		t := w.towns[id]
		next := t.Renew(w.t, "", map[string]string{"node": w.name(id, "thief")})
		req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, w.r.Member(id).Member, func(e *registryv1.Member) { e.NodeKey = next.Entry.NodeKey },
			nil, append(next.Keys("node"), t.Keys("tls")...)...)
		return alliancetest.Act(w.t, w.r, &registryv1.RotateKey{Request: req.Envelope.Format()}, w.holders()...)
	}},
	{"a root signed by two (T-11)", func(w *world) []byte { return w.rootAct(w.nextRoot(), w.rootKeys[:2]) }},
	{"a root that leaves one out (T-11)", func(w *world) []byte {
		d := w.nextRoot()
		d.Version++
		return w.rootAct(d, w.rootKeys)
	}},
	{"the first root again (T-11)", func(w *world) []byte {
		return alliancetest.Act(w.t, w.r, &registryv1.RootVersion{File: w.rootFile(w.first)}, w.act()...)
	}},
	{"a root that goes on from elsewhere (F21)", func(w *world) []byte {
		if w.r.Size() < 3 {
			return nil
		}
		c := w.towns[secretariat].Renew(w.t, w.nextOrigin(), map[string]string{"log": w.name(secretariat, "log")})
		size, hash := w.r.Size(), w.r.TreeRoot()
		switch w.rnd.IntN(3) {
		case 0:
			size--
		case 1:
			hash[0] ^= 1
		case 2:
			size, hash = size-2, mustRootAt(w.r, size-2)
		}
		d := alliancetest.GoOnDraft(w.r.Root(), size, hash, c)
		return w.rootAct(d, w.rootKeys)
	}},
	{"an anchor below the quorum", func(w *world) []byte { return w.badAnchor(func(head *checkpoint.Checkpoint) int { return -1 }) }},
	{"an anchor of another root", func(w *world) []byte {
		return w.badAnchor(func(head *checkpoint.Checkpoint) int { head.Root[0] ^= 1; return 0 })
	}},
	{"an anchor of what is to come", func(w *world) []byte {
		return w.badAnchor(func(head *checkpoint.Checkpoint) int { head.Size += 5; return 0 })
	}},
	{"an old anchor (T-23)", func(w *world) []byte {
		for _, e := range slices.Backward(w.entries) {
			if len(e) > 0 && e[0] != '{' {
				return e
			}
		}
		return nil
	}},
	{"junk", func(*world) []byte { return []byte("{") }},
}

// epochAttempts are for the moment in which EPOCH is due.
var epochAttempts = []attempt{
	{"an EPOCH whose number is wrong", func(w *world) []byte { return w.epochAct(func(e *registryv1.Epoch) { *e.Number++ }) }},
	{"an EPOCH with seats for friends (F1)", func(w *world) []byte {
		return w.epochAct(func(e *registryv1.Epoch) { e.Committee = e.Committee[1:] })
	}},
	{"an EPOCH of another roster", func(w *world) []byte { return w.epochAct(func(e *registryv1.Epoch) { e.RosterRoot[0] ^= 1 }) }},
	{"an EPOCH that forgets a pin (F2)", func(w *world) []byte {
		if len(w.pins) == 0 {
			return nil
		}
		return w.epochAct(func(e *registryv1.Epoch) { e.Pins = w.file(roster.FormatPins(nil)) })
	}},
	{"an EPOCH that draws too late", func(w *world) []byte {
		return w.epochAct(func(e *registryv1.Epoch) { *e.NextDraw = uint64(w.now.Add(100 * day).Unix()) })
	}},
}

func mustRootAt(r *roster.Roster, size uint64) logproof.Hash {
	h, _ := r.RootAt(size)
	if size == r.Settled() { // it would be the head that goes on
		h[0] ^= 1
	}
	return h
}

// epochAct is the EPOCH that is due, with something changed; nil before it is due.
func (w *world) epochAct(edit func(*registryv1.Epoch)) []byte {
	pins := roster.FormatPins(w.pins)
	p, err := w.r.Propose(pins)
	if err != nil {
		return nil
	}
	e := &registryv1.Epoch{
		Number: &p.Number, NextDraw: proto.Uint64(uint64(w.now.Add(20 * day).Unix())),
		RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: w.file(pins),
	}
	edit(e)
	return alliancetest.Act(w.t, w.r, e, w.act()...)
}

func (w *world) rootAct(d root.Draft, by []string) []byte {
	next := alliancetest.SignRoot(w.t, w.r.Root(), d, by...)
	return alliancetest.Act(w.t, w.r, &registryv1.RootVersion{File: w.rootFile(next)}, w.act()...)
}

// badAnchor is an anchor of the newest head after an edit, by the quorum and as many more as edit says.
func (w *world) badAnchor(edit func(*checkpoint.Checkpoint) int) []byte {
	head := w.head(secretariat)
	keys, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return nil
	}
	witnesses, _, quorum := w.voices(w.r, w.r.Member(secretariat), head.Size)
	more := edit(&head)
	w.now = w.now.Add(time.Second)
	n := w.signed(head, keys[0].Key())
	w.cosign(n, witnesses[:quorum+more]...)
	return w.format(n)
}
