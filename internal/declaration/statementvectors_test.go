package declaration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// statementVectors are payloads to accept and, one wrong thing at a time, to
// refuse (T-01, T-02).
func statementVectors(t *testing.T) []vector {
	first := samplePayload(t)
	amend := *sampleStatement(t, declaration.Deployment)
	amend.Revision, amend.Operation, amend.Previous = 2, declaration.Amend, proof.LeafHash([]byte("revision 1"))
	second := string(amend.Format())

	vectors := acceptedStatements(t, first, second)
	reject := func(base string, rows [][4]string) {
		for _, r := range rows {
			vectors = append(vectors, edit(t, "reject/"+r[0], r[1], base, r[2], r[3]))
		}
	}
	reject(first, statementSyntax)
	reject(first, statementNumbers)
	reject(first, statementSizes(fmt.Sprintf(`"size":%d`, amend.BodySize)))
	reject(first, statementNames)
	reject(first, statementTimes)
	reject(first, [][4]string{{"body-without-sha256", "a field is missing", fmt.Sprintf(`"sha256":"%x",`, amend.BodySHA256), ``}})
	reject(second, statementPrevious)
	for _, key := range []string{"body", "city", "declared_at", "effective_on", "kind", "log", "operation", "provenance", "revision", "schema", "subject"} {
		vectors = append(vectors, vector{name: "reject/without-" + key, reason: "a field is missing", input: dropMember(t, first, key)})
	}
	return append(vectors,
		vector{name: "reject/empty", reason: "no JSON value"},
		vector{name: "reject/empty-object", reason: "every field is missing", input: "{}"},
		vector{name: "reject/byte-order-mark", reason: "a byte order mark before the value", input: "\ufeff" + first},
		vector{name: "reject/line-break-after", reason: "something follows the value", input: first + "\n"},
		vector{name: "reject/second-value-after", reason: "something follows the value", input: first + "{}"},
		vector{name: "reject/nul-after", reason: "something follows the value", input: first + "\x00"},
		vector{name: "reject/cut-short", reason: "the value ends too early", input: first[:len(first)-1]},
		vector{name: "reject/list-of-one", reason: "a list, not an object", input: "[" + first + "]"},
		vector{name: "reject/string-of-it", reason: "a string, not an object", input: `"{}"`},
		vector{name: "reject/keys-out-of-order", reason: "kind stands at the end", input: strings.TrimSuffix(dropMember(t, first, "kind"), "}") + `,"kind":"deployment"}`},
	)
}

func acceptedStatements(t *testing.T, first, second string) []vector {
	withdraw := *sampleStatement(t, declaration.Deployment)
	withdraw.Revision, withdraw.Operation, withdraw.Previous = 3, declaration.Withdraw, proof.LeafHash([]byte(second))
	other := *sampleStatement(t, declaration.Deployment)
	other.Log, other.City = "[2001:db8::17]:8443/~jp/log", "jp-tsukuba"
	vectors := []vector{
		{name: "accept/publish", input: first},
		{name: "accept/amend", input: second},
		{name: "accept/withdraw", input: string(withdraw.Format())},
		{name: "accept/another-log", input: string(other.Format())},
		edit(t, "accept/year-only", "", first, `"2026-12-14"`, `"1998"`),
		edit(t, "accept/month-only", "", first, `"2026-12-14"`, `"2026-12"`),
		edit(t, "accept/leap-day", "", first, `"2026-12-14"`, `"2028-02-29"`),
		edit(t, "accept/largest-number", "", first, `"dep/18"`, `"dep/999999999"`),
		edit(t, "accept/largest-revision", "", second, `"revision":2`, `"revision":999999999`),
		edit(t, "accept/imported", "", first, `"CITY_OWN"`, `"IMPORTED_BY_OTHERS"`),
		{name: "unknown/schema-2", reason: "a later schema may have any members", input: `{"schema":2,"who":["knows"]}`},
		edit(t, "unknown/schema-2-of-the-same-form", "nothing else says so", first, `"schema":1`, `"schema":2`),
		edit(t, "unknown/largest-schema", "", first, `"schema":1`, `"schema":9007199254740991`),
	}
	for _, kind := range declaration.Kinds() {
		vectors = append(vectors, vector{name: "accept/" + string(kind), input: string(sampleStatement(t, kind).Format())})
	}
	return vectors
}

// dropMember cuts a member with a value without commas, or "body", out of a
// payload.
func dropMember(t *testing.T, payload, key string) string {
	t.Helper()
	start := strings.Index(payload, `"`+key+`":`)
	end := start + strings.Index(payload[start:], ",") + 1
	switch key {
	case "body":
		end = start + strings.Index(payload[start:], "},") + 2
	case "subject": // the last one
		return payload[:start-1] + "}"
	}
	return payload[:start] + payload[end:]
}

