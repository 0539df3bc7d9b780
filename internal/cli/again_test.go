package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
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
	publish(c.trust).exit(t, 0, "In the log: entry 0")
	if _, err := os.Stat(filepath.Join(dir, "none.pending")); err == nil {
		t.Error("none.pending is still there")
	}
}
