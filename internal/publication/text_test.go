package publication_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// refusedText returns what CheckRecord says of a purpose text (prose) and of a name
// (a line) with s in it; empty where it is accepted.
func refusedText(s string) (prose, line string) {
	for _, r := range publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.PurposeText = nl("a" + s + "b") })), now) {
		prose += r.Rule + " " + r.Message
	}
	for _, r := range publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.Name = nl("a" + s + "b") })), now) {
		line += r.Rule + " " + r.Message
	}
	return prose, line
}

// TestT04HiddenCharacters is threat T-04 for text: what hides, turns around or
// breaks what a reader sees is refused; the marks that scripts need are not.
func TestT04HiddenCharacters(t *testing.T) {
	const (
		nowhere    = iota // refused in prose and in names
		onlyProse         // accepted in prose
		everywhere        // accepted
	)
	for _, tc := range []struct {
		name  string
		text  string
		allow int
		says  string
	}{
		{"NUL", "\x00", nowhere, "a control character (U+0000) as character 2"},
		{"escape", "\x1b[31m", nowhere, "a control character (U+001B)"},
		{"tab", "\t", nowhere, "a tab"},
		{"carriage return", "\r\n", nowhere, "a control character (U+000D)"},
		{"line feed", "\n", onlyProse, "a line break"},
		{"DEL", "\x7f", nowhere, "a control character"},
		{"C1: next line", "\u0085", nowhere, "a control character (U+0085)"},
		{"C1: control sequence introducer", "\u009b", nowhere, "a control character"},
		{"no-break space", "\u00a0", everywhere, ""},
		{"soft hyphen", "\u00ad", onlyProse, "an invisible character"},
		{"grapheme joiner", "\u034f", onlyProse, "an invisible character"},
		{"Mongolian vowel separator", "\u180e", onlyProse, "an invisible character"},
		{"old Hangul's filler", "\u115f", onlyProse, "an invisible character"},
		{"zero width space, as Thai breaks lines", "\u200b", onlyProse, "an invisible character"},
		{"word joiner", "\u2060", onlyProse, "an invisible character"},
		{"ZWNJ, as in Persian", "می\u200cخواهم", everywhere, ""},
		{"ZWJ, as in Indic scripts and emoji", "क्\u200dष", everywhere, ""},
		{"LRM", "\u200e", everywhere, ""},
		{"RLM", "\u200f", everywhere, ""},
		{"ALM", "\u061c", everywhere, ""},
		{"line separator", "\u2028", nowhere, "a line separator"},
		{"paragraph separator", "\u2029", nowhere, "a line separator"},
		{"LRE", "\u202a", nowhere, "changes the direction"},
		{"RLE", "\u202b", nowhere, "changes the direction"},
		{"PDF", "\u202c", nowhere, "changes the direction"},
		{"LRO", "\u202d", nowhere, "changes the direction"},
		{"RLO", "\u202e", nowhere, "changes the direction"},
		{"LRI", "\u2066", nowhere, "changes the direction"},
		{"RLI", "\u2067", nowhere, "changes the direction"},
		{"FSI", "\u2068", nowhere, "changes the direction"},
		{"PDI", "\u2069", nowhere, "changes the direction"},
		{"invisible times", "\u2062", nowhere, "an invisible character"},
		{"inhibit symmetric swapping", "\u206a", nowhere, "an invisible character"},
		{"Hangul filler", "\u3164", nowhere, "an invisible filler"},
		{"half-width Hangul filler", "\uffa0", nowhere, "an invisible filler"},
		{"byte order mark", "\ufeff", nowhere, "a byte order mark"},
		{"annotation anchor", "\ufff9", nowhere, "an invisible annotation mark"},
		{"noncharacter in the middle", "\ufdd0", nowhere, "a code that is no character"},
		{"noncharacter at the end of plane 0", "\uffff", nowhere, "a code that is no character"},
		{"noncharacter at the end of plane 16", "\U0010fffe", nowhere, "a code that is no character"},
		{"private use", "\ue000", nowhere, "a private character"},
		{"private use of plane 15", "\U000f0000", nowhere, "a private character"},
		{"tag characters: a sentence for machines", "\U000e0049\U000e0067", nowhere, "an invisible tag character"},
		{"Japanese variant of a character", "葛\U000e0100", everywhere, ""},
		{"emoji with its selector", "❤\ufe0f", everywhere, ""},
		{"selectors that spell bytes", "x\ufe00\ufe01", nowhere, "a variation selector without a character"},
		{"bad UTF-8", "\xff", nowhere, "is not valid UTF-8"},
		{"a surrogate's bytes", "\xed\xa0\x80", nowhere, "is not valid UTF-8"},
		{"Arabic, Hebrew, Han, emoji", "مدينة שלום 城市 💍", everywhere, ""},
	} {
		prose, line := refusedText(tc.text)
		if (prose == "") != (tc.allow != nowhere) || (line == "") != (tc.allow == everywhere) {
			t.Errorf("%s: prose says %q, a name says %q; want it allowed %d", tc.name, prose, line, tc.allow)
		}
		if tc.allow != everywhere && (!strings.Contains(line, tc.says) || !strings.HasPrefix(line, "V-06 ")) {
			t.Errorf("%s: a name says %q, want V-06 with %q", tc.name, line, tc.says)
		}
	}
}

