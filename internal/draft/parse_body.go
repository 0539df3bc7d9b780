package draft

import (
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cityproof/cityproof/internal/canonical"
)

// message reads a map into m, whose fields are the proto's names. path is
// relative to Body, as in Draft.Lines; problems show it as "body.…".
func (r *longReader) message(n *Node, path string, m protoreflect.Message) {
	shown := join("body", path)
	if n.Shape != Map {
		r.fail(n, shown, "want a map", "write the fields under it, each as name: value")
		return
	}
	fields := m.Descriptor().Fields()
	for _, e := range n.Entries {
		fd := fields.ByName(protoreflect.Name(e.Key))
		if fd == nil {
			r.unknownKey(e, shown, FieldNames(m.Descriptor()))
			continue
		}
		at := join(path, e.Key)
		r.d.Lines[at] = e.Line
		if at == "nonce" {
			r.fail(e.Value, "body.nonce", "the nonce is made when the draft is signed", "leave it out")
			continue
		}
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() && m.WhichOneof(o) != nil {
			r.fail(e.Value, join("body", at), fmt.Sprintf("there is a %s already: one record a document", m.WhichOneof(o).Name()), "put --- between documents")
			continue
		}
		r.field(e.Value, at, m, fd)
	}
}

// FieldNames lists the names of a message's fields in their order.
func FieldNames(md protoreflect.MessageDescriptor) []string {
	names := make([]string, md.Fields().Len())
	for i := range names {
		names[i] = string(md.Fields().Get(i).Name())
	}
	return names
}

func (r *longReader) field(n *Node, path string, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	if !fd.IsList() {
		if fd.Kind() == protoreflect.MessageKind {
			r.message(n, path, m.Mutable(fd).Message())
		} else if v, ok := r.value(n, path, fd); ok {
			m.Set(fd, v)
		}
		return
	}
	if n.Shape != List || len(n.Items) == 0 {
		r.fail(n, join("body", path), "want a list of at least one item", "leave an empty list out")
		return
	}
	list := m.Mutable(fd).List()
	for i, item := range n.Items {
		at := fmt.Sprintf("%s[%d]", path, i)
		r.d.Lines[at] = item.Line
		if fd.Kind() == protoreflect.MessageKind {
			r.message(item, at, list.AppendMutable().Message())
		} else if v, ok := r.value(item, at, fd); ok {
			list.Append(v)
		}
	}
}

// value reads one scalar by the field's type; YAML's own idea of types is never
// asked, and no other spelling of a value passes (T-02).
func (r *longReader) value(n *Node, path string, fd protoreflect.FieldDescriptor) (protoreflect.Value, bool) {
	shown := join("body", path)
	none := protoreflect.Value{}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if n.Shape != Scalar || !n.Plain || n.Text != "true" && n.Text != "false" {
			r.failValue(n, shown, n.Text, "want true or false", "")
			return none, false
		}
		return protoreflect.ValueOfBool(n.Text == "true"), true
	case protoreflect.Int32Kind:
		v, ok := r.integer(n, shown, math.MinInt32, math.MaxInt32)
		return protoreflect.ValueOfInt32(int32(v)), ok //nolint:gosec // bounded by the call
	case protoreflect.Uint32Kind:
		v, ok := r.integer(n, shown, 0, math.MaxUint32)
		return protoreflect.ValueOfUint32(uint32(v)), ok //nolint:gosec // bounded by the call
	case protoreflect.EnumKind:
		return r.enum(n, shown, fd.Enum())
	case protoreflect.BytesKind:
		before := len(r.problems)
		text := r.text(n, shown)
		if len(r.problems) > before {
			return none, false
		}
		b, err := canonical.ParseBase64(text)
		if err != nil {
			r.failValue(n, shown, text, err.Error(), "")
			return none, false
		}
		return protoreflect.ValueOfBytes(b), true
	default:
		before := len(r.problems)
		text := r.text(n, shown)
		return protoreflect.ValueOfString(text), len(r.problems) == before
	}
}

func (r *longReader) enum(n *Node, shown string, ed protoreflect.EnumDescriptor) (protoreflect.Value, bool) {
	before := len(r.problems)
	text := r.text(n, shown)
	if len(r.problems) > before {
		return protoreflect.Value{}, false
	}
	v := ed.Values().ByName(protoreflect.Name(text))
	if v == nil || v.Number() == 0 {
		r.failValue(n, shown, text, "unknown value", "write the full name, for example "+string(ed.Values().Get(1).Name()),
			Nearest(text, EnumNames(ed))...)
		return protoreflect.Value{}, false
	}
	return protoreflect.ValueOfEnum(v.Number()), true
}

// EnumNames lists the names of an enum's values, without the unspecified one.
func EnumNames(ed protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() != 0 {
			names = append(names, string(v.Name()))
		}
	}
	return names
}

// integer reads a plain decimal: no sign but a minus, no leading zero, no other base.
func (r *longReader) integer(n *Node, shown string, low, high int64) (int64, bool) {
	v, err := strconv.ParseInt(n.Text, 10, 64)
	if n.Shape != Scalar || !n.Plain || err != nil || strconv.FormatInt(v, 10) != n.Text {
		r.failValue(n, shown, n.Text, "want a whole number in plain digits", "")
		return 0, false
	}
	if v < low || v > high {
		r.failValue(n, shown, n.Text, fmt.Sprintf("the number is out of range: %d to %d", low, high), "")
		return 0, false
	}
	return v, true
}
