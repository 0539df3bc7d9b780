package cli

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// fill sets every field of a message, each string to a word of its own, two items in
// each list.
func fill(m protoreflect.Message, words *[]string) {
	word := func() protoreflect.Value {
		*words = append(*words, fmt.Sprintf("w%dw", len(*words)))
		return protoreflect.ValueOfString((*words)[len(*words)-1])
	}
	value := func(fd protoreflect.FieldDescriptor) protoreflect.Value {
		switch fd.Kind() {
		case protoreflect.StringKind:
			return word()
		case protoreflect.BoolKind:
			return protoreflect.ValueOfBool(true)
		case protoreflect.EnumKind:
			return protoreflect.ValueOfEnum(1)
		case protoreflect.BytesKind:
			return protoreflect.ValueOfBytes([]byte{0xab, 0xcd})
		case protoreflect.Int32Kind:
			return protoreflect.ValueOfInt32(7)
		default:
			return protoreflect.ValueOfUint32(7)
		}
	}
	switch m := m.Interface().(type) {
	case *pb.LocalizedText: // of several languages one is printed
		m.Texts = []*pb.Text{{Lang: proto.String("xx"), Value: proto.String(word().String())}}
		return
	case *pb.Term: // its code stands for the words only where there are none
		m.Scheme, m.Code, m.Other = pb.Scheme_SCHEME_LOCAL.Enum(), proto.String("other"), texts(word().String())
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Name() == "language" {
			m.Set(fd, protoreflect.ValueOfString("xx")) // is in the head
			continue
		}
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			continue
		}
		switch {
		case fd.IsList() && fd.Kind() == protoreflect.MessageKind:
			for range 2 {
				fill(m.Mutable(fd).List().AppendMutable().Message(), words)
			}
		case fd.IsList():
			m.Mutable(fd).List().Append(value(fd))
			m.Mutable(fd).List().Append(value(fd))
		case fd.Kind() == protoreflect.MessageKind:
			fill(m.Mutable(fd).Message(), words)
		default:
			m.Set(fd, value(fd))
		}
	}
}

func texts(value string) *pb.LocalizedText {
	return &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("xx"), Value: &value}}}
}

// TestEveryFieldIsPrinted fills every field of every kind: none may be left out, so
// that a field added to the protos can't be hidden from who reads a record.
func TestEveryFieldIsPrinted(t *testing.T) {
	oneof := (&pb.Body{}).ProtoReflect().Descriptor().Oneofs().ByName("record")
	for i := range oneof.Fields().Len() {
		record := oneof.Fields().Get(i)
		t.Run(string(record.Name()), func(t *testing.T) {
			body := &pb.Body{}
			var words []string
			fill(body.ProtoReflect(), &words)
			fill(body.ProtoReflect().Mutable(record).Message(), &words)
			var out bytes.Buffer
			p := &bodyPrinter{w: &out, columns: 90, base: body.GetLanguage()}
			p.body(body)
			text := out.String()
			for _, w := range words {
				if !strings.Contains(text, w) {
					t.Errorf("%s is not printed in\n%s", w, text)
				}
			}
			fields := record.Message().Fields()
			for j := range fields.Len() {
				if l := label(fields.Get(j)); !strings.Contains(text, "\n"+l) && !strings.HasPrefix(text, l) {
					t.Errorf("no line begins with %q in\n%s", l, text)
				}
			}
			for _, l := range strings.Split(text, "\n") {
				if l != strings.TrimRight(l, " ") {
					t.Errorf("%q ends with spaces", l)
				}
			}
		})
	}
}

// T-43: no text of a body can drive the terminal that it is shown on.
func TestT43BodyPrintsNothingThatDrivesATerminal(t *testing.T) {
	hostile := []string{"\x1b[31mred", "a\rb", "\u009b2J", "\u202eevil", "\u2066x\u2069", "\x00", "\x7f", "\u2028", "\ufeff", "ok"}
	r := rand.New(rand.NewPCG(1, 43))
	for range 50 {
		body := &pb.Body{Record: &pb.Body_DataUse{DataUse: &pb.DataUse{}}}
		var words []string
		fill(body.ProtoReflect(), &words)
		fill(body.GetDataUse().ProtoReflect(), &words)
		poison(body.ProtoReflect(), func() string { return hostile[r.IntN(len(hostile))] + hostile[r.IntN(len(hostile))] })
		var out bytes.Buffer
		p := &bodyPrinter{w: &out, columns: 80, base: "nl", lang: "en"}
		p.body(body)
		for _, c := range out.String() {
			if hidden(c) {
				t.Fatalf("prints %U:\n%q", c, out.String())
			}
		}
	}
}

// poison replaces every string of a message.
func poison(m protoreflect.Message, word func() string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList() && fd.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				poison(v.List().Get(i).Message(), word)
			}
		case fd.IsList() && fd.Kind() == protoreflect.StringKind:
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(word()))
			}
		case fd.Kind() == protoreflect.MessageKind && !fd.IsList():
			poison(v.Message(), word)
		case fd.Kind() == protoreflect.StringKind && !fd.IsList():
			m.Set(fd, protoreflect.ValueOfString(word()))
		}
		return true
	})
}

