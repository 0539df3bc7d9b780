package root_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
)

func founders(t testing.TB) []*alliancetest.City {
	var cities []*alliancetest.City
	for _, id := range []string{"nl-secretariat", "nl-kanaalstad", "jp-tsukuba", "kr-busan"} {
		cities = append(cities, alliancetest.NewCity(t, id))
	}
	return cities
}

func TestRootIsReadAsWritten(t *testing.T) {
	r := alliancetest.Found(t, founders(t)...)
	b, err := r.Format()
	if err != nil {
		t.Fatal(err)
	}
	again, err := root.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Verify(); err != nil {
		t.Error(err)
	}
	if again.ID != r.ID || again.Alliance != r.ID || len(again.Founders) != 4 || again.Threshold != 3 || again.Terms.Name != "Alliance of the tests" {
		t.Errorf("Parse = %+v", again)
	}
	if b2, err := again.Format(); err != nil || !bytes.Equal(b, b2) {
		t.Errorf("Format(Parse(b)) differs: %v", err)
	}
	if have, want := again.Signed(nil); have != 3 || want != 3 {
		t.Errorf("Signed = %d of %d, want 3 of 3", have, want)
	}
	if again.ExpiredAt(alliancetest.FoundedAt.AddDate(1, 0, -1)) || !again.ExpiredAt(alliancetest.FoundedAt.AddDate(1, 0, 1)) {
		t.Error("ExpiredAt is not what expires says")
	}
}

// TestRootHasOneEncoding: whatever is written otherwise is refused, so that a fingerprint of the file means something.
func TestRootHasOneEncoding(t *testing.T) {
	b, err := alliancetest.Found(t, founders(t)...).Format()
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for name, edit := range map[string][2]string{
		"space":                    {`"signed":{`, `"signed": {`},
		"a key twice":              {`"_type":"root"`, `"_type":"root","_type":"root"`},
		"an unknown field":         {`"_type":"root"`, `"_type":"root","also":1`},
		"an unknown term":          {`"act_threshold":2`, `"act_threshold":2,"more":1`},
		"a term in capitals":       {`"act_threshold"`, `"Act_Threshold"`},
		"null":                     {`"founded_at":`, `"continue_from":null,"founded_at":`},
		"null for a reseat":        {`"founded_at":`, `"reseat":null,"founded_at":`},
		"a number in another form": {`"act_threshold":2`, `"act_threshold":2e0`},
		"another spec version":     {`"spec_version":"1.0.31"`, `"spec_version":"1.0.30"`},
		"another role":             {`"roles":{`, `"roles":{"targets":{"keyids":[],"threshold":1},`},
		"threshold 0 (T-11)":       {`"threshold":3`, `"threshold":0`},
		"threshold 1 (T-11)":       {`"threshold":3`, `"threshold":1`},
		"more than there are":      {`"threshold":3`, `"threshold":6`},
		"act threshold 1":          {`"act_threshold":2`, `"act_threshold":1`},
		"version 0":                {`"version":1`, `"version":0`},
		"another key scheme":       {`"scheme":"ed25519"`, `"scheme":"ecdsa"`},
		"something after":          {text, text + "\n"},
	} {
		changed := strings.Replace(text, edit[0], edit[1], 1)
		if changed == text {
			t.Fatalf("%s: nothing to change", name)
		}
		if _, err := root.Parse([]byte(changed)); err == nil {
			t.Errorf("%s: Parse accepts it", name)
		}
	}
}

