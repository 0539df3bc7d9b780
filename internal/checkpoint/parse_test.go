package checkpoint_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	formatslog "github.com/transparency-dev/formats/log"
	formatsnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestT05NoteVectors(t *testing.T) {
	runVectors(t, "note.txtar", func(input string) ([]string, error) {
		n, err := checkpoint.ParseNote([]byte(input))
		if err != nil {
			wantMalformed(t, err)
			return nil, err
		}
		checkNote(t, []byte(input), n)
		lines := []string{fieldLine("text", fmt.Sprintf("%q", n.Text))}
		for _, s := range n.Sigs {
			lines = append(lines, fieldLine("signature", fmt.Sprintf("%s+%08x %x", s.Name, s.KeyID, s.Sig)))
		}
		return lines, nil
	})
}

func TestT05CheckpointVectors(t *testing.T) {
	runVectors(t, "checkpoint.txtar", func(input string) ([]string, error) {
		c, err := checkpoint.ParseCheckpoint(input)
		if err != nil {
			wantMalformed(t, err)
			return nil, err
		}
		checkCheckpoint(t, input, c)
		lines := []string{fieldLine("origin", c.Origin), fieldLine("size", c.Size), fieldLine("root", c.Root)}
		for _, e := range c.Extensions {
			lines = append(lines, fieldLine("extension", e))
		}
		return lines, nil
	})
}

func TestVKeyVectors(t *testing.T) {
	runVectors(t, "vkey.txtar", func(input string) ([]string, error) {
		k, err := checkpoint.ParseVKey(input)
		if err != nil {
			wantMalformed(t, err)
			return nil, err
		}
		checkVKey(t, input, k)
		return []string{
			fieldLine("name", k.Name), fieldLine("id", fmt.Sprintf("%08x", k.ID())),
			fieldLine("type", fmt.Sprintf("%#02x", byte(k.Type))), fieldLine("key", fmt.Sprintf("%x", k.Key)),
		}, nil
	})
}

func wantMalformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, checkpoint.ErrMalformed) {
		t.Errorf("%v does not wrap ErrMalformed", err)
	}
}

