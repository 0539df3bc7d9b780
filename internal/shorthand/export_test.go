package shorthand

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cityproof/cityproof/internal/draft"
)

// What tests of the tables need to see.

type ShortName = shortName

func (s ShortName) In() string      { return s.in }
func (s ShortName) Key() string     { return s.key }
func (s ShortName) To() []string    { return s.to }
func (s ShortName) Form() string    { return s.form }
func (s ShortName) About() string   { return s.about }
func (s ShortName) HasReader() bool { return s.read != nil }
func ShortTable() []ShortName       { return shortTable() }
func FieldOf(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	return fieldOf(md, key)
}

type Form = form

func (f Form) In() string      { return f.in }
func (f Form) Form() string    { return f.form }
func (f Form) Example() string { return f.example }
func (f Form) About() string   { return f.about }
func FormTable() []Form        { return formTable() }

// ReadForm reads text in a message's one-line form.
func ReadForm(m protoreflect.ProtoMessage, text string, ws Workspace, files Files) error {
	r := newReader("form", ws, files)
	rec := r.newRecord(draft.TextNode(text, 1))
	f := r.formOf(m.ProtoReflect().Descriptor().Name())
	v := value{rec: rec, n: draft.TextNode(text, 1), text: text}
	if v.scalar(f.form) {
		f.read(v, m.ProtoReflect())
	}
	if len(r.problems) > 0 {
		return r.problems
	}
	return nil
}

func Heads() []string {
	var out []string
	for k := range heads {
		out = append(out, k)
	}
	return out
}

var EnumWords = enumWords
