package declaration_test

import (
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

func TestI8SizesAreBounded(t *testing.T) {
	long := strings.Repeat("a", declaration.MaxBody)
	body := &declarationv1.Body{Language: proto.String(long), Record: &declarationv1.Body_Member{Member: &declarationv1.Member{}}}
	if _, err := declaration.FormatBody(body); err == nil {
		t.Error("FormatBody wrote more than MaxBody")
	}
	*body.Language = long[:len(long)-len(`{"language":"","member":{}}`)]
	b, err := declaration.FormatBody(body)
	if err != nil || len(b) != declaration.MaxBody {
		t.Fatalf("FormatBody of MaxBody bytes = %d bytes, %v", len(b), err)
	}
	if _, err := declaration.ParseBody(b); err != nil {
		t.Errorf("ParseBody of MaxBody bytes = %v", err)
	}
	if _, err := declaration.ParseBody([]byte(`{"language":"` + long + `","member":{}}`)); err == nil {
		t.Error("ParseBody read more than MaxBody")
	}
	if _, err := declaration.ParseEnvelope(make([]byte, declaration.MaxEntry+1)); err == nil || len(err.Error()) > 200 {
		t.Errorf("ParseEnvelope of too much = %v", err)
	}
	if _, err := declaration.ParseStatement(make([]byte, declaration.MaxEntry+1)); err == nil || len(err.Error()) > 200 {
		t.Errorf("ParseStatement of too much = %v", err)
	}
	if _, err := declaration.FormatBody(&declarationv1.Body{Language: proto.String("\xff"), Record: body.Record}); err == nil {
		t.Error("FormatBody wrote what is not UTF-8")
	}
	if _, err := declaration.FormatBody(nil); err == nil {
		t.Error("FormatBody of nothing gave a body")
	}
}

// TestI8MemoryIsBounded: the shortest items make the most of them. The largest
// body must not cost more than a node can spare for each of its requests.
func TestI8MemoryIsBounded(t *testing.T) {
	const bound = 64 << 20
	for _, c := range []struct{ before, item, after string }{
		{`{"deployment":{"sites":[`, `{}`, `]}}`},
		{`{"data_use":{"recipients":[`, `{}`, `]}}`},
		{`{"data_use":{"recipients":[`, `{"party":{}}`, `]}}`},
		{`{"deployment":{"feeds":[`, `""`, `]}}`},
		{`{"member":{},"reason":{"texts":[`, `{}`, `]}}`},
	} {
		n := (declaration.MaxBody - len(c.before) - len(c.after)) / (len(c.item) + 1)
		doc := []byte(c.before + strings.TrimSuffix(strings.Repeat(c.item+",", n), ",") + c.after)
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		body, err := declaration.ParseBody(doc)
		runtime.ReadMemStats(&end)
		if err != nil {
			t.Fatalf("%s: %v", c.item, err)
		}
		if got := end.TotalAlloc - start.TotalAlloc; got > bound {
			t.Errorf("%d items of %s cost %d bytes, more than %d", n, c.item, got, bound)
		}
		runtime.KeepAlive(body)
	}
}

// TestErrorsAreShort: what hostile input says reaches no log whole.
func TestErrorsAreShort(t *testing.T) {
	long := strings.Repeat("\x1b", 60_000)
	for name, err := range map[string]error{
		"member id": declaration.CheckMemberID(long),
		"origin":    declaration.CheckOrigin(long),
		"subject":   parseError(declaration.ParseSubject(long + "/1")),
		"number":    parseError(declaration.ParseSubject("dep/" + long)),
		"date":      parseError(declaration.ParseDate(long)),
		"key":       parseError(declaration.ParseBody([]byte(`{"` + strings.Repeat("k", 60_000) + `":1}`))),
		"enum":      parseError(declaration.ParseBody([]byte(`{"member":{"kind":"` + strings.Repeat("k", 60_000) + `"}}`))),
		"operation": parseError(declaration.ParseStatement([]byte(`{"operation":"` + strings.Repeat("k", 60_000) + `"}`))),
		"statement": parseError(declaration.ParseStatement([]byte(`{"` + strings.Repeat("k", 60_000) + `":""}`))),
		"envelope":  parseError(declaration.ParseEnvelope([]byte(`{"` + strings.Repeat("k", 60_000) + `":1}`))),
	} {
		if err == nil || len(err.Error()) > 400 || strings.ContainsRune(err.Error(), '\x1b') {
			t.Errorf("%s: error of %d bytes", name, len(err.Error()))
		}
	}
}

func parseError[T any](_ T, err error) error { return err }
