package checkpoint_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

const verifyComment = `Whole checkpoints and the verdict on them, made by TestVerifyVectors for verifiers in other languages.
The file "keys" names verifier keys. In the vectors, the quoted lines (JSON strings, joined) are the note; "log" and
"witness" name the keys that are required and known; "log-signed" and "cosigned" are what counts, with the timestamp.
Errors: malformed, origin, missing KEY, invalid KEY, uncovered (extension lines), root (of the empty tree).
`

// verifyVectors builds testdata/verify.txtar.
type verifyVectors struct {
	names     []string // of the keys, in the order of the file
	verifiers map[string]*checkpoint.Verifier
	ar        txtar.Archive
}

func newVerifyVectors(t *testing.T, p party) *verifyVectors {
	t.Helper()
	v := &verifyVectors{verifiers: map[string]*checkpoint.Verifier{}}
	v.ar.Comment = []byte(verifyComment)
	keys := txtar.File{Name: "keys"}
	for _, k := range []struct {
		name   string
		signer *checkpoint.Signer
	}{{"log-ed25519", p.logEd}, {"log-mldsa44", p.logPQ}, {"w1", p.w1}, {"w2", p.w2}, {"pq", p.pq}} {
		v.names = append(v.names, k.name)
		v.verifiers[k.name] = verifierOf(t, k.signer)
		keys.Data = append(keys.Data, fieldLine(k.name, checkpoint.FormatVKey(k.signer.Key()))+"\n"...)
	}
	v.ar.Files = append(v.ar.Files, keys)
	return v
}

func (v *verifyVectors) keyName(k checkpoint.VKey) string {
	for _, name := range v.names {
		if v.verifiers[name].Key().Equal(k) {
			return name
		}
	}
	return k.String()
}

// add appends a vector after checking that the verdict is the wanted one: the lines, joined by "; ".
func (v *verifyVectors) add(t *testing.T, name string, note []byte, log, witnesses []string, want string) {
	t.Helper()
	f := txtar.File{Name: name}
	for line := range strings.Lines(string(note)) {
		quoted, err := json.Marshal(line)
		if err != nil {
			t.Fatal(err)
		}
		f.Data = append(append(f.Data, quoted...), '\n')
	}
	var logKeys, witnessKeys []*checkpoint.Verifier
	for _, k := range log {
		f.Data = append(f.Data, fieldLine("log", k)+"\n"...)
		logKeys = append(logKeys, v.verifiers[k])
	}
	for _, k := range witnesses {
		f.Data = append(f.Data, fieldLine("witness", k)+"\n"...)
		witnessKeys = append(witnessKeys, v.verifiers[k])
	}
	got := v.verdict(checkpoint.Verify(note, logKeys, witnessKeys))
	if verdict := strings.Join(got, "; "); verdict != want {
		t.Errorf("%s: verdict %q, want %q", name, verdict, want)
	}
	if strings.HasPrefix(name, "accept/") == strings.HasPrefix(got[0], "error") {
		t.Errorf("%s: name does not fit verdict %q", name, got)
	}
	f.Data = append(f.Data, strings.Join(got, "\n")+"\n"...)
	v.ar.Files = append(v.ar.Files, f)
}

func (v *verifyVectors) verdict(got *checkpoint.Verified, err error) []string {
	var missing *checkpoint.MissingSignatureError
	var invalid *checkpoint.InvalidSignatureError
	switch {
	case errors.As(err, &missing):
		return []string{"error: missing " + v.keyName(missing.Key)}
	case errors.As(err, &invalid):
		return []string{"error: invalid " + v.keyName(invalid.Key)}
	case errors.Is(err, checkpoint.ErrMalformed):
		return []string{"error: malformed"}
	case errors.Is(err, checkpoint.ErrOrigin):
		return []string{"error: origin"}
	case errors.Is(err, checkpoint.ErrSignature):
		return []string{"error: uncovered"}
	case errors.Is(err, proof.ErrMismatch):
		return []string{"error: root"}
	case err != nil:
		return []string{"error: " + err.Error()}
	}
	var lines []string
	for _, s := range got.Log {
		lines = append(lines, fmt.Sprintf("log-signed: %s %d", v.keyName(s.Key), s.Timestamp))
	}
	for _, s := range got.Cosignatures {
		lines = append(lines, fmt.Sprintf("cosigned: %s %d", v.keyName(s.Key), s.Timestamp))
	}
	return lines
}

