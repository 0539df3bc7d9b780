package entry_test

import (
	"crypto/sha256"
	"errors"
	"testing"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

func TestKindsOfEntries(t *testing.T) {
	var founders []*alliancetest.City
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato"} {
		founders = append(founders, alliancetest.NewCity(t, id))
	}
	r, err := roster.New(alliancetest.Found(t, founders...))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("a file"))
	anchor := founders[0].Note(t, 3, proof.LeafHash(nil), alliancetest.FoundedAt)
	for _, c := range []struct {
		b     []byte
		kind  entry.Kind
		files int
	}{
		{alliancetest.Act(t, r, &registryv1.RootVersion{File: sum[:]}, alliancetest.Named("act 1")...), entry.Act, 1},
		{alliancetest.Act(t, r, &registryv1.RuleSet{Number: new(uint32(1)), Bundle: sum[:]}, alliancetest.Named("act 1")...), entry.Act, 1},
		{alliancetest.Act(t, r, &registryv1.Leave{Member: new("nl-kanaalstad")}, alliancetest.Named("act 1")...), entry.Act, 0},
		{anchor, entry.Anchor, 0},
	} {
		e, err := entry.Parse(c.b)
		if err != nil {
			t.Fatal(err)
		}
		id, err := entry.Identity(c.b)
		if err != nil || e.Kind != c.kind || len(e.Files) != c.files || e.Identity != id {
			t.Errorf("%v with %d files, want %v with %d; identities %x and %x, %v", e.Kind, len(e.Files), c.kind, c.files, e.Identity, id, err)
		}
		if c.files == 1 && e.Files[0].Sum != sum {
			t.Errorf("it commits to %x, want %x", e.Files[0].Sum, sum)
		}
	}
	if e, err := entry.Parse(anchor); err != nil || e.Head.Size != 3 {
		t.Errorf("the anchor's head is %v, %v", e.Head, err)
	}
}

// The same payload is the same entry, whoever signed it so far; an anchor with other cosignatures is another.
func TestIdentity(t *testing.T) {
	payload := []byte(`{"x":1}`)
	one, err := declaration.Sign(act.PayloadType, payload, alliancetest.Named("act 1")...)
	if err != nil {
		t.Fatal(err)
	}
	two, err := one.Countersign(alliancetest.Named("act 2")...)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := entry.Identity(one.Format())
	b, err := entry.Identity(two.Format())
	if err != nil || a != b {
		t.Errorf("identities %x and %x, %v", a, b, err)
	}
	city, other := alliancetest.NewCity(t, "nl-kanaalstad"), alliancetest.NewCity(t, "jp-minato")
	a, _ = entry.Identity(city.Note(t, 3, proof.LeafHash(nil), alliancetest.FoundedAt))
	if b, _ = entry.Identity(city.Note(t, 3, proof.LeafHash(nil), alliancetest.FoundedAt, other)); a == b {
		t.Error("two anchors have one identity")
	}
}

func TestWhatIsNoEntry(t *testing.T) {
	later, _ := declaration.Sign("application/vnd.cityproof.act.v9+json", []byte(`{}`), alliancetest.Named("act 1")...)
	foreign, _ := declaration.Sign("application/x+json", []byte(`{}`), alliancetest.Named("act 1")...)
	var newer *act.LaterVersionError
	if _, err := entry.Parse(later.Format()); !errors.As(err, &newer) {
		t.Errorf("a later act: %v", err)
	}
	var other *declaration.PayloadTypeError
	if _, err := entry.Parse(foreign.Format()); !errors.As(err, &other) {
		t.Errorf("another type: %v", err)
	}
	for _, b := range []string{"", "{", "x", "a.example/log\n1\n"} {
		if _, err := entry.Parse([]byte(b)); err == nil {
			t.Errorf("%q was read", b)
		}
	}
}
