package importer_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/importer"
)

func TestClean(t *testing.T) {
	for _, c := range []struct {
		name, in string
		lines    bool
		want     string
		changes  int
	}{
		{"plain text stays", "Straße – €5, “so”\u00a0ja", true, "Straße – €5, “so”\u00a0ja", 0},
		{"lines end alike", "a\r\nb\rc\u2028d", true, "a\nb\nc\nd", 0},
		{"one empty line at most", "a \n\n\n\n b", true, "a\n\nb", 0},
		{"a name has one line", " a\n\tb  c ", false, "a b c", 0},
		{"controls go", "a\x00b\x1b[31mc\x7f\u0085d", true, "ab[31mc\nd", 1},
		{"bidi overrides and isolates go", "ab\u202ecd\u2066e", true, "abcde", 1},
		{"marks that scripts need stay", "a\u200e\u200f\u200c\u200d\u061cb", true, "a\u200e\u200f\u200c\u200d\u061cb", 0},
		{"zero-width spaces, soft hyphens, tags, private use and fillers go", "a\u200b\ufeff\u00ad\U000e0041\ue000\u3164\ufdd0\u034fb", true, "ab", 1},
		{"variation selectors go", "a\ufe0f\U000e0100b", true, "ab", 1},
		{"paragraphs of HTML become lines", "<p>a</p><p class=\"x\">b<br/>c</p>", true, "a\n\nb\nc", 1},
		{"inline HTML goes", "a <STRONG>b</strong><!-- c --> d", true, "a b d", 1},
		{"less-than is no markup", "<5 jaar, a<b, x <y> z", true, "<5 jaar, a<b, x <y> z", 0},
		{"entities are decoded once", "a &amp;lt; b &#8364; &eacute;", true, "a &lt; b € é", 1},
		{"an unknown entity stays", "R&D; AT&T &nosuchthing;", true, "R&D; AT&T &nosuchthing;", 0},
		{"a decoded control goes too", "a&#0;b&#8238;c", true, "a\ufffdbc", 3},
		{"a person's mailbox goes", "vraag jan.voorbeeld@stad.example!", true, "vraag […]!", 1},
		{"an office's mailbox stays", "vraag privacy@stad.example", true, "vraag privacy@stad.example", 0},
		{"a formula is text", "=1+1", false, "=1+1", 0},
		{"a lost letter is told", "caf\ufffd", true, "caf\ufffd", 1},
	} {
		got, changes := importer.Clean(c.in, c.lines)
		if got != c.want || len(changes) != c.changes {
			t.Errorf("%s: Clean(%q) = %q, %q; want %q and %d changes", c.name, c.in, got, changes, c.want, c.changes)
		}
		if again, _ := importer.Clean(got, c.lines); again != got && !strings.Contains(got, "&") {
			t.Errorf("%s: cleaning %q again gives %q", c.name, got, again)
		}
	}
}

func TestRoleMailbox(t *testing.T) {
	for address, want := range map[string]bool{
		"info@a.example": true, "Privacy@a.example": true, "gemeente@a.example": true, "info-desk@a.example": true,
		"jan@a.example": false, "jan.info@a.example": false, "j.de.vries@a.example": false, "informant@a.example": false,
	} {
		if got := importer.RoleMailbox(address); got != want {
			t.Errorf("RoleMailbox(%q) = %t, want %t", address, got, want)
		}
	}
}

