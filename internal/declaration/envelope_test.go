package declaration_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestEnvelopeVectors(t *testing.T) {
	runVectors(t, "envelopes.txtar", `Entries, made by TestEnvelopeVectors.
`+vectorSyntax+`

"seed" is the private key (RFC 8032) of a key that may sign, "key" its public key in base64, "keyid" its id. "identity" is
SHA-256 of what the keys signed, "leaf" the leaf hash of the entry. forged/ is well-formed, but a signature in it does not
verify or is by a key that may not sign. Whether the payload is a statement is not asked here.`,
		envelopeVectors(t), func(v vector) outcome {
			e, err := declaration.ParseEnvelope([]byte(v.input))
			if err != nil {
				return errorLines(err)
			}
			if err := e.Verify(keysOf(v)); err != nil {
				return outcome{"forged", []string{"error: " + err.Error()}}
			}
			return outcome{"accept", []string{
				fmt.Sprintf("identity: %x", e.Identity()),
				fmt.Sprintf("leaf: %x", proof.LeafHash([]byte(v.input))),
			}}
		})
}

// keysOf accepts the keys that a vector names.
func keysOf(v vector) func(declaration.KeyID) (ed25519.PublicKey, bool) {
	return func(id declaration.KeyID) (ed25519.PublicKey, bool) {
		for _, line := range v.lines {
			if text, ok := strings.CutPrefix(line, "key: "); ok {
				raw, err := base64.StdEncoding.DecodeString(text)
				if err == nil && declaration.KeyIDOf(raw) == id {
					return raw, true
				}
			}
		}
		return nil, false
	}
}

func keyLines(keys ...int) []string {
	var lines []string
	for _, n := range keys {
		pub := testKey(n).Public().(ed25519.PublicKey)
		lines = append(lines,
			"seed: "+hex.EncodeToString(testSeed(n)),
			"key: "+base64.StdEncoding.EncodeToString(pub),
			"keyid: "+declaration.KeyIDOf(pub).String())
	}
	return lines
}

