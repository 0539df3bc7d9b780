package declaration_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cityproof/cityproof/internal/declaration"
)

var update = flag.Bool("update", false, "rewrite the vectors in testdata")

// vector is one file of an archive in testdata. FORMAT.md describes the archives
// for readers in other languages.
type vector struct {
	name   string // accept/…, reject/…, unknown/… or forged/…
	input  string
	reason string // why it is not accepted, in words
	lines  []string
}

// outcome is what a parser made of an input: verb is accept, reject, unknown or
// forged.
type outcome struct {
	verb  string
	lines []string
}

// runVectors compares the archive with the vectors and with what describe finds,
// then reads each input back out of the archive, as another program would.
func runVectors(t *testing.T, file, comment string, vectors []vector, describe func(v vector) outcome) {
	t.Helper()
	want := &txtar.Archive{Comment: []byte(comment + "\n")}
	for _, v := range vectors {
		got := describe(v)
		if verb, _, _ := strings.Cut(v.name, "/"); got.verb != verb {
			t.Errorf("%s: got %s %q", v.name, got.verb, got.lines)
		}
		lines := append(inputLines(v.input), v.lines...)
		if v.reason != "" {
			lines = append(lines, "reason: "+v.reason)
		}
		lines = append(lines, got.lines...)
		want.Files = append(want.Files, txtar.File{Name: v.name, Data: []byte(strings.Join(lines, "\n") + "\n")})
	}
	path := filepath.Join("testdata", file)
	if *update && !t.Failed() {
		if err := os.WriteFile(path, txtar.Format(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(txtar.Format(stored), txtar.Format(want)) {
		t.Errorf("%s differs from what the test makes: run with -update and read the diff", path)
	}
	if len(stored.Files) != len(vectors) {
		t.Fatalf("%s has %d vectors, want %d", path, len(stored.Files), len(vectors))
	}
	for i, v := range vectors {
		if got := vectorInput(t, stored.Files[i]); got != v.input {
			t.Errorf("%s: read back %q, want %q", v.name, got, v.input)
		}
	}
}

// inputLines spells an input: as it is where that is readable and safe, else as a
// JSON string, else in hexadecimal.
func inputLines(input string) []string {
	plain := strings.HasPrefix(input, "{") && utf8.ValidString(input)
	for _, r := range input {
		plain = plain && (unicode.IsGraphic(r) && r != '\u00a0' && !unicode.Is(unicode.Cf, r))
	}
	if plain {
		return []string{input}
	}
	if !utf8.ValidString(input) {
		return []string{"hex: " + hex.EncodeToString([]byte(input))}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(input); err != nil {
		panic(err)
	}
	return []string{strings.TrimSuffix(b.String(), "\n")}
}

func vectorInput(t *testing.T, f txtar.File) string {
	t.Helper()
	line, _, _ := strings.Cut(string(f.Data), "\n")
	var s string
	switch {
	case strings.HasPrefix(line, "{"):
		return line
	case strings.HasPrefix(line, "hex: "):
		b, err := hex.DecodeString(line[len("hex: "):])
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		return string(b)
	}
	if err := json.Unmarshal([]byte(line), &s); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return s
}

// vectorInputs are all inputs of an archive: seeds for fuzzing.
func vectorInputs(t testing.TB, file string) []string {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var inputs []string
	for _, f := range ar.Files {
		line, _, _ := strings.Cut(string(f.Data), "\n")
		if strings.HasPrefix(line, "{") {
			inputs = append(inputs, line)
		}
	}
	if len(inputs) == 0 {
		t.Fatalf("%s has no vectors", file)
	}
	return inputs
}

// edit makes a vector of base with its only occurrence of old replaced.
func edit(t *testing.T, name, reason, base, old, replacement string) vector {
	t.Helper()
	if strings.Count(base, old) != 1 {
		t.Fatalf("vector %s: %q occurs %d times", name, old, strings.Count(base, old))
	}
	return vector{name: name, reason: reason, input: strings.Replace(base, old, replacement, 1)}
}

func errorLines(err error) outcome {
	return outcome{"reject", []string{"error: " + err.Error()}}
}

const vectorSyntax = `
The first line of a vector is its input: as it is if it begins with "{", else a JSON string, else after "hex: " bytes in
hexadecimal. The lines that follow are "key: value". accept/ must be accepted, reject/ refused; "reason" says why, and
"error" is what the Go program answers, which other programs need not repeat.`

func TestT01StatementVectors(t *testing.T) {
	runVectors(t, "statements.txtar", `Payloads of schema 1, made by TestT01StatementVectors.
`+vectorSyntax+`

"identity" is SHA-256 of the DSSE pre-authentication encoding of the payload. unknown/ is neither: of a later schema.`,
		statementVectors(t), func(v vector) outcome {
			_, err := declaration.ParseStatement([]byte(v.input))
			var unknown *declaration.UnknownSchemaError
			switch {
			case errors.As(err, &unknown):
				return outcome{"unknown", []string{fmt.Sprintf("schema: %d", unknown.Schema)}}
			case err != nil:
				return errorLines(err)
			}
			e := declaration.Envelope{PayloadType: declaration.PayloadType, Payload: []byte(v.input)}
			return outcome{"accept", []string{fmt.Sprintf("identity: %x", e.Identity())}}
		})
}

func TestBodyVectors(t *testing.T) {
	runVectors(t, "bodies.txtar", `Bodies, made by TestBodyVectors.
`+vectorSyntax+`

Which fields, types and names exist is in proto/cityproof/declaration/v1; a reader that only wants to check a body
against its statement needs none of that, just "sha256" and "size".`,
		bodyVectors(t), func(v vector) outcome {
			body, err := declaration.ParseBody([]byte(v.input))
			if err != nil {
				return errorLines(err)
			}
			kind, _ := declaration.KindOf(body)
			return outcome{"accept", []string{
				"kind: " + string(kind),
				fmt.Sprintf("sha256: %x", sha256.Sum256([]byte(v.input))),
				fmt.Sprintf("size: %d", len(v.input)),
			}}
		})
}
