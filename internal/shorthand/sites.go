package shorthand

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
)

// maxSites of one record; a longer list is an attachment.
const maxSites = 2000

var decimalDegrees = regexp.MustCompile(`^(-?)([0-9]{1,3})(?:\.([0-9]+))?$`)

// degrees reads a decimal number of degrees as an integer of 1e-7, exactly: no
// float ever holds it.
func (v value) degrees(limit int64) (*int32, bool) {
	m := decimalDegrees.FindStringSubmatch(v.text)
	if m == nil {
		v.fail("this is no number of degrees", "write for example 52.3701 (a point, no comma, no exponent)")
		return nil, false
	}
	fraction := strings.TrimRight(m[3], "0")
	if len(fraction) > 7 {
		v.fail("this has more than 7 decimals", "round it: 7 decimals are a centimetre")
		return nil, false
	}
	var n int64
	for _, c := range m[2] + fraction + strings.Repeat("0", 7-len(fraction)) {
		n = n*10 + int64(c-'0')
	}
	if m[1] == "-" {
		n = -n
	}
	if n > limit*1e7 || n < -limit*1e7 {
		v.fail(fmt.Sprintf("the degrees are out of range: -%d to %d", limit, limit), "is latitude taken for longitude?")
		return nil, false
	}
	return ptr(int32(n)), true
}

func readDegrees(field protoreflect.Name, limit int64) func(value, protoreflect.Message) {
	return func(v value, m protoreflect.Message) {
		if at, ok := v.into(m, field); ok && at.scalar("degrees") {
			if n, ok := at.degrees(limit); ok {
				set(m, field, protoreflect.ValueOfInt32(*n))
			}
		}
	}
}

// readSites reads a list of sites, or a file of them.
func readSites(v value, m protoreflect.Message) {
	fd := m.Descriptor().Fields().ByName("sites")
	ext := strings.ToLower(path.Ext(v.text))
	if v.n.Shape != draft.Scalar || v.n.Absent || ext != ".csv" && ext != ".geojson" {
		v.assign(m, fd)
		return
	}
	at, ok := v.into(m, "sites")
	if !ok || !at.words("a file") {
		return
	}
	data, ok := at.read(at.text)
	if !ok {
		return
	}
	list := siteList{v: at}
	if ext == ".csv" {
		list.csv(data)
	} else {
		list.geoJSON(data)
	}
	if list.failed > 0 {
		return
	}
	if list.count > maxSites {
		a := &declarationv1.Attachment{}
		at.path = "attachments"
		at.attach(at.text, a)
		at.rec.d.Body.Attachments = append(at.rec.d.Body.Attachments, a)
		return
	}
	sites := m.Mutable(fd).List()
	for _, s := range list.sites {
		sites.Append(protoreflect.ValueOfMessage(s.ProtoReflect()))
	}
}

// siteList collects the sites of a file; of those beyond maxSites only the number. Their
// values are checked all the same.
type siteList struct {
	v      value
	sites  []*declarationv1.Site
	count  int
	failed int
}

// maxSiteProblems of one file: a wrong column is wrong in every row.
const maxSiteProblems = 10

func (l *siteList) add(s *declarationv1.Site) {
	if l.count++; l.count <= maxSites {
		l.sites = append(l.sites, s)
	}
}

// row is the place of one row or feature in messages.
func (l *siteList) row(what string, n int) value {
	at := l.v
	at.shown = fmt.Sprintf("%s, %s %d", at.shown, what, n)
	return at
}

// problems counts what check reports, and says whether to go on.
func (l *siteList) problems(check func()) (goOn bool) {
	before := len(l.v.rec.problems)
	check()
	l.failed += len(l.v.rec.problems) - before
	return l.failed < maxSiteProblems
}

var siteColumns = []string{"camera_id", "location", "longitude", "latitude"}

func (l *siteList) csv(data []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		l.problems(func() { l.v.fail("the file is not UTF-8", "save it as CSV UTF-8") })
		return
	}
	r := csv.NewReader(bytes.NewReader(data))
	first, _, _ := bytes.Cut(data, []byte("\n"))
	if bytes.IndexByte(first, ',') < 0 && bytes.IndexByte(first, ';') >= 0 {
		r.Comma = ';' // what spreadsheets write where the comma is the decimal mark
	}
	header, err := r.Read()
	if err != nil {
		l.problems(func() {
			l.v.fail("the file has no header: "+err.Error(), "the columns are "+strings.Join(siteColumns, ", "))
		})
		return
	}
	columns := map[string]int{}
	for i, name := range header {
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := columns[name]; twice || !slices.Contains(siteColumns, name) {
			l.problems(func() {
				l.row("line", 1).part(name).fail("unknown or repeated column", "the columns are "+strings.Join(siteColumns, ", "),
					draft.Nearest(name, siteColumns)...)
			})
		}
		columns[name] = i
	}
	if l.failed > 0 {
		return
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			l.problems(func() { l.v.fail("the file is no CSV: "+err.Error(), "") })
			return
		}
		line, _ := r.FieldPos(0)
		if !l.problems(func() { l.csvRow(l.row("line", line), columns, row) }) {
			return
		}
	}
	if l.count == 0 && l.failed == 0 {
		l.problems(func() { l.v.fail("the file lists no place", "") })
	}
}

