package shorthand

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// The documents whose first line is no nickname.

// targetSchemes are the schemes that a kind of commitment may be about; those not
// listed take all of the field's.
var targetSchemes = map[declarationv1.CommitmentKind][]declarationv1.Scheme{
	declarationv1.CommitmentKind_COMMITMENT_KIND_ADOPT_POLICY:         {declarationv1.Scheme_SCHEME_GSCA_POLICY},
	declarationv1.CommitmentKind_COMMITMENT_KIND_STANDARD_CONFORMANCE: {declarationv1.Scheme_SCHEME_STANDARD},
	declarationv1.CommitmentKind_COMMITMENT_KIND_STANDARDS_POSITION:   {declarationv1.Scheme_SCHEME_STANDARD},
}

// pledge reads "pledge: KIND[ TARGET]".
func pledge(root, head value, rest []draft.Entry) {
	c := &declarationv1.Commitment{}
	root.rec.d.Body.Record = &declarationv1.Body_Commitment{Commitment: c}
	if head.words("a kind and a target") {
		kind, target, more := strings.Cut(head.text, " ")
		at := head
		at.path = "commitment"
		if in, ok := at.into(c.ProtoReflect(), "kind"); ok {
			if e, ok := enumOf[declarationv1.CommitmentKind](in.part(kind)); ok {
				c.Kind = e
			}
		}
		if in, ok := at.into(c.ProtoReflect(), "target"); ok && more && c.Kind != nil {
			schemes := targetSchemes[c.GetKind()]
			if schemes == nil {
				schemes = schemesOf(c, "target")
			}
			if t, ok := in.part(strings.TrimSpace(target)).term(schemes); ok {
				c.Target = t
			}
		}
		if !more {
			delete(head.rec.said, "commitment.target") // may follow as a key of its own
		}
	}
	root.record(declaration.Commitment, rest)
}

// declaresNone makes a negative statement of each term, with the dates and scope
// that all share.
func declaresNone(root, head value, rest []draft.Entry) {
	var shared []draft.Entry
	var since, until *draft.Node
	for _, e := range rest {
		switch e.Key {
		case "since":
			since = e.Value
		case "until":
			until = e.Value
		case "nickname", "negative", "kind":
			at := root.at(e.Value, "", e.Key)
			at.n = &draft.Node{Line: e.Line}
			at.part("").fail("several statements can't share this", "write a document that begins with commitment: for each")
		default:
			shared = append(shared, e)
		}
	}
	if head.n.Shape == draft.List && len(head.n.Items) == 0 || head.n.Absent {
		head.fail("no term is named", "write for example declares_none: [FaceRecognition]")
	}
	head.items(func(item value) {
		rec := root.rec.child(root.n)
		rec.d.EffectiveOn, rec.d.Provenance = root.rec.d.EffectiveOn, root.rec.d.Provenance
		c := &declarationv1.Commitment{Kind: declarationv1.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT.Enum(), Negative: &declarationv1.Negative{}}
		rec.d.Body.Record = &declarationv1.Body_Commitment{Commitment: c}
		item.rec, item.path = rec, "commitment.negative.term"
		item.mark()
		if t, ok := item.term(schemesOf(c.Negative, "term")); ok {
			c.Negative.Term = t
		}
		here := value{rec: rec, n: root.n, path: "commitment.negative"}
		for key, n := range map[string]*draft.Node{"since": since, "until": until} {
			if n != nil {
				here.key(c.Negative.ProtoReflect(), draft.Entry{Key: key, Line: n.Line, Value: n})
			}
		}
		(value{rec: rec, n: root.n}).record(declaration.Commitment, shared)
	})
}

// typedHead reads "notice: TYPE" and "finding: TYPE", or a nickname for a record
// whose type has a key of its own.
func typedHead(kind declaration.Kind, example string) func(root, head value, rest []draft.Entry) {
	return func(root, head value, rest []draft.Entry) {
		body := root.rec.d.Body.ProtoReflect()
		fd := body.Descriptor().Fields().ByName(protoreflect.Name(kind))
		m := body.Mutable(fd).Message()
		head.path = string(kind)
		if head.scalar("a type, for example " + example) {
			head.assign(m, m.Descriptor().Fields().ByName("type"))
		}
		root.record(kind, rest)
	}
}

