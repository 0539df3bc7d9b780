package cli_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/cli"
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
	run(t, "alliance", "init", "--ceremony").exit(t, 0, "join-request", "alliance review", "alliance sign", "alliance root", "alliance epoch", "alliance renew")
	run(t, "alliance", "init").exit(t, 1, "error:", "--ceremony")
	for _, verb := range [][]string{{"key"}, {"key", "request"}, {"key", "approve"}, {"key", "retire"}, {"key", "doctor"}, {"change-request"}, {"alliance", "renew"}, {"alliance", "review"}, {"use"}} {
		if out := run(t, append(verb, "--help")...).out; !strings.Contains(out, "Examples:") && !strings.Contains(out, "the new officer") {
			t.Errorf("%v has no example:\n%s", verb, out)
		}
	}
}
