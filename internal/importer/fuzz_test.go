package importer_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/importer"
)

// fuzzImport holds of any file: no panic; and if it is read, that the drafts are
// the same a second time, have canonical bodies, and hold nothing that the door
// refuses (importTwice).
func fuzzImport(f *testing.F, format string, opt importer.Options) {
	for _, g := range goldens {
		if g.format != format {
			continue
		}
		data, err := os.ReadFile(filepath.Join("testdata", g.file))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, _, err := importer.Import(format, bytes.NewReader(data), opt); err != nil {
			return
		}
		importTwice(t, format, data, opt)
		if _, err := importer.Organisations(format, bytes.NewReader(data)); err != nil {
			t.Errorf("Organisations of a file that imports: %v", err)
		}
	})
}

// FuzzCells puts any words into the columns that each format knows: what bytes
// alone would take long to reach.
func FuzzCells(f *testing.F) {
	f.Add("1", "In gebruik", "https://a.example/x", byte(0))
	f.Add("30 days", "A, B (c, d), A", "jan.voorbeeld@stad.example", byte(1))
	f.Add("52.37", "<p>x &amp; y</p>", "2021/10", byte(2))
	f.Add("", "NA", "2022", byte(3))
	f.Add("\u200b\u202e\x00", "o.a. Dit. Dat", "Computer vision; Other: x", byte(4))
	f.Fuzz(func(t *testing.T, a, b, c string, turn byte) {
		cells := []string{a, b, c}
		formats := importer.Formats()
		format := formats[int(turn)%len(formats)]
		row, header := map[string]any{}, []string{}
		var line []string
		for i, column := range format.Known() {
			cell := strings.ToValidUTF8(cells[(i+int(turn)/len(formats))%3], "?")
			if column == "lat" || column == "lng" || column == "lon" || column == "long" || column == "sensorType" && turn&1 == 0 {
				continue // one latitude and longitude; sensors in every other turn
			}
			if i%7 == 6 {
				row[column] = []any{cell, map[string]any{"title": cell, "name": cell}}
			} else {
				row[column] = cell
			}
			header, line = append(header, column), append(line, cell)
		}
		row["feature"] = map[string]any{"properties": map[string]any{"originalData": map[string]any{"reference": a, "location": map[string]any{"latitude": b, "longitude": c}}}}
		opt := importer.Options{}
		if strings.HasPrefix(format.Name, "camera") {
			opt = cameraOptions
		}
		asJSON, err := json.Marshal([]any{row, row})
		if err != nil {
			t.Fatal(err)
		}
		var asCSV bytes.Buffer
		w := csv.NewWriter(&asCSV)
		if err := w.WriteAll([][]string{header, line, line}); err != nil {
			t.Fatal(err)
		}
		read := 0
		for _, data := range [][]byte{asJSON, asCSV.Bytes()} {
			if _, _, err := importer.Import(format.Name, bytes.NewReader(data), opt); err == nil {
				importTwice(t, format.Name, data, opt)
				read++
			}
		}
		if read == 0 && format.Name != "camera-geojson" {
			t.Errorf("%s reads neither %s nor %s", format.Name, asJSON, asCSV.Bytes())
		}
	})
}

func FuzzNL(f *testing.F) { fuzzImport(f, "nl-algorithm-register", importer.Options{}) }

func FuzzATRS(f *testing.F) { fuzzImport(f, "uk-atrs", importer.Options{}) }

func FuzzNYC(f *testing.F) { fuzzImport(f, "nyc-local-law-35", importer.Options{}) }

func FuzzFlock(f *testing.F) { fuzzImport(f, "flock-portal", importer.Options{Country: "US"}) }

func FuzzCameraCSV(f *testing.F) { fuzzImport(f, "camera-csv", cameraOptions) }

func FuzzCameraJSON(f *testing.F) { fuzzImport(f, "camera-geojson", cameraOptions) }
