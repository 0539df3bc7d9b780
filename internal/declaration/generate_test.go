package declaration_test

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// anyBody draws a body that has an encoding, of any kind; whether it makes sense
// is not the codec's business.
func anyBody() *rapid.Generator[*declarationv1.Body] {
	return rapid.Custom(func(t *rapid.T) *declarationv1.Body {
		body := &declarationv1.Body{}
		kind := rapid.SampledFrom(declaration.Kinds()).Draw(t, "kind")
		fill(t, body.ProtoReflect(), string(kind))
		return body
	})
}

// fill sets some of m's fields, and of its oneof the one named record.
func fill(t *rapid.T, m protoreflect.Message, record string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		name := string(fd.Name())
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
			if name == record {
				fill(t, m.Mutable(fd).Message(), "")
			}
			continue
		}
		// Few fields at a time, or bodies grow beyond what a shrunk failure can show.
		if rapid.IntRange(0, 5).Draw(t, name+"?") != 0 {
			continue
		}
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for range rapid.IntRange(1, 3).Draw(t, name+" items") {
				if fd.Kind() == protoreflect.MessageKind {
					fill(t, list.AppendMutable().Message(), "")
				} else {
					list.Append(anyScalar(t, fd))
				}
			}
		case fd.Kind() == protoreflect.MessageKind:
			fill(t, m.Mutable(fd).Message(), "")
		default:
			m.Set(fd, anyScalar(t, fd))
		}
	}
}

func anyScalar(t *rapid.T, fd protoreflect.FieldDescriptor) protoreflect.Value {
	name := string(fd.Name())
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(anyText().Draw(t, name))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, name))
	case protoreflect.EnumKind:
		n := rapid.IntRange(1, fd.Enum().Values().Len()-1).Draw(t, name)
		return protoreflect.ValueOfEnum(fd.Enum().Values().Get(n).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32().Draw(t, name))
	default:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, name))
	}
}

// anyText draws valid UTF-8 with more control characters, quotes and astral
// characters than people write.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringOf(rapid.SampledFrom([]rune(oddText))),
		rapid.SampledFrom([]string{"", "nl", "P28D", "dep/17", "2026-11", oddText}),
	)
}
