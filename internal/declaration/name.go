package declaration

import (
	"fmt"
	"strings"

	"github.com/cityproof/cityproof/internal/canonical"
)

// CheckMemberID checks a member id: an ISO 3166-1 country in lower case, a
// hyphen, and a slug of lower-case ASCII letters, digits and single hyphens, at
// most 64 bytes in all; for example "jp-tsukuba". Nothing in it can be confused
// with another letter (threat T-04).
func CheckMemberID(id string) error {
	country, slug, ok := strings.Cut(id, "-")
	if !ok || len(country) != 2 || !lower(country[0]) || !lower(country[1]) ||
		slug == "" || len(id) > 64 || slug[0] == '-' || slug[len(slug)-1] == '-' || strings.Contains(slug, "--") {
		return fmt.Errorf("%s is no member id: want a country and a short name, for example jp-tsukuba", canonical.Quote(id))
	}
	for i := range len(slug) {
		if c := slug[i]; !lower(c) && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%s is no member id: only a-z, 0-9 and hyphens", canonical.Quote(id))
		}
	}
	return nil
}

func lower(c byte) bool { return c >= 'a' && c <= 'z' }

// CheckOrigin checks the name of a log: a URL prefix without scheme, query or
// slash at its end, in lower-case ASCII letters, digits and -._~:[], at most 255
// bytes; for example "tsukuba.example/log". No part between slashes is empty, "."
// or "..": URLs drop those, and one log would have two names. C2SP
// tlog-checkpoint, "Note text".
func CheckOrigin(origin string) error {
	bad := func() error {
		return fmt.Errorf("%s is no origin of a log: want a host and a path without https://, for example tsukuba.example/log",
			canonical.Quote(origin))
	}
	if len(origin) > 255 {
		return bad()
	}
	for part := range strings.SplitSeq(origin, "/") {
		if part == "" || part == "." || part == ".." {
			return bad()
		}
	}
	for i := range len(origin) {
		switch c := origin[i]; {
		case lower(c), c >= '0' && c <= '9', strings.IndexByte("-._~/:[]", c) >= 0:
		default:
			return bad()
		}
	}
	return nil
}
