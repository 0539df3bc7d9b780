package receipt_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"filippo.io/mldsa"
	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

const (
	origin = "kanaalstad.example/log"
	city   = "nl-kanaalstad"
)

var loggedAt = time.Date(2026, 11, 23, 4, 0, 5, 0, time.UTC)

// world is a log of some entries, its keys, and what is needed to make receipts of
// it, true and false ones.
type world struct {
	tb      testing.TB
	origin  string
	signers []*checkpoint.Signer
	entries [][]byte
}

// repeatable signs without the random bytes of ML-DSA, so that goldens can be
// compared.
type repeatable struct{ *mldsa.PrivateKey }

func (r repeatable) Sign(_ io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.SignDeterministic(msg, opts)
}

func seed(word string) []byte {
	s := sha256.Sum256([]byte("cityproof test key " + word))
	return s[:]
}

func ed25519Key(word string) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed(word)) }

func public(word string) ed25519.PublicKey { return ed25519Key(word).Public().(ed25519.PublicKey) }

// newWorld makes a log of size entries that stand for others.
func newWorld(tb testing.TB, origin string, size int) *world {
	tb.Helper()
	w := &world{tb: tb, origin: origin}
	key, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed(origin+" mldsa"))
	if err != nil {
		tb.Fatal(err)
	}
	w.addSigner(checkpoint.TypeEd25519, ed25519Key(origin))
	w.addSigner(checkpoint.TypeMLDSA44, repeatable{key})
	for i := range size {
		w.entries = append(w.entries, fmt.Appendf(nil, "entry %d", i))
	}
	return w
}

func (w *world) addSigner(typ checkpoint.KeyType, key crypto.Signer) {
	w.tb.Helper()
	s, err := checkpoint.NewSigner(w.origin, typ, key)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.signers = append(w.signers, s)
}

// trust believes the log's keys and publisher "officer", for good.
func (w *world) trust() *receipt.Trust {
	w.tb.Helper()
	t := &receipt.Trust{Origin: w.origin, City: city, Publishers: []receipt.Publisher{{Key: public("officer")}}}
	for _, s := range w.signers {
		v, err := checkpoint.NewVerifier(s.Key())
		if err != nil {
			w.tb.Fatal(err)
		}
		t.Log = append(t.Log, v)
	}
	return t
}

// note is the signed checkpoint of the entries so far.
func (w *world) note() []byte {
	w.tb.Helper()
	var tree proof.Range
	for _, e := range w.entries {
		tree.Append(proof.LeafHash(e))
	}
	note, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: w.origin, Size: tree.Size(), Root: tree.Root()}, loggedAt, w.signers...)
	if err != nil {
		w.tb.Fatal(err)
	}
	return note
}

// receipt makes the receipt of entry index with a body.
func (w *world) receipt(index int, body []byte) *receipt.Receipt {
	w.tb.Helper()
	var leaves []proof.Hash
	for _, e := range w.entries {
		leaves = append(leaves, proof.LeafHash(e))
	}
	return receipt.New(w.entries[index], body, uint64(index), inclusion(leaves, index), w.note())
}

// inclusion is RFC 6962, section 2.1.1, as it is written there.
func inclusion(leaves []proof.Hash, index int) []proof.Hash {
	if len(leaves) == 1 {
		return nil
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	if index < k {
		return append(inclusion(leaves[:k], index), root(leaves[k:]))
	}
	return append(inclusion(leaves[k:], index-k), root(leaves[:k]))
}

func root(leaves []proof.Hash) proof.Hash {
	var tree proof.Range
	for _, l := range leaves {
		tree.Append(l)
	}
	return tree.Root()
}

// declare signs a statement about a service with words. change, if given, changes
// the statement before it is signed.
func declare(tb testing.TB, words string, change func(*declaration.Statement), keys ...string) (entry, body []byte) {
	tb.Helper()
	body, err := declaration.FormatBody(&declarationv1.Body{
		Nonce: seed(words)[:16], Language: proto.String("nl"),
		Record: &declarationv1.Body_Service{Service: &declarationv1.Service{
			Name: &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: proto.String("nl"), Value: proto.String(words)}}},
		}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	s := &declaration.Statement{
		Log: origin, City: city, Subject: declaration.Subject{Kind: declaration.Service, Number: 18}, Revision: 1,
		Operation: declaration.Publish, EffectiveOn: declaration.Date{Year: 2026, Month: 11}, DeclaredAt: loggedAt.Add(-5 * time.Second),
		Provenance: declaration.CityOwn, BodySHA256: sha256.Sum256(body), BodySize: uint32(len(body)),
	}
	if change != nil {
		change(s)
	}
	return sign(tb, declaration.PayloadType, s.Format(), keys...), body
}

func sign(tb testing.TB, payloadType string, payload []byte, keys ...string) []byte {
	tb.Helper()
	if len(keys) == 0 {
		keys = []string{"officer"}
	}
	var signers []crypto.Signer
	for _, word := range keys {
		signers = append(signers, ed25519Key(word))
	}
	e, err := declaration.Sign(payloadType, payload, signers...)
	if err != nil {
		tb.Fatal(err)
	}
	return e.Format()
}

const at = 17

// sample is a true receipt of entry 17 of 40.
func sample(tb testing.TB) (*world, *receipt.Receipt) {
	tb.Helper()
	w := newWorld(tb, origin, 40)
	entry, body := declare(tb, `Trouwen: "ja"`, nil)
	w.entries[at] = entry
	return w, w.receipt(at, body)
}

func format(tb testing.TB, r *receipt.Receipt) []byte {
	tb.Helper()
	b, err := r.Format()
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// check is what the command does with a file.
func check(file []byte, t *receipt.Trust) error {
	r, err := receipt.Parse(file)
	if err != nil {
		return err
	}
	_, err = receipt.Verify(r, t)
	return err
}
