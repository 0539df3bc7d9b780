package years_test

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

const (
	secretariat = "xx-secretariat"
	day         = 24 * time.Hour
)

// keyring finds the signer of a public key. It only ever grows, and is the same for both sides of a fork.
type keyring map[string]*checkpoint.Signer // by vkey

// world is an alliance in a moment of its life.
type world struct {
	t     testing.TB
	rnd   *rand.Rand
	now   time.Time
	first *root.Root
	keys  keyring

	r       *roster.Roster
	entries [][]byte
	files   map[[sha256.Size]byte][]byte
	effects []int // indices of effective acts
	towns   map[string]*town

	actKeys, rootKeys []string // names of those in force
	rootMade          time.Time
	roots             [][]byte // files of version 2 and later
	rootIn            uint32   // the epoch in which the newest version was recorded
	made              int      // numbers of things that need a new name

	seats    map[string][]string   // by log: the committees of the epoch, as this test computed them
	pins     map[string]roster.Pin // by origin
	pinned   map[string]roster.Pin // as the epoch before had them
	atEpoch  *roster.Roster        // as the newest EPOCH found it
	stale    *roster.Roster        // of some time ago
	raw      map[string]string     // every raw key that was ever in an entry, to whose and which role
	foreign  *roster.Roster        // another alliance of the same keys
	receipts *[]kept               // shared by both sides of a fork
	liars    map[string]bool       // whose log signed two histories
	told     map[string]int        // what happened how often
	wrong    bool                  // this is the side of a fork that is given up
	forkedIn uint32                // the epoch in which it began
	forks    int                   // of the registry
	holder   *authority.Holder
}

// town is a city with what only it knows.
type town struct {
	*alliancetest.City
	officers []string // labels of publishers that may sign now
	gone     []string // revoked
	log      *alliancetest.Log
	logs     int                // how many it had
	next     *alliancetest.City // with the keys of a rotation that has not taken effect
}

var founders = []string{secretariat, "nl-aa", "jp-ab"}

// foundings makes the root that all lives begin with, and another alliance of the same act keys.
var foundings = sync.OnceValues(func() (*root.Root, *roster.Roster) {
	t := &testing.T{}
	var cities []*alliancetest.City
	for _, id := range founders {
		cities = append(cities, alliancetest.NewCity(t, id))
	}
	other, err := roster.New(alliancetest.Found(t, cities[0], cities[1], alliancetest.NewCity(t, "de-foreign")))
	if err != nil {
		panic(err)
	}
	return alliancetest.Found(t, cities...), other
})

// newWorld founds an alliance of three.
func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 21)), now: alliancetest.FoundedAt, keys: keyring{}, files: map[[sha256.Size]byte][]byte{},
		towns: map[string]*town{}, actKeys: []string{"act 1", "act 2", "act 3"}, rootKeys: []string{"root 1", "root 2", "root 3", "root 4", "root 5"},
		rootMade: alliancetest.FoundedAt, pins: map[string]roster.Pin{}, raw: map[string]string{}, receipts: &[]kept{},
		liars: map[string]bool{}, told: map[string]int{},
	}
	for _, id := range founders {
		w.town(id)
	}
	w.first, w.foreign = foundings()
	var err error
	if w.r, err = roster.New(w.first); err != nil {
		t.Fatal(err)
	}
	if w.holder, err = authority.NewHolder(w.first); err != nil {
		t.Fatal(err)
	}
	w.stale, w.atEpoch = w.r.Clone(), w.r.Clone()
	w.seats = naiveCommittees(w.r, logproof.Hash(w.first.ID), 0, nil)
	w.checkCommittees()
	w.checkKeys()
	w.do(&registryv1.RootVersion{File: w.rootFile(w.first)}, w.act()...)
	return w
}

func (w *world) town(id string) *town {
	if w.towns[id] == nil {
		c := alliancetest.NewCity(w.t, id)
		w.learn(c)
		w.towns[id] = &town{City: c, officers: []string{"officer-1", "officer-2"}, log: alliancetest.NewLog(w.t, c), logs: 1}
	}
	return w.towns[id]
}

// learn puts a city's keys into the keyring.
func (w *world) learn(c *alliancetest.City) {
	for _, s := range append(c.Log(w.t), c.Witness(w.t), c.Mirror(w.t)) {
		w.keys[checkpoint.FormatVKey(s.Key())] = s
	}
}

// name is a new name for a key of a city.
func (w *world) name(id, what string) string {
	w.made++
	return fmt.Sprintf("%s %s %d", id, what, w.made)
}

