package mutation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/testenv"
)

// mutate returns the text of a mutant's file. Each text that is to be replaced must be there, and once.
func (m mutant) mutate(root string) (string, error) {
	source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.file)))
	text := string(source)
	for _, e := range m.edits {
		if n := strings.Count(text, e.from); n != 1 {
			err = errors.Join(err, fmt.Errorf("%s: %q is %d times in %s, want once: mend the mutant", m.name, e.from, n, m.file))
		}
		text = strings.Replace(text, e.from, e.to, 1)
	}
	return text, err
}

func TestMutantsFitTheSource(t *testing.T) {
	root := testenv.Root(t)
	for _, m := range mutants {
		if _, err := m.mutate(root); err != nil {
			t.Error(err)
		}
	}
}

// caught finds the test that failed, the one that hung, or what a panic said.
var caught = regexp.MustCompile(`(?m)^--- FAIL: (\S+)|^panic: test timed out.*\n\s+running tests:\n\s+(\S+)|^panic: (.*)$`)

// caughtBy names what noticed a mutant in the output of go test, or "" if no test did.
func caughtBy(output string) string {
	found := caught.FindStringSubmatch(output)
	switch {
	case found == nil:
		return ""
	case found[2] != "":
		return "`" + found[2] + "`, which hangs"
	}
	return "`" + found[1] + found[3] + "`"
}

// TestMutantsAreCaught runs the tests on each mutant that CITYPROOF_MUTANTS names by a regular expression, or all. One
// that passes them is a failure: a test is missing.
func TestMutantsAreCaught(t *testing.T) {
	which := os.Getenv("CITYPROOF_MUTANTS")
	if which == "" {
		t.Skip("takes minutes: CITYPROOF_MUTANTS=all")
	}
	if which == "all" {
		which = "."
	}
	chosen, err := regexp.Compile(which)
	if err != nil {
		t.Fatal(err)
	}
	root := testenv.Root(t)
	var table strings.Builder
	table.WriteString("| mutant | caught by | after | Trillian's own suite |\n|---|---|--:|---|\n")
	for _, m := range mutants {
		if !chosen.MatchString(m.name) {
			continue
		}
		start := time.Now()
		out, err := m.test(t, root, m.tests, m.run)
		took := time.Since(start).Round(100 * time.Millisecond)
		by := caughtBy(out)
		switch {
		case err == nil:
			t.Errorf("%s: every test passes", m.name)
			by = "**nothing**"
		case by == "":
			t.Fatalf("%s: the tests could not be run:\n%s", m.name, out)
		}
		theirs := "does not use it"
		if m.underTrillian() {
			theirs = "**passes**"
			if _, err := m.test(t, root, []string{"./internal/trillianapi"}, "TestTrillianIntegrationSuite"); err != nil {
				theirs = "fails"
			}
		}
		fmt.Fprintf(&table, "| %s | %s | %v | %s |\n", m.name, by, took, theirs)
		t.Logf("%s: %s; Trillian's own suite: %s", m.name, by, theirs)
	}
	fmt.Println(table.String())
}

// underTrillian says whether the mutant is below package trillianapi, on whose scratch trees Trillian's own suite
// (github.com/google/trillian/integration) runs unchanged.
func (m mutant) underTrillian() bool {
	for _, dir := range []string{"internal/logstore/", "internal/entrystore/", "internal/pebbledb/"} {
		if strings.HasPrefix(m.file, dir) {
			return true
		}
	}
	return false
}

// test runs tests on a mutant up to the first that fails.
func (m mutant) test(t *testing.T, root string, packages []string, run string) (string, error) {
	t.Helper()
	text, err := m.mutate(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mutated, overlay := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, filepath.FromSlash(m.file)): mutated}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(mutated, []byte(text), 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"test", "-failfast", "-vet=off", "-short", "-count=1", "-timeout=90s", "-run", run}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CITYPROOF_MUTANTS=", "GOFLAGS=-overlay="+overlay) // also for the programs that tests build
	out, err := cmd.CombinedOutput()
	return string(out), err
}
