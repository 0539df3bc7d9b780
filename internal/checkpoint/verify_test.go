package checkpoint_test

import (
	"crypto"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	formatsnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestVerifyOfWhatSignMakes(t *testing.T) {
	p, c := newParty(t), testCheckpoint()
	n := cosigned(t, p, c, p.w1, p.w2, p.pq)
	if got := []string{n.Sigs[0].Name, n.Sigs[1].Name}; got[0] != origin || got[1] != origin ||
		n.Sigs[0].KeyID != p.logEd.Key().ID() || n.Sigs[1].KeyID != p.logPQ.Key().ID() {
		t.Errorf("log's lines are by %v, want Ed25519 and then ML-DSA-44 of the log", n.Sigs[:2])
	}
	v, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t))
	if err != nil {
		t.Fatal(err)
	}
	if v.Checkpoint.Origin != c.Origin || v.Checkpoint.Size != c.Size || v.Checkpoint.Root != c.Root {
		t.Errorf("Checkpoint = %+v, want %+v", v.Checkpoint, c)
	}
	at := uint64(signedAt.Unix())
	wantSigned(t, "Log", v.Log, []checkpoint.VKey{p.logEd.Key(), p.logPQ.Key()}, []uint64{0, at})
	wantSigned(t, "Cosignatures", v.Cosignatures, []checkpoint.VKey{p.w1.Key(), p.w2.Key(), p.pq.Key()}, []uint64{at, at, at})
	if len(v.Note.Sigs) != 5 {
		t.Errorf("note has %d lines, want 5", len(v.Note.Sigs))
	}

	// Lines by keys that are not known are ignored, also when they are garbage under a known name or a known ID.
	stranger := newSigner(t, "stranger.example.com", "stranger", checkpoint.TypeEd25519Cosignature)
	n.Sigs = append(n.Sigs, sign(t, stranger, n.Text),
		checkpoint.Signature{Name: origin, KeyID: p.logEd.Key().ID() + 1, Sig: []byte("garbage")},
		checkpoint.Signature{Name: "x", KeyID: p.logEd.Key().ID(), Sig: []byte("garbage")})
	v, err = checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t)[:1])
	if err != nil {
		t.Fatal(err)
	}
	wantSigned(t, "Cosignatures", v.Cosignatures, []checkpoint.VKey{p.w1.Key()}, []uint64{at})
	if v, err = checkpoint.Verify(format(t, n), p.log(t)[1:], nil); err != nil || len(v.Log) != 1 || v.Cosignatures != nil {
		t.Errorf("Verify with the ML-DSA-44 key alone = %+v, %v", v, err)
	}
}

func wantSigned(t *testing.T, what string, got []checkpoint.Signed, keys []checkpoint.VKey, times []uint64) {
	t.Helper()
	if len(got) != len(keys) {
		t.Fatalf("%s has %d signatures, want %d", what, len(got), len(keys))
	}
	for i, s := range got {
		if !s.Key.Equal(keys[i]) || s.Timestamp != times[i] || s.Signature.KeyID != keys[i].ID() {
			t.Errorf("%s[%d] = %v at %d, want %v at %d", what, i, s.Key, s.Timestamp, keys[i], times[i])
		}
	}
}

// Each line that the log or a witness signed, stripped: a signature of the log is missed by name, a witness's is gone.
func TestT12StripLogSignature(t *testing.T) {
	p := newParty(t)
	full := cosigned(t, p, testCheckpoint(), p.w1, p.pq)
	for i, stripped := range full.Sigs {
		n := &checkpoint.Note{Text: full.Text, Sigs: slices.Delete(slices.Clone(full.Sigs), i, i+1)}
		v, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t))
		var missing *checkpoint.MissingSignatureError
		switch {
		case stripped.Name != origin:
			if err != nil || len(v.Cosignatures) != 1 {
				t.Errorf("without line %d: %v, want one cosignature left", i, err)
			}
		case !errors.As(err, &missing) || missing.Key.ID() != stripped.KeyID || !errors.Is(err, checkpoint.ErrSignature):
			t.Errorf("without line %d: %v, want key %08x missing", i, err, stripped.KeyID)
		case !strings.Contains(err.Error(), missing.Key.Type.String()):
			t.Errorf("error %q does not name the type of the missing key", err)
		}
		// What only the other key is required for still verifies.
		for _, l := range p.log(t) {
			_, err := checkpoint.Verify(format(t, n), []*checkpoint.Verifier{l}, nil)
			if want := l.Key().ID() != stripped.KeyID || stripped.Name != origin; (err == nil) != want {
				t.Errorf("without line %d, key %v alone: %v", i, l.Key(), err)
			}
		}
	}
	n := &checkpoint.Note{Text: full.Text, Sigs: full.Sigs[2:]}
	if _, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t)); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("without any signature of the log: %v", err)
	}
}