func TestT11RootsFollowEachOther(t *testing.T) {
	cities := founders(t)
	first := alliancetest.Found(t, cities...)
	next := func(edit func(*root.Draft), names ...string) (*root.Root, error) {
		d := alliancetest.Draft(t, cities...)
		d.Version, d.Terms.Founders, d.Terms.Genesis = 2, nil, first.ID.String()
		d.Keys[4] = alliancetest.Public("root 6")
		edit(&d)
		r, err := root.New(d)
		for _, n := range names {
			if err == nil {
				r, err = r.Sign(first, alliancetest.Key(n))
			}
		}
		return r, err
	}
	none := func(*root.Draft) {}
	good, err := next(none, "root 1", "root 2", "root 6", "root 4")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.VerifyNext(good); err != nil {
		t.Errorf("VerifyNext = %v", err)
	}
	if have, want := good.Signed(first); have != 3 || want != 3 {
		t.Errorf("Signed by the old keys = %d of %d, want 3 of 3", have, want)
	}
	for name, tc := range map[string]struct {
		edit  func(*root.Draft)
		names []string
	}{
		"two old keys and a new one": {none, []string{"root 1", "root 2", "root 6"}},
		"a key that signs twice":     {none, []string{"root 1", "root 2", "root 2"}},
		"old keys that are gone": {func(d *root.Draft) {
			d.Keys[0] = alliancetest.Public("root 7")
			d.Keys[1] = alliancetest.Public("root 8")
		}, []string{"root 1", "root 2", "root 5"}},
		"version 3":        {func(d *root.Draft) { d.Version = 3 }, []string{"root 1", "root 2", "root 3"}},
		"another alliance": {func(d *root.Draft) { d.Terms.Genesis = strings.Repeat("0", 64) }, []string{"root 1", "root 2", "root 3"}},
		"another founding": {func(d *root.Draft) { d.Terms.NextDraw++ }, []string{"root 1", "root 2", "root 3"}},
	} {
		r, err := next(tc.edit, tc.names...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := first.VerifyNext(r); err == nil {
			t.Errorf("%s: VerifyNext accepts it", name)
		}
	}
	if err := good.VerifyNext(first); err == nil {
		t.Error("version 1 follows version 2")
	}
	if _, err := next(func(d *root.Draft) { d.Threshold = 1 }); err == nil {
		t.Error("New makes a root with threshold 1")
	}
	if _, err := good.Sign(first, alliancetest.Key("nobody")); err == nil {
		t.Error("Sign takes a key of nobody")
	}
}

// TestF21RootMovesTheRegistryOnlyAfterAFork: another origin needs continue_from, and continue_from another origin and keys.
func TestF21RootMovesTheRegistryOnlyAfterAFork(t *testing.T) {
	cities := founders(t)
	first := alliancetest.Found(t, cities...)
	log := func(origin, key string) *alliancetest.City {
		return cities[0].Renew(t, origin, map[string]string{"log": key})
	}
	signed := func(d root.Draft) *root.Root { return alliancetest.SignRoot(t, first, d, "root 1", "root 2", "root 3") }
	head := proof.LeafHash(nil)
	good := signed(alliancetest.GoOnDraft(first, 7, head, log("secretariat.example/log-2", "log 2")))
	if err := first.VerifyNext(good); err != nil {
		t.Fatal(err)
	}
	if c := good.GoesOn(); c.Size != 7 || proof.Hash(c.Root) != head {
		t.Errorf("continue_from = %v", c)
	}
	if err := good.VerifyNext(alliancetest.SignRoot(t, good, alliancetest.NextDraft(good), "root 1", "root 2", "root 3")); err != nil {
		t.Errorf("the version after it: %v", err)
	}
	for name, edit := range map[string]func(*root.Draft){
		"forgotten":        func(d *root.Draft) { d.Terms.ContinueFrom = nil },
		"another size":     func(d *root.Draft) { d.Terms.ContinueFrom[0].Size++ },
		"another root":     func(d *root.Draft) { d.Terms.ContinueFrom[0].Root = make([]byte, 32) },
		"of a third fork":  func(d *root.Draft) { d.Terms.ContinueFrom = append(d.Terms.ContinueFrom, d.Terms.ContinueFrom[0]) },
		"by a later root":  func(d *root.Draft) { d.Terms.ContinueFrom[0].Version = 3 },
		"by the first one": func(d *root.Draft) { d.Terms.ContinueFrom[0].Version = 1 },
	} {
		d := alliancetest.NextDraft(good)
		d.Terms.ContinueFrom = slices.Clone(d.Terms.ContinueFrom)
		edit(&d)
		v, err := root.New(d)
		if err == nil {
			err = good.CheckNext(v)
		}
		if err == nil {
			t.Errorf("the version after it, continue_from %s: it is accepted", name)
		}
	}
	plain := alliancetest.GoOnDraft(first, 7, head, log("secretariat.example/log-2", "log 2"))
	plain.Terms.ContinueFrom = nil
	halfNew := alliancetest.GoOnDraft(first, 7, head, log("secretariat.example/log-2", "log 2"))
	halfNew.Terms.Registry.VKeys[1] = log("secretariat.example/log-2", "nl-secretariat log").Entry.LogVkeys[1]
	for name, d := range map[string]root.Draft{
		"moved without continue_from": plain,
		"the same origin":             alliancetest.GoOnDraft(first, 7, head, log("", "log 2")),
		"another host":                alliancetest.GoOnDraft(first, 7, head, log("elsewhere.example/log", "log 2")),
		"the same keys":               alliancetest.GoOnDraft(first, 7, head, log("secretariat.example/log-2", "nl-secretariat log")),
		"one key that is the same":    halfNew,
	} {
		if err := first.VerifyNext(signed(d)); err == nil {
			t.Errorf("%s: VerifyNext accepts it", name)
		}
	}
	for name, key := range map[string]string{"a root key": "root 4", "an act key": "act 2"} {
		if _, err := root.New(alliancetest.GoOnDraft(first, 7, head, log("secretariat.example/log-2", key))); err == nil {
			t.Errorf("%s as the registry's: New makes it", name)
		}
	}
	if _, err := root.New(alliancetest.GoOnDraft(first, 0, proof.EmptyRoot(), log("secretariat.example/log-2", "log 2"))); err == nil {
		t.Error("New makes a version that goes on from nothing")
	}
}

func TestSignatureThatFails(t *testing.T) {
	r := alliancetest.SignRoot(t, nil, alliancetest.Draft(t, founders(t)...), "root 1", "root 2")
	if err := r.Verify(); !errors.Is(err, root.ErrNotSigned) {
		t.Errorf("Verify with two of three = %v, want ErrNotSigned", err)
	}
	third, err := r.Sign(nil, alliancetest.Key("root 3"))
	if err != nil {
		t.Fatal(err)
	}
	if !third.Same(r) || third.Verify() != nil {
		t.Error("a third signature makes another version, or none that verifies")
	}
	b, err := third.Format()
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`"sig":"`)) + len(`"sig":"`) + 8
	b[at] = "0123456789abcdef"[(bytes.IndexByte([]byte("0123456789abcdef"), b[at])+1)%16]
	forged, err := root.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := forged.Verify(); !errors.Is(err, root.ErrNotSigned) {
		t.Errorf("Verify with a changed signature = %v, want ErrNotSigned", err)
	}
	if have, _ := forged.Signed(nil); have != 2 {
		t.Errorf("Signed = %d, want 2", have)
	}
}

