package receipt_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

func TestVerifyTellsWhatItFound(t *testing.T) {
	w, r := sample(t)
	v, err := receipt.Verify(r, w.trust())
	if err != nil {
		t.Fatal(err)
	}
	if v.Index != at || v.Checkpoint.Size != 40 || v.Checkpoint.Origin != origin || v.Leaf != proof.LeafHash(w.entries[at]) ||
		!v.LogTime.Equal(loggedAt) || v.Statement.City != city || v.Body.GetService() == nil ||
		len(v.Signers) != 1 || v.Signers[0] != declaration.KeyIDOf(public("officer")) {
		t.Errorf("Verify = %+v", v)
	}
	var told, untold []string
	for _, c := range v.Claims {
		if c.Told {
			told = append(told, c.Name)
			if c.RestsOn == "" {
				t.Errorf("claim %s rests on nothing", c.Name)
			}
		} else {
			untold = append(untold, c.Name)
		}
	}
	if got, want := strings.Join(told, " "), "statement checkpoint time inclusion signature place city body"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if got, want := strings.Join(untold, " "), "witness"; got != want {
		t.Errorf("could not tell %s, want %s", got, want)
	}
}

// false or untold: what Verify must find about each change to the sample.
func TestVerifyFindsWhatIsWrong(t *testing.T) {
	type change struct {
		name  string
		claim string // of the FalseError
		make  func(t *testing.T, w *world, r *receipt.Receipt, trust *receipt.Trust) *receipt.Receipt
	}
	otherEntry := func(t *testing.T, w *world, change func(*declaration.Statement), keys ...string) *receipt.Receipt {
		entry, body := declare(t, "Verhuizen", change, keys...)
		w.entries[at] = entry
		return w.receipt(at, body)
	}
	for _, c := range []change{
		{"another body", receipt.ClaimBody, func(t *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			_, r.Body = declare(t, "Verhuizen", nil)
			return r
		}},
		{"a body of another kind", receipt.ClaimBody, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			return otherEntry(t, w, func(s *declaration.Statement) { s.Subject.Kind = declaration.Notice })
		}},
		{"a body spelled otherwise", receipt.ClaimBody, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Body = bytes.Replace(r.Body, []byte(`:`), []byte(`: `), 1)
			return r
		}},
		{"another statement", receipt.ClaimInclusion, func(t *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Statement, r.Body = declare(t, "Verhuizen", nil)
			return r
		}},
		{"another index", receipt.ClaimInclusion, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Proof.Index--
			return r
		}},
		{"an index beyond the tree", receipt.ClaimInclusion, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Proof.Index = 40
			return r
		}},
		{"a hash less", receipt.ClaimInclusion, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Proof.Path = r.Proof.Path[1:]
			return r
		}},
		{"the checkpoint of a smaller tree", receipt.ClaimInclusion, func(_ *testing.T, w *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			w.entries = w.entries[:30]
			r.Proof.Checkpoint = w.note()
			return r
		}},
		{"a void entry", receipt.ClaimStatement, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			w.entries[at] = sign(t, declaration.PayloadType, []byte(`{"schema":1}`))
			return w.receipt(at, nil)
		}},
		// T-09.
		{"a statement for another log", receipt.ClaimPlace, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			return otherEntry(t, w, func(s *declaration.Statement) { s.Log = "tsukuba.example/log" })
		}},
		{"a statement for another city", receipt.ClaimCity, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			return otherEntry(t, w, func(s *declaration.Statement) { s.City = "jp-tsukuba" })
		}},
		{"a replay of another log's entry under its checkpoint", receipt.ClaimCheckpoint, func(t *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			other := newWorld(t, "tsukuba.example/log", 40)
			other.entries[at] = r.Statement
			return other.receipt(at, r.Body)
		}},
		// T-13.
		{"an unknown key", receipt.ClaimSignature, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			return otherEntry(t, w, nil, "stranger")
		}},
		{"a stray second signature", receipt.ClaimSignature, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			return otherEntry(t, w, nil, "officer", "stranger")
		}},
		{"a signature of another payload", receipt.ClaimSignature, func(t *testing.T, w *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			e, err := declaration.ParseEnvelope(r.Statement)
			if err != nil {
				t.Fatal(err)
			}
			e.Payload = bytes.Replace(e.Payload, []byte("svc/18"), []byte("svc/19"), 1)
			w.entries[at] = e.Format()
			return w.receipt(at, r.Body)
		}},
		// T-12.
		{"the ML-DSA line stripped", receipt.ClaimCheckpoint, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Proof.Checkpoint = dropLine(r.Proof.Checkpoint, 5)
			return r
		}},
		{"the Ed25519 line stripped", receipt.ClaimCheckpoint, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Proof.Checkpoint = dropLine(r.Proof.Checkpoint, 4)
			return r
		}},
		{"a line twice", receipt.ClaimCheckpoint, func(_ *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			lines := bytes.SplitAfter(r.Proof.Checkpoint, []byte("\n"))
			r.Proof.Checkpoint = append(bytes.Clone(r.Proof.Checkpoint), lines[4]...)
			return r
		}},
		{"keys of another log under the same name", receipt.ClaimCheckpoint, func(t *testing.T, _ *world, r *receipt.Receipt, trust *receipt.Trust) *receipt.Receipt {
			imposter := newWorld(t, origin, 1)
			imposter.signers = nil
			imposter.addSigner(checkpoint.TypeEd25519, ed25519Key("imposter"))
			trust.Log = imposter.trust().Log
			return r
		}},
		// What is of a later version must still be in the log and signed.
		{"schema 2, not signed by a publisher", receipt.ClaimSignature, func(t *testing.T, w *world, _ *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			w.entries[at] = sign(t, declaration.PayloadType, []byte(`{"schema":2}`), "stranger")
			return w.receipt(at, nil)
		}},
		{"schema 2, not in the log", receipt.ClaimInclusion, func(t *testing.T, _ *world, r *receipt.Receipt, _ *receipt.Trust) *receipt.Receipt {
			r.Statement = sign(t, declaration.PayloadType, []byte(`{"schema":2}`))
			return r
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, r := sample(t)
			trust := w.trust()
			changed := c.make(t, w, r, trust)
			v, err := receipt.Verify(changed, trust)
			var no *receipt.FalseError
			if !errors.As(err, &no) || no.Claim != c.claim {
				t.Fatalf("Verify = %v, want false: %s", err, c.claim)
			}
			for _, claim := range v.Claims {
				if claim.Name == c.claim {
					t.Errorf("the verdict lists the false claim: %+v", claim)
				}
			}
		})
	}
}

