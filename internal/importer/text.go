package importer

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// change is one kind of thing that clean did to a text.
type change string

const (
	markupRemoved   change = "HTML markup was removed"
	entitiesDecoded change = "HTML entities were decoded"
	invisible       change = "invisible or control characters were removed"
	mailRemoved     change = "an e-mail address that may be a person's was removed: a log can't forget it"
	lostLetter      change = "the source has lost a letter (U+FFFD)"
)

// tag matches only elements that registers' editors produce, so that "<5 years"
// and "a<b" stay.
var tag = regexp.MustCompile(`(?i)</?(?:p|br|div|span|b|i|u|em|strong|a|ul|ol|li|h[1-6]|table|thead|tbody|tr|td|th|sup|sub|blockquote|hr|font|img|script|style)(?:\s[^<>]*)?/?>|<!--[^<>]*-->`)

// block matches the elements that end a line.
var block = regexp.MustCompile(`(?i)^</?(?:p|br|div|ul|ol|li|h[1-6]|table|tr|blockquote|hr)\b`)

var entity = regexp.MustCompile(`&(?:[a-zA-Z][a-zA-Z0-9]{1,31}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});`)

var mail = regexp.MustCompile(`[\p{L}\p{N}._%+'-]{1,64}@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,63}`)

// clean makes a source's text fit to be signed, and says what it changed:
//
//  1. HTML elements that editors produce are removed; those that end a line leave a
//     line break.
//  2. HTML entities are decoded, once.
//  3. CR LF and CR become LF, Unicode's line and paragraph separators too; a tab
//     becomes a space; other control characters, bidi overrides, embeddings and
//     isolates, invisible and private characters are removed: what V-06 refuses, and
//     variation selectors. Marks that scripts need stay (LRM, RLM, ALM, ZWJ, ZWNJ).
//  4. An e-mail address becomes "[…]" unless its first word is that of a role.
//  5. Spaces at the ends of lines, and empty lines beyond one, are removed; in a
//     one-line field every break becomes a space.
//
// Only 1, 2, removals of 3, and 4 are worth a report; the words stay as they are.
// That text like "=cmd()" is a formula to a spreadsheet is for whoever writes one.
func clean(s string, lines bool) (string, []change) {
	var changes []change
	note := func(c change, was, is string) string {
		if was != is {
			changes = append(changes, c)
		}
		return is
	}
	if strings.Contains(s, "<") {
		s = note(markupRemoved, s, tag.ReplaceAllStringFunc(s, func(t string) string {
			if block.MatchString(t) {
				return "\n"
			}
			return ""
		}))
	}
	if strings.Contains(s, "&") {
		s = note(entitiesDecoded, s, entity.ReplaceAllStringFunc(s, html.UnescapeString))
	}
	s = breaks.Replace(s)
	s = note(invisible, s, strings.Map(visible, s))
	s = note(mailRemoved, s, maskMail(s))
	if strings.ContainsRune(s, utf8.RuneError) {
		changes = append(changes, lostLetter)
	}
	if !lines {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == ' ' }), " "), changes
	}
	return tidyLines(s), changes
}

var breaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n\n", "\u0085", "\n", "\t", " ")

func visible(r rune) rune {
	switch {
	case r == '\n':
		return r
	case unicode.Is(unicode.Cc, r):
		return -1
	case unicode.Is(unicode.Cf, r):
		switch r {
		case '\u200c', '\u200d', '\u200e', '\u200f', '\u061c': // ZWNJ, ZWJ, LRM, RLM, ALM
			return r
		}
		return -1
	case unicode.In(r, unicode.Co, unicode.Noncharacter_Code_Point, unicode.Variation_Selector),
		r == '\u034f', r == '\u3164', r == '\uffa0': // a joiner and fillers that nobody sees
		return -1
	}
	return r
}

func tidyLines(s string) string {
	var out []string
	for _, line := range strings.Split(s, "\n") {
		line = strings.TrimSpace(line)
		if line == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, line)
	}
	return strings.TrimSpace(strings.Join(out, "\n"))
}

