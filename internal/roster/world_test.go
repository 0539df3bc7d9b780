package roster_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// world is an alliance with its registry, whose acts a test appends.
type world struct {
	t       testing.TB
	r       *roster.Roster
	entries [][]byte
	cities  map[string]*alliancetest.City
	files   map[[32]byte][]byte
	now     time.Time
}

// found makes an alliance of founders, the first of them its secretariat.
func found(t testing.TB, ids ...string) *world {
	t.Helper()
	w := &world{t: t, cities: map[string]*alliancetest.City{}, files: map[[32]byte][]byte{}, now: alliancetest.FoundedAt}
	var founders []*alliancetest.City
	for _, id := range ids {
		founders = append(founders, w.city(id))
	}
	var err error
	if w.r, err = roster.New(alliancetest.Found(t, founders...)); err != nil {
		t.Fatal(err)
	}
	return w
}

func founded(t testing.TB) *world {
	return found(t, "nl-secretariat", "nl-kanaalstad", "jp-tsukuba", "kr-busan", "fr-lyon")
}

func (w *world) city(id string) *alliancetest.City {
	if w.cities[id] == nil {
		w.cities[id] = alliancetest.NewCity(w.t, id)
	}
	return w.cities[id]
}

func (w *world) registry() string { return w.r.Root().Terms.Registry.Origin }

// file puts a file beside the registry and returns its name there.
func (w *world) file(b []byte) []byte {
	sum := sha256.Sum256(b)
	w.files[sum] = b
	return sum[:]
}

func (w *world) get(sum [32]byte) ([]byte, error) {
	if b, ok := w.files[sum]; ok {
		return b, nil
	}
	return nil, errors.New("no such file")
}

var (
	byAct  = alliancetest.Named("act 1", "act 2")
	byRoot = alliancetest.Named("root 1", "root 2", "root 3")
)

// make makes an act that follows the last effective one.
func (w *world) make(what any, signers ...crypto.Signer) []byte {
	w.t.Helper()
	return alliancetest.Act(w.t, w.r, what.(proto.Message), signers...)
}

// apply appends an entry, whatever becomes of it.
func (w *world) apply(entry []byte) roster.Outcome {
	w.t.Helper()
	out, err := w.r.Apply(entry, w.get)
	if err != nil {
		w.t.Fatal(err)
	}
	w.entries = append(w.entries, entry)
	return out
}

// do appends an act that must have effect.
func (w *world) do(what any, signers ...crypto.Signer) {
	w.t.Helper()
	if out := w.apply(w.make(what, signers...)); out.Kind != roster.Effective {
		w.t.Fatalf("%T = %v %v, want it effective", what, out.Kind, out.Reason)
	}
}

// void appends an act that must have none.
func (w *world) void(name string, what any, signers ...crypto.Signer) {
	w.t.Helper()
	before := w.r.Previous()
	out := w.apply(w.make(what, signers...))
	if out.Kind != roster.Void || out.Reason == nil {
		w.t.Errorf("%s: %T is %v %v, want it void", name, what, out.Kind, out.Reason)
	}
	if w.r.Previous() != before {
		w.t.Errorf("%s: a void act entered the chain", name)
	}
}

// members returns cities by their ids.
func (w *world) all(ids []string) []*alliancetest.City {
	var out []*alliancetest.City
	for _, id := range ids {
		out = append(out, w.city(id))
	}
	return out
}

// anchorNote is an anchor of the registry's newest head at a time, cosigned by its whole committee.
func (w *world) anchorNote(at time.Time) []byte {
	secretariat := w.city("nl-secretariat")
	return secretariat.Note(w.t, w.r.Size(), w.r.TreeRoot(), at, w.all(w.r.Bench(w.r.Member(secretariat.ID), w.r.Size()).Committee)...)
}

// anchor moves registry time on. An entry goes first, so that the head is a new one: junk, which changes nothing.
func (w *world) anchor(after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	if out := w.apply(w.make(&registryv1.RuleSet{Number: proto.Uint32(99), Bundle: make([]byte, 32)}, byAct...)); out.Kind != roster.Void {
		w.t.Fatalf("junk = %v", out)
	}
	if out := w.apply(w.anchorNote(w.now)); out.Kind != roster.Anchor {
		w.t.Fatalf("anchor = %v %v", out.Kind, out.Reason)
	}
	if w.r.Time() != w.now.Unix() {
		w.t.Fatalf("registry time is %d, want %d", w.r.Time(), w.now.Unix())
	}
}

// finalNote is a final head of a city's log.
func (w *world) finalNote(id string, size uint64) []byte {
	return w.city(id).Note(w.t, size, rootOf(id, size), w.now, w.all(w.r.Committee(id))...)
}

// rootOf invents the root of a city's log at a size.
func rootOf(id string, size uint64) logproof.Hash {
	if size == 0 {
		return logproof.EmptyRoot()
	}
	return sha256.Sum256([]byte{byte(size), byte(len(id)), id[3]})
}

// epochAct is the EPOCH that is due, with these pins.
func (w *world) epochAct(pins map[string]roster.Pin) *registryv1.Epoch {
	w.t.Helper()
	file := roster.FormatPins(pins)
	p, err := w.r.Propose(file)
	if err != nil {
		w.t.Fatal(err)
	}
	return &registryv1.Epoch{
		Number: &p.Number, NextDraw: proto.Uint64(uint64(w.now.Add(time.Hour).Unix())),
		RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: w.file(file),
	}
}

// epoch draws the next epoch after some time, and lets the registry's old committee hand over.
func (w *world) epoch(after time.Duration, pins map[string]roster.Pin) {
	w.t.Helper()
	w.anchor(after)
	w.do(w.epochAct(pins), byAct...)
	w.anchor(0)
}

func (w *world) admit(id string) {
	w.t.Helper()
	w.do(&registryv1.Admit{Request: w.city(id).Join(w.t, w.registry()).Envelope.Format()}, byAct...)
}

func publicKey(raw []byte) crypto.PublicKey { return ed25519.PublicKey(raw) }

func sortKeys(keys [][]byte) { slices.SortFunc(keys, slices.Compare[[]byte]) }

// mixedTimes is a note whose witnesses' clocks differ.
func mixedTimes(t testing.TB, c *alliancetest.City, size uint64, root logproof.Hash, witnesses []*alliancetest.City, times []time.Time) []byte {
	t.Helper()
	n, err := checkpoint.ParseNote(c.Note(t, size, root, times[0]))
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range witnesses {
		sig, err := w.Witness(t).Sign(n.Text, times[i])
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	b, err := checkpoint.FormatNote(n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
