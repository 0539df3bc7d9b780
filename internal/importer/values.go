package importer

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

const (
	maxNickname   = 64
	maxURL        = 500 // bytes (V-06)
	maxSourceID   = 200
	maxAttachment = declaration.MaxAttachment
)

// unsaidWords are what registers write into a cell that says nothing.
var unsaidWords = map[string]bool{
	"": true, "na": true, "n/a": true, "n.a.": true, "nan": true, "null": true, "nvt": true, "n.v.t.": true, "n.v.t": true,
	"-": true, "--": true, "?": true, "unknown": true, "onbekend": true, "inconnu": true, "inconnue": true, "tbd": true,
	"data unavailable": true, "not available": true, "not disclosable": true,
}

// said reports whether a cell says anything.
func said(s string) bool { return !unsaidWords[strings.ToLower(s)] }

// What the door takes as a URL (V-06) after "https://": a host of letters, digits,
// hyphens and dots, perhaps a port, and printable ASCII with whole percent codes.
var (
	urlHost = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*(?::[0-9]{1,5})?$`)
	urlRest = regexp.MustCompile(`^(?:[!#$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})*$`)
)

// checkURL says why a source's URL can't be taken.
func checkURL(s string) error {
	rest, ok := strings.CutPrefix(s, "https://")
	host := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host = rest[:i]
	}
	switch {
	case len(s) > maxURL:
		return fmt.Errorf("longer than %d bytes", maxURL)
	case !ok:
		return errors.New("it does not begin with https://")
	case len(host) > 253 || !urlHost.MatchString(host) || !urlRest.MatchString(rest[len(host):]):
		return errors.New("it holds something that an address can't have")
	}
	return nil
}

// date reads a date as registers write it: YYYY-MM-DD, YYYY-MM, YYYY, the same
// with slashes, or the day of an RFC 3339 time. Orders that can be mistaken
// (01-02-2026) are no date here.
func date(s string) (declaration.Date, error) {
	if len(s) > 11 && s[10] == 'T' && strings.HasSuffix(s, "Z") {
		s = s[:10]
	}
	d, err := declaration.ParseDate(strings.ReplaceAll(s, "/", "-"))
	if err == nil && d.Year < 1900 {
		err = fmt.Errorf("the year %d is before 1900", d.Year)
	}
	return d, err
}

// count reads a number of devices: digits only.
func count(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("it is no whole number")
	}
	return uint32(n), nil
}

// days reads "30 days", "1 day" or "30" as days, more than none.
func days(s string) (int, error) {
	digits, unit, _ := strings.Cut(s, " ")
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || n > 100_000 || strconv.Itoa(n) != digits || (unit != "" && unit != "day" && unit != "days") {
		return 0, errors.New("it is no number of days")
	}
	return n, nil
}

// degrees reads a decimal number of degrees exactly as 1e-7 degrees: digits beyond
// the seventh (a centimetre) are rounded half away from zero. No float is involved,
// so two machines agree. An exponent, a comma or a plus is refused.
func degrees(s string, most int64) (int32, error) {
	rest, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(rest, ".")
	bad := errors.New("it is no decimal number of degrees")
	if whole == "" || len(whole) > 3 || (point && fraction == "") || len(fraction) > 40 || !allDigits(whole) || !allDigits(fraction) {
		return 0, bad
	}
	padded := fraction + "0000000"
	n, err := strconv.ParseInt(whole+padded[:7], 10, 64)
	if err != nil {
		return 0, bad
	}
	if len(fraction) > 7 && fraction[7] >= '5' {
		n++
	}
	if n > most*10_000_000 {
		return 0, fmt.Errorf("it is beyond %d degrees", most)
	}
	if negative {
		n = -n
	}
	return int32(n), nil //nolint:gosec // at most 180e7
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// point reads a place. (0,0) is refused: in registers it means "not known".
func point(latitude, longitude string) (*declarationv1.Point, error) {
	lat, err := degrees(latitude, 90)
	if err != nil {
		return nil, fmt.Errorf("latitude: %w", err)
	}
	lon, err := degrees(longitude, 180)
	if err != nil {
		return nil, fmt.Errorf("longitude: %w", err)
	}
	if lat == 0 && lon == 0 {
		return nil, errors.New("(0,0) is no place of a city")
	}
	return &declarationv1.Point{LatitudeE7: &lat, LongitudeE7: &lon}, nil
}

func isNickname(s string) bool { return s != "" && s == slug(s) }

// slug makes a nickname of a text: lower-case letters of ASCII and digits, other
// runs as one hyphen, at most 64 characters; "x" if nothing is left.
func slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range s {
		r = unicode.ToLower(unaccented(r))
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = b.Len() > 0
			continue
		}
		if gap && b.Len() < maxNickname-1 {
			b.WriteByte('-')
		}
		gap = false
		if b.Len() == maxNickname {
			break
		}
		b.WriteRune(r)
	}
	if b.Len() == 0 {
		return "x"
	}
	return strings.TrimRight(b.String(), "-")
}

const (
	accented = "àáâãäåçèéêëìíîïñòóôõöøùúûüýÿÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝ"
	plain    = "aaaaaaceeeeiiiinoooooouuuuyyAAAAAACEEEEIIIINOOOOOOUUUUY"
)

// unaccented returns the letter without its accent, so that slugs stay readable.
func unaccented(r rune) rune {
	i := 0
	for _, a := range accented {
		if a == r {
			return rune(plain[i])
		}
		i++
	}
	return r
}

// ptr returns a pointer to a copy of v, as optional proto fields want.
func ptr[T any](v T) *T { return &v }