func (l *siteList) csvRow(at value, columns map[string]int, row []string) {
	cell := func(name string) string {
		if i, ok := columns[name]; ok {
			return strings.TrimSpace(row[i])
		}
		return ""
	}
	l.add(site(at, strings.TrimSpace(cell("camera_id")+" "+cell("location")), cell("latitude"), cell("longitude")))
}

// site makes a site of a label and decimal degrees, either of which may be empty.
func site(at value, label, latitude, longitude string) *declarationv1.Site {
	s := &declarationv1.Site{}
	if strings.ContainsFunc(label, hidden) {
		at.part(label).fail("a control character stands in it", "remove it")
	}
	if label != "" {
		s.Label = &label
	}
	switch {
	case latitude == "" && longitude == "":
		if label == "" {
			at.part("").fail("the row is empty", "remove it")
		}
	case latitude == "" || longitude == "":
		at.part("").fail("latitude or longitude is missing", "")
	default:
		s.Point = &declarationv1.Point{}
		s.Point.LatitudeE7, _ = at.part(latitude).degrees(90)
		s.Point.LongitudeE7, _ = at.part(longitude).degrees(180)
	}
	return s
}

// GeoJSON as RFC 7946 has it, of which we take points and polygons without holes.
type geoCollection struct {
	Type     string       `json:"type"`
	Features []geoFeature `json:"features"`
}

type geoFeature struct {
	Type     string `json:"type"`
	Geometry struct {
		Type        string          `json:"type"`
		Coordinates json.RawMessage `json:"coordinates"`
	} `json:"geometry"`
	Properties map[string]any `json:"properties"`
}

func (l *siteList) geoJSON(data []byte) {
	var c geoCollection
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&c); err != nil {
		l.problems(func() { l.v.fail("the file is no GeoJSON: "+err.Error(), "") })
		return
	}
	if c.Type != "FeatureCollection" || len(c.Features) == 0 {
		l.problems(func() { l.v.fail("the file is no FeatureCollection with features", "") })
		return
	}
	for i, f := range c.Features {
		if !l.problems(func() { l.feature(l.row("feature", i+1), f) }) {
			return
		}
	}
}

func (l *siteList) feature(at value, f geoFeature) {
	at.text = ""
	var label []string
	for _, key := range []string{"camera_id", "location", "name", "label"} {
		switch p := f.Properties[key].(type) {
		case string:
			label = append(label, strings.TrimSpace(p))
		case json.Number:
			label = append(label, p.String())
		}
	}
	text := strings.TrimSpace(strings.Join(label, " "))
	switch f.Geometry.Type {
	case "Point":
		if pair, ok := at.position(f.Geometry.Coordinates); ok {
			l.add(site(at, text, pair[1], pair[0]))
		}
	case "Polygon":
		var rings []json.RawMessage
		if json.Unmarshal(f.Geometry.Coordinates, &rings) != nil || len(rings) != 1 {
			at.fail("a polygon must have one ring, without holes", "")
			return
		}
		if area := at.ring(rings[0]); area != nil {
			s := &declarationv1.Site{Area: area}
			if text != "" {
				s.Label = &text
			}
			l.add(s)
		}
	default:
		at.part(f.Geometry.Type).fail("only Point and Polygon are read", "")
	}
}

// position reads [longitude, latitude], as text.
func (v value) position(raw json.RawMessage) ([2]string, bool) {
	var pair []json.Number
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&pair); err != nil || len(pair) < 2 || len(pair) > 3 {
		v.fail("the coordinates are not [longitude, latitude]", "")
		return [2]string{}, false
	}
	return [2]string{pair[0].String(), pair[1].String()}, true
}

// ring reads a polygon's outer ring; GeoJSON repeats its first corner at the end,
// we don't.
func (v value) ring(raw json.RawMessage) *declarationv1.Area {
	var corners []json.RawMessage
	if json.Unmarshal(raw, &corners) != nil || len(corners) < 4 {
		v.fail("the ring has fewer than four positions", "")
		return nil
	}
	area := &declarationv1.Area{}
	for _, c := range corners {
		pair, ok := v.position(c)
		if !ok {
			return nil
		}
		s := site(v, "corner", pair[1], pair[0])
		area.Corners = append(area.Corners, s.Point)
	}
	first, last := area.Corners[0], area.Corners[len(area.Corners)-1]
	if first.GetLatitudeE7() != last.GetLatitudeE7() || first.GetLongitudeE7() != last.GetLongitudeE7() {
		v.fail("the ring does not end where it begins", "")
		return nil
	}
	area.Corners = area.Corners[:len(area.Corners)-1]
	return area
}
