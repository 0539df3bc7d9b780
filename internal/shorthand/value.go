package shorthand

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

const (
	hashProblem = "a # follows the text: YAML would drop the rest of the line"
	hashAdvice  = "put the text into quotes, or write two spaces before the # and one after it"
)

// value is something written, on its way into a field.
type value struct {
	rec   *record
	n     *draft.Node
	path  string // of the field, relative to Body, by its proto names
	shown string // of the field, as it was written
	text  string // of a scalar, or of the part of a one-line form that is read now
}

func (v value) fail(problem, do string, suggestions ...string) {
	v.rec.problems = append(v.rec.problems, &draft.SourceError{File: v.rec.file, Line: v.n.Line, Path: v.shown,
		Value: v.text, Problem: problem, Do: do, Suggestions: suggestions})
}

// part is a piece of a one-line form.
func (v value) part(text string) value {
	v.text = text
	return v
}

// at is a value inside this one: an entry of a map or an item of a list.
func (v value) at(n *draft.Node, path, shown string) value {
	out := value{rec: v.rec, n: n, path: path, shown: shown, text: n.Text}
	if n.Shape != draft.Scalar {
		out.text = ""
	}
	return out
}

func joinPath(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// mark remembers the line of a field.
func (v value) mark() {
	if _, ok := v.rec.d.Lines[v.path]; !ok {
		v.rec.d.Lines[v.path] = v.n.Line
	}
}

// scalar checks that one value is written, whose text is v.text.
func (v value) scalar(want string) bool {
	switch {
	case v.n.Absent:
		v.fail("nothing is written here", "write "+want+", or leave the key out")
	case v.n.Shape == draft.Map:
		v.fail("want "+want+", not keys", "")
	case v.n.Shape == draft.List:
		v.fail("want "+want+", not a list", "")
	case v.text == "":
		v.fail("the text is empty", "write "+want+", or leave the key out")
	case strings.ContainsFunc(v.text, hidden):
		v.fail("a control character or an invisible direction control stands in it: what is read is not what is written", "remove it")
	default:
		return true
	}
	return false
}

// hidden are characters that a quoted escape can bring in and no reader would see.
func hidden(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' || r == '\ufeff' || draft.IsBidiControl(r)
}

// words is scalar for what holds free text: there a close "#" is an error, because
// YAML cut the text at it.
func (v value) words(want string) bool {
	if !v.scalar(want) {
		return false
	}
	if v.n.Hash {
		v.fail(hashProblem, hashAdvice)
		return false
	}
	return true
}

// trimmed drops the line feed that YAML's | and > leave at the end.
func trimmed(s string) string { return strings.TrimRight(s, " \n") }

// localized is a text in the draft's language.
func (v value) localized() *declarationv1.LocalizedText {
	lang, text := v.rec.lang, trimmed(v.text)
	return &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: &lang, Value: &text}}}
}

// localizedNode reads a plain string, or {nl: …, en: …}.
func (v value) localizedNode() (*declarationv1.LocalizedText, bool) {
	if v.n.Shape != draft.Map {
		if !v.words("a text") {
			return nil, false
		}
		return v.localized(), true
	}
	out, ok := &declarationv1.LocalizedText{}, len(v.n.Entries) > 0
	if !ok {
		v.fail("the text has no language", "write {nl: …}")
	}
	for _, e := range v.n.Entries {
		t := v.at(e.Value, v.path, joinPath(v.shown, e.Key))
		if !isLanguage(e.Key) {
			ok = false
			t.part(e.Key).fail("this is no language tag", "write for example {nl: …, en: …}")
			continue
		}
		if !t.words("a text") {
			ok = false
			continue
		}
		lang, text := e.Key, trimmed(t.text)
		out.Texts = append(out.Texts, &declarationv1.Text{Lang: &lang, Value: &text})
	}
	return out, ok
}

func (v value) date() (*string, bool) {
	if !v.scalar("a date") {
		return nil, false
	}
	d, err := declaration.ParseDate(v.text)
	if err != nil {
		v.fail("this is no date", "write YYYY-MM-DD, or YYYY-MM or YYYY where no more is known")
		return nil, false
	}
	s := d.String()
	return &s, true
}

func (v value) yesNo() (*bool, bool) {
	if !v.scalar("yes or no") {
		return nil, false
	}
	var b bool
	switch strings.ToLower(v.text) {
	case "yes", "true":
		b = true
	case "no", "false":
	default:
		v.fail("this is neither yes nor no", "write yes or no")
		return nil, false
	}
	return &b, true
}

// integer reads a whole number in plain digits: nothing that YAML or a spreadsheet
// could read as another number.
func (v value) integer(low, high int64) (int64, bool) {
	if !v.scalar("a whole number") {
		return 0, false
	}
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != v.text {
		v.fail("this is no whole number in plain digits", "write for example 1200")
		return 0, false
	}
	if n < low || n > high {
		v.fail(fmt.Sprintf("the number is out of range: %d to %d", low, high), "")
		return 0, false
	}
	return n, true
}

