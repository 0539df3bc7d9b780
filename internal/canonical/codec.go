package canonical

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Codec reads and writes messages of one type as ProtoJSON with proto field
// names in this package's encoding. It is safe for concurrent use.
//
// Types must be made for it: every singular scalar `optional`, no signed or
// fixed 64-bit integers, floats, maps or groups, no enum with two names for one
// value, no message that holds itself. NewCodec refuses others, so a proto that
// breaks the rule fails the first test. A uint64 is a string of decimal digits,
// as ProtoJSON has it, of at most 2^63 − 1: sizes of logs end there.
type Codec struct {
	root *plan
}

// plan is one message type's fields in the order in which JSON has them.
type plan struct {
	desc   protoreflect.MessageDescriptor
	fields []field
}

type field struct {
	name  string
	desc  protoreflect.FieldDescriptor
	sub   *plan                              // of a message field
	enums map[string]protoreflect.EnumNumber // by full value name, without the zero value
	oneof protoreflect.OneofDescriptor       // nil for the synthetic ones of `optional`
}

// NewCodec compiles the codec for messages like m.
func NewCodec(m proto.Message) (*Codec, error) {
	root, err := compile(m.ProtoReflect().Descriptor(), map[protoreflect.FullName]*plan{}, nil)
	if err != nil {
		return nil, err
	}
	return &Codec{root: root}, nil
}