func TestVerifyVectors(t *testing.T) {
	p, c := newParty(t), testCheckpoint()
	v := newVerifyVectors(t, p)
	both, ed, pq := []string{"log-ed25519", "log-mldsa44"}, []string{"log-ed25519"}, []string{"log-mldsa44"}
	const logOK = "log-signed: log-ed25519 0; log-signed: log-mldsa44 1780000000"
	full := cosigned(t, p, c, p.w1, p.w2)
	note := format(t, full)
	lines := func(sigs ...checkpoint.Signature) []byte {
		return format(t, &checkpoint.Note{Text: full.Text, Sigs: sigs})
	}
	s := full.Sigs
	flip := func(s checkpoint.Signature) checkpoint.Signature {
		s.Sig = slices.Clone(s.Sig)
		s.Sig[len(s.Sig)-1] ^= 1
		return s
	}

	v.add(t, "accept/both-keys-of-the-log", note, both, nil, logOK)
	v.add(t, "accept/two-witnesses", note, both, []string{"w1", "w2"}, logOK+"; cosigned: w1 1780000000; cosigned: w2 1780000000")
	v.add(t, "accept/one-known-witness", note, both, []string{"w2"}, logOK+"; cosigned: w2 1780000000")
	v.add(t, "accept/witness-lines-first", lines(s[3], s[2], s[1], s[0]), both, []string{"w1", "w2"}, logOK+"; cosigned: w2 1780000000; cosigned: w1 1780000000")
	v.add(t, "accept/mldsa44-witness", format(t, cosigned(t, p, c, p.pq)), both, []string{"pq"}, logOK+"; cosigned: pq 1780000000")
	v.add(t, "accept/only-ed25519-required", lines(s[0]), ed, nil, "log-signed: log-ed25519 0")
	v.add(t, "accept/only-mldsa44-required", lines(s[1]), pq, nil, "log-signed: log-mldsa44 1780000000")
	v.add(t, "accept/unknown-key-with-bad-signature", lines(s[0], flip(s[2])), ed, []string{"w2"}, "log-signed: log-ed25519 0")
	v.add(t, "accept/unknown-key-twice", lines(s[0], s[2], s[2]), ed, nil, "log-signed: log-ed25519 0")
	relabelled := flip(s[2])
	relabelled.Name = s[0].Name
	v.add(t, "accept/known-name-with-unknown-id", lines(s[0], relabelled), ed, []string{"w1"}, "log-signed: log-ed25519 0")
	zero := rawSignature(t, p.pq, "pq", 0, mldsaMessage(p.pq.Key().Name, 0, c))
	v.add(t, "accept/T08-witness-time-0-not-counted", lines(s[0], zero), ed, []string{"pq"}, "log-signed: log-ed25519 0")

	v.add(t, "reject/T12-without-ed25519", lines(s[1:]...), both, []string{"w1"}, "error: missing log-ed25519")
	v.add(t, "reject/T12-without-mldsa44", lines(s[0], s[2], s[3]), both, []string{"w1"}, "error: missing log-mldsa44")
	v.add(t, "reject/T12-witnesses-alone", lines(s[2], s[3]), both, []string{"w1", "w2"}, "error: missing log-ed25519")
	v.add(t, "reject/bad-ed25519", lines(flip(s[0]), s[1]), both, nil, "error: invalid log-ed25519")
	v.add(t, "reject/bad-mldsa44", lines(s[0], flip(s[1])), both, nil, "error: invalid log-mldsa44")
	v.add(t, "reject/bad-known-witness", lines(s[0], flip(s[2])), ed, []string{"w1"}, "error: invalid w1")
	v.add(t, "reject/known-key-twice", lines(s[0], s[2], s[2]), ed, []string{"w1"}, "error: invalid w1")
	asCosignature := checkpoint.Signature{Name: s[2].Name, KeyID: s[2].KeyID, Sig: append(s[2].Sig[:8:8], s[0].Sig...)}
	v.add(t, "reject/T08-log-signature-as-cosignature", lines(s[0], asCosignature), ed, []string{"w1"}, "error: invalid w1")
	asLog := checkpoint.Signature{Name: s[0].Name, KeyID: s[0].KeyID, Sig: s[2].Sig[8:]}
	v.add(t, "reject/T08-cosignature-as-log-signature", lines(asLog), ed, nil, "error: invalid log-ed25519")
	logZero := rawSignature(t, p.logPQ, "log", 0, mldsaMessage(origin, 0, c))
	v.add(t, "reject/T08-log-time-0", lines(s[0], logZero), both, nil, "error: missing log-mldsa44")
	v.add(t, "reject/other-size", []byte(strings.Replace(string(note), "\n7\n", "\n8\n", 1)), both, nil, "error: invalid log-ed25519")
	v.add(t, "reject/other-origin", []byte(strings.Replace(string(note), "log.", "lag.", 1)), both, nil, "error: origin")
	v.add(t, "reject/size-zero-padded", []byte(strings.Replace(string(note), "\n7\n", "\n07\n", 1)), ed, nil, "error: malformed")
	v.add(t, "reject/T05-extra-blank-line", []byte(strings.Replace(string(note), "\n\n", "\n\n\n", 1)), ed, nil, "error: malformed")
	v.add(t, "reject/T05-crlf", []byte(strings.ReplaceAll(string(note), "\n", "\r\n")), ed, nil, "error: malformed")
	extended := []byte(strings.Replace(string(lines(s[1])), "\n\n", "\nextension\n\n", 1))
	v.add(t, "reject/T05-extension-not-covered", extended, pq, nil, "error: uncovered")
	emptyText := fmt.Sprintf("%s\n0\n%s\n", origin, c.Root)
	empty := &checkpoint.Note{Text: emptyText, Sigs: []checkpoint.Signature{sign(t, p.logEd, emptyText)}}
	v.add(t, "reject/size-0-with-another-root", format(t, empty), ed, nil, "error: root")

	checkGolden(t, "verify.txtar", txtar.Format(&v.ar))
}
