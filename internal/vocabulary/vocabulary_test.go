package vocabulary_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

func TestEverySchemeIsWellFormed(t *testing.T) {
	for _, s := range vocabulary.Schemes() {
		t.Run(string(s), func(t *testing.T) {
			terms := vocabulary.Terms(s)
			if len(terms) < 2 {
				t.Fatalf("Terms(%s) has %d terms, want more than \"other\"", s, len(terms))
			}
			labels := make(map[string]string)
			for i, term := range terms {
				if got, ok := vocabulary.Lookup(s, term.Code); !ok || got != term {
					t.Errorf("Lookup(%s, %q) = %v, %v, want the term of Terms", s, term.Code, got, ok)
				}
				if term.Scheme != s {
					t.Errorf("term %v is listed under %s", term, s)
				}
				label := term.Label("en")
				if prev, ok := labels[strings.ToLower(label)]; ok {
					t.Errorf("label %q is of %q and of %q", label, prev, term.Code)
				}
				labels[strings.ToLower(label)] = term.Code
				checkText(t, term.Code, "code", term.Code, 80)
				checkText(t, term.Code, "label", label, 80)
				if g := term.Gloss("en"); g != "" {
					checkText(t, term.Code, "gloss", g, 160)
				}
				for _, r := range term.Code {
					if r > unicode.MaxASCII || !(unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("_-.", r)) {
						t.Errorf("code %q holds %q, want ASCII letters, digits, _ - and . only", term.Code, r)
					}
				}
				if isOther := term.Flags&vocabulary.FlagOther != 0; isOther != (i == len(terms)-1) || isOther != (term.Code == vocabulary.Other) {
					t.Errorf("term %d of %d, %q, has FlagOther = %v; only the last, \"other\", has it", i, len(terms), term.Code, isOther)
				}
				for _, p := range term.Parents() {
					if !vocabulary.IsA(s, term.Code, p) {
						t.Errorf("IsA(%s, %q, %q) = false for its parent", s, term.Code, p)
					}
					if vocabulary.IsA(s, p, term.Code) {
						t.Errorf("%q and %q are each other's ancestors", p, term.Code)
					}
				}
			}
		})
	}
}

func checkText(t *testing.T, code, what, s string, limit int) {
	t.Helper()
	if s == "" || s != strings.TrimSpace(s) || strings.Contains(s, "  ") {
		t.Errorf("%s of %q is %q: empty, or with spaces too many", what, code, s)
	}
	if n := len([]rune(s)); n > limit {
		t.Errorf("%s of %q has %d characters, want at most %d: %s", what, code, n, limit, s)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			t.Errorf("%s of %q holds the control character %U", what, code, r)
		}
	}
}
