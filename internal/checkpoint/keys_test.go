package checkpoint_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"testing"
	"time"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

const origin = "log.example.com/city"

var signedAt = time.Unix(1_780_000_000, 0)

// repeatable signs without the random bytes of ML-DSA, so that goldens can be compared.
type repeatable struct{ *mldsa.PrivateKey }

func (r repeatable) Sign(_ io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.SignDeterministic(msg, opts)
}

// newKey returns a key made from a word. The same word gives the same raw key under any name and type.
func newKey(tb testing.TB, word string, typ checkpoint.KeyType) crypto.Signer {
	tb.Helper()
	seed := sha256.Sum256([]byte("test key " + word))
	if typ != checkpoint.TypeMLDSA44 {
		return ed25519.NewKeyFromSeed(seed[:])
	}
	k, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed[:])
	if err != nil {
		tb.Fatal(err)
	}
	return repeatable{k}
}

func newSigner(tb testing.TB, name, word string, typ checkpoint.KeyType) *checkpoint.Signer {
	tb.Helper()
	s, err := checkpoint.NewSigner(name, typ, newKey(tb, word, typ))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func verifierOf(tb testing.TB, s *checkpoint.Signer) *checkpoint.Verifier {
	tb.Helper()
	v, err := checkpoint.ParseVerifier(checkpoint.FormatVKey(s.Key()))
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// party is the cast of the tests: a log with two keys, and three cosigners.
type party struct {
	logEd, logPQ, w1, w2, pq *checkpoint.Signer
}

func newParty(tb testing.TB) party {
	tb.Helper()
	return party{
		logEd: newSigner(tb, origin, "log", checkpoint.TypeEd25519),
		logPQ: newSigner(tb, origin, "log", checkpoint.TypeMLDSA44),
		w1:    newSigner(tb, "w1.example.com/witness", "w1", checkpoint.TypeEd25519Cosignature),
		w2:    newSigner(tb, "w2.example.com/witness", "w2", checkpoint.TypeEd25519Cosignature),
		pq:    newSigner(tb, "pq.example.com/witness", "pq", checkpoint.TypeMLDSA44),
	}
}

func (p party) log(tb testing.TB) []*checkpoint.Verifier {
	tb.Helper()
	return []*checkpoint.Verifier{verifierOf(tb, p.logEd), verifierOf(tb, p.logPQ)}
}

func (p party) witnesses(tb testing.TB) []*checkpoint.Verifier {
	tb.Helper()
	return []*checkpoint.Verifier{verifierOf(tb, p.w1), verifierOf(tb, p.w2), verifierOf(tb, p.pq)}
}

func testCheckpoint() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: origin, Size: 7, Root: proof.LeafHash([]byte("root"))}
}

// cosigned returns a note signed by the log and then by the others.
func cosigned(tb testing.TB, p party, c checkpoint.Checkpoint, others ...*checkpoint.Signer) *checkpoint.Note {
	tb.Helper()
	b, err := checkpoint.Sign(c, signedAt, p.logPQ, p.logEd)
	if err != nil {
		tb.Fatal(err)
	}
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		tb.Fatal(err)
	}
	for _, s := range others {
		n.Sigs = append(n.Sigs, sign(tb, s, n.Text))
	}
	return n
}

func sign(tb testing.TB, s *checkpoint.Signer, text string) checkpoint.Signature {
	tb.Helper()
	sig, err := s.Sign(text, signedAt)
	if err != nil {
		tb.Fatal(err)
	}
	return sig
}

func format(tb testing.TB, n *checkpoint.Note) []byte {
	tb.Helper()
	b, err := checkpoint.FormatNote(n)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
