package act_test

import (
	"bytes"
	"crypto"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

const registry = "secretariat.example/log"

func sample() *registryv1.Act {
	return &registryv1.Act{
		Alliance: bytes.Repeat([]byte{1}, 32), DeclaredAt: proto.String("2026-11-24T04:00:00Z"),
		Act: &registryv1.Act_Epoch{Epoch: &registryv1.Epoch{
			Number: proto.Uint32(1), NextDraw: proto.Uint64(1795500000), RosterRoot: bytes.Repeat([]byte{2}, 32), Pins: bytes.Repeat([]byte{3}, 32),
			Committee: []string{"jp-tsukuba", "kr-busan"},
		}},
	}
}

func TestActIsReadAsWritten(t *testing.T) {
	a, err := act.Sign(sample(), alliancetest.Key("act 1"))
	if err != nil {
		t.Fatal(err)
	}
	if a, err = a.Countersign(alliancetest.Key("act 2")); err != nil {
		t.Fatal(err)
	}
	again, err := act.Parse(a.Envelope.Format())
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(again.Message, sample()) || again.Kind() != "epoch" || len(again.Envelope.Signatures) != 2 {
		t.Errorf("Parse = %v of kind %s", again.Message, again.Kind())
	}
	if want := `"next_draw":"1795500000"`; !strings.Contains(string(again.Envelope.Payload), want) {
		t.Errorf("payload %s, want it to hold %s", again.Envelope.Payload, want)
	}
	if _, err := a.Countersign(alliancetest.Key("act 1")); err == nil {
		t.Error("one key signs twice")
	}
}

func TestActWithBadForm(t *testing.T) {
	for name, edit := range map[string]func(*registryv1.Act){
		"no alliance":         func(a *registryv1.Act) { a.Alliance = nil },
		"short previous":      func(a *registryv1.Act) { a.Previous = []byte{1} },
		"no time":             func(a *registryv1.Act) { a.DeclaredAt = nil },
		"time with fractions": func(a *registryv1.Act) { a.DeclaredAt = proto.String("2026-11-24T04:00:00.5Z") },
		"time elsewhere":      func(a *registryv1.Act) { a.DeclaredAt = proto.String("2026-11-24T04:00:00+01:00") },
		"long reason":         func(a *registryv1.Act) { a.Reason = proto.String(strings.Repeat("x", 2001)) },
		"nothing done":        func(a *registryv1.Act) { a.Act = nil },
		"no number":           func(a *registryv1.Act) { a.GetEpoch().Number = nil },
		"short root":          func(a *registryv1.Act) { a.GetEpoch().RosterRoot = make([]byte, 31) },
		"14 seats":            func(a *registryv1.Act) { a.GetEpoch().Committee = make([]string, 14) },
		"size over 2^63":      func(a *registryv1.Act) { a.GetEpoch().NextDraw = proto.Uint64(1 << 63) },
		"no member":           func(a *registryv1.Act) { a.Act = &registryv1.Act_Suspend{Suspend: &registryv1.Suspend{}} },
		"no request":          func(a *registryv1.Act) { a.Act = &registryv1.Act_Admit{Admit: &registryv1.Admit{}} },
		"no note": func(a *registryv1.Act) {
			a.Act = &registryv1.Act_FreezeLog{FreezeLog: &registryv1.FreezeLog{Member: proto.String("jp-tsukuba")}}
		},
	} {
		m := sample()
		edit(m)
		if _, err := act.Sign(m, alliancetest.Key("act 1")); err == nil {
			t.Errorf("%s: Sign makes it", name)
		}
	}
}

func TestOtherEnvelopes(t *testing.T) {
	envelope := func(typ string) []byte {
		e, err := declaration.Sign(typ, []byte("{}"), alliancetest.Key("act 1"))
		if err != nil {
			t.Fatal(err)
		}
		return e.Format()
	}
	var later *act.LaterVersionError
	if _, err := act.Parse(envelope("application/vnd.cityproof.act.v2+json")); !errors.As(err, &later) {
		t.Errorf("Parse of a later version = %v, want *LaterVersionError", err)
	}
	var other *act.NotActError
	if _, err := act.Parse(envelope(declaration.PayloadType)); !errors.As(err, &other) {
		t.Errorf("Parse of a statement = %v, want *NotActError", err)
	}
	if _, err := act.Parse(envelope(act.PayloadType)); err == nil || errors.As(err, &later) || errors.As(err, &other) {
		t.Errorf("Parse of an empty act = %v, want it malformed", err)
	}
	if _, err := act.ParseRequest(envelope(act.PayloadType)); err == nil {
		t.Error("an act is read as a request")
	}
}

func TestT06JoiningShowsPossessionOfEveryKey(t *testing.T) {
	c := alliancetest.NewCity(t, "jp-tsukuba")
	r, err := act.ParseRequest(c.Join(t, registry).Envelope.Format())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.VerifyJoining(); err != nil {
		t.Fatalf("VerifyJoining = %v", err)
	}
	all := c.AllKeys()
	for i := range all {
		rest := append(append([]crypto.Signer{}, all[:i]...), all[i+1:]...)
		if err := c.Join(t, registry, rest...).VerifyJoining(); !errors.Is(err, act.ErrNotSigned) {
			t.Errorf("VerifyJoining without key %d of %d = %v, want ErrNotSigned", i, len(all), err)
		}
	}
	if err := c.Join(t, registry, append(all, alliancetest.Key("nobody"))...).VerifyJoining(); !errors.Is(err, act.ErrNotSigned) {
		t.Errorf("VerifyJoining with a stranger's key = %v, want ErrNotSigned", err)
	}
	// The ML-DSA-44 key of another city can't sign an envelope; the checkpoint shows that it isn't the requester's.
	thief, victim := alliancetest.NewCity(t, "jp-tsukuba"), alliancetest.NewCity(t, "kr-busan")
	stolen, err := checkpoint.ParseVKey(victim.Entry.GetLogVkeys()[1])
	if err != nil {
		t.Fatal(err)
	}
	own, err := checkpoint.NewVKey(thief.Origin, checkpoint.TypeMLDSA44, stolen.Key)
	if err != nil {
		t.Fatal(err)
	}
	thief.Entry.LogVkeys[1] = checkpoint.FormatVKey(own)
	if err := thief.Join(t, registry).VerifyJoining(); !errors.Is(err, act.ErrNotSigned) {
		t.Errorf("VerifyJoining with another's ML-DSA-44 key = %v, want ErrNotSigned", err)
	}
}

// TestT06T07RoleMatrix gives each key of an entry in the place of each other, and keys that prove nothing.
func TestT06T07RoleMatrix(t *testing.T) {
	place := map[string]func(*registryv1.Member, []byte){
		"node":      func(m *registryv1.Member, k []byte) { m.NodeKey = k },
		"recovery":  func(m *registryv1.Member, k []byte) { m.RecoveryKey = k },
		"tls":       func(m *registryv1.Member, k []byte) { m.TlsKey = k },
		"publisher": func(m *registryv1.Member, k []byte) { m.Publishers[1].Key = k },
		"witness": func(m *registryv1.Member, k []byte) {
			if v, err := checkpoint.NewVKey("tsukuba.example/witness", checkpoint.TypeEd25519Cosignature, k); err == nil {
				m.WitnessVkey = proto.String(checkpoint.FormatVKey(v))
			}
		},
	}
	keys := map[string][]byte{}
	good, err := act.NewMember(alliancetest.NewCity(t, "jp-tsukuba").Entry)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range good.Keys() {
		if k.Ed25519() {
			keys[string(k.Role)] = k.Raw // of the publishers the last one
		}
	}
	for from, raw := range keys {
		for to, put := range place {
			c := alliancetest.NewCity(t, "jp-tsukuba")
			put(c.Entry, raw)
			if _, err := act.NewMember(c.Entry); (err == nil) != (from == to) {
				t.Errorf("the %s key as %s key: %v", from, to, err)
			}
		}
	}
	for to, put := range place {
		if to == "witness" {
			continue // NewVKey refuses it already
		}
		for _, raw := range [][]byte{nil, make([]byte, 31), make([]byte, 32), append([]byte{1}, make([]byte, 31)...)} {
			c := alliancetest.NewCity(t, "jp-tsukuba")
			put(c.Entry, raw)
			if _, err := act.NewMember(c.Entry); err == nil {
				t.Errorf("the key %x is taken as %s key", raw, to)
			}
		}
	}
}

func TestT04EntryWithBadForm(t *testing.T) {
	for name, edit := range map[string]func(*registryv1.Member){
		"id in capitals":       func(m *registryv1.Member) { m.Id = proto.String("JP-tsukuba") },
		"id with Cyrillic":     func(m *registryv1.Member) { m.Id = proto.String("jp-tsukubа") },
		"another country":      func(m *registryv1.Member) { m.Country = proto.String("KR") },
		"country in lower":     func(m *registryv1.Member) { m.Country = proto.String("jp") },
		"no operator":          func(m *registryv1.Member) { m.Operator = nil },
		"no kind":              func(m *registryv1.Member) { m.Kind = nil },
		"no name":              func(m *registryv1.Member) { m.Name = nil },
		"name with override":   func(m *registryv1.Member) { m.Name = proto.String("City \u202eabc") },
		"name with line break": func(m *registryv1.Member) { m.Name = proto.String("City\nof") },
		"empty region":         func(m *registryv1.Member) { m.Region = proto.String("") },
		"origin with scheme":   func(m *registryv1.Member) { m.Origin = proto.String("https://tsukuba.example/log") },
		"keys swapped":         func(m *registryv1.Member) { m.LogVkeys[0], m.LogVkeys[1] = m.LogVkeys[1], m.LogVkeys[0] },
		"one log key":          func(m *registryv1.Member) { m.LogVkeys = m.LogVkeys[:1] },
		"witness as mirror":    func(m *registryv1.Member) { m.MirrorVkey = m.WitnessVkey },
		"no publishers":        func(m *registryv1.Member) { m.Publishers = nil },
		"a label twice":        func(m *registryv1.Member) { m.Publishers[1].Label = m.Publishers[0].Label },
		"a person's name":      func(m *registryv1.Member) { m.Publishers[1].Label = proto.String("Jan Jansen") },
		"threshold 0":          func(m *registryv1.Member) { m.PublishThreshold = proto.Uint32(0) },
		"threshold 3 of 2":     func(m *registryv1.Member) { m.PublishThreshold = proto.Uint32(3) },
		"http in the open":     func(m *registryv1.Member) { m.Http = proto.String("http://tsukuba.example") },
		"http with a user":     func(m *registryv1.Member) { m.Http = proto.String("https://a:b@tsukuba.example") },
		"http with a slash":    func(m *registryv1.Member) { m.Http = proto.String("https://tsukuba.example/") },
		"a file":               func(m *registryv1.Member) { m.Http = proto.String("file:///etc/passwd") },
		"grpc without port":    func(m *registryv1.Member) { m.Grpc = proto.String("tsukuba.example") },
		"grpc with port 0":     func(m *registryv1.Member) { m.Grpc = proto.String("tsukuba.example:0") },
	} {
		c := alliancetest.NewCity(t, "jp-tsukuba")
		edit(c.Entry)
		if _, err := act.NewMember(c.Entry); err == nil {
			t.Errorf("%s: NewMember takes it", name)
		}
	}
	local := alliancetest.NewCity(t, "jp-tsukuba")
	local.Entry.Http = proto.String("http://127.0.0.1:8080")
	if _, err := act.NewMember(local.Entry); err != nil {
		t.Errorf("NewMember with a loopback address = %v", err)
	}
}

func TestT04Skeleton(t *testing.T) {
	for _, same := range [][2]string{
		{"nl-arnhem", "nl-amhem"}, {"jp-tsukuba1", "jp-tsukubal"}, {"kr-busan", "kr-bu-san"}, {"us-0range", "us-orange"}, {"fr-lille", "fr-1i11e"},
	} {
		if act.Skeleton(same[0]) != act.Skeleton(same[1]) {
			t.Errorf("%s and %s are told apart", same[0], same[1])
		}
	}
	if act.Skeleton("jp-tsukuba") == act.Skeleton("jp-tsuruoka") {
		t.Error("two cities are taken for one")
	}
}

func TestWhoMayChangeAnEntry(t *testing.T) {
	c := alliancetest.NewCity(t, "jp-tsukuba")
	c.Entry.PublishThreshold = proto.Uint32(2)
	old, err := act.NewMember(c.Entry)
	if err != nil {
		t.Fatal(err)
	}
	valid := func([]byte) bool { return false }
	addOfficer := func(m *registryv1.Member) { m.Publishers = append(m.Publishers, c.Publisher("officer-3")) }
	newLog := func(m *registryv1.Member) {
		v, err := checkpoint.NewVKey(c.Origin, checkpoint.TypeEd25519, alliancetest.Public("jp-tsukuba log 2"))
		if err != nil {
			t.Fatal(err)
		}
		m.LogVkeys[0] = checkpoint.FormatVKey(v)
	}
	change := func(edit func(*registryv1.Member), names ...string) *act.Request {
		return c.Change(t, registry, old, edit, nil, c.Keys(names...)...)
	}
	if err := change(addOfficer, "officer-1", "officer-2", "officer-3").VerifyChange(old, valid); err != nil {
		t.Errorf("VerifyChange = %v", err)
	}
	for name, r := range map[string]*act.Request{
		"one officer of two":     change(addOfficer, "officer-1", "officer-3"),
		"without the new one":    change(addOfficer, "officer-1", "officer-2"),
		"with a stranger":        change(addOfficer, "officer-1", "officer-2", "officer-3", "officer-4"),
		"by the node":            change(addOfficer, "node", "officer-2", "officer-3"),
		"by the new one alone":   change(addOfficer, "officer-3"),
		"a log key without note": change(newLog, "officer-1", "officer-2", "log 2"),
		"of another entry":       c.Join(t, registry, c.Keys("officer-1", "officer-2")...),
	} {
		if err := r.VerifyChange(old, valid); err == nil {
			t.Errorf("%s: VerifyChange takes it", name)
		}
	}
	lost := func(raw []byte) bool { return bytes.Equal(raw, alliancetest.Public("jp-tsukuba officer-2")) }
	if err := change(addOfficer, "officer-1", "officer-2", "officer-3").VerifyChange(old, lost); !errors.Is(err, act.ErrNotSigned) {
		t.Errorf("VerifyChange with a revoked officer = %v, want ErrNotSigned", err)
	}
	newNode := func(m *registryv1.Member) { m.NodeKey = alliancetest.Public("jp-tsukuba node 2") }
	if err := change(newNode, "recovery", "node 2").VerifyRotation(old); err != nil {
		t.Errorf("VerifyRotation = %v", err)
	}
	for _, names := range [][]string{{"node 2"}, {"recovery"}, {"officer-1", "officer-2", "node 2"}} {
		if err := change(newNode, names...).VerifyRotation(old); !errors.Is(err, act.ErrNotSigned) {
			t.Errorf("VerifyRotation by %v = %v, want ErrNotSigned", names, err)
		}
	}
}

func TestVerifyLogNoteWantsBothSignatures(t *testing.T) {
	c := alliancetest.NewCity(t, "jp-tsukuba")
	m, err := act.NewMember(c.Entry)
	if err != nil {
		t.Fatal(err)
	}
	note := c.Note(t, 0, proof.EmptyRoot(), time.Unix(1780000000, 0))
	if _, err := m.VerifyLogNote(note, nil); err != nil {
		t.Errorf("VerifyLogNote = %v", err)
	}
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n.Sigs {
		one, err := checkpoint.FormatNote(&checkpoint.Note{Text: n.Text, Sigs: n.Sigs[i : i+1]})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.VerifyLogNote(one, nil); err == nil {
			t.Errorf("VerifyLogNote takes a note with line %d alone (T-12)", i)
		}
	}
}

func FuzzParse(f *testing.F) {
	a, err := act.Sign(sample(), alliancetest.Key("act 1"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Envelope.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := declaration.Envelope{PayloadType: act.PayloadType, Payload: payload, Signatures: a.Envelope.Signatures}
		got, err := act.Parse(e.Format())
		if err != nil {
			return
		}
		again, err := act.Sign(got.Message, alliancetest.Key("act 1"))
		if err != nil || !bytes.Equal(again.Envelope.Payload, payload) {
			t.Errorf("written again %s: %v", base64.StdEncoding.EncodeToString(payload), err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	r := alliancetest.NewCity(f, "jp-tsukuba").Join(f, registry)
	f.Add(r.Envelope.Payload)
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := declaration.Envelope{PayloadType: act.RequestType, Payload: payload, Signatures: r.Envelope.Signatures}
		got, err := act.ParseRequest(e.Format())
		if err != nil {
			return
		}
		if err := got.VerifyJoining(); err == nil && !bytes.Equal(payload, r.Envelope.Payload) {
			t.Error("a changed request verifies")
		}
	})
}