// MustCodec is NewCodec for messages of our own: a proto that has no single encoding panics, so that the first test finds it.
func MustCodec(m proto.Message) *Codec {
	c, err := NewCodec(m)
	if err != nil {
		panic(fmt.Sprintf("compiling the codec of %s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return c
}

func compile(md protoreflect.MessageDescriptor, done map[protoreflect.FullName]*plan, above []protoreflect.FullName) (*plan, error) {
	if slices.Contains(above, md.FullName()) {
		return nil, fmt.Errorf("message %s holds itself", md.FullName())
	}
	if p := done[md.FullName()]; p != nil {
		return p, nil
	}
	p := &plan{desc: md}
	for i := range md.Fields().Len() {
		f, err := compileField(md.Fields().Get(i), done, append(above, md.FullName()))
		if err != nil {
			return nil, err
		}
		p.fields = append(p.fields, f)
	}
	slices.SortFunc(p.fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	done[md.FullName()] = p
	return p, nil
}

func compileField(fd protoreflect.FieldDescriptor, done map[protoreflect.FullName]*plan, above []protoreflect.FullName) (field, error) {
	f := field{name: string(fd.Name()), desc: fd}
	if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
		f.oneof = o
	}
	if !fd.IsList() && !fd.HasPresence() {
		return f, fmt.Errorf("field %s must be optional", fd.FullName())
	}
	switch fd.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.BoolKind,
		protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		f.enums = make(map[string]protoreflect.EnumNumber, values.Len())
		for i := range values.Len() {
			v := values.Get(i)
			if values.ByNumber(v.Number()) != v {
				return f, fmt.Errorf("enum %s has two names for %d", fd.Enum().FullName(), v.Number())
			}
			if v.Number() != 0 {
				f.enums[string(v.Name())] = v.Number()
			}
		}
	case protoreflect.MessageKind:
		if fd.IsMap() {
			return f, fmt.Errorf("field %s is a map", fd.FullName())
		}
		sub, err := compile(fd.Message(), done, above)
		if err != nil {
			return f, err
		}
		f.sub = sub
	default:
		return f, fmt.Errorf("field %s is of a kind that has no single JSON form: %s", fd.FullName(), fd.Kind())
	}
	return f, nil
}

// Unmarshal reads b into m, which must be empty and of the codec's type. It
// accepts exactly what Marshal writes. Errors are *SyntaxError.
func (c *Codec) Unmarshal(b []byte, m proto.Message) error {
	d := NewDecoder(b)
	if err := c.root.decode(d, m.ProtoReflect()); err != nil {
		return err
	}
	return d.End()
}

func (p *plan) decode(d *Decoder, m protoreflect.Message) error {
	next := 0 // keys and fields are both sorted, so the search only moves on
	return d.Object(func(key []byte) error {
		for next < len(p.fields) && p.fields[next].name < string(key) {
			next++
		}
		if next == len(p.fields) || p.fields[next].name != string(key) {
			d.i -= len(key) + len(`"":`) // back to the key
			return d.fail("unknown key " + Quote(key))
		}
		f := &p.fields[next]
		if f.oneof != nil && m.WhichOneof(f.oneof) != nil {
			return d.fail(fmt.Sprintf("%q and %q exclude each other", m.WhichOneof(f.oneof).Name(), f.name))
		}
		return inField(f.name, f.decode(d, m))
	})
}

func (f *field) decode(d *Decoder, m protoreflect.Message) error {
	if !f.desc.IsList() {
		if f.sub != nil {
			return f.sub.decode(d, m.Mutable(f.desc).Message())
		}
		v, err := f.scalar(d)
		if err != nil {
			return err
		}
		m.Set(f.desc, v)
		return nil
	}
	list := m.Mutable(f.desc).List()
	return d.Array(func(i int) error {
		if f.sub != nil {
			return atItem(i, f.sub.decode(d, list.AppendMutable().Message()))
		}
		v, err := f.scalar(d)
		if err != nil {
			return atItem(i, err)
		}
		list.Append(v)
		return nil
	})
}

func (f *field) scalar(d *Decoder) (protoreflect.Value, error) {
	switch f.desc.Kind() {
	case protoreflect.BytesKind:
		b, err := d.Bytes()
		return protoreflect.ValueOfBytes(b), err
	case protoreflect.BoolKind:
		v, err := d.Bool()
		return protoreflect.ValueOfBool(v), err
	case protoreflect.EnumKind:
		start := d.i
		s, err := d.String()
		if err != nil {
			return protoreflect.Value{}, err
		}
		n, ok := f.enums[s]
		if !ok {
			d.i = start
			return protoreflect.Value{}, d.fail("unknown value " + Quote(s))
		}
		return protoreflect.ValueOfEnum(n), nil
	case protoreflect.Int32Kind, protoreflect.Uint32Kind:
		return f.integer(d)
	case protoreflect.Uint64Kind:
		return decimal(d)
	default:
		s, err := d.String()
		return protoreflect.ValueOfString(s), err
	}
}

func (f *field) integer(d *Decoder) (protoreflect.Value, error) {
	start := d.i
	n, err := d.Integer()
	if err != nil {
		return protoreflect.Value{}, err
	}
	if f.desc.Kind() == protoreflect.Int32Kind && int64(int32(n)) == n { //nolint:gosec // the comparison is the check
		return protoreflect.ValueOfInt32(int32(n)), nil //nolint:gosec // checked above
	}
	if f.desc.Kind() == protoreflect.Uint32Kind && int64(uint32(n)) == n { //nolint:gosec // the comparison is the check
		return protoreflect.ValueOfUint32(uint32(n)), nil //nolint:gosec // checked above
	}
	d.i = start
	return protoreflect.Value{}, d.fail("the number does not fit in 32 bits")
}

// decimal reads a string of digits without a zero in front.
func decimal(d *Decoder) (protoreflect.Value, error) {
	start := d.i
	s, err := d.String()
	if err != nil {
		return protoreflect.Value{}, err
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || strconv.FormatUint(n, 10) != s {
		d.i = start
		return protoreflect.Value{}, d.fail(Quote(s) + " is no number of at most 2^63 - 1 in its shortest form")
	}
	return protoreflect.ValueOfUint64(n), nil
}

// inField puts a field's name in front of the path of a nested error.
func inField(name string, err error) error {
	var se *SyntaxError
	if err == nil || !errors.As(err, &se) {
		return err
	}
	switch {
	case se.Path == "":
		se.Path = name
	case se.Path[0] == '[':
		se.Path = name + se.Path
	default:
		se.Path = name + "." + se.Path
	}
	return se
}

func atItem(i int, err error) error { return inField(fmt.Sprintf("[%d]", i), err) }

// Marshal writes m, which must be of the codec's type. It fails where m has no
// encoding: a string that is not UTF-8, an enum at its zero or an unknown value,
// fields that this version does not know.
func (c *Codec) Marshal(m proto.Message) ([]byte, error) {
	return c.root.encode(nil, m.ProtoReflect())
}

func (p *plan) encode(b []byte, m protoreflect.Message) ([]byte, error) {
	if len(m.GetUnknown()) > 0 {
		return nil, fmt.Errorf("%s holds fields that this version does not know", p.desc.Name())
	}
	b = append(b, '{')
	first := true
	for i := range p.fields {
		f := &p.fields[i]
		if !m.Has(f.desc) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = AppendString(b, f.name)
		b = append(b, ':')
		var err error
		if b, err = f.encode(b, m.Get(f.desc)); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return append(b, '}'), nil
}

func (f *field) encode(b []byte, v protoreflect.Value) ([]byte, error) {
	if !f.desc.IsList() {
		return f.encodeOne(b, v)
	}
	b = append(b, '[')
	for i := range v.List().Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = f.encodeOne(b, v.List().Get(i)); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (f *field) encodeOne(b []byte, v protoreflect.Value) ([]byte, error) {
	switch f.desc.Kind() {
	case protoreflect.MessageKind:
		return f.sub.encode(b, v.Message())
	case protoreflect.BytesKind:
		return AppendBytes(b, v.Bytes()), nil
	case protoreflect.BoolKind:
		if v.Bool() {
			return append(b, "true"...), nil
		}
		return append(b, "false"...), nil
	case protoreflect.EnumKind:
		ev := f.desc.Enum().Values().ByNumber(v.Enum())
		if ev == nil || ev.Number() == 0 {
			return nil, fmt.Errorf("enum value %d has no name to sign", v.Enum())
		}
		return AppendString(b, string(ev.Name())), nil
	case protoreflect.Int32Kind:
		return AppendInteger(b, v.Int()), nil
	case protoreflect.Uint32Kind:
		return AppendInteger(b, int64(v.Uint())), nil //nolint:gosec // a uint32 fits
	case protoreflect.Uint64Kind:
		if v.Uint() > math.MaxInt64 {
			return nil, fmt.Errorf("%d is more than 2^63 - 1", v.Uint())
		}
		return AppendString(b, strconv.FormatUint(v.Uint(), 10)), nil
	default:
		if !utf8.ValidString(v.String()) {
			return nil, errors.New("not valid UTF-8")
		}
		return AppendString(b, v.String()), nil
	}
}