func TestFirstSentence(t *testing.T) {
	for in, want := range map[string]string{
		"One. Two.":                             "One.",
		"Zie art. 3 lid 2. Daarna niets.":       "Zie art. 3 lid 2.",
		"Dat is o.a. Amsterdam. Meer.":          "Dat is o.a. Amsterdam.",
		"Versie 2.1 doet meer. Echt.":           "Versie 2.1 doet meer.",
		"Is it? Yes.":                           "Is it?",
		"He said \"stop.\" Then left.":          "He said \"stop.\"",
		"no sentence at all":                    "no sentence at all",
		"Heading\nText.":                        "Heading",
		"e.g. this. and lower case. Then upper": "e.g. this. and lower case.",
		"これは文。次。":                               "これは文。",
		"":                                      "",
		"...":                                   "...",
	} {
		if got := importer.FirstSentence(in); got != want {
			t.Errorf("FirstSentence(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
		cut   bool
	}{
		{"short", 5, "short", false},
		{"four words", 9, "four…", true},
		{"one, more words here", 10, "one, more…", true},
		{"abcdefghij", 5, "abcd…", true},
		{"éééééé", 6, "éééééé", false},
		{"words, then, x", 12, "words…", true},
	} {
		got, cut := importer.Shorten(c.in, c.limit)
		if got != c.want || cut != c.cut || len([]rune(got)) > c.limit {
			t.Errorf("Shorten(%q, %d) = %q, %t; want %q, %t", c.in, c.limit, got, cut, c.want, c.cut)
		}
	}
}

func TestDegreesAreExact(t *testing.T) {
	for in, want := range map[string]int32{
		"0": 0, "-0": 0, "1": 10000000, "4.9001": 49001000, "-31.951459": -319514590, "0.0000001": 1, "-0.00000005": -1, "0.00000004999": 0,
		"-2.2880219999999998": -22880220, "180": 1800000000, "-180.0000000": -1800000000, "007.5": 75000000, "179.99999995": 1800000000,
	} {
		got, err := importer.Degrees(in, 180)
		if err != nil || got != want {
			t.Errorf("Degrees(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "-", ".", ".5", "5.", "+1", "1e2", "1,5", "1 ", "NaN", "180.0000001", "999", "0x1", "1.2.3", "--1",
		"1." + strings.Repeat("0", 41), "0000", "１"} {
		if got, err := importer.Degrees(in, 180); err == nil {
			t.Errorf("Degrees(%q) = %d, want an error", in, got)
		}
	}
	for in, want := range map[int32]string{0: "0", 1: "0.0000001", -22880220: "-2.288022", 1800000000: "180", -5: "-0.0000005"} {
		if got := importer.DecimalE7(in); got != want {
			t.Errorf("decimal(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestDays(t *testing.T) {
	for in, want := range map[string]int{"30 days": 30, "1 day": 1, "365": 365} {
		if got, err := importer.Days(in); err != nil || got != want {
			t.Errorf("Days(%q) = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"-Infinity days", "NA", "", "0 days", "-1 days", "1.5 days", "30  days", "30 weeks", "1e3 days", "030 days", "999999 days"} {
		if got, err := importer.Days(in); err == nil {
			t.Errorf("Days(%q) = %d, want an error", in, got)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for _, in := range []string{"https://a.example", "https://a.example:8443/b?c=d#e", "https://a.example/%C3%A9(1)~[x]", "https://A-b.example/"} {
		if err := importer.CheckURL(in); err != nil {
			t.Errorf("CheckURL(%q): %v", in, err)
		}
	}
	for _, in := range []string{"", "http://a.example", "HTTPS://a.example", "https://", "https:///x", "https://u@a.example", "https://a.example/é",
		"https://a.example/ b", "https://a.example/%zz", "https://a..example", "https://-a.example", "https://a.example:123456", "javascript:alert(1)",
		"https://a.example/\n", "https://a.example/" + strings.Repeat("x", 500)} {
		if err := importer.CheckURL(in); err == nil {
			t.Errorf("CheckURL(%q) accepts it", in)
		}
	}
}

func TestSlug(t *testing.T) {
	for in, want := range map[string]string{
		"Café  d'Été!": "cafe-d-ete", "": "x", "日本": "x", "--a--": "a", "8151-9408.0": "8151-9408-0",
		strings.Repeat("ab ", 40): strings.Repeat("ab-", 21) + "a",
	} {
		if got := importer.Slug(in); got != want {
			t.Errorf("Slug(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestSplitNames(t *testing.T) {
	got := importer.SplitNames("A, B (x, y), , C ,")
	if want := []string{"A", "B (x, y)", "C"}; !slices.Equal(got, want) {
		t.Errorf("SplitNames = %q, want %q", got, want)
	}
	if got := importer.SplitNames("A (x, B"); len(got) != 2 {
		t.Errorf("SplitNames with an open parenthesis = %q, want both", got)
	}
}