// dropLine cuts a line, counted from 0, out of a note.
func dropLine(note []byte, n int) []byte {
	lines := bytes.SplitAfter(note, []byte("\n"))
	return bytes.Join(append(lines[:n:n], lines[n+1:]...), nil)
}

// TestEveryLineCounts strips each line of the proof in turn.
func TestEveryLineCounts(t *testing.T) {
	w, r := sample(t)
	text, err := r.Proof.Format()
	if err != nil {
		t.Fatal(err)
	}
	n := bytes.Count(text, []byte("\n"))
	for i := range n {
		p, err := proof.ParseTLogProof(dropLine(text, i))
		if err != nil {
			continue
		}
		var no *receipt.FalseError
		if _, err := receipt.Verify(&receipt.Receipt{Statement: r.Statement, Body: r.Body, Proof: p}, w.trust()); !errors.As(err, &no) {
			t.Errorf("without line %d: %v", i, err)
		}
	}
}

// TestKeyRanges is T-13 at its boundaries: the entry is number 17.
func TestKeyRanges(t *testing.T) {
	size := func(n uint64) *uint64 { return &n }
	for _, c := range []struct {
		from uint64
		to   *uint64
		want bool
	}{
		{0, nil, true}, {16, nil, true}, {17, nil, true}, {18, nil, false},
		{0, size(16), false}, {0, size(17), false}, {0, size(18), true}, {0, size(40), true},
		{17, size(18), true}, {17, size(17), false}, {18, size(19), false}, {16, size(17), false},
	} {
		w, r := sample(t)
		trust := w.trust()
		trust.Publishers[0] = receipt.Publisher{Key: public("officer"), FromSize: c.from, ToSize: c.to}
		_, err := receipt.Verify(r, trust)
		var no *receipt.FalseError
		switch {
		case c.want && err != nil:
			t.Errorf("from %d to %v: %v", c.from, c.to, err)
		case !c.want && (!errors.As(err, &no) || no.Claim != receipt.ClaimSignature || !errors.Is(err, declaration.ErrUnknownKey)):
			t.Errorf("from %d to %v: %v, want a false signature", c.from, c.to, err)
		case !c.want && !strings.Contains(err.Error(), "may sign entries"):
			t.Errorf("%q does not say which entries the key may sign", err)
		}
		if _, ok := trust.Publisher(declaration.KeyIDOf(public("officer")), at); ok != c.want {
			t.Errorf("Publisher(from %d to %v) = %v", c.from, c.to, ok)
		}
	}
}