// Any bit of a known line that changes rejects the whole note, however many other signatures are good.
func TestT05BadKnownSignatureRejects(t *testing.T) {
	p := newParty(t)
	full := cosigned(t, p, testCheckpoint(), p.w1, p.pq)
	for i := range full.Sigs {
		for _, pos := range []int{0, 7, 8, len(full.Sigs[i].Sig) / 2, len(full.Sigs[i].Sig) - 1} {
			n := &checkpoint.Note{Text: full.Text, Sigs: slices.Clone(full.Sigs)}
			n.Sigs[i].Sig = slices.Clone(n.Sigs[i].Sig)
			n.Sigs[i].Sig[pos] ^= 1
			wantInvalid(t, p, n, i)
		}
		for _, sig := range [][]byte{full.Sigs[i].Sig[1:], full.Sigs[i].Sig[:len(full.Sigs[i].Sig)-1], append(slices.Clone(full.Sigs[i].Sig), 0), {0}, make([]byte, 8)} {
			n := &checkpoint.Note{Text: full.Text, Sigs: slices.Clone(full.Sigs)}
			n.Sigs[i].Sig = sig
			wantInvalid(t, p, n, i)
		}
		// The same key a second time, even with the same good signature.
		n := &checkpoint.Note{Text: full.Text, Sigs: append(slices.Clone(full.Sigs), full.Sigs[i])}
		wantInvalid(t, p, n, i)
	}
	// Another text under the same signatures: the first line fails.
	n := &checkpoint.Note{Text: strings.Replace(full.Text, "\n7\n", "\n8\n", 1), Sigs: full.Sigs}
	wantInvalid(t, p, n, 0)
}

func wantInvalid(t *testing.T, p party, n *checkpoint.Note, line int) {
	t.Helper()
	_, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t))
	var invalid *checkpoint.InvalidSignatureError
	if !errors.As(err, &invalid) || invalid.Key.ID() != n.Sigs[line].KeyID || !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("bad line %d: %v, want key %08x invalid", line, err, n.Sigs[line].KeyID)
	}
}

// ML-DSA-44 does not cover extension lines: with that key alone anyone could add one.
func TestT05ExtensionLines(t *testing.T) {
	p := newParty(t)
	n := cosigned(t, p, testCheckpoint())
	n.Text += "added on the way\n"
	pq := &checkpoint.Note{Text: n.Text, Sigs: n.Sigs[1:]}
	if _, err := checkpoint.Verify(format(t, pq), p.log(t)[1:], nil); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("added extension line, ML-DSA-44 alone: %v", err)
	}
	if _, err := checkpoint.Verify(format(t, n), p.log(t), nil); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("added extension line, both keys: %v", err)
	}
	// A foreign log that signs its own extension lines with Ed25519 is within the specification.
	n.Sigs = []checkpoint.Signature{sign(t, p.logEd, n.Text)}
	v, err := checkpoint.Verify(format(t, n), p.log(t)[:1], nil)
	if err != nil || !slices.Equal(v.Checkpoint.Extensions, []string{"added on the way"}) {
		t.Errorf("signed extension line: %+v, %v", v, err)
	}
	c := testCheckpoint()
	c.Extensions = []string{"x"}
	if _, err := checkpoint.Sign(c, signedAt, p.logEd); err == nil {
		t.Error("Sign puts its name to extension lines")
	}
}

