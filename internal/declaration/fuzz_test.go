package declaration_test

import (
	"bytes"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
)

// Run with more input, crashers are kept under testdata/fuzz:
//
//	go test -fuzz FuzzParseBody ./internal/declaration

func FuzzParseBody(f *testing.F) {
	seed(f, "bodies.txtar")
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := declaration.ParseBody(b)
		if got, want := err == nil, oracleBody(b); got != want {
			t.Fatalf("ParseBody(%q): %v, oracle accepts: %v", b, err, want)
		}
		if err != nil {
			return
		}
		if again, err := declaration.FormatBody(body); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("Format(Parse(%q)) = %q, %v", b, again, err)
		}
	})
}

func FuzzParseStatement(f *testing.F) {
	seed(f, "statements.txtar")
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := declaration.ParseStatement(b)
		if got, want := err == nil, oracleStatement(b); got != want {
			t.Fatalf("ParseStatement(%q): %v, oracle accepts: %v", b, err, want)
		}
		if err == nil && !bytes.Equal(s.Format(), b) {
			t.Fatalf("Format(Parse(%q)) = %q", b, s.Format())
		}
	})
}

func FuzzParseEnvelope(f *testing.F) {
	seed(f, "envelopes.txtar")
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := declaration.ParseEnvelope(b)
		if got, want := err == nil, oracleEnvelope(b); got != want {
			t.Fatalf("ParseEnvelope(%q): %v, oracle accepts: %v", b, err, want)
		}
		if err == nil && !bytes.Equal(e.Format(), b) {
			t.Fatalf("Format(Parse(%q)) = %q", b, e.Format())
		}
	})
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026", "2026-11", "2026-11-23", "2028-02-29", "2100-02-29", "0999", "9999-12-31", "+026", " 026", "2026-1-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := declaration.ParseDate(s)
		if got, want := err == nil, oracleDate(s); got != want {
			t.Fatalf("ParseDate(%q) = %v, %v; oracle accepts: %v", s, d, err, want)
		}
		if err == nil && d.String() != s {
			t.Fatalf("ParseDate(%q).String() = %q", s, d)
		}
		if err == nil && d.Last().Before(d.First()) {
			t.Fatalf("%q ends before it begins", s)
		}
	})
}

func seed(f *testing.F, file string) {
	for _, s := range vectorInputs(f, file) {
		f.Add([]byte(s))
	}
}
