package registry_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// log is a registry's log in memory, signed by the secretariat's keys.
type log struct {
	t       *testing.T
	owner   *alliancetest.City
	entries [][]byte
	files   map[[sha256.Size]byte][]byte
	signer  *alliancetest.City // who signs the checkpoints; default: owner
	shown   uint64             // size of the checkpoint; 0: all
	note    []byte             // the checkpoint, whatever it says; nil: an honest one
}

func (l *log) size() uint64 {
	if l.shown > 0 {
		return l.shown
	}
	return uint64(len(l.entries))
}

func (l *log) Checkpoint(context.Context) ([]byte, error) {
	if l.note != nil {
		return l.note, nil
	}
	var r proof.Range
	for _, e := range l.entries[:l.size()] {
		r.Append(proof.LeafHash(e))
	}
	who := *l.owner
	if l.signer != nil {
		who = *l.signer
		who.Origin = l.owner.Origin
	}
	return who.Note(l.t, l.size(), r.Root(), alliancetest.FoundedAt), nil
}

func (l *log) Bundle(_ context.Context, index uint64, width int) ([][]byte, error) {
	first := int(index) * tile.FullWidth
	if first+width > len(l.entries) {
		return nil, errors.New("there is no such bundle")
	}
	return l.entries[first : first+width], nil
}

func (l *log) File(_ context.Context, sum [sha256.Size]byte) ([]byte, error) {
	if f, ok := l.files[sum]; ok {
		return f, nil
	}
	return nil, errors.New("no such file")
}

func (l *log) Append(_ context.Context, entry []byte, files [][]byte) (uint64, error) {
	l.entries = append(l.entries, entry)
	for _, f := range files {
		l.files[sha256.Sum256(f)] = f
	}
	return uint64(len(l.entries) - 1), nil
}

type world struct {
	*log
	first *root.Root
	door  *registry.Door
	f     *registry.Follower
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var founders []*alliancetest.City
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"} {
		founders = append(founders, alliancetest.NewCity(t, id))
	}
	w := &world{log: &log{t: t, owner: founders[0], files: map[[sha256.Size]byte][]byte{}}, first: alliancetest.Found(t, founders...)}
	w.f = w.follower()
	w.door = registry.NewDoor(w.f, w.log)
	return w
}

func (w *world) follower() *registry.Follower {
	w.t.Helper()
	f, err := registry.NewFollower(w.first)
	if err != nil {
		w.t.Fatal(err)
	}
	return f
}

func (w *world) admit(id string) []byte {
	w.t.Helper()
	req := alliancetest.NewCity(w.t, id).Join(w.t, w.owner.Origin)
	return alliancetest.Act(w.t, w.f.Roster(), &registryv1.Admit{Request: req.Envelope.Format()}, alliancetest.Named("act 1", "act 2")...)
}

// keepNote lets the log go on showing the head that it has now.
func (w *world) keepNote() {
	w.t.Helper()
	var err error
	if w.note, err = w.Checkpoint(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) submit(entry []byte, files ...[]byte) {
	w.t.Helper()
	if _, err := w.door.Submit(w.t.Context(), entry, files); err != nil {
		w.t.Fatal(err)
	}
}

func TestDoorTakesWhatHasEffectAndFollowersSeeIt(t *testing.T) {
	w := newWorld(t)
	early := w.follower()
	if err := early.Update(t.Context(), w.log); err != nil {
		t.Fatal(err)
	}
	before := early.Roster()
	w.submit(w.admit("fr-lyon"))
	rootFile, err := w.first.Format()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(rootFile)
	w.submit(alliancetest.Act(t, w.f.Roster(), &registryv1.RootVersion{File: sum[:]}, alliancetest.Named("act 1", "act 3")...), rootFile)
	late := w.follower()
	for _, f := range []*registry.Follower{early, late} {
		if err := f.Update(t.Context(), w.log); err != nil {
			t.Fatal(err)
		}
		if r := f.Roster(); r.Size() != 2 || r.Member("fr-lyon") == nil || len(f.State().Alarms) != 0 {
			t.Errorf("after %d entries: fr-lyon is %v, alarms %v", r.Size(), r.Member("fr-lyon"), f.State().Alarms)
		}
	}
	if before.Member("fr-lyon") != nil || before.Size() != 0 {
		t.Error("a roster that was handed out has changed")
	}
}

func TestDoorRefusesWhatWouldBeVoid(t *testing.T) {
	w := newWorld(t)
	lyon := w.admit("fr-lyon")
	w.submit(lyon)
	one := alliancetest.Act(t, w.f.Roster(), &registryv1.Reinstate{Member: proto.String("nl-kanaalstad")}, alliancetest.Named("act 1", "act 2")...)
	alone := alliancetest.NewCity(t, "es-sevilla").Join(t, w.owner.Origin).Envelope.Format()
	missing := sha256.Sum256([]byte("pins that nobody has"))
	for name, entry := range map[string][]byte{
		"the same again":        lyon,
		"nobody is suspended":   one,
		"one signature of two":  alliancetest.Act(t, w.f.Roster(), &registryv1.Admit{Request: alone}, alliancetest.Named("act 1")...),
		"a stranger's":          alliancetest.Act(t, w.f.Roster(), &registryv1.Admit{Request: alone}, alliancetest.Named("somebody", "else")...),
		"a file is not with it": alliancetest.Act(t, w.f.Roster(), &registryv1.RootVersion{File: missing[:]}, alliancetest.Named("act 1", "act 2")...),
		"no act":                []byte("{}"),
		"an anchor of nothing":  w.owner.Note(t, 1, proof.LeafHash(nil), alliancetest.FoundedAt),
	} {
		_, err := w.door.Submit(t.Context(), entry, nil)
		var refused *registry.RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("%s: Submit = %v, want it refused", name, err)
		}
	}
	if len(w.entries) != 1 {
		t.Errorf("the registry has %d entries, want the one that had effect", len(w.entries))
	}
}