// chance is true one time in n.
func (w *world) chance(n int) bool { return w.rnd.IntN(n) == 0 }

func pick[T any](w *world, list []T) T { return list[w.rnd.IntN(len(list))] }

// members are the ids of all members of a status, in order.
func (w *world) members(status roster.Status) []string {
	var out []string
	for _, m := range w.r.Members() {
		if w.r.Status(m) == status {
			out = append(out, m.ID())
		}
	}
	return out
}

// act are signers of an act: just enough of them, any.
func (w *world) act() []crypto.Signer { return w.named(w.actKeys, w.r.Root().Terms.ActThreshold) }

// holders are signers by root keys.
func (w *world) holders() []crypto.Signer { return w.named(w.rootKeys, w.r.Root().Threshold) }

func (w *world) named(names []string, n int) []crypto.Signer {
	var out []crypto.Signer
	for _, i := range w.rnd.Perm(len(names))[:n] {
		out = append(out, alliancetest.Key(names[i]))
	}
	return out
}

func (w *world) file(b []byte) []byte {
	sum := sha256.Sum256(b)
	w.files[sum] = b
	return sum[:]
}

func (w *world) get(sum [sha256.Size]byte) ([]byte, error) {
	if b, ok := w.files[sum]; ok {
		return b, nil
	}
	return nil, errors.New("no such file")
}

func (w *world) rootFile(r *root.Root) []byte {
	b, err := r.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.file(b)
}

// record has a version of the root recorded.
func (w *world) record(next *root.Root) {
	w.t.Helper()
	name := w.rootFile(next)
	w.do(&registryv1.RootVersion{File: name}, w.act()...)
	w.roots = append(slices.Clip(w.roots), w.files[[sha256.Size]byte(name)])
	w.rootMade, w.rootIn = w.now, w.r.Epoch().Number
}

// apply appends an entry, which must come to be of a kind.
func (w *world) apply(entry []byte, want roster.Kind) {
	w.t.Helper()
	out, err := w.r.Apply(entry, w.get)
	if err != nil || out.Kind != want {
		w.t.Fatalf("%s: entry %d, %s, is %v %v, %v; want %v", w, len(w.entries), out.What, out.Kind, out.Reason, err, want)
	}
	if want == roster.Effective {
		w.effects = append(w.effects, len(w.entries))
		w.told[out.What]++
	}
	w.entries = append(w.entries, entry)
}

// do appends an act that must have effect.
func (w *world) do(what proto.Message, signers ...crypto.Signer) {
	w.t.Helper()
	w.apply(alliancetest.Act(w.t, w.r, what, signers...), roster.Effective)
	w.checkKeys()
}

// would is the roster as an act would leave it, nil if it would be void.
func (w *world) would(what proto.Message, signers ...crypto.Signer) *roster.Roster {
	c := w.r.Clone()
	out, err := c.Apply(alliancetest.Act(w.t, w.r, what, signers...), w.get)
	if err != nil || out.Kind != roster.Effective {
		w.t.Fatalf("%s: %T is %v %v, %v; want it effective", w, what, out.Kind, out.Reason, err)
	}
	return c
}

// String says when it is, for failures.
func (w *world) String() string {
	return fmt.Sprintf("day %d, epoch %d, size %d", int(w.now.Sub(alliancetest.FoundedAt)/day), w.r.Epoch().Number, w.r.Size())
}