func TestVerifyErrors(t *testing.T) {
	p := newParty(t)
	good := format(t, cosigned(t, p, testCheckpoint()))
	other := newSigner(t, "other.example.com", "other", checkpoint.TypeEd25519)
	if _, err := checkpoint.Verify(good, []*checkpoint.Verifier{verifierOf(t, other)}, nil); !errors.Is(err, checkpoint.ErrOrigin) {
		t.Errorf("keys of another log: %v", err)
	}
	if _, err := checkpoint.Verify([]byte("x"), p.log(t), nil); !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("no note: %v", err)
	}
	foo := "This is an example message.\n"
	n := &checkpoint.Note{Text: foo, Sigs: []checkpoint.Signature{sign(t, p.logEd, foo)}}
	if _, err := checkpoint.Verify(format(t, n), p.log(t)[:1], nil); !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("a note that is no checkpoint: %v", err)
	}
	// Incident 18: size 0 has one root.
	c := testCheckpoint()
	c.Size = 0
	text, err := checkpoint.FormatCheckpoint(c)
	if err != nil {
		t.Fatal(err)
	}
	n = &checkpoint.Note{Text: text, Sigs: []checkpoint.Signature{sign(t, p.logEd, text)}}
	if _, err := checkpoint.Verify(format(t, n), p.log(t)[:1], nil); !errors.Is(err, proof.ErrMismatch) {
		t.Errorf("size 0 with another root: %v", err)
	}
	if _, err := checkpoint.Sign(c, signedAt, p.logEd); !errors.Is(err, proof.ErrMismatch) {
		t.Errorf("Sign of size 0 with another root: %v", err)
	}
	c.Root = proof.EmptyRoot()
	if _, err := checkpoint.Verify(format(t, cosigned(t, p, c)), p.log(t), nil); err != nil {
		t.Errorf("empty tree: %v", err)
	}

	w := p.witnesses(t)
	logAsWitness := verifierOf(t, newSigner(t, "w.example.com", "log", checkpoint.TypeEd25519Cosignature))
	w1Again := verifierOf(t, newSigner(t, "w3.example.com", "w1", checkpoint.TypeEd25519Cosignature))
	for name, tt := range map[string]struct{ log, witnesses []*checkpoint.Verifier }{
		"no keys":                    {nil, w},
		"log key twice":              {slices.Repeat(p.log(t)[:1], 2), nil},
		"keys of two logs":           {[]*checkpoint.Verifier{p.log(t)[0], verifierOf(t, other)}, nil},
		"witness key as log key":     {w[:1], nil},
		"log key as witness key":     {p.log(t)[1:], p.log(t)[:1]},
		"witness key twice":          {p.log(t), slices.Repeat(w[:1], 2)},
		"one raw key, two names":     {p.log(t), []*checkpoint.Verifier{w[0], w1Again}},
		"one raw key, two roles":     {p.log(t), []*checkpoint.Verifier{logAsWitness}},
		"log's ML-DSA-44 as witness": {p.log(t), p.log(t)[1:]},
	} {
		_, err := checkpoint.Verify(good, tt.log, tt.witnesses)
		if err == nil || errors.Is(err, checkpoint.ErrSignature) || errors.Is(err, checkpoint.ErrMalformed) || errors.Is(err, checkpoint.ErrOrigin) {
			t.Errorf("%s: %v, want an error about the keys", name, err)
		}
	}
}

// crossKeys has one key of each type, all with one name; the Ed25519 ones even share the raw key.
func crossKeys(t *testing.T) []*checkpoint.Signer {
	t.Helper()
	return []*checkpoint.Signer{
		newSigner(t, origin, "x", checkpoint.TypeEd25519),
		newSigner(t, origin, "x", checkpoint.TypeEd25519Cosignature),
		newSigner(t, origin, "x", checkpoint.TypeMLDSA44),
	}
}

// T-08: a signature made as one type never verifies as another, not even relabelled with the other's key ID and cut or
// padded to its length.
func TestT08CrossType(t *testing.T) {
	text, err := checkpoint.FormatCheckpoint(testCheckpoint())
	if err != nil {
		t.Fatal(err)
	}
	keys := crossKeys(t)
	for _, made := range keys {
		sig := sign(t, made, text)
		for _, as := range keys {
			v := verifierOf(t, as)
			_, err := v.Verify(text, sig)
			if same := made == as; (err == nil) != same {
				t.Errorf("made by %v, verified by %v: %v", made.Key(), as.Key(), err)
			} else if !same && !errors.Is(err, checkpoint.ErrSignature) {
				t.Errorf("made by %v, verified by %v: %v does not wrap ErrSignature", made.Key(), as.Key(), err)
			}
			if made == as {
				continue
			}
			time8 := binary.BigEndian.AppendUint64(nil, uint64(signedAt.Unix()))
			bodies := map[string][]byte{"as it is": sig.Sig, "with a time": append(time8, sig.Sig...)}
			if len(sig.Sig) > 8 {
				bodies["without its time"] = sig.Sig[8:]
			}
			for name, body := range bodies {
				relabelled := checkpoint.Signature{Name: as.Key().Name, KeyID: as.Key().ID(), Sig: body}
				if _, err := v.Verify(text, relabelled); !errors.Is(err, checkpoint.ErrSignature) {
					t.Errorf("made by %v, relabelled as %v %s: %v", made.Key(), as.Key(), name, err)
				}
			}
		}
	}
	ids := map[uint32]bool{}
	for _, k := range keys {
		ids[k.Key().ID()] = true
	}
	if len(ids) != 3 {
		t.Errorf("3 types have %d key IDs", len(ids))
	}
}

