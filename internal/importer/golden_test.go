package importer_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
)

var update = flag.Bool("update", false, "write the golden files")

// goldens are invented files, one of each shape.
var goldens = []struct {
	format, file string
	opt          importer.Options
}{
	{"nl-algorithm-register", "nl-extract.json", importer.Options{Accountable: "Gemeente Kanaalstad", City: "nl-kanaalstad", Contact: "info@kanaalstad.example"}},
	{"nl-algorithm-register", "nl-standard.json", importer.Options{}},
	{"uk-atrs", "atrs.json", importer.Options{}},
	{"uk-atrs", "atrs.csv", importer.Options{}},
	{"nyc-local-law-35", "nyc.csv", importer.Options{}},
	{"flock-portal", "flock.csv", importer.Options{Country: "US"}},
	{"camera-csv", "camera.csv", importer.Options{As: "plaza-cameras", Language: "nl", Country: "NL", Accountable: "Gemeente Kanaalstad"}},
	{"camera-geojson", "camera.geojson", importer.Options{As: "plaza-cameras", Language: "nl", Country: "NL", Accountable: "Gemeente Kanaalstad"}},
	{"camera-geojson", "sensors.json", importer.Options{}},
}

func TestGolden(t *testing.T) {
	for _, g := range goldens {
		t.Run(g.file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", g.file))
			if err != nil {
				t.Fatal(err)
			}
			drafts, rep := importTwice(t, g.format, data, g.opt)
			got := append(printReport(rep), draft.Format(drafts)...)
			path := filepath.Join("testdata", g.file+".golden")
			if *update {
				if err := os.WriteFile(path, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("import differs from %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

func printReport(rep *importer.Report) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %d rows, %d drafts, %d skipped\n", rep.Rows, rep.Drafts, rep.Skipped)
	for _, u := range rep.Unread {
		fmt.Fprintf(&b, "# unread column %q: %d\n", u.Value, u.Rows)
	}
	for _, u := range rep.Unknown {
		fmt.Fprintf(&b, "# %q -> %s: %d, %s", u.Column, u.Field, u.Rows, u.Why)
		for _, v := range u.Values {
			fmt.Fprintf(&b, "; %q %d", v.Value, v.Rows)
		}
		b.WriteString("\n")
	}
	for _, p := range rep.Problems {
		fmt.Fprintf(&b, "# row %d %q, column %q: %s: %q\n", p.Row, p.ID, p.Column, p.Why, p.Value)
	}
	for _, f := range rep.Files {
		fmt.Fprintf(&b, "# file %s: %q\n", f.Name, f.Content)
	}
	return b.Bytes()
}
