package publication

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// maxDepth is more than the deepest field of a body; a test holds it.
const maxDepth = 12

// maxTags is how many different language tags one body's check remembers:
// parsing one costs as much as a hundred field checks.
const maxTags = 16

// maxLanguages is how many languages one text may have (common.proto).
const maxLanguages = 12

// maxSuggestions is how many unknown codes of one body get a "did you mean": each
// takes a comparison with every code of its lists.
const maxSuggestions = 5

// step is one part of a field's path.
type step struct {
	name  string
	index int // −1: not an item of a list
}

// checker looks at one record. Rules of V-01, V-03 to V-06, V-17 and V-23 that a
// field's annotation holds are one walk over the populated fields.
type checker struct {
	report
	statement *declaration.Statement
	body      *declarationv1.Body
	language  string // the body's default language; empty if that is no tag

	path  [maxDepth]step
	depth int
	tags  [maxTags]string // language tags that are in order
	seen  int

	suggested int
}

func (c *checker) push(name string) {
	c.path[c.depth] = step{name, -1}
	c.depth++
}

func (c *checker) pop() { c.depth-- }

func (c *checker) at(i int) { c.path[c.depth-1].index = i }

// field is the path of the field that the walk is at.
func (c *checker) field() string {
	var b strings.Builder
	for i, s := range c.path[:c.depth] {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.index >= 0 {
			fmt.Fprintf(&b, "[%d]", s.index)
		}
	}
	return b.String()
}

// message walks one message.
func (c *checker) message(p *plan, m protoreflect.Message) {
	for i := range p.fields {
		if c.full() {
			return
		}
		f := &p.fields[i]
		if !m.Has(f.desc) {
			if f.required || f.minItems > 0 {
				c.missing(f)
			}
			continue
		}
		c.push(f.name)
		if f.list {
			c.list(f, m.Get(f.desc).List())
		} else {
			c.value(f, m.Get(f.desc))
		}
		c.pop()
	}
}

// missing reports a field that must be there, unless it is withheld.
func (c *checker) missing(f *field) {
	c.push(f.name)
	defer c.pop()
	path := c.field()
	if c.isWithheld(path) {
		return
	}
	c.absent(f.countRule, path, "", ask(f), hintFor(path, f))
}

func (c *checker) list(f *field, list protoreflect.List) {
	n := list.Len()
	if n < f.minItems {
		c.absent(f.countRule, c.field(), "", ask(f), hintFor(c.field(), f))
	}
	if n > f.maxItems {
		c.wrong(f.countRule, c.field(), "", fmt.Sprintf("There are %d; at most %d may be listed.", n, f.maxItems),
			"Keep the most telling ones here and put the full list into an attachment.")
	}
	// What is beyond the limit is refused already: looking at it would only let a
	// hostile body cost more.
	for i := range min(n, f.maxItems) {
		c.at(i)
		c.value(f, list.Get(i))
		if f.distinct && i > 0 && repeats(f, list, i) {
			c.wrong(f.countRule, c.field(), c.show(f, list.Get(i)), "This is listed twice.", "Take one of the two out.")
		}
	}
	c.at(-1)
}

// repeats reports whether item i equals one before it. Two terms "other" differ by
// their words.
func repeats(f *field, list protoreflect.List, i int) bool {
	v := list.Get(i)
	for j := range i {
		w := list.Get(j)
		switch f.shape {
		case shapeString:
			if v.String() == w.String() {
				return true
			}
		case shapeEnum:
			if v.Enum() == w.Enum() {
				return true
			}
		case shapeTerm:
			a, b := term(v), term(w)
			if a.GetScheme() == b.GetScheme() && a.GetCode() == b.GetCode() && a.GetCode() != vocabulary.Other {
				return true
			}
		}
	}
	return false
}

func term(v protoreflect.Value) *declarationv1.Term {
	t, _ := v.Message().Interface().(*declarationv1.Term)
	return t
}

// show is a value as a message repeats it.
func (c *checker) show(f *field, v protoreflect.Value) string {
	switch f.shape {
	case shapeString:
		return v.String()
	case shapeEnum:
		if d := f.desc.Enum().Values().ByNumber(v.Enum()); d != nil {
			return words(string(d.Name()), string(f.desc.Enum().Name()))
		}
	case shapeTerm:
		return term(v).GetCode()
	}
	return ""
}

