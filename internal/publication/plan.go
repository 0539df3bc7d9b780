package publication

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Limits where an annotation says none (field_rules.proto).
const (
	defaultMaxItems = 1000
	defaultMaxChars = 5000
)

// lineChars is the most characters of a text that is a name rather than prose:
// such a text has no line breaks.
const lineChars = 200

// plan is what the protos' annotations say of one message type, compiled.
type plan struct {
	fields []field
}

// shape tells the walk how to look at a field.
type shape uint8

const (
	shapeOther   shape = iota // bool: nothing to check but presence
	shapeString               // string
	shapeBytes                // bytes
	shapeEnum                 // enum
	shapeInt                  // int32, uint32
	shapeText                 // LocalizedText
	shapeTerm                 // Term
	shapeMessage              // any other message
)

// field is one field's annotations.
type field struct {
	desc                     protoreflect.FieldDescriptor
	name                     string
	shape                    shape
	list, required, distinct bool
	mayWithhold              bool
	minItems, maxItems       int
	maxChars                 int
	hasMin, hasMax           bool
	min, max                 int64
	format                   declarationv1.Format
	schemes                  []declarationv1.Scheme
	refersTo                 []declaration.Kind
	length                   int
	enumMax                  protoreflect.EnumNumber // enums here are numbered 0 to enumMax
	sub                      *plan                   // of shapeMessage

	// The rules that a failure counts under, where they aren't V-01.
	countRule, rangeRule string
}

// plans holds the compiled annotations of all messages. A verifier that starts
// for one receipt pays for it once, about a millisecond.
var plans = sync.OnceValue(func() *plan {
	return compile((&declarationv1.Body{}).ProtoReflect().Descriptor(), map[protoreflect.FullName]*plan{})
})

func compile(md protoreflect.MessageDescriptor, done map[protoreflect.FullName]*plan) *plan {
	if p := done[md.FullName()]; p != nil {
		return p
	}
	p := &plan{fields: make([]field, md.Fields().Len())}
	done[md.FullName()] = p
	for i := range p.fields {
		p.fields[i] = compileField(md.Fields().Get(i), done)
	}
	return p
}

// rulesOf returns a field's annotations; never nil.
func rulesOf(fd protoreflect.FieldDescriptor) *declarationv1.FieldRules {
	if r, ok := proto.GetExtension(fd.Options(), declarationv1.E_Rules).(*declarationv1.FieldRules); ok && r != nil {
		return r
	}
	return &declarationv1.FieldRules{}
}

func compileField(fd protoreflect.FieldDescriptor, done map[protoreflect.FullName]*plan) field {
	r := rulesOf(fd)
	f := field{
		desc: fd, name: string(fd.Name()), list: fd.IsList(),
		required: r.GetRequired(), distinct: r.GetDistinct(), mayWithhold: r.GetMayWithhold(),
		minItems: int(r.GetMinItems()), maxItems: int(r.GetMaxItems()), maxChars: int(r.GetMaxChars()),
		hasMin: r.Min != nil, hasMax: r.Max != nil, min: int64(r.GetMin()), max: int64(r.GetMax()),
		format: r.GetFormat(), schemes: r.GetSchemes(), length: int(r.GetLength()),
		countRule: "V-01", rangeRule: "V-01",
	}
	if f.maxItems == 0 {
		f.maxItems = defaultMaxItems
	}
	if f.maxChars == 0 {
		f.maxChars = defaultMaxChars
	}
	for _, k := range r.GetRefersTo() {
		f.refersTo = append(f.refersTo, declaration.Kind(k))
	}
	switch {
	case fd.Kind() == protoreflect.EnumKind && fd.Enum().Name() == "Sector":
		f.countRule = "V-05"
	case fd.FullName() == "cityproof.declaration.v1.DataUse.retention":
		f.countRule = "V-23"
	case fd.ContainingMessage().Name() == "Point":
		f.rangeRule = "V-17"
	}
	f.shape = shapeOf(fd)
	switch f.shape {
	case shapeEnum:
		for i := range fd.Enum().Values().Len() {
			f.enumMax = max(f.enumMax, fd.Enum().Values().Get(i).Number())
		}
	case shapeMessage:
		f.sub = compile(fd.Message(), done)
	}
	return f
}

func shapeOf(fd protoreflect.FieldDescriptor) shape {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return shapeString
	case protoreflect.BytesKind:
		return shapeBytes
	case protoreflect.EnumKind:
		return shapeEnum
	case protoreflect.Int32Kind, protoreflect.Uint32Kind:
		return shapeInt
	case protoreflect.MessageKind:
		switch fd.Message().Name() {
		case "LocalizedText":
			return shapeText
		case "Term":
			return shapeTerm
		}
		return shapeMessage
	}
	return shapeOther
}