// checkNote holds for every accepted note: it formats back, and x/mod reads the same text and signatures.
func checkNote(t *testing.T, b []byte, n *checkpoint.Note) {
	t.Helper()
	again, err := checkpoint.FormatNote(n)
	if err != nil || !bytes.Equal(again, b) {
		t.Fatalf("FormatNote(ParseNote(%q)) = %q, %v", b, again, err)
	}
	if len(n.Sigs) == 0 || len(n.Sigs) > checkpoint.MaxSignatures {
		t.Fatalf("accepted %d signatures", len(n.Sigs))
	}
	_, err = note.Open(b, nil)
	var unverified *note.UnverifiedNoteError
	if !errors.As(err, &unverified) {
		t.Fatalf("accepted %q, oracle says %v", b, err)
	}
	o := unverified.Note
	if o.Text != n.Text {
		t.Fatalf("text %q, oracle %q", n.Text, o.Text)
	}
	// The oracle drops repeated lines.
	var want, got []string
	for _, s := range o.UnverifiedSigs {
		want = append(want, fmt.Sprint(s.Name, s.Hash, s.Base64))
	}
	for _, s := range n.Sigs {
		raw := append(binary.BigEndian.AppendUint32(nil, s.KeyID), s.Sig...)
		if line := fmt.Sprint(s.Name, s.KeyID, base64.StdEncoding.EncodeToString(raw)); !slices.Contains(got, line) {
			got = append(got, line)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("signatures %q, oracle %q", got, want)
	}
	lines, err := checkpoint.FormatSignatures(n.Sigs)
	if err != nil {
		t.Fatal(err)
	}
	sigs, err := checkpoint.ParseSignatures(lines)
	if err != nil || cmp.Diff(n.Sigs, sigs) != "" {
		t.Fatalf("ParseSignatures(%q) = %v, %v", lines, sigs, err)
	}
}

// checkCheckpoint holds for every accepted checkpoint: it formats back, and formats/log reads the same.
func checkCheckpoint(t *testing.T, text string, c checkpoint.Checkpoint) {
	t.Helper()
	again, err := checkpoint.FormatCheckpoint(c)
	if err != nil || again != text {
		t.Fatalf("FormatCheckpoint(ParseCheckpoint(%q)) = %q, %v", text, again, err)
	}
	var o formatslog.Checkpoint
	rest, err := o.Unmarshal([]byte(text))
	if err != nil {
		t.Fatalf("accepted %q, oracle says %v", text, err)
	}
	extensions := ""
	for _, e := range c.Extensions {
		extensions += e + "\n"
	}
	if o.Origin != c.Origin || o.Size != c.Size || !bytes.Equal(o.Hash, c.Root[:]) || string(rest) != extensions {
		t.Fatalf("parsed %q as %+v, oracle as %+v and %q", text, c, o, rest)
	}
}

// checkVKey holds for every accepted key: it formats back, and the public implementations read the same.
func checkVKey(t *testing.T, s string, k checkpoint.VKey) {
	t.Helper()
	if again := checkpoint.FormatVKey(k); again != s {
		t.Fatalf("FormatVKey(ParseVKey(%q)) = %q", s, again)
	}
	if _, err := checkpoint.NewVerifier(k); err != nil {
		t.Fatalf("NewVerifier(%q): %v", s, err)
	}
	var o note.Verifier
	var err error
	switch k.Type {
	case checkpoint.TypeEd25519:
		o, err = note.NewVerifier(s)
	case checkpoint.TypeEd25519Cosignature, checkpoint.TypeMLDSA44:
		o, err = formatsnote.NewVerifierForCosignatureV1(s)
	default:
		t.Fatalf("accepted %v", k)
	}
	if err != nil {
		t.Fatalf("accepted %q, oracle says %v", s, err)
	}
	if o.Name() != k.Name || o.KeyHash() != k.ID() {
		t.Fatalf("parsed %q as %v, oracle as %s+%08x", s, k, o.Name(), o.KeyHash())
	}
}

func TestI7Note(t *testing.T) {
	for _, want := range []*checkpoint.Note{
		{Text: "\n", Sigs: []checkpoint.Signature{{Name: "a", KeyID: 0, Sig: []byte{0}}}},
		{Text: "a\n\n\nb\n", Sigs: []checkpoint.Signature{{Name: "ü/é", KeyID: 1<<32 - 1, Sig: []byte("sig")}}},
		{Text: "— a AAAAAAA=\n\n", Sigs: slices.Repeat([]checkpoint.Signature{{Name: "a", Sig: []byte{1}}}, 16)},
	} {
		b, err := checkpoint.FormatNote(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := checkpoint.ParseNote(b)
		if err != nil {
			t.Fatalf("ParseNote(%q): %v", b, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParseNote(FormatNote(x)) differs from x: %s", d)
		}
	}
}

func TestNoteFormatRefuses(t *testing.T) {
	ok := checkpoint.Signature{Name: "a", Sig: []byte{1}}
	for name, n := range map[string]*checkpoint.Note{
		"no signatures":        {Text: "a\n"},
		"17 signatures":        {Text: "a\n", Sigs: slices.Repeat([]checkpoint.Signature{ok}, 17)},
		"no final newline":     {Text: "a", Sigs: []checkpoint.Signature{ok}},
		"empty text":           {Text: "", Sigs: []checkpoint.Signature{ok}},
		"control character":    {Text: "a\r\n", Sigs: []checkpoint.Signature{ok}},
		"bad UTF-8":            {Text: "\xff\n", Sigs: []checkpoint.Signature{ok}},
		"too large":            {Text: strings.Repeat("a\n", checkpoint.MaxNoteSize/2), Sigs: []checkpoint.Signature{ok}},
		"empty name":           {Text: "a\n", Sigs: []checkpoint.Signature{{Sig: []byte{1}}}},
		"name with space":      {Text: "a\n", Sigs: []checkpoint.Signature{{Name: "a b", Sig: []byte{1}}}},
		"name with plus":       {Text: "a\n", Sigs: []checkpoint.Signature{{Name: "a+b", Sig: []byte{1}}}},
		"name with newline":    {Text: "a\n", Sigs: []checkpoint.Signature{{Name: "a\nb", Sig: []byte{1}}}},
		"name with wide space": {Text: "a\n", Sigs: []checkpoint.Signature{{Name: "a\u3000b", Sig: []byte{1}}}},
		"empty signature":      {Text: "a\n", Sigs: []checkpoint.Signature{{Name: "a"}}},
	} {
		b, err := checkpoint.FormatNote(n)
		if err == nil {
			t.Errorf("%s: FormatNote = %.100q, want an error", name, b)
			continue
		}
		wantMalformed(t, err)
	}
	for _, s := range []string{"", "\n", "x\n", "— a AAAAAAA=", "— a AAAAAAA=\n\n", "\n— a AAAAAAA=\n", "— a AAAAAAA=\r\n"} {
		if sigs, err := checkpoint.ParseSignatures([]byte(s)); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("ParseSignatures(%q) = %v, %v", s, sigs, err)
		}
	}
}

// Notes and signature lines of exactly the largest size, and one byte more.
func TestNoteSizeLimit(t *testing.T) {
	const line = "— a AAAAAAA=\n"
	for extra, want := range map[int]bool{0: true, 1: false} {
		text := strings.Repeat("t", checkpoint.MaxNoteSize+extra-len("\n\n")-len(line)) + "\n"
		n, err := checkpoint.ParseNote([]byte(text + "\n" + line))
		if (err == nil) != want {
			t.Errorf("note of %d bytes too many: %v", extra, err)
		}
		if n == nil {
			n = &checkpoint.Note{Text: text, Sigs: []checkpoint.Signature{{Name: "a", Sig: []byte{0}}}}
		}
		if b, err := checkpoint.FormatNote(n); (err == nil) != want {
			t.Errorf("FormatNote gives %d bytes: %v", len(b), err)
		}
		name := strings.Repeat("n", checkpoint.MaxNoteSize+extra-len(line)+1)
		if _, err := checkpoint.ParseSignatures([]byte("— " + name + " AAAAAAA=\n")); (err == nil) != want {
			t.Errorf("signature line of %d bytes too many: %v", extra, err)
		}
	}
}

func TestI7Checkpoint(t *testing.T) {
	for _, want := range []checkpoint.Checkpoint{
		{Origin: "a"},
		{Origin: origin, Size: proof.MaxSize, Root: proof.EmptyRoot()},
		{Origin: "an origin + spaces", Size: 1, Extensions: []string{"one", "— two"}},
	} {
		text, err := checkpoint.FormatCheckpoint(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := checkpoint.ParseCheckpoint(text)
		if err != nil {
			t.Fatalf("ParseCheckpoint(%q): %v", text, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("ParseCheckpoint(FormatCheckpoint(x)) differs from x: %s", d)
		}
	}
	for name, c := range map[string]checkpoint.Checkpoint{
		"no origin":              {},
		"origin of two lines":    {Origin: "a\nb"},
		"origin with control":    {Origin: "a\tb"},
		"origin not UTF-8":       {Origin: "\xff"},
		"size 2^63":              {Origin: "a", Size: 1 << 63},
		"empty extension":        {Origin: "a", Extensions: []string{""}},
		"extension of two lines": {Origin: "a", Extensions: []string{"a\nb"}},
	} {
		if text, err := checkpoint.FormatCheckpoint(c); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: FormatCheckpoint = %q, %v", name, text, err)
		}
	}
}

func TestI7VKey(t *testing.T) {
	p := newParty(t)
	for _, s := range []*checkpoint.Signer{p.logEd, p.logPQ, p.w1} {
		want := s.Key()
		got, err := checkpoint.ParseVKey(checkpoint.FormatVKey(want))
		if err != nil || !got.Equal(want) {
			t.Errorf("ParseVKey(FormatVKey(%v)) = %v, %v", want, got, err)
		}
		for _, other := range []checkpoint.VKey{
			{Name: "x", Type: want.Type, Key: want.Key}, {Name: want.Name, Type: 9, Key: want.Key}, {Name: want.Name, Type: want.Type, Key: []byte("x")},
		} {
			if got.Equal(other) {
				t.Errorf("%v equals %v", got, other)
			}
		}
	}
	ed, pq := p.logEd.Key().Key, p.logPQ.Key().Key
	for name, k := range map[string]checkpoint.VKey{
		"empty name":               {Name: "", Type: 1, Key: ed},
		"name with newline":        {Name: "a\nb", Type: 1, Key: ed},
		"name with escape":         {Name: "a\x1b[2Jb", Type: 1, Key: ed},
		"name of 256 bytes":        {Name: strings.Repeat("a", 256), Type: 1, Key: ed},
		"ECDSA":                    {Name: "a", Type: 2, Key: ed},
		"RFC 6962":                 {Name: "a", Type: 5, Key: ed},
		"type 0":                   {Name: "a", Type: 0, Key: ed},
		"type 0xff":                {Name: "a", Type: 0xff, Key: ed},
		"ML-DSA key as Ed25519":    {Name: "a", Type: 1, Key: pq},
		"Ed25519 key as ML-DSA":    {Name: "a", Type: 6, Key: ed},
		"Ed25519 key cut short":    {Name: "a", Type: 4, Key: ed[:31]},
		"ML-DSA key with one more": {Name: "a", Type: 6, Key: append(slices.Clip(pq), 0)},
	} {
		if got, err := checkpoint.NewVKey(k.Name, k.Type, k.Key); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: NewVKey = %v, %v", name, got, err)
		}
		if _, err := checkpoint.NewVerifier(k); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: NewVerifier: %v", name, err)
		}
		if _, err := checkpoint.ParseVerifier(checkpoint.FormatVKey(k)); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: ParseVerifier: %v", name, err)
		}
	}
	if k, err := checkpoint.NewVKey(strings.Repeat("a", 255), checkpoint.TypeMLDSA44, pq); err != nil {
		t.Errorf("name of 255 bytes: %v", err)
	} else if got, err := checkpoint.ParseVKey(checkpoint.FormatVKey(k)); err != nil || !got.Equal(k) {
		t.Errorf("largest key does not parse: %v", err)
	}
}

