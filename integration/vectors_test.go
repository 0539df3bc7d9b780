package integration_test

import (
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// archives are all files of the repository with vectors that must not be accepted, and how many each has. A vector that
// is lost or new, or an archive that goes through no door, fails the test.
var archives = map[string]int{
	// What is published: TestRejectVectorsThroughTheNode.
	"declaration/testdata/envelopes.txtar":  43,
	"declaration/testdata/statements.txtar": 156,
	"declaration/testdata/bodies.txtar":     40,
	// What is verified: TestRejectVectorsThroughTheVerifyingPrograms.
	"proof/testdata/tlogproof.txtar":       39,
	"checkpoint/testdata/note.txtar":       41,
	"checkpoint/testdata/checkpoint.txtar": 36,
	"checkpoint/testdata/verify.txtar":     17,
	"checkpoint/testdata/vkey.txtar":       40,
	"checkpoint/testdata/ed25519key.txtar": 54,
	"tile/testdata/path.txtar":             47,
	"tile/testdata/bundle.txtar":           10,
	// Arithmetic on hashes whose leaves are no declarations, so that no file of ours can hold them. Packages proof and
	// client test them, the second behind a node that lies.
	"proof/testdata/inclusion.txtar":   73,
	"proof/testdata/consistency.txtar": 71,
	// No program takes evidence in yet: package evidence tests it.
	"evidence/testdata/evidence.txtar": 47,
}

// rejected is a vector that must not be accepted.
type rejected struct {
	name  string
	input string
	lines map[string][]string // what else is said of it, by key
}

// why is what the Go parser answers; empty where the archive does not say.
func (r rejected) why() string { return strings.Join(r.lines["error"], "") }

// vectors reads what an archive wants refused.
func vectors(t *testing.T, archive string) []rejected {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("..", "internal", filepath.FromSlash(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var out []rejected
	for _, f := range ar.Files {
		if !mustBeRefused(f.Name) {
			continue
		}
		r := rejected{name: f.Name, lines: map[string][]string{}}
		for i, line := range strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n") {
			switch key, value, _ := strings.Cut(line, ": "); {
			case strings.HasPrefix(line, `"`):
				var s string
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Fatalf("%s %s: %v", archive, f.Name, err)
				}
				r.input += s
			case i == 0 && strings.HasPrefix(line, "{"):
				r.input = line
			case i == 0 && key == "hex":
				b, err := hex.DecodeString(value)
				if err != nil {
					t.Fatalf("%s %s: %v", archive, f.Name, err)
				}
				r.input = string(b)
			default:
				r.lines[key] = append(r.lines[key], value)
			}
		}
		out = append(out, r)
	}
	if len(out) != archives[archive] {
		t.Fatalf("%s has %d vectors to refuse, want %d", archive, len(out), archives[archive])
	}
	return out
}

func mustBeRefused(name string) bool {
	return strings.HasPrefix(name, "reject/") || strings.HasPrefix(name, "forged/") || strings.HasPrefix(name, "unknown/")
}

func TestEveryArchiveOfVectorsGoesThroughADoor(t *testing.T) {
	found := map[string]int{}
	internal := filepath.Join("..", "internal")
	err := filepath.WalkDir(internal, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".txtar" {
			return err
		}
		b, err := os.ReadFile(path)
		for _, f := range txtar.Parse(b).Files {
			if mustBeRefused(f.Name) {
				rel, _ := filepath.Rel(internal, path) // both begin there
				found[filepath.ToSlash(rel)]++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(found, archives) {
		t.Errorf("vectors to refuse: %v, want %v", found, archives)
	}
	names := slices.Sorted(maps.Keys(archives))
	if len(names) == 0 {
		t.Error("no archives")
	}
}
