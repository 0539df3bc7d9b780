package proof_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	formats "github.com/transparency-dev/formats/proof"

	"github.com/cityproof/cityproof/internal/proof"
)

func TestTLogProofVectors(t *testing.T) {
	runVectors(t, "tlogproof.txtar", func(input string) ([]string, error) {
		p, err := proof.ParseTLogProof([]byte(input))
		if err != nil {
			return nil, err
		}
		checkTLogProof(t, []byte(input), p)
		var lines []string
		if p.Extra != nil {
			lines = append(lines, fieldLine("extra-hex", fmt.Sprintf("%x", p.Extra)))
		}
		lines = append(lines, fieldLine("index", p.Index))
		for _, h := range p.Path {
			lines = append(lines, fieldLine("path", h))
		}
		return append(lines, fieldLine("checkpoint-bytes", len(p.Checkpoint))), nil
	})
}

// checkTLogProof holds for whatever is accepted: it formats back to the same bytes, and the public implementation
// reads the same values from it.
func checkTLogProof(t *testing.T, b []byte, p *proof.TLogProof) {
	t.Helper()
	again, err := p.Format()
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("Format(Parse(%q)) = %q, %v", b, again, err)
	}
	if len(p.Path) > proof.MaxPath {
		t.Fatalf("accepted %d hashes", len(p.Path))
	}
	if longLine(b) {
		return // the oracle's scanner stops at 64 KiB
	}
	var o formats.TLogProof
	if err := o.Unmarshal(b); err != nil {
		t.Fatalf("accepted %q, oracle says %v", b, err)
	}
	if o.Index != p.Index || !bytes.Equal(o.ExtraData, p.Extra) || !bytes.Equal(o.Checkpoint, p.Checkpoint) || len(o.Hashes) != len(p.Path) {
		t.Fatalf("parsed %q as %+v, oracle as %+v", b, p, o)
	}
	for i := range p.Path {
		if p.Path[i] != o.Hashes[i] {
			t.Fatalf("parsed %q: hash %d is %v, oracle has %x", b, i, p.Path[i], o.Hashes[i])
		}
	}
}

func longLine(b []byte) bool {
	for line := range bytes.Lines(b) {
		if len(line) >= 64<<10 {
			return true
		}
	}
	return false
}

func validTLogProof() *proof.TLogProof {
	return &proof.TLogProof{
		Extra:      []byte("salt"),
		Index:      5,
		Path:       []proof.Hash{proof.LeafHash([]byte("a")), proof.LeafHash([]byte("b"))},
		Checkpoint: []byte("example.com/log\n7\nroot\n\n— example.com/log AAAA\n"),
	}
}

