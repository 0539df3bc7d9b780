package draft

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/declaration"
)

// Registry knows the city's subjects: the node's live records, or a copy.
type Registry interface {
	// Next returns the next free number of the kind. It reserves nothing.
	Next(kind declaration.Kind) (uint32, error)
	// Lookup returns the subject of the kind that has the nickname.
	Lookup(kind declaration.Kind, nickname string) (declaration.Subject, bool, error)
}

// NicknameLister is what a Registry may also be, for better suggestions.
type NicknameLister interface {
	// Nicknames lists the nicknames of the kind's subjects.
	Nicknames(kind declaration.Kind) ([]string, error)
}

// Assumer is what a Registry may also be where the city's subjects can't be looked
// up: it stands a subject of one of the kinds in for each nickname that is
// referred to and not given in the batch.
type Assumer interface {
	Assume(kinds []declaration.Kind, nickname string) declaration.Subject
}

// naming is a reference that Number resolved: what was written, and what it put
// there.
type naming struct{ nickname, subject string }

// Number gives each new draft the next number of its kind, finds the subject of
// each amendment, withdrawal and reinstatement, and puts subjects in place of the
// nicknames in every reference, to drafts of the batch (earlier or later) or to
// what the registry knows.
//
// It may be called again after a lost race: it starts from the nicknames again.
// Problems with what was written are returned as Problems, all at once; an error
// of the registry is returned as it is.
func Number(drafts []*Draft, reg Registry) error {
	n := &numbering{reg: reg, drafts: drafts, next: map[declaration.Kind]uint32{}}
	for _, d := range drafts {
		d.forget()
	}
	for _, step := range []func(*Draft) error{n.number, n.resolve} {
		for _, d := range drafts {
			if err := step(d); err != nil {
				return err
			}
		}
	}
	if len(n.problems) > 0 {
		return n.problems
	}
	return nil
}

// forget undoes an earlier Number, where nobody has written over it since.
func (d *Draft) forget() {
	for _, ref := range references(d.Body) {
		if was, ok := d.named[ref.path]; ok && was.subject == ref.value {
			ref.set(was.nickname)
		}
	}
	d.named = nil
	d.Subject = declaration.Subject{}
}

type numbering struct {
	reg      Registry
	drafts   []*Draft
	next     map[declaration.Kind]uint32
	problems Problems
}

func (n *numbering) fail(d *Draft, path, value, problem, do string, suggestions ...string) {
	n.problems = append(n.problems, &SourceError{File: d.File, Line: Line(d, path), Path: path,
		Value: value, Problem: problem, Do: do, Suggestions: suggestions})
}

// number sets the draft's subject.
func (n *numbering) number(d *Draft) error {
	if d.Operation != declaration.Publish {
		return n.target(d)
	}
	kind := d.Kind()
	if kind == "" {
		return errors.New("numbering drafts: a draft to publish holds no record")
	}
	if nickname := d.Body.GetNickname(); nickname != "" {
		taken, ok, err := n.reg.Lookup(kind, nickname)
		if err != nil {
			return fmt.Errorf("looking up nickname %q: %w", nickname, err)
		}
		if ok {
			n.fail(d, "nickname", nickname, fmt.Sprintf("this name already belongs to %s", taken),
				fmt.Sprintf("amend that one (amend: %s), or choose another name", nickname))
		}
		for _, other := range n.drafts {
			if other == d {
				break
			}
			if other.Operation == declaration.Publish && other.Kind() == kind && other.Body.GetNickname() == nickname {
				n.fail(d, "nickname", nickname, fmt.Sprintf("another %s of this batch has the same name", kind), "choose another name")
			}
		}
	}
	if _, ok := n.next[kind]; !ok {
		first, err := n.reg.Next(kind)
		if err != nil {
			return fmt.Errorf("asking for the next number of a %s: %w", kind, err)
		}
		n.next[kind] = first
	}
	d.Subject = declaration.Subject{Kind: kind, Number: n.next[kind]}
	n.next[kind]++
	if _, err := declaration.ParseSubject(d.Subject.String()); err != nil {
		return fmt.Errorf("numbering drafts: %w", err)
	}
	return nil
}

