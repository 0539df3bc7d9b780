package checkpoint_test

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// The longest names that an ML-DSA-44 message holds.
func TestLongestNames(t *testing.T) {
	name := strings.Repeat("n", checkpoint.MaxNameSize)
	c := checkpoint.Checkpoint{Origin: name, Size: 1, Root: proof.EmptyRoot()}
	ed, pq := newSigner(t, name, "long", checkpoint.TypeEd25519), newSigner(t, name, "long", checkpoint.TypeMLDSA44)
	b, err := checkpoint.Sign(c, signedAt, ed, pq)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.Verify(b, []*checkpoint.Verifier{verifierOf(t, ed), verifierOf(t, pq)}, nil); err != nil {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	p, c := newParty(t), testCheckpoint()
	for name, tt := range map[string]struct {
		c       checkpoint.Checkpoint
		now     time.Time
		signers []*checkpoint.Signer
	}{
		"no signer":             {c, signedAt, nil},
		"ML-DSA-44 alone":       {c, signedAt, []*checkpoint.Signer{p.logPQ}},
		"a witness":             {c, signedAt, []*checkpoint.Signer{p.logEd, p.w1}},
		"same key twice":        {c, signedAt, []*checkpoint.Signer{p.logEd, p.logEd}},
		"cosignature as log":    {c, signedAt, []*checkpoint.Signer{p.logEd, newSigner(t, origin, "z", checkpoint.TypeEd25519Cosignature)}},
		"a time before 1970":    {c, time.Unix(-5, 0), []*checkpoint.Signer{p.logEd, p.logPQ}},
		"time 0":                {c, time.Unix(0, 999), []*checkpoint.Signer{p.logEd, p.logPQ}},
		"no time":               {c, time.Time{}, []*checkpoint.Signer{p.logEd, p.logPQ}},
		"another origin":        {checkpoint.Checkpoint{Origin: "x", Size: 1}, signedAt, []*checkpoint.Signer{p.logEd, p.logPQ}},
		"size beyond the limit": {checkpoint.Checkpoint{Origin: origin, Size: 1 << 63}, signedAt, []*checkpoint.Signer{p.logEd, p.logPQ}},
	} {
		if b, err := checkpoint.Sign(tt.c, tt.now, tt.signers...); err == nil {
			t.Errorf("%s: Sign = %.60q, want an error", name, b)
		}
	}
	if _, err := p.w1.Sign("not a checkpoint\n", signedAt); !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("cosigning what is no checkpoint: %v", err)
	}
	long := strings.Repeat("a", 256) + "\n1\n" + proof.EmptyRoot().String() + "\n"
	if _, err := p.pq.Sign(long, signedAt); err == nil {
		t.Error("ML-DSA-44 signs an origin that its message cannot hold")
	}
}

// faulty is a key whose signatures come out wrong, or not at all.
type faulty struct {
	crypto.Signer
	err error
}

func (f faulty) Sign(r io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	sig, err := f.Signer.Sign(r, msg, opts)
	if err != nil || f.err != nil {
		return nil, errors.Join(err, f.err)
	}
	sig[5] ^= 1
	return sig, nil
}

type strangeKey struct{ crypto.Signer }

func (strangeKey) Public() crypto.PublicKey { return "a string" }

func TestSignerChecksItsKey(t *testing.T) {
	ed, pq := newKey(t, "a", checkpoint.TypeEd25519), newKey(t, "a", checkpoint.TypeMLDSA44)
	pq65, err := mldsa.GenerateKey(mldsa.MLDSA65())
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		name string
		typ  checkpoint.KeyType
		key  crypto.Signer
	}{
		"Ed25519 as ML-DSA-44":   {"a", checkpoint.TypeMLDSA44, ed},
		"ML-DSA-44 as Ed25519":   {"a", checkpoint.TypeEd25519, pq},
		"ML-DSA-44 as witness":   {"a", checkpoint.TypeEd25519Cosignature, pq},
		"ML-DSA-65 as ML-DSA-44": {"a", checkpoint.TypeMLDSA44, pq65},
		"unknown type":           {"a", 2, ed},
		"bad name":               {"a b", checkpoint.TypeEd25519, ed},
		"unknown key":            {"a", checkpoint.TypeEd25519, strangeKey{ed}},
	} {
		if _, err := checkpoint.NewSigner(tt.name, tt.typ, tt.key); err == nil {
			t.Errorf("%s: NewSigner made a signer", name)
		}
	}
	text, err := checkpoint.FormatCheckpoint(testCheckpoint())
	if err != nil {
		t.Fatal(err)
	}
	lost := errors.New("agent is gone")
	for typ, key := range map[checkpoint.KeyType]crypto.Signer{
		checkpoint.TypeEd25519: ed, checkpoint.TypeEd25519Cosignature: ed, checkpoint.TypeMLDSA44: pq,
	} {
		for _, fault := range []error{nil, lost} {
			s, err := checkpoint.NewSigner("a", typ, faulty{key, fault})
			if err != nil {
				t.Fatal(err)
			}
			if sig, err := s.Sign(text, signedAt); err == nil || fault != nil && !errors.Is(err, lost) {
				t.Errorf("%v: faulty key gives %v, %v", typ, sig, err)
			}
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p := newParty(b)
	text, err := checkpoint.FormatCheckpoint(testCheckpoint())
	if err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]*checkpoint.Signer{"Ed25519": p.logEd, "Ed25519Cosignature": p.w1, "MLDSA44": p.logPQ} {
		sig, v := sign(b, s, text), verifierOf(b, s)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(text, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	note := format(b, cosigned(b, p, testCheckpoint(), p.w1, p.w2))
	log, witnesses := p.log(b), p.witnesses(b)
	b.Run("Checkpoint2LogKeys2Witnesses", func(b *testing.B) {
		for b.Loop() {
			if _, err := checkpoint.Verify(note, log, witnesses); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSign includes the check of each signature that Sign makes.
func BenchmarkSign(b *testing.B) {
	pqKey, err := mldsa.GenerateKey(mldsa.MLDSA44())
	if err != nil {
		b.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	text, err := checkpoint.FormatCheckpoint(testCheckpoint())
	if err != nil {
		b.Fatal(err)
	}
	for typ, key := range map[checkpoint.KeyType]crypto.Signer{checkpoint.TypeEd25519: edKey, checkpoint.TypeMLDSA44: pqKey} {
		s, err := checkpoint.NewSigner(origin, typ, key)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(typ.String(), func(b *testing.B) {
			for b.Loop() {
				sign(b, s, text)
			}
		})
	}
	b.Run("MLDSA44-raw", func(b *testing.B) {
		for b.Loop() {
			if _, err := pqKey.Sign(nil, []byte(text), crypto.Hash(0)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
