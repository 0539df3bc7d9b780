package declaration_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
)

// example is the declaration of FORMAT.md.
func example(t *testing.T) (body, payload, entry string) {
	t.Helper()
	payload = string(sampleStatement(t, declaration.Notice).Format())
	return string(sampleBytes(t, declaration.Notice)), payload, string(sign(t, []byte(payload), 1).Format())
}

// TestFormatExample checks the example of FORMAT.md as its reader would: with
// SHA-256, Ed25519, base64 and a JSON parser, and nothing of ours. Then it holds
// the example to what the package writes.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(name string) string {
		m := regexp.MustCompile("(?s)" + regexp.QuoteMeta(name) + ":\n\n```[a-z]*\n(.*?)\n```\n").FindSubmatch(doc)
		if m == nil {
			t.Fatalf("FORMAT.md has no block %q", name)
		}
		return string(m[1])
	}
	body, payload, entry := block("The body"), block("The payload"), block("The entry")
	key, err := base64.StdEncoding.DecodeString(block("The publisher's key"))
	if err != nil {
		t.Fatal(err)
	}

	var envelope struct {
		Payload, PayloadType string
		Signatures           []struct{ KeyID, Sig string }
	}
	if err := json.Unmarshal([]byte(entry), &envelope); err != nil {
		t.Fatal(err)
	}
	if want := base64.StdEncoding.EncodeToString([]byte(payload)); envelope.Payload != want {
		t.Errorf("the entry's payload is %s, want %s", envelope.Payload, want)
	}
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(envelope.PayloadType), envelope.PayloadType, len(payload), payload)
	sig, err := base64.StdEncoding.DecodeString(envelope.Signatures[0].Sig)
	if err != nil || !ed25519.Verify(key, []byte(pae), sig) {
		t.Error("the signature does not verify")
	}
	if want := fmt.Sprintf("%x", sha256.Sum256(key)); envelope.Signatures[0].KeyID != want {
		t.Errorf("keyid %s, want %s", envelope.Signatures[0].KeyID, want)
	}
	var statement struct {
		Body struct {
			SHA256 string
			Size   int
		}
	}
	if err := json.Unmarshal([]byte(payload), &statement); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(body))); statement.Body.SHA256 != want || statement.Body.Size != len(body) {
		t.Errorf("the statement commits to %+v, the body is %s of %d bytes", statement.Body, want, len(body))
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(pae))); block("The identity") != want {
		t.Errorf("identity %s, want %s", block("The identity"), want)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte("\x00"+entry))); block("The leaf hash") != want {
		t.Errorf("leaf hash %s, want %s", block("The leaf hash"), want)
	}

	wantBody, wantPayload, wantEntry := example(t)
	if body != wantBody || payload != wantPayload || entry != wantEntry {
		t.Errorf("the package writes otherwise:\n%s\n%s\n%s", wantBody, wantPayload, wantEntry)
	}
	if want := hex.EncodeToString(testSeed(1)); !strings.Contains(string(doc), want) {
		t.Errorf("FORMAT.md does not publish the key's seed %s", want)
	}
}
