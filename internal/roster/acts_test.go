package roster_test

import (
	"crypto"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

const day = 24 * time.Hour

func TestFoundersWitnessEachOther(t *testing.T) {
	w := founded(t)
	for _, m := range w.r.Members() {
		seats := w.r.Committee(m.ID())
		if len(seats) != 4 {
			t.Errorf("the committee of %s is %v, want the four others", m.ID(), seats)
		}
		for _, s := range seats {
			if s == m.ID() {
				t.Errorf("%s witnesses its own log", s)
			}
		}
	}
}

func TestMemberJoinsAndLeaves(t *testing.T) {
	w := founded(t)
	w.admit("de-bremen")
	m := w.r.Member("de-bremen")
	if m == nil || w.r.ByOrigin("bremen.example/log") != m || w.r.Status(m) != roster.Active {
		t.Fatal("the member is not there")
	}
	if len(w.r.Committee("de-bremen")) != 0 {
		t.Error("a log has a committee before an EPOCH drew it")
	}
	w.epoch(time.Hour, nil)
	if got := w.r.Committee("de-bremen"); len(got) != 5 {
		t.Errorf("the committee of the newcomer's log is %v, want the five founders", got)
	}
	w.void("without a signature of its own", &registryv1.Leave{Member: proto.String("de-bremen")}, byAct...)
	w.do(&registryv1.Leave{Member: proto.String("de-bremen")}, w.city("de-bremen").Keys("officer-2")...)
	if w.r.Status(m) != roster.Left {
		t.Error("the member did not leave")
	}
	w.void("again", &registryv1.Admit{Request: w.city("de-bremen").Join(t, w.registry()).Envelope.Format()}, byAct...)
}

func TestT06NothingIsUsedTwice(t *testing.T) {
	for name, edit := range map[string]func(*registryv1.Member){
		"an id like another's": func(m *registryv1.Member) {
			m.Id, m.Operator = proto.String("nl-kanaa1stad"), proto.String("nl-kanaa1stad")
		},
		"a founder's node key":      func(m *registryv1.Member) { m.NodeKey = alliancetest.Public("kr-busan node") },
		"a founder's log key as a":  func(m *registryv1.Member) { m.TlsKey = alliancetest.Public("kr-busan log") },
		"a witness key as officer":  func(m *registryv1.Member) { m.Publishers[0].Key = alliancetest.Public("fr-lyon witness") },
		"an officer of two cities":  func(m *registryv1.Member) { m.Publishers[0].Key = alliancetest.Public("fr-lyon officer-1") },
		"a root key":                func(m *registryv1.Member) { m.RecoveryKey = alliancetest.Public("root 5") },
		"an act key":                func(m *registryv1.Member) { m.Publishers[0].Key = alliancetest.Public("act 1") },
		"an origin of another city": nil,
	} {
		w := founded(t)
		c := alliancetest.NewCity(t, "nl-deventer")
		signers := c.AllKeys()
		if edit == nil {
			c = alliancetest.NewCity(t, "be-kanaalstad") // kanaalstad.example/log as well
			signers = c.AllKeys()
		} else {
			edit(c.Entry)
		}
		// All keys sign that are there, so that possession is not what is refused.
		for _, n := range []string{"kr-busan node", "kr-busan log", "fr-lyon witness", "fr-lyon officer-1", "root 5", "act 1"} {
			for _, k := range mustMember(t, c.Entry).Keys() {
				if string(k.Raw) == string(alliancetest.Public(n)) {
					signers = append(without(signers, mustMember(t, c.Entry)), alliancetest.Key(n))
				}
			}
		}
		req := c.Join(t, w.registry(), signers...)
		if err := req.VerifyJoining(); err != nil {
			t.Fatalf("%s: the request itself: %v", name, err)
		}
		w.void(name, &registryv1.Admit{Request: req.Envelope.Format()}, byAct...)
	}
}

func mustMember(t *testing.T, e *registryv1.Member) *act.Member {
	t.Helper()
	m, err := act.NewMember(e)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// without drops signers whose key the entry has not.
func without(signers []crypto.Signer, m *act.Member) []crypto.Signer {
	has := map[declaration.KeyID]bool{}
	for _, k := range m.Keys() {
		has[declaration.KeyIDOf(k.Raw)] = true
	}
	var out []crypto.Signer
	for _, s := range signers {
		if pub, ok := s.Public().(interface{ Equal(crypto.PublicKey) bool }); ok {
			for _, k := range m.Keys() {
				if pub.Equal(publicKey(k.Raw)) {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

// TestT10OldActsAreReplayed: every act, at each later position, by whoever has its bytes.
func TestT10OldActsAreReplayed(t *testing.T) {
	w := founded(t)
	w.admit("de-bremen")
	w.do(&registryv1.RuleSet{Number: proto.Uint32(1), Bundle: make([]byte, 32)}, byAct...)
	w.epoch(time.Hour, nil)
	w.do(&registryv1.Suspend{Member: proto.String("fr-lyon")}, byRoot...)
	w.do(&registryv1.Reinstate{Member: proto.String("fr-lyon")}, byRoot...)
	before := len(w.entries)
	for i := range before {
		if out := w.apply(w.entries[i]); out.Kind == roster.Effective || out.Kind == roster.Anchor {
			t.Errorf("entry %d has effect again: %v", i, out)
		}
	}
}

func TestT09ActsOfAnotherAlliance(t *testing.T) {
	a, b := founded(t), found(t, "nl-secretariat", "nl-kanaalstad", "jp-tsukuba")
	entry := b.make(&registryv1.RuleSet{Number: proto.Uint32(1), Bundle: make([]byte, 32)}, byAct...)
	if out := a.apply(entry); out.Kind != roster.Void {
		t.Errorf("an act of another alliance with the same keys is %v", out.Kind)
	}
	a.void("a request for another registry", &registryv1.Admit{Request: a.city("de-bremen").Join(t, "other.example/log").Envelope.Format()}, byAct...)
}

func TestWhoHasASay(t *testing.T) {
	w := founded(t)
	rules := &registryv1.RuleSet{Number: proto.Uint32(1), Bundle: make([]byte, 32)}
	w.void("one act key", rules, alliancetest.Named("act 1")...)
	w.void("one act key and a root key", rules, alliancetest.Named("act 1", "root 1")...)
	w.void("two root keys", rules, alliancetest.Named("root 1", "root 2")...)
	w.void("a stranger", rules, alliancetest.Named("act 1", "act 2", "stranger")...)
	w.void("a publisher", rules, w.city("kr-busan").Keys("officer-1")...)
	w.void("suspension by act keys without evidence", &registryv1.Suspend{Member: proto.String("kr-busan")}, byAct...)
	w.void("a move by act keys", &registryv1.MoveLog{OldOrigin: proto.String("busan.example/log"), Size: proto.Uint64(0), Root: make([]byte, 32), Request: []byte("{}")}, byAct...)
	w.do(rules, byRoot...)
}

// TestT31FalseEndings: a key, a log or a seat ends only at a head that its witnesses made final, and not below a pin.
func TestT31FalseEndings(t *testing.T) {
	w := founded(t)
	w.epoch(time.Hour, map[string]roster.Pin{"busan.example/log": {Size: 50, Root: rootOf("kr-busan", 50)}})
	busan := proto.String("kr-busan")
	few := w.city("kr-busan").Note(t, 60, rootOf("kr-busan", 60), w.now, w.all(w.r.Committee("kr-busan")[:2])...)
	w.void("frozen at a head with two witnesses", &registryv1.FreezeLog{Member: busan, FinalNote: few}, byAct...)
	w.void("frozen below the pin", &registryv1.FreezeLog{Member: busan, FinalNote: w.finalNote("kr-busan", 49)}, byAct...)
	w.void("frozen at another's head", &registryv1.FreezeLog{Member: busan, FinalNote: w.finalNote("fr-lyon", 60)}, byAct...)
	officer := alliancetest.Public("kr-busan officer-1")
	w.void("an officer's key, backdated", &registryv1.RevokeKey{Member: busan, Key: officer, FinalNote: w.finalNote("kr-busan", 49)}, byAct...)
	w.void("an officer's key, by itself", &registryv1.RevokeKey{Member: busan, Key: officer, FinalNote: w.finalNote("kr-busan", 60)}, w.city("kr-busan").Keys("officer-1")...)
	w.void("an officer's key, by another city's", &registryv1.RevokeKey{Member: busan, Key: officer, FinalNote: w.finalNote("kr-busan", 60)}, w.city("fr-lyon").Keys("officer-2")...)
	witness := alliancetest.Public("kr-busan witness")
	w.void("a witness key, backdated", &registryv1.RevokeKey{Member: busan, Key: witness, FromTime: proto.Uint64(uint64(alliancetest.FoundedAt.Unix()))}, byAct...)
	w.void("a log key", &registryv1.RevokeKey{Member: busan, Key: alliancetest.Public("kr-busan log")}, byAct...)

	w.do(&registryv1.RevokeKey{Member: busan, Key: officer, FinalNote: w.finalNote("kr-busan", 60)}, w.city("kr-busan").Keys("officer-2")...)
	m := w.r.Member("kr-busan")
	for index, want := range map[uint64]bool{0: true, 59: true, 60: false, 61: false} { // T-13
		if got := m.MayPublish(officer, index); got != want {
			t.Errorf("a key revoked at size 60 may sign leaf %d: %v, want %v", index, got, want)
		}
	}
	w.do(&registryv1.FreezeLog{Member: busan, FinalNote: w.finalNote("kr-busan", 60)}, byAct...)
	if _, err := w.r.Witnessed(m, w.finalNote("kr-busan", 61)); err == nil {
		t.Error("a head above the end of a frozen log is final")
	}
	if _, err := w.r.Witnessed(m, w.finalNote("kr-busan", 60)); err != nil {
		t.Errorf("the last head of a frozen log: %v", err)
	}
}

// A node asks no witness whose key was revoked: its cosignature would fill the quorum and count for nobody.
func TestRevokedWitnessCosignsUntilThen(t *testing.T) {
	w := founded(t)
	key, from := alliancetest.Public("kr-busan witness"), w.r.Time()+60
	w.do(&registryv1.RevokeKey{Member: proto.String("kr-busan"), Key: key, FromTime: proto.Uint64(uint64(from))}, byAct...)
	m := w.r.Member("kr-busan")
	for at, want := range map[int64]bool{0: true, from - 1: true, from: false, from + 1: false} {
		if got := m.Cosigns(key, at); got != want {
			t.Errorf("the key revoked from %d on cosigns at %d: %v, want %v", from, at, got, want)
		}
	}
	if !m.Cosigns(alliancetest.Public("kr-busan mirror"), from) {
		t.Error("its mirror key was not revoked")
	}
}

func (w *world) rotation(id string) *registryv1.RotateKey {
	c := w.city(id)
	req := c.Change(w.t, w.registry(), w.r.Member(id).Member, func(m *registryv1.Member) {
		m.NodeKey = alliancetest.Public(id + " node 2")
	}, nil, c.Keys("recovery", "node 2")...)
	return &registryv1.RotateKey{Request: req.Envelope.Format()}
}

func TestRotationTakesSevenDays(t *testing.T) {
	w := founded(t)
	w.do(w.rotation("kr-busan"), byAct...)
	node := func() string { return string(w.r.Member("kr-busan").Entry.GetNodeKey()) }
	w.anchor(7*day - time.Second)
	if node() != string(alliancetest.Public("kr-busan node")) {
		t.Error("the rotation took effect before seven days")
	}
	w.anchor(time.Second)
	if node() != string(alliancetest.Public("kr-busan node 2")) {
		t.Error("the rotation did not take effect after seven days")
	}
}

// TestT31ThiefsRotation: whoever stole the recovery key is stopped by any key of the member, and the root can still rotate.
func TestT31ThiefsRotation(t *testing.T) {
	w := founded(t)
	w.do(w.rotation("kr-busan"), byAct...)
	previous := w.r.Previous()
	contest := &registryv1.Contest{Rotation: previous[:]}
	w.void("contested by another city", contest, w.city("fr-lyon").Keys("officer-1")...)
	w.void("contested by act keys", contest, byAct...)
	w.do(contest, w.city("kr-busan").Keys("tls")...)
	w.anchor(8 * day)
	if string(w.r.Member("kr-busan").Entry.GetNodeKey()) != string(alliancetest.Public("kr-busan node")) {
		t.Error("a contested rotation took effect")
	}
	w.void("contested again", contest, w.city("kr-busan").Keys("tls")...)
	again := w.city("kr-busan").Change(t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
		m.NodeKey = alliancetest.Public("kr-busan node 3")
	}, nil, w.city("kr-busan").Keys("recovery", "node 3")...)
	w.do(&registryv1.RotateKey{Request: again.Envelope.Format()}, byRoot...)
	if string(w.r.Member("kr-busan").Entry.GetNodeKey()) != string(alliancetest.Public("kr-busan node 3")) {
		t.Error("a rotation by the root did not take effect at once")
	}
}

// TestT31RootDoesWhatWasContested: the very keys that act keys asked for, pending or contested, while nobody else may have them.
func TestT31RootDoesWhatWasContested(t *testing.T) {
	for _, contested := range []bool{false, true} {
		w := founded(t)
		w.do(w.rotation("kr-busan"), byAct...)
		previous := w.r.Previous()
		if contested {
			w.do(&registryv1.Contest{Rotation: previous[:]}, w.city("kr-busan").Keys("tls")...)
		}
		thief := w.city("fr-lyon").Change(t, w.registry(), w.r.Member("fr-lyon").Member, func(m *registryv1.Member) {
			m.NodeKey = alliancetest.Public("kr-busan node 2")
		}, nil, append(w.city("fr-lyon").Keys("recovery"), w.city("kr-busan").Keys("node 2")...)...)
		w.void("the new key as another's", &registryv1.RotateKey{Request: thief.Envelope.Format()}, byRoot...)
		other := w.city("kr-busan").Change(t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
			m.TlsKey = alliancetest.Public("kr-busan node 2")
		}, nil, w.city("kr-busan").Keys("recovery", "node 2")...)
		w.void("the new key in another role", &registryv1.RotateKey{Request: other.Envelope.Format()}, byRoot...)
		w.do(w.rotation("kr-busan"), byRoot...)
		if string(w.r.Member("kr-busan").Entry.GetNodeKey()) != string(alliancetest.Public("kr-busan node 2")) {
			t.Error("a rotation by the root did not take effect at once")
		}
		back := w.city("kr-busan").Change(t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
			m.NodeKey = alliancetest.Public("kr-busan node")
		}, nil, w.city("kr-busan").Keys("recovery", "node")...)
		w.void("back to a key that was in force", &registryv1.RotateKey{Request: back.Envelope.Format()}, byRoot...)
	}
}

// logRotation is a city's request for another Ed25519 key of its log, and that key.
func (w *world) logRotation(id string) ([]byte, checkpoint.VKey) {
	t, c := w.t, w.city(id)
	t.Helper()
	v, err := checkpoint.NewVKey(c.Origin, checkpoint.TypeEd25519, alliancetest.Public(id+" log 2"))
	if err != nil {
		t.Fatal(err)
	}
	// The note shows possession of the new Ed25519 key and of the ML-DSA-44 key that stays.
	s, err := checkpoint.NewSigner(c.Origin, checkpoint.TypeEd25519, alliancetest.Key(id+" log 2"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := checkpoint.ParseNote(c.Note(t, 0, logproof.EmptyRoot(), w.now))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(old.Text, w.now)
	if err != nil {
		t.Fatal(err)
	}
	note, err := checkpoint.FormatNote(&checkpoint.Note{Text: old.Text, Sigs: []checkpoint.Signature{sig, old.Sigs[1]}})
	if err != nil {
		t.Fatal(err)
	}
	req := c.Change(t, w.registry(), w.r.Member(id).Member, func(m *registryv1.Member) {
		m.LogVkeys[0] = checkpoint.FormatVKey(v)
	}, note, c.Keys("recovery", "log 2")...)
	return req.Envelope.Format(), v
}

// wantOldKey says whether a head of Busan's log by its first keys is good.
func (w *world) wantOldKey(size uint64, want bool, when string) {
	w.t.Helper()
	if _, err := w.r.Witnessed(w.r.Member("kr-busan"), w.finalNote("kr-busan", size)); (err == nil) != want {
		w.t.Errorf("the old key at size %d %s: %v", size, when, err)
	}
}

// Log keys that a rotation by act keys brings turn at the pin of the first EPOCH after it took effect: what the old ones signed
// while it could be contested stays theirs.
func TestLogKeysTurnAtAnEpochsPin(t *testing.T) {
	w := founded(t)
	req, v := w.logRotation("kr-busan")
	w.void("without a final note", &registryv1.RotateKey{Request: req}, byAct...)
	own, _ := w.logRotation("nl-secretariat")
	w.void("of the registry, which no EPOCH pins", &registryv1.RotateKey{Request: own, FinalNote: w.finalNote("nl-secretariat", 40)}, byAct...)
	w.do(&registryv1.RotateKey{Request: req, FinalNote: w.finalNote("kr-busan", 40)}, byAct...)
	w.wantOldKey(41, true, "before the rotation takes effect")
	w.anchor(7 * day)
	w.wantOldKey(60, true, "until an EPOCH pins the log")
	w.epoch(time.Hour, nil)
	w.wantOldKey(60, true, "after an EPOCH that does not pin it")
	w.epoch(2*time.Hour, map[string]roster.Pin{"busan.example/log": {Size: 60, Root: rootOf("kr-busan", 60)}})
	w.wantOldKey(60, true, "at the pin")
	w.wantOldKey(61, false, "above the pin (T-13)")
	origin := w.city("kr-busan").Origin
	if keys, err := w.r.NewestLogKeys(origin); err != nil || !keys[0].Key().Equal(v) {
		t.Errorf("the log's newest keys are %v, %v", keys, err)
	}
	if line, err := roster.ParseStanding(w.r.Epoch().Lines().Standing("kr-busan").GetText()); err != nil || len(line.Logs[0].Keys) != 2 {
		t.Errorf("the epoch's line does not say that the keys turned: %+v, %v", line, err)
	}
}

// By the root keys, as after a theft, they turn at a final head at once.
func TestLogKeysTurnAtAFinalHeadByTheRoot(t *testing.T) {
	w := founded(t)
	req, _ := w.logRotation("kr-busan")
	w.do(&registryv1.RotateKey{Request: req, FinalNote: w.finalNote("kr-busan", 40)}, byRoot...)
	w.wantOldKey(40, true, "up to the final head")
	w.wantOldKey(41, false, "above it (T-13)")
}

func TestSuspensionTakesTheVoiceAndLapses(t *testing.T) {
	w := founded(t)
	w.do(&registryv1.Suspend{Member: proto.String("fr-lyon")}, byRoot...)
	m := w.r.Member("nl-kanaalstad")
	note := w.city("nl-kanaalstad").Note(t, 9, rootOf("nl-kanaalstad", 9), w.now, w.all([]string{"fr-lyon", "jp-tsukuba", "nl-secretariat"})...)
	if _, err := w.r.Witnessed(m, note); !errors.Is(err, roster.ErrNotFinal) {
		t.Errorf("a head with a suspended witness among three = %v, want ErrNotFinal", err)
	}
	w.anchor(91 * day)
	if w.r.Status(w.r.Member("fr-lyon")) != roster.Active {
		t.Error("a suspension lasts longer than 90 days")
	}
	if _, err := w.r.Witnessed(m, note); err != nil {
		t.Errorf("the same head after it lapsed: %v", err)
	}
}

// TestT14SuspendedForAFork: act keys suspend with evidence, for what the member's own keys signed.
func TestT14SuspendedForAFork(t *testing.T) {
	w := founded(t)
	busan, lyon := w.city("kr-busan"), w.city("fr-lyon")
	fork := func(c *alliancetest.City, size uint64) []byte {
		v, err := checkpoint.NewVerifier(mustMember(t, c.Entry).Log[0])
		if err != nil {
			t.Fatal(err)
		}
		a := evidence.Head{Note: c.Note(t, size, rootOf(c.ID, size), w.now), Key: v}
		b := evidence.Head{Note: c.Note(t, size, rootOf(c.ID, size+1), w.now), Key: v}
		e, err := evidence.NewE1(a, b)
		if err != nil {
			t.Fatal(err)
		}
		return e.Format()
	}
	suspend := func(b []byte) *registryv1.Suspend {
		return &registryv1.Suspend{Member: &busan.ID, Evidence: b}
	}
	w.void("for another's fork", suspend(fork(lyon, 20)), byAct...)
	w.void("for nothing that is evidence", suspend([]byte("he did it")), byAct...)
	w.void("with evidence, by nobody", suspend(fork(busan, 20)), byAct[:1]...)
	w.do(suspend(fork(busan, 20)), byAct...)
	if w.r.Status(w.r.Member("kr-busan")) != roster.Suspended {
		t.Error("the member is not suspended")
	}
	w.do(&registryv1.Reinstate{Member: &busan.ID}, byAct...)

	// T-26: once the log is frozen at a final head, what a thief signs above it accuses the key alone.
	w.do(&registryv1.FreezeLog{Member: &busan.ID, FinalNote: w.finalNote("kr-busan", 30)}, byAct...)
	w.void("for what a thief signed above the end", suspend(fork(busan, 40)), byAct...)
	w.do(suspend(fork(busan, 25)), byAct...)
}

// TestT35SuspendedForAWitnessThatWentBack: with the key that it had then, which it has rotated since.
func TestT35SuspendedForAWitnessThatWentBack(t *testing.T) {
	w := founded(t)
	busan, lyon := w.city("kr-busan"), w.city("fr-lyon")
	key, err := checkpoint.NewVerifier(w.r.Member("kr-busan").Witness)
	if err != nil {
		t.Fatal(err)
	}
	head := func(size uint64, at time.Time) evidence.Head {
		return evidence.Head{Note: lyon.Note(t, size, rootOf("fr-lyon", size), at, busan), Key: key}
	}
	e, err := evidence.NewE4(head(30, w.now), head(20, w.now.Add(time.Minute)), nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := checkpoint.NewVKey("busan.example/witness", checkpoint.TypeEd25519Cosignature, alliancetest.Public("kr-busan witness 2"))
	if err != nil {
		t.Fatal(err)
	}
	req := busan.Change(t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
		m.WitnessVkey = proto.String(checkpoint.FormatVKey(fresh))
	}, nil, busan.Keys("recovery", "witness 2")...)
	w.do(&registryv1.RotateKey{Request: req.Envelope.Format()}, byRoot...)
	w.do(&registryv1.Suspend{Member: &busan.ID, Evidence: e.Format()}, byAct...)
	if w.r.Status(w.r.Member("kr-busan")) != roster.Suspended {
		t.Error("the member is not suspended")
	}
}

// moveTo is a MOVE_LOG of busan's log at size 70, to one whose head is of a size.
func (w *world) moveTo(moved *alliancetest.City, size uint64, edit func(*registryv1.Member)) *registryv1.MoveLog {
	c := w.city("kr-busan")
	root, empty := rootOf("kr-busan", 70), logproof.EmptyRoot()
	if size > 0 {
		empty = rootOf("kr-busan2", size)
	}
	req := c.Change(w.t, w.registry(), w.r.Member("kr-busan").Member, func(m *registryv1.Member) {
		m.Origin = &moved.Origin
		m.LogVkeys, m.WitnessVkey, m.MirrorVkey = moved.Entry.LogVkeys, moved.Entry.WitnessVkey, moved.Entry.MirrorVkey
		edit(m)
	}, moved.Note(w.t, size, empty, w.now), append(c.Keys("recovery"), moved.Keys("log", "witness", "mirror")...)...)
	return &registryv1.MoveLog{OldOrigin: &c.Origin, Size: proto.Uint64(70), Root: root[:], Request: req.Envelope.Format()}
}

func TestMoveLogAfterLostKeys(t *testing.T) {
	w := founded(t)
	c := w.city("kr-busan")
	moved := alliancetest.NewCity(t, "kr-busan2") // brings new keys for the log
	first, second := alliancetest.Public("kr-busan officer-1"), alliancetest.Public("kr-busan officer-2")
	stays := func(m *registryv1.Member) { m.Publishers = m.Publishers[:1] }
	before := w.r.Clone()
	w.void("to a log that has entries already", w.moveTo(moved, 3, stays), byRoot...)
	w.do(w.moveTo(moved, 0, stays), byRoot...)

	m, end := w.r.Member("kr-busan"), roster.Pin{Size: 70, Root: rootOf("kr-busan", 70)}
	if len(m.Logs) != 2 || m.Log().Origin != moved.Origin || !m.Log().GoesOn || m.Logs[0].End == nil || *m.Logs[0].End != end || w.r.ByOrigin(c.Origin) != m {
		t.Fatalf("logs = %+v", m.Logs)
	}
	if b := m.Begin(); b == nil || b.Origin != moved.Origin || b.Size != end.Size || b.Root != end.Root {
		t.Errorf("the new log begins with %+v, want %+v", b, end)
	}
	if pin, _ := w.r.Epoch().Pin(moved.Origin); pin != end {
		t.Errorf("witnesses of the new log begin at %+v, want %+v", pin, end)
	}
	if _, ok := before.Epoch().Pin(moved.Origin); ok {
		t.Error("an act changed the epoch of a roster that was cloned before")
	}
	_ = append(m.Before(moved.Origin), &roster.Log{Origin: "somebody appends"})
	if m.Log().Origin != moved.Origin {
		t.Errorf("the log in use is now %q", m.Log().Origin)
	}
	if b := m.Before(moved.Origin); len(b) != 1 || b[0].Origin != c.Origin || len(m.Before(c.Origin)) != 0 {
		t.Errorf("before the new log were %v", b)
	}
	for _, tc := range []struct {
		key   []byte
		index uint64
		want  bool
	}{{first, 0, true}, {first, 69, true}, {first, 70, true}, {second, 69, true}, {second, 70, false}} {
		if m.MayPublish(tc.key, tc.index) != tc.want {
			t.Errorf("officer %x may publish at index %d: %v", tc.key[:4], tc.index, !tc.want)
		}
	}
	for size, want := range map[uint64]bool{69: false, 70: true, 71: true} {
		if _, err := w.r.LogKeys(moved.Origin, size); (err == nil) != want {
			t.Errorf("keys of the new log at size %d: %v", size, err)
		}
	}
	for size, want := range map[uint64]bool{70: true, 71: false} {
		if _, err := w.r.LogKeys(c.Origin, size); (err == nil) != want {
			t.Errorf("keys of the old log at size %d: %v", size, err)
		}
	}
	// The anchors that came along are still by the keys and committee of their time.
	seats := w.all(w.r.Committee("kr-busan"))
	if got, err := w.r.Heartbeat(m, nil, 50, c.Note(t, 50, rootOf("kr-busan", 50), w.now, seats...)); err != nil || got.Size != 50 {
		t.Errorf("an anchor from before the move: %+v, %v", got, err)
	}
	if _, err := w.r.Heartbeat(m, nil, 71, c.Note(t, 71, rootOf("kr-busan", 71), w.now, seats...)); err == nil {
		t.Error("an anchor of the old log above its end counts")
	}
	if got, err := w.r.Heartbeat(m, nil, 71, moved.Note(t, 71, rootOf("kr-busan", 71), w.now, seats...)); err != nil || got.Size != 71 {
		t.Errorf("an anchor of the new log: %+v, %v", got, err)
	}
}

// Where nobody has the entries any more, the new log begins anew, with the officers of its request alone.
func TestMoveLogAnew(t *testing.T) {
	w := founded(t)
	c := w.city("kr-busan")
	moved := alliancetest.NewCity(t, "kr-busan2")
	move := w.moveTo(moved, 0, func(*registryv1.Member) {})
	move.Anew = new(true)
	w.do(move, byRoot...)
	m := w.r.Member("kr-busan")
	if m.Log().GoesOn || m.Begin() != nil || len(m.Before(moved.Origin)) != 0 || m.Logs[0].End.Size != 70 {
		t.Errorf("logs = %+v", m.Logs)
	}
	if _, err := w.r.LogKeys(moved.Origin, 0); err != nil || !m.MayPublish(alliancetest.Public("kr-busan officer-1"), 0) {
		t.Errorf("the new log does not begin at 0: %v", err)
	}
	if _, err := w.r.Heartbeat(m, nil, 50, c.Note(t, 50, rootOf("kr-busan", 50), w.now, w.all(w.r.Committee("kr-busan"))...)); err == nil {
		t.Error("an anchor of the old log counts in one that holds none of its entries")
	}
}

// A log that was frozen ends there, and the new one goes on from nowhere else. The epochs after know where both stand.
func TestMoveLogThatWasFrozen(t *testing.T) {
	w := founded(t)
	c := w.city("kr-busan")
	moved := alliancetest.NewCity(t, "kr-busan2")
	w.do(&registryv1.FreezeLog{Member: &c.ID, FinalNote: w.finalNote("kr-busan", 60)}, byAct...)
	same := func(*registryv1.Member) {}
	w.void("from above its end", w.moveTo(moved, 0, same), byRoot...)
	move, root := w.moveTo(moved, 0, same), rootOf("kr-busan", 60)
	move.Size, move.Root = proto.Uint64(60), root[:]
	w.do(move, byRoot...)
	end := roster.Pin{Size: 60, Root: root}
	w.epoch(time.Hour, map[string]roster.Pin{moved.Origin: end})
	if pin, _ := w.r.Epoch().Pin(moved.Origin); pin != end {
		t.Errorf("after an EPOCH witnesses of the new log begin at %+v, want %+v", pin, end)
	}
}

// T-13: an officer who was retired does not come back with another log.
func TestT13MoveLogBringsNoRetiredOfficerBack(t *testing.T) {
	w := founded(t)
	c := w.city("kr-busan")
	w.do(&registryv1.RevokeKey{Member: &c.ID, Key: alliancetest.Public("kr-busan officer-2"), FinalNote: w.finalNote("kr-busan", 60)}, c.Keys("officer-1")...)
	moved := alliancetest.NewCity(t, "kr-busan2")
	w.void("with the officer who was retired", w.moveTo(moved, 0, func(*registryv1.Member) {}), byRoot...)
	w.do(w.moveTo(moved, 0, func(m *registryv1.Member) { m.Publishers = m.Publishers[:1] }), byRoot...)
	m, officer := w.r.Member("kr-busan"), alliancetest.Public("kr-busan officer-2")
	if m.MayPublish(officer, 60) || m.MayPublish(officer, 70) {
		t.Error("a retired officer publishes in the new log")
	}
	if !m.MayPublish(officer, 59) {
		t.Error("what the officer signed before counts no more")
	}
}

func TestRootRotationInTheRegistry(t *testing.T) {
	w := founded(t)
	first := w.r.Root()
	b, err := first.Format()
	if err != nil {
		t.Fatal(err)
	}
	w.do(&registryv1.RootVersion{File: w.file(b)}, byAct...)
	w.void("version 1 again", &registryv1.RootVersion{File: w.file(b)}, byAct...)
	d := alliancetest.Draft(t, w.all([]string{"nl-secretariat", "nl-kanaalstad", "jp-tsukuba", "kr-busan", "fr-lyon"})...)
	d.Version, d.Terms.Founders, d.Terms.Genesis = 2, nil, first.ID.String()
	d.Terms.ActKeys[0] = alliancetest.Public("act 4")
	sortKeys(d.Terms.ActKeys)
	next := func(signed ...string) *registryv1.RootVersion {
		b, err := alliancetest.SignRoot(t, first, d, signed...).Format()
		if err != nil {
			t.Fatal(err)
		}
		return &registryv1.RootVersion{File: w.file(b)}
	}
	w.void("signed by two", next("root 1", "root 2"), byAct...)
	w.do(next("root 1", "root 2", "root 5"), byAct...)
	if w.r.Root().Version != 2 {
		t.Errorf("root version %d, want 2", w.r.Root().Version)
	}
}
