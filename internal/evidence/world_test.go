package evidence_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"filippo.io/mldsa"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

const (
	origin = "log.example.com/city"
	start  = 1_780_000_000 // Unix seconds
)

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
	v, err := checkpoint.NewVerifier(s.Key())
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// party is the cast: a log with its keys, the key that it had before, two witnesses and a log of somebody else.
type party struct {
	log, logPQ, oldLog, w1, pq, other *checkpoint.Signer
}

func newParty(tb testing.TB) party {
	tb.Helper()
	return party{
		log:    newSigner(tb, origin, "log", checkpoint.TypeEd25519),
		logPQ:  newSigner(tb, origin, "log", checkpoint.TypeMLDSA44),
		oldLog: newSigner(tb, origin, "old log", checkpoint.TypeEd25519),
		w1:     newSigner(tb, "w1.example.com/witness", "w1", checkpoint.TypeEd25519Cosignature),
		pq:     newSigner(tb, "pq.example.com/witness", "pq", checkpoint.TypeMLDSA44),
		other:  newSigner(tb, "log.example.com/other", "other", checkpoint.TypeEd25519),
	}
}

// book is what a verifier knows.
type book struct {
	logs      map[string]evidence.LogKey
	witnesses map[string]evidence.WitnessKey
}

func (b book) LogKey(k checkpoint.VKey) (evidence.LogKey, bool) {
	known, ok := b.logs[checkpoint.FormatVKey(k)]
	return known, ok
}

func (b book) WitnessKey(k checkpoint.VKey) (evidence.WitnessKey, bool) {
	known, ok := b.witnesses[checkpoint.FormatVKey(k)]
	return known, ok
}

// keys is a book of the whole party, with nothing revoked and no registry.
func (p party) keys(tb testing.TB) book {
	tb.Helper()
	b := book{map[string]evidence.LogKey{}, map[string]evidence.WitnessKey{}}
	for _, s := range []*checkpoint.Signer{p.log, p.oldLog, p.other} {
		b.logs[checkpoint.FormatVKey(s.Key())] = evidence.LogKey{Verifier: verifierOf(tb, s)}
	}
	for _, s := range []*checkpoint.Signer{p.w1, p.pq} {
		b.witnesses[checkpoint.FormatVKey(s.Key())] = evidence.WitnessKey{Verifier: verifierOf(tb, s)}
	}
	return b
}

func (b book) revokeLog(s *checkpoint.Signer, lastSize uint64) {
	id := checkpoint.FormatVKey(s.Key())
	k := b.logs[id]
	k.Revoked, k.LastSize = true, lastSize
	b.logs[id] = k
}

func (b book) revokeWitness(s *checkpoint.Signer, from uint64) {
	id := checkpoint.FormatVKey(s.Key())
	k := b.witnesses[id]
	k.Revoked, k.From = true, from
	b.witnesses[id] = k
}

// history is what a log's entries make, by golang.org/x/mod/sumdb/tlog, which shares nothing with our own trees.
type history struct {
	stored []tlog.Hash
	leaves []proof.Hash
}

func (h *history) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		hashes[i] = h.stored[x]
	}
	return hashes, nil
}

func (h *history) append(tb testing.TB, entry []byte) {
	tb.Helper()
	hashes, err := tlog.StoredHashes(int64(len(h.leaves)), entry, h)
	if err != nil {
		tb.Fatal(err)
	}
	h.stored = append(h.stored, hashes...)
	h.leaves = append(h.leaves, proof.Hash(tlog.RecordHash(entry)))
}

// newHistory has size entries: "entry i" up to fork, "other i" from there.
func newHistory(tb testing.TB, size, fork int) *history {
	tb.Helper()
	h := &history{}
	for i := range size {
		if i < fork {
			h.append(tb, fmt.Appendf(nil, "entry %d", i))
		} else {
			h.append(tb, fmt.Appendf(nil, "other %d", i))
		}
	}
	return h
}

func (h *history) root(tb testing.TB, size uint64) proof.Hash {
	tb.Helper()
	if size == 0 {
		return proof.EmptyRoot()
	}
	root, err := tlog.TreeHash(int64(size), h)
	if err != nil {
		tb.Fatal(err)
	}
	return proof.Hash(root)
}

func (h *history) fork(tb testing.TB, oldSize, newSize uint64) evidence.Fork {
	tb.Helper()
	f := evidence.Fork{Root: h.root(tb, oldSize)}
	if oldSize == 0 || oldSize == newSize {
		return f
	}
	path, err := tlog.ProveTree(int64(newSize), int64(oldSize), h)
	if err != nil {
		tb.Fatal(err)
	}
	for _, x := range path {
		f.Path = append(f.Path, proof.Hash(x))
	}
	return f
}

func (h *history) leaf(tb testing.TB, index, size uint64) evidence.Leaf {
	tb.Helper()
	l := evidence.Leaf{Hash: h.leaves[index]}
	path, err := tlog.ProveRecord(int64(size), int64(index), h)
	if err != nil {
		tb.Fatal(err)
	}
	for _, x := range path {
		l.Path = append(l.Path, proof.Hash(x))
	}
	return l
}

// text is that of a checkpoint.
func text(size uint64, root proof.Hash, extensions ...string) string {
	s := origin + "\n" + strconv.FormatUint(size, 10) + "\n" + root.String() + "\n"
	for _, x := range extensions {
		s += x + "\n"
	}
	return s
}