func envelopeVectors(t *testing.T) []vector {
	payload := []byte(samplePayload(t))
	one, two := sign(t, payload, 1), sign(t, payload, 1, 2)
	other := sign(t, []byte(strings.Replace(string(payload), "dep/18", "dep/19", 1)), 1)
	act, err := declaration.Sign("application/vnd.cityproof.act.v1+json", payload, testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	text := func(e *declaration.Envelope) string { return string(e.Format()) }
	with := func(keys []int, v vector) vector {
		v.lines = keyLines(keys...)
		return v
	}
	flipped := *one
	flipped.Signatures = []declaration.Signature{{KeyID: one.Signatures[0].KeyID, Sig: bytes.Clone(one.Signatures[0].Sig)}}
	flipped.Signatures[0].Sig[40] ^= 1

	vectors := []vector{
		with([]int{1}, vector{name: "accept/one-signature", input: text(one)}),
		with([]int{1, 2}, vector{name: "accept/two-signatures", input: text(two)}),
		with([]int{1}, vector{name: "accept/empty-payload", input: text(sign(t, nil, 1))}),
		with([]int{1}, vector{name: "accept/an-act", input: text(act)}),
		with([]int{1}, vector{name: "forged/one-bit-of-a-signature", reason: "the signature does not verify", input: text(&flipped)}),
		with([]int{1}, vector{name: "forged/signature-of-another-payload", reason: "the signature does not verify",
			input: text(&declaration.Envelope{PayloadType: one.PayloadType, Payload: one.Payload, Signatures: other.Signatures})}),
		with([]int{1}, vector{name: "forged/signature-of-another-type", reason: "the signature covers the payload type",
			input: text(&declaration.Envelope{PayloadType: one.PayloadType, Payload: one.Payload, Signatures: act.Signatures})}),
		with([]int{1}, vector{name: "forged/second-key-unknown", reason: "every signature must be by a known key", input: text(two)}),
		with([]int{1}, vector{name: "forged/plus-order", reason: "S is not below the group's order (RFC 8032, 5.1.7)", input: text(plusOrder(one))}),
		with([]int{3}, vector{name: "forged/other-key", reason: "the key may not sign", input: text(one)}),
	}
	vectors = append(vectors, rejectedEnvelopes(t, one, two)...)
	return vectors
}

func rejectedEnvelopes(t *testing.T, one, two *declaration.Envelope) []vector {
	first, both := string(one.Format()), string(two.Format())
	keyid := two.Signatures[0].KeyID.String()
	sig := base64.StdEncoding.EncodeToString(two.Signatures[0].Sig) // ends in ==
	payload := base64.StdEncoding.EncodeToString(two.Payload)
	signature := func(s declaration.Signature) string {
		return fmt.Sprintf(`{"keyid":"%s","sig":"%s"}`, s.KeyID, base64.StdEncoding.EncodeToString(s.Sig))
	}
	a, b := signature(two.Signatures[0]), signature(two.Signatures[1])
	lastLetter := sig[len(sig)-3]
	var vectors []vector
	for _, r := range [][4]string{
		{"keyid-in-upper-case", "lower-case hexadecimal", keyid, strings.ToUpper(keyid)},
		{"keyid-short", "64 digits", keyid, keyid[:8]},
		{"keyid-empty", "64 digits", keyid, ""},
		{"keyid-absent", "a signature has keyid and sig", `"keyid":"` + keyid + `",`, ""},
		{"signatures-out-of-order", "keyids ascend", a + "," + b, b + "," + a},
		{"signature-twice", "keyids are distinct", a, a + "," + a},
		{"signatures-empty", "at least one", "[" + a + "," + b + "]", "[]"},
		{"signatures-null", "at least one", "[" + a + "," + b + "]", "null"},
		{"signature-not-in-list", "a list", "[" + a + "," + b + "]", a},
		{"signature-null", "null is no value", a, "null"},
		{"signature-with-certificate", "no such key", `{"keyid":"` + keyid, `{"cert":"","keyid":"` + keyid},
		{"sig-before-keyid", "keys are sorted", a, fmt.Sprintf(`{"sig":"%s","keyid":"%s"}`, sig, keyid)},
		{"sig-without-padding", "standard base64", sig, strings.TrimRight(sig, "=")},
		{"sig-with-tail-bits", "unused bits are zero", sig, sig[:len(sig)-3] + string(base64After(lastLetter)) + "=="},
		{"sig-with-line-break", "nothing but base64", sig, sig[:40] + `\n` + sig[40:]},
		{"sig-with-space-after", "nothing but base64", sig, sig + " "},
		{"sig-of-63-bytes", "64 bytes", sig, base64.StdEncoding.EncodeToString(two.Signatures[0].Sig[:63])},
		{"sig-of-65-bytes", "64 bytes", sig, base64.StdEncoding.EncodeToString(append(bytes.Clone(two.Signatures[0].Sig), 0))},
		{"payload-with-line-break", "nothing but base64", payload, payload[:76] + `\r\n` + payload[76:]},
		{"payload-escaped", "only what must be escaped is", payload, `\u0065` + payload[1:]},
		{"payload-as-object", "base64", `"` + payload + `"`, string(two.Payload)},
		{"payload-in-two-parts", "nothing but base64", payload, payload[:64] + "=" + payload[64:]},
		{"payload-type-escaped", "only what must be escaped is", "application/vnd", `application\/vnd`},
		{"payload-type-absent", "a field is missing", `"payloadType":"` + two.PayloadType + `",`, ""},
		{"payload-absent", "a field is missing", `"payload":"` + payload + `",`, ""},
		{"payload-twice", "a key stands twice", `{"payload":`, `{"payload":"","payload":`},
		{"unknown-key", "no such key", `,"signatures"`, `,"schema":1,"signatures"`},
		{"unknown-key-at-end", "no such key", "]}", `],"tail":""}`},
		{"camel-case-missing", "payloadType is DSSE's own spelling", `"payloadType"`, `"payload_type"`},
		{"space", "space between tokens", `,"payloadType"`, `, "payloadType"`},
	} {
		vectors = append(vectors, edit(t, "reject/"+r[0], r[1], both, r[2], r[3]))
	}
	url := strings.NewReplacer("+", "-", "/", "_").Replace(sig)
	if url == sig {
		t.Fatal("the signature has no character that differs in the URL alphabet")
	}
	return append(vectors,
		edit(t, "reject/sig-in-url-alphabet", "standard base64", both, sig, url),
		vector{name: "reject/payload-before-type", reason: "keys are sorted", input: swapMembers(first)},
		vector{name: "reject/33-signatures", reason: "at most 32", input: tooManySignatures(t)},
		vector{name: "reject/line-break-after", reason: "something follows the value", input: first + "\n"},
		vector{name: "reject/byte-order-mark", reason: "a byte order mark before the value", input: "\ufeff" + first},
		vector{name: "reject/empty-object", reason: "every field is missing", input: "{}"},
		vector{name: "reject/payload-alone", reason: "a statement without signature", input: string(one.Payload)},
	)
}

// base64After is the letter whose value is one more: another spelling of the same
// bytes where the low bits are unused.
func base64After(c byte) byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return alphabet[strings.IndexByte(alphabet, c)+1]
}

