package canonical_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/canonical"
)

func TestNewCodecRefusesTypesWithSeveralEncodings(t *testing.T) {
	list := func(typ descriptorpb.FieldDescriptorProto_Type, name string) proto.Message {
		return dynamicpb.NewMessage(messageWith(t, &descriptorpb.FieldDescriptorProto{
			Name: proto.String("f"), Number: proto.Int32(1), Type: typ.Enum(), TypeName: proto.String(name),
			Label: descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(),
		}))
	}
	for want, m := range map[string]proto.Message{
		"must be optional":                     &wrapperspb.StringValue{},
		"field google.protobuf.Struct.fields ": &structpb.Struct{},
		"Timestamp.seconds":                    &timestamppb.Timestamp{},
		"holds itself":                         list(descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, ".test.M"),
		"no single JSON form":                  &descriptorpb.UninterpretedOption{},
		"two names":                            list(descriptorpb.FieldDescriptorProto_TYPE_ENUM, ".test.E"),
	} {
		if _, err := canonical.NewCodec(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewCodec(%s) = %v, want an error with %q", m.ProtoReflect().Descriptor().FullName(), err, want)
		}
	}
	if _, err := canonical.NewCodec(&declarationv1.Body{}); err != nil {
		t.Errorf("NewCodec(Body) = %v", err)
	}
}

// messageWith makes a message type of one field, and an enum E with two names for 1.
func messageWith(t *testing.T, field *descriptorpb.FieldDescriptorProto) protoreflect.MessageDescriptor {
	t.Helper()
	value := func(name string, n int32) *descriptorpb.EnumValueDescriptorProto {
		return &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(n)}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("test.proto"), Package: proto.String("test"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M"), Field: []*descriptorpb.FieldDescriptorProto{field}}},
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name: proto.String("E"), Options: &descriptorpb.EnumOptions{AllowAlias: proto.Bool(true)},
			Value: []*descriptorpb.EnumValueDescriptorProto{value("E_NONE", 0), value("E_ONE", 1), value("E_UN", 1)},
		}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return file.Messages().Get(0)
}

func TestMarshalRefusesWhatHasNoEncoding(t *testing.T) {
	codec, err := canonical.NewCodec(&declarationv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	unknown := &declarationv1.Deployment{}
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1))
	inside := &declarationv1.Deployment{Name: &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{}}}}
	inside.Name.Texts[0].ProtoReflect().SetUnknown([]byte{0x50, 1})
	for want, m := range map[string]*declarationv1.Deployment{
		"source_code: not valid UTF-8":                {SourceCode: proto.String("a\xff")},
		"status: enum value 0":                        {Status: declarationv1.Status_STATUS_UNSPECIFIED.Enum()},
		"status: enum value 99":                       {Status: declarationv1.Status(99).Enum()},
		"sectors: enum value 0":                       {Sectors: []declarationv1.Sector{1, 0}},
		"Deployment holds fields":                     unknown,
		"name: texts: Text holds fields":              inside,
		"tech: code: not valid":                       {Tech: []*declarationv1.Term{{Code: proto.String("\xc0\x80")}}},
		"feeds: not valid UTF-8":                      {Feeds: []string{"dep/1", "\xed\xa0\x80"}},
		"parties: role: enum value -1 has no name to": {Parties: []*declarationv1.Party{{Role: declarationv1.PartyRole(-1).Enum()}}},
	} {
		if b, err := codec.Marshal(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Marshal = %s, %v; want an error with %q", b, err, want)
		}
	}
}

// TestSyntaxErrorNamesPlace: an officer's tool shows path and problem.
func TestSyntaxErrorNamesPlace(t *testing.T) {
	codec, err := canonical.NewCodec(&declarationv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]canonical.SyntaxError{
		`{"sites":[{},{"point":{"latitude_e7":1.5}}]}`:     {Offset: 38, Path: "sites[1].point.latitude_e7", Problem: "an integer has no fraction and no exponent"},
		`{"sites":[{},{"point":{"latitude_e7":3000000000`:  {Offset: 37, Path: "sites[1].point.latitude_e7", Problem: "the number does not fit in 32 bits"},
		`{"status":"STATUS_UNSPECIFIED"}`:                  {Offset: 10, Path: "status", Problem: `unknown value "STATUS_UNSPECIFIED"`},
		`{"sectors":["SECTOR_HEALTH","HEALTH"]}`:           {Offset: 28, Path: "sectors[1]", Problem: `unknown value "HEALTH"`},
		`{"statuz":1}`:                                     {Offset: 1, Problem: `unknown key "statuz"`},
		`{"name":{"texts":[{"lang":"nl","value":"a"},{]}}`: {Offset: 45, Path: "name.texts[1]", Problem: `want '"'`},
	} {
		err := codec.Unmarshal([]byte(text), &declarationv1.Deployment{})
		var got *canonical.SyntaxError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("Unmarshal(%s) = %+v, want %+v", text, got, want)
		}
	}
	if got, want := (&canonical.SyntaxError{Offset: 3, Path: "a.b", Problem: "bad"}).Error(), "a.b, byte 3: bad"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
	if got, want := (&canonical.SyntaxError{Problem: "bad"}).Error(), "byte 0: bad"; got != want {
		t.Errorf("Error = %q, want %q", got, want)
	}
}