// What the registry's keys did not sign, or what is not what they signed, moves no follower.
func TestFollowerBelievesOnlyTheRegistrysKeys(t *testing.T) {
	testenv.SkipInRace(t)
	for name, spoil := range map[string]func(w *world){
		"another log's keys":   func(w *world) { w.signer = alliancetest.NewCity(w.t, "nl-kanaalstad") },
		"an entry is another":  func(w *world) { w.keepNote(); w.entries[1] = []byte(`{"x":1}`) },
		"entries are cut off":  func(w *world) { w.keepNote(); w.entries = w.entries[:1] },
		"a file is withheld":   func(w *world) { clear(w.files) },
		"a checkpoint of 2^62": func(w *world) { w.note = w.owner.Note(w.t, 1<<62, proof.Hash{1}, alliancetest.FoundedAt) },
		"strangers, and large": func(w *world) {
			w.note = alliancetest.NewCity(w.t, "kr-busan").Note(w.t, 1<<40, proof.Hash{1}, alliancetest.FoundedAt)
		},
		"not a checkpoint": func(w *world) { w.note = []byte("nothing") },
		"of another log, fully": func(w *world) {
			w.note = alliancetest.NewCity(w.t, "kr-busan").Note(w.t, 0, proof.EmptyRoot(), alliancetest.FoundedAt)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.submit(w.admit("fr-lyon"))
			rootFile, _ := w.first.Format()
			sum := sha256.Sum256(rootFile)
			w.submit(alliancetest.Act(t, w.f.Roster(), &registryv1.RootVersion{File: sum[:]}, alliancetest.Named("act 1", "act 3")...), rootFile)
			f := w.follower()
			spoil(w)
			err := f.Update(t.Context(), w.log)
			var fork *registry.ForkError
			if err == nil || errors.As(err, &fork) {
				t.Errorf("Update = %v, want an error that accuses nobody", err)
			}
			if f.Roster().Size() != 0 || f.State().Note != nil {
				t.Errorf("the follower moved to size %d", f.Roster().Size())
			}
		})
	}
}

// T-14, E5: two roots of one size, both signed by the registry, are a fork; a root that nobody signed is a liar's.
func TestT14ForkOfTheRegistryIsTold(t *testing.T) {
	w := newWorld(t)
	w.submit(w.admit("fr-lyon"))
	other := newWorld(t)
	other.submit(other.admit("es-sevilla"))
	f := w.follower()
	if err := f.Update(t.Context(), w.log); err != nil {
		t.Fatal(err)
	}
	var fork *registry.ForkError
	if err := f.Update(t.Context(), other.log); !errors.As(err, &fork) || fork.Size != 1 || fork.Ours == fork.Theirs {
		t.Errorf("Update = %v, want the fork at size 1", err)
	}
	other.signer = alliancetest.NewCity(t, "nl-kanaalstad")
	if err := f.Update(t.Context(), other.log); err == nil || errors.As(err, &fork) {
		t.Errorf("Update = %v of a head that nobody signed, want an error that is no fork", err)
	}
	if f.Roster().Member("es-sevilla") != nil {
		t.Error("the follower took the other history")
	}
}

func TestVoidEntriesAreAlarmsAndNothingElse(t *testing.T) {
	w := newWorld(t)
	w.submit(w.admit("fr-lyon"))
	void := alliancetest.Act(t, w.f.Roster(), &registryv1.Admit{Request: alliancetest.NewCity(t, "es-sevilla").Join(t, w.owner.Origin).Envelope.Format()}, alliancetest.Named("act 1")...)
	w.entries = append(w.entries, void)
	w.submit(w.admit("es-sevilla"))
	f := w.follower()
	if err := f.Update(t.Context(), w.log); err != nil {
		t.Fatal(err)
	}
	want := []registry.Alarm{{Index: 1, What: "admit"}}
	got := slices.Clone(f.State().Alarms)
	if len(got) != 1 || !strings.Contains(got[0].Reason, roster.ErrNoSay.Error()) {
		t.Fatalf("alarms %v", got)
	}
	got[0].Reason = ""
	if fmt.Sprint(got) != fmt.Sprint(want) || f.Roster().Member("es-sevilla") == nil {
		t.Errorf("alarms %v, want %v; es-sevilla is %v", got, want, f.Roster().Member("es-sevilla"))
	}
}

// An older head of the same history changes nothing: a mirror that is behind is no liar.
func TestOlderHeadChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.submit(w.admit("fr-lyon"))
	w.submit(w.admit("es-sevilla"))
	w.shown = 1
	now := w.f.State()
	if err := w.f.Update(t.Context(), w.log); err != nil || w.f.State() != now {
		t.Errorf("Update = %v, the state moved: %v", err, w.f.State() != now)
	}
}
