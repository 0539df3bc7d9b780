package importer_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
)

// TestFormatDocumentsEveryColumn holds FORMAT.md to the code: a section for each
// format, and each column that it knows.
func TestFormatDocumentsEveryColumn(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, s := range regexp.MustCompile(`(?m)^## `).Split(string(data), -1)[1:] {
		title, text, _ := strings.Cut(s, "\n")
		for _, name := range strings.Split(title, " and ") {
			sections[name] = text
		}
	}
	var names []string
	for _, f := range importer.Formats() {
		names = append(names, f.Name)
		section, ok := sections[f.Name]
		if !ok || f.Title == "" || f.Files == "" {
			t.Errorf("%s has no section in FORMAT.md, no title or no description of its files", f.Name)
		}
		for _, column := range f.Known() {
			if !strings.Contains(section, "`"+column+"`") {
				t.Errorf("FORMAT.md, %s: says nothing of column %s", f.Name, column)
			}
		}
	}
	const want = "camera-csv camera-geojson flock-portal nl-algorithm-register nyc-local-law-35 uk-atrs"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("Formats = %s, want %s", got, want)
	}
}

// TestLimitsAreTheProtos holds our copies of the fields' limits to the protos.
func TestLimitsAreTheProtos(t *testing.T) {
	field := func(m protoreflect.ProtoMessage, name string) *declarationv1.FieldRules {
		fd := m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil {
			t.Fatalf("no field %s", name)
		}
		return draft.RulesOf(fd)
	}
	dep, use := &declarationv1.Deployment{}, &declarationv1.DataUse{}
	compare(t, []counted{
		{"name", int(field(dep, "name").GetMaxChars()), importer.MaxName},
		{"data use's name", int(field(use, "name").GetMaxChars()), importer.MaxName},
		{"summary", int(field(dep, "summary").GetMaxChars()), importer.MaxSummary},
		{"purpose_text (0 is 5,000)", int(field(dep, "purpose_text").GetMaxChars()), 0},
		{"sites", int(field(dep, "sites").GetMaxItems()), importer.MaxSites},
		{"recipients", int(field(use, "recipients").GetMaxItems()), importer.MaxRecipients},
		{"prohibited_uses", int(field(use, "prohibited_uses").GetMaxChars()), importer.MaxProhibited},
		{"label", int(field(&declarationv1.Site{}, "label").GetMaxChars()), importer.MaxLabel},
		{"party's name", int(field(&declarationv1.Party{}, "name").GetMaxChars()), importer.MaxParty},
		{"source_id", int(field(&declarationv1.Body{}, "source_id").GetMaxChars()), importer.MaxSourceID},
	})
}
