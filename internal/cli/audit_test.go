package cli_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/client"
)

func TestAudit(t *testing.T) {
	c := startTown(t)
	var placed []client.Placed
	for _, name := range []string{"een", "twee", "drie"} {
		placed = append(placed, c.publish("com/"+string(rune('1'+len(placed))), pledge(name, texts("nl", name)), nil))
	}
	audit := func(args ...string) ran { return run(t, append([]string{"audit", "--trust", c.trust}, args...)...) }

	head := filepath.Join(t.TempDir(), "head")
	r := audit(c.url, "--save", head)
	r.exit(t, 0, "kanaalstad.example/log of nl-kanaalstad: 3 entries", "3 commitment", "bodies that are what was signed  3", "TRUE: everything")
	audit(c.url+"/log", "--no-bodies").exit(t, 0, "TRUE: every entry", "bodies were not looked at")
	dir := c.copyLog(placed...)
	audit(dir).exit(t, 0, "TRUE")
	var rep struct {
		Verdict string
		Leaves  uint64
	}
	must(t, json.Unmarshal([]byte(audit(dir, "--json").out), &rep))
	if rep.Verdict != "true" || rep.Leaves != 3 {
		t.Errorf("as JSON: %+v", rep)
	}

	// The log grows, and an older copy is behind the head that was kept.
	placed = append(placed, c.publish("com/4", pledge("vier", texts("nl", "vier")), nil))
	audit(c.url, "--since", head, "--save", head).exit(t, 0, "continues the head at size")
	audit(dir, "--since", head).exit(t, 3, "COULD NOT TELL")

	// A missing body, a damaged one, a damaged entry.
	body := filepath.Join(dir, "bodies", hex.EncodeToString(placed[1].Statement.BodySHA256[:]))
	whole := read(t, body)
	must(t, os.Remove(body))
	kept := filepath.Join(t.TempDir(), "kept")
	audit(dir, "--save", kept).exit(t, 3, "COULD NOT TELL: 1 body is missing", "entry 1, com/2", "is not kept")
	if _, err := os.Stat(kept); err == nil {
		t.Error("a head was kept that was not found true")
	}
	audit(dir, c.url).exit(t, 0, "TRUE") // the next place has it
	must(t, os.WriteFile(body, append(whole[:len(whole)-1:len(whole)-1], ' '), 0o600))
	audit(dir).exit(t, 1, "FALSE: 1 body is damaged", "hint: keep a copy")
	audit(dir, "--no-bodies").exit(t, 0)
	entries := filepath.Join(dir, "tile", "entries", "000.p", "3")
	must(t, os.WriteFile(entries, append([]byte{0, 1, 'x'}, read(t, entries)[3:]...), 0o600))
	audit(dir, "--no-bodies").exit(t, 1, "FALSE")
}

func TestAuditWithoutWhatItNeeds(t *testing.T) {
	c := startTown(t)
	c.publish("com/1", pledge("een", texts("nl", "een")), nil)
	run(t, "audit", c.url).exit(t, 3, "no trust file")
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an empty folder", []string{t.TempDir()}, 3, "has no log"},
		{"no such folder", []string{filepath.Join(t.TempDir(), "none")}, 2, "error:"},
		{"nobody there", []string{"http://127.0.0.1:1"}, 3, "COULD NOT TELL"},
		{"no TLS to elsewhere", []string{"http://kanaalstad.example"}, 2, "error:"},
		{"no place", nil, 2, "which log?"},
		{"a head that is none", []string{c.url, "--since", c.trust}, 2, "is no head"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			run(t, append([]string{"audit", "--trust", c.trust}, tc.args...)...).exit(t, tc.code, tc.want)
		})
	}
}

// T-43: what servers and folders say is shown and does nothing.
func TestT43AuditPrintsNothingThatDrivesATerminal(t *testing.T) {
	c := startTown(t)
	c.publish("com/1", pledge("een", texts("nl", "een")), nil)
	dir := filepath.Join(t.TempDir(), "a\x1b[2J\u202eb")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "checkpoint"), []byte("\x1b[2J"), 0o600))
	r := run(t, "audit", "--trust", c.trust, dir)
	r.exit(t, 1, "FALSE", `\x1b[2J`)
	clean(t, r.out+r.err)
	clean(t, run(t, "audit", "--trust", c.trust, dir, "--json").out)
	if !strings.Contains(r.out, "What the servers did") {
		t.Errorf("does not say what the folder did:\n%s", r.out)
	}
}

func TestAuditOfAnAllianceNeedsOne(t *testing.T) {
	run(t, "audit", "--as-of", "2026-12-31", "https://kanaalstad.example").exit(t, 2, "--as-of and --from are of an alliance")
	run(t, "audit", "--from", "https://kanaalstad.example").exit(t, 2, "--root root.json")
	run(t, "audit", "nl-kanaalstad").exit(t, 2, "which alliance?") // a member's id
	run(t, "watch").exit(t, 2, "which alliance?")
	run(t, "watch", "--every", "1ms").exit(t, 2, "too short")
}
