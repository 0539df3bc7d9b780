package authority_test

import (
	"errors"
	"maps"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
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
