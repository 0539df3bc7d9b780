package draft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// fieldChange is one field that two bodies say differently; "–" is what one of them
// does not say.
type fieldChange struct {
	path, old, new string

	fd          protoreflect.FieldDescriptor
	was, become protoreflect.Value // of the field or of a list's item; invalid where it is not said
}

const unsaid = "–"

// notChange are fields of Body that say nothing of the thing declared.
var notChange = []protoreflect.Name{"nonce", "language", "reason", "nickname", "source_id", "imported_from"}

// diff lists what differs but for wording: another text in the same field is no
// change, a text that comes or goes is one.
func diff(old, new *declarationv1.Body) []fieldChange {
	var out []fieldChange
	a, b := old.ProtoReflect(), new.ProtoReflect()
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); !slices.Contains(notChange, fd.Name()) {
			out = diffField(out, string(fd.Name()), fd, a, b)
		}
	}
	return out
}

func diffMessage(out []fieldChange, path string, a, b protoreflect.Message) []fieldChange {
	fields := a.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		out = diffField(out, join(path, string(fd.Name())), fd, a, b)
	}
	return out
}

func diffField(out []fieldChange, path string, fd protoreflect.FieldDescriptor, a, b protoreflect.Message) []fieldChange {
	switch {
	case !a.Has(fd) && !b.Has(fd):
		return out
	case fd.IsList():
		return diffList(out, path, fd, a.Get(fd).List(), b.Get(fd).List())
	case a.Has(fd) != b.Has(fd):
		return append(out, fieldChange{path, said(fd, a), said(fd, b), fd, valueOf(fd, a), valueOf(fd, b)})
	case fd.Kind() == protoreflect.MessageKind:
		if isText(fd) {
			return out
		}
		return diffMessage(out, path, a.Get(fd).Message(), b.Get(fd).Message())
	case !a.Get(fd).Equal(b.Get(fd)):
		return append(out, fieldChange{path, said(fd, a), said(fd, b), fd, a.Get(fd), b.Get(fd)})
	}
	return out
}

// valueOf is a field's value; invalid where it is not said.
func valueOf(fd protoreflect.FieldDescriptor, m protoreflect.Message) protoreflect.Value {
	if !m.Has(fd) {
		return protoreflect.Value{}
	}
	return m.Get(fd)
}

func isText(fd protoreflect.FieldDescriptor) bool {
	return fd.Kind() == protoreflect.MessageKind && fd.Message().FullName() == (&declarationv1.LocalizedText{}).ProtoReflect().Descriptor().FullName()
}

func said(fd protoreflect.FieldDescriptor, m protoreflect.Message) string {
	if !m.Has(fd) {
		return unsaid
	}
	return brief(fd, m.Get(fd))
}

// diffList pairs items that have a label in common; the others came or went.
func diffList(out []fieldChange, path string, fd protoreflect.FieldDescriptor, a, b protoreflect.List) []fieldChange {
	paired := make([]bool, b.Len())
	for i := range a.Len() {
		j := counterpart(fd, a.Get(i), b, paired)
		switch {
		case j < 0:
			out = append(out, fieldChange{itemPath(path, fd, a.Get(i), i), brief(fd, a.Get(i)), unsaid, fd, a.Get(i), protoreflect.Value{}})
			continue
		case fd.Kind() == protoreflect.MessageKind && !isText(fd):
			out = diffMessage(out, itemPath(path, fd, a.Get(i), i), a.Get(i).Message(), b.Get(j).Message())
		}
		paired[j] = true
	}
	for j := range b.Len() {
		if !paired[j] {
			out = append(out, fieldChange{itemPath(path, fd, b.Get(j), j), unsaid, brief(fd, b.Get(j)), fd, protoreflect.Value{}, b.Get(j)})
		}
	}
	return out
}

// counterpart finds the item of b that is x as it is now: an equal one, else the
// first with the same best label.
func counterpart(fd protoreflect.FieldDescriptor, x protoreflect.Value, b protoreflect.List, paired []bool) int {
	for j := range b.Len() {
		if !paired[j] && x.Equal(b.Get(j)) {
			return j
		}
	}
	if fd.Kind() != protoreflect.MessageKind {
		return -1
	}
	labels := Labels(x.Message())
	for j := range b.Len() {
		if !paired[j] && len(labels) > 0 && slices.Contains(Labels(b.Get(j).Message()), labels[0]) {
			return j
		}
	}
	return -1
}

func itemPath(path string, fd protoreflect.FieldDescriptor, x protoreflect.Value, i int) string {
	label := strconv.Itoa(i + 1)
	if fd.Kind() == protoreflect.MessageKind {
		if labels := Labels(x.Message()); len(labels) > 0 {
			label = labels[0]
		}
	} else {
		label = brief(fd, x)
	}
	return path + "[" + shorten(label, 60) + "]"
}

// brief shows a value in few words: a message by its values.
func brief(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	var words []string
	if list, ok := v.Interface().(protoreflect.List); ok {
		for i := range list.Len() {
			words = append(words, brief(fd, list.Get(i)))
		}
		return shorten(strings.Join(words, ", "), maxShown)
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		m := v.Message()
		for i := range m.Descriptor().Fields().Len() {
			sub := m.Descriptor().Fields().Get(i)
			if m.Has(sub) && sub.Name() != "scheme" && sub.Name() != "lang" {
				words = append(words, brief(sub, m.Get(sub)))
			}
		}
		return shorten(strings.Join(words, ", "), maxShown)
	case protoreflect.EnumKind:
		return ShortEnum(fd.Enum(), v.Enum())
	case protoreflect.BytesKind:
		return fmt.Sprintf("%x", v.Bytes())
	default:
		return shorten(v.String(), maxShown)
	}
}

// shorten cuts at a number of characters, and shows that it did.
func shorten(s string, limit int) string {
	r := []rune(s)
	if len(r) <= limit {
		return s
	}
	return string(r[:limit-1]) + "…"
}
