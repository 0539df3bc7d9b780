package root_test

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
)

func TestReseatIsReadAsWritten(t *testing.T) {
	cities := founders(t)
	first := alliancetest.Found(t, cities...)
	next := alliancetest.SignRoot(t, first, alliancetest.ReseatDraft(first, 3, cities[1], cities[2]), "root 1", "root 2", "root 3")
	b, err := next.Format()
	if err != nil {
		t.Fatal(err)
	}
	again, err := root.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.VerifyNext(again); err != nil {
		t.Error(err)
	}
	s := again.Reseats()
	if s == nil || s.Version != 2 || s.Epoch != 3 || len(s.Seats) != 2 || s.Seats[0].ID != "jp-tsukuba" || s.Seats[1].Witness != cities[1].Entry.GetWitnessVkey() {
		t.Errorf("Reseats = %+v", s)
	}
	for name, edit := range map[string][2]string{
		"an unknown field": {`"epoch":3`, `"epoch":3,"more":1`},
		"no epoch":         {`"epoch":3,`, ``},
		"another order":    {`"version":2,"epoch":3`, `"epoch":3,"version":2`},
		"an epoch below 0": {`"epoch":3`, `"epoch":-1`},
	} {
		changed := strings.Replace(string(b), edit[0], edit[1], 1)
		if changed == string(b) {
			t.Fatalf("%s: nothing to change", name)
		}
		if _, err := root.Parse([]byte(changed)); err == nil {
			t.Errorf("%s: Parse accepts it", name)
		}
	}
}

// cosigner is the vkey of a witness or mirror with any key.
func cosigner(t *testing.T, name string, key ed25519.PublicKey) string {
	t.Helper()
	return checkpoint.FormatVKey(checkpoint.VKey{Name: name, Type: checkpoint.TypeEd25519Cosignature, Key: key})
}

func TestReseatsThatAreRefused(t *testing.T) {
	cities := founders(t)
	first := alliancetest.Found(t, cities...)
	many := func(n int) (out []root.Seat) {
		for i := range n {
			id := "de-city" + string(rune('a'+i))
			c := alliancetest.NewCity(t, id)
			out = append(out, root.Seat{ID: id, Operator: id, Witness: c.Entry.GetWitnessVkey(), Mirror: c.Entry.GetMirrorVkey()})
		}
		return out
	}
	log, err := checkpoint.ParseVKey(first.Terms.Registry.VKeys[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		edit func(*root.Draft, *root.Reseat)
		good bool
	}{
		"two seats":                {func(*root.Draft, *root.Reseat) {}, true},
		"13 seats":                 {func(_ *root.Draft, s *root.Reseat) { s.Seats = many(13) }, true},
		"another's machines":       {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].Operator = "fr-lyon" }, true},
		"of epoch 0":               {func(_ *root.Draft, s *root.Reseat) { s.Epoch = 0 }, true},
		"no seats":                 {func(_ *root.Draft, s *root.Reseat) { s.Seats = nil }, false},
		"one seat":                 {func(_ *root.Draft, s *root.Reseat) { s.Seats = s.Seats[:1] }, false},
		"14 seats":                 {func(_ *root.Draft, s *root.Reseat) { s.Seats = many(14) }, false},
		"another order":            {func(_ *root.Draft, s *root.Reseat) { slices.Reverse(s.Seats) }, false},
		"a member twice":           {func(_ *root.Draft, s *root.Reseat) { s.Seats[1].ID = s.Seats[0].ID }, false},
		"no id":                    {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].ID = "" }, false},
		"no operator":              {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].Operator = "" }, false},
		"a witness key twice":      {func(_ *root.Draft, s *root.Reseat) { s.Seats[1].Witness = s.Seats[0].Witness }, false},
		"one key for both":         {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].Mirror = s.Seats[0].Witness }, false},
		"a witness key of another": {func(_ *root.Draft, s *root.Reseat) { s.Seats[1].Mirror = s.Seats[0].Witness }, false},
		"no mirror key":            {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].Mirror = "" }, false},
		"a log's key":              {func(_ *root.Draft, s *root.Reseat) { s.Seats[0].Witness = cities[1].Entry.GetLogVkeys()[0] }, false},
		"a root key": {func(_ *root.Draft, s *root.Reseat) {
			s.Seats[0].Witness = cosigner(t, "x.example/witness", alliancetest.Public("root 4"))
		}, false},
		"an act key": {func(_ *root.Draft, s *root.Reseat) {
			s.Seats[0].Witness = cosigner(t, "x.example/witness", alliancetest.Public("act 3"))
		}, false},
		"the registry's key": {func(_ *root.Draft, s *root.Reseat) {
			s.Seats[0].Mirror = cosigner(t, "x.example/mirror", log.Key)
		}, false},
		"in version 1": {func(d *root.Draft, s *root.Reseat) {
			d.Version, s.Version, d.Terms.Genesis, d.Terms.Founders = 1, 1, "", first.Terms.Founders
		}, false},
		"of version 1":            {func(_ *root.Draft, s *root.Reseat) { s.Version = 1 }, false},
		"of a version after it":   {func(_ *root.Draft, s *root.Reseat) { s.Version = 3 }, false},
		"of an epoch it has":      {func(d *root.Draft, s *root.Reseat) { d.Terms.Pin = pin(3) }, true},
		"of an epoch before that": {func(d *root.Draft, s *root.Reseat) { d.Terms.Pin = pin(4) }, false},
		"with a head to go on from": {func(d *root.Draft, s *root.Reseat) {
			second := cities[0].Renew(t, "secretariat.example/log-2", map[string]string{"log": "log 2"})
			*d = alliancetest.GoOnDraft(first, 7, [32]byte{1}, second)
			d.Terms.Reseat = s
		}, false},
	} {
		d := alliancetest.ReseatDraft(first, 3, cities[1], cities[2])
		tc.edit(&d, d.Terms.Reseat)
		v, err := root.New(d)
		if err == nil {
			err = first.CheckNext(v)
		}
		if (err == nil) != tc.good {
			t.Errorf("%s: %v, want good %v", name, err, tc.good)
		}
	}
}