func FuzzParseNote(f *testing.F) {
	p := newParty(f)
	f.Add(format(f, cosigned(f, p, testCheckpoint(), p.w1)))
	for _, s := range seeds(f, "note.txtar") {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n, err := checkpoint.ParseNote(b); err == nil {
			checkNote(t, b, n)
		}
	})
}

func FuzzParseCheckpoint(f *testing.F) {
	text, err := checkpoint.FormatCheckpoint(testCheckpoint())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, s := range seeds(f, "checkpoint.txtar") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := checkpoint.ParseCheckpoint(text); err == nil {
			checkCheckpoint(t, text, c)
		}
	})
}

func FuzzParseVKey(f *testing.F) {
	p := newParty(f)
	f.Add(checkpoint.FormatVKey(p.logEd.Key()))
	f.Add(checkpoint.FormatVKey(p.w1.Key()))
	f.Add(checkpoint.FormatVKey(p.logPQ.Key()))
	for _, s := range seeds(f, "vkey.txtar") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := checkpoint.ParseVKey(s); err == nil {
			checkVKey(t, s, k)
		}
		// Most mutants fail at the key ID. Give those the right one, to reach the keys behind it.
		name, rest, _ := strings.Cut(s, "+")
		_, text, _ := strings.Cut(rest, "+")
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(raw) == 0 {
			return
		}
		s = checkpoint.FormatVKey(checkpoint.VKey{Name: name, Type: checkpoint.KeyType(raw[0]), Key: raw[1:]})
		if k, err := checkpoint.ParseVKey(s); err == nil {
			checkVKey(t, s, k)
		}
	})
}
