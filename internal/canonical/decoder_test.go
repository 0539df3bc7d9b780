package canonical_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"

	"github.com/cityproof/cityproof/internal/canonical"
)

// TestI7StringsAsJCSWritesThem compares every code point, alone and between
// others, with a JCS library, and reads it back.
func TestI7StringsAsJCSWritesThem(t *testing.T) {
	check := func(s string) {
		got := canonical.AppendString(nil, s)
		plain, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		want, err := jcs.Transform(plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("AppendString(%q) = %s, JCS writes %s", s, got, want)
		}
		d := canonical.NewDecoder(got)
		if back, err := d.String(); err != nil || back != s || d.End() != nil {
			t.Fatalf("reading %s gives %q, %v", got, back, err)
		}
	}
	for r := range rune(utf8.MaxRune + 1) {
		if r >= 0x3000 && r < 0xd000 || r >= 0x20000 && r < 0x10f000 || !utf8.ValidRune(r) {
			continue // ideographs and unassigned planes: nothing there is special
		}
		check(string(r))
		if r < 0x3000 || r&0xff == 0 {
			check("a" + string(r) + "\n" + string(r) + "\U0001f48d\"" + string(r))
		}
	}
	check("")
}

func TestStringRefuses(t *testing.T) {
	for _, s := range []string{
		``, `"`, `"a`, `a"`, `'a'`, `"\`, `"\"`, `"\u`, `"\u0`, `"\u000`, `"\u0000`, `"a\`, "\"\x00\"", "\"\x1f\"", "\"\n\"", "\"\\n\n\"", `"\u0041"`,
		`"\u000A"`, `"\u000a"`, `"\u0009"`, `"\u001F"`, `"\u0020"`, `"\u007f"`, `"\u0080"`, `"\u0100"`, `"\u2028"`, `"\u+001"`, `"\u 001"`, `"\U0001"`,
		`"\/"`, `"\'"`, `"\a"`, `"\v"`, `"\0"`, `"\x01"`, `"\N"`, `"\ud800"`, `"\udfff"`, `"\ud83d\udc8d"`,
		"\"\xff\"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xc3\"", "\"\xc3\\n\xa9\"", "\"\\n\xff\"",
	} {
		d := canonical.NewDecoder([]byte(s))
		got, err := d.String()
		if err == nil && d.End() == nil {
			t.Errorf("String(%q) = %q, want an error", s, got)
		}
		var se *canonical.SyntaxError
		if err != nil && (!errors.As(err, &se) || se.Offset < 0 || se.Offset > len(s)) {
			t.Errorf("String(%q): %#v, want a SyntaxError inside the text", s, err)
		}
	}
}

func TestInteger(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 9, 10, -10, 1<<31 - 1, 1 << 31, canonical.MaxInteger, -canonical.MaxInteger} {
		b := canonical.AppendInteger(nil, n)
		d := canonical.NewDecoder(b)
		if got, err := d.Integer(); err != nil || got != n || d.End() != nil {
			t.Errorf("Integer(%s) = %d, %v", b, got, err)
		}
	}
	for _, s := range []string{
		"", "-", "--1", "+1", " 1", "01", "00", "-0", "-00", "-01", "1.0", "1.", ".1", "1e0", "1E3", "1e", "0x1", "1_0", "1n", `"1"`, "true", "null",
		"9007199254740992", "-9007199254740992", "9007199254740993", "18446744073709551616", "99999999999999999999999999", "١",
	} {
		d := canonical.NewDecoder([]byte(s))
		if got, err := d.Integer(); err == nil && d.End() == nil {
			t.Errorf("Integer(%q) = %d, want an error", s, got)
		}
	}
}

func TestBool(t *testing.T) {
	for s, want := range map[string]bool{"true": true, "false": false} {
		d := canonical.NewDecoder([]byte(s))
		if got, err := d.Bool(); err != nil || got != want || d.End() != nil {
			t.Errorf("Bool(%s) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "t", "tru", "fals", "True", "FALSE", "1", "0", `"true"`, "null", " true", "truefalse"} {
		d := canonical.NewDecoder([]byte(s))
		if got, err := d.Bool(); err == nil && d.End() == nil {
			t.Errorf("Bool(%q) = %v, want an error", s, got)
		}
	}
}

// TestI7OneBase64PerBytes tries every last quantum of base64.
func TestI7OneBase64PerBytes(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_\n\r \\"
	accepted := map[string]int{}
	for _, a := range alphabet {
		for _, b := range alphabet {
			for _, tail := range []string{"==", "A=", "B=", "AA", "=", "", "A", "===", "A==", "\n==", "==\n", "=\n="} {
				s := string(a) + string(b) + tail
				got, err := canonical.ParseBase64(s)
				if err != nil {
					continue
				}
				accepted[tail]++
				if back := base64.StdEncoding.EncodeToString(got); back != s {
					t.Fatalf("ParseBase64(%q) accepts a second spelling of %q", s, back)
				}
			}
		}
	}
	want := map[string]int{"==": 256, "A=": 64 * 64, "AA": 64 * 64}
	if diff := cmp.Diff(want, accepted); diff != "" {
		t.Errorf("spellings accepted, by their ends (-want +got):\n%s", diff)
	}
	if b, err := canonical.ParseBase64(""); err != nil || len(b) != 0 {
		t.Errorf("ParseBase64 of nothing = %v, %v", b, err)
	}
}

func TestObjectAndArray(t *testing.T) {
	read := func(s string) (string, error) {
		d := canonical.NewDecoder([]byte(s))
		var keys []string
		err := d.Object(func(key []byte) error {
			keys = append(keys, string(key))
			return d.Array(func(i int) error {
				n, err := d.Integer()
				if err == nil && n != int64(i) {
					t.Errorf("item %d of %s is given as %d", n, s, i)
				}
				return err
			})
		})
		if err == nil {
			err = d.End()
		}
		return strings.Join(keys, " "), err
	}
	for s, want := range map[string]string{
		`{}`: "", `{"a":[0]}`: "a", `{"a":[0,1,2],"b":[0]}`: "a b", `{"":[0],"!":[0],"~":[0]}`: " ! ~", `{"A":[0],"a":[0],"aa":[0],"b":[0]}`: "A a aa b",
	} {
		if got, err := read(s); err != nil || got != want {
			t.Errorf("%s has keys %q, %v; want %q", s, got, err, want)
		}
	}
	for _, s := range []string{
		``, `{`, `}`, `[]`, `{}{}`, `{},`, `{ }`, ` {}`, "{}\n", `{"a"}`, `{"a":}`, `{"a":[]}`, `{"a":[0]`, `{"a":[0],}`, `{,"a":[0]}`, `{"a":[0]"b":[0]}`,
		`{"a":[0]],"b":[0]}`, `{"a":[0,]}`, `{"a":[,0]}`, `{"a":[0 ]}`, `{"a":[0;1]}`, `{"a":[0}`, `{"a":[0,1`, `{"a":0}`, `{a:[0]}`, `{"a:[0]}`, `{"a":[0],"a":[0]}`,
		`{"":[0],"":[0]}`, `{"b":[0],"a":[0]}`, `{"aa":[0],"a":[0]}`, `{"a":[0],"A":[0]}`, `{"\u0061":[0]}`, `{"a\"":[0]}`, "{\"a\x00\":[0]}", "{\"é\":[0]}", "{\"a\x7f\":[0]}",
		`{"a" :[0]}`, `{"a": [0]}`, `{"a":[0] }`, `null`,
	} {
		if got, err := read(s); err == nil {
			t.Errorf("%q accepted with keys %q", s, got)
		}
	}
}

// TestQuoteIsShort: errors about hostile input stay short and printable.
func TestQuoteIsShort(t *testing.T) {
	for s, want := range map[string]string{
		"":                       `""`,
		"a\n\x1b[31m":            `"a\n\x1b[31m"`,
		strings.Repeat("a", 60):  strconv.Quote(strings.Repeat("a", 60)),
		strings.Repeat("a", 1e6): strconv.Quote(strings.Repeat("a", 60)) + "…",
		strings.Repeat("é", 31):  strconv.Quote(strings.Repeat("é", 30)) + "…",
		strings.Repeat("日", 30):  strconv.Quote(strings.Repeat("日", 20)) + "…",
	} {
		if got := canonical.Quote(s); got != want {
			t.Errorf("Quote of %d bytes = %s, want %s", len(s), got, want)
		}
	}
}

// FuzzDecoder reads a string, an integer and base64 from anything: what is
// accepted is what the appending side writes.
func FuzzDecoder(f *testing.F) {
	for _, s := range []string{`"a"`, `"\n\u001f"`, `"é💍"`, "10", "-1", "9007199254740991", `"AQI="`, `""`, "1.0", "-0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := canonical.NewDecoder(b)
		if s, err := d.String(); err == nil && d.End() == nil {
			if again := canonical.AppendString(nil, s); !bytes.Equal(again, b) {
				t.Fatalf("String(%q) is written %q", b, again)
			}
		}
		d = canonical.NewDecoder(b)
		if n, err := d.Integer(); err == nil && d.End() == nil {
			if again := canonical.AppendInteger(nil, n); !bytes.Equal(again, b) {
				t.Fatalf("Integer(%q) is written %q", b, again)
			}
		}
		d = canonical.NewDecoder(b)
		if p, err := d.Bytes(); err == nil && d.End() == nil {
			if again := canonical.AppendBytes(nil, p); !bytes.Equal(again, b) {
				t.Fatalf("Bytes(%q) is written %q", b, again)
			}
		}
	})
}
