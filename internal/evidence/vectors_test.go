package evidence_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

const vectorsComment = `Evidence and the verdict on it, made by TestVectors for verifiers in other languages. The file "keys" names the verifier
keys of logs and witnesses. In the vectors, the quoted lines (JSON strings, joined) are the evidence. "known" names a key that the
verifier knows: with "until N" it was revoked as a log's key after size N, with "from N" as a witness's key at second N; "registry"
marks the registry's. The rest is what is found: kind, whom it accuses, the keys accused, the identity, the sentence for people.
Errors: malformed, later version, unknown key, not proven.
`

// vectors builds testdata/evidence.txtar.
type vectors struct {
	p     party
	names map[string]*checkpoint.Signer
	ar    txtar.Archive
}

// knows is what a verifier knows in a vector: lines such as "log until 5".
type knows []string

func newVectors(t *testing.T, p party) *vectors {
	t.Helper()
	v := &vectors{p: p, names: map[string]*checkpoint.Signer{}}
	v.ar.Comment = []byte(vectorsComment)
	keys := txtar.File{Name: "keys"}
	for _, k := range []struct {
		name   string
		signer *checkpoint.Signer
	}{{"log", p.log}, {"old-log", p.oldLog}, {"other", p.other}, {"w1", p.w1}, {"pq", p.pq}} {
		v.names[k.name] = k.signer
		keys.Data = fmt.Appendf(keys.Data, "%s: %s\n", k.name, checkpoint.FormatVKey(k.signer.Key()))
	}
	v.ar.Files = append(v.ar.Files, keys)
	return v
}

func (v *vectors) book(t *testing.T, known knows) book {
	t.Helper()
	b := book{map[string]evidence.LogKey{}, map[string]evidence.WitnessKey{}}
	for _, line := range known {
		fields := strings.Fields(line)
		s := v.names[fields[0]]
		vkey := checkpoint.FormatVKey(s.Key())
		log, witness := evidence.LogKey{Verifier: verifierOf(t, s)}, evidence.WitnessKey{Verifier: verifierOf(t, s)}
		for i, f := range fields[1:] {
			switch f {
			case "registry":
				log.Registry = true
			case "until":
				log.Revoked = true
				log.LastSize = number(t, fields[i+2])
			case "from":
				witness.Revoked = true
				witness.From = number(t, fields[i+2])
			}
		}
		if s.Key().Type == checkpoint.TypeEd25519 {
			b.logs[vkey] = log
		} else {
			b.witnesses[vkey] = witness
		}
	}
	return b
}

