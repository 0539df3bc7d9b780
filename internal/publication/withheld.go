package publication

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// isWithheld reports whether a field's value is withheld: then it is there, only
// not shown, and rules that need it can't tell.
func (c *checker) isWithheld(path string) bool {
	for _, w := range c.listedWithheld() {
		if w.GetFieldPath() == path {
			return true
		}
	}
	return false
}

// maxWithheld is how many fields may be withheld (body.proto); a longer list is
// refused by the walk.
const maxWithheld = 20

func (c *checker) listedWithheld() []*declarationv1.Withheld {
	w := c.body.GetWithheld()
	return w[:min(len(w), maxWithheld)]
}

// withheld checks what Body.withheld names: only fields on the published list
// (may_withhold in the protos), or parts of them, and only what is not there as
// well. Otherwise withholding would be the way round every rule (T-37).
func (c *checker) withheld() {
	for i, w := range c.listedWithheld() {
		path := w.GetFieldPath()
		if path == "" || c.full() {
			continue // enough was said already
		}
		refuse := func(message, hint string) {
			c.wrong("V-01", item("withheld", i)+".field_path", path, message, hint)
		}
		for _, other := range c.listedWithheld()[:i] {
			if other.GetFieldPath() == path {
				refuse("This field is withheld twice.", "Keep one of the two.")
			}
		}
		switch f := lookupPath(plans(), c.body.ProtoReflect(), path); {
		case !f.exists:
			refuse("There is no such field in this record.",
				"Write the path as in the long form, for example deployment.units or deployment.parties[1].contract_ref.")
		case !f.mayWithhold:
			refuse("This field may not be withheld.",
				"Only these may: "+strings.Join(withholdable(), ", ")+". Leave it in, or ask the secretariat.")
		case f.present:
			refuse("This field is withheld and shown at once.", "Take the value out of the record, or the entry out of withheld.")
		}
	}
}

// located is what a path leads to.
type located struct{ exists, mayWithhold, present bool }

// lookupPath follows a path such as "deployment.parties[1].contract_ref" from m.
// All but the path's last part must be there; items must be of a list's length.
func lookupPath(p *plan, m protoreflect.Message, path string) located {
	at := located{}
	for {
		part, rest, more := strings.Cut(path, ".")
		name, index, ok := splitIndex(part)
		f := p.byName(name)
		if !ok || f == nil || index >= 0 && !f.list || more && f.shape != shapeMessage {
			return located{}
		}
		at.mayWithhold = at.mayWithhold || f.mayWithhold
		at.present = m.Has(f.desc)
		if index >= 0 && (!at.present || index >= m.Get(f.desc).List().Len()) {
			return located{}
		}
		if !more {
			at.exists = true
			return at
		}
		if !at.present || f.list && index < 0 {
			return located{}
		}
		if f.list {
			m = m.Get(f.desc).List().Get(index).Message()
		} else {
			m = m.Get(f.desc).Message()
		}
		p, path = f.sub, rest
	}
}

// splitIndex splits "sites[2]" into its name and index; −1 is none.
func splitIndex(part string) (name string, index int, ok bool) {
	name, rest, indexed := strings.Cut(part, "[")
	if !indexed {
		return name, -1, true
	}
	digits, ok := strings.CutSuffix(rest, "]")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || strconv.Itoa(n) != digits {
		return "", 0, false
	}
	return name, n, true
}

func (p *plan) byName(name string) *field {
	for i := range p.fields {
		if p.fields[i].name == name {
			return &p.fields[i]
		}
	}
	return nil
}

// withholdable lists the fields that may be withheld, as "Message.field".
func withholdable() []string {
	var out []string
	done := map[*plan]bool{}
	var visit func(p *plan)
	visit = func(p *plan) {
		if done[p] {
			return
		}
		done[p] = true
		for i := range p.fields {
			f := &p.fields[i]
			if f.mayWithhold {
				out = append(out, fmt.Sprintf("%s.%s", f.desc.ContainingMessage().Name(), f.name))
			}
			if f.sub != nil {
				visit(f.sub)
			}
		}
	}
	visit(plans())
	return out
}
