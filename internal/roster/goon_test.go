package roster_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// rootVersion is the act that records a version made of a draft and signed by three holders.
func (w *world) rootVersion(d root.Draft) *registryv1.RootVersion {
	w.t.Helper()
	b, err := alliancetest.SignRoot(w.t, w.r.Root(), d, "root 1", "root 2", "root 3").Format()
	if err != nil {
		w.t.Fatal(err)
	}
	return &registryv1.RootVersion{File: w.file(b)}
}

// second is the registry's second log.
func (w *world) second() *alliancetest.City {
	return w.city("nl-secretariat").Renew(w.t, "secretariat.example/log-2", map[string]string{"log": "nl-secretariat log 2"})
}

// TestF21RegistryGoesOnInAnotherLog: the root ends the log whose keys signed two histories and names the next one, which goes
// on from the head.
func TestF21RegistryGoesOnInAnotherLog(t *testing.T) {
	w := founded(t)
	w.admit("es-sevilla")
	w.epoch(time.Hour, nil)
	before, size, head := w.r.Clone(), w.r.Size(), w.r.TreeRoot()
	second := w.second()
	w.do(w.rootVersion(alliancetest.GoOnDraft(w.r.Root(), size, head, second)), byAct...)

	owner := w.r.Member("nl-secretariat")
	if w.registry() != second.Origin || w.r.ByOrigin(second.Origin) != owner || owner.Log().Origin != second.Origin || owner.Origin() != second.Origin {
		t.Errorf("the registry is %s, the owner's log %s", w.registry(), owner.Log().Origin)
	}
	for _, tc := range []struct {
		origin string
		size   uint64
		want   bool
	}{{"secretariat.example/log", size, true}, {"secretariat.example/log", size + 1, false}, {second.Origin, size, true}, {second.Origin, size + 1, true}} {
		if _, err := w.r.LogKeys(tc.origin, tc.size); (err == nil) != tc.want {
			t.Errorf("keys of %s at size %d: %v, want %v", tc.origin, tc.size, err, tc.want)
		}
	}
	if w.r.Time() != before.Time() || w.r.Epoch().Number != before.Epoch().Number || !slices.Equal(w.r.Committee("kr-busan"), before.Committee("kr-busan")) {
		t.Error("time, epoch or committees are others than those of the history that goes on")
	}
	// The old keys move nothing any more, the new ones do.
	w.now = w.now.Add(time.Hour)
	note := func(c *alliancetest.City) []byte {
		return c.Note(t, w.r.Size(), w.r.TreeRoot(), w.now, w.all(w.r.Committee("nl-secretariat"))...)
	}
	if out := w.apply(note(w.city("nl-secretariat"))); out.Kind != roster.Void {
		t.Errorf("an anchor by the old keys = %v", out.Kind)
	}
	if out := w.apply(note(second)); out.Kind != roster.Anchor || w.r.Time() != w.now.Unix() {
		t.Errorf("an anchor by the new keys = %v %v", out.Kind, out.Reason)
	}
	w.void("a request for the old registry", &registryv1.Admit{Request: w.city("de-kiel").Join(t, "secretariat.example/log").Envelope.Format()}, byAct...)
	w.admit("de-kiel")
	w.do(w.epochAct(nil), byAct...)
}

// TestF21VoidWaysOn: a version counts for one history alone, at its head, with a log and keys that nobody had.
func TestF21VoidWaysOn(t *testing.T) {
	w := founded(t)
	w.admit("es-sevilla")
	size, head := w.r.Size(), w.r.TreeRoot()
	second := w.second()
	keysOf := func(name string) *alliancetest.City {
		return w.city("nl-secretariat").Renew(t, "secretariat.example/log-2", map[string]string{"log": name})
	}
	good := alliancetest.GoOnDraft(w.r.Root(), size, head, second)
	for name, d := range map[string]root.Draft{
		"the head of another history":    alliancetest.GoOnDraft(w.r.Root(), size, logproof.Hash{1}, second),
		"a size that is not reached":     alliancetest.GoOnDraft(w.r.Root(), size+9, head, second),
		"the old origin":                 alliancetest.GoOnDraft(w.r.Root(), size, head, keysOf("nl-secretariat log 2").Renew(t, "secretariat.example/log", nil)),
		"the old keys":                   alliancetest.GoOnDraft(w.r.Root(), size, head, keysOf("nl-secretariat log")),
		"another member's keys":          alliancetest.GoOnDraft(w.r.Root(), size, head, keysOf("kr-busan log")),
		"an officer's key":               alliancetest.GoOnDraft(w.r.Root(), size, head, keysOf("kr-busan officer-1")),
		"another host, so other witness": alliancetest.GoOnDraft(w.r.Root(), size, head, second.Renew(t, "elsewhere.example/log", nil)),
	} {
		clone := *w
		clone.r = w.r.Clone()
		clone.void(name, clone.rootVersion(d), byRoot...)
	}
	moved := alliancetest.NextDraft(w.r.Root())
	moved.Terms.Registry.Origin, moved.Terms.Registry.VKeys = second.Origin, second.Entry.GetLogVkeys()
	w.void("another origin without continue_from", w.rootVersion(moved), byRoot...)
	// That attempt stands in the registry now: the head is no longer the one that goes on.
	w.void("after another entry", w.rootVersion(good), byRoot...)
	w.do(w.rootVersion(alliancetest.GoOnDraft(w.r.Root(), w.r.Size(), w.r.TreeRoot(), second)), byRoot...)
	w.void("back to the first log", w.rootVersion(alliancetest.GoOnDraft(w.r.Root(), w.r.Size(), w.r.TreeRoot(), second.Renew(t, "secretariat.example/log", map[string]string{"log": "x"}))), byRoot...)
}

