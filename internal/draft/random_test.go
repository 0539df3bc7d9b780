package draft_test

import (
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// nasty is text that YAML, JSON or a terminal could take for something else.
var nasty = []string{
	"", " ", "no", "yes", "~", "null", "true", "1e3", "0x10", "010", "2021-05", "1.0", "-0", "- a", "a: b", "a #b", "# x",
	"'", `"`, `\`, "\\n", "a\nb", "\n", "tab\there", "[x]", "{y}", "&a", "*a", "!t", "|", ">", "%", "@", "`", "? k", "<<",
	"---", "...", "é", "日本語", "عربي", "\u200f", "\u202e", "\u0085", "\u2028", "\ufeff", "🙂", "x\x00y", "a\r\nb", strings.Repeat("long ", 60),
}

func randomText(r *rand.Rand) string {
	if r.IntN(2) == 0 {
		return nasty[r.IntN(len(nasty))]
	}
	return nasty[r.IntN(len(nasty))] + nasty[r.IntN(len(nasty))]
}

// fill sets random fields of m with values of the right type, meaningful or not.
func fill(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() || r.IntN(3) == 0 || fd.Name() == "nonce" {
			continue
		}
		if fd.IsList() {
			list := m.Mutable(fd).List()
			for range 1 + r.IntN(2) {
				if fd.Kind() == protoreflect.MessageKind {
					fill(r, list.AppendMutable().Message(), depth+1)
				} else {
					list.Append(randomScalar(r, fd))
				}
			}
		} else if fd.Kind() == protoreflect.MessageKind {
			fill(r, m.Mutable(fd).Message(), depth+1)
		} else {
			m.Set(fd, randomScalar(r, fd))
		}
	}
}

func randomScalar(r *rand.Rand, fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(r.Int32() * int32(1-2*r.IntN(2)))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(r.Uint32() >> r.IntN(32))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(1 + r.IntN(fd.Enum().Values().Len()-1)))
	case protoreflect.BytesKind:
		b := make([]byte, 1+r.IntN(40))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return protoreflect.ValueOfBytes(b)
	default:
		return protoreflect.ValueOfString(randomText(r))
	}
}

// randomDraft is a draft of any kind, whose values need make no sense.
func randomDraft(r *rand.Rand) *draft.Draft {
	body := &declarationv1.Body{}
	fill(r, body.ProtoReflect(), 0)
	records := body.ProtoReflect().Descriptor().Oneofs().ByName("record").Fields()
	fill(r, body.ProtoReflect().Mutable(records.Get(r.IntN(records.Len()))).Message(), 0)
	d := &draft.Draft{Operation: declaration.Publish, Body: body}
	kind := d.Kind()
	if r.IntN(2) == 0 {
		d.Subject = declaration.Subject{Kind: kind, Number: 1 + r.Uint32N(999_999_999)}
	}
	if r.IntN(2) == 0 {
		d.EffectiveOn = declaration.Date{Year: 1000 + r.IntN(9000), Month: 1 + r.IntN(12), Day: r.IntN(29)}
	}
	if r.IntN(2) == 0 {
		d.Provenance = declaration.ImportedByCity
	}
	if r.IntN(3) == 0 {
		d.Operation, d.Target = declaration.Amend, "x"+randomText(r)
		if r.IntN(2) == 0 {
			d.Subject = declaration.Subject{}
			records := body.ProtoReflect()
			records.Clear(records.WhichOneof(records.Descriptor().Oneofs().ByName("record")))
		}
		d.Set = []draft.Change{
			{Action: draft.Set, Path: "keeps[" + randomText(r) + "]", Value: draft.TextNode(randomText(r), 0)},
			{Action: draft.Add, Path: "y", Value: &draft.Node{Shape: draft.List, Items: []*draft.Node{
				draft.TextNode(randomText(r), 0),
				{Shape: draft.Map, Entries: []draft.Entry{{Key: "k" + randomText(r), Value: draft.TextNode("v", 0)}}},
			}}},
			{Action: draft.Remove, Path: "appeal"},
		}
	}
	for range r.IntN(3) {
		d.Files = append(d.Files, draft.File{Name: "f" + randomText(r), SHA256: [32]byte{byte(r.Uint32())}, Size: r.Uint32N(10 << 20)})
		d.Unknown = append(d.Unknown, draft.Unknown{Column: randomText(r), Value: randomText(r), Field: randomText(r), Why: randomText(r)})
	}
	return d
}
