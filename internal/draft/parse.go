package draft

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Unresolved stands for the kind in `record:` while the record that an amendment
// applies to has not been fetched.
const Unresolved = "unresolved"

// Parse reads drafts in the long form, which FORMAT.md describes: YAML documents,
// JSON, or JSON Lines. It refuses unknown and repeated keys and values of another
// type; what the values mean is package publication's to check. Errors are
// Problems: everything that is wrong, with lines.
func Parse(file string, data []byte) ([]*Draft, error) {
	docs, err := Read(file, data)
	if err != nil {
		return nil, err
	}
	var drafts []*Draft
	var problems Problems
	for _, doc := range docs {
		d, err := ParseNode(file, doc)
		if err != nil {
			problems = append(problems, err...)
			continue
		}
		drafts = append(drafts, d)
	}
	if len(problems) > 0 {
		return nil, problems.Limited()
	}
	return drafts, nil
}

// IsLongForm reports whether a document of Read is in the long form.
func IsLongForm(doc *Node) bool { return doc.Shape == Map && doc.Get("record") != nil }

// ParseNode reads one document of Read in the long form.
func ParseNode(file string, doc *Node) (*Draft, Problems) {
	r := &longReader{file: file, d: &Draft{File: file, Lines: map[string]int{"": doc.Line}, Body: &declarationv1.Body{}}}
	if doc.Shape != Map {
		r.fail(doc, "", "want a map with record, operation and body", "")
		return nil, r.problems
	}
	var record string
	r.fields(doc, "", map[string]func(*Node, string){
		"record":       func(n *Node, p string) { record = r.text(n, p) },
		"operation":    func(n *Node, p string) { r.operation(n, p) },
		"subject":      func(n *Node, p string) { r.subject(n, p) },
		"target":       func(n *Node, p string) { r.d.Target = r.text(n, p) },
		"effective_on": func(n *Node, p string) { r.effective(n, p) },
		"provenance":   func(n *Node, p string) { r.provenance(n, p) },
		"changes":      func(n *Node, p string) { r.list(n, p, r.change) },
		"files":        func(n *Node, p string) { r.list(n, p, r.attachedFile) },
		"unknown":      func(n *Node, p string) { r.list(n, p, r.unknown) },
		"body":         func(n *Node, p string) { r.message(n, "", r.d.Body.ProtoReflect()) },
	})
	for _, e := range doc.Entries { // what rules call by the statement's names
		if e.Key != "body" {
			r.d.Lines[e.Key] = e.Line
		}
	}
	if len(r.problems) == 0 {
		r.whole(doc, record)
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return r.d, nil
}

// whole checks what several keys say together.
func (r *longReader) whole(doc *Node, record string) {
	d := r.d
	at := func(key string) *Node {
		if n := doc.Get(key); n != nil {
			return n
		}
		return doc
	}
	kind, hasRecord := declaration.KindOf(d.Body)
	switch {
	case d.Operation == "":
		r.fail(doc, "operation", "the operation is missing", "write operation: PUBLISH, AMEND, WITHDRAW or REINSTATE")
	case hasRecord && record != string(kind):
		r.failValue(at("record"), "record", record, fmt.Sprintf("the body holds a %s", kind), "")
	case !hasRecord && (record != Unresolved || d.Operation == declaration.Publish):
		r.failValue(at("body"), "body", "", fmt.Sprintf("the body holds no %s", clip(record)), "")
	}
	switch publish := d.Operation == declaration.Publish; {
	case publish && d.Target != "":
		r.failValue(at("target"), "target", d.Target, "PUBLISH begins a record and has no target", "leave it out, or write operation: AMEND")
	case publish && len(d.Set) > 0:
		r.fail(at("changes"), "changes", "PUBLISH has no changes", "write them into the body")
	case !publish && d.Target == "":
		r.fail(at("operation"), "target", "the target is missing", "write target: and the record's number or nickname")
	}
	if !d.Subject.IsZero() && hasRecord && d.Subject.Kind != kind {
		r.failValue(at("subject"), "subject", d.Subject.String(), fmt.Sprintf("the body holds a %s", kind), "")
	}
}

type longReader struct {
	file     string
	d        *Draft
	problems Problems
}

func (r *longReader) fail(n *Node, path, problem, do string) {
	r.failValue(n, path, "", problem, do)
}

func (r *longReader) failValue(n *Node, path, value, problem, do string, suggestions ...string) {
	r.problems = append(r.problems, &SourceError{File: r.file, Line: n.Line, Path: path, Value: value,
		Problem: problem, Do: do, Suggestions: suggestions})
}

// fields hands each key of a map to its reader, and refuses unknown keys.
func (r *longReader) fields(n *Node, path string, known map[string]func(*Node, string)) {
	if n.Shape != Map {
		r.fail(n, path, "want a map", "write the fields under it, each as name: value")
		return
	}
	for _, e := range n.Entries {
		read, ok := known[e.Key]
		if !ok {
			names := slices.Sorted(maps.Keys(known))
			r.unknownKey(e, path, names)
			continue
		}
		read(e.Value, join(path, e.Key))
	}
}

func (r *longReader) unknownKey(e Entry, path string, known []string) {
	do := "the long form knows here: " + strings.Join(known, ", ")
	if len(known) > 12 {
		do = "FORMAT.md of the long form lists the fields"
	}
	r.problems = append(r.problems, &SourceError{File: r.file, Line: e.Line, Path: path, Value: e.Key,
		Problem: "unknown key", Do: do, Suggestions: Nearest(e.Key, known)})
}

func (r *longReader) list(n *Node, path string, item func(*Node, string)) {
	if n.Shape != List || len(n.Items) == 0 {
		r.fail(n, path, "want a list of at least one item", "leave an empty list out")
		return
	}
	for i, it := range n.Items {
		item(it, fmt.Sprintf("%s[%d]", path, i))
	}
}

// text reads a scalar as text; it reports and returns "" what is none.
func (r *longReader) text(n *Node, path string) string {
	switch {
	case n.Absent:
		r.fail(n, path, "nothing is written here", "write a value, or leave the key out")
	case n.Shape != Scalar:
		r.fail(n, path, "want a text", "")
	case n.JSON && n.Plain:
		r.failValue(n, path, n.Text, "want a text", "put it into quotes")
	case n.Hash:
		r.failValue(n, path, n.Text, "a # follows the text: YAML would drop the rest of the line",
			"put the text into quotes, or write two spaces before the # and one after it")
	default:
		return n.Text
	}
	return ""
}

func (r *longReader) operation(n *Node, path string) {
	v := declaration.Operation(r.text(n, path))
	switch v {
	case declaration.Publish, declaration.Amend, declaration.Withdraw, declaration.Reinstate:
		r.d.Operation = v
	case "":
	default:
		r.failValue(n, path, string(v), "unknown operation", "write PUBLISH, AMEND, WITHDRAW or REINSTATE")
	}
}

func (r *longReader) provenance(n *Node, path string) {
	v := declaration.Provenance(r.text(n, path))
	switch {
	case v == declaration.CityOwn || v.Imported():
		r.d.Provenance = v
	case v != "":
		r.failValue(n, path, string(v), "unknown provenance", "write CITY_OWN, IMPORTED_BY_CITY or IMPORTED_BY_OTHERS")
	}
}

func (r *longReader) subject(n *Node, path string) {
	if v := r.text(n, path); v != "" {
		s, err := declaration.ParseSubject(v)
		if err != nil {
			r.fail(n, path, err.Error(), "")
		}
		r.d.Subject = s
	}
}

func (r *longReader) effective(n *Node, path string) {
	if v := r.text(n, path); v != "" {
		date, err := declaration.ParseDate(v)
		if err != nil {
			r.fail(n, path, err.Error(), "")
		}
		r.d.EffectiveOn = date
	}
}

func (r *longReader) change(n *Node, path string) {
	c := Change{Line: n.Line}
	r.fields(n, path, map[string]func(*Node, string){
		"action": func(n *Node, p string) { c.Action = Action(r.text(n, p)) },
		"path":   func(n *Node, p string) { c.Path = r.text(n, p) },
		"value":  func(n *Node, _ string) { c.Value = n },
	})
	switch c.Action {
	case Set, Add, Remove:
	default:
		r.failValue(n, path, string(c.Action), "unknown action", "write action: set, add or remove")
	}
	if c.Path == "" || (c.Value == nil) != (c.Action == Remove) {
		r.fail(n, path, "a change has a path, and a value unless it removes", "")
	}
	r.d.Set = append(r.d.Set, c)
}

func (r *longReader) attachedFile(n *Node, path string) {
	var f File
	r.fields(n, path, map[string]func(*Node, string){
		"name": func(n *Node, p string) { f.Name = r.text(n, p) },
		"sha256": func(n *Node, p string) {
			v := r.text(n, p)
			if b, err := hex.DecodeString(v); err != nil || len(b) != len(f.SHA256) || strings.ToLower(v) != v {
				r.failValue(n, p, v, "want a SHA-256 as 64 lower-case hexadecimal digits", "")
			} else {
				copy(f.SHA256[:], b)
			}
		},
		"size": func(n *Node, p string) {
			v, ok := r.integer(n, p, 0, declaration.MaxAttachment)
			if ok {
				f.Size = uint32(v) //nolint:gosec // bounded by the call
			}
		},
	})
	if f.Name == "" {
		r.fail(n, path, "the file has no name", "")
	}
	r.d.Files = append(r.d.Files, f)
}

func (r *longReader) unknown(n *Node, path string) {
	var u Unknown
	// An import's blank is a fact: the value may be empty.
	text := func(to *string) func(*Node, string) {
		return func(n *Node, p string) { *to = r.text(n, p) }
	}
	r.fields(n, path, map[string]func(*Node, string){
		"column": text(&u.Column), "value": text(&u.Value), "field": text(&u.Field), "why": text(&u.Why),
	})
	r.d.Unknown = append(r.d.Unknown, u)
}
