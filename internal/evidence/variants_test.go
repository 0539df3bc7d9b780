package evidence_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
)

// 10^5 ways to spell one true piece of evidence: who does not have the key can make no second one of it.
func TestT25VariantsAreRefusedOrTheSame(t *testing.T) {
	p := newParty(t)
	keys := p.keys(t)
	tried := 0
	for name, e := range samples(t, p) {
		want := find(t, e, keys).Key()
		real := e.Format()
		try := func(b []byte, what string, args ...any) {
			tried++
			if f, _ := judge(b, keys); f != nil && (f.Key() != want || !bytes.Equal(b, real)) {
				t.Errorf("%s, %s, is a second: %v", name, fmt.Sprintf(what, args...), f)
			}
		}
		try(real, "itself")
		stride := 1 + len(real)/4096*12 // an ML-DSA-44 signature is long, and all of it alike
		for pos := 0; pos < len(real); pos += stride {
			b := slices.Clone(real)
			for bit := range 8 {
				b[pos] = real[pos] ^ 1<<bit
				try(b, "bit %d of byte %d flipped", bit, pos)
			}
			try(slices.Delete(slices.Clone(real), pos, pos+1), "byte %d left out", pos)
			try(real[:pos], "cut at %d", pos)
			for _, c := range []byte(" \n\r=") {
				try(slices.Insert(slices.Clone(real), pos, c), "%q put in at %d", c, pos)
			}
		}
		lines := strings.SplitAfter(string(real), "\n")
		for i := range lines {
			try([]byte(strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")), "without line %d", i)
			for j := range lines {
				try([]byte(strings.Join(slices.Insert(slices.Clone(lines), j, lines[i]), "")), "line %d again at %d", i, j)
				swapped := slices.Clone(lines)
				swapped[i], swapped[j] = swapped[j], swapped[i]
				try([]byte(strings.Join(swapped, "")), "lines %d and %d swapped", i, j)
			}
		}
	}
	if tried < 100_000 {
		t.Errorf("%d variants, want 10^5", tried)
	}
	t.Logf("%d variants", tried)
}

// The scalar of an Ed25519 signature plus the order of the group is the same number to a careless verifier.
func TestT25MalleableSignature(t *testing.T) {
	p := newParty(t)
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	e := samples(t, p)["E1-two-roots"]
	lines := strings.SplitAfter(string(e.Format()), "\n")
	for i, line := range lines {
		if !strings.HasPrefix(line, "— ") {
			continue
		}
		fields := strings.Fields(line)
		raw, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil {
			t.Fatal(err)
		}
		s := slices.Clone(raw[4+32:])
		slices.Reverse(s)
		sum := new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(make([]byte, 32))
		slices.Reverse(sum)
		other := slices.Clone(lines)
		other[i] = fields[0] + " " + fields[1] + " " + base64.StdEncoding.EncodeToString(append(raw[:4+32:4+32], sum...)) + "\n"
		if f, parsed := judge([]byte(strings.Join(other, "")), p.keys(t)); f != nil || !parsed {
			t.Errorf("line %d with a malleable signature: %v, read %v", i, f, parsed)
		}
	}
}

// Whoever has the key can sign one head in any number of ways. That is one contradiction still.
func TestT25SignersVariantsHaveOneKey(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 12, 12), newHistory(t, 12, 3)
	keys := p.keys(t)
	bytesOf, ids := map[string]bool{}, map[string]bool{}
	add := func(e *evidence.Evidence, err error) {
		e = must(e, err)(t)
		bytesOf[string(e.Format())] = true
		ids[find(t, e, keys).Key()] = true
	}
	const n = 500
	a := h.bare(t, p.log, 7, start)
	for i := range n {
		note := signed(t, text(7, o.root(t, 7), fmt.Sprint("extension ", i)), start, p.log)
		add(evidence.NewE1(a, evidence.Head{Note: note, Key: a.Key}))
	}
	if len(bytesOf) != n || len(ids) != 1 {
		t.Errorf("%d heads of a log with extension lines have %d keys", len(bytesOf), len(ids))
	}

	clear(bytesOf)
	clear(ids)
	first := h.bare(t, p.pq, 7, start)
	for i := range 50 { // ML-DSA-44 signatures with random bytes, at several times
		sig := randomized(t, p.pq, "pq", text(7, o.root(t, 7)), start+uint64(i/2))
		note := format(t, &checkpoint.Note{Text: text(7, o.root(t, 7)), Sigs: []checkpoint.Signature{sig}})
		add(evidence.NewE4(first, evidence.Head{Note: note, Key: first.Key}, nil))
	}
	if len(bytesOf) != 50 || len(ids) != 1 {
		t.Errorf("%d cosignatures have %d keys", len(bytesOf), len(ids))
	}

	// One fork shows at many leaves: one contradiction. Other sizes, roots, keys or kinds: others.
	clear(ids)
	x, y := h.bare(t, p.log, 7, start), o.bare(t, p.log, 12, start)
	for i := uint64(3); i < 7; i++ {
		add(evidence.NewE3(i, x, h.leaf(t, i, 7), y, o.leaf(t, i, 12)))
	}
	if len(ids) != 1 {
		t.Errorf("one fork has %d keys", len(ids))
	}
	clear(ids)
	all := samples(t, p)
	for _, e := range all {
		add(e, nil)
	}
	if len(ids) != len(all) {
		t.Errorf("%d contradictions have %d keys", len(all), len(ids))
	}
}

// randomized signs as the library does by itself.
func randomized(t *testing.T, s *checkpoint.Signer, word, text string, at uint64) checkpoint.Signature {
	t.Helper()
	signer, err := checkpoint.NewSigner(s.Key().Name, s.Key().Type, newKey(t, word, s.Key().Type).(repeatable).PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := signer.Sign(text, time.Unix(int64(at), 0))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
