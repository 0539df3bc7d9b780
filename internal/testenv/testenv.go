package testenv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// RequireVar names the environment variable that lists what must not be missing.
const RequireVar = "CITYPROOF_REQUIRE"

// Root returns the folder of the module's go.mod: the nearest one at or above the test's working directory,
// which the go command sets to the package's own folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatalf("finding the repository: no go.mod at or above the test's folder")
		}
		dir = parent
	}
}

// Shared returns the path of a file or folder of the shared data, which lies beside the repository
// (../shared/data). The name is slash-separated: "camera-registries/perth.csv". A missing file skips the test,
// or fails it when CITYPROOF_REQUIRE contains "data".
func Shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), "..", "shared", "data", filepath.FromSlash(name))
	_, err := os.Stat(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("looking for shared data %s: %v", name, err)
	}
	Require(t, "data", err == nil, "shared data "+name)
	return path
}

// Require skips the test when have is false, naming what is missing, or fails it when CITYPROOF_REQUIRE
// contains thing. thing is one word ("strace"); what says it for a person ("the program strace").
func Require(t testing.TB, thing string, have bool, what string) {
	t.Helper()
	switch {
	case have:
	case required(os.Getenv(RequireVar), thing):
		t.Fatalf("%s is missing, and %s asks for %q", what, RequireVar, thing)
	default:
		t.Skipf("%s is missing", what)
	}
}

// required says whether a value of CITYPROOF_REQUIRE lists the thing.
func required(list, thing string) bool {
	words := strings.FieldsFunc(list, func(r rune) bool { return r == ' ' || r == ',' })
	return slices.Contains(words, thing)
}

// SkipInRace skips a test under the race detector, which makes it ten to thirty times slower: one that repeats what one
// goroutine does until every byte, size or fault was tried. Shorter tests of the same code show the detector all
// that is shared. Without the detector it runs, and CI does both.
func SkipInRace(t testing.TB) {
	t.Helper()
	if raceDetector {
		t.Skip("it repeats one goroutine's work: it runs without the race detector")
	}
}
