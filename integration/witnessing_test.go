package integration_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	protocol "github.com/cityproof/cityproof/internal/witness"
)

// newWitness makes the node of another city that witnesses the log of p.
func newWitness(t *testing.T, p *place) *place {
	t.Helper()
	dir := t.TempDir()
	q := &place{t: t, dir: dir, nodeDir: filepath.Join(dir, "node")}
	q.config, q.trust = filepath.Join(q.nodeDir, "node.yaml"), filepath.Join(q.nodeDir, "trust.json")
	q.must(0, cityproofNode, "init", "--city", "jp-tsukuba", "--url", "https://tsukuba.example", "--dir", q.nodeDir,
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
	b, err := os.ReadFile(q.config)
	if err != nil {
		t.Fatal(err)
	}
	extra := "witness:\n  extra_logs:\n    - " + strings.Join(p.logVKeys(), "\n    - ") + "\n"
	if err := os.WriteFile(q.config, append(b, extra...), 0o600); err != nil {
		t.Fatal(err)
	}
	q.must(0, cityproofNode, "check", "--config", q.config)
	return q
}

// witnessKey is the verifier key that cityproof-node keys prints.
func (p *place) witnessKey() *checkpoint.Verifier {
	p.t.Helper()
	var keys []struct {
		File string `json:"file"`
		VKey string `json:"vkey"`
	}
	if err := json.Unmarshal([]byte(p.must(0, cityproofNode, "keys", "--config", p.config, "--json")), &keys); err != nil {
		p.t.Fatal(err)
	}
	for _, k := range keys {
		if strings.HasSuffix(k.File, "witness.key") {
			return verifier(p.t, k.VKey)
		}
	}
	p.t.Fatalf("no witness key among %v", keys)
	return nil
}

func verifier(t *testing.T, vkey string) *checkpoint.Verifier {
	t.Helper()
	v, err := checkpoint.ParseVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// call makes an HTTP request and returns status and body.
func call(t *testing.T, method, url string, body []byte) (int, string) {
	t.Helper()
	return callBy(t, http.DefaultClient, method, url, body)
}

// callBy is call by another client.
func callBy(t testing.TB, client *http.Client, method, url string, body []byte) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// askWitness shows the newest checkpoint of the log at s to the witness of b, with the proof from old on. Hashes and proofs
// are those of Go's checksum database.
func (p *place) askWitness(s *stranger, b *process, old int64) (tree tlog.Tree, code int, answer string) {
	p.t.Helper()
	tree, err := s.checkpoint(p.vkey())
	if err != nil {
		p.t.Fatal(err)
	}
	note, err := s.get("checkpoint")
	if err != nil {
		p.t.Fatal(err)
	}
	r := protocol.Request{Old: uint64(old), Note: note}
	if old > 0 && old < tree.N {
		path, err := tlog.ProveTree(tree.N, old, tlog.TileHashReader(tree, s))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, h := range path {
			r.Proof = append(r.Proof, proof.Hash(h))
		}
	}
	code, answer = call(p.t, http.MethodPost, b.http+"/witness/add-checkpoint", r.Format())
	return tree, code, answer
}

// cosigned is what the witness q, running as b, shows monitors of the log of p.
func (p *place) cosigned(q *place, b *process) checkpoint.Checkpoint {
	p.t.Helper()
	sum := sha256.Sum256([]byte(origin))
	code, note := call(p.t, http.MethodGet, b.http+"/witness/"+hex.EncodeToString(sum[:])+"/checkpoint", nil)
	if code != http.StatusOK {
		p.t.Fatalf("the witness shows monitors %d %q", code, note)
	}
	var log []*checkpoint.Verifier
	for _, k := range p.logVKeys() {
		log = append(log, verifier(p.t, k))
	}
	v, err := checkpoint.Verify([]byte(note), log, []*checkpoint.Verifier{q.witnessKey()})
	if err != nil || len(v.Cosignatures) != 1 {
		p.t.Fatalf("the note of the witness: %v\n%s", err, note)
	}
	return v.Checkpoint
}

// TestI4NodeWitnessesAnotherCity: one node's log under another node's witness, through a kill.
func TestI4NodeWitnessesAnotherCity(t *testing.T) {
	p := newPlace(t)
	a := p.start(true)
	q := newWitness(t, p)
	b := q.start(true)
	s := &stranger{t.Context(), a.http + "/log"}

	p.publishSensors(a)
	first, code, answer := p.askWitness(s, b, 0)
	if code != 200 || !strings.HasPrefix(answer, "— tsukuba.example/witness ") {
		t.Fatalf("the first head: %d %q", code, answer)
	}
	p.publish(a, p.write("soon.yaml", notice("A new bridge is planned.")))
	if _, again, size := p.askWitness(s, b, 0); again != 409 || size != fmt.Sprintf("%d\n", first.N) {
		t.Errorf("from size 0 again: %d %q, want 409 and %d", again, size, first.N)
	}
	b.kill() // what it cosigned it knows after a power cut
	b = q.start(true)
	if c := p.cosigned(q, b); int64(c.Size) != first.N {
		t.Errorf("after a kill the witness is at size %d, want %d", c.Size, first.N)
	}
	second, code, answer := p.askWitness(s, b, first.N)
	if code != 200 || second.N <= first.N {
		t.Errorf("the second head, of size %d: %d %q", second.N, code, answer)
	}
	if c := p.cosigned(q, b); int64(c.Size) != second.N || c.Root != proof.Hash(second.Hash) {
		t.Errorf("the witness is at size %d, want %d", c.Size, second.N)
	}
}

// TestT35WitnessWithoutItsHeads signs no more, and its own city's log is none the worse.
func TestT35WitnessWithoutItsHeads(t *testing.T) {
	p := newPlace(t)
	a := p.start(true)
	q := newWitness(t, p)
	b := q.start(true)
	s := &stranger{t.Context(), a.http + "/log"}
	p.publishSensors(a)
	if _, code, answer := p.askWitness(s, b, 0); code != 200 {
		t.Fatalf("the first head: %d %q", code, answer)
	}
	b.stop()
	if err := os.RemoveAll(filepath.Join(q.nodeDir, "state", "witness")); err != nil {
		t.Fatal(err)
	}
	b = q.start(true)
	if _, code, _ := p.askWitness(s, b, 0); code != 404 {
		t.Errorf("a witness that lost its heads answers %d, want 404", code)
	}
	b.stop()
	if !strings.Contains(b.log.String(), "make a new witness key") {
		t.Errorf("the node does not say what to do:\n%s", &b.log)
	}
	// A new key may witness: it has signed nothing.
	if err := os.Remove(filepath.Join(q.nodeDir, "keys", "witness.key")); err != nil {
		t.Fatal(err)
	}
	q.must(0, cityproof, "keygen", filepath.Join(q.nodeDir, "keys", "witness.key"), "--role", "witness", "--plain")
	b = q.start(true)
	if _, code, answer := p.askWitness(s, b, 0); code != 200 {
		t.Errorf("with a new key: %d %q", code, answer)
	}
}
