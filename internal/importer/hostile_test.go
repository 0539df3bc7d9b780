package importer_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/importer"
)

var cameraOptions = importer.Options{As: "plaza", Language: "nl", Accountable: "Gemeente Kanaalstad"}

func TestMalformedFilesNameTheRow(t *testing.T) {
	const nl = "nl-algorithm-register"
	for _, c := range []struct {
		name, format, in string
		opt              importer.Options
		want             string // in the error
		row              int    // 0: no row
	}{
		{"empty JSON", nl, "", importer.Options{}, "the file ends in the middle", 0},
		{"empty CSV", "uk-atrs", "", importer.Options{}, "the file is empty", 0},
		{"not JSON", nl, "id,title", importer.Options{}, "invalid character", 0},
		{"a number", nl, "7", importer.Options{}, "want a list or an object", 0},
		{"a row that is no object", nl, `[{"id":"1"},[]]`, importer.Options{}, "want an object", 2},
		{"a list under the key missing", nl, `{"algoritmes":{}}`, importer.Options{}, "want one list", 0},
		{"a cut file", nl, `{"algoritmes":[{"id":"1"},{"id":`, importer.Options{}, "ends in the middle", 2},
		{"a key twice", nl, `[{"id":"1","id":"2"}]`, importer.Options{}, `the key "id" stands twice`, 1},
		{"two lists", nl, `{"algoritmes":[],"algoritmes":[]}`, importer.Options{}, "want one list", 0},
		{"text after the end", nl, `[] []`, importer.Options{}, "something follows", 0},
		{"deep nesting", nl, `[{"id":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]`, importer.Options{}, "nested deeper", 1},
		{"too many values", nl, `[{"id":[` + strings.Repeat("1,", 20_000) + `1]}]`, importer.Options{}, "values in one row", 1},
		{"too many rows", nl, "[" + strings.Repeat("{},", importer.MaxRows) + "{}]", importer.Options{}, "import the file in parts", importer.MaxRows + 1},
		{"Latin-1", nl, "[{\"title\":\n\"caf\xe9\"}]", importer.Options{}, "line 2 is not UTF-8", 0},
		{"UTF-16", "uk-atrs", "\xff\xfet\x00", importer.Options{}, "not UTF-8", 0},
		{"a quote in a cell", "uk-atrs", "tool_name,url\na,b\nx\"y,z\n", importer.Options{}, "bare", 2},
		{"an open quote", "uk-atrs", "tool_name,url\n\"a,b\n", importer.Options{}, "quote", 1},
		{"a cell too many", "uk-atrs", "tool_name,url\na,b\na,b,c\n", importer.Options{}, "wrong number of fields", 2},
		{"a column twice", "uk-atrs", "tool_name,url,url\n", importer.Options{}, "twice", 0},
		{"a column missing", "nyc-local-law-35", "year,agency\n", importer.Options{}, `no column "tool_name"`, 0},
		{"the sharing edges instead of the portals", "flock-portal", "src_agency,external_agency\n", importer.Options{}, "right format", 0},
		{"too many columns", "uk-atrs", strings.Repeat("x,", 600) + "\n", importer.Options{}, "more than 500", 0},
		{"no latitude", "camera-csv", "location,longitude\na,1\n", cameraOptions, "latitude", 1},
		{"two latitudes", "camera-csv", "lat,latitude,lon\n1,2,3\n", cameraOptions, "leave one", 1},
		{"a line for a camera", "camera-geojson", `{"features":[{"type":"Feature","geometry":{"type":"LineString","coordinates":[]}}]}`, cameraOptions, "point", 1},
		{"no coordinates", "camera-geojson", `{"features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[1]}}]}`, cameraOptions, "coordinates", 1},
		{"no language", "camera-geojson", `[{"lat":1,"lng":2}]`, importer.Options{As: "plaza"}, "language", 1},
		{"no nickname", "camera-geojson", `[{"lat":1,"lng":2}]`, importer.Options{Language: "nl"}, "--as", 1},
		{"no nickname for CSV", "camera-csv", "lat,lng\n", importer.Options{Language: "nl"}, "--as", 0},
		{"no language for CSV", "camera-csv", "lat,lng\n", importer.Options{As: "plaza"}, "language", 0},
		{"a bad nickname", "camera-csv", "lat,lng\n", importer.Options{As: "Plaza 1", Language: "nl"}, "no nickname", 0},
		{"a nickname for a register", nl, "[]", importer.Options{As: "plaza"}, "camera lists", 0},
		{"an unknown provenance", nl, "[]", importer.Options{Provenance: "HEARSAY"}, "HEARSAY", 0},
		{"an unknown format", "xlsx", "", importer.Options{}, "unknown format", 0},
	} {
		drafts, rep, err := importer.Import(c.format, strings.NewReader(c.in), c.opt)
		var row *importer.RowError
		got := 0
		if errors.As(err, &row) {
			got = row.Row
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || got != c.row || drafts != nil || rep != nil {
			t.Errorf("%s: error %v (row %d), want %q in row %d and no drafts", c.name, err, got, c.want, c.row)
		}
	}
}

// endless gives spaces for ever: only a byte limit ends it.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestI8ReadIsBounded(t *testing.T) {
	if _, _, err := importer.Import("nl-algorithm-register", endless{}, importer.Options{}); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("Import of an endless file: %v", err)
	}
	broken := errors.New("the disk is gone")
	if _, _, err := importer.Import("uk-atrs", &failing{broken}, importer.Options{}); !errors.Is(err, broken) {
		t.Errorf("Import from a failing reader: %v, want %v", err, broken)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

func TestReportIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("lat,lng\n")
	for i := range 12_000 {
		fmt.Fprintf(&b, "north%d,1\n", i)
	}
	_, rep := importTwice(t, "camera-csv", []byte(b.String()), cameraOptions)
	compare(t, []counted{
		{"problems", len(rep.Problems), 10_000},
		{"more problems", rep.MoreProblems, 2_000},
		{"different values", len(rep.Unknown[0].Values), 200},
		{"rows with them", rep.Unknown[0].Rows, 12_000},
	})
}