func TestI7TLogProofRoundTrip(t *testing.T) {
	for _, change := range []func(*proof.TLogProof){
		func(p *proof.TLogProof) {},
		func(p *proof.TLogProof) { p.Extra = nil },
		func(p *proof.TLogProof) { p.Path = nil },
		func(p *proof.TLogProof) { p.Index = proof.MaxSize - 1 },
		func(p *proof.TLogProof) { p.Index = 0 },
		func(p *proof.TLogProof) { p.Path = make([]proof.Hash, proof.MaxPath) },
		func(p *proof.TLogProof) { p.Checkpoint = []byte("\n") },
		func(p *proof.TLogProof) { p.Checkpoint = bytes.Repeat([]byte("x\n"), proof.MaxCheckpointSize/2) },
	} {
		want := validTLogProof()
		change(want)
		b, err := want.Format()
		if err != nil {
			t.Fatal(err)
		}
		got, err := proof.ParseTLogProof(b)
		if err != nil {
			t.Fatalf("ParseTLogProof(%.200q): %v", b, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Parse(Format(x)) differs from x: %s", d)
		}
	}
}

func TestTLogProofFormatRefuses(t *testing.T) {
	for name, change := range map[string]func(*proof.TLogProof){
		"index beyond every tree":   func(p *proof.TLogProof) { p.Index = proof.MaxSize },
		"64 hashes":                 func(p *proof.TLogProof) { p.Path = make([]proof.Hash, 64) },
		"no checkpoint":             func(p *proof.TLogProof) { p.Checkpoint = nil },
		"no final newline":          func(p *proof.TLogProof) { p.Checkpoint = []byte("x") },
		"carriage return":           func(p *proof.TLogProof) { p.Checkpoint = []byte("x\r\n") },
		"bad UTF-8":                 func(p *proof.TLogProof) { p.Checkpoint = []byte("\xff\n") },
		"checkpoint over its limit": func(p *proof.TLogProof) { p.Checkpoint = bytes.Repeat([]byte("\n"), proof.MaxCheckpointSize+1) },
		"file over its limit":       func(p *proof.TLogProof) { p.Extra = make([]byte, proof.MaxProofSize) },
	} {
		p := validTLogProof()
		change(p)
		if b, err := p.Format(); err == nil {
			t.Errorf("%s: Format() = %.100q, want an error", name, b)
		}
	}
}

// A file of exactly the largest size, and one byte more.
func TestTLogProofSizeLimit(t *testing.T) {
	p := validTLogProof()
	p.Extra = make([]byte, (proof.MaxProofSize-proof.MaxCheckpointSize)/4*3)
	b, err := p.Format()
	if err != nil {
		t.Fatal(err)
	}
	p.Checkpoint = append(bytes.Repeat([]byte("c"), proof.MaxProofSize-len(b)), p.Checkpoint...)
	if b, err = p.Format(); err != nil || len(b) != proof.MaxProofSize {
		t.Fatalf("Format() = %d bytes, %v, want %d", len(b), err, proof.MaxProofSize)
	}
	if _, err := proof.ParseTLogProof(b); err != nil {
		t.Errorf("largest file: %v", err)
	}
	if _, err := proof.ParseTLogProof(append(b, '\n')); err == nil {
		t.Error("ParseTLogProof accepted a file over its limit")
	}
	p.Checkpoint = append(p.Checkpoint, '\n')
	if b, err := p.Format(); err == nil {
		t.Errorf("Format() = %d bytes, want an error", len(b))
	}
}

// T-05: 64 hashes are one too many, whatever they are.
func TestT05TLogProofWith64Hashes(t *testing.T) {
	h := proof.EmptyRoot().String() + "\n"
	file := func(n int) []byte {
		return []byte("c2sp.org/tlog-proof@v1\nindex 0\n" + strings.Repeat(h, n) + "\ncheckpoint\n")
	}
	if _, err := proof.ParseTLogProof(file(63)); err != nil {
		t.Errorf("63 hashes: %v", err)
	}
	if _, err := proof.ParseTLogProof(file(64)); err == nil {
		t.Error("64 hashes accepted")
	}
}

func TestI7Hash(t *testing.T) {
	h := proof.LeafHash([]byte("x"))
	if got, err := proof.ParseHash(h.String()); err != nil || got != h {
		t.Errorf("ParseHash(%s) = %v, %v", h, got, err)
	}
	s := h.String()
	for _, bad := range []string{
		"", s[:43], s + "=", s[:42] + "==", s + "\n", "\n" + s, s[:43] + "\n", s[:20] + "\n" + s[21:], " " + s[1:],
		base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		base64.StdEncoding.EncodeToString(make([]byte, 31)), base64.StdEncoding.EncodeToString(make([]byte, 33)),
		strings.Repeat("A", 42) + "B=", // bits set after the last byte
	} {
		if got, err := proof.ParseHash(bad); err == nil {
			t.Errorf("ParseHash(%q) = %v, want an error", bad, got)
		}
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "1": 1, "10": 10, "9223372036854775807": proof.MaxSize} {
		if got, err := proof.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "00", "01", "-0", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "1_0", "١", "9223372036854775808",
		"18446744073709551615", "99999999999999999999", strings.Repeat("9", 1000),
	} {
		if got, err := proof.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		}
	}
}

// The vectors that the TypeScript verifier reads are made here from the oracle, so that a change to them shows.
func TestProofVectors(t *testing.T) {
	o := newOracle(t, 300)
	other := proof.LeafHash([]byte("not in the log"))
	var inclusion, consistency vectorFile
	for _, p := range [][2]uint64{{0, 1}, {0, 2}, {1, 2}, {0, 3}, {2, 3}, {4, 7}, {6, 7}, {7, 8}, {0, 255}, {255, 256}, {256, 257}, {128, 300}, {299, 300}} {
		index, size := p[0], p[1]
		path, root, leaf := o.inclusion(t, index, size), o.roots[size], proof.LeafHash(entry(index))
		name := fmt.Sprintf("%d-of-%d", index, size)
		inclusion.add(t, "accept/"+name, nil, inclusionLines(index, size, leaf, path, root))
		inclusion.add(t, "reject/"+name+"-other-leaf", proof.ErrMismatch, inclusionLines(index, size, other, path, root))
		inclusion.add(t, "reject/"+name+"-other-root", proof.ErrMismatch, inclusionLines(index, size, leaf, path, other))
		inclusion.add(t, "reject/"+name+"-hash-more", errShape, inclusionLines(index, size, leaf, append(slices.Clip(path), other), root))
		inclusion.add(t, "reject/"+name+"-beyond-size", errShape, inclusionLines(size, size, leaf, path, root))
		if len(path) > 0 {
			inclusion.add(t, "reject/"+name+"-hash-less", errShape, inclusionLines(index, size, leaf, path[:len(path)-1], root))
		}
		if index^1 < size {
			inclusion.add(t, "reject/"+name+"-other-index", proof.ErrMismatch, inclusionLines(index^1, size, leaf, path, root))
		}
	}
	for _, p := range [][2]uint64{{0, 0}, {0, 1}, {1, 1}, {0, 7}, {1, 2}, {1, 3}, {2, 3}, {3, 4}, {3, 7}, {4, 7}, {6, 8}, {7, 8}, {128, 256}, {255, 256}, {256, 257}, {200, 300}} {
		path := []proof.Hash(nil)
		if p[0] > 0 {
			path = o.consistency(t, p[0], p[1])
		}
		name := fmt.Sprintf("%d-to-%d", p[0], p[1])
		oldRoot, newRoot := o.roots[p[0]], o.roots[p[1]]
		consistency.add(t, "accept/"+name, nil, consistencyLines(p[0], p[1], oldRoot, newRoot, path))
		consistency.add(t, "reject/"+name+"-other-old-root", proof.ErrMismatch, consistencyLines(p[0], p[1], other, newRoot, path))
		consistency.add(t, "reject/"+name+"-hash-more", errShape, consistencyLines(p[0], p[1], oldRoot, newRoot, append(slices.Clip(path), other)))
		if p[0] > 0 {
			consistency.add(t, "reject/"+name+"-other-new-root", proof.ErrMismatch, consistencyLines(p[0], p[1], oldRoot, other, path))
		}
		if p[0] < p[1] {
			consistency.add(t, "reject/"+name+"-backwards", errShape, consistencyLines(p[1], p[0], newRoot, oldRoot, path))
		}
		if len(path) > 0 {
			consistency.add(t, "reject/"+name+"-hash-less", errShape, consistencyLines(p[0], p[1], oldRoot, newRoot, path[1:]))
		}
	}
	checkGolden(t, "inclusion.txtar", inclusion.bytes(inclusionComment))
	checkGolden(t, "consistency.txtar", consistency.bytes(consistencyComment))
}

