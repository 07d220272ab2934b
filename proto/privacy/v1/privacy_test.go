package privacyv1_test

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	_ "github.com/postern-mail/postern/proto/audit/v1"
	_ "github.com/postern-mail/postern/proto/consent/v1"
	_ "github.com/postern-mail/postern/proto/content/v1"
	_ "github.com/postern-mail/postern/proto/customer/v1"
	_ "github.com/postern-mail/postern/proto/event/v1"
	_ "github.com/postern-mail/postern/proto/ingest/v1"
	_ "github.com/postern-mail/postern/proto/item/v1"
	_ "github.com/postern-mail/postern/proto/journal/v1"
	_ "github.com/postern-mail/postern/proto/keyring/v1"
	_ "github.com/postern-mail/postern/proto/mail/v1"
	privacyv1 "github.com/postern-mail/postern/proto/privacy/v1"
	_ "github.com/postern-mail/postern/proto/reply/v1"
	_ "github.com/postern-mail/postern/proto/retention/v1"
	_ "github.com/postern-mail/postern/proto/ticket/v1"
	_ "github.com/postern-mail/postern/proto/verify/v1"
)

// ours says whether a file belongs to the project and not to protobuf itself.
func ours(file protoreflect.FileDescriptor) bool {
	return !strings.HasPrefix(file.Path(), "google/")
}

func TestEveryFieldHasAPrivacyClassAndPersonalOnesAreSealed(t *testing.T) {
	fields := 0
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		if ours(file) {
			for _, breach := range judgeMessages(file.Messages(), &fields) {
				t.Error(breach)
			}
		}
		return true
	})
	if fields < 150 {
		t.Errorf("only %d fields were looked at", fields)
	}
}

// TestNoFileIsForgotten fails when a package is added and not imported above.
func TestNoFileIsForgotten(t *testing.T) {
	known := map[string]bool{}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		known[file.Path()] = true
		return true
	})
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".proto") && !known[path] {
			t.Errorf("%s is not looked at: import its package in this test", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheRuleSeesEachKindOfBreach(t *testing.T) {
	sealed := &descriptorpb.MessageOptions{}
	proto.SetExtension(sealed, privacyv1.E_InsideSeal, true)
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, class privacyv1.Class, typeName string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), JsonName: &name}
		if typeName != "" {
			f.TypeName = &typeName
		}
		if class != privacyv1.Class_CLASS_UNSPECIFIED {
			f.Options = &descriptorpb.FieldOptions{}
			proto.SetExtension(f.Options, privacyv1.E_Class, class)
		}
		return f
	}
	const text, bytes, message = descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	inner := &descriptorpb.DescriptorProto{Name: proto.String("Inner"), Options: sealed, Field: []*descriptorpb.FieldDescriptorProto{
		field("subject", 1, text, privacyv1.Class_CLASS_PERSONAL, "")}}
	for want, f := range map[string]*descriptorpb.FieldDescriptorProto{
		"has no privacy class":          field("f", 1, text, privacyv1.Class_CLASS_UNSPECIFIED, ""),
		"personal outside a seal":       field("f", 1, text, privacyv1.Class_CLASS_PERSONAL, ""),
		"sealed but not bytes":          field("f", 1, text, privacyv1.Class_CLASS_SEALED, ""),
		"carries Inner out of its seal": field("f", 1, message, privacyv1.Class_CLASS_STRUCTURE, ".breach.v1.Inner"),
	} {
		file := &descriptorpb.FileDescriptorProto{Name: proto.String("breach.proto"), Package: proto.String("breach.v1"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{inner, {Name: proto.String("Outer"), Field: []*descriptorpb.FieldDescriptorProto{f, field("ok", 2, bytes, privacyv1.Class_CLASS_SEALED, "")}}}}
		built, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
		if err != nil {
			t.Fatal(err)
		}
		looked := 0
		breaches := judgeMessages(built.Messages(), &looked)
		if len(breaches) != 1 || !strings.Contains(breaches[0], want) {
			t.Errorf("%q, want one breach with %q", breaches, want)
		}
	}
}

func judgeMessages(messages protoreflect.MessageDescriptors, looked *int) []string {
	var breaches []string
	for i := range messages.Len() {
		message := messages.Get(i)
		if message.IsMapEntry() {
			continue
		}
		for j := range message.Fields().Len() {
			*looked++
			if breach := judgeField(message, message.Fields().Get(j)); breach != "" {
				breaches = append(breaches, fmt.Sprintf("%s: %s", message.Fields().Get(j).FullName(), breach))
			}
		}
		breaches = append(breaches, judgeMessages(message.Messages(), looked)...)
	}
	return breaches
}

func judgeField(message protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) string {
	class, _ := proto.GetExtension(field.Options(), privacyv1.E_Class).(privacyv1.Class)
	inner := field.Message()
	switch {
	case class == privacyv1.Class_CLASS_UNSPECIFIED:
		return "has no privacy class"
	case class == privacyv1.Class_CLASS_PERSONAL && !insideSeal(message):
		return "personal outside a seal"
	case class == privacyv1.Class_CLASS_SEALED && field.Kind() != protoreflect.BytesKind:
		return "sealed but not bytes"
	case inner != nil && insideSeal(inner) && !insideSeal(message):
		return "carries " + string(inner.Name()) + " out of its seal"
	}
	return ""
}

func insideSeal(message protoreflect.MessageDescriptor) bool {
	inside, _ := proto.GetExtension(message.Options(), privacyv1.E_InsideSeal).(bool)
	return inside
}
