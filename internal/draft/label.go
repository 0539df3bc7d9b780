package draft

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// labelFields are the fields by which people tell the items of a list apart, best
// first.
var labelFields = []protoreflect.Name{"what", "name", "title", "label", "id", "term", "harm", "group", "party", "text",
	"url", "place", "code", "kind", "scope", "operator", "country", "field_path", "subject", "lang"}

// Labels returns the words that name an item of a list: what is kept, a party's
// name, a term's code, a text in each of its languages. The best comes first; a
// message with none of them has no label.
func Labels(item protoreflect.Message) []string {
	var out []string
	for _, name := range labelFields {
		fd := item.Descriptor().Fields().ByName(name)
		if fd == nil || fd.IsList() || !item.Has(fd) {
			continue
		}
		v := item.Get(fd)
		switch fd.Kind() {
		case protoreflect.StringKind:
			out = append(out, v.String())
		case protoreflect.EnumKind:
			out = append(out, ShortEnum(fd.Enum(), v.Enum()))
		case protoreflect.MessageKind:
			switch m := v.Message().Interface().(type) {
			case *declarationv1.LocalizedText:
				for _, t := range m.GetTexts() {
					out = append(out, t.GetValue())
				}
			case *declarationv1.Term:
				out = append(out, m.GetCode())
			case *declarationv1.Party:
				out = append(out, m.GetName())
			}
		}
	}
	return out
}

// ShortEnum is an enum value's name as people write it: lower case, without the
// enum's own name in front.
func ShortEnum(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	ev := ed.Values().ByNumber(n)
	if ev == nil {
		return ""
	}
	prefix := strings.TrimSuffix(string(ed.Values().ByNumber(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.TrimPrefix(string(ev.Name()), prefix))
}