func number(t *testing.T, s string) (n uint64) {
	t.Helper()
	if _, err := fmt.Sscan(s, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// add appends a vector after checking that the verdict is the wanted one: kind and accused, or an error.
func (v *vectors) add(t *testing.T, name string, b []byte, known knows, want string) {
	t.Helper()
	f := txtar.File{Name: name}
	for line := range strings.Lines(string(b)) {
		quoted, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Data = append(append(f.Data, quoted...), '\n')
	}
	for _, k := range known {
		f.Data = fmt.Appendf(f.Data, "known: %s\n", k)
	}
	verdict, lines := v.verdict(t, b, known)
	if verdict != want {
		t.Errorf("%s: verdict %q, want %q", name, verdict, want)
	}
	if strings.HasPrefix(name, "accept/") == strings.HasPrefix(verdict, "error") {
		t.Errorf("%s: name does not fit verdict %q", name, verdict)
	}
	f.Data = append(f.Data, lines...)
	v.ar.Files = append(v.ar.Files, f)
}

func (v *vectors) verdict(t *testing.T, b []byte, known knows) (verdict, lines string) {
	t.Helper()
	e, err := evidence.Parse(b)
	var f *evidence.Finding
	if err == nil {
		if !bytes.Equal(e.Format(), b) {
			t.Errorf("Format(Parse(%q)) = %q", b, e.Format())
		}
		f, err = e.Verify(v.book(t, known))
	}
	switch {
	case errors.Is(err, evidence.ErrLaterVersion):
		verdict = "error: later version"
	case errors.Is(err, evidence.ErrMalformed):
		verdict = "error: malformed"
	case errors.Is(err, evidence.ErrUnknownKey):
		verdict = "error: unknown key"
	case errors.Is(err, evidence.ErrNotProven):
		verdict = "error: not proven"
	case err != nil:
		t.Errorf("an error of no kind: %v", err)
	}
	if err != nil {
		return verdict, verdict + "\n"
	}
	lines = fmt.Sprintf("kind: %v\naccused: %v\n", f.Kind, f.Accused)
	for _, k := range f.Keys {
		for name, s := range v.names {
			if s.Key().Equal(k) {
				lines += "accused-key: " + name + "\n"
			}
		}
	}
	return fmt.Sprintf("%v %v", f.Kind, f.Accused), lines + fmt.Sprintf("id: %s\ntext: %v\n", f.Key(), f)
}

func TestVectors(t *testing.T) {
	p := newParty(t)
	v := newVectors(t, p)
	all := samples(t, p)
	everybody := knows{"log", "old-log", "w1", "pq"}
	for _, s := range []struct{ name, want string }{
		{"E1-two-roots", "E1 log"}, {"E2-rewritten", "E2 log"}, {"E2-power-of-two", "E2 log"}, {"E2-twice-the-size", "E2 log"},
		{"E2-after-rotation", "E2 log"}, {"E3-two-leaves", "E3 log"}, {"E4-smaller-size-later", "E4 witness"},
		{"E4-one-size", "E4 witness"}, {"E4-fork", "E4 witness"}, {"E4-fork-in-one-second", "E4 witness"}, {"E4-mldsa44", "E4 witness"},
	} {
		v.add(t, "accept/"+s.name, all[s.name].Format(), everybody, s.want)
	}
	e1, e2, rotated := all["E1-two-roots"].Format(), all["E2-rewritten"].Format(), all["E2-after-rotation"].Format()
	e3, e4, smaller := all["E3-two-leaves"].Format(), all["E4-fork"].Format(), all["E4-smaller-size-later"].Format()
	v.add(t, "accept/E5-registry", e1, knows{"log registry"}, "E5 log")
	v.add(t, "accept/T13-revoked-at-the-size", e1, knows{"log until 7"}, "E1 log")
	v.add(t, "accept/T26-revoked-below-the-size", e1, knows{"log until 6"}, "E1 key")
	v.add(t, "accept/T26-registry-key-revoked", e1, knows{"log registry until 6"}, "E1 key")
	v.add(t, "accept/T26-old-key-beyond-its-end", rotated, knows{"log", "old-log until 4"}, "E2 key")
	v.add(t, "accept/old-key-within", rotated, knows{"log", "old-log until 5"}, "E2 log")
	v.add(t, "accept/T13-witness-revoked-later", e4, knows{fmt.Sprint("w1 from ", start+61)}, "E4 witness")
	v.add(t, "accept/T26-witness-revoked-before", e4, knows{fmt.Sprint("w1 from ", start+60)}, "E4 key")

	v.add(t, "reject/unknown-log", e1, knows{"other", "w1"}, "error: unknown key")
	v.add(t, "reject/one-unknown-key", rotated, knows{"log"}, "error: unknown key")
	v.add(t, "reject/unknown-witness", e4, knows{"log", "pq"}, "error: unknown key")
	for i, x := range honestMaterial(t, p) {
		b := []byte(x)
		want, _ := v.verdict(t, b, everybody)
		v.add(t, fmt.Sprintf("reject/T26-honest-%d", i), b, everybody, want)
	}
	for _, m := range []struct {
		name     string
		b        []byte
		old, new string
		want     string
	}{
		{"later-version", e1, "/v1\n", "/v2\n", "later version"},
		{"version-01", e1, "/v1\n", "/v01\n", "malformed"},
		{"version-0", e1, "/v1\n", "/v0\n", "malformed"},
		{"kind-E5", e1, "kind E1", "kind E5", "malformed"},
		{"kind-e1", e1, "kind E1", "kind e1", "malformed"},
		{"E1-as-E2", e1, "kind E1", "kind E2", "malformed"},
		{"E2-as-E1", e2, "kind E2", "kind E1", "malformed"},
		{"E3-as-E2", e3, "kind E3", "kind E2", "malformed"},
		{"E4-as-E2", e4, "kind E4\nwitness", "kind E2\nlog", "malformed"},
		{"E2-as-E4", e2, "kind E2\nlog", "kind E4\nwitness", "malformed"},
		{"E3-index-moved", e3, "index 5", "index 4", "not proven"},
		{"E3-index-beyond", e3, "index 5", "index 7", "malformed"},
		{"E3-index-zero-padded", e3, "index 5", "index 05", "malformed"},
		{"crlf", e1, "\n", "\r\n", "malformed"},
		{"blank-line-twice", e1, "\n\n", "\n\n\n", "malformed"},
		{"size-changed", e2, "\n9\n", "\n10\n", "not proven"},
		{"size-zero-padded", e1, "\n7\n", "\n07\n", "malformed"},
		{"other-origin", e1, "log.example.com/city\n", "log.example.com/town\n", "malformed"},
		{"T26-proof-that-fails", e2, "root ", "root A", "malformed"},
	} {
		v.add(t, "reject/"+m.name, bytes.ReplaceAll(m.b, []byte(m.old), []byte(m.new)), everybody, "error: "+m.want)
	}
	v.add(t, "reject/empty", nil, everybody, "error: malformed")
	v.add(t, "reject/tail", append(bytes.Clone(e1), '\n'), everybody, "error: malformed")
	v.add(t, "reject/cut", e1[:len(e1)-1], everybody, "error: malformed")
	v.add(t, "reject/heads-swapped", swapHeads(t, e1), everybody, "error: malformed")
	v.add(t, "reject/E4-heads-swapped", swapHeads(t, smaller), everybody, "error: malformed")
	v.add(t, "reject/a-cosignature-left-on", leaveCosignature(t, p), everybody, "error: malformed")
	v.add(t, "reject/T26-one-hash-changed", bendHash(t, e2), everybody, "error: not proven")
	v.add(t, "reject/E4-fork-not-needed", unneededFork(t, smaller, e4), everybody, "error: malformed")
	v.add(t, "reject/T08-time-0", timeZero(t, p.w1, "w1"), everybody, "error: malformed")
	checkGolden(t, "evidence.txtar", txtar.Format(&v.ar))
}

// cut splits evidence into its beginning and its two heads.
func cut(t *testing.T, b []byte) (begin, first, second string) {
	t.Helper()
	parts := strings.SplitAfter(string(b), "\n\n")
	if len(parts) != 5 {
		t.Fatalf("%d parts", len(parts))
	}
	return parts[0], parts[1] + strings.TrimSuffix(parts[2], "\n"), parts[3] + parts[4]
}

func swapHeads(t *testing.T, b []byte) []byte {
	t.Helper()
	begin, first, second := cut(t, b)
	return []byte(begin + second + "\n" + first)
}

func leaveCosignature(t *testing.T, p party) []byte {
	t.Helper()
	h, o := newHistory(t, 7, 7), newHistory(t, 7, 3)
	begin, first, _ := cut(t, must(evidence.NewE1(h.bare(t, p.log, 7, start), o.bare(t, p.log, 7, start)))(t).Format())
	cosigned := string(signed(t, text(7, h.root(t, 7)), start, p.log, p.w1))
	if strings.HasPrefix(cosigned, first) {
		t.Fatal("the cosigned head is the first: swap them in this test")
	}
	return []byte(begin + first + "\n" + cosigned)
}

func bendHash(t *testing.T, b []byte) []byte {
	t.Helper()
	lines := strings.SplitAfter(string(b), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "root ") {
			h, err := proof.ParseHash(strings.TrimSuffix(lines[i+1], "\n"))
			if err != nil {
				t.Fatal(err)
			}
			h[0] ^= 1
			lines[i+1] = h.String() + "\n"
		}
	}
	return []byte(strings.Join(lines, ""))
}

// unneededFork puts the proof of a fork into evidence that its times prove.
func unneededFork(t *testing.T, smaller, fork []byte) []byte {
	t.Helper()
	begin, _, _ := cut(t, fork)
	_, first, second := cut(t, smaller)
	return []byte(begin + first + "\n" + second)
}

func timeZero(t *testing.T, s *checkpoint.Signer, word string) []byte {
	t.Helper()
	h, o := newHistory(t, 7, 7), newHistory(t, 7, 3)
	x := text(7, h.root(t, 7))
	note := string(format(t, &checkpoint.Note{Text: x, Sigs: []checkpoint.Signature{atTime0(t, s, word, x)}}))
	begin, first, second := cut(t, must(evidence.NewE4(h.bare(t, s, 7, start), o.bare(t, s, 7, start), nil))(t).Format())
	if strings.HasPrefix(first, x) {
		first = note
	} else {
		second = note
	}
	return []byte(begin + first + "\n" + second)
}

// seeds gives a fuzz target the evidence of the vectors.
func seeds(f *testing.F) [][]byte {
	f.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "evidence.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	var inputs [][]byte
	for _, file := range txtar.Parse(b).Files {
		var input []byte
		for line := range strings.Lines(string(file.Data)) {
			if !strings.HasPrefix(line, `"`) {
				continue
			}
			var s string
			if err := json.Unmarshal([]byte(line), &s); err != nil {
				f.Fatalf("vector %s: line %q: %v", file.Name, line, err)
			}
			input = append(input, s...)
		}
		inputs = append(inputs, input)
	}
	return inputs
}
