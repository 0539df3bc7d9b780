package authority_test

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
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

// world is an alliance whose registry a test drives.
type world struct {
	t      testing.TB
	first  *root.Root
	r      *roster.Roster
	cities map[string]*alliancetest.City
	files  map[[32]byte][]byte
	now    time.Time
}

const (
	secretariat = "nl-secretariat"
	busan       = "kr-busan"
)

var (
	byAct  = alliancetest.Named("act 1", "act 2")
	byRoot = []string{"root 1", "root 2", "root 3"}
)

// found makes an alliance of n founders of five countries, among them the secretariat and Busan.
func found(t testing.TB, n int) *world {
	t.Helper()
	w := &world{t: t, cities: map[string]*alliancetest.City{}, files: map[[32]byte][]byte{}, now: alliancetest.FoundedAt}
	founders := []*alliancetest.City{w.city(secretariat), w.city(busan)}
	for i := range n - 2 {
		founders = append(founders, w.city(fmt.Sprintf("%s-city%c%c", []string{"nl", "de", "fr", "jp", "kr"}[i%5], 'a'+i/26, 'a'+i%26)))
	}
	w.first = alliancetest.Found(t, founders...)
	var err error
	if w.r, err = roster.New(w.first); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) city(id string) *alliancetest.City {
	if w.cities[id] == nil {
		w.cities[id] = alliancetest.NewCity(w.t, id)
	}
	return w.cities[id]
}

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

// apply appends an entry that must be of a kind.
func (w *world) apply(entry []byte, want roster.Kind) {
	w.t.Helper()
	if out, err := w.r.Apply(entry, w.get); err != nil || out.Kind != want {
		w.t.Fatalf("an entry is %v %v, %v; want %v", out.Kind, out.Reason, err, want)
	}
}

func (w *world) do(what proto.Message, signers ...crypto.Signer) {
	w.t.Helper()
	w.apply(alliancetest.Act(w.t, w.r, what, signers...), roster.Effective)
}

// anchor moves registry time on, by the whole committee.
func (w *world) anchor(after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	w.apply([]byte("junk"), roster.Void) // so that the head is a new one
	own := w.r.Member(secretariat)
	var by []*alliancetest.City
	seats := w.r.Bench(own, w.r.Size()).Committee
	for _, id := range seats[:roster.Quorum(len(seats))] {
		by = append(by, w.city(id))
	}
	w.apply(w.city(secretariat).Note(w.t, w.r.Size(), w.r.TreeRoot(), w.now, by...), roster.Anchor)
}

// epoch draws the next epoch. Its anchor is the next one.
func (w *world) epoch() {
	w.t.Helper()
	w.anchor(2 * time.Hour)
	p, err := w.r.Propose(roster.FormatPins(nil))
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(&registryv1.Epoch{
		Number: &p.Number, NextDraw: proto.Uint64(uint64(w.now.Add(time.Hour).Unix())),
		RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: w.file(roster.FormatPins(nil)),
	}, byAct...)
}

// epochs draws n epochs, each proven by an anchor.
func (w *world) epochs(n int) {
	w.t.Helper()
	for range n {
		w.epoch()
		w.anchor(0)
	}
}

// final is a final head of a city's log: by the quorum of its committee, for a note has 16 lines, and by mirrors of the first
// two of them.
func (w *world) final(id string, size uint64) []byte {
	w.t.Helper()
	seats := w.r.Committee(id)
	return w.headBy(id, size, seats[:roster.Quorum(len(seats))])
}

func (w *world) headBy(id string, size uint64, committee []string) []byte {
	w.t.Helper()
	var by []*alliancetest.City
	for _, c := range committee {
		by = append(by, w.city(c))
	}
	n, err := checkpoint.ParseNote(w.city(id).Note(w.t, size, rootOf(id, size), w.now, by...))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, c := range by[:min(2, len(by))] {
		sig, err := c.Mirror(w.t).Sign(n.Text, w.now)
		if err != nil {
			w.t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	b, err := checkpoint.FormatNote(n)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

func rootOf(id string, size uint64) logproof.Hash {
	return sha256.Sum256(fmt.Append(nil, id, size))
}

// authority is that of a final head, through its text.
func (w *world) authority(id string, note []byte) *authority.Authority {
	w.t.Helper()
	a, err := authority.Of(w.r, w.r.Member(id), note)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.again(a)
}

// again writes an authority and reads it.
func (w *world) again(a *authority.Authority) *authority.Authority {
	w.t.Helper()
	b, err := a.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	if a, err = authority.Parse(b); err != nil {
		w.t.Fatal(err)
	}
	return a
}

// renew records the next version of the root, which pins the newest epoch where pinned.
func (w *world) renew(pinned bool) *root.Root {
	w.t.Helper()
	prev := w.r.Root()
	d := alliancetest.Draft(w.t, w.city(secretariat))
	d.Version, d.Terms.Founders, d.Terms.Genesis = prev.Version+1, nil, prev.Alliance.String()
	d.Terms.Pin = prev.Terms.Pin
	if pinned {
		d.Terms.Pin = w.r.Pin()
	}
	next := alliancetest.SignRoot(w.t, prev, d, byRoot...)
	b, err := next.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(&registryv1.RootVersion{File: w.file(b)}, byAct...)
	return next
}

func holder(t testing.TB, r *root.Root) *authority.Holder {
	t.Helper()
	h, err := authority.NewHolder(r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}
