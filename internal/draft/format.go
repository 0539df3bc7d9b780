package draft

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Format writes drafts in the long form, as YAML that Parse reads back to the same
// drafts (but for File and Lines): every field under its own name, in the protos'
// order, nothing implied. Bodies must hold what a canonical body may.
func Format(drafts []*Draft) []byte {
	w := &writer{}
	for i, d := range drafts {
		if i > 0 {
			w.WriteString("---\n")
		}
		w.draft(d)
	}
	return w.Bytes()
}

type writer struct{ bytes.Buffer }

func (w *writer) draft(d *Draft) {
	record := string(d.Kind())
	if record == "" {
		record = Unresolved
	}
	w.line("record", quote(record))
	w.line("operation", quote(string(d.Operation)))
	if !d.Subject.IsZero() {
		w.line("subject", quote(d.Subject.String()))
	}
	if d.Target != "" {
		w.line("target", quote(d.Target))
	}
	if d.EffectiveOn != (declaration.Date{}) {
		w.line("effective_on", quote(d.EffectiveOn.String()))
	}
	if d.Provenance != "" {
		w.line("provenance", quote(string(d.Provenance)))
	}
	w.changes(d.Set)
	if len(d.Files) > 0 {
		w.WriteString("files:\n")
	}
	for _, f := range d.Files {
		fmt.Fprintf(w, "  - name: %s\n    sha256: %s\n    size: %d\n", quote(f.Name), quote(hex.EncodeToString(f.SHA256[:])), f.Size)
	}
	if len(d.Unknown) > 0 {
		w.WriteString("unknown:\n")
	}
	for _, u := range d.Unknown {
		fmt.Fprintf(w, "  - column: %s\n    value: %s\n    field: %s\n    why: %s\n",
			quote(u.Column), quote(u.Value), quote(u.Field), quote(u.Why))
	}
	w.WriteString("body:")
	w.message(1, d.Body.ProtoReflect(), false)
}

func (w *writer) changes(changes []Change) {
	if len(changes) > 0 {
		w.WriteString("changes:\n")
	}
	for _, c := range changes {
		fmt.Fprintf(w, "  - action: %s\n    path: %s\n", quote(string(c.Action)), quote(c.Path))
		if c.Value != nil {
			w.WriteString("    value:")
			w.node(3, c.Value)
		}
	}
}

// node writes a value as it was read; every scalar in quotes, since nobody decided
// its type yet.
func (w *writer) node(indent int, n *Node) {
	pad := strings.Repeat("  ", indent)
	switch {
	case n.Absent:
		w.WriteString("\n")
	case n.Shape == Scalar:
		w.WriteString(" " + alwaysQuote(n.Text) + "\n")
	case n.Shape == List && len(n.Items) == 0:
		w.WriteString(" []\n")
	case n.Shape == Map && len(n.Entries) == 0:
		w.WriteString(" {}\n")
	case n.Shape == List:
		w.WriteString("\n")
		for _, item := range n.Items {
			w.WriteString(pad + "-")
			w.node(indent+1, item)
		}
	default:
		w.WriteString("\n")
		for _, e := range n.Entries {
			w.WriteString(pad + alwaysQuote(e.Key) + ":")
			w.node(indent+1, e.Value)
		}
	}
}

func (w *writer) line(key, value string) {
	w.WriteString(key + ": " + value + "\n")
}

// message writes the fields of m, each on lines of its own, after "key:", or after
// "-" with the first field on the same line.
func (w *writer) message(indent int, m protoreflect.Message, item bool) {
	fields := m.Descriptor().Fields()
	written := 0
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		switch {
		case written == 0 && item:
			w.WriteString(" ")
		case written == 0:
			w.WriteString("\n" + strings.Repeat("  ", indent))
		default:
			w.WriteString(strings.Repeat("  ", indent))
		}
		written++
		w.WriteString(string(fd.Name()) + ":")
		w.field(indent, m, fd)
	}
	if written == 0 {
		w.WriteString(" {}\n")
	}
}

func (w *writer) field(indent int, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	switch {
	case fd.IsList():
		w.WriteString("\n")
		list := m.Get(fd).List()
		for i := range list.Len() {
			w.WriteString(strings.Repeat("  ", indent+1) + "-")
			if fd.Kind() == protoreflect.MessageKind {
				w.message(indent+2, list.Get(i).Message(), true)
			} else {
				w.WriteString(" " + scalar(fd, list.Get(i)) + "\n")
			}
		}
	case fd.Kind() == protoreflect.MessageKind:
		w.message(indent+1, m.Get(fd).Message(), false)
	default:
		w.WriteString(" " + scalar(fd, m.Get(fd)) + "\n")
	}
}

func scalar(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool())
	case protoreflect.Int32Kind:
		return strconv.FormatInt(v.Int(), 10)
	case protoreflect.Uint32Kind:
		return strconv.FormatUint(v.Uint(), 10)
	case protoreflect.EnumKind:
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return string(ev.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	case protoreflect.BytesKind:
		return string(canonical.AppendBytes(nil, v.Bytes()))
	default:
		return quote(v.String())
	}
}

// plainText is what every YAML reader takes for the same text without quotes,
// apart from the words below.
var plainText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

var yamlWords = map[string]bool{"true": true, "false": true, "yes": true, "no": true, "on": true, "off": true,
	"y": true, "n": true, "null": true}

func quote(s string) string {
	if plainText.MatchString(s) && !yamlWords[strings.ToLower(s)] {
		return s
	}
	return alwaysQuote(s)
}

// alwaysQuote writes s in double quotes with escapes that YAML and JSON share;
// what Read refuses to see is escaped.
func alwaysQuote(s string) string {
	b := make([]byte, 0, len(s)+2)
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r == '\t':
			b = append(b, '\\', 't')
		case hidden(r):
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return string(append(b, '"'))
}
