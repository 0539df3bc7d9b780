package shorthand

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
)

// record is one draft while it is read.
type record struct {
	*reader
	d    *draft.Draft
	lang string // of its plain strings
	// contact is the role mailbox of its accountable party and its rights.
	contact string
	// said remembers which key gave a field, so that no second one overrides it.
	said map[string]string
	// mode is what an amendment does: what is read replaces what the record says, or
	// is added to it. Empty while a new record is read.
	mode draft.Action
}

func rulesOf(fd protoreflect.FieldDescriptor) *declarationv1.FieldRules { return draft.RulesOf(fd) }

// into returns the place of one of the message's fields for this value, and false
// after a report when another key has given that field already.
func (v value) into(m protoreflect.Message, name protoreflect.Name) (value, bool) {
	out := v
	out.path = joinPath(v.path, string(name))
	if other, taken := v.rec.said[out.path]; taken && other != v.shown {
		v.fail(fmt.Sprintf("%s says this already", other), "write it once")
		return out, false
	}
	v.rec.said[out.path] = v.shown
	out.mark()
	if v.rec.mode == draft.Set {
		m.Clear(m.Descriptor().Fields().ByName(name))
	}
	return out, true
}

// keys reads a map's entries into m, whose place v is.
func (v value) keys(m protoreflect.Message, entries []draft.Entry) {
	for _, e := range entries {
		v.key(m, e)
	}
}

// key reads one entry; it reports an unknown key.
func (v value) key(m protoreflect.Message, e draft.Entry) {
	md := m.Descriptor()
	if !v.tryKey(m, e) {
		at := v.at(e.Value, v.path, v.shown)
		at.n = &draft.Node{Line: e.Line}
		at.part(e.Key).fail("unknown key", "FORMAT.md lists the keys", draft.Nearest(e.Key, keysOf(md))...)
	}
}

// tryKey reads one entry when the message knows its key.
func (v value) tryKey(m protoreflect.Message, e draft.Entry) bool {
	n := e.Value
	if n.Shape != draft.Scalar && n.Line != e.Line {
		// What is wrong with a list as a whole stands where its key does.
		copied := *n
		copied.Line, n = e.Line, &copied
	}
	at := v.at(n, v.path, joinPath(v.shown, e.Key))
	if s := v.rec.shortOf(m.Descriptor().Name(), e.Key); s != nil {
		if s.read != nil {
			s.read(at, m)
			return true
		}
		at.assign(m, m.Descriptor().Fields().ByName(protoreflect.Name(s.to[0])))
		return true
	}
	fd := fieldOf(m.Descriptor(), e.Key)
	if fd == nil || fd.Name() == "nonce" || isRecord(fd) {
		return false
	}
	at.assign(m, fd)
	return true
}

// isRecord reports whether fd is one of Body's records, which have documents of
// their own.
func isRecord(fd protoreflect.FieldDescriptor) bool {
	o := fd.ContainingOneof()
	return o != nil && !o.IsSynthetic()
}

// assign reads the value into a field of m, by the field's type. A single value
// stands for a list of one.
func (v value) assign(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	at, ok := v.into(m, fd.Name())
	if !ok {
		return
	}
	if !fd.IsList() {
		at.single(m, fd)
		return
	}
	at.items(func(item value) { item.appendTo(m, fd) })
}

// items calls each for the items of a list, or for the single value itself. An empty
// list says that there are none, as leaving the key out does.
func (v value) items(each func(value)) {
	if v.n.Shape != draft.List {
		each(v)
		return
	}
	for i, item := range v.n.Items {
		each(v.at(item, v.path, fmt.Sprintf("%s[%d]", v.shown, i)))
	}
}

// appendTo adds the value as one item to a list field.
func (v value) appendTo(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	list := m.Mutable(fd).List()
	v.path = fmt.Sprintf("%s[%d]", v.path, list.Len())
	v.mark()
	if fd.Kind() == protoreflect.MessageKind {
		item := list.NewElement()
		if v.message(item.Message(), fd) {
			list.Append(item)
		}
	} else if x, ok := v.value(fd); ok {
		list.Append(x)
	}
}

func (v value) single(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if fd.Kind() != protoreflect.MessageKind {
		if x, ok := v.value(fd); ok {
			m.Set(fd, x)
		}
		return
	}
	sub := m.NewField(fd).Message()
	if v.message(sub, fd) {
		m.Set(fd, protoreflect.ValueOfMessage(sub))
	}
}

// message reads a message in its structured or its one-line form; false after a
// report that leaves nothing to keep.
func (v value) message(m protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	if _, isText := m.Interface().(*declarationv1.LocalizedText); isText {
		t, ok := v.localizedNode()
		if ok {
			copyInto(m, t.ProtoReflect())
		}
		return ok
	}
	switch {
	case v.n.Shape == draft.Map:
		v.keys(m, v.n.Entries)
		return true
	case v.n.Shape == draft.List:
		v.fail("a list stands where one value belongs", "")
		return false
	}
	if _, isTerm := m.Interface().(*declarationv1.Term); isTerm {
		t, ok := v.term(rulesOf(fd).GetSchemes())
		if ok {
			copyInto(m, t.ProtoReflect())
		}
		return ok
	}
	f := v.rec.formOf(m.Descriptor().Name())
	if f == nil {
		if v.scalar("keys") {
			v.fail("this has no one-line form", "write its fields, each as name: value: "+strings.Join(keysOf(m.Descriptor()), ", "))
		}
		return false
	}
	if v.scalar(f.form) {
		f.read(v, m)
		return true
	}
	return false
}

func copyInto(to, from protoreflect.Message) {
	from.Range(func(fd protoreflect.FieldDescriptor, x protoreflect.Value) bool {
		to.Set(fd, x)
		return true
	})
}

// value reads a scalar by the field's type.
func (v value) value(fd protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	rules := rulesOf(fd)
	low, high := int64(0), int64(1<<32-1)
	if fd.Kind() == protoreflect.Int32Kind {
		low, high = -1<<31, 1<<31-1
	}
	if rules.Min != nil {
		low = max(low, int64(rules.GetMin()))
	}
	if rules.Max != nil {
		high = min(high, int64(rules.GetMax()))
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		b, ok := v.yesNo()
		if !ok {
			return protoreflect.Value{}, false
		}
		return protoreflect.ValueOfBool(*b), true
	case protoreflect.EnumKind:
		n, ok := v.enum(fd.Enum())
		return protoreflect.ValueOfEnum(n), ok
	case protoreflect.Int32Kind:
		n, ok := v.integer(low, high)
		return protoreflect.ValueOfInt32(int32(n)), ok //nolint:gosec // bounded by the call
	case protoreflect.Uint32Kind:
		n, ok := v.integer(low, high)
		return protoreflect.ValueOfUint32(uint32(n)), ok //nolint:gosec // bounded by the call
	case protoreflect.BytesKind:
		b, ok := v.bytesValue(rules.GetLength())
		return protoreflect.ValueOfBytes(b), ok
	default:
		s, ok := v.str(rules)
		return protoreflect.ValueOfString(s), ok
	}
}
