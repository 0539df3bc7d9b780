package cli_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/cli"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// use runs the verb in a folder of settings; answer is what the person types, if one is there.
func use(t *testing.T, settings, host, answer string, flags ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	a := &cli.App{
		In: strings.NewReader(answer), Out: &out, Err: &errs, Terminal: answer != "", Now: time.Now, Rand: rand.Reader,
		Getenv:       func(name string) string { return map[string]string{"XDG_CONFIG_HOME": settings}[name] },
		ReadPassword: func() ([]byte, error) { return nil, errors.New("nobody is here") },
	}
	code := a.Main(t.Context(), append([]string{"use", host}, flags...))
	return ran{code, out.String(), errs.String()}
}

// T-11: what is kept at first contact is version 1, signed, and kept only if a person says that it is the right one.
func TestT11FirstContact(t *testing.T) {
	w := newWorld(t, nil)
	other := newWorld(t, nil)
	first := read(t, w.root)
	d := alliancetest.Draft(t, w.cities...)
	d.Version, d.Terms.Founders, d.Terms.Genesis = 2, nil, w.roster.Root().ID.String()
	second, err := alliancetest.SignRoot(t, w.roster.Root(), d, "root 1", "root 2", "root 3").Format()
	must(t, err)
	unsigned, err := alliancetest.SignRoot(t, nil, alliancetest.Draft(t, w.cities...), "root 1").Format()
	must(t, err)
	d = alliancetest.Draft(t, other.cities...)
	d.Terms.Name = "Another alliance"
	another, err := alliancetest.SignRoot(t, nil, d, "root 1", "root 2", "root 3").Format()
	must(t, err)
	serves := func(body []byte) string {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/root.json" || body == nil {
				http.NotFound(rw, r)
				return
			}
			_, _ = rw.Write(body)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	settings := t.TempDir()
	use(t, settings, serves(nil), "", "--yes").exit(t, 3, "has no root.json", "hint:")
	use(t, settings, serves([]byte("{}")), "", "--yes").exit(t, 1, "no first root", "hint:")
	use(t, settings, serves(second), "", "--yes").exit(t, 1, "it is version 2", "hint:")
	use(t, settings, serves(unsigned), "", "--yes").exit(t, 1, "no first root", "hint:")
	use(t, settings, "http://127.0.0.1:1", "", "--yes").exit(t, 3, "hint:")
	use(t, settings, serves(first), "").exit(t, 2, "nobody is here to confirm")
	use(t, settings, serves(first), "n\n").exit(t, 1, "not confirmed", "nothing was kept")
	fingerprint := w.roster.Root().Alliance.String()
	use(t, settings, serves(first), "y\n").exit(t, 0, fingerprint, "Alliance of the tests", "nl-kanaalstad (City of kanaalstad)", "Kept as")
	if kept := read(t, filepath.Join(settings, "cityproof", "root.json")); !bytes.Equal(kept, first) {
		t.Error("what was kept is not what was served")
	}
	use(t, settings, serves(first), "").exit(t, 0, "You have it already", fingerprint)
	use(t, settings, serves(another), "", "--yes").exit(t, 1, "you follow another alliance: Alliance of the tests")
}

func TestCeremonyAndHelpNameEveryStep(t *testing.T) {
	run(t, "alliance", "init", "--ceremony").exit(t, 0, "join-request", "alliance review", "alliance sign", "alliance root", "alliance epoch", "alliance next-root")
	run(t, "alliance", "init").exit(t, 1, "error:", "--ceremony")
	for _, name := range strings.Fields("admit suspend reinstate leave rotate contest revoke freeze move-log accredit epoch ruleset root") {
		if out := run(t, "alliance", name, "--help").out; !strings.Contains(out, "Examples:") {
			t.Errorf("alliance %s has no example:\n%s", name, out)
		}
	}
	for _, verb := range [][]string{{"key"}, {"key", "request"}, {"key", "approve"}, {"key", "retire"}, {"key", "doctor"}, {"change-request"}, {"alliance", "next-root"}, {"alliance", "review"}, {"use"}} {
		if out := run(t, append(verb, "--help")...).out; !strings.Contains(out, "Examples:") && !strings.Contains(out, "the new officer") {
			t.Errorf("%v has no example:\n%s", verb, out)
		}
	}
}

// Who signs an act that somebody else wrote is told what it does.
func TestAllianceSignSaysWhatItSigns(t *testing.T) {
	w := newWorld(t, nil)
	city := alliancetest.NewCity(t, "ca-riviere")
	for _, test := range []struct {
		what proto.Message
		says string
	}{
		{&registryv1.Admit{Request: city.Join(t, w.cities[0].Origin).Envelope.Format()}, "admit ca-riviere, fingerprint "},
		{&registryv1.Admit{Request: []byte("{}")}, "do not sign"},
		{&registryv1.Leave{Member: proto.String("jp-minato")}, "end the membership of jp-minato"},
		{&registryv1.Suspend{Member: proto.String("jp-minato")}, "suspend jp-minato, without evidence"},
		{&registryv1.RevokeKey{Member: proto.String("jp-minato"), Key: alliancetest.Public("jp-minato officer-1")}, "end the key " + base64.StdEncoding.EncodeToString(alliancetest.Public("jp-minato officer-1")) + " of jp-minato"},
	} {
		file := write(t, t.TempDir(), "x.act.json", alliancetest.Act(t, w.roster, test.what, alliancetest.Key("act 1")))
		run(t, "alliance", "sign", file, "--key", w.key("act 2", signingkey.Act)).exit(t, 0, test.says, "It has 2 signatures", "alliance submit")
	}
}