func TestHostileCells(t *testing.T) {
	in := "\ufefftool_name,url,publishing_body,description\r\n" +
		"\"a\x00b\u202ec\",\"https://www.gov.example/records/x\ny\",\"=cmd|' /C calc'!A0\",\"+1\r\n-2\"\r\n" +
		"\"<script>alert(1)</script>\",javascript:alert(1),\"<img src=x onerror=y>\",\"''; DROP TABLE x; --\"\r\n" +
		"\"" + strings.Repeat("n", 5000) + "\",https://www.gov.example/records/long," + strings.Repeat("o", 500) + "," + strings.Repeat("d", 9000) + "\r\n"
	drafts, rep := importTwice(t, "uk-atrs", []byte(in), importer.Options{})
	name := func(i int) string { return drafts[i].Body.GetDeployment().GetName().GetTexts()[0].GetValue() }
	party := drafts[0].Body.GetDeployment().GetParties()[0].GetName()
	summary := drafts[0].Body.GetDeployment().GetSummary().GetTexts()[0].GetValue()
	switch {
	case len(drafts) != 3 || rep.Skipped != 0:
		t.Fatalf("%d drafts, %d skipped; want 3, 0", len(drafts), rep.Skipped)
	case name(0) != "abc" || party != "=cmd|' /C calc'!A0" || summary != "+1\n-2":
		t.Errorf("name %q, party %q, summary %q", name(0), party, summary)
	case name(1) != "alert(1)" || len(drafts[1].Body.GetImportedFrom()) != 0:
		t.Errorf("name %q, imported from %q", name(1), drafts[1].Body.GetImportedFrom())
	case len([]rune(name(2))) != 100 || drafts[2].Body.GetDeployment().GetSummary() != nil:
		t.Errorf("name of %d characters, summary %v", len([]rune(name(2))), drafts[2].Body.GetDeployment().GetSummary())
	}
	cut := 0
	for _, p := range rep.Problems {
		if strings.Contains(p.Why, "longer than") {
			cut++
		}
	}
	if cut != 3 { // name, party and purpose_text
		t.Errorf("%d shortened texts are reported, want 3: %v", cut, rep.Problems)
	}
}

