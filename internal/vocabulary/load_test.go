package vocabulary

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

const head = "# notice\ncode\tparents\tflags\taliases\tlabel\tgloss\n"

func TestTranslations(t *testing.T) {
	c := newCatalog(fstest.MapFS{
		"codes/local.tsv":       {Data: []byte(head + "a\t-\t-\t-\tLabel a\tGloss a\nb\ta\ttech\tx,y\tLabel b\t-\n")},
		"codes/nl/local.tsv":    {Data: []byte("# notice\ncode\tlabel\tgloss\na\tNaam a\tUitleg a\nother\tAnders\t-\n")},
		"codes/pt-BR/local.tsv": {Data: []byte("code\tlabel\tgloss\na\tNome a\t-\n")},
	})
	for _, tc := range []struct{ code, lang, label, gloss string }{
		{"a", "en", "Label a", "Gloss a"},
		{"a", "en-GB", "Label a", "Gloss a"},
		{"a", "", "Label a", "Gloss a"},
		{"a", "nl", "Naam a", "Uitleg a"},
		{"a", "nl-BE", "Naam a", "Uitleg a"},
		{"a", "NL", "Naam a", "Uitleg a"},
		{"a", "pt-br", "Nome a", ""},
		{"a", "pt", "Label a", "Gloss a"},
		{"a", "fr", "Label a", "Gloss a"},
		{"b", "nl", "Label b", ""},
		{"other", "nl", "Anders", ""},
	} {
		term, ok := c.lookup(Local, tc.code)
		if !ok || term.Label(tc.lang) != tc.label || term.Gloss(tc.lang) != tc.gloss {
			t.Errorf("%q in %q is %q, %q, want %q, %q", tc.code, tc.lang, term.Label(tc.lang), term.Gloss(tc.lang), tc.label, tc.gloss)
		}
	}
	if b, _ := c.lookup(Local, "b"); b.Flags != FlagTech || len(b.Parents()) != 1 || len(b.Aliases()) != 2 {
		t.Errorf("b has flags %v, parents %v, aliases %v", b.Flags, b.Parents(), b.Aliases())
	}
	if zero := (Term{}); !zero.IsZero() || zero.Label("en") != "" || zero.Gloss("nl") != "" || zero.Parents() != nil || zero.Aliases() != nil {
		t.Error("the zero Term has text")
	}
}

func TestLoadRefusesMalformedData(t *testing.T) {
	for name, data := range map[string]string{
		"no header":          "# notice\n",
		"wrong header":       "code\tlabel\n",
		"too few fields":     head + "a\t-\t-\t-\tLabel a\n",
		"empty code":         head + "-\t-\t-\t-\tLabel a\t-\n",
		"empty label":        head + "a\t-\t-\t-\t-\t-\n",
		"unknown flag":       head + "a\t-\tnew\t-\tLabel a\t-\n",
		"unknown parent":     head + "a\tb\t-\t-\tLabel a\t-\n",
		"repeated code":      head + "a\t-\t-\t-\tLabel a\t-\na\t-\t-\t-\tLabel b\t-\n",
		"other":              head + "other\t-\t-\t-\tLabel a\t-\n",
		"no last line feed":  head + "a\t-\t-\t-\tLabel a\t-",
		"notice in the rows": head + "# a\n",
		"carriage return":    strings.ReplaceAll(head, "\n", "\r\n") + "a\t-\t-\t-\tLabel a\t-\r\n",
	} {
		if _, err := loadTable(fstest.MapFS{"codes/local.tsv": {Data: []byte(data)}}, Local); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
	if _, err := loadTable(fstest.MapFS{}, Local); err == nil {
		t.Error("a missing file: loaded")
	}
	for name, data := range map[string]string{
		"header of the main file": head,
		"empty label":             "code\tlabel\tgloss\na\t-\t-\n",
	} {
		if _, err := loadTranslations(fstest.MapFS{"codes/nl/local.tsv": {Data: []byte(data)}}, Local); err == nil {
			t.Errorf("translation with %s: loaded", name)
		}
	}
}

// TestEmbeddedTranslationsAreSound holds for every language that is added later.
func TestEmbeddedTranslationsAreSound(t *testing.T) {
	for _, s := range allSchemes {
		byLang, err := loadTranslations(codes, s)
		if err != nil {
			t.Fatal(err)
		}
		for lang, byCode := range byLang {
			for code := range byCode {
				if _, ok := Lookup(s, code); !ok {
					t.Errorf("%s has words in %s for %q, which is no code", s, lang, code)
				}
			}
		}
	}
}

func TestVersionNamesTheBytes(t *testing.T) {
	if !regexp.MustCompile(`^sha256:[0-9a-f]{64}$`).MatchString(Version()) || Version() != hashFiles(codes) {
		t.Errorf("Version() = %q, want the hash of the embedded files", Version())
	}
	base := fstest.MapFS{"codes/a.tsv": {Data: []byte("x")}, "codes/nl/a.tsv": {Data: []byte("y")}}
	// Known answer: SHA-256 of "codes/a.tsv 1\nxcodes/nl/a.tsv 1\ny".
	const want = "sha256:24376f72ed58067789f8efed943eab80adf05b704dba68acf8de721fb295c726"
	if got := hashFiles(base); got != want {
		t.Errorf("hash = %s, want %s", got, want)
	}
	for name, other := range map[string]fstest.MapFS{
		"another byte": {"codes/a.tsv": {Data: []byte("z")}, "codes/nl/a.tsv": {Data: []byte("y")}},
		"another name": {"codes/b.tsv": {Data: []byte("x")}, "codes/nl/a.tsv": {Data: []byte("y")}},
		"a file less":  {"codes/a.tsv": {Data: []byte("x")}},
	} {
		if hashFiles(other) == want {
			t.Errorf("%s: same hash", name)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b  string
		limit int
		want  int
	}{
		{"camera", "camera", 1, 0},
		{"camera", "camra", 1, 1},
		{"camera", "cameras", 1, 1},
		{"camera", "camrea", 1, 1}, // a swap
		{"camera", "kamera", 1, 1},
		{"camera", "kamra", 1, 2},
		{"camera", "kamra", 3, 2},
		{"abcdefgh", "hgfedcba", 2, 3},
		{"a", "abcdef", 2, 3},
		{"", "", 1, 0},
		{"vidoe", "video", 2, 1},
		{"ab", "ba", 1, 1},
		{"xabcd", "xbadc", 2, 2},
	} {
		if got := distance(c.a, c.b, c.limit); got != c.want {
			t.Errorf("distance(%q, %q, %d) = %d, want %d", c.a, c.b, c.limit, got, c.want)
		}
		if got := distance(c.b, c.a, c.limit); got != c.want {
			t.Errorf("distance(%q, %q, %d) = %d, want %d", c.b, c.a, c.limit, got, c.want)
		}
	}
}

func BenchmarkLoadAllSchemes(b *testing.B) {
	for b.Loop() {
		c := newCatalog(codes)
		for _, s := range allSchemes {
			c.table(s)
		}
	}
}
