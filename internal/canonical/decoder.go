package canonical

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxInteger is the largest integer that every JSON reader keeps exactly,
// 2^53 − 1 (RFC 8785, section 3.2.2.3; I-JSON).
const MaxInteger = 1<<53 - 1

// SyntaxError says where bytes stop being canonical.
type SyntaxError struct {
	// Offset of the offending byte, from 0.
	Offset int
	// Path of the field, for example "deployment.sites[3].point"; empty at the top.
	Path    string
	Problem string
}

func (e *SyntaxError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("byte %d: %s", e.Offset, e.Problem)
	}
	return fmt.Sprintf("%s, byte %d: %s", e.Path, e.Offset, e.Problem)
}

// Decoder reads canonical JSON from a byte slice, one value after another. It
// keeps no copy: strings without escapes are copied once, when returned.
type Decoder struct {
	b []byte
	i int
}

// NewDecoder reads from b, which must not change meanwhile.
func NewDecoder(b []byte) *Decoder { return &Decoder{b: b} }

// End reports an error unless everything was read.
func (d *Decoder) End() error {
	if d.i != len(d.b) {
		return d.fail("something follows the end of the value")
	}
	return nil
}

// Quote quotes s for an error message, shortened: hostile input chooses s, and
// must not choose how much of it reaches a log or a terminal.
func Quote[T ~string | ~[]byte](s T) string {
	const most = 60
	if len(s) <= most {
		return strconv.Quote(string(s))
	}
	return strconv.Quote(string(s[:most])) + "…"
}

func (d *Decoder) fail(problem string) error {
	return &SyntaxError{Offset: d.i, Problem: problem}
}

func (d *Decoder) peek() byte {
	if d.i < len(d.b) {
		return d.b[d.i]
	}
	return 0
}

func (d *Decoder) expect(c byte) error {
	if d.peek() != c {
		return d.fail(fmt.Sprintf("want %q", c))
	}
	d.i++
	return nil
}

// Object reads an object and calls member for each key, with the decoder at the
// key's value; member must read exactly that value. Keys must be in strictly
// ascending order. Keys that need escapes are refused: no field of ours has one.
func (d *Decoder) Object(member func(key []byte) error) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if d.peek() == '}' {
		d.i++
		return nil
	}
	var last []byte
	for {
		start := d.i
		key, err := d.key()
		if err != nil {
			return err
		}
		if last != nil && string(key) <= string(last) {
			d.i = start
			if string(key) == string(last) {
				return d.fail(fmt.Sprintf("key %s is repeated", Quote(key)))
			}
			return d.fail(fmt.Sprintf("key %s is out of order", Quote(key)))
		}
		last = key
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		switch d.peek() {
		case ',':
			d.i++
		case '}':
			d.i++
			return nil
		default:
			return d.fail(`want "," or "}"`)
		}
	}
}

// key reads a member name of printable ASCII. For such names the byte order is
// JCS's order by UTF-16 code units.
func (d *Decoder) key() ([]byte, error) {
	if err := d.expect('"'); err != nil {
		return nil, err
	}
	start := d.i
	for d.i < len(d.b) {
		switch c := d.b[d.i]; {
		case c == '"':
			key := d.b[start:d.i]
			d.i++
			return key, nil
		case c < 0x20 || c > 0x7e || c == '\\':
			return nil, d.fail("unknown key")
		}
		d.i++
	}
	return nil, d.fail("the text ends inside a key")
}

// Array reads a list of at least one item and calls item for each, with the
// decoder at the item. An empty list is refused: it means the same as an absent
// one, and one meaning has one encoding.
func (d *Decoder) Array(item func(i int) error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	if d.peek() == ']' {
		return d.fail("an empty list is left out")
	}
	for n := 0; ; n++ {
		if err := item(n); err != nil {
			return err
		}
		switch d.peek() {
		case ',':
			d.i++
		case ']':
			d.i++
			return nil
		default:
			return d.fail(`want "," or "]"`)
		}
	}
}

// String reads a string. Only the escapes that RFC 8785 section 3.2.2.2 writes
// are accepted.
func (d *Decoder) String() (string, error) {
	if err := d.expect('"'); err != nil {
		return "", err
	}
	start, ascii := d.i, true
	for d.i < len(d.b) {
		switch c := d.b[d.i]; {
		case c == '"':
			s := d.b[start:d.i]
			if !ascii && !utf8.Valid(s) {
				d.i = start
				return "", d.fail("not valid UTF-8")
			}
			d.i++
			return string(s), nil
		case c == '\\':
			return d.escapedString(start)
		case c < 0x20:
			return "", d.fail("a control character must be escaped")
		case c >= utf8.RuneSelf:
			ascii = false
		}
		d.i++
	}
	return "", d.fail("the text ends inside a string")
}