// T-08: time 0 is a subtree's. It is not counted, and it is no fault either.
func TestT08TimestampZeroIsNotCounted(t *testing.T) {
	p := newParty(t)
	n := cosigned(t, p, testCheckpoint())
	msg := mldsaMessage(p.pq.Key().Name, 0, testCheckpoint())
	n.Sigs = append(n.Sigs, rawSignature(t, p.pq, "pq", 0, msg))
	edMsg := []byte("cosignature/v1\ntime 0\n" + n.Text)
	n.Sigs = append(n.Sigs, rawSignature(t, p.w1, "w1", 0, edMsg))
	v, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t))
	if err != nil || len(v.Cosignatures) != 0 {
		t.Errorf("cosignatures with time 0: %+v, %v, want none and no error", v, err)
	}
	if ts, err := verifierOf(t, p.pq).Verify(n.Text, n.Sigs[2]); ts != 0 || err != nil {
		t.Errorf("Verifier.Verify = %d, %v, want 0, nil", ts, err)
	}
	// A bad one is a fault all the same.
	n.Sigs[2].Sig = slices.Clone(n.Sigs[2].Sig)
	n.Sigs[2].Sig[100] ^= 1
	wantInvalid(t, p, n, 2)

	// As the log's own signature it is missing.
	n = cosigned(t, p, testCheckpoint())
	n.Sigs[1] = rawSignature(t, p.logPQ, "log", 0, mldsaMessage(origin, 0, testCheckpoint()))
	var missing *checkpoint.MissingSignatureError
	if _, err := checkpoint.Verify(format(t, n), p.log(t), nil); !errors.As(err, &missing) || !missing.Key.Equal(p.logPQ.Key()) {
		t.Errorf("log's ML-DSA-44 signature with time 0: %v, want it missing", err)
	}

	// The last time there is counts.
	n = cosigned(t, p, testCheckpoint())
	n.Sigs = append(n.Sigs, rawSignature(t, p.w1, "w1", 1<<63-1, []byte("cosignature/v1\ntime 9223372036854775807\n"+n.Text)))
	if v, err := checkpoint.Verify(format(t, n), p.log(t), p.witnesses(t)); err != nil || len(v.Cosignatures) != 1 {
		t.Errorf("time 2^63-1: %v", err)
	}
	// A time beyond 2^63-1 is refused although the signature fits it.
	n = cosigned(t, p, testCheckpoint())
	n.Sigs = append(n.Sigs, rawSignature(t, p.w1, "w1", 1<<63, []byte("cosignature/v1\ntime 9223372036854775808\n"+n.Text)))
	wantInvalid(t, p, n, 2)
}

// mldsaMessage is written down a second time here, from the specification, so that the tests do not rest on the code.
func mldsaMessage(name string, timestamp uint64, c checkpoint.Checkpoint) []byte {
	return fmt.Appendf(nil, "subtree/v1\n\x00%c%s%s%c%s%s%s%s", rune(len(name)), name, u64(timestamp),
		rune(len(c.Origin)), c.Origin, u64(0), u64(c.Size), c.Root[:])
}

func u64(n uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, n)
}

// rawSignature signs msg with the key made from word and labels the result as s's.
func rawSignature(t *testing.T, s *checkpoint.Signer, word string, timestamp uint64, msg []byte) checkpoint.Signature {
	t.Helper()
	raw, err := newKey(t, word, s.Key().Type).Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		t.Fatal(err)
	}
	return checkpoint.Signature{Name: s.Key().Name, KeyID: s.Key().ID(), Sig: append(u64(timestamp), raw...)}
}

