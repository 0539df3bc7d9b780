package cli

import (
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// bodyPrinter prints what a body says, for people: every field that is there, in the
// protos' order, under its name in words. It knows no kind of record by itself, so
// that a field added to the protos is never left out.
type bodyPrinter struct {
	w       io.Writer
	columns int
	base    string // the body's language
	lang    string // preferred language of texts; empty: the body's
}

// labelWidth is how far values stand in.
const labelWidth = 26

// body prints the record, and after it what stands beside it in the body.
func (p *bodyPrinter) body(b *declarationv1.Body) {
	m := b.ProtoReflect()
	if record := m.WhichOneof(m.Descriptor().Oneofs().ByName("record")); record != nil {
		p.fields(0, m.Get(record).Message())
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		switch fd := fields.Get(i); {
		case !m.Has(fd), fd.ContainingOneof() != nil && !fd.ContainingOneof().IsSynthetic():
		case fd.Name() == "nonce" || fd.Name() == "language": // says nothing; is in the head
		default:
			p.field(0, fd, m.Get(fd))
		}
	}
}

func (p *bodyPrinter) fields(in int, m protoreflect.Message) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); m.Has(fd) {
			p.field(in, fd, m.Get(fd))
		}
	}
}

// field prints a field with its label: beside the value where that is short, above
// it otherwise.
func (p *bodyPrinter) field(in int, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	label := strings.Repeat(" ", in) + label(fd)
	if fd.IsList() {
		p.list(in, label, fd, v.List())
		return
	}
	if text, ok := p.inline(fd, v); ok {
		p.say(label, text)
		return
	}
	fmt.Fprintln(p.w, label)
	p.fields(in+2, v.Message())
}

// say prints label and text, which may have several lines.
func (p *bodyPrinter) say(label, text string) {
	head := padded(label, labelWidth)
	if uniseg.StringWidth(label) >= labelWidth {
		head = label + "  "
	}
	fmt.Fprintln(p.w, hang(head, text, p.columns))
}

func (p *bodyPrinter) list(in int, label string, fd protoreflect.FieldDescriptor, list protoreflect.List) {
	var items []string
	short := 0
	for i := range list.Len() {
		text, ok := p.inline(fd, list.Get(i))
		if !ok {
			p.blocks(in, label, fd, list)
			return
		}
		items = append(items, text)
		short = max(short, uniseg.StringWidth(text))
	}
	separator := "\n"
	// Codes, dates and subjects read well in a row, sentences and parties don't.
	if short <= 32 && !strings.Contains(strings.Join(items, ""), ";") {
		separator = ", "
	}
	p.say(label, strings.Join(items, separator))
}

// blocks prints a list's items one below the other.
func (p *bodyPrinter) blocks(in int, label string, fd protoreflect.FieldDescriptor, list protoreflect.List) {
	for i := range list.Len() {
		head := label
		if list.Len() > 1 {
			head = fmt.Sprintf("%s %d of %d", label, i+1, list.Len())
		}
		if text, ok := p.inline(fd, list.Get(i)); ok {
			p.say(head, text)
			continue
		}
		fmt.Fprintln(p.w, head)
		p.fields(in+2, list.Get(i).Message())
	}
}

// inline is a value as text that stands beside its label. Messages of several fields
// are that if they fit on a line.
func (p *bodyPrinter) inline(fd protoreflect.FieldDescriptor, v protoreflect.Value) (text string, ok bool) {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return p.inlineMessage(v.Message())
	case protoreflect.BoolKind:
		if v.Bool() {
			return "yes", true
		}
		return "no", true
	case protoreflect.EnumKind:
		return enumWords(fd.Enum(), v.Enum()), true
	case protoreflect.BytesKind:
		return hex.EncodeToString(v.Bytes()), true
	case protoreflect.StringKind:
		if draft.RulesOf(fd).GetFormat() == declarationv1.Format_FORMAT_DURATION {
			return durationWords(line(v.String())), true
		}
		return printable(v.String()), true
	}
	return fmt.Sprint(v.Interface()), true
}

func (p *bodyPrinter) inlineMessage(m protoreflect.Message) (string, bool) {
	switch m := m.Interface().(type) {
	case *declarationv1.LocalizedText:
		return p.text(m), true
	case *declarationv1.Term:
		return p.term(m), true
	case *declarationv1.Point:
		return degrees(m.GetLatitudeE7()) + ", " + degrees(m.GetLongitudeE7()), true
	}
	var parts []string
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) {
			continue
		}
		if fd.IsList() {
			return "", false
		}
		text, ok := p.inline(fd, m.Get(fd))
		if !ok || strings.Contains(text, "\n") {
			return "", false
		}
		// The first of them mostly names the thing, the others need their labels.
		if len(parts) > 0 || fields.Len() > 1 && fd.Index() > 0 {
			text = fieldWords(fd) + " " + text
		}
		parts = append(parts, text)
	}
	text := strings.Join(parts, "; ")
	return text, uniseg.StringWidth(text) <= p.columns-labelWidth
}

