package declaration_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// bodyVectors are one body of each kind and a few more to accept; what is to be
// refused is spelled out here by example and for every field by
// TestI7T02EverySpellingOfEveryField.
func bodyVectors(t *testing.T) []vector {
	var vectors []vector
	for _, kind := range declaration.Kinds() {
		vectors = append(vectors, vector{name: "accept/" + string(kind), input: string(sampleBytes(t, kind))})
	}
	gone, err := declaration.FormatBody(withdrawal(t))
	if err != nil {
		t.Fatal(err)
	}
	odd, err := declaration.FormatBody(&declarationv1.Body{
		Language: proto.String(oddText),
		Record:   &declarationv1.Body_Notice{Notice: &declarationv1.Notice{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	vectors = append(vectors,
		vector{name: "accept/withdrawal", input: string(gone)},
		vector{name: "accept/least", input: `{"member":{}}`},
		vector{name: "accept/every-kind-of-character", input: string(odd)},
	)
	use := string(sampleBytes(t, declaration.DataUse))
	for _, r := range bodyEdits {
		vectors = append(vectors, edit(t, "reject/"+r[0], r[1], use, r[2], r[3]))
	}
	return append(vectors,
		vector{name: "reject/no-record", reason: "a body holds one record", input: `{"language":"nl","nonce":"AAECAwQFBgcICQoLDA0ODw=="}`},
		vector{name: "reject/two-records", reason: "a body holds one record", input: `{"member":{},"service":{}}`},
		vector{name: "reject/null-record", reason: "null is no value", input: `{"member":null}`},
		vector{name: "reject/byte-order-mark", reason: "a byte order mark before the value", input: "\ufeff" + use},
		vector{name: "reject/line-break-after", reason: "something follows the value", input: use + "\n"},
		vector{name: "reject/escaped-delete", reason: "RFC 8785 escapes below U+0020 only", input: `{"language":"\u007f","member":{}}`},
		vector{name: "reject/escaped-line-separator", reason: "RFC 8785 escapes below U+0020 only", input: `{"language":"\u2028","member":{}}`},
		vector{name: "reject/upper-case-escape", reason: "escapes are in lower case", input: `{"language":"\u001F","member":{}}`},
		vector{name: "reject/long-escape", reason: "U+000A has a short escape", input: `{"language":"\u000a","member":{}}`},
	)
}

// oddText has every C0 control, what JSON escapes, what JavaScript treats as line
// ends, a joiner, a right-to-left mark, a character beyond the basic plane and the
// last one.
var oddText = func() string {
	var b strings.Builder
	for r := range rune(0x20) {
		b.WriteRune(r)
	}
	return b.String() + "\"\\/<>&'\u007f\u0080\u00e9e\u0301\u200d\u200f\u2028\u2029\ue000\ufeff\ufffd\uffff\U0001f48d\U0010ffff"
}()

// Rows are name, reason, and what to replace by what.
var bodyEdits = [][4]string{
	{"repeated-key", "a key stands twice", `{"data_use":`, `{"data_use":{},"data_use":`},
	{"unknown-key", "no such field", `{"architecture"`, `{"amount":1,"architecture"`},
	{"camel-case-key", "keys are in snake_case", `"automated_decision"`, `"automatedDecision"`},
	{"number-as-key", "keys are names", `"architecture"`, `"16"`},
	{"enum-as-number", "enums are names", `"ARCHITECTURE_ON_DEVICE"`, `4`},
	{"enum-as-number-in-string", "enums are names", `"ARCHITECTURE_ON_DEVICE"`, `"4"`},
	{"enum-in-lower-case", "enums are names", `"ARCHITECTURE_ON_DEVICE"`, `"architecture_on_device"`},
	{"enum-without-prefix", "enums are full names", `"ARCHITECTURE_ON_DEVICE"`, `"ON_DEVICE"`},
	{"enum-unspecified", "what is not said is left out", `"ARCHITECTURE_ON_DEVICE"`, `"ARCHITECTURE_UNSPECIFIED"`},
	{"number-1.0", "no fraction", `"last_period_requests":0`, `"last_period_requests":1.0`},
	{"number-1e3", "no exponent", `"last_period_requests":0`, `"last_period_requests":1e3`},
	{"number-minus-0", "0 has no sign", `"last_period_requests":0`, `"last_period_requests":-0`},
	{"number-00", "no leading zero", `"last_period_requests":0`, `"last_period_requests":00`},
	{"number-2^53+1", "beyond what every reader keeps", `"last_period_requests":0`, `"last_period_requests":9007199254740993`},
	{"number-2^32", "beyond the field's 32 bits", `"last_period_requests":0`, `"last_period_requests":4294967296`},
	{"number-in-string", "a number, not a string", `"last_period_requests":0`, `"last_period_requests":"0"`},
	{"bool-in-string", "true or false, not a string", `"special_category":false`, `"special_category":"false"`},
	{"bool-as-number", "true or false, not a number", `"special_category":false`, `"special_category":0`},
	{"null", "null is no value", `"special_category":false`, `"special_category":null`},
	{"empty-list", "an empty list is left out", `"levels":["GOVERNMENT_LEVEL_LAW_ENFORCEMENT"]`, `"levels":[]`},
	{"null-in-list", "null is no value", `["GOVERNMENT_LEVEL_LAW_ENFORCEMENT"]`, `[null]`},
	{"value-for-list", "a list", `["GOVERNMENT_LEVEL_LAW_ENFORCEMENT"]`, `"GOVERNMENT_LEVEL_LAW_ENFORCEMENT"`},
	{"base64-without-padding", "standard base64", `"ICEiIyQlJicoKSorLC0uLw=="`, `"ICEiIyQlJicoKSorLC0uLw"`},
	{"base64-with-tail-bits", "unused bits are zero", `"ICEiIyQlJicoKSorLC0uLw=="`, `"ICEiIyQlJicoKSorLC0uLx=="`},
	{"base64-with-line-break", "nothing but base64", `"ICEiIyQlJicoKSorLC0uLw=="`, `"ICEiIyQlJico\nKSorLC0uLw=="`},
	{"base64-of-urls", "standard base64", `"ICEiIyQlJicoKSorLC0uLw=="`, `"__EiIyQlJicoKSorLC0uLw=="`},
	{"lone-surrogate", "not a character", `"P28D"`, `"\udead"`},
	{"bad-utf8", "not UTF-8", `"P28D"`, "\"\xf5\x80\x80\x80\""},
	{"overlong-utf8", "not UTF-8", `"P28D"`, "\"\xc0\x80\""},
	{"escaped-slash", "only what must be escaped is", `"P28D"`, `"P\/D"`},
	{"space", "space between tokens", `"nickname":`, `"nickname": `},
}
