package shorthand_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// TestShortNamesNameFields: every target exists, no key stands twice, and a key that
// is a field's own name is about that field.
func TestShortNamesNameFields(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range shorthand.ShortTable() {
		where := s.In() + "." + s.Key()
		if seen[where] {
			t.Errorf("%s stands twice", where)
		}
		seen[where] = true
		md := newMessage(t, s.In()).ProtoReflect().Descriptor()
		if len(s.To()) == 0 {
			t.Errorf("%s sets no field", where)
		}
		own := false
		for _, to := range s.To() {
			if md.Fields().ByName(protoreflect.Name(to)) == nil {
				t.Errorf("%s sets %s, which %s has not", where, to, s.In())
			}
			own = own || to == s.Key()
		}
		if md.Fields().ByName(protoreflect.Name(s.Key())) != nil && !own {
			t.Errorf("%s hides the field of the same name", where)
		}
		if len(s.To()) > 1 && !s.HasReader() {
			t.Errorf("%s sets several fields without a reader", where)
		}
	}
}

// TestDateKeys: leaving "_on" out names the date and nothing else.
func TestDateKeys(t *testing.T) {
	for _, name := range messages(t) {
		md := newMessage(t, name).ProtoReflect().Descriptor()
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			short, isDate := strings.CutSuffix(string(fd.Name()), "_on")
			if isDate && shorthand.FieldOf(md, short) != fd {
				t.Errorf("%s: %q is not %s", name, short, fd.Name())
			}
		}
	}
}

// messages lists every message of the model by its name.
func messages(t *testing.T) []string {
	t.Helper()
	var names []string
	seen := map[protoreflect.FullName]bool{}
	var walk func(md protoreflect.MessageDescriptor)
	walk = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] {
			return
		}
		seen[md.FullName()] = true
		names = append(names, string(md.Name()))
		for i := range md.Fields().Len() {
			if fd := md.Fields().Get(i); fd.Kind() == protoreflect.MessageKind {
				walk(fd.Message())
			}
		}
	}
	walk((&declarationv1.Body{}).ProtoReflect().Descriptor())
	return names
}

// TestFormsNameMessages: every form belongs to a message of the model.
func TestFormsNameMessages(t *testing.T) {
	known := strings.Join(messages(t), " ") + " "
	for _, f := range shorthand.FormTable() {
		if !strings.Contains(known, f.In()+" ") {
			t.Errorf("the form of %s belongs to no message", f.In())
		}
	}
}

// TestEnumWordsAreShort: every enum's values share its prefix, so that their short
// names are what people write.
func TestEnumWordsAreShort(t *testing.T) {
	for _, name := range messages(t) {
		md := newMessage(t, name).ProtoReflect().Descriptor()
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if fd.Kind() != protoreflect.EnumKind {
				continue
			}
			words, _ := shorthand.EnumWords(fd.Enum())
			for j, w := range words {
				full := strings.ToLower(string(fd.Enum().Values().Get(j + 1).Name()))
				if w == full {
					t.Errorf("%s.%s: %s has no short name", name, fd.Name(), full)
				}
			}
		}
	}
}