// target resolves what an amendment, withdrawal or reinstatement is about.
func (n *numbering) target(d *Draft) error {
	if s, err := declaration.ParseSubject(d.Target); err == nil {
		if kind := d.Kind(); kind != "" && kind != s.Kind {
			n.fail(d, "", d.Target, fmt.Sprintf("this names a %s, the record is a %s", s.Kind, kind), "")
			return nil
		}
		d.Subject = s
		return nil
	}
	kinds := declaration.Kinds()
	if kind := d.Kind(); kind != "" {
		kinds = []declaration.Kind{kind}
	}
	found, err := n.registered(kinds, d.Target)
	if err != nil {
		return err
	}
	switch len(found) {
	case 1:
		d.Subject = found[0]
	case 0:
		return n.unknown(d, "", d.Target, kinds)
	default:
		n.ambiguous(d, "", d.Target, found)
	}
	return nil
}

// resolve puts subjects in place of nicknames.
func (n *numbering) resolve(d *Draft) error {
	for _, ref := range references(d.Body) {
		if strings.Contains(ref.value, "/") { // a subject; whether it exists is the door's to check
			n.checkKind(d, ref)
			continue
		}
		found := n.inBatch(ref.kinds, ref.value)
		if len(found) == 0 {
			var err error
			if found, err = n.registered(ref.kinds, ref.value); err != nil {
				return err
			}
		}
		switch len(found) {
		case 1:
			if d.named == nil {
				d.named = map[string]naming{}
			}
			d.named[ref.path] = naming{ref.value, found[0].String()}
			ref.set(found[0].String())
		case 0:
			if err := n.unknown(d, ref.path, ref.value, ref.kinds); err != nil {
				return err
			}
		default:
			n.ambiguous(d, ref.path, ref.value, found)
		}
	}
	return nil
}

func (n *numbering) checkKind(d *Draft, ref reference) {
	s, err := declaration.ParseSubject(ref.value)
	if err != nil {
		n.fail(d, ref.path, ref.value, "this is neither a subject nor a nickname", "write for example dep/17, or its nickname")
		return
	}
	if !slices.Contains(ref.kinds, s.Kind) {
		n.fail(d, ref.path, ref.value, fmt.Sprintf("this names a %s, want a %s", s.Kind, joinKinds(ref.kinds)), "")
	}
}

// inBatch finds the nickname among the drafts: those to publish by their own name,
// the others by what they amend.
func (n *numbering) inBatch(kinds []declaration.Kind, nickname string) []declaration.Subject {
	var found []declaration.Subject
	for _, d := range n.drafts {
		if d.Nickname() == nickname && !d.Subject.IsZero() &&
			slices.Contains(kinds, d.Subject.Kind) && !slices.Contains(found, d.Subject) {
			found = append(found, d.Subject)
		}
	}
	return found
}

func (n *numbering) registered(kinds []declaration.Kind, nickname string) ([]declaration.Subject, error) {
	if a, ok := n.reg.(Assumer); ok {
		return []declaration.Subject{a.Assume(kinds, nickname)}, nil
	}
	var found []declaration.Subject
	for _, k := range kinds {
		s, ok, err := n.reg.Lookup(k, nickname)
		if err != nil {
			return nil, fmt.Errorf("looking up nickname %q: %w", nickname, err)
		}
		if ok {
			found = append(found, s)
		}
	}
	return found, nil
}

func (n *numbering) unknown(d *Draft, path, nickname string, kinds []declaration.Kind) error {
	var names []string
	for _, other := range n.drafts {
		if slices.Contains(kinds, other.Kind()) && other.Nickname() != "" {
			names = append(names, other.Nickname())
		}
	}
	if lister, ok := n.reg.(NicknameLister); ok {
		for _, k := range kinds {
			known, err := lister.Nicknames(k)
			if err != nil {
				return fmt.Errorf("listing nicknames: %w", err)
			}
			names = append(names, known...)
		}
	}
	n.fail(d, path, nickname, fmt.Sprintf("no %s has this nickname", joinKinds(kinds)),
		"write the nickname of a record in this batch or already published, or a number such as "+kinds[0].Prefix()+"/17",
		Nearest(nickname, names)...)
	return nil
}

func (n *numbering) ambiguous(d *Draft, path, nickname string, found []declaration.Subject) {
	names := make([]string, len(found))
	for i, s := range found {
		names[i] = s.String()
	}
	n.fail(d, path, nickname, "this nickname could be "+strings.Join(names, " or "), "write the number")
}

func joinKinds(kinds []declaration.Kind) string {
	if len(kinds) == len(declaration.Kinds()) {
		return "record"
	}
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return strings.Join(names, " or ")
}
