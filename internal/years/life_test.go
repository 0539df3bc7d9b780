package years_test

import (
	"crypto"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// live lets the alliance live for some time, and checks it all along.
func (w *world) live(span time.Duration) {
	w.t.Helper()
	for w.now.Sub(alliancetest.FoundedAt) < span {
		w.month()
		w.checkPins()
	}
	w.checkReplay()
	w.checkPastKeys()
	w.judgeAll()
}

// month is what happens between two epochs, and the next epoch.
func (w *world) month() {
	w.t.Helper()
	last, lastAuthority, watched := w.watch()
	for _, ok := w.r.NextSeed(); !ok; _, ok = w.r.NextSeed() {
		for range w.rnd.IntN(4) {
			w.happens()
		}
		if w.chance(3) {
			w.tryVoid(attempts)
		}
		if w.chance(6) {
			w.tryVoid(reseatAttempts)
		}
		if w.chance(30) {
			w.silence()
		}
		if w.chance(5) {
			w.stale = w.r.Clone()
		}
		w.anchor(time.Duration(1+w.rnd.IntN(9))*day + time.Duration(w.rnd.IntN(86_400))*time.Second)
	}
	if w.now.Sub(w.rootMade) > 300*day {
		w.renewRoot()
	}
	if w.chance(12) {
		w.silence()
	}
	w.epoch()
	if w.chance(10) {
		w.checkReplay()
	}
	if last != nil && w.r.Status(w.r.Member(watched)) != roster.Left && w.chance(3) {
		w.keepRetired(watched, last, lastAuthority)
	}
	if w.chance(2) {
		w.keepReceipts(pick(w, w.members(roster.Active)))
	}
	if w.forks < 2 && w.r.Epoch().Number >= 2 && w.chance(12) {
		w.forkRegistry()
	}
}

// watch returns an authority of the epoch in force for somebody's log, if there is one.
func (w *world) watch() (*roster.Roster, *authority.Authority, string) {
	id := pick(w, w.members(roster.Active))
	m := w.r.Member(id)
	if head := w.head(id); m.Log().End == nil && head.Size > 0 && !w.r.AwaitsHandOver() {
		if note := w.final(m, head); note != nil {
			if a, err := authority.Of(w.r, m, note); err == nil {
				return w.r.Clone(), a, id
			}
		}
	}
	return nil, nil, id
}

// happens lets one thing happen.
func (w *world) happens() {
	w.t.Helper()
	id := pick(w, w.members(roster.Active))
	city := id != secretariat
	switch n := w.rnd.IntN(100); {
	case n < 18:
		w.join()
	case n < 45:
		w.declare(id)
	case n < 55:
		w.keepReceipts(id)
	case n < 61:
		w.hire(id)
	case n < 67:
		w.dismiss(id)
	case n < 75:
		w.rotate(id)
	case n < 79:
		w.stolenWitness(id)
	case n < 84 && city:
		w.fork(id)
	case n < 87 && city:
		w.suspendByRoot(id)
	case n < 90:
		w.reinstate()
	case n < 92 && city:
		w.leave(id)
	case n < 95 && city:
		w.freeze(id)
	case n < 97 && city:
		w.move(id)
	case n < 98:
		w.accredit()
	case n < 99:
		w.do(&registryv1.RuleSet{Number: proto.Uint32(w.r.Rules().Number + 1), Bundle: w.file([]byte(w.name("rules", "set")))}, w.act()...)
	default:
		w.renewRoot()
	}
}

func (w *world) join() {
	if len(w.towns) <= 22 {
		w.admit()
	}
}

// admit takes a new city in.
func (w *world) admit() {
	id := w.newID()
	t := w.town(id)
	if hosts := w.members(roster.Active); w.chance(4) {
		host := pick(w, hosts)
		t.Entry.Operator = &host
	}
	w.do(&registryv1.Admit{Request: t.Join(w.t, w.r.Root().Terms.Registry.Origin).Envelope.Format()}, w.act()...)
}

// declare publishes something in a city's log; the secretariat's is the registry.
func (w *world) declare(id string) {
	t := w.towns[id]
	if w.r.Member(id).Log().End != nil || len(t.officers) == 0 {
		return
	}
	officer := pick(w, t.officers)
	if id != secretariat {
		t.log.Declare(1+w.rnd.IntN(3), officer)
		if len(t.gone) > 0 && w.chance(3) { // whoever was dismissed tries, and the log takes it
			t.log.Declare(1, pick(w, t.gone))
		}
		return
	}
	t.log.Declare(1, officer)
	w.apply(t.log.Entries[len(t.log.Entries)-1], roster.Skipped)
}

// update is a request by all officers that the entry allows.
func (w *world) update(id string, edit func(*registryv1.Member), more ...string) {
	t := w.towns[id]
	signers := t.Keys(append([]string{t.officers[0]}, more...)...)
	req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, w.r.Member(id).Member, edit, nil, signers...)
	w.do(&registryv1.Update{Request: req.Envelope.Format()}, w.act()...)
}

