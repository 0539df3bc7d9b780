package declaration_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// TestI7T02EverySpellingOfEveryField is T-02 for bodies: for every field of every
// record, at every depth, the canonical spelling of a value is accepted and gives
// itself back, and every other spelling that JSON or ProtoJSON has is refused.
func TestI7T02EverySpellingOfEveryField(t *testing.T) {
	fields, spellings := 0, 0
	check := func(s spot) {
		fields++
		good := s.doc(s.name(), s.value())
		body, err := declaration.ParseBody([]byte(good))
		if err != nil {
			t.Fatalf("%s: canonical spelling refused: %v", good, err)
		}
		if again, err := declaration.FormatBody(body); err != nil || string(again) != good {
			t.Fatalf("Format(Parse(%s)) = %s, %v", good, again, err)
		}
		for _, bad := range s.badDocs() {
			spellings++
			if _, err := declaration.ParseBody([]byte(bad)); err == nil {
				t.Errorf("accepted %q", bad)
			}
		}
	}
	record := (&declarationv1.Body{}).ProtoReflect().Descriptor()
	for i := range record.Fields().Len() {
		fd := record.Fields().Get(i)
		if fd.ContainingOneof() == nil || fd.ContainingOneof().IsSynthetic() {
			// Beside it stands a record, in the order of keys.
			before, after := "{", `,"service":{}}`
			if fd.Name() > "service" {
				before, after = `{"service":{},`, "}"
			}
			check(spot{fd, before, after})
			if fd.Kind() == protoreflect.MessageKind {
				walk(fd, before, after, check)
			}
			continue
		}
		check(spot{fd: fd, before: "{", after: "}"})
		walk(fd, "{", "}", check)
	}
	if fields < 400 {
		t.Errorf("saw %d fields only", fields)
	}
	t.Logf("%d fields, %d wrong spellings", fields, spellings)
}

// spot is a field in its place: before and after are the text of a body around
// the member that holds it.
type spot struct {
	fd            protoreflect.FieldDescriptor
	before, after string
}

// walk visits all fields below fd.
func walk(fd protoreflect.FieldDescriptor, before, after string, visit func(spot)) {
	open, shut := strconv.Quote(string(fd.Name()))+":{", "}"
	if fd.IsList() {
		open, shut = strconv.Quote(string(fd.Name()))+":[{", "}]"
	}
	before, after = before+open, shut+after
	fields := fd.Message().Fields()
	for i := range fields.Len() {
		visit(spot{fields.Get(i), before, after})
		if fields.Get(i).Kind() == protoreflect.MessageKind {
			walk(fields.Get(i), before, after, visit)
		}
	}
}

func (s spot) name() string { return strconv.Quote(string(s.fd.Name())) }

func (s spot) doc(name, value string) string { return s.before + name + ":" + value + s.after }

// item is the canonical spelling of one value, value that of the field.
func (s spot) item() string {
	switch s.fd.Kind() {
	case protoreflect.StringKind:
		return `"x"`
	case protoreflect.BytesKind:
		return `"+/8="`
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.EnumKind:
		return strconv.Quote(string(s.fd.Enum().Values().Get(1).Name()))
	case protoreflect.MessageKind:
		return "{}"
	}
	return "10"
}

func (s spot) value() string {
	if s.fd.IsList() {
		return "[" + s.item() + "," + s.item() + "]"
	}
	return s.item()
}

// badDocs are bodies in which the field is spelled wrongly.
func (s spot) badDocs() []string {
	good, name := s.value(), string(s.fd.Name())
	var docs []string
	for _, key := range []string{
		strings.ToUpper(name), fmt.Sprintf(`\u%04x%s`, name[0], name[1:]), strconv.Itoa(int(s.fd.Number())), name + " ", " " + name, "",
	} {
		docs = append(docs, s.doc(`"`+key+`"`, good))
	}
	if camel := s.fd.JSONName(); camel != name {
		docs = append(docs, s.doc(`"`+camel+`"`, good))
	}
	docs = append(docs,
		s.doc(name, good), s.doc("'"+name+"'", good),
		s.doc(s.name(), good+`,"`+name+`":`+good),
		s.doc(s.name(), good+`,"zzz":1`), s.doc(s.name(), good+","),
		s.doc(s.name()+" ", good), s.doc(s.name(), " "+good), s.doc(s.name(), good+" "), s.doc(s.name(), good+"\n"),
		s.doc(s.name(), ""), s.doc(s.name(), good+" "+good))
	for _, v := range s.badItems() {
		if s.fd.IsList() {
			docs = append(docs, s.doc(s.name(), "["+v+"]"), s.doc(s.name(), "["+s.item()+","+v+"]"))
		} else {
			docs = append(docs, s.doc(s.name(), v))
		}
	}
	if s.fd.IsList() {
		for _, v := range []string{
			"[]", "[ ]", "null", s.item(), "{}", "[" + s.item() + ",]", "[," + s.item() + "]", "[ " + s.item() + "]", "[" + s.item() + " ]",
			"[" + s.item() + ", " + s.item() + "]", "[" + s.item(), `{"0":` + s.item() + "}", `"` + "[]" + `"`,
		} {
			docs = append(docs, s.doc(s.name(), v))
		}
	}
	return docs
}

