package publication

import (
	"fmt"
	"strings"

	"golang.org/x/text/language"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// maxURL is the most bytes of a URL (V-06).
const maxURL = 500

// formatRule returns the rule that a malformed string of a format breaks.
func formatRule(f declarationv1.Format) string {
	switch f {
	case declarationv1.Format_FORMAT_URL, declarationv1.Format_FORMAT_HEX_SHA256:
		return "V-06"
	case declarationv1.Format_FORMAT_LANGUAGE:
		return "V-03"
	case declarationv1.Format_FORMAT_SUBJECT:
		return "V-16"
	case declarationv1.Format_FORMAT_DURATION:
		return "V-23"
	}
	return "V-01"
}

// formatProblem says what is wrong with s and what to write instead; problem is
// empty if s is well formed. Language tags are the walk's, which remembers them.
func formatProblem(f declarationv1.Format, s string) (problem, hint string) {
	switch f {
	case declarationv1.Format_FORMAT_URL:
		return urlProblem(s), "Write the full address, for example https://kanaalstad.example/cameras"
	case declarationv1.Format_FORMAT_DATE:
		return dateProblem(s), "Write a day, a month or a year: 2026-12-14, 2026-12 or 2026"
	case declarationv1.Format_FORMAT_COUNTRY:
		return unless(isCountry(s), "is no country code"), "Write the two capital letters of ISO 3166, for example NL"
	case declarationv1.Format_FORMAT_SUBJECT, declarationv1.Format_FORMAT_FOREIGN_SUBJECT:
		_, err := declaration.ParseSubject(s)
		return unless(err == nil, "names no record"), "Write a kind and a number, for example use/31"
	case declarationv1.Format_FORMAT_MEMBER:
		return unless(declaration.CheckMemberID(s) == nil, "is no member id"),
			"Write the country and a short name, for example jp-tsukuba"
	case declarationv1.Format_FORMAT_DURATION:
		return unless(isDuration(s), "is no duration"),
			"Write whole years, months, weeks, days, hours or minutes, for example 28 days (P28D in the long form)"
	case declarationv1.Format_FORMAT_CONTACT:
		return unless(isContact(s), "is neither a mailbox nor a telephone number"),
			"Write the mailbox of a role or a number, for example privacy@kanaalstad.example or +31 20 123 4567"
	case declarationv1.Format_FORMAT_DECIMAL:
		return unless(isDecimal(s), "is no number"), "Write digits, with a point before any fraction, for example 12.5"
	case declarationv1.Format_FORMAT_CURRENCY:
		return unless(isCurrency(s), "is no currency code"), "Write the three capital letters of ISO 4217, for example EUR"
	case declarationv1.Format_FORMAT_ORIGIN:
		return unless(declaration.CheckOrigin(s) == nil, "is no name of a log"),
			"Write host and path without https://, for example tsukuba.example/log"
	case declarationv1.Format_FORMAT_NICKNAME:
		return unless(isNickname(s), "is no nickname"),
			"Use lower-case letters, digits and hyphens, at most 64, for example plaza-cameras"
	case declarationv1.Format_FORMAT_HEX_SHA256:
		return unless(isHexSHA256(s), "is no SHA-256"), "Write 64 lower-case hexadecimal digits"
	case declarationv1.Format_FORMAT_MEDIA_TYPE:
		return unless(isMediaType(s), "is no media type"), "Write for example application/pdf"
	}
	return "", ""
}

func unless(ok bool, problem string) string {
	if ok {
		return ""
	}
	return problem
}

// languageProblem says what is wrong with a language tag: it must be BCP 47 in
// canonical form, a language with script, region or variant where needed. Private
// tags and extensions are refused: they say nothing about which reader is served.
func languageProblem(s string) string {
	tag, err := language.BCP47.Parse(s)
	if err != nil {
		return "is no language tag"
	}
	if canonical := tag.String(); canonical != s {
		return fmt.Sprintf("is not the usual form of that language tag, which is %s", canonical)
	}
	base, _, region := tag.Raw()
	switch b := base.String(); {
	case b == "und" || b == "mul" || b == "mis" || b == "zxx" || b >= "qaa" && b <= "qtz" && len(b) == 3:
		return "names no language"
	case len(tag.Extensions()) > 0:
		return "holds an extension; the language alone is enough"
	case region.String() != "ZZ" && !region.IsCountry() && !region.IsGroup():
		return "names no known region"
	}
	return ""
}

// urlProblem checks an https URL by hand: it must mean the same to every reader,
// so it is plain ASCII, has a host and no user.
func urlProblem(s string) string {
	rest, ok := strings.CutPrefix(s, "https://")
	if !ok {
		return "does not begin with https://"
	}
	if len(s) > maxURL {
		return fmt.Sprintf("is longer than %d bytes", maxURL)
	}
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return "holds a character that must be percent-encoded (in the host: punycode)"
		}
	}
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	if strings.IndexByte(host, '@') >= 0 {
		return "holds a user name"
	}
	if !isHost(host) || !goodPercents(rest) {
		return "is no address"
	}
	return ""
}

