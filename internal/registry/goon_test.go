package registry_test

import (
	"crypto/sha256"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
)

// forked is a registry whose keys signed two histories: alike up to fr-lyon, then others.
type forked struct {
	*world
	left, right *world // each with the follower that saw it alone
	second      *log   // goes on from left's head
	next        *root.Root
}

func newFork(t *testing.T) *forked {
	t.Helper()
	f := &forked{world: newWorld(t)}
	f.left, f.right = f.again(f.world), f.again(f.world)
	for _, w := range []*world{f.left, f.right} {
		w.submit(w.admit("fr-lyon"))
	}
	f.left.submit(f.left.admit("es-sevilla"))
	for _, id := range []string{"de-kiel", "it-torino", "pt-porto"} {
		f.right.submit(f.right.admit(id))
	}
	c := f.owner.Renew(t, "secretariat.example/log-2", map[string]string{"log": "the second log"})
	size, head := f.left.f.Roster().Size(), f.left.f.Roster().TreeRoot()
	f.next = alliancetest.SignRoot(t, f.first, alliancetest.GoOnDraft(f.first, size, head, c), "root 1", "root 2", "root 3")
	f.second = &log{t: t, owner: c, entries: slices.Clone(f.left.entries), files: maps.Clone(f.left.files)}
	return f
}

