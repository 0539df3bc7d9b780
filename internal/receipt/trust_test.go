package receipt_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

func trustText(t testing.TB) string {
	t.Helper()
	w := newWorld(t, origin, 1)
	trust := w.trust()
	to := uint64(40)
	trust.Publishers = append(trust.Publishers, receipt.Publisher{Key: public("former officer"), FromSize: 3, ToSize: &to})
	trust.Earlier = []receipt.Earlier{{Origin: "old.example/log", Size: 5}, {Origin: "older.example/log", Size: 9}}
	b, err := trust.Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTrustRoundTrip(t *testing.T) {
	text := trustText(t)
	trust, err := receipt.ParseTrust([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := trust.Format(); err != nil || string(again) != text {
		t.Errorf("Format(Parse(b)) = %s, %v", again, err)
	}
	if trust.Origin != origin || trust.City != city || len(trust.Log) != 2 || len(trust.Publishers) != 2 ||
		!trust.Publishers[1].Key.Equal(public("former officer")) || trust.Publishers[1].FromSize != 3 || *trust.Publishers[1].ToSize != 40 {
		t.Errorf("ParseTrust = %+v", trust)
	}
	for index, want := range map[uint64]string{0: "old.example/log", 4: "old.example/log", 5: "older.example/log", 8: "older.example/log", 9: origin} {
		if got := trust.OriginAt(index); got != want {
			t.Errorf("OriginAt(%d) = %s, want %s", index, got, want)
		}
	}
	for i, vkey := range trust.VKeys() {
		if vkey != checkpoint.FormatVKey(trust.Log[i].Key()) || !strings.Contains(text, vkey) {
			t.Errorf("VKeys[%d] = %s", i, vkey)
		}
	}
}

// TestTrustIsWrittenByPeople: order, space and what may be left out.
func TestTrustIsWrittenByPeople(t *testing.T) {
	text := trustText(t)
	short := strings.Replace(strings.Replace(text, ", \"to_size\": null", "", 1), "  \"city\": \"nl-kanaalstad\",\n", "", 1)
	for name, s := range map[string]string{
		"as written":       text,
		"CRLF and tabs":    strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "  ", "\t"),
		"without optional": short,
		"an escape":        strings.Replace(text, `"origin": "k`, `"origin": "\u006b`, 1),
	} {
		trust, err := receipt.ParseTrust([]byte(s))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (trust.City == "") != (name == "without optional") || trust.Publishers[0].ToSize != nil {
			t.Errorf("%s: %+v", name, trust)
		}
	}
}

func TestParseTrustRefuses(t *testing.T) {
	text := trustText(t)
	officer := base64.StdEncoding.EncodeToString(public("officer"))
	logKey := base64.StdEncoding.EncodeToString(public(origin))
	w := newWorld(t, origin, 1)
	vkeys := w.trust().VKeys()
	other := newWorld(t, "tsukuba.example/log", 1).trust().VKeys()[0]
	cosigner, err := checkpoint.NewVKey(origin, checkpoint.TypeEd25519Cosignature, public("witness"))
	if err != nil {
		t.Fatal(err)
	}
	small := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))
	replace := func(old, replacement string) string {
		if strings.Count(text, old) != 1 {
			t.Fatalf("%q occurs %d times", old, strings.Count(text, old))
		}
		return strings.Replace(text, old, replacement, 1)
	}
	for name, s := range map[string]string{
		"nothing":                   "",
		"a list":                    "[" + text + "]",
		"null":                      "null",
		"cut short":                 text[:len(text)-3],
		"a tail":                    text + "{}",
		"bad UTF-8":                 replace(`"nl-kanaalstad"`, "\"nl-\xff\""),
		"an unknown member":         replace(`"version": 1`, `"version": 1, "quorum": 2`),
		"an unknown member inside":  replace(`"to_size": 40`, `"to_size": 40, "label": "x"`),
		"another case":              replace(`"origin": "k`, `"Origin": "k`),
		"a repeated member":         replace(`"version": 1`, `"version": 1, "version": 1`),
		"a repeated member inside":  replace(`"to_size": 40`, `"to_size": 40, "to_size": 4000`),
		"two origins":               replace(`"version": 1`, `"version": 1, "origin": "a"`),
		"no version":                replace(`  "version": 1,`, ``),
		"version 2":                 replace(`"version": 1`, `"version": 2`),
		"version null":              replace(`"version": 1`, `"version": null`),
		"version 1.0":               replace(`"version": 1`, `"version": 1.0`),
		"version in a string":       replace(`"version": 1`, `"version": "1"`),
		"no origin":                 replace(`  "origin": "kanaalstad.example/log",`, ``),
		"origin null":               replace(`"origin": "kanaalstad.example/log"`, `"origin": null`),
		"an origin with scheme":     replace(`"origin": "kanaalstad.example/log"`, `"origin": "https://kanaalstad.example/log"`),
		"another origin":            replace(`"origin": "kanaalstad.example/log"`, `"origin": "tsukuba.example/log"`),
		"an empty city":             replace(`"nl-kanaalstad"`, `""`),
		"city null":                 replace(`"nl-kanaalstad"`, `null`),
		"a city without country":    replace(`"nl-kanaalstad"`, `"kanaalstad"`),
		"no log keys":               strings.NewReplacer(vkeys[0], "", vkeys[1], "", `"",`, "", `""`, "").Replace(text),
		"a log key twice":           replace(`"`+vkeys[1]+`"`, `"`+vkeys[0]+`"`),
		"another log's key":         replace(`"`+vkeys[1]+`"`, `"`+other+`"`),
		"a witness's key":           replace(`"`+vkeys[1]+`"`, `"`+checkpoint.FormatVKey(cosigner)+`"`),
		"a log key with a bad hash": replace(`"`+vkeys[1]+`"`, `"`+strings.Replace(vkeys[1], "+", "+0", 1)+`"`),
		"log keys null":             replace(`"`+vkeys[0]+`",`, `null,`),
		"from_size null":            replace(`"from_size": 3`, `"from_size": null`),
		"no from_size":              replace(`"from_size": 3, `, ``),
		"from_size 3.0":             replace(`"from_size": 3`, `"from_size": 3.0`),
		"from_size 3e0":             replace(`"from_size": 3`, `"from_size": 3e0`),
		"from_size -3":              replace(`"from_size": 3`, `"from_size": -3`),
		"from_size in a string":     replace(`"from_size": 3`, `"from_size": "3"`),
		"from_size 2^64":            replace(`"from_size": 3`, `"from_size": 18446744073709551616`),
		"from_size 2^63":            replace(`"from_size": 3`, `"from_size": 9223372036854775808`),
		"to_size below from_size":   replace(`"to_size": 40`, `"to_size": 2`),
		"a publisher twice":         replace(base64.StdEncoding.EncodeToString(public("former officer")), officer),
		"the log's key publishing":  replace(officer, logKey),
		"a key of 31 bytes":         replace(officer, base64.StdEncoding.EncodeToString(make([]byte, 31))),
		"a key in the URL alphabet": replace(officer, "_____________________________________________"),
		"a key of small order":      replace(officer, small),
		"a key without padding":     replace(officer, strings.TrimRight(officer, "=")),
		"no key":                    replace(`"key": "`+officer+`", `, ``),
		"an earlier log twice":      replace("older.example/log", "old.example/log"),
		"this log before itself":    replace("older.example/log", "kanaalstad.example/log"),
		"earlier logs in disorder":  replace(`"size": 9`, `"size": 4`),
		"an earlier log of no size": replace(`"size": 9`, `"size": null`),
		"an earlier log, unnamed":   replace(`"origin": "old.example/log", `, ``),
		"an earlier log of 2^63":    replace(`"size": 9`, `"size": 9223372036854775808`),
		"earlier null":              replace("\"earlier\": [\n    {\"origin\": \"old.example/log\", \"size\": 5},\n    {\"origin\": \"older.example/log\", \"size\": 9}\n  ]", `"earlier": null`),
		"too much":                  text + strings.Repeat(" ", receipt.MaxTrust),
	} {
		if trust, err := receipt.ParseTrust([]byte(s)); err == nil {
			t.Errorf("ParseTrust with %s = %+v, want an error", name, trust)
		}
	}
}