// TestF21VersionsBetween: a version that only the other branch held is recorded first.
func TestF21VersionsBetween(t *testing.T) {
	w := founded(t)
	w.admit("es-sevilla")
	size, head := w.r.Size(), w.r.TreeRoot()
	w.do(w.rootVersion(alliancetest.NextDraft(w.r.Root())), byAct...)
	w.do(w.rootVersion(alliancetest.GoOnDraft(w.r.Root(), size, head, w.second())), byAct...)
	if w.r.Root().Version != 3 || w.registry() != "secretariat.example/log-2" {
		t.Errorf("version %d, registry %s", w.r.Root().Version, w.registry())
	}
}

// TestF21EndRegistry: who knows the version and has not replayed the history takes no larger head of the old log.
func TestF21EndRegistry(t *testing.T) {
	w := founded(t)
	w.admit("es-sevilla")
	next := alliancetest.SignRoot(t, w.r.Root(), alliancetest.GoOnDraft(w.r.Root(), 1, w.r.TreeRoot(), w.second()), "root 1", "root 2", "root 3")
	w.admit("de-kiel")
	ended, err := w.r.EndRegistry(next)
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[uint64]bool{1: true, 2: false} {
		if _, err := ended.LogKeys(w.registry(), size); (err == nil) != want {
			t.Errorf("keys at size %d: %v, want %v", size, err, want)
		}
		if _, err := w.r.LogKeys(w.registry(), size); err != nil {
			t.Errorf("the roster that was copied: keys at size %d: %v", size, err)
		}
	}
	if _, err := w.r.EndRegistry(w.r.Root()); err == nil {
		t.Error("version 1 ends a log")
	}
}

// TestT31RegistryIsNotFrozenOrMoved: no act could follow, and no anchor.
func TestT31RegistryIsNotFrozenOrMoved(t *testing.T) {
	w := founded(t)
	id, origin := "nl-secretariat", "secretariat.example/log"
	w.void("frozen", &registryv1.FreezeLog{Member: &id, FinalNote: w.finalNote(id, 5)}, byRoot...)
	second := w.second()
	req := second.Change(t, w.registry(), w.r.Member(id).Member, func(m *registryv1.Member) {
		m.Origin, m.LogVkeys = &second.Origin, second.Entry.GetLogVkeys()
	}, second.Note(t, 0, logproof.EmptyRoot(), w.now), append(second.Keys("recovery"), second.Keys("log")...)...)
	empty := logproof.EmptyRoot()
	w.void("moved", &registryv1.MoveLog{OldOrigin: &origin, Size: proto.Uint64(0), Root: empty[:], Request: req.Envelope.Format()}, byRoot...)
	w.void("left", &registryv1.Leave{Member: &id}, byRoot...)
	w.anchor(time.Hour)
}

// TestT31ReplacedWitnessKeyIsRevoked: a key that was replaced goes on to count until the next EPOCH, so if it was stolen it must
// still be possible to end it.
func TestT31ReplacedWitnessKeyIsRevoked(t *testing.T) {
	w := founded(t)
	busan := w.city("kr-busan")
	next := busan.Renew(t, "", map[string]string{"witness": "busan's second witness"})
	req := busan.Change(t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
		m.WitnessVkey = next.Entry.WitnessVkey
	}, nil, append(busan.Keys("recovery"), next.Keys("witness")...)...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, byRoot...)
	m := w.r.Member("fr-lyon")
	note := w.city("fr-lyon").Note(t, 9, rootOf("fr-lyon", 9), w.now, w.all([]string{"kr-busan", "jp-tsukuba", "nl-secretariat"})...)
	if _, err := w.r.Witnessed(m, note); err != nil {
		t.Fatalf("a head by three, one of them with the key that it had at the founding: %v", err)
	}
	revoke := &registryv1.RevokeKey{Member: &busan.ID, Key: alliancetest.Public("kr-busan witness"), FromTime: proto.Uint64(uint64(w.now.Unix()))}
	w.do(revoke, byAct...)
	w.void("again", revoke, byAct...)
	if _, err := w.r.Witnessed(m, note); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("after its end: %v, want ErrNotFinal", err)
	}
}