// text is a text in the preferred language, or else in the body's, then with its
// language behind it.
func (p *bodyPrinter) text(t *declarationv1.LocalizedText) string {
	var found *declarationv1.Text
	for _, want := range []string{p.lang, p.base} {
		for _, one := range t.GetTexts() {
			if found == nil && want != "" && (one.GetLang() == want || strings.HasPrefix(one.GetLang(), want+"-")) {
				found = one
			}
		}
	}
	if found == nil && len(t.GetTexts()) > 0 {
		found = t.GetTexts()[0]
	}
	text := printable(found.GetValue())
	wanted := p.lang
	if wanted == "" {
		wanted = p.base
	}
	if lang := found.GetLang(); lang != wanted && !strings.HasPrefix(lang, wanted+"-") {
		text += " [" + line(lang) + "]"
	}
	return text
}

// term is a code in words with the code behind it.
func (p *bodyPrinter) term(t *declarationv1.Term) string {
	if t.GetOther() != nil {
		return "other: " + p.text(t.GetOther())
	}
	scheme := strings.TrimPrefix(t.GetScheme().String(), "SCHEME_")
	code := line(t.GetCode())
	known, ok := vocabulary.Lookup(vocabulary.Scheme(scheme), t.GetCode())
	if !ok {
		return fmt.Sprintf("%s (unknown code of %s)", code, scheme)
	}
	lang := p.lang
	if lang == "" {
		lang = p.base
	}
	return known.Label(lang) + " (" + code + ")"
}

// label is a field's name in words, at the beginning of a line.
func label(fd protoreflect.FieldDescriptor) string {
	s := fieldWords(fd)
	return strings.ToUpper(s[:1]) + s[1:]
}

func fieldWords(fd protoreflect.FieldDescriptor) string {
	words := strings.Split(string(fd.Name()), "_")
	for i, w := range words {
		switch w {
		case "url", "id":
			words[i] = strings.ToUpper(w)
		case "sha256":
			words[i] = "SHA-256"
		case "no":
			words[i] = w
			if i > 0 && i == len(words)-1 {
				words[i] = "number"
			}
		}
	}
	return strings.Join(words, " ")
}

// enumWords is an enum's value in words.
func enumWords(ed protoreflect.EnumDescriptor, n protoreflect.EnumNumber) string {
	s := draft.ShortEnum(ed, n)
	switch {
	case s == "":
		return strconv.Itoa(int(n))
	case ed.Name() == "PeopleBand":
		return band.ReplaceAllString(strings.ReplaceAll(s, "_", " "), "$1 to $2")
	case ed.Name() == "Accessibility":
		return strings.ToUpper(strings.ReplaceAll(s, "_", " "))
	}
	words := strings.Split(s, "_")
	for i, w := range words {
		if acronyms[w] {
			words[i] = strings.ToUpper(w)
		}
	}
	return strings.Join(words, " ")
}

var acronyms = map[string]bool{"pia": true, "dpia": true, "fria": true, "iama": true, "fraia": true, "aiia": true, "aia": true,
	"ai": true, "dtpr": true, "g20": true, "u20": true, "b20": true}

var band = regexp.MustCompile(`^(\d+) (\d+)$`)

func degrees(e7 int32) string { return strconv.FormatFloat(float64(e7)/1e7, 'f', 7, 64) }

var (
	duration     = regexp.MustCompile(`^P(?:\d+[YMWD])*(?:T(?:\d+[HM])+)?$`)
	durationPart = regexp.MustCompile(`(\d+)([YMWDH])`)
)

// durationWords is an ISO 8601 duration in words: "P28D" is 28 days.
func durationWords(s string) string {
	if !duration.MatchString(s) {
		return s
	}
	date, clock, _ := strings.Cut(s, "T")
	var out []string
	say := func(part string, unit map[string]string) {
		for _, m := range durationPart.FindAllStringSubmatch(part, -1) {
			name := unit[m[2]]
			if m[1] == "1" {
				name = strings.TrimSuffix(name, "s")
			}
			out = append(out, m[1]+" "+name)
		}
	}
	say(date, map[string]string{"Y": "years", "M": "months", "W": "weeks", "D": "days"})
	say(clock, map[string]string{"H": "hours", "M": "minutes"})
	if len(out) == 0 {
		return s
	}
	return strings.Join(out, " ")
}
