package declaration_test

import (
	"testing"
	"time"

	"github.com/gowebpki/jcs"
	"google.golang.org/protobuf/encoding/protojson"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// BenchmarkParseBody also reports how many times longer a library's way takes:
// protojson, encode again, canonicalise, compare.
func BenchmarkParseBody(b *testing.B) {
	raw := sampleBytes(b, declaration.Deployment)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := declaration.ParseBody(raw); err != nil {
			b.Fatal(err)
		}
	}
	ours := b.Elapsed() / time.Duration(b.N)

	const n = 200
	start := time.Now()
	for range n {
		body := &declarationv1.Body{}
		if err := protojson.Unmarshal(raw, body); err != nil {
			b.Fatal(err)
		}
		again, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(body)
		if err != nil {
			b.Fatal(err)
		}
		if again, err = jcs.Transform(again); err != nil || string(again) != string(raw) {
			b.Fatalf("the oracle disagrees: %v", err)
		}
	}
	b.ReportMetric(float64(time.Since(start)/n)/float64(ours), "oracle/ours")
}

func BenchmarkFormatBody(b *testing.B) {
	body := sample(b, declaration.Deployment)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := declaration.FormatBody(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseSigned(b *testing.B) {
	entry := sampleEntry(b)
	b.SetBytes(int64(len(entry)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := declaration.ParseSigned(entry); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	e := sign(b, []byte(samplePayload(b)), 1)
	for b.Loop() {
		if err := e.Verify(testKeys); err != nil {
			b.Fatal(err)
		}
	}
}
