package draft

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// RulesOf returns what the protos say of a field; never nil.
func RulesOf(fd protoreflect.FieldDescriptor) *declarationv1.FieldRules {
	if r, ok := proto.GetExtension(fd.Options(), declarationv1.E_Rules).(*declarationv1.FieldRules); ok && r != nil {
		return r
	}
	return &declarationv1.FieldRules{}
}

// reference is a string field that names another subject of the city.
type reference struct {
	path  string // relative to Body: "deployment.data_uses[0]"
	kinds []declaration.Kind
	value string
	set   func(string)
}

// references lists the body's references in the order of its fields.
func references(body *declarationv1.Body) []reference {
	return collect(nil, "", body.ProtoReflect())
}

func collect(refs []reference, prefix string, m protoreflect.Message) []reference {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		path := join(prefix, string(fd.Name()))
		isRef := fd.Kind() == protoreflect.StringKind && RulesOf(fd).GetFormat() == declarationv1.Format_FORMAT_SUBJECT
		switch {
		case fd.IsList():
			list := m.Mutable(fd).List()
			for j := range list.Len() {
				item := fmt.Sprintf("%s[%d]", path, j)
				switch {
				case isRef:
					refs = append(refs, reference{item, kindsOf(fd), list.Get(j).String(),
						func(s string) { list.Set(j, protoreflect.ValueOfString(s)) }})
				case fd.Kind() == protoreflect.MessageKind:
					refs = collect(refs, item, list.Get(j).Message())
				}
			}
		case isRef:
			refs = append(refs, reference{path, kindsOf(fd), m.Get(fd).String(),
				func(s string) { m.Set(fd, protoreflect.ValueOfString(s)) }})
		case fd.Kind() == protoreflect.MessageKind:
			refs = collect(refs, path, m.Get(fd).Message())
		}
	}
	return refs
}

// kindsOf returns the kinds that a reference may name: those of its rules, else
// every kind.
func kindsOf(fd protoreflect.FieldDescriptor) []declaration.Kind {
	var kinds []declaration.Kind
	for _, k := range RulesOf(fd).GetRefersTo() {
		kinds = append(kinds, declaration.Kind(k))
	}
	if kinds == nil {
		return declaration.Kinds()
	}
	return kinds
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}