// The public implementations accept what we sign, and we accept what they sign.
func TestSignaturesAgreeWithOracles(t *testing.T) {
	p := newParty(t)
	n := cosigned(t, p, testCheckpoint(), p.w1, p.pq)
	var known []note.Verifier
	for _, s := range []*checkpoint.Signer{p.logEd, p.logPQ, p.w1, p.pq} {
		vkey := checkpoint.FormatVKey(s.Key())
		v, err := formatsnote.NewVerifierForCosignatureV1(vkey)
		if s.Key().Type == checkpoint.TypeEd25519 {
			v, err = note.NewVerifier(vkey)
		}
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, v)
	}
	o, err := note.Open(format(t, n), note.VerifierList(known...))
	if err != nil || len(o.Sigs) != 4 || o.Text != n.Text {
		t.Fatalf("oracle opens our note as %+v, %v", o, err)
	}

	skey, vkey, err := note.GenerateKey(nil, origin)
	if err != nil {
		t.Fatal(err)
	}
	pqSkey, pqVKey, err := formatsnote.GenerateMLDSAKey("their.example.com/witness")
	if err != nil {
		t.Fatal(err)
	}
	edSkey, edVKey, err := note.GenerateKey(nil, "their.example.com/ed")
	if err != nil {
		t.Fatal(err)
	}
	wVKey, err := formatsnote.VKeyToCosignatureV1(edVKey)
	if err != nil {
		t.Fatal(err)
	}
	logSigner, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	edSigner, err := formatsnote.NewSignerForCosignatureV1(edSkey)
	if err != nil {
		t.Fatal(err)
	}
	pqSigner, err := formatsnote.NewSignerForCosignatureV1(pqSkey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := note.Sign(&note.Note{Text: n.Text}, logSigner, edSigner, pqSigner)
	if err != nil {
		t.Fatal(err)
	}
	v, err := checkpoint.Verify(theirs, parseVerifiers(t, vkey), parseVerifiers(t, wVKey, pqVKey))
	if err != nil || len(v.Cosignatures) != 2 {
		t.Fatalf("Verify of the oracle's note = %+v, %v", v, err)
	}
	for i, s := range v.Cosignatures {
		want, err := formatsnote.CoSigV1Timestamp(openSig(t, theirs, i+1))
		if err != nil || uint64(want.Unix()) != s.Timestamp {
			t.Errorf("cosignature %d at %d, oracle says %v, %v", i, s.Timestamp, want, err)
		}
	}
}

func parseVerifiers(t *testing.T, vkeys ...string) []*checkpoint.Verifier {
	t.Helper()
	var vs []*checkpoint.Verifier
	for _, k := range vkeys {
		v, err := checkpoint.ParseVerifier(k)
		if err != nil {
			t.Fatal(err)
		}
		vs = append(vs, v)
	}
	return vs
}

func openSig(t *testing.T, b []byte, i int) note.Signature {
	t.Helper()
	var unverified *note.UnverifiedNoteError
	if _, err := note.Open(b, nil); !errors.As(err, &unverified) {
		t.Fatal(err)
	}
	return unverified.Note.UnverifiedSigs[i]
}

// The vector of c2sp.org/signed-note.
func TestC2SPSignedNote(t *testing.T) {
	v, err := checkpoint.ParseVerifier("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
	if err != nil {
		t.Fatal(err)
	}
	n, err := checkpoint.ParseNote([]byte("This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"))
	if err != nil {
		t.Fatal(err)
	}
	if ts, err := v.Verify(n.Text, n.Sigs[0]); ts != 0 || err != nil {
		t.Errorf("Verify = %d, %v, want 0, nil", ts, err)
	}
	if _, err := v.Verify(n.Text+"\n", n.Sigs[0]); !errors.Is(err, checkpoint.ErrSignature) {
		t.Errorf("Verify of another text = %v", err)
	}
}

// A line is by a key only if name and ID both are the key's, whatever the signature is worth.
func TestVerifierIsOneKey(t *testing.T) {
	p := newParty(t)
	n := cosigned(t, p, testCheckpoint())
	v, good := verifierOf(t, p.logEd), n.Sigs[0]
	if _, err := v.Verify(n.Text, good); err != nil {
		t.Fatal(err)
	}
	for _, s := range []checkpoint.Signature{
		{Name: "x", KeyID: good.KeyID, Sig: good.Sig}, {Name: good.Name, KeyID: good.KeyID + 1, Sig: good.Sig},
	} {
		if _, err := v.Verify(n.Text, s); !errors.Is(err, checkpoint.ErrSignature) {
			t.Errorf("line of %s+%08x verified by %v: %v", s.Name, s.KeyID, v.Key(), err)
		}
	}
}