// fold makes "In use", "in-use" and "IN_USE" one word.
func fold(s string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(strings.TrimSpace(s)))
}

// enumWords maps a value's short name ("in_use") to its number. Names are prefixed
// with the enum's name, as the protos' style asks.
func enumWords(ed protoreflect.EnumDescriptor) (names []string, numbers map[string]protoreflect.EnumNumber) {
	prefix := strings.TrimSuffix(string(ed.Values().ByNumber(0).Name()), "UNSPECIFIED")
	numbers = map[string]protoreflect.EnumNumber{}
	for i := range ed.Values().Len() {
		if ev := ed.Values().Get(i); ev.Number() != 0 {
			name := strings.ToLower(strings.TrimPrefix(string(ev.Name()), prefix))
			names = append(names, name)
			numbers[name] = ev.Number()
			numbers[strings.ToLower(string(ev.Name()))] = ev.Number()
		}
	}
	return names, numbers
}

// tryEnum looks text up in an enum, without a report.
func tryEnum(text string, ed protoreflect.EnumDescriptor) (protoreflect.EnumNumber, bool) {
	_, numbers := enumWords(ed)
	n, ok := numbers[fold(text)]
	return n, ok
}

func (v value) enum(ed protoreflect.EnumDescriptor) (protoreflect.EnumNumber, bool) {
	if !v.scalar("one word") {
		return 0, false
	}
	n, ok := tryEnum(v.text, ed)
	if !ok {
		names, _ := enumWords(ed)
		v.fail("unknown value", "write one of "+strings.Join(names, ", "), draft.Nearest(v.text, names)...)
	}
	return n, ok
}

var ownWords = regexp.MustCompile(`^(?i:other) ?\((.+)\)$`)

// term reads a code of the schemes: "CODE", "SCHEME:CODE" or "other (own words)".
func (v value) term(schemes []declarationv1.Scheme) (*declarationv1.Term, bool) {
	if !v.words("a code") {
		return nil, false
	}
	allowed := make([]vocabulary.Scheme, len(schemes))
	for i, s := range schemes {
		allowed[i] = vocabulary.Scheme(strings.TrimPrefix(s.String(), "SCHEME_"))
	}
	if len(allowed) == 0 {
		allowed = vocabulary.Schemes()
	}
	word := v.text
	if prefix, rest, ok := strings.Cut(word, ":"); ok {
		if s := vocabulary.Scheme(strings.ToUpper(prefix)); s.Valid() {
			if !containsScheme(allowed, s) {
				v.fail(fmt.Sprintf("this field takes no codes of %s", s), "the schemes are "+joinSchemes(allowed))
				return nil, false
			}
			allowed, word = []vocabulary.Scheme{s}, strings.TrimSpace(rest)
		}
	}
	if m := ownWords.FindStringSubmatch(word); m != nil {
		return &declarationv1.Term{Scheme: schemeEnum(allowed[0]), Code: ptr(vocabulary.Other), Other: v.part(m[1]).localized()}, true
	}
	t, err := resolve(allowed, word)
	if err != nil {
		v.termProblem(err, allowed)
		return nil, false
	}
	if t.Flags&vocabulary.FlagOther != 0 {
		v.fail(`"other" needs words of your own`, "write other (your words)")
		return nil, false
	}
	return &declarationv1.Term{Scheme: schemeEnum(t.Scheme), Code: &t.Code}, true
}

// resolve takes the vocabulary's kind with these very schemes where there is one:
// it leaves out the local terms that belong to other fields.
func resolve(schemes []vocabulary.Scheme, word string) (vocabulary.Term, error) {
	if k := kindOf(schemes); k != "" {
		return vocabulary.ResolveKind(k, word)
	}
	return vocabulary.Resolve(schemes, word)
}

func kindOf(schemes []vocabulary.Scheme) string {
	for _, k := range vocabulary.Kinds() {
		if joinSchemes(k.Schemes) == joinSchemes(schemes) {
			return k.Name
		}
	}
	return ""
}

func (v value) termProblem(err error, schemes []vocabulary.Scheme) {
	do := ""
	if k := kindOf(schemes); k != "" {
		do = "list: cityproof codes " + k
	}
	var unknown *vocabulary.UnknownError
	var ambiguous *vocabulary.AmbiguousError
	switch {
	case errors.As(err, &unknown):
		var names []string
		for _, t := range unknown.Suggestions {
			names = append(names, t.Code)
		}
		problem := "unknown code"
		if len(unknown.Elsewhere) > 0 {
			problem = fmt.Sprintf("%s is a code of %s, which this field does not take", unknown.Elsewhere[0].Code, unknown.Elsewhere[0].Scheme)
		}
		v.fail(problem, do, names...)
	case errors.As(err, &ambiguous):
		names := make([]string, len(ambiguous.Matches))
		for i, t := range ambiguous.Matches {
			names[i] = strings.ToLower(string(t.Scheme)) + ":" + t.Code
		}
		v.fail("this could be several codes", "write the one you mean: "+strings.Join(names, " or "))
	default:
		v.fail(err.Error(), do)
	}
}

