package years_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// twoHeads is evidence that a key signed two roots of one size.
func (w *world) twoHeads(head checkpoint.Checkpoint, key checkpoint.VKey) *evidence.Evidence {
	w.t.Helper()
	v, err := checkpoint.NewVerifier(key)
	if err != nil {
		w.t.Fatal(err)
	}
	one, other := w.format(w.signed(head, key)), w.format(w.signed(nameless(head), key))
	e, err := evidence.NewE1(evidence.Head{Note: one, Key: v}, evidence.Head{Note: other, Key: v})
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// fork lets a city's log sign two histories: everybody's roster accepts the evidence, and act keys may suspend for it. What a
// thief signs with a key whose time has ended accuses the key alone (T-26).
func (w *world) fork(id string) {
	m := w.r.Member(id)
	log := m.Log()
	if len(log.Keys) > 1 || log.End != nil {
		w.frame(m)
	}
	head := w.head(id)
	if log.End != nil || head.Size == 0 {
		return
	}
	keys, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	e := w.twoHeads(head, keys[0].Key())
	for name, by := range map[string]*roster.Roster{"incremental": w.r, "a copy": w.r.Clone()} {
		if f, err := e.Verify(by.EvidenceKeys()); err != nil || f.Accused != evidence.AccusedLog || f.Origin != head.Origin {
			w.t.Fatalf("%s: the fork of %s by %s: %+v, %v", w, id, name, f, err)
		}
	}
	w.liars[head.Origin] = true
	w.told["logs that forked"]++
	what := &registryv1.Suspend{Member: &id, Evidence: e.Format()}
	if w.chance(2) && w.available(w.would(what, w.act()...)) {
		w.do(what, w.act()...)
	}
}

// frame tries to have a member accused and suspended with a key that had ended.
func (w *world) frame(m *roster.Member) {
	log := m.Log()
	key, above := log.Keys[0].Keys[0], log.Keys[0].To+1
	if len(log.Keys) == 1 {
		above = log.End.Size + 1
	}
	e := w.twoHeads(checkpoint.Checkpoint{Origin: log.Origin, Size: above}, key)
	f, err := e.Verify(w.r.EvidenceKeys())
	if err != nil || f.Accused != evidence.AccusedKey {
		w.t.Fatalf("%s: what a thief signed for %s accuses %+v, %v (T-26)", w, m.ID(), f, err)
	}
	id := m.ID()
	w.apply(alliancetest.Act(w.t, w.r, &registryv1.Suspend{Member: &id, Evidence: e.Format()}, w.act()...), roster.Void)
	w.told["thieves that framed nobody"]++
}

// source shows one side of the registry.
type source struct{ w *world }

func (s source) Checkpoint(context.Context) ([]byte, error) {
	head := s.w.head(secretariat)
	keys, err := s.w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return nil, err
	}
	return s.w.format(s.w.signed(head, keys[0].Key(), keys[1].Key())), nil
}

func (s source) Bundle(_ context.Context, index uint64, width int) ([][]byte, error) {
	first := int(index) * tile.FullWidth
	if first+width > len(s.w.entries) {
		return nil, errors.New("there is no such bundle")
	}
	return s.w.entries[first : first+width], nil
}

func (s source) File(_ context.Context, sum [32]byte) ([]byte, error) { return s.w.get(sum) }

// nextOrigin is where the registry goes on.
func (w *world) nextOrigin() string {
	w.made++
	return fmt.Sprintf("secretariat.example/log-%d", w.made)
}

