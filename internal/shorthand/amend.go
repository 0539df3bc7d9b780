package shorthand

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// Amend completes an amendment, withdrawal or reinstatement once the current record
// is known and verified: Body becomes the current one with the changes of Set
// applied and the draft's reason, and Set is emptied. A withdrawal repeats the record
// as it is. A draft whose body holds a whole record already (the long form) is left
// alone.
//
// Errors are draft.Problems; the draft is then as it was.
func Amend(d *draft.Draft, current *declarationv1.Body, ws Workspace, files Files) error {
	kind, ok := declaration.KindOf(current)
	if !ok || d.Operation == declaration.Publish {
		return fmt.Errorf("amending %q: a draft to %s and a %q record", d.Target, d.Operation, kind)
	}
	if d.Kind() != "" {
		return nil
	}
	r := newReader(d.File, ws, files)
	next := *d
	next.Lines = maps.Clone(d.Lines)
	next.Files = slices.Clone(d.Files)
	next.Body = proto.CloneOf(current)
	next.Body.Nonce, next.Body.Reason = nil, d.Body.GetReason()
	next.Set = nil
	rec := &record{reader: r, d: &next, lang: ws.Language, contact: ws.Contact, said: map[string]string{}}
	if d.Body.Language != nil {
		rec.lang = d.Body.GetLanguage()
	}
	root := value{rec: rec, n: &draft.Node{Line: draft.Line(d, "reason")}}
	if !slices.ContainsFunc(next.Body.GetReason().GetTexts(), func(t *declarationv1.Text) bool { return t.GetLang() == current.GetLanguage() }) {
		root.fail(fmt.Sprintf("the reason is not in the record's language, %s", current.GetLanguage()), "write reason: {"+current.GetLanguage()+": …}")
	}
	body := next.Body.ProtoReflect()
	m := body.Get(body.Descriptor().Fields().ByName(protoreflect.Name(kind))).Message()
	for _, c := range d.Set {
		root.apply(kind, m, c)
	}
	if use := next.Body.GetDataUse(); use != nil && rec.said["data_use.identifiability"] == "" {
		raise(use)
	}
	if len(r.problems) > 0 {
		return tidy(r.problems)
	}
	*d = next
	return nil
}

// raise keeps identifiability at the highest among what is kept; it never lowers
// what the city has said.
func raise(use *declarationv1.DataUse) {
	if high := highest(use.GetRetention()); high > use.GetIdentifiability() {
		use.Identifiability = high.Enum()
	}
}

// apply makes one change to the record m, or to the body around it.
func (v value) apply(kind declaration.Kind, m protoreflect.Message, c draft.Change) {
	n := c.Value
	if n == nil {
		n = &draft.Node{Line: c.Line}
	}
	at := v.at(n, string(kind), c.Path)
	steps, ok := parsePath(c.Path)
	if !ok {
		at.part("").fail("this is no path of a field", "write for example keeps[blurred video] or refusal.text")
		return
	}
	v.rec.mode = c.Action
	done := at.step(m, steps)
	if !done {
		outer := at
		outer.path = ""
		done = outer.step(v.rec.d.Body.ProtoReflect(), steps)
	}
	if !done {
		at.part(steps[0].key).fail("unknown key", "FORMAT.md lists the keys", draft.Nearest(steps[0].key, keysOf(m.Descriptor()))...)
	}
}

// step is one part of a path: "keeps[blurred video]".
type step struct {
	key, item string
	picks     bool // has [ ]
}

// parsePath cuts "a.b[c].d". Brackets hold any text but "]" before a "." or the end.
func parsePath(path string) ([]step, bool) {
	var steps []step
	for rest := path; ; {
		end := strings.IndexAny(rest, ".[")
		s := step{key: rest}
		if end >= 0 {
			s.key, rest = rest[:end], rest[end:]
		} else {
			rest = ""
		}
		if strings.HasPrefix(rest, "[") {
			s.picks = true
			closed := strings.Index(rest, "].")
			if closed < 0 && strings.HasSuffix(rest, "]") {
				closed = len(rest) - 1
			}
			if closed < 0 {
				return nil, false
			}
			s.item, rest = strings.TrimSpace(rest[1:closed]), rest[closed+1:]
		}
		if s.key == "" || s.picks && s.item == "" {
			return nil, false
		}
		steps = append(steps, s)
		if rest == "" {
			return steps, true
		}
		rest = rest[1:]
	}
}

