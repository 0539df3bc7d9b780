package declaration_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gowebpki/jcs"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// The oracles say what the parsers must accept, by the way that a program without
// our reader would go: decode with a library, encode again, canonicalise with a
// JCS library, compare bytes.

// oracleBody adds two rules to that, which are ours: an explicit UNSPECIFIED is
// refused, although ProtoJSON tells it from an absent value, and a body has a
// record.
func oracleBody(b []byte) bool {
	body := &declarationv1.Body{}
	if len(b) > declaration.MaxBody || protojson.Unmarshal(b, body) != nil || body.GetRecord() == nil || hasUnspecified(body.ProtoReflect()) {
		return false
	}
	again, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(body)
	if err != nil {
		return false
	}
	again, err = jcs.Transform(again)
	return err == nil && bytes.Equal(again, b)
}

func oracleFormat(t interface{ Fatal(...any) }, body *declarationv1.Body) []byte {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = jcs.Transform(b); err != nil {
		t.Fatal(err)
	}
	return b
}

func hasUnspecified(m protoreflect.Message) bool {
	found := false
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		one := func(v protoreflect.Value) {
			switch fd.Kind() {
			case protoreflect.EnumKind:
				found = found || v.Enum() == 0
			case protoreflect.MessageKind:
				found = found || hasUnspecified(v.Message())
			}
		}
		if fd.IsList() {
			for i := range v.List().Len() {
				one(v.List().Get(i))
			}
		} else {
			one(v)
		}
		return !found
	})
	return found
}

// payloadJSON is a statement to encoding/json, and payloadPatterns what its
// strings look like: the regular expressions of FORMAT.md.
type payloadJSON struct {
	Body struct {
		SHA256 string `json:"sha256"`
		Size   int64  `json:"size"`
	} `json:"body"`
	City        string  `json:"city"`
	DeclaredAt  string  `json:"declared_at"`
	EffectiveOn string  `json:"effective_on"`
	Kind        string  `json:"kind"`
	Log         string  `json:"log"`
	Operation   string  `json:"operation"`
	Previous    *string `json:"previous,omitempty"`
	Provenance  string  `json:"provenance"`
	Revision    int64   `json:"revision"`
	Schema      int64   `json:"schema"`
	Subject     string  `json:"subject"`
}

var (
	hashPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	cityPattern    = regexp.MustCompile(`^[a-z]{2}(-[a-z0-9]+)+$`)
	datePattern    = regexp.MustCompile(`^[1-9][0-9]{3}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$`)
	timePattern    = regexp.MustCompile(`^[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`)
	logPattern     = regexp.MustCompile(`^[a-z0-9\-._~:\[\]]+(/[a-z0-9\-._~:\[\]]+)*$`)
	dotPattern     = regexp.MustCompile(`(^|/)\.\.?(/|$)`)
	subjectPattern = regexp.MustCompile(`^(mem|dep|use|asm|com|svc|not|fin)/[1-9][0-9]{0,8}$`)
	kindOfPrefix   = map[string]string{"mem": "member", "dep": "deployment", "use": "data_use", "asm": "assessment",
		"com": "commitment", "svc": "service", "not": "notice", "fin": "finding"}
)

