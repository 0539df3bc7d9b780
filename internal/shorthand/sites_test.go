package shorthand_test

import (
	"fmt"
	"strings"
	"testing"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

func withSites(t *testing.T, name, content string) (*draft.Draft, error) {
	t.Helper()
	drafts, err := shorthand.Parse("f.yaml", []byte("deployment: x\nsites: "+name+"\n"), workspace(t), memory{name: content})
	if err != nil {
		return nil, err
	}
	return drafts[0], nil
}

func describe(sites []*declarationv1.Site) string {
	var out []string
	for _, s := range sites {
		line := s.GetLabel()
		if s.Point != nil {
			line += fmt.Sprintf(" %d,%d", s.Point.GetLatitudeE7(), s.Point.GetLongitudeE7())
		}
		for _, c := range s.GetArea().GetCorners() {
			line += fmt.Sprintf(" (%d,%d)", c.GetLatitudeE7(), c.GetLongitudeE7())
		}
		out = append(out, line)
	}
	return strings.Join(out, "; ")
}

func TestSitesFromFiles(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"columns in any order": {"a.csv", "latitude,longitude,location,camera_id\n52.3701,4.9001,NO,1\n", "1 NO 523701000,49001000"},
		"exact decimals":       {"a.csv", "longitude,latitude\n-0.0000001,0.3000000\n179.9999999,89.1234567\n", " 3000000,-1;  891234567,1799999999"},
		"semicolons":           {"a.csv", "camera_id;longitude;latitude\n1;4.9;52.3\n", "1 523000000,49000000"},
		"no place, only names": {"a.csv", "location\nMarkt\n\"Plein, zuid\"\n", "Markt; Plein, zuid"},
		"byte order mark":      {"a.csv", "\ufefflocation\r\nMarkt\r\n", "Markt"},
		"upper-case extension": {"A.CSV", "location\nMarkt\n", "Markt"},
		"points":               {"a.geojson", `{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"camera_id":7,"location":"NO"},"geometry":{"type":"Point","coordinates":[4.9001,52.3701]}}]}`, "7 NO 523701000,49001000"},
		"height is left out":   {"a.geojson", `{"type":"FeatureCollection","features":[{"geometry":{"type":"Point","coordinates":[4,52,3.5]}}]}`, " 520000000,40000000"},
		"polygon":              {"a.geojson", `{"type":"FeatureCollection","features":[{"properties":{"name":"Centrum"},"geometry":{"type":"Polygon","coordinates":[[[1,2],[3,4],[5,6],[1,2]]]}}]}`, "Centrum (20000000,10000000) (40000000,30000000) (60000000,50000000)"},
	} {
		d, err := withSites(t, c.file, c.content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := describe(d.Body.GetDeployment().GetSites()); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if len(d.Files) != 0 || len(d.Body.Attachments) != 0 {
			t.Errorf("%s: a short list became an attachment", name)
		}
	}
}

func TestSitesRefuse(t *testing.T) {
	feature := func(geometry string) string {
		return `{"type":"FeatureCollection","features":[{"geometry":` + geometry + `}]}`
	}
	for name, c := range map[string]struct{ file, content, want string }{
		"empty file":              {"a.csv", "", "the file is empty"},
		"header only":             {"a.csv", "location\n", "lists no place"},
		"unknown column":          {"a.csv", "location,lattitude\nx,1\n", "did you mean latitude?"},
		"column twice":            {"a.csv", "location,location\nx,y\n", "repeated column"},
		"too many cells":          {"a.csv", "location\nx,y\n", "no CSV"},
		"half a point":            {"a.csv", "longitude,latitude\n4.9,\n", "line 2: latitude or longitude is missing"},
		"comma decimals":          {"a.csv", "longitude;latitude\n4,9;52,3\n", "no number of degrees"},
		"exponent":                {"a.csv", "longitude,latitude\n4.9e0,52\n", "no number of degrees"},
		"too exact":               {"a.csv", "longitude,latitude\n4.90010001,52\n", "more than 7 decimals"},
		"swapped":                 {"a.csv", "longitude,latitude\n52,104\n", "is latitude taken for longitude?"},
		"empty row":               {"a.csv", "location,longitude,latitude\n,,\n", "the row is empty"},
		"not UTF-8":               {"a.csv", "location\nCaf\xe9\n", "not UTF-8"},
		"control character":       {"a.csv", "location\na\x1bb\n", "control character"},
		"not JSON":                {"a.geojson", "x", "no GeoJSON"},
		"no collection":           {"a.geojson", `{"type":"Feature"}`, "no FeatureCollection"},
		"line":                    {"a.geojson", feature(`{"type":"LineString","coordinates":[[1,2],[3,4]]}`), "only Point and Polygon"},
		"hole":                    {"a.geojson", feature(`{"type":"Polygon","coordinates":[[[1,2],[3,4],[5,6],[1,2]],[[1,2],[3,4],[5,6],[1,2]]]}`), "without holes"},
		"open ring":               {"a.geojson", feature(`{"type":"Polygon","coordinates":[[[1,2],[3,4],[5,6],[7,8]]]}`), "does not end where it begins"},
		"ring out of range":       {"a.geojson", feature(`{"type":"Polygon","coordinates":[[[1,200],[3,4],[5,6],[1,200]]]}`), "out of range"},
		"coordinate as text":      {"a.geojson", feature(`{"type":"Point","coordinates":["x","y"]}`), "not [longitude, latitude]"},
		"exponent in coordinates": {"a.geojson", feature(`{"type":"Point","coordinates":[1e1,2]}`), "no number of degrees"},
	} {
		if _, err := withSites(t, c.file, c.content); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestManyBadRowsAreCutShort(t *testing.T) {
	_, err := withSites(t, "a.csv", "longitude,latitude\n"+strings.Repeat("x,y\n", 1000))
	if n := strings.Count(err.Error(), "\n"); n > 15 {
		t.Errorf("%d lines of problems for one wrong column", n)
	}
}

func TestLongListBecomesAttachment(t *testing.T) {
	for n, attached := range map[int]bool{2000: false, 2001: true} {
		content := "location\n" + strings.Repeat("Markt\n", n)
		d, err := withSites(t, "many.csv", content)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(d.Body.Attachments) == 1 && len(d.Files) == 1; got != attached {
			t.Errorf("%d sites: attachment %v, want %v", n, got, attached)
		}
		if want := n; !attached && len(d.Body.GetDeployment().GetSites()) != want || attached && len(d.Body.GetDeployment().GetSites()) != 0 {
			t.Errorf("%d sites: %d in the record", n, len(d.Body.GetDeployment().GetSites()))
		}
		if attached {
			if a := d.Body.Attachments[0]; a.GetMediaType() != "text/csv" || int(a.GetSize()) != len(content) || a.GetTitle() != "many.csv" {
				t.Errorf("attachment %v", a)
			}
		}
		if d.Body.GetDeployment().Units != nil {
			t.Error("units were counted from sites")
		}
	}
	if _, err := withSites(t, "many.csv", "longitude,latitude\n"+strings.Repeat("4,52\n", 2001)+"x,y\n"); err == nil {
		t.Error("a bad row behind the first 2,000 was not noticed")
	}
}

func TestAttachments(t *testing.T) {
	drafts, err := shorthand.Parse("f.yaml", []byte("assessment: x\nreport: {title: Verslag, file: sub/a.PDF, as_of: 2026-01}\nattachments: [b.csv, b.csv]\n"),
		workspace(t), memory{"sub/a.PDF": "%PDF", "b.csv": "x"})
	if err != nil {
		t.Fatal(err)
	}
	d := drafts[0]
	if r := d.Body.GetAssessment().GetReport(); r.GetTitle() != "Verslag" || r.GetMediaType() != "application/pdf" || r.GetSize() != 4 || r.GetAsOf() != "2026-01" || len(r.GetSha256()) != 32 {
		t.Errorf("report %v", r)
	}
	if len(d.Files) != 2 || d.Files[0].Name != "sub/a.PDF" || d.Files[1].Name != "b.csv" {
		t.Errorf("files %v: each is uploaded once", d.Files)
	}
	if _, err := shorthand.Parse("f.yaml", []byte("assessment: x\nreport: big.pdf\n"), workspace(t), memory{"big.pdf": strings.Repeat("x", 10<<20+1)}); err == nil ||
		!strings.Contains(err.Error(), "more than 10 MiB") {
		t.Errorf("a report of more than 10 MiB: %v", err)
	}
}