// Rows are name, reason, and what to replace by what.
var statementSyntax = [][4]string{
	{"repeated-key", "a key stands twice", `"kind":"deployment",`, `"kind":"deployment","kind":"deployment",`},
	{"repeated-key-other-value", "a key stands twice", `"city":"nl-kanaalstad",`, `"city":"jp-tsukuba","city":"nl-kanaalstad",`},
	{"unknown-key", "schema 1 has no such key", `"subject":"dep/18"`, `"subject":"dep/18","zone":"north"`},
	{"unknown-key-in-body", "schema 1 has no such key", `{"sha256":`, `{"md5":"","sha256":`},
	{"empty-key", "schema 1 has no such key", `{"body":`, `{"":1,"body":`},
	{"escaped-key", "a key has no escapes", `"city"`, `"\u0063ity"`},
	{"camel-case-key", "keys are in snake_case", `"declared_at"`, `"declaredAt"`},
	{"upper-case-key", "keys are in lower case", `"city"`, `"City"`},
	{"space-after-colon", "space between tokens", `"city":`, `"city": `},
	{"space-before-colon", "space between tokens", `"city":`, `"city" :`},
	{"space-at-start", "space between tokens", `{"body"`, ` {"body"`},
	{"line-break-inside", "space between tokens", `,"city"`, ",\n\"city\""},
	{"comma-at-end", "a comma before the end", `"dep/18"}`, `"dep/18",}`},
	{"single-quotes", "not JSON", `"nl-kanaalstad"`, `'nl-kanaalstad'`},
	{"comment", "not JSON", `,"city"`, `,/**/"city"`},
	{"null-city", "null is no value", `"nl-kanaalstad"`, `null`},
	{"null-previous", "an absent value is left out", `"provenance"`, `"previous":null,"provenance"`},
	{"null-body", "null is no value", `"city"`, `"body":null,"city"`},
	{"body-as-list", "body is an object", `{"sha256"`, `[{"sha256"`},
	{"escaped-letter", "only what must be escaped is", `"nl-kanaalstad"`, `"\u006el-kanaalstad"`},
	{"escaped-slash", "only what must be escaped is", `"dep/18"`, `"dep\/18"`},
	{"lone-surrogate", "not a character", `"nl-kanaalstad"`, `"nl-\ud800"`},
	{"surrogate-pair", "only what must be escaped is", `"nl-kanaalstad"`, `"nl-\ud83d\ude00"`},
	{"bad-utf8", "not UTF-8", `"nl-kanaalstad"`, "\"nl-\xff\""},
	{"overlong-utf8", "not UTF-8", `"nl-kanaalstad"`, "\"nl-\xc1\xa1\""},
	{"surrogate-in-utf8", "not UTF-8", `"nl-kanaalstad"`, "\"nl-\xed\xa0\x80\""},
	{"control-character", "it must be escaped", `"nl-kanaalstad"`, "\"nl-\t\""},
	{"open-string", "the value ends inside a string", `"dep/18"}`, `"dep/18}`},
}

var statementNumbers = [][4]string{
	{"revision-0", "revisions begin at 1", `"revision":1`, `"revision":0`},
	{"revision-minus-0", "0 has no sign", `"revision":1`, `"revision":-0`},
	{"revision-minus-1", "revisions begin at 1", `"revision":1`, `"revision":-1`},
	{"revision-plus-1", "no plus sign", `"revision":1`, `"revision":+1`},
	{"revision-01", "no leading zero", `"revision":1`, `"revision":01`},
	{"revision-1.0", "no fraction", `"revision":1`, `"revision":1.0`},
	{"revision-1.", "no fraction", `"revision":1`, `"revision":1.`},
	{"revision-1e0", "no exponent", `"revision":1`, `"revision":1e0`},
	{"revision-1E3", "no exponent", `"revision":1`, `"revision":1E3`},
	{"revision-0x1", "not decimal", `"revision":1`, `"revision":0x1`},
	{"revision-as-string", "a number, not a string", `"revision":1`, `"revision":"1"`},
	{"revision-true", "a number", `"revision":1`, `"revision":true`},
	{"revision-null", "null is no value", `"revision":1`, `"revision":null`},
	{"revision-2^53+1", "beyond what every reader keeps", `"revision":1`, `"revision":9007199254740993`},
	{"revision-2^64+1", "beyond what every reader keeps", `"revision":1`, `"revision":18446744073709551617`},
	{"revision-10^9", "at most nine digits", `"revision":1`, `"revision":1000000000`},
	{"revision-2-without-previous", "previous must be present after revision 1", `"revision":1`, `"revision":2`},
	{"schema-0", "no such schema", `"schema":1`, `"schema":0`},
	{"schema-minus-1", "no such schema", `"schema":1`, `"schema":-1`},
	{"schema-as-string", "a number, not a string", `"schema":1`, `"schema":"1"`},
	{"schema-1.0", "no fraction", `"schema":1`, `"schema":1.0`},
	{"schema-2.0", "no fraction: malformed, not unknown", `"schema":1`, `"schema":2.0`},
	{"schema-2-as-string", "malformed, not unknown", `"schema":1`, `"schema":"2"`},
	{"schema-null", "null is no value", `"schema":1`, `"schema":null`},
	{"upper-case-schema-2", "malformed, not unknown", `"schema":1`, `"SCHEMA":2`},
}