// maskMail puts "[…]" in place of addresses that may be a person's.
func maskMail(s string) string {
	if !strings.Contains(s, "@") {
		return s // most texts by far, and the search costs more than all the rest
	}
	return mail.ReplaceAllStringFunc(s, func(m string) string {
		if roleMailbox(m) {
			return m
		}
		return "[…]"
	})
}

// roles are first words of mailboxes that belong to an office.
var roles = func() map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(`info contact privacy avg gdpr fg dpo foi woo post mail mailbox postbus
		gemeente stadhuis stad city town council county office loket balie klantcontact klantcontactcentrum kcc
		algoritme algoritmes algoritmeregister algorithm algorithms ai register registers data opendata sensoren sensors
		help helpdesk support service services servicedesk team enquiries enquiry press pers media communicatie
		communications webmaster security informatieveiligheid transparency digital digitaal cctv cameras police politie`) {
		m[w] = true
	}
	return m
}()

// roleMailbox reports whether an address is plainly an office's. Anything else is
// treated as a person's: an address dropped by mistake is easily added, one
// published by mistake never leaves the log.
func roleMailbox(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	first := strings.FieldsFunc(local, func(r rune) bool { return strings.ContainsRune("._-+", r) })
	return len(first) > 0 && roles[first[0]]
}

// shorten cuts a text to at most limit characters at a space, and ends it with an
// ellipsis. It reports whether it had to.
func shorten(s string, limit int) (string, bool) {
	if utf8.RuneCountInString(s) <= limit {
		return s, false
	}
	cut := []rune(s)[:limit-1]
	for i := len(cut) - 1; i >= limit/2; i-- {
		if unicode.IsSpace(cut[i]) {
			cut = cut[:i]
			break
		}
	}
	return strings.TrimRightFunc(string(cut), func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;:", r) }) + "…", true
}

// abbreviations end with a point that ends no sentence.
var abbreviations = map[string]bool{
	"art": true, "artt": true, "nr": true, "nrs": true, "no": true, "dr": true, "mr": true, "mrs": true, "ms": true, "prof": true,
	"bijv": true, "bv": true, "jo": true, "incl": true, "excl": true, "evt": true, "ca": true, "resp": true,
	"vs": true, "etc": true, "inc": true, "ltd": true, "st": true, "approx": true, "fig": true, "max": true, "min": true,
}

// firstSentence returns the text up to the end of its first sentence or line.
// Abbreviations may fool it; who calls it asks a person to look.
func firstSentence(s string) string {
	runes := []rune(s)
	for i, r := range runes {
		if r == '\n' {
			return strings.TrimSpace(string(runes[:i]))
		}
		if r == '。' {
			return string(runes[:i+1])
		}
		if r != '.' && r != '!' && r != '?' {
			continue
		}
		end := i + 1
		for end < len(runes) && strings.ContainsRune(`"')]”’»`, runes[end]) {
			end++
		}
		if end == len(runes) || runes[end] == '\n' {
			return strings.TrimSpace(string(runes[:end]))
		}
		if unicode.IsSpace(runes[end]) && startsSentence(runes[end:]) && (r != '.' || !abbreviated(runes[:i])) {
			return strings.TrimSpace(string(runes[:end]))
		}
	}
	return s
}

func startsSentence(rest []rune) bool {
	for _, r := range rest {
		if unicode.IsLetter(r) {
			return !unicode.IsLower(r)
		}
		if unicode.IsDigit(r) {
			return true
		}
	}
	return true
}

// abbreviated reports whether the text before a point ends in an abbreviation: a
// known one, a single letter, or one with points inside such as "o.a".
func abbreviated(before []rune) bool {
	start := len(before)
	for start > 0 && !unicode.IsSpace(before[start-1]) && before[start-1] != '(' {
		start--
	}
	word := strings.ToLower(string(before[start:]))
	return utf8.RuneCountInString(word) == 1 && !unicode.IsDigit(before[start]) || strings.Contains(word, ".") && len(word) <= 8 || abbreviations[word]
}
