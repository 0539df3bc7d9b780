package draft_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/proof"
)

func key(n byte) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, 32)) }

var (
	first  = draft.Place{Log: "kanaalstad.example/log", City: "nl-kanaalstad", Revision: 1}
	second = draft.Place{Log: "kanaalstad.example/log", City: "nl-kanaalstad", Revision: 2, Previous: proof.Hash{1}}
	now    = time.Date(2026, 11, 23, 4, 0, 0, 999, time.FixedZone("", 3600))
)

func numbered(t *testing.T) *draft.Draft {
	t.Helper()
	d := deployment("a", "use/3")
	if err := draft.Number([]*draft.Draft{d}, &city{}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSealWritesWhatVerifies(t *testing.T) {
	d := numbered(t)
	before := proto.CloneOf(d.Body)
	nonce := [16]byte{1, 2, 3}
	sub, err := draft.Seal(d, first, nonce, now, key(2), key(1))
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(before, d.Body) {
		t.Error("Seal changed the draft")
	}
	signed, err := declaration.ParseSigned(sub.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	known := map[declaration.KeyID]ed25519.PublicKey{}
	for n := range byte(3) {
		pub := key(n).Public().(ed25519.PublicKey)
		known[declaration.KeyIDOf(pub)] = pub
	}
	if err := signed.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) { p, ok := known[id]; return p, ok }); err != nil {
		t.Error(err)
	}
	if n := len(signed.Envelope.Signatures); n != 2 {
		t.Errorf("%d signatures, want 2", n)
	}
	body, err := declaration.ParseBody(sub.Body)
	if err != nil {
		t.Fatal(err)
	}
	s := signed.Statement
	if err := s.CheckBody(sub.Body, body); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(body.GetNonce(), nonce[:]) || body.GetNickname() != "a" {
		t.Errorf("body %v", body)
	}
	if s.Subject.String() != "dep/1" || s.Operation != declaration.Publish || s.Provenance != declaration.CityOwn ||
		s.EffectiveOn.String() != "2026-11-23" || s.DeclaredAt.Format(time.RFC3339) != "2026-11-23T03:00:00Z" || s.Log != first.Log {
		t.Errorf("statement %+v", s)
	}
	again, err := draft.Seal(d, first, nonce, now, key(1), key(2))
	if err != nil || !bytes.Equal(again.Envelope, sub.Envelope) || !bytes.Equal(again.Body, sub.Body) {
		t.Errorf("the same draft, nonce and time give other bytes (%v)", err)
	}
}

func TestSealKeepsDates(t *testing.T) {
	d := numbered(t)
	d.EffectiveOn = declaration.Date{Year: 2021, Month: 5}
	d.Provenance = declaration.ImportedByCity
	sub, err := draft.Seal(d, first, [16]byte{}, now, key(1))
	if err != nil {
		t.Fatal(err)
	}
	s, err := declaration.ParseSigned(sub.Envelope)
	if err != nil || s.Statement.EffectiveOn.String() != "2021-05" || s.Statement.Provenance != declaration.ImportedByCity {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestSealRefuses(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(d *draft.Draft)
		place  draft.Place
		keys   []crypto.Signer
		want   string
	}{
		"no number":             {func(d *draft.Draft) { d.Subject = declaration.Subject{} }, first, nil, "no number yet"},
		"number of a kind":      {func(d *draft.Draft) { d.Subject.Kind = declaration.DataUse }, first, nil, "under the subject use/1"},
		"nickname left":         {func(d *draft.Draft) { d.Body.GetDeployment().DataUses[0] = "video" }, first, nil, "deployment.data_uses[0]"},
		"changes left":          {func(d *draft.Draft) { d.Set = []draft.Change{{Path: "x"}} }, first, nil, "not applied"},
		"PUBLISH at revision 2": {func(*draft.Draft) {}, second, nil, "PUBLISH is revision 1"},
		"AMEND at revision 1":   {func(d *draft.Draft) { d.Operation = declaration.Amend }, first, nil, "PUBLISH is revision 1"},
		"AMEND without reason":  {func(d *draft.Draft) { d.Operation = declaration.Amend }, second, nil, "needs a reason"},
		"no operation":          {func(d *draft.Draft) { d.Operation = "" }, second, nil, ""},
		"no previous": {func(d *draft.Draft) {
			d.Operation = declaration.Amend
			d.Body.Reason = &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: proto.String("en"), Value: proto.String("x")}}}
		}, draft.Place{Log: first.Log, City: first.City, Revision: 2}, nil, "previous"},
		"no key":           {func(*draft.Draft) {}, first, []crypto.Signer{}, "no key to sign with"},
		"another kind key": {func(*draft.Draft) {}, first, []crypto.Signer{other}, "not Ed25519"},
		"the same key":     {func(*draft.Draft) {}, first, []crypto.Signer{key(1), key(1)}, "distinct"},
		"bad origin":       {func(*draft.Draft) {}, draft.Place{Log: "https://x", City: first.City, Revision: 1}, nil, "no origin"},
		"bad city":         {func(*draft.Draft) {}, draft.Place{Log: first.Log, City: "Kanaalstad", Revision: 1}, nil, "no member id"},
		"unspecified enum": {func(d *draft.Draft) {
			d.Body.GetDeployment().Status = declarationv1.Status_STATUS_UNSPECIFIED.Enum()
		}, first, nil, "enum value 0"},
		"bad UTF-8": {func(d *draft.Draft) { d.Body.SourceId = proto.String("\xff") }, first, nil, "UTF-8"},
		"too large": {func(d *draft.Draft) { d.Body.SourceId = proto.String(strings.Repeat("x", declaration.MaxBody)) }, first, nil, "more than 262144"},
	} {
		d := numbered(t)
		c.change(d)
		if c.keys == nil {
			c.keys = []crypto.Signer{key(1)}
		}
		sub, err := draft.Seal(d, c.place, [16]byte{}, now, c.keys...)
		if err == nil || !strings.Contains(err.Error(), c.want) || sub.Envelope != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