// A log that goes on from another has that one's statements, which were made for it: below its end, and nowhere else (T-09).
func TestT09StatementsOfEarlierLogs(t *testing.T) {
	for _, c := range []struct {
		madeFor string
		size    uint64 // up to which the log has old.example/log's entries
		want    bool
	}{
		{"old.example/log", at + 1, true}, {"old.example/log", at, false}, {"old.example/log", 0, false},
		{origin, at + 1, false}, {origin, at, true}, {"another.example/log", at + 1, false},
	} {
		w, _ := sample(t)
		entry, body := declare(t, "nl", func(s *declaration.Statement) { s.Log = c.madeFor })
		w.entries[at] = entry
		trust := w.trust()
		trust.Earlier = []receipt.Earlier{{Origin: "old.example/log", Size: c.size}}
		_, err := receipt.Verify(w.receipt(at, body), trust)
		var no *receipt.FalseError
		if c.want && err != nil || !c.want && (!errors.As(err, &no) || no.Claim != receipt.ClaimPlace) {
			t.Errorf("a statement for %s at index %d, where the old log ends at %d: %v", c.madeFor, at, c.size, err)
		}
	}
}

func TestVerifyCouldNotTell(t *testing.T) {
	for name, c := range map[string]struct {
		claim string
		make  func(w *world, r *receipt.Receipt) *receipt.Receipt
	}{
		"a later schema": {receipt.ClaimStatement, func(w *world, _ *receipt.Receipt) *receipt.Receipt {
			w.entries[at] = sign(t, declaration.PayloadType, []byte(`{"schema":2,"who":"knows"}`))
			return w.receipt(at, []byte(`{"a":1}`))
		}},
		"another type of entry": {receipt.ClaimStatement, func(w *world, _ *receipt.Receipt) *receipt.Receipt {
			w.entries[at] = sign(t, "application/vnd.cityproof.statement.v2+json", []byte(`{}`))
			return w.receipt(at, nil)
		}},
		"an erased body": {receipt.ClaimBody, func(_ *world, r *receipt.Receipt) *receipt.Receipt {
			r.Body = nil
			return r
		}},
		"another log": {receipt.ClaimCheckpoint, func(*world, *receipt.Receipt) *receipt.Receipt {
			other := newWorld(t, "tsukuba.example/log", 40)
			entry, body := declare(t, "結婚", func(s *declaration.Statement) { s.Log = other.origin })
			other.entries[at] = entry
			return other.receipt(at, body)
		}},
	} {
		w, r := sample(t)
		changed := c.make(w, r)
		// Through the file, as the command gets it.
		parsed, err := receipt.Parse(format(t, changed))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := receipt.Verify(parsed, w.trust())
		var unknown *receipt.CouldNotTellError
		if !errors.As(err, &unknown) || unknown.Claim != c.claim || v == nil {
			t.Errorf("%s: %v, want a CouldNotTellError about %s", name, err, c.claim)
		}
	}
}

