package shorthand

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// Parse reads one file: a batch, published all or nothing. Each of its documents
// (separated by ---) is a record in shorthand, which may have others inside, or a
// record in the long form. Errors are draft.Problems: everything that is wrong, in
// the order of the lines.
func Parse(file string, data []byte, ws Workspace, files Files) ([]*draft.Draft, error) {
	docs, err := draft.Read(file, data)
	if err != nil {
		return nil, err
	}
	r := newReader(file, ws, files)
	for _, doc := range docs {
		r.document(doc)
	}
	if len(r.problems) > 0 {
		return nil, tidy(r.problems)
	}
	return r.out, nil
}

// tidy sorts problems by line. What several records share is reported once.
func tidy(problems draft.Problems) draft.Problems {
	slices.SortStableFunc(problems, func(a, b *draft.SourceError) int { return a.Line - b.Line })
	return slices.CompactFunc(problems, func(a, b *draft.SourceError) bool { return a.Error() == b.Error() }).Limited()
}

// reader reads one file.
type reader struct {
	file     string
	ws       Workspace
	files    Files
	out      []*draft.Draft
	problems draft.Problems

	short map[[2]string]*shortName // by message and key
	forms map[string]*form         // by message
}

// heads are the keys that begin a document, with what they begin.
var heads = map[string]struct {
	kind declaration.Kind
	read func(root value, head value, rest []draft.Entry)
}{
	"deployment":    {declaration.Deployment, nil},
	"use":           {declaration.DataUse, nil},
	"assessment":    {declaration.Assessment, nil},
	"service":       {declaration.Service, nil},
	"commitment":    {declaration.Commitment, nil},
	"pledge":        {declaration.Commitment, pledge},
	"declares_none": {declaration.Commitment, declaresNone},
	"notice":        {declaration.Notice, notice},
	"member":        {declaration.Member, member},
	"finding":       {declaration.Finding, finding},
	"amend":         {"", amendment(declaration.Amend)},
	"withdraw":      {"", amendment(declaration.Withdraw)},
	"reinstate":     {"", amendment(declaration.Reinstate)},
}

// headOf is the key that begins a record of the kind with its nickname.
func headOf(kind declaration.Kind) string {
	if kind == declaration.DataUse {
		return "use"
	}
	return string(kind)
}

func (r *reader) document(doc *draft.Node) {
	if draft.IsLongForm(doc) {
		d, problems := draft.ParseNode(r.file, doc)
		if r.problems = append(r.problems, problems...); d != nil {
			r.out = append(r.out, d)
		}
		return
	}
	fail := func(line int, value, problem, do string, suggestions ...string) {
		r.problems = append(r.problems, &draft.SourceError{File: r.file, Line: line, Value: value, Problem: problem, Do: do, Suggestions: suggestions})
	}
	names := slices.Sorted(maps.Keys(heads))
	begin := "begin with one of " + strings.Join(names, ", ")
	if doc.Shape != draft.Map || len(doc.Entries) == 0 {
		fail(doc.Line, "", "this is no record", begin)
		return
	}
	first := doc.Entries[0]
	h, ok := heads[first.Key]
	if !ok {
		fail(first.Line, first.Key, "no record begins so", begin, draft.Nearest(first.Key, names)...)
		return
	}
	rec := r.newRecord(doc)
	root := value{rec: rec, n: doc}
	head := root.at(first.Value, "", first.Key)
	if h.read != nil {
		h.read(root, head, doc.Entries[1:])
		return
	}
	if name, ok := head.newNickname(); ok {
		head.path = ""
		head.into(rec.d.Body.ProtoReflect(), "nickname")
		rec.d.Body.Nickname = &name
	}
	root.record(h.kind, doc.Entries[1:])
}

// newNickname reads a nickname that a record gets; a number is the node's to give.
func (v value) newNickname() (string, bool) {
	if !v.scalar("a nickname") {
		return "", false
	}
	if strings.Contains(v.text, "/") {
		v.fail("numbers are given when publishing", "write a nickname of lower-case letters, digits and hyphens")
		return "", false
	}
	return v.reference()
}