const (
	inclusionComment   = "Inclusion proofs, made by TestProofVectors. \"shape\" is a proof that fits no tree, \"false\" one that does not hold.\n"
	consistencyComment = "Consistency proofs, made by TestProofVectors. \"shape\" is a proof that fits no two trees, \"false\" one that does not hold.\n"
)

// errShape stands for every error that does not wrap ErrMismatch.
var errShape = errors.New("shape")

type vectorFile struct{ ar txtar.Archive }

// add appends a vector after checking that the code under test gives the wanted verdict on the lines as written.
func (v *vectorFile) add(t *testing.T, name string, want error, lines []string) {
	t.Helper()
	f := txtar.File{Name: name, Data: []byte(strings.Join(lines, "\n") + "\n")}
	err := verifyVector(t, f)
	switch {
	case want == nil && err != nil, want == proof.ErrMismatch && !errors.Is(err, proof.ErrMismatch),
		want == errShape && (err == nil || errors.Is(err, proof.ErrMismatch)):
		t.Errorf("%s: got %v, want %v", name, err, want)
	}
	switch want {
	case proof.ErrMismatch:
		f.Data = append(f.Data, "error: false\n"...)
	case errShape:
		f.Data = append(f.Data, "error: shape\n"...)
	}
	v.ar.Files = append(v.ar.Files, f)
}

func (v *vectorFile) bytes(comment string) []byte {
	v.ar.Comment = []byte(comment)
	return txtar.Format(&v.ar)
}

func inclusionLines(index, size uint64, leaf proof.Hash, path []proof.Hash, root proof.Hash) []string {
	lines := []string{fieldLine("index", index), fieldLine("size", size), fieldLine("leaf", leaf), fieldLine("root", root)}
	for _, h := range path {
		lines = append(lines, fieldLine("path", h))
	}
	return lines
}

func consistencyLines(oldSize, newSize uint64, oldRoot, newRoot proof.Hash, path []proof.Hash) []string {
	lines := []string{fieldLine("old-size", oldSize), fieldLine("new-size", newSize), fieldLine("old-root", oldRoot), fieldLine("new-root", newRoot)}
	for _, h := range path {
		lines = append(lines, fieldLine("path", h))
	}
	return lines
}

func verifyVector(t *testing.T, f txtar.File) error {
	t.Helper()
	number := func(key string) uint64 {
		n, err := proof.ParseSize(fields(f, key)[0])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	hashes := func(key string) []proof.Hash {
		var hs []proof.Hash
		for _, s := range fields(f, key) {
			h, err := proof.ParseHash(s)
			if err != nil {
				t.Fatal(err)
			}
			hs = append(hs, h)
		}
		return hs
	}
	if len(fields(f, "old-size")) > 0 {
		return proof.VerifyConsistency(number("old-size"), number("new-size"), hashes("old-root")[0], hashes("new-root")[0], hashes("path"))
	}
	return proof.VerifyInclusion(number("index"), number("size"), hashes("leaf")[0], hashes("path"), hashes("root")[0])
}

func FuzzParseTLogProof(f *testing.F) {
	for _, p := range []*proof.TLogProof{validTLogProof(), {Checkpoint: []byte("\n")}} {
		b, err := p.Format()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range seeds(f, "tlogproof.txtar") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := proof.ParseTLogProof(b); err == nil {
			checkTLogProof(t, b, p)
		}
	})
}
