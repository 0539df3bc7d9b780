package declaration_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
)

// TestI7NoTwoEnvelopesOfOneMeaning is T-03: whatever is done to an envelope's
// bytes, the result does not parse, or formats to itself. If it parses and all its
// signatures verify, it is the same statement, so a log holds it once.
func TestI7NoTwoEnvelopesOfOneMeaning(t *testing.T) {
	n := 300_000
	if testing.Short() {
		n = 20_000
	}
	base := sampleEntry(t)
	identity := mustParse(t, base).Identity()
	seen := map[string]bool{string(base): true}
	parsed := 0
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 3))
		mutant := mutate(r, base)
		e, err := declaration.ParseEnvelope(mutant)
		if err != nil || seen[string(mutant)] {
			continue
		}
		parsed++
		seen[string(mutant)] = true
		if !bytes.Equal(e.Format(), mutant) {
			t.Fatalf("seed %d: Format(Parse(b)) != b for %q", seed, mutant)
		}
		if e.Verify(testKeys) == nil && e.Identity() != identity {
			t.Fatalf("seed %d: a mutant verifies as another statement: %q", seed, mutant)
		}
	}
	if parsed == 0 {
		t.Error("no mutant parsed, so the test looked at the parser's refusals only")
	}
	t.Logf("%d mutants, %d well-formed", n, parsed)
}

// mutate changes b in one to three places.
func mutate(r *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b))
		switch r.IntN(6) {
		case 0:
			b[at] = byte(r.IntN(256))
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b = slices.Insert(b, at, spice[r.IntN(len(spice))]...)
		case 3:
			b = slices.Delete(b, at, min(len(b), at+1+r.IntN(3)))
		case 4: // base64 and hexadecimal that stay in their alphabets
			b[at] = "ABCDEFabcdef0123456789+/=-_"[r.IntN(27)]
		case 5:
			to := min(len(b), at+1+r.IntN(100))
			b = slices.Insert(b, to, b[at:to]...)
		}
		if len(b) == 0 {
			return []byte{'{'}
		}
	}
	return b
}

// spice is what parsers choke on.
var spice = [][]byte{
	[]byte(" "), []byte("\n"), []byte("\t"), []byte(`\n`), []byte(`\/`), []byte(`\u0041`), []byte("="), []byte(","), []byte("null"),
	[]byte("\xff"), []byte("\ufeff"), []byte("\x00"), []byte(`"`), []byte("{}"), []byte("[]"), []byte("0"), []byte(".0"), []byte("e1"), []byte("-"),
}

// TestI7RewrappedEnvelopes wraps one payload and its signatures in every other way
// that a JSON library would read alike.
func TestI7RewrappedEnvelopes(t *testing.T) {
	base := mustParse(t, sampleEntry(t))
	r := rand.New(rand.NewPCG(1, 2))
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	canonical := string(base.Format())
	refused := 0
	for range n {
		text := rewrap(r, base)
		e, err := declaration.ParseEnvelope([]byte(text))
		switch {
		case err != nil:
			refused++
		case e.Identity() != base.Identity():
			t.Fatalf("re-wrapped as %s: another identity", text)
		case text != canonical && len(e.Signatures) == len(base.Signatures):
			t.Fatalf("accepted a second form: %s", text)
		}
	}
	if refused == 0 || refused == n {
		t.Errorf("%d of %d refused: the mutator is blunt", refused, n)
	}
}

// rewrap spells the same payload, type and some of the signatures, often not
// canonically.
func rewrap(r *rand.Rand, e *declaration.Envelope) string {
	odd := func(one int) bool { return r.IntN(one) == 0 }
	space := func() string {
		if odd(40) {
			return []string{" ", "\n", "\t", "\r"}[r.IntN(4)]
		}
		return ""
	}
	encode := func(p []byte) string {
		s := base64.StdEncoding.EncodeToString(p)
		switch r.IntN(30) {
		case 0:
			s = base64.URLEncoding.EncodeToString(p)
		case 1:
			s = base64.RawStdEncoding.EncodeToString(p)
		case 2:
			s = s[:r.IntN(len(s))] + `\n` + s
		case 3:
			if at := strings.IndexByte(s, '='); at > 0 {
				s = s[:at-1] + string(base64After(s[at-1])) + s[at:]
			}
		}
		if odd(40) {
			return fmt.Sprintf(`"\u%04x%s"`, s[0], s[1:])
		}
		return `"` + s + `"`
	}
	object := func(members []string) string {
		if odd(15) {
			r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		}
		if odd(40) {
			members = append(members, members[r.IntN(len(members))])
		}
		if odd(40) {
			members = append(members, `"zone":0`)
		}
		return space() + "{" + strings.Join(members, ","+space()) + space() + "}"
	}
	var sigs []string
	for _, s := range e.Signatures {
		if len(sigs) > 0 && odd(4) {
			continue // fewer signatures: still the same statement
		}
		id := s.KeyID.String()
		if odd(30) {
			id = strings.ToUpper(id)
		}
		sigs = append(sigs, object([]string{`"keyid":"` + id + `"`, `"sig":` + encode(s.Sig)}))
		if odd(30) {
			sigs = append(sigs, sigs[0])
		}
	}
	if odd(15) {
		slices.Reverse(sigs)
	}
	typ, _ := json.Marshal(e.PayloadType)
	if odd(40) {
		typ = []byte(strings.Replace(string(typ), "/", `\/`, 1))
	}
	return object([]string{
		`"payload":` + encode(e.Payload),
		`"payloadType":` + space() + string(typ),
		`"signatures":[` + strings.Join(sigs, ","+space()) + "]",
	}) + space()
}

func mustParse(t testing.TB, entry []byte) *declaration.Envelope {
	t.Helper()
	e, err := declaration.ParseEnvelope(entry)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