func swapMembers(envelope string) string {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(envelope), &m); err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"payloadType":%s,"payload":%s,"signatures":%s}`, m["payloadType"], m["payload"], m["signatures"])
}

func tooManySignatures(t *testing.T) string {
	payload := []byte(samplePayload(t))
	var keys []int
	for n := 1; n <= 32; n++ {
		keys = append(keys, n)
	}
	e := sign(t, payload, keys...)
	e.Signatures = append(e.Signatures, sign(t, payload, 33).Signatures...)
	slices.SortFunc(e.Signatures, func(a, b declaration.Signature) int { return bytes.Compare(a.KeyID[:], b.KeyID[:]) })
	return string(e.Format())
}

// plusOrder adds the group's order to S: the same signature to a sloppy verifier.
func plusOrder(e *declaration.Envelope) *declaration.Envelope {
	order, _ := new(big.Int).SetString("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed", 16)
	sig := bytes.Clone(e.Signatures[0].Sig)
	s := bytes.Clone(sig[32:])
	reverse(s)
	sum := new(big.Int).Add(new(big.Int).SetBytes(s), order)
	sum.FillBytes(s)
	reverse(s)
	copy(sig[32:], s)
	return &declaration.Envelope{PayloadType: e.PayloadType, Payload: e.Payload,
		Signatures: []declaration.Signature{{KeyID: e.Signatures[0].KeyID, Sig: sig}}}
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

func TestVerifyNamesTheKey(t *testing.T) {
	e := sign(t, []byte(samplePayload(t)), 1, 2)
	if err := e.Verify(testKeys); err != nil {
		t.Fatalf("Verify = %v", err)
	}
	id := e.Signatures[1].KeyID.String()
	e.Signatures[1].Sig[0] ^= 1
	if err := e.Verify(testKeys); !errors.Is(err, declaration.ErrBadSignature) || !strings.Contains(err.Error(), id) {
		t.Errorf("Verify of a bad second signature = %v, want ErrBadSignature of %s", err, id)
	}
	e = sign(t, []byte(samplePayload(t)), 1, 7)
	if err := e.Verify(testKeys); !errors.Is(err, declaration.ErrUnknownKey) {
		t.Errorf("Verify with a stray signature = %v, want ErrUnknownKey", err)
	}
	e.Signatures = nil
	if err := e.Verify(testKeys); !errors.Is(err, declaration.ErrUnknownKey) {
		t.Errorf("Verify without signatures = %v, want ErrUnknownKey", err)
	}
	e = sign(t, []byte(samplePayload(t)), 1)
	short := func(declaration.KeyID) (ed25519.PublicKey, bool) { return make(ed25519.PublicKey, 31), true }
	if err := e.Verify(short); !errors.Is(err, declaration.ErrBadSignature) {
		t.Errorf("Verify with a key of 31 bytes = %v, want ErrBadSignature", err)
	}
}

// badSigner signs what nobody asked for.
type badSigner struct{ ed25519.PrivateKey }

func (s badSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return s.PrivateKey.Sign(nil, []byte("another message"), crypto.Hash(0))
}

func TestSignRefusesWhatCouldNotBeRead(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tooMany := make([]crypto.Signer, 33)
	for i := range tooMany {
		tooMany[i] = testKey(i)
	}
	for name, signers := range map[string][]crypto.Signer{
		"no key":       nil,
		"one twice":    {testKey(1), testKey(2), testKey(1)},
		"33 keys":      tooMany,
		"a P-256 key":  {other},
		"a broken key": {badSigner{testKey(1)}},
	} {
		if e, err := declaration.Sign(declaration.PayloadType, []byte("{}"), signers...); err == nil {
			t.Errorf("Sign with %s = %s, want an error", name, e.Format())
		}
	}
	if _, err := declaration.Sign(declaration.PayloadType, make([]byte, declaration.MaxEntry), testKey(1)); err == nil {
		t.Error("Sign made an envelope beyond MaxEntry")
	}
}

// TestCountersign: whoever signs later signs the same bytes, and the order of signing doesn't show.
func TestCountersign(t *testing.T) {
	first := sign(t, []byte("{}"), 1)
	both, err := first.Countersign(testKey(2))
	if err != nil {
		t.Fatal(err)
	}
	if want := sign(t, []byte("{}"), 2, 1); !bytes.Equal(both.Format(), want.Format()) || len(first.Signatures) != 1 {
		t.Errorf("Countersign = %s, want %s", both.Format(), want.Format())
	}
	if _, err := both.Countersign(testKey(1)); err == nil {
		t.Error("Countersign lets one key sign twice")
	}
	if _, err := both.Countersign(); err == nil {
		t.Error("Countersign without a key is no error")
	}
}

func TestPAE(t *testing.T) {
	// The example of the DSSE protocol description.
	e := declaration.Envelope{PayloadType: "http://example.com/HelloWorld", Payload: []byte("hello world")}
	if got, want := string(e.PAE()), "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; got != want {
		t.Errorf("PAE = %q, want %q", got, want)
	}
}

func TestParseSignedTellsUnknownFromMalformed(t *testing.T) {
	if _, err := declaration.ParseSigned(sampleEntry(t)); err != nil {
		t.Fatalf("ParseSigned = %v", err)
	}
	later := sign(t, []byte(`{"schema":2}`), 1)
	var schema *declaration.UnknownSchemaError
	if _, err := declaration.ParseSigned(later.Format()); !errors.As(err, &schema) || schema.Schema != 2 || !strings.Contains(err.Error(), "schema 2") {
		t.Errorf("ParseSigned of schema 2 = %v", err)
	}
	later.PayloadType = "application/vnd.cityproof.act.v1+json"
	var typ *declaration.PayloadTypeError
	if _, err := declaration.ParseSigned(later.Format()); !errors.As(err, &typ) || !strings.Contains(err.Error(), "act.v1") {
		t.Errorf("ParseSigned of an act = %v", err)
	}
	if _, err := declaration.ParseSigned(sign(t, []byte(`{"schema":0}`), 1).Format()); err == nil || errors.As(err, &schema) {
		t.Errorf("ParseSigned of schema 0 = %v, want malformed", err)
	}
	if _, err := declaration.ParseSigned(append(sampleEntry(t), '\n')); err == nil {
		t.Error("ParseSigned accepted a line break after the envelope")
	}
}

// TestUploadStatementIsNoEnvelope: the same keys sign both, so neither may pass
// for the other.
func TestUploadStatementIsNoEnvelope(t *testing.T) {
	got := string(declaration.UploadStatement("a.example/log", [32]byte{1}, 2, 3))
	want := "cityproof-attachment/v1\na.example/log\n01" + strings.Repeat("00", 31) + "\n2\n3\n"
	if got != want {
		t.Errorf("UploadStatement = %q, want %q", got, want)
	}
	if strings.HasPrefix(got, "DSSEv1 ") {
		t.Error("an upload statement begins like a DSSE encoding")
	}
}
