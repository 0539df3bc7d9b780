package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/canonical"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// Camera lists as JSON, in three shapes: GeoJSON (RFC 7946, a FeatureCollection of
// points), a list of objects with coordinates among their keys, and the sensor
// register of Amsterdam.
func cameraJSONFormat() Format {
	return Format{
		Name:   "camera-geojson",
		Title:  "List of cameras or sensors as GeoJSON or JSON",
		Files:  "GeoJSON FeatureCollection of points; a list of objects with lat and lng; or Amsterdam's sensor register",
		run:    importCameraJSON,
		orgs:   []string{"owner", "organisation"},
		asked:  asOptional,
		source: "amsterdam-sensorenregister",
		known:  append(cameraKnown(), "sensorType", "themes", "organisation", "containsPiData", "feature", "bbox"),
	}
}

func importCameraJSON(im *importer, data []byte) error {
	list := newCameraList(im)
	if _, err := eachJSON(data, []string{"features"}, func(rec *record) error {
		if rec.has("sensorType") {
			return im.sensor(rec)
		}
		if rec.text("type") == "Feature" {
			if err := flatten(rec); err != nil {
				return err
			}
		}
		if err := checkCameraColumns(rec); err != nil {
			return err
		}
		if im.opt.As == "" && im.counting == nil {
			return errors.New("a camera list becomes one deployment: give it a nickname (--as)")
		}
		if im.lang == "" {
			return errors.New("the file doesn't say its language: set it in the workspace")
		}
		return list.add(rec)
	}); err != nil {
		return err
	}
	return list.finish()
}

// flatten turns a GeoJSON feature into a row: its properties, and its point as
// latitude and longitude.
func flatten(rec *record) error {
	geometry, properties := rec.object("geometry"), rec.object("properties")
	if geometry == nil || geometry.text("type") != "Point" {
		return errors.New("want a feature with a point: lines and areas are no cameras")
	}
	coordinates, ok := geometry.vals["coordinates"].([]any)
	if !ok || len(coordinates) < 2 || len(coordinates) > 3 {
		return errors.New("want coordinates of a point: longitude, latitude")
	}
	flat := &record{num: rec.num, vals: map[string]any{}}
	if properties != nil {
		for _, key := range properties.keys {
			if slices.Contains(cameraColumns.latitude, key) || slices.Contains(cameraColumns.longitude, key) {
				continue // the geometry is what GeoJSON says
			}
			flat.keys, flat.vals[key] = append(flat.keys, key), properties.vals[key]
		}
	}
	if id, ok := rec.vals["id"]; ok && !flat.has("id") {
		flat.keys, flat.vals["id"] = append(flat.keys, "id"), id
	}
	flat.keys = append(flat.keys, "longitude", "latitude")
	flat.vals["longitude"], flat.vals["latitude"] = coordinates[0], coordinates[1]
	*rec = *flat
	return nil
}

// geoJSON writes sites as a FeatureCollection (RFC 7946), one feature a line. A
// site without a point is a feature without geometry.
func geoJSON(sites []*declarationv1.Site) []byte {
	b := []byte(`{"type":"FeatureCollection","features":[`)
	for i, s := range sites {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n"+`{"type":"Feature","geometry":`...)
		if p := s.GetPoint(); p != nil {
			b = fmt.Appendf(b, `{"type":"Point","coordinates":[%s,%s]}`, decimal(p.GetLongitudeE7()), decimal(p.GetLatitudeE7()))
		} else {
			b = append(b, "null"...)
		}
		b = append(b, `,"properties":{`...)
		if s.Label != nil {
			b = append(b, `"label":`...)
			b = canonical.AppendString(b, s.GetLabel())
		}
		b = append(b, "}}"...)
	}
	return append(b, "\n]}\n"...)
}

// decimal writes 1e-7 degrees as degrees, without trailing zeros.
func decimal(e7 int32) string {
	n, sign := int64(e7), ""
	if n < 0 {
		n, sign = -n, "-"
	}
	s := fmt.Sprintf("%08d", n)
	whole, fraction := s[:len(s)-7], strings.TrimRight(s[len(s)-7:], "0")
	if fraction == "" {
		return sign + whole
	}
	return sign + whole + "." + fraction
}
