package receipt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; run with -update and read the diff (-file +made):\n%s", file, diff)
	}
}

// TestGolden keeps one receipt, its trust file and the verdict on disk: a receipt
// handed out today must verify in every later version.
func TestGolden(t *testing.T) {
	w, r := sample(t)
	trust, err := w.trust().Format()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "service.receipt", format(t, r))
	golden(t, "trust.json", trust)

	file, err := os.ReadFile("testdata/service.receipt")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := receipt.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	believed, err := receipt.ParseTrust(trust)
	if err != nil {
		t.Fatal(err)
	}
	v, err := receipt.Verify(kept, believed)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, c := range v.Claims {
		mark := "told"
		if !c.Told {
			mark = "NOT TOLD"
		}
		fmt.Fprintf(&text, "%s: %s: %s\n", c.Name, mark, c.Text)
		if c.RestsOn != "" {
			fmt.Fprintf(&text, "    rests on %s\n", c.RestsOn)
		}
	}
	golden(t, "verdict.txt", text.Bytes())
}

// TestI7ByteExactInsideJSON: a JSON reader finds the three members, and the exact
// bytes of the envelope and the body can be cut out of their lines.
func TestI7ByteExactInsideJSON(t *testing.T) {
	_, r := sample(t)
	b := format(t, r)
	again, err := receipt.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Errorf("Parse(Format(x)) differs (-want +got):\n%s", diff)
	}
	if !bytes.Equal(format(t, again), b) {
		t.Error("Format(Parse(b)) != b")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(b, &members); err != nil || len(members) != 3 {
		t.Fatalf("the file is JSON with %d members, %v", len(members), err)
	}
	if !bytes.Equal(members["statement"], r.Statement) || !bytes.Equal(members["body"], r.Body) {
		t.Error("a JSON reader's raw values are other bytes")
	}
	var text string
	if err := json.Unmarshal(members["tlog_proof"], &text); err != nil {
		t.Fatal(err)
	}
	if p, err := proof.ParseTLogProof([]byte(text)); err != nil || p.Index != at {
		t.Errorf("tlog_proof alone = %+v, %v", p, err)
	}
	lines := strings.Split(string(b), "\n")
	body := strings.TrimSuffix(strings.TrimPrefix(lines[1], `"body":`), ",")
	signed, err := declaration.ParseSigned(r.Statement)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256([]byte(body)) != signed.Statement.BodySHA256 {
		t.Error("the second line does not have the body's hash")
	}
}

// TestEveryByteCounts flips each bit of each byte of a receipt: none is accepted.
func TestEveryByteCounts(t *testing.T) {
	w, r := sample(t)
	file, trust := format(t, r), w.trust()
	if err := check(file, trust); err != nil {
		t.Fatalf("the receipt itself: %v", err)
	}
	masks := []byte{1, 2, 4, 8, 16, 32, 64, 128}
	if testing.Short() {
		masks = []byte{1, 32}
	}
	claims := map[string]int{}
	for i := range file {
		for _, mask := range masks {
			file[i] ^= mask
			err := check(file, trust)
			file[i] ^= mask
			var no *receipt.FalseError
			var unknown *receipt.CouldNotTellError
			switch {
			case errors.As(err, &no):
				claims[no.Claim]++
			case errors.As(err, &unknown) && unknown.Claim == receipt.ClaimFile:
				claims["unknown member"]++
			default:
				t.Errorf("byte %d (%q) ^ %#x: %v", i, file[max(0, i-20):min(len(file), i+20)], mask, err)
			}
		}
	}
	// Not the signature: a changed envelope is another leaf, which is found first.
	for _, c := range []string{receipt.ClaimFile, receipt.ClaimStatement, receipt.ClaimCheckpoint, receipt.ClaimInclusion, receipt.ClaimBody} {
		if claims[c] == 0 {
			t.Errorf("no flip broke the claim %q", c)
		}
	}
	t.Logf("%d bytes; refused for: %v", len(file), claims)
}