func TestTextChoosesItsLanguage(t *testing.T) {
	text := &pb.LocalizedText{Texts: []*pb.Text{
		{Lang: proto.String("nl"), Value: proto.String("goed")}, {Lang: proto.String("en-GB"), Value: proto.String("good")},
		{Lang: proto.String("ja"), Value: proto.String("良い")},
	}}
	for _, tc := range []struct{ base, lang, want string }{
		{"nl", "", "goed"},
		{"nl", "en", "good"},
		{"nl", "ja", "良い"},
		{"nl", "fr", "goed [nl]"},
		{"ja", "fr", "良い [ja]"},
		{"fr", "", "goed [nl]"},
	} {
		p := &bodyPrinter{base: tc.base, lang: tc.lang}
		if got := p.text(text); got != tc.want {
			t.Errorf("text in %q, asked for %q = %q, want %q", tc.base, tc.lang, got, tc.want)
		}
	}
}

func TestWordsOfValues(t *testing.T) {
	for in, want := range map[string]string{"P28D": "28 days", "P1Y": "1 year", "P1Y6M": "1 year 6 months", "PT5M": "5 minutes",
		"P2W": "2 weeks", "P1DT12H": "1 day 12 hours", "P": "P", "28 days": "28 days", "": ""} {
		if got := durationWords(in); got != want {
			t.Errorf("durationWords(%q) = %q, want %q", in, got, want)
		}
	}
	band := pb.PeopleBand_PEOPLE_BAND_100_1000
	if got := enumWords(band.Descriptor(), band.Number()); got != "100 to 1000" {
		t.Errorf("band %q", got)
	}
	kind := pb.AssessmentKind_ASSESSMENT_KIND_DPIA
	if got := enumWords(kind.Descriptor(), kind.Number()); got != "DPIA" {
		t.Errorf("kind %q", got)
	}
	if got := enumWords(kind.Descriptor(), 99); got != "99" {
		t.Errorf("unknown number %q", got)
	}
	if got := degrees(-1); got != "-0.0000001" {
		t.Errorf("degrees(-1) = %q", got)
	}
	if got := degrees(-1800000000); got != "-180.0000000" {
		t.Errorf("degrees = %q", got)
	}
}

func TestWrap(t *testing.T) {
	for _, tc := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"one two three", 8, []string{"one two", "three"}},
		{"a\n\nb", 8, []string{"a", "", "b"}},
		{"unbreakableword x", 5, []string{"unbreakableword", "x"}},
		{"日本語の文章です", 8, []string{"日本語の", "文章です"}},
		{"trailing   ", 20, []string{"trailing"}},
	} {
		if got := wrap(tc.text, tc.width); !slices.Equal(got, tc.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", tc.text, tc.width, got, tc.want)
		}
	}
}

// T-38.
func TestT38CellsAreInert(t *testing.T) {
	for in, want := range map[string]string{"": "", "x": "x", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx",
		"'x": "'x", "a=1": "a=1", "\u202e=1": "\u202e=1"} {
		if got := inert(in); got != want {
			t.Errorf("inert(%q) = %q, want %q", in, got, want)
		}
	}
}

// T-43.
func TestT43FolderNames(t *testing.T) {
	taken := map[string]bool{}
	for _, tc := range []struct{ in, want string }{
		{"Gemeente 's-Hertogenbosch", "gemeente-s-hertogenbosch"},
		{"Gemeente Súdwest-Fryslân", "gemeente-sudwest-fryslan"},
		{"../../etc/passwd", "etc-passwd"},
		{"CON", "organisation-con"},
		{"LPT1", "organisation-lpt1"},
		{"..", "organisation"},
		{"つくば市", "organisation-2"},
		{"Con", "organisation-con-2"},
		{"a\x00b", "a-b"},
		{strings.Repeat("x", 300), strings.Repeat("x", 80)},
		{strings.Repeat("x", 300), strings.Repeat("x", 80) + "-2"},
	} {
		if got := folderName(tc.in, taken); got != tc.want {
			t.Errorf("folderName(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// T-43: JSON says the same, and shows nothing that drives a terminal.
func TestT43JSON(t *testing.T) {
	var out bytes.Buffer
	if err := printJSON(&out, "a\u009bb\u202ec\U000e0001d\x1b\u200c"); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), `"a\u009bb\u202ec\udb40\udc01d\u001b`+"\u200c\"\n"; got != want {
		t.Errorf("printJSON = %q, want %q", got, want)
	}
}

// T-43: bytes asked for exactly are not sent to a terminal if they could drive it.
func TestT43ExactBytes(t *testing.T) {
	for _, tc := range []struct {
		text    string
		columns int
		refused bool
	}{{"{\"a\":\"\u009b\"}", 80, true}, {"{\"a\":\"\u009b\"}", 0, false}, {"{\"a\":1}\n", 80, false}} {
		var out bytes.Buffer
		a := &App{Out: &out, Columns: tc.columns}
		err := a.exact([]byte(tc.text))
		if (err != nil) != tc.refused || !tc.refused && out.String() != tc.text || tc.refused && out.Len() > 0 {
			t.Errorf("exact(%q) with %d columns: %v, prints %q", tc.text, tc.columns, err, out.String())
		}
	}
}
