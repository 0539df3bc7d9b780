package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cityproof/cityproof/internal/cli"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cityproof": func() { os.Exit(cli.Process(rand.Reader).Main(context.Background(), os.Args[1:])) },
	})
}

// TestScript runs the verbs that need no node, as whole programs. $R holds a receipt
// with the trust file that it is true under.
func TestScript(t *testing.T) {
	vectors, err := filepath.Abs("../receipt/testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("R", vectors)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// exits runs cityproof and wants an exit code: exits 3 verify x.receipt.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want := args[0]
	err := ts.Exec("cityproof", args[1:]...)
	got := "0"
	if err != nil {
		if _, after, ok := strings.Cut(err.Error(), "exit status "); ok {
			got = after
		} else {
			ts.Fatalf("running cityproof: %v", err)
		}
	}
	if got != want {
		ts.Fatalf("cityproof %s exits %s, want %s", strings.Join(args[1:], " "), got, want)
	}
}

// ran is what a run of the command gave.
type ran struct {
	code     int
	out, err string
}

// run runs the command in this process, in a folder of its own settings.
func run(t *testing.T, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	config := t.TempDir()
	a := &cli.App{
		In: strings.NewReader(""), Out: &out, Err: &errs,
		Now: time.Now, Rand: rand.Reader,
		Getenv: func(name string) string {
			if name == "XDG_CONFIG_HOME" {
				return config
			}
			return ""
		},
		ReadPassword: func() ([]byte, error) { return nil, errors.New("nobody is here") },
	}
	code := a.Main(t.Context(), args)
	return ran{code, out.String(), errs.String()}
}

// exit holds a run to its exit code and to what it prints.
func (r ran) exit(t *testing.T, code int, want ...string) {
	t.Helper()
	if r.code != code {
		t.Fatalf("exits %d, want %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, w := range want {
		if !strings.Contains(r.out+r.err, w) {
			t.Errorf("does not say %q:\n%s%s", w, r.out, r.err)
		}
	}
	if said := strings.Contains("\n"+r.err, "\nerror: "); said != (code != 0) {
		t.Errorf("exits %d and prints %q", code, r.err)
	}
}

// exitSilently is exit of what says why in its output alone, such as JSON.
func (r ran) exitSilently(t *testing.T, code int, want ...string) {
	t.Helper()
	if r.code != code || r.err != "" {
		t.Fatalf("exits %d, want %d and silence\n%s%s", r.code, code, r.out, r.err)
	}
	for _, w := range want {
		if !strings.Contains(r.out, w) {
			t.Errorf("does not say %q:\n%s", w, r.out)
		}
	}
}

func write(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// clean fails if text could drive a terminal or turn a line around.
func clean(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			t.Fatalf("prints %U: %q", r, text)
		}
	}
}