func TestVerifyWithoutCity(t *testing.T) {
	w, r := sample(t)
	trust := w.trust()
	trust.City = ""
	v, err := receipt.Verify(r, trust)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Claims {
		if c.Name == receipt.ClaimCity && c.Told {
			t.Errorf("the city is told without being known: %+v", c)
		}
	}
}

// TestUnknownCosignaturesAreIgnored: what a witness adds to the checkpoint does not
// break the receipt, and proves nothing while the trust file names no witness.
func TestUnknownCosignaturesAreIgnored(t *testing.T) {
	w, r := sample(t)
	s, err := checkpoint.NewSigner("witness.example/w", checkpoint.TypeEd25519Cosignature, ed25519Key("witness"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := checkpoint.ParseNote(r.Proof.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(n.Text, loggedAt)
	if err != nil {
		t.Fatal(err)
	}
	n.Sigs = append(n.Sigs, sig)
	if r.Proof.Checkpoint, err = checkpoint.FormatNote(n); err != nil {
		t.Fatal(err)
	}
	v, err := receipt.Verify(r, w.trust())
	if err != nil {
		t.Fatal(err)
	}
	if last := v.Claims[len(v.Claims)-1]; last.Name != receipt.ClaimWitness || last.Told {
		t.Errorf("the last claim is %+v, want witnesses untold", last)
	}
}

// TestVerifyWithoutLogKeys: an empty trust file is nobody's proof of falsehood.
func TestVerifyWithoutLogKeys(t *testing.T) {
	_, r := sample(t)
	_, err := receipt.Verify(r, &receipt.Trust{Origin: origin})
	var no *receipt.FalseError
	if err == nil || errors.As(err, &no) {
		t.Errorf("Verify without keys = %v, want an error that is not FalseError", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	w, r := sample(b)
	file, trust := format(b, r), w.trust()
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if err := check(file, trust); err != nil {
			b.Fatal(err)
		}
	}
}

// TestLogWithoutTime: a log that signs with Ed25519 alone never says when.
func TestLogWithoutTime(t *testing.T) {
	w, _ := sample(t)
	w.signers = w.signers[:1]
	entry, body := declare(t, "Trouwen", nil)
	w.entries[at] = entry
	v, err := receipt.Verify(w.receipt(at, body), w.trust())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range v.Claims {
		if c.Name == receipt.ClaimTime && (c.Told || !v.LogTime.IsZero()) {
			t.Errorf("a time is told that nobody signed: %+v, %v", c, v.LogTime)
		}
	}
}

// TestVerifyParsesAgain: a receipt that was put together, not parsed, gets no trust
// for that.
func TestVerifyParsesAgain(t *testing.T) {
	w, r := sample(t)
	for claim, change := range map[string]func(*receipt.Receipt){
		receipt.ClaimStatement:  func(r *receipt.Receipt) { r.Statement = append(bytes.Clone(r.Statement), '\n') },
		receipt.ClaimCheckpoint: func(r *receipt.Receipt) { r.Proof = &proof.TLogProof{Index: at, Checkpoint: []byte("no note\n")} },
		receipt.ClaimBody:       func(r *receipt.Receipt) { r.Body = append(bytes.Clone(r.Body), '\n') },
	} {
		changed := *r
		change(&changed)
		var no *receipt.FalseError
		if _, err := receipt.Verify(&changed, w.trust()); !errors.As(err, &no) || no.Claim != claim {
			t.Errorf("Verify = %v, want false: %s", err, claim)
		}
	}
}
