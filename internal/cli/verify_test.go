package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/receipt"
)

const vectors = "../receipt/testdata/"

// good is a true receipt, and trust a copy of the trust file under which it is.
func good(t *testing.T) (file []byte, trust string) {
	t.Helper()
	return read(t, vectors+"service.receipt"), write(t, t.TempDir(), "trust.json", read(t, vectors+"trust.json"))
}

func TestVerifySaysWhatEachClaimRestsOn(t *testing.T) {
	_, trust := good(t)
	r := run(t, "verify", vectors+"service.receipt", "--trust", trust)
	r.exit(t, 0, "yes inclusion", "yes signature", "rests on signatures by all keys of the log in the trust file", "?   witness")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "TRUE: ") || !strings.Contains(last, "svc/18 of nl-kanaalstad") {
		t.Errorf("the last line is %q", last)
	}
	for _, line := range lines[:len(lines)-1] {
		if len([]rune(line)) > 80 && len(strings.Fields(line)) > 1 {
			t.Errorf("longer than 80 columns: %q", line)
		}
	}
}

// TestOneChangedByteFailsVerification changes every byte of a receipt in turn. Only
// signature lines by keys that nobody asked about may differ, and there are none.
func TestOneChangedByteFailsVerification(t *testing.T) {
	file, trust := good(t)
	dir := t.TempDir()
	step := len(file)/400 + 1
	for i := 0; i < len(file); i += step {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		r := run(t, "verify", write(t, dir, "changed.receipt", changed), "--trust", trust)
		// A changed name of a member or of the log is another version's, or another log's, as far as anybody can tell.
		if r.code != 1 && r.code != 3 || strings.Contains(r.out, "TRUE") {
			t.Errorf("byte %d changed from %q to %q: exits %d\n%s", i, file[i], changed[i], r.code, r.out)
		}
	}
	at := bytes.Index(file, []byte(`"payload":"`)) + 40
	changed := bytes.Clone(file)
	changed[at] ^= 2
	run(t, "verify", write(t, dir, "changed.receipt", changed), "--trust", trust).exit(t, 1, "FALSE: ", "verification failed", "hint: keep the file")
}

func TestVerifyExitCodes(t *testing.T) {
	file, trust := good(t)
	dir := t.TempDir()
	bad := write(t, dir, "bad.receipt", append(bytes.Clone(file), ' '))
	later := write(t, dir, "later.receipt", bytes.Replace(file, []byte(`{"statement"`), []byte(`{"successor":{},"statement"`), 1))
	lines := strings.SplitAfter(string(file), "\n")
	bodyless := write(t, dir, "bodyless.receipt", []byte(lines[0]+lines[2]))
	ok := vectors + "service.receipt"
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a true receipt", []string{ok}, 0, "TRUE"},
		{"something behind the end", []string{bad}, 1, "FALSE"},
		{"a member of a later version", []string{later}, 3, "COULD NOT TELL"},
		{"no body", []string{bodyless}, 3, "COULD NOT TELL"},
		{"false outweighs unknown", []string{later, ok, bad}, 1, "verification failed: " + bad},
		{"unknown outweighs true", []string{ok, later}, 3, "could not tell: " + later},
		{"no such file", []string{filepath.Join(dir, "none")}, 2, "hint: check the file's name"},
		{"a folder", []string{dir}, 3, "error:"},
		{"no file at all", nil, 2, "error:"},
		{"an unknown option", []string{ok, "--network"}, 2, "verify --help"},
		{"an entry for a receipt", []string{ok, "--entry", ok}, 2, "is no bare proof"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, append([]string{"verify", "--trust", trust}, tc.args...)...).exit(t, tc.code, tc.want)
		})
	}
	run(t, "verify", ok).exit(t, 3, "no trust file")
	run(t, "verify", ok, "--trust", ok).exit(t, 2, "reading trust")
}

func TestVerifyBareProof(t *testing.T) {
	file, trust := good(t)
	r, err := receipt.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Proof.Format()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	proof, entry := write(t, dir, "x.tlog-proof", text), write(t, dir, "entry.json", r.Statement)
	body, other := write(t, dir, "body.json", r.Body), write(t, dir, "other.json", append([]byte(" "), r.Body...))
	args := []string{"verify", proof, "--trust", trust}
	run(t, args...).exit(t, 2, "is a bare proof")
	run(t, append(args, "--entry", entry)...).exit(t, 0, "TRUE", "was not looked at")
	run(t, append(args, "--entry", entry, "--body", body)...).exit(t, 0, "TRUE", "yes body")
	run(t, append(args, "--entry", entry, "--body", other)...).exit(t, 1, "FALSE")
	run(t, append(args, "--entry", body)...).exit(t, 1, "FALSE")
	run(t, "verify", proof, proof, "--trust", trust, "--entry", entry).exit(t, 2, "belong to one proof")
	// What is no proof is said to be none, with an entry and without a body too.
	for _, damaged := range []string{"c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex x\n\n"} {
		bad := []string{"verify", write(t, dir, "bad.tlog-proof", []byte(damaged)), "--trust", trust, "--entry", entry}
		run(t, bad...).exit(t, 1, "FALSE", "parsing tlog-proof")
		run(t, append(bad, "--body", body)...).exit(t, 1, "FALSE", "parsing tlog-proof")
	}
}

func TestVerifyJSON(t *testing.T) {
	file, trust := good(t)
	bad := write(t, t.TempDir(), "bad.receipt", file[:len(file)-1])
	r := run(t, "verify", vectors+"service.receipt", bad, "--trust", trust, "--json")
	r.exit(t, 1)
	var got []struct {
		File, Verdict, Subject, Why string
		Index                       uint64
		Claims                      []receipt.Claim
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("%v in %s", err, r.out)
	}
	if len(got) != 2 || got[0].Verdict != "true" || got[0].Subject != "svc/18" || got[0].Index != 17 || len(got[0].Claims) < 8 ||
		got[1].Verdict != "false" || got[1].Why == "" {
		t.Errorf("got %+v", got)
	}
}

// T-43: names of files and what stands in them is shown and does nothing.
func TestT43VerifyPrintsNothingThatDrivesATerminal(t *testing.T) {
	_, trust := good(t)
	dir := t.TempDir()
	for i, hostile := range []string{"\x1b[2J", "\u009b2J", "\u202egnp.exe", "\x07\x1b]0;title\x07", "\u2066x\u2069", "\x7f"} {
		name := fmt.Sprintf("%d%s.receipt", i, hostile)
		for _, data := range []string{hostile, `{"` + hostile + `":1,"statement":2}`} {
			for _, how := range []string{"", "--json"} {
				args := []string{"verify", write(t, dir, name, []byte(data)), "--trust", trust}
				if how != "" {
					args = append(args, how)
				}
				r := run(t, args...)
				if r.code != 1 && r.code != 3 {
					t.Errorf("%q exits %d", data, r.code)
				}
				clean(t, r.out)
				clean(t, r.err)
			}
		}
	}
}
