package evidence_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/evidence"
)

// I7: evidence in a log has one encoding.
func TestI7PayloadRoundTrip(t *testing.T) {
	p := newParty(t)
	e, err := evidence.NewE1(newHistory(t, 12, 12).bare(t, p.log, 7, start), newHistory(t, 12, 3).bare(t, p.log, 7, start))
	if err != nil {
		t.Fatal(err)
	}
	b := e.FormatPayload()
	again, err := evidence.ParsePayload(b)
	if err != nil || !bytes.Equal(again.Format(), e.Format()) {
		t.Fatalf("ParsePayload(FormatPayload(e)) = %v, %v", again, err)
	}
	for name, bad := range map[string]string{
		"space":          strings.Replace(string(b), ":", ": ", 1),
		"another member": strings.Replace(string(b), "evidence", "evidences", 1),
		"twice":          strings.Replace(string(b), "{", `{"evidence":"",`, 1),
		"nothing":        "{}",
		"something else": `{"evidence":"aGVsbG8="}`,
		"a tail":         string(b) + "\n",
	} {
		if _, err := evidence.ParsePayload([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