// keptPublishers leaves those of an entry that were not revoked.
func (w *world) keptPublishers(t *town, e *registryv1.Member) {
	e.Publishers = slices.DeleteFunc(e.Publishers, func(p *registryv1.PublisherKey) bool { return has(t.gone, p.GetLabel()) })
}

func (w *world) hire(id string) {
	t := w.towns[id]
	if len(t.officers) == 0 || len(t.officers) > 5 {
		return
	}
	w.made++
	label := fmt.Sprintf("officer-%d", 10+w.made)
	w.update(id, func(e *registryv1.Member) {
		w.keptPublishers(t, e)
		e.Publishers = append(e.Publishers, t.Publisher(label))
	}, label)
	t.officers = append(t.officers, label)
}

// dismiss ends a publisher's key at the newest final head: by a colleague, or by the act keys.
func (w *world) dismiss(id string) {
	t := w.towns[id]
	m := w.r.Member(id)
	head := w.head(id)
	if len(t.officers) < 2 || m.Log().End != nil || head.Size == 0 {
		return
	}
	note := w.final(m, head)
	if note == nil {
		return
	}
	label := t.officers[len(t.officers)-1]
	by := w.act()
	if w.chance(2) {
		by = t.Keys(t.officers[0])
	}
	w.do(&registryv1.RevokeKey{Member: &id, Key: alliancetest.Public(id + " " + label), FinalNote: note}, by...)
	t.officers, t.gone = t.officers[:len(t.officers)-1], append(t.gone, label)
	if w.chance(2) {
		w.update(id, func(e *registryv1.Member) { w.keptPublishers(t, e) })
	}
}

// rotate changes some keys of a city: by act keys, which may be contested, or by the root at once.
func (w *world) rotate(id string) {
	t := w.towns[id]
	m := w.r.Member(id)
	if t.next != nil {
		return
	}
	names := map[string]string{"node": w.name(id, "node")} // always, so that it can be seen when it took effect
	for _, role := range []string{"witness", "mirror", "tls", "recovery"} {
		if w.chance(3) {
			names[role] = w.name(id, role)
		}
	}
	what := &registryv1.RotateKey{}
	if w.chance(3) && m.Log().End == nil {
		if head := w.head(id); head.Size > 0 {
			if what.FinalNote = w.final(m, head); what.FinalNote != nil {
				names["log"] = w.name(id, "log")
			}
		}
	}
	next := t.Renew(w.t, "", names)
	w.learn(next)
	fresh := []crypto.Signer{t.Keys("recovery")[0]}
	for _, role := range slices.Sorted(maps.Keys(names)) {
		fresh = append(fresh, next.Keys(role)...)
	}
	var note []byte
	if names["log"] != "" {
		note = next.Note(w.t, 0, logproof.EmptyRoot(), w.now)
	}
	req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, m.Member, func(e *registryv1.Member) {
		e.LogVkeys, e.WitnessVkey, e.MirrorVkey = next.Entry.LogVkeys, next.Entry.WitnessVkey, next.Entry.MirrorVkey
		e.NodeKey, e.RecoveryKey, e.TlsKey = next.Entry.NodeKey, next.Entry.RecoveryKey, next.Entry.TlsKey
	}, note, fresh...)
	what.Request = req.Envelope.Format()
	registry := id == secretariat && names["log"] != ""
	if registry || w.chance(3) {
		w.do(what, w.holders()...)
		w.hand(t, next)
		if registry {
			w.renewRoot() // authorities need the registry's newest key
		}
		return
	}
	w.do(what, w.act()...)
	t.next = next
	if w.chance(3) {
		previous := w.r.Previous()
		w.do(&registryv1.Contest{Rotation: previous[:]}, t.Keys(pick(w, []string{"tls", "node", "witness", "mirror", t.officers[0]}))...)
		t.next = nil
	}
}

