package authority_test

import (
	"crypto/ed25519"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// fork is the same world, which goes on apart.
func (w *world) fork() *world {
	c := *w
	c.r, c.cities, c.files = w.r.Clone(), maps.Clone(w.cities), maps.Clone(w.files)
	return &c
}

// goOn lets the registry go on from its head in a second log.
func (w *world) goOn() *root.Root {
	w.t.Helper()
	second := w.city(secretariat).Renew(w.t, "secretariat.example/log-2", map[string]string{"log": "the second log"})
	d := alliancetest.GoOnDraft(w.r.Root(), w.r.Size(), w.r.TreeRoot(), second)
	d.Terms.Pin = w.r.Pin()
	next := alliancetest.SignRoot(w.t, w.r.Root(), d, byRoot...)
	b, err := next.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	w.do(&registryv1.RootVersion{File: w.file(b)}, byAct...)
	w.cities[secretariat] = second
	return next
}

// F21: once the root says where the registry goes on, what rests on the liar's branch is told by nobody who knows that, and what
// rests on the other is told as before.
func TestF21WrongBranchIsSuperseded(t *testing.T) {
	w := found(t, 14)
	w.epochs(2)
	note := w.final(busan, 9)
	before := w.authority(busan, note)
	liar := w.fork()
	liar.do(&registryv1.Admit{Request: liar.city("es-madrid").Join(t, "secretariat.example/log").Envelope.Format()}, byAct...)
	liar.epochs(1)
	lie := liar.final(busan, 10)
	wrong := liar.authority(busan, lie)
	first := holder(t, w.first)
	if err := judge(first, wrong, lie, 10); err != nil {
		t.Fatalf("the liar's branch by version 1 alone, which a quorum signed: %v", err)
	}

	size, head := w.r.Size(), w.r.TreeRoot()
	next := w.goOn()
	w.epochs(2)
	newest := holder(t, next)
	late := w.final(busan, 11)
	right := w.authority(busan, late)
	file, err := next.Format()
	if err != nil {
		t.Fatal(err)
	}
	told := proto.CloneOf(authority.Unwrap(wrong))
	told.Roots = append(told.Roots, file)
	for name, tc := range map[string]struct {
		by   *authority.Holder
		a    *authority.Authority
		note []byte
		size uint64
		want bool
	}{
		"the liar's by version 1 with version 2 beside it": {first, authority.Wrap(told), lie, 10, false},
		"the liar's by version 2":                          {newest, wrong, lie, 10, false},
		"the right one by version 1":                       {first, right, late, 11, true},
		"the right one by version 2":                       {newest, right, late, 11, true},
		"from before by version 1":                         {first, before, note, 9, true},
		"from before, in the epoch that is pinned":         {newest, before, note, 9, true},
	} {
		err := judge(tc.by, tc.a, tc.note, tc.size)
		if tc.want && err != nil || !tc.want && !errors.Is(err, authority.ErrCouldNotTell) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// Of the registry's own old log only the head that the version names is told.
	c, err := newest.Certify(right, origin)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		head checkpoint.Checkpoint
		want bool
	}{
		"that head":         {checkpoint.Checkpoint{Origin: "secretariat.example/log", Size: size, Root: head}, true},
		"a smaller one":     {checkpoint.Checkpoint{Origin: "secretariat.example/log", Size: size - 1, Root: head}, false},
		"a larger one":      {checkpoint.Checkpoint{Origin: "secretariat.example/log", Size: size + 1, Root: head}, false},
		"another of a size": {checkpoint.Checkpoint{Origin: "secretariat.example/log", Size: size}, false},
		"the new log's":     {checkpoint.Checkpoint{Origin: "secretariat.example/log-2", Size: size + 1}, true},
	} {
		if err := c.Counts(tc.head); tc.want != (err == nil) || err != nil && !errors.Is(err, authority.ErrCouldNotTell) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A version of the root that pins an epoch of before it: EPOCH acts in between were signed by act keys of versions before. Who
// holds version 1 knows those; who holds the later one alone can't tell, and calls nothing false.
func TestPinOfAnEpochBeforeTheKeysTurned(t *testing.T) {
	w := found(t, 5)
	w.epochs(1)
	pin := w.r.Pin()
	w.anchor(2 * time.Hour)
	p, err := w.r.Propose(roster.FormatPins(nil))
	if err != nil {
		t.Fatal(err)
	}
	w.do(&registryv1.Epoch{
		Number: &p.Number, NextDraw: proto.Uint64(uint64(w.now.Add(time.Hour).Unix())), RosterRoot: p.RosterRoot[:], Committee: p.Committee,
		Pins: w.file(roster.FormatPins(nil)),
	}, alliancetest.Named("act 1", "act 3")...)
	w.anchor(time.Hour)
	d := alliancetest.NextDraft(w.r.Root())
	d.Terms.Pin = pin
	for i, k := range d.Terms.ActKeys {
		if alliancetest.Public("act 3").Equal(ed25519.PublicKey(k)) {
			d.Terms.ActKeys[i] = alliancetest.Public("act 4")
		}
	}
	slices.SortFunc(d.Terms.ActKeys, slices.Compare[[]byte])
	second := alliancetest.SignRoot(t, w.r.Root(), d, byRoot...)
	b, err := second.Format()
	if err != nil {
		t.Fatal(err)
	}
	w.do(&registryv1.RootVersion{File: w.file(b)}, byAct...)
	note := w.final(busan, 9)
	a := w.authority(busan, note)
	if err := judge(holder(t, w.first), a, note, 9); err != nil {
		t.Errorf("by version 1: %v", err)
	}
	if err := judge(holder(t, second), a, note, 9); !errors.Is(err, authority.ErrCouldNotTell) {
		t.Errorf("by version 2: %v, want that it could not be told", err)
	}
}