// forkRegistry lets the registry's keys sign two histories, each with a quorum: the worst that can be (F21). The evidence is E5.
// Each side lives on for a while; then the holders of the root keys say which side goes on, and whoever followed either comes to
// the same roster, whether they got the file or only see the new log.
func (w *world) forkRegistry() {
	w.t.Helper()
	w.forks++
	w.told["forks of the registry"]++
	other := w.copyOf()
	w.forkedIn, other.forkedIn = w.r.Epoch().Number, w.r.Epoch().Number
	common := w.follower()
	if w.chance(2) { // else it is a newcomer
		w.follow(common, w)
	}
	other.wrong = true
	other.made += 1 << 20 // so that nothing there is what it is here
	other.goesOn()
	w.goesOn()
	w.proveFork(other)
	on, onOther := w.follower(), w.follower()
	w.follow(on, w)
	w.follow(onOther, other)

	before, old := w.r.Size(), source{w.copyOf()}
	next := w.goOn()
	followers := map[string]*registry.Follower{"on the right side": on, "on the wrong side": onOther, "from before, or new": common}
	for name, f := range followers {
		if w.seen(next, f, name) {
			var waits *registry.WaitingError
			if err := f.Update(context.Background(), source{other}); !errors.As(err, &waits) {
				w.t.Fatalf("%s: who is %s takes the liar's side after the root: %v", w, name, err)
			}
			if _, err := f.Roster().LogKeys(f.Origin(), before+1); err == nil {
				w.t.Fatalf("%s: for who is %s the old keys still vouch", w, name)
			}
		}
	}
	for name, f := range followers {
		w.follow(f, w)
		if err := sameAs(w.r, f.Roster()); err != nil || f.State().Next != nil {
			w.t.Fatalf("%s: who is %s comes to another roster: %v", w, name, err)
		}
	}
	for _, liar := range []source{{other}, old} {
		if err := on.Update(context.Background(), liar); err == nil {
			w.t.Fatalf("%s: the old log is taken again", w)
		}
	}
	other.keepReceipts(pick(other, other.members(roster.Active)))
}

// seen gives a follower the file of a version, two times of three: who does not get it must find it in the new log.
func (w *world) seen(next *root.Root, f *registry.Follower, name string) bool {
	if (w.r.Size()+uint64(len(name)))%3 == 0 {
		return false
	}
	for _, b := range w.roots {
		r, err := root.Parse(b)
		if err != nil {
			w.t.Fatal(err)
		}
		if err := f.Adopt(r); err != nil {
			w.t.Fatalf("%s: who is %s: %v", w, name, err)
		}
	}
	return f.State().Next != nil && f.State().Next.Same(next)
}

func (w *world) follower() *registry.Follower {
	f, err := registry.NewFollower(w.first)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) follow(f *registry.Follower, of *world) {
	w.t.Helper()
	if err := f.Update(context.Background(), source{of}); err != nil {
		w.t.Fatalf("%s: following: %v", of, err)
	}
}

// goesOn lets one side of a fork live for some weeks: it admits somebody, may draw an epoch, and makes receipts.
func (w *world) goesOn() {
	w.t.Helper()
	w.admit()
	w.accredit()
	w.anchor(2 * day)
	if w.chance(2) {
		for _, ok := w.r.NextSeed(); !ok; _, ok = w.r.NextSeed() {
			w.anchor(5 * day)
		}
		w.epoch()
	}
	for range 2 {
		id := pick(w, w.members(roster.Active))
		w.declare(id)
		w.keepReceipts(id)
	}
	w.anchor(time.Hour)
}

// proveFork builds E5 of the two sides.
func (w *world) proveFork(other *world) {
	w.t.Helper()
	size := min(w.r.Size(), other.r.Size())
	var heads []evidence.Head
	for _, side := range []*world{w, other} {
		h, _ := side.r.RootAt(size)
		head := checkpoint.Checkpoint{Origin: w.r.Root().Terms.Registry.Origin, Size: size, Root: h}
		keys, err := side.r.LogKeys(head.Origin, size)
		if err != nil {
			w.t.Fatal(err)
		}
		heads = append(heads, evidence.Head{Note: side.format(side.signed(head, keys[0].Key())), Key: keys[0]})
	}
	e, err := evidence.NewE1(heads[0], heads[1])
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	for _, side := range []*world{w, other} {
		if f, err := e.Verify(side.r.EvidenceKeys()); err != nil || f.Kind != evidence.RegistryFork || f.Accused != evidence.AccusedLog {
			w.t.Fatalf("%s: evidence of the registry's fork: %+v, %v", side, f, err)
		}
	}
}

// goOn records the version of the root by which the registry goes on in a new log.
func (w *world) goOn() *root.Root {
	w.t.Helper()
	t := w.towns[secretariat]
	c := t.Renew(w.t, w.nextOrigin(), map[string]string{"log": w.name(secretariat, "log")})
	w.learn(c)
	d := alliancetest.GoOnDraft(w.r.Root(), w.r.Size(), w.r.TreeRoot(), c)
	d.Expires, d.Terms.Pin = w.now.AddDate(1, 0, 0), w.r.Pin()
	next := w.signRoot(d)
	w.record(next)
	w.hand(t, c)
	return next
}
