package shorthand_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// FuzzParseShorthand: no panic, and what is read expands to a long form that reads
// back as the same; amendments never panic either, whatever they say.
func FuzzParseShorthand(f *testing.F) {
	names, err := filepath.Glob(string(examples) + "/?-*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		data, err := examples.ReadFile(filepath.Base(name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, c := range shorthand.Cases() {
		text, _, _, err := shorthand.Template(c, shorthand.Workspace{Language: "en"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(shorthand.Answered(text)))
	}
	for _, form := range shorthand.FormTable() {
		f.Add([]byte("amend: x\nreason: y\nset:\n  keeps[1]: " + form.Example() + "\nremove: [units]\n"))
	}
	f.Add([]byte("deployment: x\nsites: a.csv\n---\nassessment: y\nreport: a.pdf\nattachments: [a.geojson]\n"))
	files := memory{"a.csv": "camera_id,location\n1,Markt\n", "a.geojson": "{}", "a.pdf": "%PDF", "plaza-pia.pdf": "%PDF", "plaza-cameras.csv": "location\nx\n"}
	ws := workspace(f)
	current := example(f, "a-plaza-cameras.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 32<<10 {
			t.Skip("larger inputs find nothing new")
		}
		drafts, err := shorthand.Parse("f", data, ws, files)
		if err != nil {
			if strings.TrimSpace(err.Error()) == "" || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < 0x20 && r != '\n' }) {
				t.Fatalf("error %q", err)
			}
			return
		}
		long := draft.Format(drafts)
		again, err := draft.Parse("f", long)
		if err != nil {
			t.Fatalf("the long form does not parse: %v\n%s", err, long)
		}
		if second := draft.Format(again); !bytes.Equal(long, second) {
			t.Fatalf("the long form is not stable:\n%s\n%s", long, second)
		}
		for _, d := range drafts {
			if d.Kind() != "" {
				continue
			}
			for _, c := range current {
				trial := *d
				if err := shorthand.Amend(&trial, c.Body, ws, files); err == nil {
					draft.ChangeNotice(&trial, c.Body)
				}
			}
		}
	})
}

// FuzzParseWorkspace: no panic.
func FuzzParseWorkspace(f *testing.F) {
	f.Add([]byte("city: nl-kanaalstad\nlanguage: nl\ncountry: NL\nstored: city_cloud NL\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if ws, err := shorthand.ParseWorkspace(data); err == nil && ws.Language == "" {
			t.Fatal("a workspace without a language")
		}
	})
}