func (c *checker) value(f *field, v protoreflect.Value) {
	switch f.shape {
	case shapeString:
		c.str(f, v.String())
	case shapeBytes:
		if n := len(v.Bytes()); f.length > 0 && n != f.length {
			c.wrong("V-06", c.field(), "", fmt.Sprintf("This has %d bytes instead of %d.", n, f.length),
				"A hash is SHA-256: let the tool compute it from the file.")
		}
	case shapeEnum:
		c.enum(f, v.Enum())
	case shapeInt:
		c.number(f, v)
	case shapeText:
		t, _ := v.Message().Interface().(*declarationv1.LocalizedText)
		c.text(t, f.maxChars)
	case shapeTerm:
		c.term(f, term(v))
	case shapeMessage:
		c.message(f.sub, v.Message())
	}
}

func (c *checker) enum(f *field, n protoreflect.EnumNumber) {
	switch {
	case n == 0:
		c.absent("V-01", c.field(), "", ask(f), hintFor(c.field(), f))
	case n < 0 || n > f.enumMax:
		c.wrong("V-01", c.field(), fmt.Sprint(n), "This version of the rules knows no such value.", hintFor(c.field(), f))
	}
}

func (c *checker) number(f *field, v protoreflect.Value) {
	var n int64
	if f.desc.Kind() == protoreflect.Uint32Kind {
		n = int64(v.Uint()) //nolint:gosec // a uint32
	} else {
		n = v.Int()
	}
	if f.hasMin && n < f.min || f.hasMax && n > f.max {
		message := fmt.Sprintf("%d is more than %d.", n, f.max)
		switch {
		case f.hasMin && f.hasMax:
			message = fmt.Sprintf("%d is not between %d and %d.", n, f.min, f.max)
		case f.hasMin:
			message = fmt.Sprintf("%d is less than %d.", n, f.min)
		}
		hint := ""
		if f.rangeRule == "V-17" {
			hint = "Latitudes go from -90 to 90 degrees, longitudes from -180 to 180: are the two swapped?"
		}
		c.wrong(f.rangeRule, c.field(), fmt.Sprint(n), message, hint)
	}
}

// str checks a string that is no text of a person: a name, a code, an address.
func (c *checker) str(f *field, s string) {
	if !c.chars(s, false, f.maxChars, "") {
		return
	}
	switch f.format {
	case declarationv1.Format_FORMAT_UNSPECIFIED, declarationv1.Format_FORMAT_FIELD_PATH:
	case declarationv1.Format_FORMAT_LANGUAGE:
		c.tag(s)
	default:
		if problem, hint := formatProblem(f.format, s); problem != "" {
			c.wrong(formatRule(f.format), c.field(), s, "This "+problem+".", hint)
			return
		}
		switch f.format {
		case declarationv1.Format_FORMAT_SUBJECT:
			c.kind(f, s)
		case declarationv1.Format_FORMAT_CONTACT:
			if looksLikePerson(s) {
				c.warn("V-08", c.field(), s, "This mailbox looks like a person's.",
					"Nothing in the log can be unsaid: give the mailbox of a role, for example privacy@kanaalstad.example")
			}
		}
	}
}

// kind checks that a reference names a record of a kind that belongs there (V-16).
func (c *checker) kind(f *field, s string) {
	if len(f.refersTo) == 0 {
		return
	}
	prefix, _, _ := strings.Cut(s, "/")
	k, _ := declaration.KindByPrefix(prefix)
	if slices.Contains(f.refersTo, k) {
		return
	}
	want := make([]string, len(f.refersTo))
	for i, k := range f.refersTo {
		want[i] = article(plain(string(k)))
	}
	c.wrong("V-16", c.field(), s, fmt.Sprintf("This names %s, but %s belongs here.", article(plain(string(k))), strings.Join(want, " or ")),
		fmt.Sprintf("Write for example %s/31, or the nickname of %s.", f.refersTo[0].Prefix(), want[0]))
}

// chars checks length and characters of s; lang is the language that it is in, or
// empty.
func (c *checker) chars(s string, prose bool, limit int, lang string) bool {
	n, problem := scan(s, prose)
	if problem == "" && n > 0 && n <= limit && (s[0] > ' ' || strings.TrimSpace(s) != "") {
		return true
	}
	what := "The text"
	if lang != "" {
		what += " in " + lang
	}
	switch {
	case problem != "":
		c.wrong("V-06", c.field(), s, fmt.Sprintf("%s %s.", what, problem), "Take it out, or type the text again instead of pasting it.")
	case n > limit:
		c.wrong("V-01", c.field(), s, fmt.Sprintf("%s has %d characters; at most %d fit here.", what, n, limit),
			"Shorten it, or put the long version into an attachment.")
	default:
		c.absent("V-01", c.field(), "", what+" is empty.", "Fill it in, or leave the field out where it may be left out.")
	}
	return false
}

