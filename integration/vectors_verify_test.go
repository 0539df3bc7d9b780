package integration_test

import (
	"crypto"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// TestRejectVectorsThroughTheVerifyingPrograms gives what the formats refuse to whom a visitor would give it. The log is
// the frozen one: its keys are known, so that a signature is right where the fault lies elsewhere.
func TestRejectVectorsThroughTheVerifyingPrograms(t *testing.T) {
	p := frozenPlace(t)
	n := p.start(true)
	file := p.write("notice.yaml", notice("A report."))
	p.publish(n, file)
	p.noticesAt(n, 2)
	t.Run("tile paths", func(t *testing.T) { tilePathVectors(t, n) })
	n.stop()
	trust := p.readTrust()
	trust.Log = trust.Log[:1] // Ed25519

	t.Run("proofs", func(t *testing.T) { tlogProofVectors(t, p, strings.TrimSuffix(file, "yaml")+"receipt") })
	t.Run("notes", func(t *testing.T) {
		for _, v := range vectors(t, "checkpoint/testdata/note.txtar") {
			refuseHead(t, v.name, v.input, trust, v.why())
		}
	})
	t.Run("checkpoints", func(t *testing.T) {
		key := frozenKey(t, signingkey.Log, "log", signingkey.Ed25519)
		for _, v := range vectors(t, "checkpoint/testdata/checkpoint.txtar") {
			words := strings.TrimPrefix(v.why(), "parsing checkpoint: malformed: ")
			if !strings.HasSuffix(v.input, "\n") {
				words = "no blank line before signatures" // such a text can't be in a note
			}
			refuseHead(t, v.name, signText(t, v.input, key, trust.Log[0]), trust, words)
		}
	})
	t.Run("verdicts on heads", func(t *testing.T) { headVectors(t) })
	t.Run("log keys", func(t *testing.T) { vkeyVectors(t, p, strings.TrimSuffix(file, "yaml")+"receipt") })
	t.Run("publisher keys", func(t *testing.T) { publisherKeyVectors(t, p) })
	t.Run("bundles", bundleVectors)
}

// tilePathVectors asks the node for what is no tile.
func tilePathVectors(t *testing.T, n *process) {
	ask := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, v := range vectors(t, "tile/testdata/path.txtar") {
		u, err := url.Parse(n.http)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/log/" + v.input
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := ask.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 300 || resp.StatusCode >= 500 {
			t.Errorf("%s, %q: %s", v.name, v.input, resp.Status)
		}
	}
}

// tlogProofVectors gives each as a bare proof, with an entry and a body that a true proof is good for.
func tlogProofVectors(t *testing.T, p *place, receiptFile string) {
	b, err := os.ReadFile(receiptFile)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	good, err := r.Proof.Format()
	if err != nil {
		t.Fatal(err)
	}
	entry, body := p.write("entry", string(r.Statement)), p.write("body", string(r.Body))
	verify := func(want int, proof string) string {
		return p.must(want, cityproof, "verify", p.write("x.tlog-proof", proof), "--entry", entry, "--body", body, "--trust", p.trust)
	}
	verify(0, string(good))
	for _, v := range vectors(t, "proof/testdata/tlogproof.txtar") {
		want := 1
		if !strings.HasPrefix(v.input, "c2sp.org/tlog-proof@v1\n") {
			want = 2 // no bare proof at all
		}
		if out := verify(want, v.input); want == 1 && !strings.Contains(out, v.why()) {
			t.Errorf("%s: %q, want %q in it", v.name, out, v.why())
		}
	}
}

// refuseHead audits a log by a head that must be found false, for the reason given.
func refuseHead(t *testing.T, name, head string, trust *receipt.Trust, words string) {
	t.Helper()
	nowhere := client.NewLogReader(client.NewDir(fstest.MapFS{}, "nowhere")) // a true head would end there: could not tell
	report, err := audit.Run(t.Context(), audit.Options{Trust: trust, Checkpoint: []byte(head), Sources: []*client.LogReader{nowhere}})
	if err != nil {
		t.Fatal(err)
	}
	if reasons := strings.Join(report.Reasons, "; "); report.Verdict != audit.False || !strings.Contains(reasons, words) {
		t.Errorf("%s: %s %q, want false with %q", name, report.Verdict, reasons, words)
	}
}

// signText makes a note of a text with a true Ed25519 signature.
func signText(t *testing.T, text string, key *signingkey.Key, as *checkpoint.Verifier) string {
	t.Helper()
	sig, err := key.Signer().Sign(nil, []byte(text), crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	line := append(binary.BigEndian.AppendUint32(nil, as.Key().ID()), sig...)
	return text + "\n— " + as.Key().Name + " " + base64.StdEncoding.EncodeToString(line) + "\n"
}

// headVectors has keys of its own. Of witnesses an audit of one log knows nothing, so the three that only a witness's
// signature spoils go to the package that the audit asks.
func headVectors(t *testing.T) {
	const archive = "checkpoint/testdata/verify.txtar"
	ar, err := txtar.ParseFile(filepath.Join("..", "internal", filepath.FromSlash(archive)))
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]*checkpoint.Verifier{}
	for _, f := range ar.Files {
		if f.Name != "keys" {
			continue
		}
		for line := range strings.Lines(string(f.Data)) {
			name, vkey, _ := strings.Cut(strings.TrimSpace(line), ": ")
			if keys[name], err = checkpoint.ParseVerifier(vkey); err != nil {
				t.Fatal(err)
			}
		}
	}
	pick := func(names []string) (out []*checkpoint.Verifier) {
		for _, name := range names {
			out = append(out, keys[name])
		}
		return out
	}
	witnessed := 0
	for _, v := range vectors(t, archive) {
		log := pick(v.lines["log"])
		if strings.Contains(v.why(), "invalid w1") {
			witnessed++
			if _, err := checkpoint.Verify([]byte(v.input), log, pick(v.lines["witness"])); err == nil {
				t.Errorf("%s verifies", v.name)
			}
			continue
		}
		refuseHead(t, v.name, v.input, &receipt.Trust{Origin: log[0].Key().Name, Log: log}, "does not verify")
	}
	if witnessed != 3 {
		t.Errorf("%d vectors with a bad witness, want 3", witnessed)
	}
}

// vkeyVectors puts each into a trust file, which then must be good for nothing.
func vkeyVectors(t *testing.T, p *place, receiptFile string) {
	publishers := []any{map[string]any{"key": base64.StdEncoding.EncodeToString(p.readTrust().Publishers[0].Key), "from_size": 0, "to_size": nil}}
	with := func(vkey string) string {
		b, err := json.Marshal(map[string]any{"version": 1, "origin": origin, "log_vkeys": []string{vkey}, "publishers": publishers})
		if err != nil {
			t.Fatal(err)
		}
		return p.write("other-trust.json", string(b))
	}
	p.must(0, cityproof, "verify", receiptFile, "--trust", with(p.vkey()))
	for _, v := range vectors(t, "checkpoint/testdata/vkey.txtar") {
		if out := p.must(2, cityproof, "verify", receiptFile, "--trust", with(v.input)); !strings.Contains(oneLine(out), oneLine(v.why())) {
			t.Errorf("%s: %q, want %q in it", v.name, out, v.why())
		}
	}
}

// publisherKeyVectors offers each to a node as a key that may publish.
func publisherKeyVectors(t *testing.T, p *place) {
	before := sumOf(t, p.trust)
	for _, v := range vectors(t, "checkpoint/testdata/ed25519key.txtar") {
		raw, err := hex.DecodeString(v.input)
		if err != nil {
			t.Fatal(err)
		}
		out, code := p.run(cityproofNode, "publisher", "add", base64.StdEncoding.EncodeToString(raw), "--config", p.config)
		if code == 0 || sumOf(t, p.trust) != before {
			t.Errorf("%s, %s: exit code %d, %s", v.name, v.input, code, out)
		}
	}
}

// bundleVectors serves each as the first bundle.
func bundleVectors(t *testing.T) {
	unasked := 0
	for _, v := range vectors(t, "tile/testdata/bundle.txtar") {
		w, data, _ := strings.Cut(v.input, " ")
		width, err := strconv.Atoi(w)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(data)
		if err != nil {
			t.Fatal(err)
		}
		files := fstest.MapFS{}
		for _, name := range []string{"tile/entries/000", "tile/entries/000.p/" + w} {
			files[name] = &fstest.MapFile{Data: raw}
		}
		if width < 1 || width > 256 {
			unasked++ // no reader asks for such a width, and no node answers: see the paths
			continue
		}
		_, err = client.NewLogReader(client.NewDir(files, "served")).Bundle(t.Context(), 0, width)
		var damaged *client.DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("%s: %v, want that it is damaged", v.name, err)
		}
	}
	if unasked != 3 {
		t.Errorf("%d vectors were not tried, want the 3 of no width", unasked)
	}
}

// oneLine undoes what a terminal's width does to a sentence.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