// stolenWitness revokes a witness or mirror key, if enough others are left.
func (w *world) stolenWitness(id string) {
	m := w.r.Member(id)
	key := m.Witness.Key
	if w.chance(2) {
		key = m.Mirror.Key
	}
	what := &registryv1.RevokeKey{Member: &id, Key: key, FromTime: proto.Uint64(uint64(w.now.Unix()))}
	if w.revokedBefore(m) || !w.available(w.would(what, w.act()...)) {
		return
	}
	if w.chance(2) { // replaced first: the old key has a voice until the next EPOCH and must still come to an end
		w.rotateCosigners(id)
		w.do(what, w.act()...)
		return
	}
	w.do(what, w.act()...)
	w.rotateCosigners(id)
}

// revokedBefore reports whether one of a member's cosigning keys has ended already.
func (w *world) revokedBefore(m *roster.Member) bool {
	known, ok := w.r.EvidenceKeys().WitnessKey(m.Witness)
	other, ok2 := w.r.EvidenceKeys().WitnessKey(m.Mirror)
	return !ok || !ok2 || known.Revoked || other.Revoked
}

// rotateCosigners replaces keys that were revoked, by the root at once.
func (w *world) rotateCosigners(id string) {
	t := w.towns[id]
	names := map[string]string{"node": w.name(id, "node"), "witness": w.name(id, "witness"), "mirror": w.name(id, "mirror")}
	next := t.Renew(w.t, "", names)
	w.learn(next)
	req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, w.r.Member(id).Member, func(e *registryv1.Member) {
		e.WitnessVkey, e.MirrorVkey, e.NodeKey = next.Entry.WitnessVkey, next.Entry.MirrorVkey, next.Entry.NodeKey
	}, nil, append(t.Keys("recovery"), next.Keys("node", "witness", "mirror")...)...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, w.holders()...)
	w.hand(t, next)
}

func (w *world) suspendByRoot(id string) {
	what := &registryv1.Suspend{Member: &id}
	if w.available(w.would(what, w.holders()...)) {
		w.do(what, w.holders()...)
	}
}

func (w *world) reinstate() {
	if list := w.members(roster.Suspended); len(list) > 0 {
		id := pick(w, list)
		w.do(&registryv1.Reinstate{Member: &id}, w.holders()...)
	}
}

func (w *world) leave(id string) {
	t := w.towns[id]
	what := &registryv1.Leave{Member: &id}
	if len(w.members(roster.Active)) < 6 || !w.available(w.would(what, t.Keys(t.officers[0])...)) {
		return
	}
	w.do(what, t.Keys(t.officers[0])...)
	t.next = nil
}