func TestParseRefuses(t *testing.T) {
	_, r := sample(t)
	good := string(format(t, r))
	lines := strings.SplitAfter(good, "\n")
	compact := strings.ReplaceAll(good, "\n", "")
	extra := *r.Proof
	extra.Extra = []byte("salt")
	extraText, err := extra.Format()
	if err != nil {
		t.Fatal(err)
	}
	quoted, err := json.Marshal(string(extraText))
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"nothing":                   "",
		"an empty object":           "{}\n",
		"no line break at the end":  strings.TrimSuffix(good, "\n"),
		"one more line break":       good + "\n",
		"a second receipt":          good + good,
		"CRLF":                      strings.ReplaceAll(good, "\n", "\r\n"),
		"a byte order mark":         "\ufeff" + good,
		"one line":                  compact + "\n",
		"spaces after colons":       strings.Replace(good, `"body":`, `"body": `, 1),
		"without its statement":     "{" + lines[1] + lines[2],
		"without its proof":         lines[0] + strings.TrimSuffix(lines[1], ",\n") + "}\n",
		"body first":                "{" + lines[1] + strings.TrimPrefix(lines[0], "{") + lines[2],
		"two bodies":                lines[0] + lines[1] + lines[1] + lines[2],
		"an empty body":             lines[0] + "\"body\":,\n" + lines[2],
		"a body that is a string":   lines[0] + "\"body\":\"{}\",\n" + lines[2],
		"a body that is null":       lines[0] + "\"body\":null,\n" + lines[2],
		"proof as a list":           lines[0] + lines[1] + "\"tlog_proof\":[]}\n",
		"proof with escaped letter": strings.Replace(good, `"tlog_proof":"c2sp`, `"tlog_proof":"\u00632sp`, 1),
		"proof with extra data":     lines[0] + lines[1] + "\"tlog_proof\":" + string(quoted) + "}\n",
		"an envelope with space":    strings.Replace(good, `,"payloadType"`, `, "payloadType"`, 1),
		"too much":                  good + strings.Repeat(" ", receipt.MaxFile),
	} {
		_, err := receipt.Parse([]byte(file))
		var no *receipt.FalseError
		if !errors.As(err, &no) {
			t.Errorf("Parse of a receipt with %s = %v, want a FalseError", name, err)
		}
	}
}

// TestUnknownMembersCouldNotBeTold: a later receipt is neither true nor false to
// this program.
func TestUnknownMembersCouldNotBeTold(t *testing.T) {
	_, r := sample(t)
	good := string(format(t, r))
	for name, file := range map[string]string{
		"another member at the end":   strings.TrimSuffix(good, "}\n") + ",\n\"successor\":{}}\n",
		"another member at the start": strings.Replace(good, "{", "{\"successor\":{},\n", 1),
		"another layout":              `{"successor": {"epoch": 3}, "statement": {}, "tlog_proof": ""}`,
		"an odd name":                 strings.TrimSuffix(good, "}\n") + ",\n\"\x7f\u202e\":1}\n",
	} {
		_, err := receipt.Parse([]byte(file))
		var unknown *receipt.CouldNotTellError
		if !errors.As(err, &unknown) || unknown.Claim != receipt.ClaimFile {
			t.Errorf("Parse with %s = %v, want a CouldNotTellError", name, err)
		}
		if err != nil && strings.ContainsRune(err.Error(), '\u202e') {
			t.Errorf("the error carries an override to the terminal: %q", err)
		}
	}
}

func TestFormatRefusesWhatParseWould(t *testing.T) {
	_, r := sample(t)
	for name, change := range map[string]func(r *receipt.Receipt){
		"a line break in the body": func(r *receipt.Receipt) { r.Body = []byte("{\n}") },
		"no envelope":              func(r *receipt.Receipt) { r.Statement = []byte("{}") },
		"extra data": func(r *receipt.Receipt) {
			r.Proof = &proof.TLogProof{Extra: []byte("x"), Checkpoint: r.Proof.Checkpoint}
		},
		"no checkpoint": func(r *receipt.Receipt) { r.Proof = &proof.TLogProof{} },
	} {
		changed := *r
		change(&changed)
		if b, err := changed.Format(); err == nil {
			t.Errorf("Format with %s = %q, want an error", name, b)
		}
	}
}

func FuzzParse(f *testing.F) {
	w, r := sample(f)
	f.Add(format(f, r))
	r.Body = nil
	f.Add(format(f, r))
	f.Add([]byte(`{"authority":1}`))
	trust := w.trust()
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := receipt.Parse(b)
		if err != nil {
			return
		}
		again, err := r.Format()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("Format(Parse(%q)) = %q, %v", b, again, err)
		}
		if v, err := receipt.Verify(r, trust); err == nil && v.Leaf != proof.LeafHash(r.Statement) {
			t.Fatalf("verified as another leaf: %q", b)
		}
	})
}