func oracleStatement(b []byte) bool {
	var p payloadJSON
	if !decodeExactly(b, &p) {
		return false
	}
	sameDay := func(s string) bool {
		if len(s) < 10 {
			return true
		}
		t, err := time.Parse(time.DateOnly, s[:10])
		return err == nil && t.Format(time.DateOnly) == s[:10]
	}
	return p.Schema == 1 && p.Revision >= 1 && p.Revision <= 999_999_999 &&
		p.Body.Size >= 2 && p.Body.Size <= 262_144 && hashPattern.MatchString(p.Body.SHA256) &&
		(p.Revision == 1) == (p.Previous == nil) &&
		(p.Previous == nil || hashPattern.MatchString(*p.Previous) && *p.Previous != hexOf(make([]byte, 32))) &&
		cityPattern.MatchString(p.City) && len(p.City) <= 64 &&
		logPattern.MatchString(p.Log) && len(p.Log) <= 255 && !dotPattern.MatchString(p.Log) &&
		datePattern.MatchString(p.EffectiveOn) && sameDay(p.EffectiveOn) &&
		timePattern.MatchString(p.DeclaredAt) && sameDay(p.DeclaredAt) &&
		subjectPattern.MatchString(p.Subject) && kindOfPrefix[p.Subject[:3]] == p.Kind &&
		slices.Contains([]string{"PUBLISH", "AMEND", "WITHDRAW", "REINSTATE"}, p.Operation) &&
		slices.Contains([]string{"CITY_OWN", "IMPORTED_BY_CITY", "IMPORTED_BY_OTHERS"}, p.Provenance)
}

// decodeExactly decodes into v and reports whether v says all that b does, in the
// same bytes.
func decodeExactly(b []byte, v any) bool {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if !utf8.Valid(b) || d.Decode(v) != nil {
		return false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return false
	}
	again, err := json.Marshal(v)
	if err != nil {
		return false
	}
	again, err = jcs.Transform(again)
	return err == nil && bytes.Equal(again, b)
}

func oracleEnvelope(b []byte) bool {
	var e struct {
		Payload     string `json:"payload"`
		PayloadType string `json:"payloadType"`
		Signatures  []struct {
			KeyID string `json:"keyid"`
			Sig   string `json:"sig"`
		} `json:"signatures"`
	}
	if len(b) > declaration.MaxEntry || !decodeExactly(b, &e) || len(e.Signatures) < 1 || len(e.Signatures) > 8 {
		return false
	}
	standard := func(s string) ([]byte, bool) {
		p, err := base64.StdEncoding.DecodeString(s)
		return p, err == nil && base64.StdEncoding.EncodeToString(p) == s
	}
	last := ""
	for _, s := range e.Signatures {
		sig, ok := standard(s.Sig)
		if !ok || len(sig) != 64 || !hashPattern.MatchString(s.KeyID) || s.KeyID <= last {
			return false
		}
		last = s.KeyID
	}
	_, ok := standard(e.Payload)
	return ok
}

func sortBytes(b []byte) { slices.Sort(b) }

// parsers pairs each parser with its oracle and the archive of its vectors.
var parsers = []struct {
	name, vectors string
	accepts       func([]byte) bool
	oracle        func([]byte) bool
}{
	{"body", "bodies.txtar", func(b []byte) bool { _, err := declaration.ParseBody(b); return err == nil }, oracleBody},
	{"statement", "statements.txtar", func(b []byte) bool { _, err := declaration.ParseStatement(b); return err == nil }, oracleStatement},
	{"envelope", "envelopes.txtar", func(b []byte) bool { _, err := declaration.ParseEnvelope(b); return err == nil }, oracleEnvelope},
}

// TestI7ParsersAgreeWithLibraries mutates the vectors at random and holds the
// parsers to the oracles.
func TestI7ParsersAgreeWithLibraries(t *testing.T) {
	n := 60_000
	if testing.Short() {
		n = 5_000
	}
	for _, p := range parsers {
		t.Run(p.name, func(t *testing.T) {
			seeds := vectorInputs(t, p.vectors)
			accepted := 0
			for i := range uint64(n) {
				r := rand.New(rand.NewPCG(i, 10))
				b := []byte(seeds[r.IntN(len(seeds))])
				if i >= uint64(len(seeds)) {
					b = mutate(r, b)
				} else {
					b = []byte(seeds[i])
				}
				got := p.accepts(b)
				if want := p.oracle(b); got != want {
					t.Fatalf("seed %d: accepted: %v, oracle: %v: %q", i, got, want, b)
				}
				if got {
					accepted++
				}
			}
			if accepted < n/1000 {
				t.Errorf("only %d of %d accepted", accepted, n)
			}
			t.Logf("%d of %d accepted", accepted, n)
		})
	}
}