// step follows a path into m; false when m does not know its first key.
func (v value) step(m protoreflect.Message, steps []step) bool {
	if t, ok := m.Interface().(*declarationv1.LocalizedText); ok {
		return v.inLanguage(t, steps)
	}
	s := steps[0]
	short := v.rec.shortOf(m.Descriptor().Name(), s.key)
	fd := fieldOf(m.Descriptor(), s.key)
	if short != nil {
		fd = m.Descriptor().Fields().ByName(protoreflect.Name(short.to[0]))
	}
	if fd == nil || isRecord(fd) || fd.Name() == "nonce" || fd.Name() == "reason" || fd.Name() == "language" {
		return false
	}
	switch last := len(steps) == 1; {
	case s.picks && !fd.IsList():
		v.part(s.item).fail(s.key+" is no list", "leave the brackets out")
	case s.picks:
		v.inItem(m, fd, short, s, steps[1:])
	case last:
		v.whole(m, fd, short, s.key)
	case fd.IsList():
		v.part("").fail("which item is meant?", "write "+s.key+"[…], with its name or number")
	case fd.Kind() != protoreflect.MessageKind:
		v.part("").fail(s.key+" has no fields", "")
	default:
		if !m.Has(fd) && v.rec.mode == draft.Remove {
			v.part("").fail("the record does not say this", "")
			return true
		}
		at := v
		at.path = joinPath(v.path, string(fd.Name()))
		at.mark()
		sub := m.Mutable(fd).Message()
		if !at.step(sub, steps[1:]) {
			at.part(steps[1].key).fail("unknown key", "", draft.Nearest(steps[1].key, keysOf(sub.Descriptor()))...)
		}
	}
	return true
}

// whole changes a field as a whole.
func (v value) whole(m protoreflect.Message, fd protoreflect.FieldDescriptor, short *shortName, key string) {
	switch v.rec.mode {
	case draft.Set:
		v.tryKeyAs(m, key)
	case draft.Add:
		if !fd.IsList() {
			v.fail("this is no list", "write it under set:")
			return
		}
		if short == nil || short.read == nil {
			v.path = joinPath(v.path, string(fd.Name()))
			v.items(func(item value) { item.appendTo(m, fd) })
			return
		}
		v.tryKeyAs(m, key)
	case draft.Remove:
		v.removeWhole(m, fd, short)
	}
}

// tryKeyAs reads the value as if key had been written in m's place; the message for
// people keeps the whole path.
func (v value) tryKeyAs(m protoreflect.Message, key string) {
	at := v
	at.shown = strings.TrimSuffix(strings.TrimSuffix(v.shown, key), ".")
	at.tryKey(m, draft.Entry{Key: key, Line: v.n.Line, Value: v.n})
}

func (v value) removeWhole(m protoreflect.Message, fd protoreflect.FieldDescriptor, short *shortName) {
	fields := []protoreflect.Name{fd.Name()}
	if short != nil {
		if short.key == "contact" || short.key == "secondary" { // only part of their field
			v.fail(short.key+" can't be left out by itself", "name the item and its field, or write it under set:")
			return
		}
		if role, ok := short.role(); ok {
			list := m.Mutable(fd).List()
			before := list.Len()
			if dropRole(list, role); list.Len() == before {
				v.fail("the record does not say this", "")
			}
			return
		}
		fields = nil
		for _, name := range short.to {
			fields = append(fields, protoreflect.Name(name))
		}
	}
	removed := false
	for _, name := range fields {
		f := m.Descriptor().Fields().ByName(name)
		removed = removed || m.Has(f)
		m.Clear(f)
	}
	if !removed {
		v.fail("the record does not say this", "")
	}
}

// inItem changes one item of a list, or something in it.
func (v value) inItem(m protoreflect.Message, fd protoreflect.FieldDescriptor, short *shortName, s step, rest []step) {
	list := m.Mutable(fd).List()
	i, ok := v.pick(list, fd, s)
	if !ok {
		return
	}
	v.path = indexed(joinPath(v.path, string(fd.Name())), i)
	v.mark()
	switch {
	case len(rest) > 0 && fd.Kind() == protoreflect.MessageKind:
		item := list.Get(i).Message()
		if !v.step(item, rest) {
			v.part(rest[0].key).fail("unknown key", "", draft.Nearest(rest[0].key, keysOf(item.Descriptor()))...)
		}
	case len(rest) > 0:
		v.part("").fail("the items of "+s.key+" have no fields", "")
	case v.rec.mode == draft.Add:
		v.fail("an item can't be added to an item", "write "+s.key+" without brackets")
	case v.rec.mode == draft.Remove:
		for ; i+1 < list.Len(); i++ {
			list.Set(i, list.Get(i+1))
		}
		list.Truncate(i)
	default:
		v.setItem(list, fd, short, i)
	}
}