// statementSizes are wrong spellings of a body's size.
func statementSizes(size string) [][4]string {
	return [][4]string{
		{"size-1", "no body is so short", size, `"size":1`},
		{"size-minus", "no body is so short", size, `"size":-2`},
		{"size-too-large", "more than 256 KiB", size, `"size":262145`},
		{"size-2^53+1", "beyond what every reader keeps", size, `"size":9007199254740993`},
		{"size-as-string", "a number, not a string", size, `"size":"2733"`},
		{"size-with-fraction", "no fraction", size, size + ".0"},
		{"size-with-exponent", "no exponent", size, size + "e0"},
		{"size-with-leading-zero", "no leading zero", size, `"size":02733`},
		{"size-null", "null is no value", size, `"size":null`},
		{"body-without-size", "a field is missing", "," + size, ``},
	}
}

var statementNames = [][4]string{
	{"kind-of-another-subject", "kind and subject disagree", `"kind":"deployment"`, `"kind":"service"`},
	{"kind-unknown", "no such kind", `"kind":"deployment"`, `"kind":"Deployment"`},
	{"subject-0", "numbers begin at 1", `"dep/18"`, `"dep/0"`},
	{"subject-018", "no leading zero", `"dep/18"`, `"dep/018"`},
	{"subject-10^9", "at most nine digits", `"dep/18"`, `"dep/1000000000"`},
	{"subject-without-number", "no number", `"dep/18"`, `"dep/"`},
	{"subject-of-unknown-kind", "no such kind", `"dep/18"`, `"cam/18"`},
	{"subject-in-upper-case", "no such kind", `"dep/18"`, `"DEP/18"`},
	{"subject-with-tail", "not a number", `"dep/18"`, `"dep/18/a"`},
	{"subject-with-fullwidth-digits", "not a number", `"dep/18"`, `"dep/１８"`},
	{"subject-with-name", "not a number", `"dep/18"`, `"dep/plaza"`},
	{"operation-in-lower-case", "no such operation", `"PUBLISH"`, `"publish"`},
	{"operation-as-number", "a string", `"PUBLISH"`, `1`},
	{"operation-unknown", "no such operation", `"PUBLISH"`, `"DELETE"`},
	{"provenance-unknown", "no such provenance", `"CITY_OWN"`, `"CITY"`},
	{"city-in-upper-case", "only a-z, 0-9 and hyphens", `"nl-kanaalstad"`, `"NL-kanaalstad"`},
	{"city-with-confusable", "only a-z, 0-9 and hyphens; the first a is Cyrillic", `"nl-kanaalstad"`, `"nl-kаnaalstad"`},
	{"city-without-country", "no country", `"nl-kanaalstad"`, `"kanaalstad"`},
	{"city-without-name", "no name after the country", `"nl-kanaalstad"`, `"nl-"`},
	{"city-with-two-hyphens", "one hyphen at a time", `"nl-kanaalstad"`, `"nl-kanaal--stad"`},
	{"city-ends-in-hyphen", "a hyphen stands between letters", `"nl-kanaalstad"`, `"nl-kanaalstad-"`},
	{"city-of-65-bytes", "at most 64 bytes", `"nl-kanaalstad"`, `"nl-` + strings.Repeat("k", 62) + `"`},
	{"log-with-scheme", "no https://", `"kanaalstad.example/log"`, `"https://kanaalstad.example/log"`},
	{"log-with-slash-at-end", "no slash at the end", `"kanaalstad.example/log"`, `"kanaalstad.example/log/"`},
	{"log-in-upper-case", "lower case", `"kanaalstad.example/log"`, `"Kanaalstad.example/log"`},
	{"log-with-dots", "URLs drop such parts", `"kanaalstad.example/log"`, `"kanaalstad.example/x/../log"`},
	{"log-with-dot", "URLs drop such parts", `"kanaalstad.example/log"`, `"kanaalstad.example/./log"`},
	{"log-with-plus", "vkeys end names at a plus sign", `"kanaalstad.example/log"`, `"kanaalstad.example/l+g"`},
	{"log-with-percent", "one spelling", `"kanaalstad.example/log"`, `"kanaalstad.example/l%6fg"`},
	{"log-not-ascii", "ASCII", `"kanaalstad.example/log"`, `"kanaalstád.example/log"`},
	{"log-empty", "no name", `"kanaalstad.example/log"`, `""`},
	{"log-of-256-bytes", "at most 255 bytes", `"kanaalstad.example/log"`, `"` + strings.Repeat("k", 256) + `"`},
}