func pin(epoch uint32) *root.Pin {
	return &root.Pin{Epoch: epoch, RosterRoot: make([]byte, 32), Committee: []string{"nl-kanaalstad"}}
}

// TestVersionsAfterAReseat: what proves the epochs after a reseat stays until a pin takes its place.
func TestVersionsAfterAReseat(t *testing.T) {
	cities := founders(t)
	first := alliancetest.Found(t, cities...)
	signed := func(prev *root.Root, d root.Draft) *root.Root {
		return alliancetest.SignRoot(t, prev, d, "root 1", "root 2", "root 3")
	}
	second := signed(first, alliancetest.ReseatDraft(first, 3, cities[1], cities[2]))
	other := func(prev *root.Root, epoch uint32) root.Draft {
		return alliancetest.ReseatDraft(prev, epoch, cities[2], cities[3])
	}
	repeated := signed(second, alliancetest.NextDraft(second))
	if repeated.Reseats() != nil || repeated.Terms.Reseat == nil {
		t.Errorf("a version that repeats a reseat brings %+v and has %+v", repeated.Reseats(), repeated.Terms.Reseat)
	}
	for name, tc := range map[string]struct {
		prev *root.Root
		d    root.Draft
		edit func(*root.Draft)
		good bool
	}{
		"repeated":                              {second, alliancetest.NextDraft(second), func(*root.Draft) {}, true},
		"repeated again":                        {repeated, alliancetest.NextDraft(repeated), func(*root.Draft) {}, true},
		"repeated with a later pin":             {second, alliancetest.NextDraft(second), func(d *root.Draft) { d.Terms.Pin = pin(9) }, true},
		"another for the same epoch":            {second, other(second, 3), func(*root.Draft) {}, true},
		"another, after it was repeated":        {repeated, other(repeated, 3), func(*root.Draft) {}, true},
		"for a later one, pinned":               {second, other(second, 4), func(d *root.Draft) { d.Terms.Pin = pin(4) }, true},
		"left out, pinned":                      {second, alliancetest.NextDraft(second), func(d *root.Draft) { d.Terms.Reseat, d.Terms.Pin = nil, pin(4) }, true},
		"left out":                              {second, alliancetest.NextDraft(second), func(d *root.Draft) { d.Terms.Reseat = nil }, false},
		"left out, its own epoch pinned":        {second, alliancetest.NextDraft(second), func(d *root.Draft) { d.Terms.Reseat, d.Terms.Pin = nil, pin(3) }, false},
		"for a later one":                       {second, other(second, 4), func(*root.Draft) {}, false},
		"for a later one, its own epoch pinned": {second, other(second, 4), func(d *root.Draft) { d.Terms.Pin = pin(3) }, false},
		"for an earlier one":                    {second, other(second, 2), func(*root.Draft) {}, false},
		"other seats in a version's name":       {second, other(second, 3), func(d *root.Draft) { d.Terms.Reseat.Version = 2 }, false},
		"another epoch in a version's name":     {second, alliancetest.ReseatDraft(second, 4, cities[1], cities[2]), func(d *root.Draft) { d.Terms.Reseat.Version = 2 }, false},
		"of a version that brought none":        {signed(first, alliancetest.NextDraft(first)), other(second, 3), func(d *root.Draft) { d.Terms.Reseat.Version = 2 }, false},
	} {
		tc.edit(&tc.d)
		v, err := root.New(tc.d)
		if err == nil {
			err = tc.prev.CheckNext(v)
		}
		if (err == nil) != tc.good {
			t.Errorf("%s: %v, want good %v", name, err, tc.good)
		}
	}
}