// signed is a checkpoint of a log by the keys given.
func (w *world) signed(head checkpoint.Checkpoint, keys ...checkpoint.VKey) *checkpoint.Note {
	w.t.Helper()
	var by []*checkpoint.Signer
	for _, k := range keys {
		by = append(by, w.keys[checkpoint.FormatVKey(k)])
	}
	b, err := checkpoint.Sign(head, w.now, by...)
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// cosign adds lines of witnesses or mirrors.
func (w *world) cosign(n *checkpoint.Note, keys ...checkpoint.VKey) {
	w.t.Helper()
	for _, k := range keys {
		sig, err := w.keys[checkpoint.FormatVKey(k)].Sign(n.Text, w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
}

func (w *world) format(n *checkpoint.Note) []byte {
	w.t.Helper()
	b, err := checkpoint.FormatNote(n)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// voices are keys on the bench of a log that count now, of its witnesses and of mirrors.
func (w *world) voices(r *roster.Roster, m *roster.Member, size uint64) (witnesses, mirrors []checkpoint.VKey, quorum int) {
	b := r.Bench(m, size)
	counts := func(k checkpoint.VKey) bool {
		return b.Counts(checkpoint.Signed{Key: k, Timestamp: uint64(w.now.Unix())})
	}
	for _, v := range b.Voices {
		if slices.Contains(b.Committee, v.ID) && counts(v.Witness) {
			witnesses = append(witnesses, v.Witness)
		}
		if v.Operator != b.Operator && counts(v.Mirror) {
			mirrors = append(mirrors, v.Mirror)
		}
	}
	return witnesses, mirrors, roster.Quorum(len(b.Committee))
}

// final is a final note of a member's head by just enough or all who may; nil if too few can.
func (w *world) final(m *roster.Member, head checkpoint.Checkpoint) []byte {
	w.t.Helper()
	witnesses, mirrors, quorum := w.voices(w.r, m, head.Size)
	if quorum == 0 || len(witnesses) < quorum || len(mirrors) < roster.MirrorQuorum {
		return nil
	}
	w.rnd.Shuffle(len(witnesses), func(i, j int) { witnesses[i], witnesses[j] = witnesses[j], witnesses[i] })
	w.rnd.Shuffle(len(mirrors), func(i, j int) { mirrors[i], mirrors[j] = mirrors[j], mirrors[i] })
	log, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	n := w.signed(head, log[0].Key(), log[1].Key())
	w.cosign(n, witnesses[:quorum]...)
	w.cosign(n, mirrors[:roster.MirrorQuorum]...)
	note := w.format(n)
	if _, err := w.r.Finality(m, note); err != nil {
		w.t.Fatalf("%s: a head of %s by its quorum: %v", w, m.ID(), err)
	}
	return note
}

// head is the newest of a member's log; the registry's is that of the registry.
func (w *world) head(id string) checkpoint.Checkpoint {
	if id == secretariat {
		return checkpoint.Checkpoint{Origin: w.r.Root().Terms.Registry.Origin, Size: w.r.Size(), Root: w.r.TreeRoot()}
	}
	t := w.towns[id]
	size, root := t.log.Head()
	return checkpoint.Checkpoint{Origin: t.Origin, Size: size, Root: root}
}

// anchor moves registry time on.
func (w *world) anchor(after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	before := w.r.Time()
	owner := w.r.Member(secretariat)
	witnesses, _, quorum := w.voices(w.r, owner, w.r.Size())
	if len(witnesses) < quorum {
		w.t.Fatalf("%s: %d of %d honest witnesses of the registry are left", w, len(witnesses), quorum)
	}
	head := w.head(secretariat)
	log, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		w.t.Fatalf("%s: %v", w, err)
	}
	n := w.signed(head, log[0].Key())
	w.cosign(n, witnesses...)
	w.apply(w.format(n), roster.Anchor)
	if w.r.Time() < before || w.r.Time() != w.now.Unix() {
		w.t.Fatalf("%s: registry time went from %d to %d, want %d", w, before, w.r.Time(), w.now.Unix())
	}
	w.turned()
	w.checkKeys()
}

// turned gives cities the keys of rotations that took effect.
func (w *world) turned() {
	for _, id := range slices.Sorted(maps.Keys(w.towns)) {
		t := w.towns[id]
		m := w.r.Member(id)
		if t.next == nil || m == nil || string(m.Entry.GetNodeKey()) != string(t.next.Entry.GetNodeKey()) {
			continue
		}
		w.hand(t, t.next)
		w.told["rotations in effect"]++
	}
}

// hand gives a city its new keys.
func (w *world) hand(t *town, next *alliancetest.City) {
	t.City, t.next = next, nil
	t.log.City = next
}

// copyOf is the same world, which goes on apart: the other side of a fork. The logs of cities are shared.
func (w *world) copyOf() *world {
	c := *w
	c.r, c.entries, c.files = w.r.Clone(), slices.Clip(w.entries), maps.Clone(w.files)
	c.effects, c.towns, c.seats, c.pins, c.raw = slices.Clip(w.effects), maps.Clone(w.towns), maps.Clone(w.seats), maps.Clone(w.pins), maps.Clone(w.raw)
	c.actKeys, c.rootKeys = slices.Clone(w.actKeys), slices.Clone(w.rootKeys)
	return &c
}

// words makes ids that nobody takes for each other.
func (w *world) newID() string {
	w.made++
	country := []string{"nl", "de", "fr", "jp", "kr"}[w.rnd.IntN(5)]
	letters := "abefghkmnpqtuxyz"
	id := w.made
	var s strings.Builder
	for range 4 {
		s.WriteByte(letters[id%len(letters)])
		id /= len(letters)
	}
	return country + "-" + s.String()
}