var statementTimes = [][4]string{
	{"no-leap-year", "2027 has no 29 February", `"2026-12-14"`, `"2027-02-29"`},
	{"no-leap-century", "2100 has no 29 February", `"2026-12-14"`, `"2100-02-29"`},
	{"month-13", "no such month", `"2026-12-14"`, `"2026-13"`},
	{"month-0", "no such month", `"2026-12-14"`, `"2026-00"`},
	{"day-0", "no such day", `"2026-12-14"`, `"2026-12-00"`},
	{"day-31-of-june", "no such day", `"2026-12-14"`, `"2026-06-31"`},
	{"one-digit-day", "two digits", `"2026-12-14"`, `"2026-12-4"`},
	{"one-digit-month", "two digits", `"2026-12-14"`, `"2026-1-14"`},
	{"two-digit-year", "four digits", `"2026-12-14"`, `"26-12-14"`},
	{"date-with-slashes", "hyphens", `"2026-12-14"`, `"2026/12/14"`},
	{"date-without-hyphens", "hyphens", `"2026-12-14"`, `"20261214"`},
	{"date-with-time", "a date only", `"2026-12-14"`, `"2026-12-14T00:00:00Z"`},
	{"date-with-space", "nothing around it", `"2026-12-14"`, `"2026-12-14 "`},
	{"date-with-fullwidth-digits", "ASCII digits", `"2026-12-14"`, `"２０２６"`},
	{"year-999", "years 1000 to 9999", `"2026-12-14"`, `"0999"`},
	{"year-minus", "years 1000 to 9999", `"2026-12-14"`, `"-026"`},
	{"date-as-number", "a string", `"2026-12-14"`, `2026`},
	{"date-empty", "no date", `"2026-12-14"`, `""`},
	{"time-with-offset", "UTC is written Z", `04:00:00Z`, `04:00:00+00:00`},
	{"time-of-another-zone", "UTC", `04:00:00Z`, `06:00:00+02:00`},
	{"time-with-fraction", "whole seconds", `04:00:00Z`, `04:00:00.0Z`},
	{"time-with-comma", "whole seconds", `04:00:00Z`, `04:00:00,5Z`},
	{"time-without-zone", "UTC is written Z", `04:00:00Z`, `04:00:00`},
	{"time-with-small-z", "UTC is written Z", `04:00:00Z`, `04:00:00z`},
	{"time-with-small-t", "T between date and time", `T04:00:00Z`, `t04:00:00Z`},
	{"time-with-space", "T between date and time", `T04:00:00Z`, ` 04:00:00Z`},
	{"time-24:00", "no such time", `04:00:00Z`, `24:00:00Z`},
	{"time-leap-second", "no such time", `04:00:00Z`, `04:00:60Z`},
	{"time-without-seconds", "whole seconds", `04:00:00Z`, `04:00Z`},
}

var statementPrevious = [][4]string{
	{"previous-at-revision-1", "there is nothing before revision 1", `"revision":2`, `"revision":1`},
	{"previous-of-zeros", "absent is left out", previousHex, strings.Repeat("0", 64)},
	{"previous-in-upper-case", "lower-case hexadecimal", previousHex, strings.ToUpper(previousHex)},
	{"previous-one-digit-short", "64 digits", previousHex, previousHex[1:]},
	{"previous-two-digits-more", "64 digits", previousHex, previousHex + "00"},
	{"previous-in-base64", "hexadecimal", previousHex, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
	{"previous-empty", "absent is left out", previousHex, ""},
}

var previousHex = func() string {
	h := proof.LeafHash([]byte("revision 1"))
	return hexOf(h[:])
}()