func TestTrustFormatRefuses(t *testing.T) {
	for name, change := range map[string]func(t *receipt.Trust){
		"no origin":        func(t *receipt.Trust) { t.Origin = "" },
		"no log keys":      func(t *receipt.Trust) { t.Log = nil },
		"a short key":      func(t *receipt.Trust) { t.Publishers[0].Key = make(ed25519.PublicKey, 31) },
		"a key twice":      func(t *receipt.Trust) { t.Publishers = append(t.Publishers, t.Publishers[0]) },
		"an endless range": func(t *receipt.Trust) { t.Publishers[0].FromSize = proof.MaxSize + 1 },
		"too many keys":    func(t *receipt.Trust) { t.Publishers = make([]receipt.Publisher, 5001) },
	} {
		trust := newWorld(t, origin, 1).trust()
		change(trust)
		if b, err := trust.Format(); err == nil {
			t.Errorf("Format with %s = %s, want an error", name, b)
		}
	}
}

func TestTrustWithoutPublishers(t *testing.T) {
	trust := newWorld(t, origin, 1).trust()
	trust.Publishers = nil
	b, err := trust.Format()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := receipt.ParseTrust(b); err != nil || len(again.Publishers) != 0 {
		t.Errorf("ParseTrust(%s) = %+v, %v", b, again, err)
	}
}

func FuzzParseTrust(f *testing.F) {
	f.Add([]byte(trustText(f)))
	f.Add([]byte(`{"version":1,"origin":"a","log_vkeys":[],"publishers":[{}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		trust, err := receipt.ParseTrust(b)
		if err != nil {
			return
		}
		text, err := trust.Format()
		if err != nil {
			t.Fatalf("Format(Parse(%q)): %v", b, err)
		}
		if _, err := receipt.ParseTrust(text); err != nil {
			t.Fatalf("reading back %q: %v", text, err)
		}
	})
}

func BenchmarkParseTrust(b *testing.B) {
	text := []byte(trustText(b))
	for b.Loop() {
		if _, err := receipt.ParseTrust(text); err != nil {
			b.Fatal(err)
		}
	}
}