func containsScheme(list []vocabulary.Scheme, s vocabulary.Scheme) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func joinSchemes(schemes []vocabulary.Scheme) string {
	names := make([]string, len(schemes))
	for i, s := range schemes {
		names[i] = strings.ToLower(string(s))
	}
	return strings.Join(names, ", ")
}

func schemeEnum(s vocabulary.Scheme) *declarationv1.Scheme {
	return declarationv1.Scheme(declarationv1.Scheme_value["SCHEME_"+string(s)]).Enum()
}

func ptr[T any](v T) *T { return &v }

// bytesValue reads a hash as 64 hexadecimal digits where the field holds 32 bytes,
// and any bytes as base64.
func (v value) bytesValue(length uint32) ([]byte, bool) {
	if !v.scalar("a hash") {
		return nil, false
	}
	b, err := hex.DecodeString(v.text)
	if err != nil || length == 0 || len(b) != int(length) || strings.ToLower(v.text) != v.text {
		if b, err = canonical.ParseBase64(v.text); err != nil || length != 0 && len(b) != int(length) {
			v.fail(fmt.Sprintf("want %d bytes as lower-case hexadecimal or base64", length), "")
			return nil, false
		}
	}
	return b, true
}

var durationWords = map[string]struct{ unit, time string }{
	"minute": {"M", "T"}, "hour": {"H", "T"}, "day": {"D", ""}, "week": {"W", ""}, "month": {"M", ""}, "year": {"Y", ""},
}

var (
	wordDuration = regexp.MustCompile(`^([1-9][0-9]{0,5}) ([a-z]+?)s?$`)
	isoDuration  = regexp.MustCompile(`^P([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T([0-9]+H)?([0-9]+M)?)?$`)
)

// tryDuration reads "28 days" or an ISO 8601 duration, which it only recognises:
// its limits are the rules' to check.
func tryDuration(text string) (string, bool) {
	if m := wordDuration.FindStringSubmatch(text); m != nil {
		if w, ok := durationWords[m[2]]; ok {
			return "P" + w.time + m[1] + w.unit, true
		}
	}
	if isoDuration.MatchString(text) && strings.ContainsAny(text, "123456789") && !strings.HasSuffix(text, "T") {
		return text, true
	}
	return "", false
}

func (v value) duration() (*string, bool) {
	if !v.scalar("a duration") {
		return nil, false
	}
	d, ok := tryDuration(v.text)
	if !ok {
		v.fail("this is no duration", "write for example 28 days, 6 months, 5 years or P28D")
	}
	return &d, ok
}

func (v value) country() (*string, bool) {
	if !v.scalar("a country") {
		return nil, false
	}
	if !isCountry(v.text) {
		v.fail("this is no country", "write two capital letters of ISO 3166-1, for example NL")
		return nil, false
	}
	return ptr(v.text), true
}

// str reads the text of a string field by the format that the protos give it.
func (v value) str(rules *declarationv1.FieldRules) (string, bool) {
	var s *string
	ok := false
	switch rules.GetFormat() {
	case declarationv1.Format_FORMAT_DATE:
		s, ok = v.date()
	case declarationv1.Format_FORMAT_DURATION:
		s, ok = v.duration()
	case declarationv1.Format_FORMAT_COUNTRY:
		s, ok = v.country()
	case declarationv1.Format_FORMAT_LANGUAGE:
		if ok = v.scalar("a language"); ok && !isLanguage(v.text) {
			v.fail("this is no language tag", "write for example nl or pt-BR")
			ok = false
		}
		s = &v.text
	case declarationv1.Format_FORMAT_SUBJECT:
		return v.reference()
	default:
		ok = v.words("a text")
		s = ptr(trimmed(v.text))
	}
	if !ok {
		return "", false
	}
	return *s, true
}

var nickname = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// reference reads a subject or a nickname; which record it names is draft.Number's
// to find.
func (v value) reference() (string, bool) {
	if !v.scalar("a nickname or number") {
		return "", false
	}
	if strings.Contains(v.text, "/") {
		if _, err := declaration.ParseSubject(v.text); err != nil {
			v.fail("this is no number of a record", "write for example dep/17, or a nickname")
			return "", false
		}
		return v.text, true
	}
	if !nickname.MatchString(v.text) {
		v.fail("this is no nickname", "use lower-case letters, digits and hyphens, at most 64; or a number such as dep/17")
		return "", false
	}
	return v.text, true
}