// isHost accepts a name of letters, digits, hyphens and dots, with a port of one
// to five digits.
func isHost(s string) bool {
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		port := s[i+1:]
		if port == "" || len(port) > 5 || !digits(port) {
			return false
		}
		s = s[:i]
	}
	return isDomain(s)
}

func isDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	start := 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !alnum(s[i]) && s[i] != '-' {
				return false
			}
			continue
		}
		if i == start || i-start > 63 || s[start] == '-' || s[i-1] == '-' {
			return false
		}
		start = i + 1
	}
	return true
}

func goodPercents(s string) bool {
	for i := strings.IndexByte(s, '%'); i >= 0 && i < len(s); i++ {
		if s[i] == '%' && (i+2 >= len(s) || !hexDigit(s[i+1]) || !hexDigit(s[i+2])) {
			return false
		}
	}
	return true
}

// dateProblem checks a date of the years 1900 to 9999.
func dateProblem(s string) string {
	d, err := declaration.ParseDate(s)
	switch {
	case err != nil:
		return "is no date"
	case d.Year < firstYear:
		return fmt.Sprintf("is before %d", firstYear)
	}
	return ""
}

// isDuration accepts ISO 8601 durations in one way: P, then whole years, months
// and days, then T and whole hours and minutes; or weeks alone. Each number has 1
// to 6 digits and no leading zero, so none is empty, negative or endless.
func isDuration(s string) bool {
	s, ok := strings.CutPrefix(s, "P")
	if !ok {
		return false
	}
	if weeks, ok := strings.CutSuffix(s, "W"); ok {
		return count(weeks)
	}
	day, clock, timed := strings.Cut(s, "T")
	if timed && clock == "" || day == "" && !timed {
		return false
	}
	return units(day, "YMD") && units(clock, "HM")
}

// units reports whether s is counts with units, each unit at most once and in
// their order.
func units(s, order string) bool {
	for s != "" {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == len(s) || !count(s[:i]) {
			return false
		}
		at := strings.IndexByte(order, s[i])
		if at < 0 {
			return false
		}
		order, s = order[at+1:], s[i+1:]
	}
	return true
}

// count accepts 1 to 999999 without a leading zero.
func count(s string) bool {
	return s != "" && len(s) <= 6 && digits(s) && s[0] != '0'
}

// isContact accepts a mailbox or a telephone number.
func isContact(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if ok {
		return isLocalPart(local) && strings.IndexByte(domain, '.') > 0 && isDomain(domain)
	}
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n++
		case c == '+' && i > 0, strings.IndexByte("+ -().", c) < 0:
			return false
		}
	}
	return n >= 3 && n <= 15
}

func isLocalPart(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		if !alnum(s[i]) && strings.IndexByte("._%+-", s[i]) < 0 {
			return false
		}
	}
	return true
}

// isDecimal accepts one spelling of each number: no leading zero, no -0.
func isDecimal(s string) bool {
	s, negative := strings.CutPrefix(s, "-")
	whole, fraction, pointed := strings.Cut(s, ".")
	if !digits(whole) || whole == "" || len(whole) > 1 && whole[0] == '0' {
		return false
	}
	if pointed && (fraction == "" || !digits(fraction)) {
		return false
	}
	return !negative || strings.Trim(s, "0.") != ""
}

// isNickname accepts lower-case letters, digits and hyphens between them.
func isNickname(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

func isHexSHA256(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'f' || c >= '0' && c <= '9') {
			return false
		}
	}
	return len(s) == 64
}

// isMediaType accepts type/subtype in lower case, without parameters.
func isMediaType(s string) bool {
	main, sub, ok := strings.Cut(s, "/")
	return ok && isMediaName(main) && isMediaName(sub)
}

func isMediaName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || i > 0 && strings.IndexByte("!#$&-^_.+", c) >= 0) {
			return false
		}
	}
	return s != ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func alnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