// signed is a note by the signers at a time, in their order.
func signed(tb testing.TB, text string, at uint64, signers ...*checkpoint.Signer) []byte {
	tb.Helper()
	n := &checkpoint.Note{Text: text}
	for _, s := range signers {
		sig, err := s.Sign(text, time.Unix(int64(at), 0))
		if err != nil {
			tb.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	return format(tb, n)
}

func format(tb testing.TB, n *checkpoint.Note) []byte {
	tb.Helper()
	b, err := checkpoint.FormatNote(n)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// head is the note of a history's first entries as the log and the witnesses publish it, for evidence against s.
func (h *history) head(tb testing.TB, p party, s *checkpoint.Signer, size, at uint64) evidence.Head {
	tb.Helper()
	signers := []*checkpoint.Signer{p.log, p.logPQ, p.w1, p.pq}
	if s == p.oldLog {
		signers[0] = p.oldLog
	}
	return evidence.Head{Note: signed(tb, text(size, h.root(tb, size)), at, signers...), Key: verifierOf(tb, s)}
}

// bare is a head with the line of s alone.
func (h *history) bare(tb testing.TB, s *checkpoint.Signer, size, at uint64) evidence.Head {
	tb.Helper()
	return evidence.Head{Note: signed(tb, text(size, h.root(tb, size)), at, s), Key: verifierOf(tb, s)}
}

// atTime0 is a cosignature that says time 0, as those of subtrees do.
func atTime0(tb testing.TB, s *checkpoint.Signer, word, text string) checkpoint.Signature {
	tb.Helper()
	c, err := checkpoint.ParseCheckpoint(text)
	if err != nil {
		tb.Fatal(err)
	}
	msg := []byte("cosignature/v1\ntime 0\n" + text)
	if s.Key().Type == checkpoint.TypeMLDSA44 {
		msg = append([]byte("subtree/v1\n\x00"), byte(len(s.Key().Name)))
		msg = append(msg, s.Key().Name...)
		msg = binary.BigEndian.AppendUint64(msg, 0)
		msg = append(append(msg, byte(len(c.Origin))), c.Origin...)
		msg = binary.BigEndian.AppendUint64(msg, 0)
		msg = binary.BigEndian.AppendUint64(msg, c.Size)
		msg = append(msg, c.Root[:]...)
	}
	raw, err := newKey(tb, word, s.Key().Type).Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		tb.Fatal(err)
	}
	sig := checkpoint.Signature{Name: s.Key().Name, KeyID: s.Key().ID(), Sig: append(make([]byte, 8), raw...)}
	if at, err := verifierOf(tb, s).Verify(text, sig); err != nil || at != 0 {
		tb.Fatalf("the test's own signature: time %d, %v", at, err)
	}
	return sig
}

// must is for evidence that has to come about: must(evidence.NewE1(a, b))(t).
func must(e *evidence.Evidence, err error) func(testing.TB) *evidence.Evidence {
	return func(tb testing.TB) *evidence.Evidence {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return e
	}
}

func find(tb testing.TB, e *evidence.Evidence, keys evidence.Keys) *evidence.Finding {
	tb.Helper()
	f, err := e.Verify(keys)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// samples is true evidence of every kind and form.
func samples(tb testing.TB, p party) map[string]*evidence.Evidence {
	tb.Helper()
	h, o := newHistory(tb, 12, 12), newHistory(tb, 12, 3)
	e1 := func() (*evidence.Evidence, error) {
		return evidence.NewE1(h.head(tb, p, p.log, 7, start), o.head(tb, p, p.log, 7, start+9))
	}
	e2 := func(n1, n2 uint64) (*evidence.Evidence, error) {
		return evidence.NewE2(h.head(tb, p, p.log, n1, start), o.head(tb, p, p.log, n2, start+9), o.fork(tb, n1, n2))
	}
	e3 := func() (*evidence.Evidence, error) {
		return evidence.NewE3(5, h.head(tb, p, p.log, 7, start), h.leaf(tb, 5, 7), o.head(tb, p, p.log, 12, start+9), o.leaf(tb, 5, 12))
	}
	e4 := func(s *checkpoint.Signer, b *history, n1, t1, n2, t2 uint64) (*evidence.Evidence, error) {
		fork := b.fork(tb, n1, n2)
		return evidence.NewE4(h.head(tb, p, s, n1, t1), b.head(tb, p, s, n2, t2), &fork)
	}
	rotated := func() (*evidence.Evidence, error) {
		return evidence.NewE2(h.head(tb, p, p.oldLog, 5, start), o.head(tb, p, p.log, 9, start+9), o.fork(tb, 5, 9))
	}
	return map[string]*evidence.Evidence{
		"E1-two-roots":          must(e1())(tb),
		"E2-rewritten":          must(e2(5, 9))(tb),
		"E2-power-of-two":       must(e2(8, 9))(tb),
		"E2-twice-the-size":     must(e2(4, 8))(tb),
		"E2-after-rotation":     must(rotated())(tb),
		"E3-two-leaves":         must(e3())(tb),
		"E4-smaller-size-later": must(e4(p.w1, h, 5, start+60, 9, start))(tb),
		"E4-one-size":           must(e4(p.w1, o, 7, start, 7, start+60))(tb),
		"E4-fork":               must(e4(p.w1, o, 5, start, 9, start+60))(tb),
		"E4-fork-in-one-second": must(e4(p.w1, o, 4, start, 9, start))(tb),
		"E4-mldsa44":            must(e4(p.pq, o, 5, start, 9, start+60))(tb),
	}
}
