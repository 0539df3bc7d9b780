package receipt_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

// alliance is a founded alliance of five, and a receipt of the second member's log.
type alliance struct {
	t      *testing.T
	cities []*alliancetest.City
	f      *authority.Holder
	log    *alliancetest.Log
}

func newAlliance(t *testing.T) *alliance {
	t.Helper()
	a := &alliance{t: t}
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan", "fr-lyon"} {
		a.cities = append(a.cities, alliancetest.NewCity(t, id))
	}
	var err error
	if a.f, err = authority.NewHolder(alliancetest.Found(t, a.cities...)); err != nil {
		t.Fatal(err)
	}
	a.log = alliancetest.NewLog(t, a.cities[1])
	a.log.Declare(3, "officer-1")
	return a
}

// receipt is that of entry 1, with cosignatures of witnesses and mirrors by their numbers.
func (a *alliance) receipt(witnesses, mirrors []int) *receipt.Receipt {
	a.t.Helper()
	size, root := a.log.Head()
	n, err := checkpoint.ParseNote(a.cities[1].Note(a.t, size, root, alliancetest.FoundedAt))
	if err != nil {
		a.t.Fatal(err)
	}
	for i, who := range append(append([]int(nil), witnesses...), mirrors...) {
		s := a.cities[who].Witness(a.t)
		if i >= len(witnesses) {
			s = a.cities[who].Mirror(a.t)
		}
		sig, err := s.Sign(n.Text, alliancetest.FoundedAt)
		if err != nil {
			a.t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	note, err := checkpoint.FormatNote(n)
	if err != nil {
		a.t.Fatal(err)
	}
	leaves := make([]proof.Hash, 3)
	for i, e := range a.log.Entries {
		leaves[i] = proof.LeafHash(e)
	}
	e := a.log.Entries[1]
	r := receipt.New(e, a.bodyOf(e), 1, []proof.Hash{leaves[0], leaves[2]}, note)
	if r.Authority, err = authority.Parse([]byte(`{"epoch":0}`)); err != nil {
		a.t.Fatal(err)
	}
	b, err := r.Format()
	if err != nil {
		a.t.Fatal(err)
	}
	if r, err = receipt.Parse(b); err != nil || r.Authority == nil {
		a.t.Fatalf("Parse(Format(r)): %+v, %v", r, err)
	}
	return r
}

// bodyOf is the body that an entry commits to.
func (a *alliance) bodyOf(entry []byte) []byte {
	a.t.Helper()
	signed, err := declaration.ParseSigned(entry)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.log.Files[signed.Statement.BodySHA256]
}

// F5: only the quorum of the committee and mirrors of two other members make a receipt final; who has no seat, or
// signs in another role, doesn't count.
func TestF5FinalNeedsCommitteeAndMirrors(t *testing.T) {
	a := newAlliance(t) // the committee of nl-kanaalstad is all four others; three must sign
	for name, c := range map[string]struct {
		witnesses, mirrors []int
		final              bool
	}{
		"quorum and two mirrors":      {[]int{0, 2, 3}, []int{2, 4}, true},
		"all":                         {[]int{0, 2, 3, 4}, []int{0, 2, 3}, true},
		"one witness too few":         {[]int{0, 2}, []int{2, 4}, false},
		"one mirror too few":          {[]int{0, 2, 3}, []int{4}, false},
		"its own mirror is none":      {[]int{0, 2, 3}, []int{1, 4}, false},
		"its own witness has no seat": {[]int{0, 2, 1}, []int{2, 4}, false},
		"nobody":                      {nil, nil, false},
	} {
		v, err := receipt.VerifyIn(a.receipt(c.witnesses, c.mirrors), a.f)
		var untold *receipt.CouldNotTellError
		if c.final != (err == nil) || err != nil && !errors.As(err, &untold) {
			t.Errorf("%s: %v", name, err)
		}
		told := false
		for _, claim := range v.Claims {
			told = told || claim.Name == receipt.ClaimWitness && claim.Told
		}
		if told != c.final {
			t.Errorf("%s: the quorum is told as %v", name, told)
		}
	}
}

// A receipt never brings its keys or committee along.
func TestVerifyInBelievesTheRootAlone(t *testing.T) {
	a, other := newAlliance(t), newAlliance(t)
	good := a.receipt([]int{0, 2, 3}, []int{2, 4})
	if _, err := receipt.VerifyIn(good, other.f); err != nil {
		t.Errorf("the same alliance, founded from the same keys: %v", err)
	}
	var falsified *receipt.FalseError
	forged := *good
	forged.Statement = a.log.Entries[2]
	if _, err := receipt.VerifyIn(&forged, a.f); !errors.As(err, &falsified) {
		t.Errorf("another statement: %v", err)
	}
	var untold *receipt.CouldNotTellError
	lone := *good
	lone.Authority = nil
	if _, err := receipt.VerifyIn(&lone, a.f); !errors.As(err, &untold) {
		t.Errorf("without authority: %v", err)
	}
	b, err := good.Format()
	if err != nil {
		t.Fatal(err)
	}
	later, err := receipt.Parse([]byte(strings.Replace(string(b), `"authority":{"epoch":0}`, `"authority":{"epoch":1}`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := receipt.VerifyIn(later, a.f); !errors.As(err, &untold) {
		t.Errorf("a later epoch that nothing proves: %v", err)
	}
}
