package publication

import (
	"fmt"
	"unicode/utf8"
)

// scan counts the characters of s (Unicode code points) and says what is wrong
// with the first that may not stand there; problem is empty if all may. prose
// allows line breaks and the invisible characters with which some scripts break
// lines; in names they would make two that look alike (T-04).
func scan(s string, prose bool) (chars int, problem string) {
	i := 0
	for ; i < len(s) && s[i] >= 0x20 && s[i] < 0x7f; i++ {
	}
	if i == len(s) {
		return i, ""
	}
	chars = i
	last := rune(' ')
	if i > 0 {
		last = rune(s[i-1])
	}
	for i < len(s) {
		r, size := rune(s[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				return chars, "is not valid UTF-8"
			}
		}
		if bad := refused(r, last, prose); bad != "" && problem == "" {
			problem = fmt.Sprintf("holds %s (U+%04X) as character %d", bad, r, chars+1)
		}
		last = r
		chars++
		i += size
	}
	return chars, problem
}

// refused names what r is if it may not follow last, or returns "".
//
// Refused everywhere are controls (they act on terminals and break lines of
// logs), bidi overrides, embeddings and isolates (they make text read otherwise
// than it is: "Trojan Source"), invisible characters in which words can be hidden
// from readers but not from programs, and what no other machine can show. The
// marks that Arabic, Persian, Hebrew and Indic writing need stay: LRM, RLM, ALM,
// ZWJ and ZWNJ (note F24 of the threat model).
func refused(r, last rune, prose bool) string {
	switch {
	case r >= 0x20 && r < 0x7f:
		return ""
	case r < 0x20 || r >= 0x7f && r <= 0x9f:
		return refusedControl(r, prose)
	case r < 0x200b:
		return refusedInLine(r, prose)
	case r <= 0x206f:
		return refusedPunctuation(r, prose)
	case r == 0xfeff:
		return "a byte order mark"
	case r == 0x3164 || r == 0xffa0:
		return "an invisible filler"
	case r >= 0xfff9 && r <= 0xfffb:
		return "an invisible annotation mark"
	case r >= 0xfdd0 && r <= 0xfdef || r&0xfffe == 0xfffe:
		return "a code that is no character"
	case r >= 0xe000 && r <= 0xf8ff || r >= 0xf0000:
		return "a private character that other machines can't show"
	case variationSelector(r) && (variationSelector(last) || last == ' ' || last == '\n'):
		return "a variation selector without a character before it"
	case r >= 0xe0000 && r <= 0xe007f:
		return "an invisible tag character"
	}
	return ""
}

func refusedControl(r rune, prose bool) string {
	switch {
	case r == '\n' && prose:
		return ""
	case r == '\n':
		return "a line break"
	case r == '\t':
		return "a tab"
	}
	return "a control character"
}

// refusedInLine is for U+00A0 to U+200A.
func refusedInLine(r rune, prose bool) string {
	switch r {
	case 0xad, 0x34f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x180e:
		if !prose {
			return "an invisible character"
		}
	}
	return ""
}

// refusedPunctuation is for U+200B to U+206F, where most of the format characters
// are.
func refusedPunctuation(r rune, prose bool) string {
	switch {
	case r == 0x200b || r == 0x2060:
		if !prose {
			return "an invisible character"
		}
	case r == 0x2028 || r == 0x2029:
		return "a line separator"
	case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
		return "a mark that changes the direction of the text around it"
	case r >= 0x2061 && r <= 0x2064 || r >= 0x206a:
		return "an invisible character"
	}
	return ""
}

// variationSelector reports whether r only changes the look of the character
// before it: emoji, and the forms of Han characters in Japanese names. One after
// another they would be hidden text.
func variationSelector(r rune) bool {
	return r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef
}