// freeze ends a city's log at its newest final head. It moves later.
func (w *world) freeze(id string) {
	m := w.r.Member(id)
	head := w.head(id)
	if m.Log().End != nil || head.Size == 0 {
		return
	}
	if note := w.final(m, head); note != nil {
		w.do(&registryv1.FreezeLog{Member: &id, FinalNote: note}, w.act()...)
	}
}

// move gives a city a new log, as after lost keys, of another name and with keys of its own. It has the old one's entries, unless
// nobody has them any more.
func (w *world) move(id string) {
	t := w.towns[id]
	m := w.r.Member(id)
	end := w.head(id)
	if m.Log().End != nil {
		end.Size, end.Root = m.Log().End.Size, m.Log().End.Root
	}
	t.logs++
	next := t.Renew(w.t, fmt.Sprintf("%s-%d", t.Origin, t.logs), map[string]string{"log": w.name(id, "log"), "node": w.name(id, "node")})
	w.learn(next)
	req := t.Change(w.t, w.r.Root().Terms.Registry.Origin, m.Member, func(e *registryv1.Member) {
		w.keptPublishers(t, e)
		e.Origin, e.LogVkeys, e.NodeKey = &next.Origin, next.Entry.LogVkeys, next.Entry.NodeKey
	}, next.Note(w.t, 0, logproof.EmptyRoot(), w.now), append(t.Keys("recovery"), next.Keys("log", "node")...)...)
	move := &registryv1.MoveLog{OldOrigin: &t.Origin, Size: &end.Size, Root: end.Root[:], Request: req.Envelope.Format()}
	if w.chance(4) {
		move.Anew = new(true)
	}
	w.do(move, w.holders()...)
	t.City, t.next = next, nil
	if w.r.Member(id).Begin() == nil {
		w.told["logs that began anew"]++
		t.log = alliancetest.NewLog(w.t, next)
		return
	}
	w.told["logs that went on elsewhere"]++
	t.log = t.log.GoOn(next, end.Size)
	w.pins[next.Origin] = roster.Pin{Size: end.Size, Root: end.Root}
}

func (w *world) accredit() {
	name := w.name("auditor", "key")
	w.do(&registryv1.Accredit{Name: &name, Key: alliancetest.Public(name)}, w.act()...)
}

// nextRoot is a draft of the next version: one holder and one act key change, and it may pin the newest epoch.
func (w *world) nextRoot() root.Draft {
	d := alliancetest.NextDraft(w.r.Root())
	d.Expires = w.now.AddDate(1, 0, 0)
	d.Terms.Registry.VKeys = w.r.Member(secretariat).Entry.GetLogVkeys()
	if w.chance(2) && w.r.Pin() != nil {
		d.Terms.Pin = w.r.Pin()
	}
	if p, s := d.Terms.Pin, d.Terms.Reseat; p != nil && s != nil && p.Epoch > s.Epoch && w.chance(2) {
		d.Terms.Reseat = nil
	}
	return d
}

// signRoot has a version signed by enough of the old keys, who here are all of the new ones but one.
func (w *world) signRoot(d root.Draft) *root.Root {
	return alliancetest.SignRoot(w.t, w.r.Root(), d, w.rootKeys[1:4]...)
}

// renewRoot records the next version of the root.
func (w *world) renewRoot() {
	d := w.nextRoot()
	holder, act := w.name("root", "key"), w.name("act", "key")
	old := slices.Clone(w.rootKeys)
	d.Keys = nil
	names := append(slices.Clone(old[1:]), holder)
	for _, n := range names {
		d.Keys = append(d.Keys, alliancetest.Public(n))
	}
	actNames := append(slices.Clone(w.actKeys[1:]), act)
	d.Terms.ActKeys = nil
	for _, n := range actNames {
		d.Terms.ActKeys = append(d.Terms.ActKeys, alliancetest.Public(n))
	}
	slices.SortFunc(d.Terms.ActKeys, slices.Compare[[]byte])
	w.record(w.signRoot(d))
	w.rootKeys, w.actKeys = names, actNames
}
