package checkpoint_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// Vector files are read by Go and by the TypeScript verifier. Each archive file is one vector, named accept/… or
// reject/…. Lines that begin with a double quote are JSON strings: joined, they are the input. The others are
// "key: value": what the parser must find, or the error of the Go parser.

// runVectors checks each vector of testdata/name. describe parses an input and gives the lines of what it found.
func runVectors(t *testing.T, name string, describe func(input string) ([]string, error)) {
	t.Helper()
	file := filepath.Join("testdata", name)
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(ar.Files) == 0 {
		t.Fatalf("%s has no vectors", file)
	}
	for i, f := range ar.Files {
		input, quoted, want := splitVector(t, f)
		t.Run(f.Name, func(t *testing.T) {
			got, err := describe(input)
			accept := strings.HasPrefix(f.Name, "accept/")
			if !accept && !strings.HasPrefix(f.Name, "reject/") {
				t.Fatalf("vector %q is named neither accept/ nor reject/", f.Name)
			}
			if accept && err != nil {
				t.Fatalf("rejected: %v", err)
			}
			if !accept && err == nil {
				t.Fatalf("accepted as %q", got)
			}
			if err != nil {
				got = []string{"error: " + err.Error()}
			}
			found := strings.Join(got, "\n") + "\n"
			if *update {
				ar.Files[i].Data = []byte(quoted + found)
			} else if found != want {
				t.Errorf("got\n%swant\n%s", found, want)
			}
		})
	}
	if *update {
		writeGolden(t, file, txtar.Format(ar))
	}
}

// seeds gives a fuzz target the inputs of the vectors in testdata/name.
func seeds(f *testing.F, name string) []string {
	f.Helper()
	ar, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	var inputs []string
	for _, file := range ar.Files {
		input, _, _ := splitVector(f, file)
		inputs = append(inputs, input)
	}
	return inputs
}

func splitVector(t testing.TB, f txtar.File) (input, quoted, want string) {
	t.Helper()
	for line := range strings.Lines(string(f.Data)) {
		if !strings.HasPrefix(line, `"`) {
			want += line
			continue
		}
		var s string
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("vector %s: line %q: %v", f.Name, line, err)
		}
		input += s
		quoted += line
	}
	return input, quoted, want
}

// checkGolden compares got with the file and rewrites the file under -update.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		writeGolden(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs from what the test makes; run with -update and read the diff", file)
	}
}

func writeGolden(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func fieldLine(key string, value any) string {
	return fmt.Sprintf("%s: %v", key, value)
}