func TestNoPersonalAddressAnywhere(t *testing.T) {
	const person = "jan.voorbeeld@stad.example"
	in := fmt.Sprintf(`[{"id":"1 %[1]s","title":"T %[1]s","organisatie":"O %[1]s","status":"%[1]s","impactassessment":"%[1]s",
		"juridische_basis":"%[1]s","doel":"<b>%[1]s</b>","url":"https://a.example/?q=%[1]s"},
		{"organization":"O","name":"N","contact_email":"%[1]s","provider":"%[1]s","website":"%[1]s","risks":"%[1]s","lars":"2","impacttoetsen_grouping":[{"title":"%[1]s"}]}]`, person)
	drafts, rep := importTwice(t, "nl-algorithm-register", []byte(in), importer.Options{})
	for _, d := range drafts {
		if bytes.Contains(formatted(t, d), []byte("voorbeeld@")) {
			t.Errorf("%s: the body holds the address", d.Nickname())
		}
		for _, u := range d.Unknown {
			if strings.Contains(u.Value, "voorbeeld@") {
				t.Errorf("%s: the note on %s holds the address", d.Nickname(), u.Column)
			}
		}
	}
	if text := fmt.Sprintf("%+v", rep); strings.Contains(text, "voorbeeld@") {
		t.Errorf("the report holds the address: %s", text)
	}
}

func TestManySitesBecomeAnAttachment(t *testing.T) {
	list := func(rows, label int) []byte {
		var b strings.Builder
		b.WriteString("camera_id,location,latitude,longitude\n")
		for i := range rows {
			fmt.Fprintf(&b, "%d,%s,52.%07d,4.9\n", i, strings.Repeat("é", label), i)
		}
		return []byte(b.String())
	}
	for _, c := range []struct {
		name         string
		rows, label  int
		sites, files int
	}{
		{"as many as a body holds", 2000, 0, 2000, 0},
		{"one more", 2001, 0, 0, 1},
		{"fewer, but longer than a body may be", 1000, 200, 0, 1},
	} {
		drafts, rep := importTwice(t, "camera-csv", list(c.rows, c.label), cameraOptions)
		dep := drafts[0].Body.GetDeployment()
		if len(drafts) != 1 || len(dep.GetSites()) != c.sites || len(rep.Files) != c.files || int(dep.GetUnits()) != c.rows {
			t.Errorf("%s: %d sites and %d files of %d units, want %d and %d", c.name, len(dep.GetSites()), len(rep.Files), dep.GetUnits(), c.sites, c.files)
		}
		if c.files == 0 {
			continue
		}
		a, f := drafts[0].Body.GetAttachments()[0], drafts[0].Files[0]
		sum := sha256.Sum256(rep.Files[0].Content)
		if !bytes.Equal(a.GetSha256(), sum[:]) || f.SHA256 != sum || f.Name != rep.Files[0].Name || bytes.Count(rep.Files[0].Content, []byte(`"Point"`)) != c.rows {
			t.Errorf("%s: the attachment does not hold all %d sites under its hash", c.name, c.rows)
		}
		// What was written reads back: it is a camera list.
		again, _ := importTwice(t, "camera-geojson", slices.Clone(rep.Files[0].Content), cameraOptions)
		if n := int(again[0].Body.GetDeployment().GetUnits()); n != c.rows {
			t.Errorf("%s: the attachment reads back as %d cameras", c.name, n)
		}
	}
}

func TestOptions(t *testing.T) {
	data, err := os.ReadFile("testdata/nl-extract.json")
	if err != nil {
		t.Fatal(err)
	}
	day := declaration.Date{Year: 2026, Month: 7, Day: 1}
	drafts, rep := importTwice(t, "nl-algorithm-register", data,
		importer.Options{Only: "Gemeente Duinwijk", Provenance: declaration.ImportedByOthers, Retrieved: day})
	if len(drafts) != 1 || rep.Skipped != 3 || drafts[0].Provenance != declaration.ImportedByOthers || drafts[0].EffectiveOn != day {
		t.Errorf("%d drafts, %d skipped, provenance %s, effective %v", len(drafts), rep.Skipped, drafts[0].Provenance, drafts[0].EffectiveOn)
	}
	organisations, err := importer.Organisations("nl-algorithm-register", bytes.NewReader(data))
	want := []importer.OrganisationCount{{Name: "Gemeente Duinwijk", Rows: 1}, {Name: "Gemeente Kanaalstad", Rows: 2}, {Name: "NA", Rows: 1}}
	if err != nil || !slices.Equal(organisations, want) {
		t.Errorf("Organisations = %v, %v; want %v", organisations, err, want)
	}
	if _, err := importer.Organisations("xlsx", nil); err == nil {
		t.Error("Organisations of an unknown format gives no error")
	}
}