// setItem gives an item a new value: some of its fields, the part of it that a short
// text can only mean, or its whole one-line form.
func (v value) setItem(list protoreflect.List, fd protoreflect.FieldDescriptor, short *shortName, i int) {
	if fd.Kind() != protoreflect.MessageKind {
		if x, ok := v.value(fd); ok {
			list.Set(i, x)
		}
		return
	}
	item := list.Get(i).Message()
	if v.n.Shape == draft.Map {
		v.keys(item, v.n.Entries)
		return
	}
	if role, ok := short.role(); ok {
		if p, ok := v.partyNode(role); ok {
			list.Set(i, protoreflect.ValueOfMessage(p.ProtoReflect()))
		}
		return
	}
	if v.n.Shape == draft.Scalar && !v.n.Absent && !strings.Contains(v.text, " - ") {
		switch x := item.Interface().(type) {
		case *declarationv1.Retention:
			readHow(v, x)
			return
		case *declarationv1.Criterion:
			readResult(v, x)
			return
		case *declarationv1.Condition:
			v.conditionPart(x)
			return
		}
	}
	fresh := list.NewElement()
	if v.message(fresh.Message(), fd) {
		list.Set(i, fresh)
	}
}

// conditionPart reads "met", "not met" or "by DATE".
func (v value) conditionPart(c *declarationv1.Condition) {
	date, due := strings.CutPrefix(v.text, "by ")
	switch {
	case due:
		c.DueOn, _ = v.part(date).date()
	case fold(v.text) == "met" || fold(v.text) == "not_met":
		c.Met = ptr(fold(v.text) == "met")
	default:
		v.fail("this is neither met, not met nor by DATE", "")
	}
}

// pick finds the item that the brackets name: by a label, else by its number from 1.
func (v value) pick(list protoreflect.List, fd protoreflect.FieldDescriptor, s step) (int, bool) {
	var found []int
	var all []string
	for i := range list.Len() {
		labels := itemLabels(fd, list.Get(i))
		all = append(all, labels...)
		if slices.ContainsFunc(labels, func(l string) bool { return l == s.item || fold(l) == fold(s.item) }) {
			found = append(found, i)
		}
	}
	at := v.part(s.item)
	switch {
	case len(found) == 1:
		return found[0], true
	case len(found) > 1:
		at.fail(fmt.Sprintf("%d items of %s are called so", len(found), s.key), "write the item's number, from 1")
		return 0, false
	}
	if n, err := strconv.Atoi(s.item); err == nil && n >= 1 && n <= list.Len() {
		return n - 1, true
	}
	do := fmt.Sprintf("%s has %d items; write one's name or number", s.key, list.Len())
	if len(all) > 0 && len(all) <= 12 {
		do = s.key + " has " + strings.Join(all, ", ")
	}
	at.fail("no item of "+s.key+" is called so", do, draft.Nearest(s.item, all)...)
	return 0, false
}

func itemLabels(fd protoreflect.FieldDescriptor, x protoreflect.Value) []string {
	switch fd.Kind() {
	case protoreflect.MessageKind:
		if t, ok := x.Message().Interface().(*declarationv1.LocalizedText); ok {
			var out []string
			for _, text := range t.GetTexts() {
				out = append(out, text.GetValue())
			}
			return out
		}
		return draft.Labels(x.Message())
	case protoreflect.EnumKind:
		return []string{draft.ShortEnum(fd.Enum(), x.Enum())}
	default:
		return []string{x.String()}
	}
}

// inLanguage changes a text in one language: "summary.en".
func (v value) inLanguage(t *declarationv1.LocalizedText, steps []step) bool {
	lang := steps[0].key
	if len(steps) > 1 || steps[0].picks || !isLanguage(lang) {
		v.part(lang).fail("this is no language tag", "write for example summary.en")
		return true
	}
	if v.rec.mode == draft.Remove {
		before := len(t.GetTexts())
		t.Texts = slices.DeleteFunc(t.Texts, func(x *declarationv1.Text) bool { return x.GetLang() == lang })
		if len(t.Texts) == before {
			v.fail("the record does not say this", "")
		}
		return true
	}
	if !v.words("a text") {
		return true
	}
	text := trimmed(v.text)
	for _, x := range t.GetTexts() {
		if x.GetLang() == lang {
			x.Value = &text
			return true
		}
	}
	t.Texts = append(t.Texts, &declarationv1.Text{Lang: &lang, Value: &text})
	return true
}