// escapedString goes on where String met the first backslash.
func (d *Decoder) escapedString(start int) (string, error) {
	s := append([]byte(nil), d.b[start:d.i]...)
	for d.i < len(d.b) {
		switch c := d.b[d.i]; {
		case c == '"':
			if !utf8.Valid(s) {
				d.i = start
				return "", d.fail("not valid UTF-8")
			}
			d.i++
			return string(s), nil
		case c == '\\':
			r, n := unescape(d.b[d.i:])
			if n == 0 {
				return "", d.fail("not an escape that RFC 8785 writes")
			}
			s = append(s, r)
			d.i += n
		case c < 0x20:
			return "", d.fail("a control character must be escaped")
		default:
			s = append(s, c)
			d.i++
		}
	}
	return "", d.fail("the text ends inside a string")
}

// unescape returns the byte that the escape at the start of b stands for and
// the escape's length, or 0 where it is not the canonical one.
func unescape(b []byte) (byte, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\':
		return b[1], 2
	case 'b':
		return '\b', 2
	case 't':
		return '\t', 2
	case 'n':
		return '\n', 2
	case 'f':
		return '\f', 2
	case 'r':
		return '\r', 2
	case 'u':
		if len(b) < 6 || string(b[2:4]) != "00" {
			return 0, 0
		}
		hi, lo := hexDigit(b[4]), hexDigit(b[5])
		if hi < 0 || lo < 0 {
			return 0, 0
		}
		c := byte(hi<<4 | lo) //nolint:gosec // two hexadecimal digits
		if c >= 0x20 || shortEscape(c) != 0 {
			return 0, 0
		}
		return c, 6
	}
	return 0, 0
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// shortEscape returns the letter of a control character's two-byte escape, or 0.
func shortEscape(c byte) byte {
	switch c {
	case '\b':
		return 'b'
	case '\t':
		return 't'
	case '\n':
		return 'n'
	case '\f':
		return 'f'
	case '\r':
		return 'r'
	}
	return 0
}

// Integer reads an integer within ±MaxInteger.
func (d *Decoder) Integer() (int64, error) {
	start, neg := d.i, false
	if d.peek() == '-' {
		neg = true
		d.i++
	}
	digits := d.i
	var n int64
	for d.i < len(d.b) && d.b[d.i] >= '0' && d.b[d.i] <= '9' {
		n = n*10 + int64(d.b[d.i]-'0')
		if n > MaxInteger {
			d.i = start
			return 0, d.fail("the number is beyond ±(2^53−1)")
		}
		d.i++
	}
	switch {
	case d.i == digits:
		d.i = start
		return 0, d.fail("want an integer")
	case d.b[digits] == '0' && (d.i > digits+1 || neg):
		d.i = start
		return 0, d.fail("an integer has no leading zero and no minus before zero")
	}
	if c := d.peek(); c == '.' || c == 'e' || c == 'E' {
		return 0, d.fail("an integer has no fraction and no exponent")
	}
	if neg {
		n = -n
	}
	return n, nil
}

// Bool reads true or false.
func (d *Decoder) Bool() (bool, error) {
	rest := d.b[d.i:]
	switch {
	case len(rest) >= 4 && string(rest[:4]) == "true":
		d.i += 4
		return true, nil
	case len(rest) >= 5 && string(rest[:5]) == "false":
		d.i += 5
		return false, nil
	}
	return false, d.fail("want true or false")
}

// Bytes reads a string of standard base64 with padding (RFC 4648, section 4)
// whose unused bits are zero.
func (d *Decoder) Bytes() ([]byte, error) {
	start := d.i
	s, err := d.String()
	if err != nil {
		return nil, err
	}
	b, err := ParseBase64(s)
	if err != nil {
		d.i = start
		return nil, d.fail(err.Error())
	}
	return b, nil
}

// ParseBase64 decodes standard base64 with padding, nothing around it, unused
// bits zero. Go's own strict decoder still skips line breaks, hence the check.
func ParseBase64(s string) ([]byte, error) {
	for i := range len(s) {
		if s[i] == '\n' || s[i] == '\r' {
			return nil, errors.New("base64 holds a line break")
		}
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errors.New("not standard base64 with padding and zero unused bits")
	}
	return b, nil
}