func notice(root, head value, rest []draft.Entry) {
	typedHead(declaration.Notice, "incident")(root, head, rest)
}

func finding(root, head value, rest []draft.Entry) {
	typedHead(declaration.Finding, "obligation")(root, head, rest)
}

// member reads "member: ID".
func member(root, head value, rest []draft.Entry) {
	m := &declarationv1.Member{}
	root.rec.d.Body.Record = &declarationv1.Body_Member{Member: m}
	head.path = "member"
	if head.scalar("a member id") {
		if err := declaration.CheckMemberID(head.text); err != nil {
			head.fail("this is no member id", "write a country and a short name, for example nl-kanaalstad")
		} else if ws := root.rec.ws.City; ws != "" && ws != head.text {
			head.fail("this is not the workspace's city", "write "+ws+", or publish from the other city's folder")
		}
		head.assign(m.ProtoReflect(), m.ProtoReflect().Descriptor().Fields().ByName("id"))
	}
	root.record(declaration.Member, rest)
}

// amendment reads amend, withdraw and reinstate: what Amend applies once the current
// record is known.
func amendment(op declaration.Operation) func(root, head value, rest []draft.Entry) {
	return func(root, head value, rest []draft.Entry) {
		d := root.rec.d
		d.Operation = op
		if target, ok := head.reference(); ok {
			d.Target = target
			d.Lines["target"] = head.n.Line
		}
		root.rec.out = append(root.rec.out, d)
		before := len(root.rec.problems)
		for _, e := range rest {
			at := root.at(e.Value, "", e.Key)
			switch {
			case root.statementEntry(e):
			case e.Key == "reason":
				root.tryKey(d.Body.ProtoReflect(), e)
			case e.Key == "set" || e.Key == "add" || e.Key == "remove":
				if op == declaration.Withdraw {
					at.part("").fail("a withdrawal repeats the record as it is", "amend it first, or leave this out")
					continue
				}
				at.changes(draft.Action(e.Key))
			default:
				at.n = &draft.Node{Line: e.Line}
				keys := []string{"effective", "reason", "set", "add", "remove", "language", "provenance"}
				at.part(e.Key).fail("unknown key", "an amendment has "+strings.Join(keys, ", ")+
					"; write fields under set:", draft.Nearest(e.Key, keys)...)
			}
		}
		if d.Body.Reason == nil && !slices.ContainsFunc(rest, func(e draft.Entry) bool { return e.Key == "reason" }) {
			root.fail("the reason is missing", "write reason: and why, in words for residents")
		}
		if op == declaration.Amend && len(d.Set) == 0 && len(root.rec.problems) == before {
			root.fail("nothing is amended", "write set:, add: or remove: and the fields under it")
		}
	}
}

// changes reads the lines under set, add or remove. Their values are read when the
// record is known; their paths are checked then, too.
func (v value) changes(action draft.Action) {
	d := v.rec.d
	if action == draft.Remove {
		v.items(func(item value) {
			if item.words("a field, for example keeps[raw image]") {
				d.Set = append(d.Set, draft.Change{Action: action, Path: item.text, Line: item.n.Line})
			}
		})
		return
	}
	if v.n.Shape != draft.Map || len(v.n.Entries) == 0 {
		v.fail("want fields and their values", `write for example keeps[blurred video]: 60 days`)
		return
	}
	for _, e := range v.n.Entries {
		if e.Value.Absent {
			at := v.at(e.Value, "", joinPath(v.shown, e.Key))
			at.fail("nothing is written here", "write a value; to leave a field out, list it under remove:")
			continue
		}
		d.Set = append(d.Set, draft.Change{Action: action, Path: e.Key, Value: e.Value, Line: e.Line})
	}
}