// newRecord begins a draft for the document. Language and contact are looked up
// first, because other keys need them.
func (r *reader) newRecord(doc *draft.Node) *record {
	rec := &record{reader: r, lang: r.ws.Language, contact: r.ws.Contact, said: map[string]string{}}
	rec.d = &draft.Draft{File: r.file, Lines: map[string]int{"": doc.Line}, Operation: declaration.Publish,
		Provenance: declaration.CityOwn, Body: &declarationv1.Body{}}
	rec.lookAhead(doc)
	return rec
}

// child begins a draft inside this one, with its language, contact and dates.
func (rec *record) child(doc *draft.Node) *record {
	out := rec.newRecord(doc)
	if doc.Get("language") == nil {
		out.lang = rec.lang
		out.d.Body.Language = &out.lang
	}
	if doc.Get("contact") == nil {
		out.contact = rec.contact
	}
	if doc.Get("effective") == nil {
		out.d.EffectiveOn = rec.d.EffectiveOn
	}
	if doc.Get("provenance") == nil {
		out.d.Provenance = rec.d.Provenance
	}
	return out
}

func (rec *record) lookAhead(doc *draft.Node) {
	if n := doc.Get("language"); n != nil && n.Shape == draft.Scalar && isLanguage(n.Text) {
		rec.lang = n.Text
	}
	if n := doc.Get("contact"); n != nil && n.Shape == draft.Scalar && n.Text != "" {
		rec.contact = n.Text
	}
	root := value{rec: rec, n: doc}
	for _, key := range []string{"effective", "provenance"} { // what is inside begins with the same
		if n := doc.Get(key); n != nil {
			root.statementKey(key, n)
		}
	}
	rec.d.Body.Language = &rec.lang
}

// record reads the entries of a record of the kind. v is its root.
func (v value) record(kind declaration.Kind, entries []draft.Entry) {
	body := v.rec.d.Body.ProtoReflect()
	fd := body.Descriptor().Fields().ByName(protoreflect.Name(kind))
	m := body.Mutable(fd).Message()
	v.rec.out = append(v.rec.out, v.rec.d)
	inside := v
	inside.path = string(kind)
	v.rec.d.Lines[inside.path] = v.n.Line
	for _, e := range entries {
		if v.statementEntry(e) || inside.tryKey(m, e) || v.tryKey(body, e) {
			continue
		}
		inside.key(m, e) // reports it, with the record's keys as suggestions
	}
	v.rec.defaults(m)
}

// statementEntry reads what stands in the signed statement, not in the record.
// Language was read beforehand.
func (v value) statementEntry(e draft.Entry) bool {
	switch e.Key {
	case "effective", "provenance":
		return true // read by lookAhead, because records inside share it
	case "language":
		at := v.at(e.Value, "language", joinPath(v.shown, e.Key))
		at.mark()
		if at.scalar("a language") && !isLanguage(at.text) {
			at.fail("this is no language tag", "write for example nl or pt-BR")
		}
		return true
	}
	return false
}

// statementKey reads effective and provenance.
func (v value) statementKey(key string, n *draft.Node) {
	at := v.at(n, key, joinPath(v.shown, key))
	switch key {
	case "effective":
		if s, ok := at.date(); ok {
			at.rec.d.EffectiveOn, _ = declaration.ParseDate(*s)
			at.rec.d.Lines["effective_on"] = at.n.Line
		}
	case "provenance":
		if !at.scalar("a provenance") {
			return
		}
		p := declaration.Provenance(strings.ToUpper(fold(at.text)))
		if p != declaration.CityOwn && !p.Imported() {
			at.fail("unknown provenance", "write city_own, imported_by_city or imported_by_others")
			return
		}
		at.rec.d.Provenance = p
	}
}

func indexed(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
