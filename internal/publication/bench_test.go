package publication_test

import (
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// benchBodies are the plaza's records; the camera's body has about 3 KB.
func benchBodies(b *testing.B) []publication.Record {
	b.Helper()
	records := plaza()
	for _, r := range records {
		raw, err := declaration.FormatBody(r.Body)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%s: %d bytes", r.Statement.Subject, len(raw))
	}
	return records
}

func BenchmarkCheckRecord(b *testing.B) {
	for _, r := range benchBodies(b) {
		b.Run(string(r.Statement.Subject.Kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got := publication.CheckRecord(r, time.Time{}); got != nil {
					b.Fatal(show(got))
				}
			}
		})
	}
}

func BenchmarkCheckLive(b *testing.B) {
	records := benchBodies(b)
	for i, r := range records {
		others := append(append([]publication.Record(nil), records[:i]...), records[i+1:]...)
		live := city(others...)
		b.Run(string(r.Statement.Subject.Kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := publication.CheckLive([]publication.Record{r}, nil, live); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkApply(b *testing.B) {
	records := benchBodies(b)
	b.ReportAllocs()
	for b.Loop() {
		m := publication.NewMemory()
		for i, r := range records {
			m.Apply(r, leaf(i))
		}
	}
}

// BenchmarkHostile is what the worst bodies that we know cost the door.
func BenchmarkHostile(b *testing.B) {
	for name, r := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				publication.CheckRecord(r, time.Time{})
			}
		})
	}
}
