package evidence_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
)

// FuzzParse: no panic, no error of another kind, and what is read is written back as it was.
func FuzzParse(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := evidence.Parse(b)
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) && !errors.Is(err, evidence.ErrLaterVersion) {
				t.Errorf("Parse(%q): %v", b, err)
			}
			return
		}
		if got := e.Format(); !bytes.Equal(got, b) {
			t.Errorf("Format(Parse(%q)) = %q", b, got)
		}
	})
}

// FuzzFrame: with the keys of an honest log and honest witnesses, nothing is proven by any bytes. The seeds are what liars
// write about them, and true evidence against a log that forked under the same name with another key.
func FuzzFrame(f *testing.F) {
	p := newParty(f)
	keys := p.keys(f)
	for _, x := range honestMaterial(f, p) {
		f.Add([]byte(x))
	}
	forker := p
	forker.log = newSigner(f, origin, "forker", checkpoint.TypeEd25519)
	forker.oldLog = newSigner(f, origin, "forker's old key", checkpoint.TypeEd25519)
	forker.w1 = newSigner(f, p.w1.Key().Name, "liar", checkpoint.TypeEd25519Cosignature)
	forker.pq = newSigner(f, p.pq.Key().Name, "liar", checkpoint.TypeMLDSA44)
	for _, e := range samples(f, forker) {
		f.Add(e.Format())
		// The same, said of the honest keys.
		b := e.Format()
		for _, swap := range [][2]*checkpoint.Signer{{forker.log, p.log}, {forker.oldLog, p.oldLog}, {forker.w1, p.w1}, {forker.pq, p.pq}} {
			b = bytes.ReplaceAll(b, []byte(checkpoint.FormatVKey(swap[0].Key())), []byte(checkpoint.FormatVKey(swap[1].Key())))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := evidence.Parse(b)
		if err != nil {
			return
		}
		if found, err := e.Verify(keys); err == nil {
			t.Errorf("%q proves: %v", b, found)
		} else if !errors.Is(err, evidence.ErrUnknownKey) && !errors.Is(err, evidence.ErrNotProven) {
			t.Errorf("Verify of %q: %v", b, err)
		}
	})
}