// tag checks a language tag (V-03).
func (c *checker) tag(s string) bool {
	if slices.Contains(c.tags[:c.seen], s) {
		return true
	}
	if problem := languageProblem(s); problem != "" {
		c.wrong("V-03", c.field(), s, "This "+problem+".", "Write a BCP 47 tag, for example nl, en-GB or zh-Hant.")
		return false
	}
	if c.seen < maxTags {
		c.tags[c.seen] = s
		c.seen++
	}
	return true
}

// text checks a text in one or more languages.
func (c *checker) text(t *declarationv1.LocalizedText, limit int) {
	texts := t.GetTexts()
	switch {
	case len(texts) == 0:
		c.absent("V-01", c.field(), "", "The text is empty.", "Write it in the language of the declaration.")
		return
	case len(texts) > maxLanguages:
		c.wrong("V-01", c.field(), "", fmt.Sprintf("There are %d languages; at most %d fit here.", len(texts), maxLanguages), "Leave some out.")
	}
	hasDefault := c.language == "" || len(texts) > maxLanguages // what is cut off may be it
	texts = texts[:min(len(texts), maxLanguages)]
	prose := limit > lineChars
	for i, x := range texts {
		lang := x.GetLang()
		if lang == "" || !c.tag(lang) {
			if lang == "" {
				c.wrong("V-03", c.field(), x.GetValue(), "This text has no language.", "Write a BCP 47 tag before it, for example nl: or en:")
			}
			continue
		}
		hasDefault = hasDefault || lang == c.language
		for _, y := range texts[:i] {
			if y.GetLang() == lang {
				c.wrong("V-03", c.field(), x.GetValue(), fmt.Sprintf("There are two texts in %s.", lang), "Keep one of them.")
				break
			}
		}
		c.chars(x.GetValue(), prose, limit, lang)
	}
	if !hasDefault {
		c.wrong("V-03", c.field(), firstText(t), fmt.Sprintf("This is not said in %s, the language of the declaration.", c.language),
			fmt.Sprintf("Add it:  {%s: …}", c.language))
	}
}

// schemes are the vocabulary's names of the enum's schemes, by number.
var schemes = func() [declarationv1.Scheme_SCHEME_DPV_DATA_SUBJECT + 1]vocabulary.Scheme {
	var out [declarationv1.Scheme_SCHEME_DPV_DATA_SUBJECT + 1]vocabulary.Scheme
	for n, name := range declarationv1.Scheme_name {
		out[n] = vocabulary.Scheme(strings.TrimPrefix(name, "SCHEME_"))
	}
	return out
}()

// schemeOf returns the vocabulary's name of a term's scheme; empty if there is none.
func schemeOf(t *declarationv1.Term) vocabulary.Scheme {
	if n := t.GetScheme(); n > 0 && int(n) < len(schemes) {
		return schemes[n]
	}
	return ""
}

// term checks a code of a vocabulary (V-04), and the words beside it.
func (c *checker) term(f *field, t *declarationv1.Term) {
	if t.GetOther() != nil {
		c.text(t.GetOther(), lineChars)
	}
	code, scheme := t.GetCode(), schemeOf(t)
	switch {
	case code == "" && t.GetScheme() == 0:
		c.absent("V-01", c.field(), "", "This names nothing.", codesHint(f.schemes))
		return
	case len(f.schemes) > 0 && !slices.Contains(f.schemes, t.GetScheme()):
		c.wrong("V-04", c.field(), code, fmt.Sprintf("A code of the list %s does not belong here.", schemeName(scheme)), codesHint(f.schemes))
		return
	}
	if _, ok := vocabulary.Lookup(scheme, code); !ok {
		message := fmt.Sprintf("The list %s has no such code.", schemeName(scheme))
		if c.suggested++; c.suggested <= maxSuggestions {
			message += suggestion(f.schemes, scheme, code)
		}
		c.wrong("V-04", c.field(), code, message, codesHint(f.schemes))
		return
	}
	switch {
	case code == vocabulary.Other && t.GetOther() == nil:
		c.absent("V-04", c.field(), code, "You say \"other\", so say in your own words what it is.", "For example:  other - a word or two that name it")
	case code != vocabulary.Other && t.GetOther() != nil:
		c.wrong("V-04", c.field(), code, "Your own words stand beside a code that already says it.", "Leave the words out, or use the code other.")
	}
}

func schemeName(s vocabulary.Scheme) string {
	if s == "" {
		return "(none)"
	}
	return string(s)
}
