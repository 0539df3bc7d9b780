package shorthand_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

const marker = "<!-- from here on generated"

// TestFormatDocument holds the reference that officers read to the tables.
func TestFormatDocument(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	head, _, ok := strings.Cut(string(data), marker)
	if !ok {
		t.Fatal("FORMAT.md has lost its marker")
	}
	_, rest, _ := strings.Cut(string(data), marker)
	line, _, _ := strings.Cut(rest, "\n")
	want := head + marker + line + "\n" + reference(t)
	if *update {
		if err := os.WriteFile("FORMAT.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("FORMAT.md is not what the tables say; run with -update (-want +got):\n%s", diff)
	}
}

// TestFormatDocumentExamples reads the two examples in FORMAT.md.
func TestFormatDocumentExamples(t *testing.T) {
	data, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(data), "```yaml\n")[1:]
	if len(blocks) != 2 {
		t.Fatalf("%d examples, want 2", len(blocks))
	}
	var read [][]*draft.Draft
	for _, b := range blocks {
		text, _, _ := strings.Cut(b, "```")
		drafts, err := parse(t, text)
		if err != nil {
			t.Fatal(err)
		}
		read = append(read, drafts)
	}
	if len(read[0]) != 2 || len(read[1]) != 1 {
		t.Fatalf("%d and %d drafts, want 2 and 1", len(read[0]), len(read[1]))
	}
	use := read[0][1].Body
	use.GetDataUse().GetRefusal().Citation = new(string)
	if err := shorthand.Amend(read[1][0], use, workspace(t), examples); err != nil {
		t.Error(err)
	}
}

func reference(t *testing.T) string {
	var b strings.Builder
	b.WriteString("\n## One-line forms\n\nCapitals are yours to fill in, [ ] may be left out.\n\n| of | form | example | |\n|---|---|---|---|\n")
	for _, f := range shorthand.FormTable() {
		fmt.Fprintf(&b, "| %s | `%s` | `%s` | %s |\n", f.In(), cell(f.Form()), cell(f.Example()), cell(f.About()))
	}
	b.WriteString("\n## Keys\n\nWhat may be written in each place. Short names come first, with the fields that they set; then the fields under their own names.\n")
	for _, name := range messages(t) {
		if slices.Contains([]string{"LocalizedText", "Text"}, name) {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n| key | sets | takes | |\n|---|---|---|---|\n", name)
		md := newMessage(t, name).ProtoReflect().Descriptor()
		hidden := map[string]bool{}
		for _, s := range shorthand.ShortTable() {
			if s.In() != name {
				continue
			}
			hidden[s.Key()] = true
			takes := "`" + cell(s.Form()) + "`"
			if s.Form() == "" {
				takes = kindOf(md.Fields().ByName(protoreflect.Name(s.To()[0])))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.Key(), strings.Join(s.To(), ", "), takes, cell(s.About()))
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if o := fd.ContainingOneof(); hidden[string(fd.Name())] || fd.Name() == "nonce" || o != nil && !o.IsSynthetic() {
				continue
			}
			fmt.Fprintf(&b, "| `%s` | | %s | |\n", fd.Name(), kindOf(fd))
		}
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// kindOf says what a field takes.
func kindOf(fd protoreflect.FieldDescriptor) string {
	rules := draft.RulesOf(fd)
	what := ""
	switch fd.Kind() {
	case protoreflect.BoolKind:
		what = "yes or no"
	case protoreflect.EnumKind:
		words, _ := shorthand.EnumWords(fd.Enum())
		what = strings.Join(words, ", ")
	case protoreflect.Int32Kind, protoreflect.Uint32Kind:
		what = "a whole number"
	case protoreflect.BytesKind:
		what = "a hash in hexadecimal or base64"
	case protoreflect.MessageKind:
		what = string(fd.Message().Name())
		if what == "LocalizedText" {
			what = "a text"
		}
		if what == "Term" {
			what = "a code"
			var schemes []string
			for _, s := range rules.GetSchemes() {
				schemes = append(schemes, strings.TrimPrefix(s.String(), "SCHEME_"))
			}
			if len(schemes) > 0 {
				what += " of " + strings.Join(schemes, ", ")
			}
		}
	default:
		what = stringKind(rules.GetFormat())
	}
	if fd.IsList() {
		what += "; one or a list"
	}
	return what
}

func stringKind(f declarationv1.Format) string {
	switch f {
	case declarationv1.Format_FORMAT_UNSPECIFIED:
		return "words"
	case declarationv1.Format_FORMAT_SUBJECT:
		return "a nickname or number"
	case declarationv1.Format_FORMAT_CONTACT:
		return "a role's mailbox or telephone number"
	}
	return "a " + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(f.String(), "FORMAT_")), "_", " ")
}
