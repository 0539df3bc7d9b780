package shorthand_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// catalogue is a city's services in one file.
func catalogue(t testing.TB, n int) string {
	t.Helper()
	data, err := examples.ReadFile("g-service.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range n {
		b.WriteString("---\n" + strings.Replace(string(data), "birth-registration", fmt.Sprintf("service-%d", i), 1))
	}
	return b.String()
}

// TestWholeCatalogue: 1,000 services and more are one batch.
func TestWholeCatalogue(t *testing.T) {
	drafts := mustParse(t, catalogue(t, 1500))
	if len(drafts) != 1500 {
		t.Fatalf("%d drafts, want 1500", len(drafts))
	}
	again, err := draft.Parse("long", draft.Format(drafts))
	if err != nil || len(again) != len(drafts) {
		t.Fatalf("%d drafts of the long form, %v", len(again), err)
	}
	if line := draft.Line(again[1499], "service.status"); line == 0 || again[1498].Body.GetNickname() != "service-1498" {
		t.Errorf("line %d of %q", line, again[1498].Body.GetNickname())
	}
}

func BenchmarkParseCatalogue(b *testing.B) {
	data, ws := []byte(catalogue(b, 1000)), workspace(b)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := shorthand.Parse("f", data, ws, examples); err != nil {
			b.Fatal(err)
		}
	}
}
