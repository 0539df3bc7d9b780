package importer_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/cityproof/cityproof/internal/importer"
	"github.com/cityproof/cityproof/internal/testenv"
)

func BenchmarkDutchRegister(b *testing.B) {
	data, err := os.ReadFile(testenv.Shared(b, "nl-algoritmeregister/algoritmes-2026-06-12.json"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := importer.Import("nl-algorithm-register", bytes.NewReader(data), importer.Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