func TestFoundersAreChecked(t *testing.T) {
	cities := founders(t)
	for name, edit := range map[string]func(*root.Draft){
		"two founders": func(d *root.Draft) { d.Terms.Founders = d.Terms.Founders[:2] },
		"no secretariat first": func(d *root.Draft) {
			d.Terms.Founders[0], d.Terms.Founders[1] = d.Terms.Founders[1], d.Terms.Founders[0]
		},
		"a request for another": func(d *root.Draft) { d.Terms.Founders[1] = cities[1].Join(t, "other.example/log").Envelope.Format() },
		"a request that is cut": func(d *root.Draft) { d.Terms.Founders[1] = d.Terms.Founders[1][:500] },
		"a key that did not sign": func(d *root.Draft) {
			d.Terms.Founders[1] = cities[1].Join(t, cities[0].Origin, cities[1].AllKeys()[1:]...).Envelope.Format()
		},
		"founders in a later one":   func(d *root.Draft) { d.Version, d.Terms.Genesis = 2, strings.Repeat("ab", 32) },
		"a genesis in version 1":    func(d *root.Draft) { d.Terms.Genesis = strings.Repeat("ab", 32) },
		"a root key as act key":     func(d *root.Draft) { d.Terms.ActKeys = [][]byte{d.Keys[0], d.Keys[1]} },
		"one act key twice":         func(d *root.Draft) { d.Terms.ActKeys[1] = d.Terms.ActKeys[0] },
		"an act key of small order": func(d *root.Draft) { d.Terms.ActKeys[0] = make([]byte, 32) },
		"fractions of a second":     func(d *root.Draft) { d.Terms.FoundedAt = 0 },
		"keys of another log":       func(d *root.Draft) { d.Terms.Registry.VKeys = cities[1].Entry.GetLogVkeys() },
	} {
		d := alliancetest.Draft(t, cities...)
		edit(&d)
		if _, err := root.New(d); err == nil {
			t.Errorf("%s: New makes it", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	r := alliancetest.Found(f, founders(f)...)
	b, err := r.Format()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	cities := founders(f)
	if b, err = alliancetest.SignRoot(f, r, alliancetest.ReseatDraft(r, 3, cities[1], cities[2]), "root 1").Format(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"signed":{"_type":"root"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := root.Parse(b)
		if err != nil {
			return
		}
		_ = r.Verify()
		_ = r.ExpiredAt(time.Unix(0, 0))
		again, err := r.Format()
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("Format(Parse(b)) differs from b: %v", err)
		}
	})
}