// TestEveryFieldReachable writes every field of every record under its own name in
// the structured form, and reads the same record back.
func TestEveryFieldReachable(t *testing.T) {
	heads := map[string]string{"deployment": `"deployment":"x"`, "data_use": `"use":"x"`, "assessment": `"assessment":"x"`,
		"commitment": `"commitment":"x"`, "service": `"service":"x"`, "notice": `"notice":"incident"`, "member": `"member":"nl-kanaalstad"`, "finding": `"finding":"obligation"`}
	records := (&declarationv1.Body{}).ProtoReflect().Descriptor().Oneofs().ByName("record").Fields()
	if records.Len() != len(heads) {
		t.Fatalf("%d kinds of record, the test knows %d", records.Len(), len(heads))
	}
	for i := range records.Len() {
		fd := records.Get(i)
		want := &declarationv1.Body{}
		fillValid(want.ProtoReflect())
		want.Nonce, want.Language, want.Nickname = nil, proto.String("nl"), proto.String("x")
		record := want.ProtoReflect().Mutable(fd).Message()
		fillValid(record)

		fields := structured(want.ProtoReflect())
		delete(fields, string(fd.Name()))
		delete(fields, "nickname")
		for k, v := range structured(record) {
			fields[k] = v
		}
		head := heads[string(fd.Name())]
		switch fd.Name() { // what the head says already
		case "notice", "finding":
			delete(fields, "type")
			fields["nickname"] = "x"
		case "member":
			delete(fields, "id")
			fields["nickname"] = "x"
		}
		rest, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		doc := "{" + head + "," + string(bytes.TrimPrefix(rest, []byte("{")))
		drafts, err := shorthand.Parse("all.json", []byte(doc), shorthand.Workspace{Language: "nl"}, nil)
		if err != nil {
			t.Errorf("%s: %v", fd.Name(), err)
			continue
		}
		if diff := cmp.Diff(want, drafts[0].Body, protocmp.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", fd.Name(), diff)
		}
	}
}

// structured is a message as maps under the fields' own names.
func structured(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.IsList() {
			var items []any
			for i := range v.List().Len() {
				items = append(items, structuredValue(fd, v.List().Get(i)))
			}
			out[string(fd.Name())] = items
		} else {
			out[string(fd.Name())] = structuredValue(fd, v)
		}
		return true
	})
	return out
}

func structuredValue(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		if t, ok := v.Message().Interface().(*declarationv1.LocalizedText); ok {
			texts := map[string]any{}
			for _, x := range t.Texts {
				texts[x.GetLang()] = x.GetValue()
			}
			return texts
		}
		return structured(v.Message())
	case protoreflect.EnumKind:
		return draft.ShortEnum(fd.Enum(), v.Enum())
	case protoreflect.BytesKind:
		return v.Bytes() // base64
	case protoreflect.StringKind:
		return v.String()
	default:
		return v.Interface()
	}
}

// fillValid gives every field a value of its format.
func fillValid(m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch o := fd.ContainingOneof(); {
		case o != nil && !o.IsSynthetic():
		case fd.IsList() && fd.Kind() == protoreflect.MessageKind:
			fillValid(m.Mutable(fd).List().AppendMutable().Message())
		case fd.IsList():
			list := m.Mutable(fd).List()
			list.Append(validScalar(fd, 1))
			list.Append(validScalar(fd, 2))
		case fd.Kind() == protoreflect.MessageKind:
			fillValid(m.Mutable(fd).Message())
		default:
			m.Set(fd, validScalar(fd, 1))
		}
	}
}

func validScalar(fd protoreflect.FieldDescriptor, n int) protoreflect.Value {
	rules := draft.RulesOf(fd)
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n == 1)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(min(n, fd.Enum().Values().Len()-1)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(bytes.Repeat([]byte{byte(n)}, max(1, int(rules.GetLength()))))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(max(rules.GetMin(), 3)))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(max(rules.GetMin(), 3)))
	}
	text := map[declarationv1.Format]string{
		declarationv1.Format_FORMAT_URL: "https://a.example/%d", declarationv1.Format_FORMAT_DATE: "2026-0%d",
		declarationv1.Format_FORMAT_COUNTRY: "NL", declarationv1.Format_FORMAT_LANGUAGE: "nl", declarationv1.Format_FORMAT_SUBJECT: "use/%d",
		declarationv1.Format_FORMAT_MEMBER: "nl-kanaalstad", declarationv1.Format_FORMAT_DURATION: "P%dD", declarationv1.Format_FORMAT_NICKNAME: "x",
	}[rules.GetFormat()]
	if text == "" {
		text = "word %d"
	}
	if strings.Contains(text, "%") {
		text = fmt.Sprintf(text, n)
	}
	return protoreflect.ValueOfString(text)
}