// badItems are spellings of one value to refuse: those of other types, and other
// spellings of this one.
func (s spot) badItems() []string {
	bad := []string{"null", "undefined", "NaN", "[]", "[[]]", "{", `"`, "True", "'x'", "1.5", "-", "\xff"}
	switch s.fd.Kind() {
	case protoreflect.StringKind:
		return append(bad, badStrings...)
	case protoreflect.BytesKind:
		return append(bad, badBase64...)
	case protoreflect.BoolKind:
		return append(bad, `"false"`, `"true"`, "0", "1", "FALSE", "False", "fals", "f", "no", "{}", `""`)
	case protoreflect.EnumKind:
		values := s.fd.Enum().Values()
		name := string(values.Get(1).Name())
		return append(bad, "0", "1", `"1"`, "1.0", strconv.Quote(string(values.Get(0).Name())), strconv.Quote(strings.ToLower(name)),
			strconv.Quote(name+" "), strconv.Quote(name+"_"), fmt.Sprintf(`"\u%04x%s"`, name[0], name[1:]), `""`, "{}", "true", name,
			strconv.Quote(string(values.Get(1).FullName())), strconv.Quote(name[strings.IndexByte(name, '_')+1:]))
	case protoreflect.MessageKind:
		return append(bad, `""`, "0", "true", "{ }", "[{}]", `{"":0}`, `{"@type":"x"}`, "{}{}", `"{}"`)
	case protoreflect.Int32Kind:
		bad = append(bad, "2147483648", "-2147483649")
	default:
		bad = append(bad, "4294967296", "-1", "-10")
	}
	return append(bad, badIntegers...)
}

var badStrings = []string{
	`"\u0078"`, `"\/"`, `"\u0022"`, `"\u005c"`, `"\u005C"`, `"\u002f"`, `"\u000a"`, `"\u000A"`, `"\u0008"`, `"\u0009"`, `"\u000c"`, `"\u000d"`,
	`"\u001F"`, `"\u00e9"`, `"\u007f"`, `"\u2028"`, `"\ud800"`, `"\udc00"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, `"\uD83D\uDE00"`, `"\x41"`, `"\u"`,
	`"\u00"`, `"\a"`, `"\v"`, `"\'"`, `"\"`, `"\0"`, "\"\x00\"", "\"\t\"", "\"\n\"", "\"\r\"", "\"\x1f\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xc1\xbf\"",
	"\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf0\x80\x80\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"", "\"\xe2\x82\"",
	"\"\x80\"", "\"\\n\xff\"", "\"\xc3\\n\xa9\"", "1", "true", "{}", `"x`, `x`, `"x""x"`, `"x"y`,
}

var badBase64 = []string{
	`"+/8"`, `"+/9="`, `"+/+="`, `"-_8="`, `"+/8=\n"`, `"+/\n8="`, `"\r+/8="`, `"+/8= "`, `" +/8="`, `"+/8=="`, `"+/8=AA=="`, `"+/8\u003d"`, `"=" `, `"===="`,
	`"\u002b/8="`, `"fbff"x`, `"+/8,"`, `"é"`, "[251,255]", "255", "true", "{}", `"A"`, `"AA"`, `"AAA"`, `"AB=="`, `"AAB="`, `"A==="`,
}

var badIntegers = []string{
	`"10"`, "10.0", "10.", "1e1", "1E1", "1e+1", "0.1e2", "100e-1", "010", "0010", "+10", "-0", "00", "-00", "-01", "0x10", "0b1", "1_0", "10n", ".5",
	"9007199254740991", "9007199254740993", "-9007199254740993", "18446744073709551616", "1e400", "Infinity", "-Infinity", "true", "{}", "１０", "- 1", "--1",
}