// TestT04NamesAreASCII: identifiers have no second spelling that looks the same.
func TestT04NamesAreASCII(t *testing.T) {
	for _, nick := range []string{
		"plаza-cameras",      // Cyrillic а
		"plaza-саmeras",      // Cyrillic с and а
		"ｐlaza",              // full width
		"plaza\u2010cameras", // another hyphen
		"plaza\u200dcameras", // joined
		"cafe\u0301",         // NFD
		"café",               // NFC
		"Plaza", "-plaza", "plaza-", "pla za", "plaza_cameras", strings.Repeat("a", 65),
	} {
		got := publication.CheckRecord(one("camera", inBody(func(b *pb.Body) { b.Nickname = ptr(nick) })), now)
		if len(got) != 1 || got[0].Field != "nickname" || got[0].Level != reject {
			t.Errorf("nickname %q: results%s", nick, show(got))
		}
	}
	for _, id := range []string{"nl-kаnaalstad", "nl-kanaalstad\u200b", "NL-kanaalstad", "nl_kanaalstad", "xn--nl-kanaalstad"} {
		got := publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.Parties[0].MemberId = ptr(id) })), now)
		if len(got) != 1 || got[0].Field != "deployment.parties[0].member_id" || got[0].Level != reject {
			t.Errorf("member id %q: results%s", id, show(got))
		}
	}
	for _, mailbox := range []string{"privacy@kаnaalstad.example", "рrivacy@kanaalstad.example", "a@b", "@b.example", "a@@b.example", "a b@c.example", "a@-b.example"} {
		got := publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.Parties[0].Contact = ptr(mailbox) })), now)
		if len(got) != 1 || got[0].Field != "deployment.parties[0].contact" || got[0].Level != reject {
			t.Errorf("contact %q: results%s", mailbox, show(got))
		}
	}
}

// TestNoFormatCharacterIsForgotten goes through all of Unicode: whatever has no
// look of its own (controls, formats, surrogates, private use, separators) is
// refused in a name, but for those that scripts need.
func TestNoFormatCharacterIsForgotten(t *testing.T) {
	needed := map[rune]string{
		0x061c: "ALM", 0x200c: "ZWNJ", 0x200d: "ZWJ", 0x200e: "LRM", 0x200f: "RLM",
		0x0600: "Arabic number sign", 0x0601: "", 0x0602: "", 0x0603: "", 0x0604: "", 0x0605: "", // these six and the next are visible
		0x06dd: "end of ayah", 0x070f: "Syriac abbreviation", 0x0890: "", 0x0891: "", 0x08e2: "", 0x110bd: "Kaithi number sign", 0x110cd: "",
	}
	for r := rune(1); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r <= 0xdfff || !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) {
			continue
		}
		if r >= 0xf0100 && r < 0x10ff00 {
			continue // private planes: the ends stand for the rest
		}
		if _, ok := needed[r]; ok || r >= 0x13430 && r <= 0x1345f || r >= 0x1bca0 && r <= 0x1bca3 || r >= 0x1d173 && r <= 0x1d17a {
			continue // hieroglyph, shorthand and music layout: no look-alikes of ours
		}
		if _, line := refusedText(string(r)); line == "" {
			t.Errorf("U+%04X is accepted in a name", r)
		}
	}
}

// TestT21Dates is threat T-21: late is visible, not refused; the clock that signs is
// held to the door's, in both directions; an auditor without a clock judges neither.
func TestT21Dates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		skew := time.Duration(rapid.Int64Range(-int64(20*time.Minute), int64(20*time.Minute)).Draw(t, "skew"))
		year := rapid.IntRange(1800, 2100).Draw(t, "effective year")
		r := one("policy", func(r *publication.Record) {
			r.Statement.DeclaredAt, r.Statement.EffectiveOn = now.Add(skew), declaration.Date{Year: year}
		})
		var clock, effective bool
		for _, res := range publication.CheckRecord(r, now) {
			clock = clock || res.Field == "declared_at" && res.Rule == "V-07"
			effective = effective || res.Field == "effective_on" && res.Rule == "V-07"
		}
		if clock != (skew.Abs() > 5*time.Minute) || effective != (year < 1900) {
			t.Fatalf("skew %v, effective in %d: clock refused %v, date refused %v", skew, year, clock, effective)
		}
		for _, res := range publication.CheckRecord(r, time.Time{}) {
			if res.Field == "declared_at" {
				t.Fatalf("without a clock: %+v", res)
			}
		}
	})
}
