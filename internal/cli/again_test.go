package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
)

// An answer that can't be checked leaves what was signed in NAME.pending; the same command again, with what it lacked, sends it
// again and is done.
func TestPublishAgainAfterAnAnswerThatCouldNotBeChecked(t *testing.T) {
	c := startTown(t)
	dir := t.TempDir()
	text := fmt.Sprintf("cityproof-key 1\nrole publisher\nlabel officer-1\nalgorithm ed25519\nseed %s\n", base64.StdEncoding.EncodeToString(officer().Seed()))
	key := write(t, dir, "officer.key", []byte(text))
	write(t, dir, "cityproof.yaml", []byte("city: nl-kanaalstad\nlanguage: en\ncountry: NL\naccountable: The city\ncontact: digital@city.example\nstored: city_cloud NL, The city\n"))
	file := write(t, dir, "none.yaml", []byte("declares_none: [FaceRecognition]\nsince: 2026-01-01\nuntil: 2027-12-01\n"))
	var trust map[string]any
	must(t, json.Unmarshal(read(t, c.trust), &trust))
	trust["publishers"] = []any{}
	b, err := json.Marshal(trust)
	must(t, err)
	publish := func(trust string) ran {
		return run(t, "publish", file, "--node", c.url, "--trust", trust, "--key", key, "--yes")
	}
	publish(write(t, dir, "without.json", b)).exit(t, 1, "may not sign here")
	left := read(t, filepath.Join(dir, "none.pending"))
	write(t, dir, "none.pending", forAnotherLog(t, left))
	publish(c.trust).exit(t, 2, "none.pending was signed for the log old.example/log, and this is kanaalstad.example/log", "the city's log has moved")
	write(t, dir, "none.pending", left)
	publish(c.trust).exit(t, 0, "In the log: entry 0")
	if _, err := os.Stat(filepath.Join(dir, "none.pending")); err == nil {
		t.Error("none.pending is still there")
	}
}

// forAnotherLog is a pending file whose statements are for old.example/log.
func forAnotherLog(t *testing.T, pending []byte) []byte {
	t.Helper()
	var p map[string]any
	must(t, json.Unmarshal(pending, &p))
	for _, r := range p["records"].([]any) {
		record := r.(map[string]any)
		b, err := base64.StdEncoding.DecodeString(record["envelope"].(string))
		must(t, err)
		e, err := declaration.ParseEnvelope(b)
		must(t, err)
		st, err := declaration.ParseStatement(e.Payload)
		must(t, err)
		st.Log = "old.example/log"
		e, err = declaration.Sign(declaration.PayloadType, st.Format(), officer())
		must(t, err)
		record["envelope"] = base64.StdEncoding.EncodeToString(e.Format())
	}
	b, err := json.Marshal(p)
	must(t, err)
	return b
}