// record is the act that records the next version, and its file.
func (f *forked) record(in *registry.Follower) (act, file []byte) {
	f.t.Helper()
	file, err := f.next.Format()
	if err != nil {
		f.t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	return alliancetest.Act(f.t, in.Roster(), &registryv1.RootVersion{File: sum[:]}, alliancetest.Named("act 1", "act 2")...), file
}

// open lets the new log's own node record the version, after which it takes acts.
func (f *forked) open() {
	f.t.Helper()
	own := f.follower()
	if err := own.Adopt(f.next); err != nil {
		f.t.Fatal(err)
	}
	door := registry.NewDoor(own, f.second)
	if err := own.Update(f.t.Context(), f.second); err != nil {
		f.t.Fatal(err)
	}
	refuse := func(why string, entry []byte) {
		f.t.Helper()
		var refused *registry.RefusedError
		var waits *registry.WaitingError
		if _, err := door.Submit(f.t.Context(), entry, nil); !errors.As(err, &refused) || !errors.As(err, &waits) {
			f.t.Errorf("%s: Submit = %v, want it refused for the version that must come first", why, err)
		}
	}
	lyon := alliancetest.NewCity(f.t, "be-gent").Join(f.t, f.owner.Origin).Envelope.Format()
	refuse("an act before the version", alliancetest.Act(f.t, own.Roster(), &registryv1.Admit{Request: lyon}, alliancetest.Named("act 1", "act 2")...))
	act, file := f.record(own)
	if _, err := door.Submit(f.t.Context(), act, [][]byte{file}); err != nil {
		f.t.Fatal(err)
	}
	if own.State().Next != nil || own.Origin() != f.second.owner.Origin {
		f.t.Errorf("after the version is recorded: next %v, origin %s", own.State().Next, own.Origin())
	}
	gent := alliancetest.NewCity(f.t, "be-gent").Join(f.t, f.second.owner.Origin).Envelope.Format()
	if _, err := door.Submit(f.t.Context(), alliancetest.Act(f.t, own.Roster(), &registryv1.Admit{Request: gent}, alliancetest.Named("act 1", "act 2")...), nil); err != nil {
		f.t.Fatal(err)
	}
}

// TestF21RootHealsBothBranches: whoever followed either history, with the file or without, comes to the same roster.
func TestF21RootHealsBothBranches(t *testing.T) {
	f := newFork(t)
	f.open()
	liar := f.again(f.right)
	liar.submit(liar.admit("se-malmo"))
	liar.submit(liar.admit("dk-aarhus"))
	var want *registry.State
	for name, tc := range map[string]struct {
		follower *registry.Follower
		file     bool
	}{
		"on the history that goes on":             {f.again(f.left).f, true},
		"on the other one":                        {f.again(f.right).f, true},
		"on the other one, without the file":      {f.again(f.right).f, false},
		"that begins now, with the file":          {f.follower(), true},
		"that begins now, without":                {f.follower(), false},
		"on the history that goes on, without it": {f.again(f.left).f, false},
	} {
		if tc.file {
			if err := tc.follower.Adopt(f.next); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if err := tc.follower.Update(t.Context(), f.second); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := tc.follower.State()
		if got.Next != nil || got.Roster.Member("be-gent") == nil || got.Roster.Member("es-sevilla") == nil || got.Roster.Member("de-kiel") != nil {
			t.Errorf("%s: size %d, next %v", name, got.Roster.Size(), got.Next)
		}
		if want == nil {
			want = got
		}
		if got.Roster.TreeRoot() != want.Roster.TreeRoot() || got.Roster.Previous() != want.Roster.Previous() || !reflect.DeepEqual(got.Roster.Members(), want.Roster.Members()) {
			t.Errorf("%s: another roster", name)
		}
		// The liar goes on: nobody who knows better follows.
		for _, src := range []*log{liar.log, f.left.log} {
			if err := tc.follower.Update(t.Context(), src); err == nil || tc.follower.State() != got {
				t.Errorf("%s: a head of the old log: %v", name, err)
			}
		}
	}
}

// again is a world with the same entries, and the follower that saw them alone.
func (f *forked) again(of *world) *world {
	w := &world{log: &log{t: f.t, owner: of.owner, entries: slices.Clone(of.entries), files: of.files}, first: of.first}
	w.f = w.follower()
	w.door = registry.NewDoor(w.f, w.log)
	if err := w.f.Update(f.t.Context(), w.log); err != nil {
		f.t.Fatal(err)
	}
	return w
}

// TestF21LiarsBranchIsRefusedFromTheFileOn: before the new log is seen.
func TestF21LiarsBranchIsRefusedFromTheFileOn(t *testing.T) {
	f := newFork(t)
	size := f.left.f.Roster().Size()
	for name, on := range map[string]*registry.Follower{"on the right branch": f.left.f, "on the wrong branch": f.right.f, "at the beginning": f.follower()} {
		if err := on.Adopt(f.next); err != nil {
			t.Fatal(err)
		}
		before := on.Roster().Size()
		err := on.Update(t.Context(), f.right.log)
		var waits *registry.WaitingError
		if !errors.As(err, &waits) || on.Roster().Size() != before || on.State().Next == nil {
			t.Errorf("%s: Update = %v, size %d, want it to wait at %d", name, err, on.Roster().Size(), before)
		}
		for _, word := range []string{"version 2", "log-2", f.next.Terms.Registry.Origin, "another history", "no act is taken"} {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%s: the error does not say %q: %v", name, word, err)
			}
		}
		if _, err := on.Roster().LogKeys(on.Origin(), size+1); err == nil {
			t.Errorf("%s: the old keys vouch above size %d", name, size)
		}
	}
	// The old log's right branch leads back to the head, and no further.
	if err := f.right.f.Update(t.Context(), f.left.log); err != nil {
		t.Fatal(err)
	}
	if r := f.right.f.Roster(); r.Size() != size || r.Member("es-sevilla") == nil || r.Member("de-kiel") != nil || f.right.f.State().Next == nil {
		t.Errorf("size %d, want %d, and the history that goes on", r.Size(), size)
	}
	var waits *registry.WaitingError
	if err := f.right.f.Update(t.Context(), f.left.log); !errors.As(err, &waits) {
		t.Errorf("Update = %v, want it to wait for the new log", err)
	}
	door := registry.NewDoor(f.right.f, f.left.log)
	act, file := f.record(f.right.f)
	if _, err := door.Submit(t.Context(), act, [][]byte{file}); err == nil {
		t.Error("the old log takes the act that ends it")
	}
	if _, err := registry.NewDoor(f.left.f, f.left.log).Submit(t.Context(), act, [][]byte{file}); err == nil {
		t.Error("the old log takes the act that ends it, where its head is the one that goes on")
	}
}

// TestF21HeadOnNoBranch: a version that names a head which nobody shows leaves a follower where it stood, reading only.
func TestF21HeadOnNoBranch(t *testing.T) {
	f := newFork(t)
	lost := alliancetest.SignRoot(t, f.first, alliancetest.GoOnDraft(f.first, 2, proof.Hash{7}, f.second.owner), "root 1", "root 2", "root 3")
	on := f.left.f
	if err := on.Adopt(lost); err != nil {
		t.Fatal(err)
	}
	before := on.State()
	for name, src := range map[string]*log{"left": f.left.log, "right": f.right.log, "new": f.second} {
		var waits *registry.WaitingError
		if err := on.Update(t.Context(), src); !errors.As(err, &waits) || on.State() != before {
			t.Errorf("%s: Update = %v, want it to wait", name, err)
		}
	}
	if on.Roster().Member("es-sevilla") == nil {
		t.Error("what was known is gone")
	}
	if _, err := registry.NewDoor(on, f.left.log).Submit(t.Context(), f.left.admit("no-oslo"), nil); err == nil {
		t.Error("an act is taken")
	}
}

func TestAdoptTakesVersionsInOrder(t *testing.T) {
	f := newFork(t)
	second := alliancetest.SignRoot(t, f.first, alliancetest.NextDraft(f.first), "root 1", "root 2", "root 3")
	third := alliancetest.SignRoot(t, second, alliancetest.NextDraft(second), "root 1", "root 2", "root 3")
	few := alliancetest.SignRoot(t, second, alliancetest.NextDraft(second), "root 1", "root 2")
	for _, tc := range []struct {
		name string
		v    *root.Root
		want bool
	}{
		{"the first", f.first, true}, {"a gap", third, false}, {"the next", second, true}, {"the same again", second, true},
		{"signed by two", few, false}, {"another version 2", f.next, false}, {"the third", third, true}, {"an old one", second, true},
	} {
		if err := f.left.f.Adopt(tc.v); (err == nil) != tc.want {
			t.Errorf("%s: Adopt = %v, want it taken: %v", tc.name, err, tc.want)
		}
	}
	if f.left.f.State().Next != nil {
		t.Error("a version without continue_from stops the registry")
	}
}

// A log of another name moves nobody, unless a version of the root in it says so.
func TestF21StrangersLogMovesNobody(t *testing.T) {
	f := newFork(t)
	before := f.left.f.State()
	if err := f.left.f.Update(t.Context(), f.second); err == nil || f.left.f.State() != before {
		t.Errorf("Update = %v of a log that no version names", err)
	}
	f.open()
	f.second.signer = alliancetest.NewCity(t, "kr-busan")
	if err := f.left.f.Update(t.Context(), f.second); err == nil || f.left.f.State() != before {
		t.Errorf("Update = %v of the new log, signed by others", err)
	}
	if err := f.left.f.Adopt(f.next); err != nil {
		t.Fatal(err)
	}
	if err := f.left.f.Update(t.Context(), f.second); err == nil || f.left.f.State().Next == nil {
		t.Errorf("Update = %v of the new log, signed by others, with the file", err)
	}
}
