package shorthand

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// The readers of the table's keys that set more than one field, or read one
// otherwise than its type would be read.

// readStatus reads "in use since 2021-05 until 2030" for deployments and services.
func readStatus(v value, m statusHolder) {
	if !v.scalar("a status") {
		return
	}
	msg := m.ProtoReflect()
	text, until, ends := strings.Cut(v.text, " until ")
	text, since, starts := strings.Cut(text, " since ")
	if at, ok := v.into(msg, "status"); ok {
		if e, ok := enumOf[declarationv1.Status](at.part(text)); ok {
			set(msg, "status", protoreflect.ValueOfEnum(protoreflect.EnumNumber(*e)))
		}
	}
	unknown := msg.Descriptor().Fields().ByName("start_unknown")
	switch {
	case !starts:
	case since == "unknown" && unknown != nil:
		if _, ok := v.into(msg, unknown.Name()); ok {
			msg.Set(unknown, protoreflect.ValueOfBool(true))
		}
	default:
		v.part(since).dateInto(msg, "starts_on")
	}
	if ends && msg.Descriptor().Fields().ByName("ends_on") == nil {
		v.fail("a service has no end date", "write status: retired once it ends")
	} else if ends {
		v.part(until).dateInto(msg, "ends_on")
	}
}

// statusHolder is a Deployment or a Service.
type statusHolder interface {
	ProtoReflect() protoreflect.Message
	GetStatus() declarationv1.Status
	GetStartsOn() string
}

func set(m protoreflect.Message, name protoreflect.Name, x protoreflect.Value) {
	m.Set(m.Descriptor().Fields().ByName(name), x)
}

func (v value) dateInto(m protoreflect.Message, name protoreflect.Name) {
	if at, ok := v.into(m, name); ok {
		if d, ok := at.date(); ok {
			set(m, name, protoreflect.ValueOfString(*d))
		}
	}
}

// readDeploymentPurpose reads codes, one of which may bring the text.
func readDeploymentPurpose(v value, m protoreflect.Message) {
	purpose, ok := v.into(m, "purpose")
	if !ok {
		return
	}
	fd := m.Descriptor().Fields().ByName("purpose")
	purpose.items(func(item value) {
		if item.n.Shape != draft.Scalar || item.n.Absent {
			item.appendTo(m, fd)
			return
		}
		code, text, ok := item.head()
		if !ok || !item.words("a purpose") {
			return
		}
		item.part(code).appendTo(m, fd)
		if text == "" {
			return
		}
		at := item
		at.path = v.path
		if in, ok := at.into(m, "purpose_text"); ok {
			set(m, "purpose_text", protoreflect.ValueOfMessage(in.part(text).localized().ProtoReflect()))
		}
	})
}

func readSecondary(v value, m protoreflect.Message) {
	fd := m.Descriptor().Fields().ByName("purposes")
	v.path = joinPath(v.path, "purposes")
	if use := m.Interface().(*declarationv1.DataUse); v.rec.mode == draft.Set {
		use.Purposes = slices.DeleteFunc(use.Purposes, func(p *declarationv1.Purpose) bool { return p.GetSecondary() })
	}
	v.items(func(item value) {
		before := m.Get(fd).List().Len()
		item.appendTo(m, fd)
		if list := m.Get(fd).List(); list.Len() > before {
			list.Get(before).Message().Interface().(*declarationv1.Purpose).Secondary = ptr(true)
		}
	})
}

func readFrom(v value, m protoreflect.Message) {
	if !v.scalar("a source") {
		return
	}
	source, by, collected := strings.Cut(v.text, ", by ")
	if at, ok := v.into(m, "source"); ok {
		if e, ok := at.part(source).enum(declarationv1.DataSource(0).Descriptor()); ok {
			set(m, "source", protoreflect.ValueOfEnum(e))
		}
	}
	if !collected {
		return
	}
	if at, ok := v.into(m, "collected_by"); ok {
		if e, ok := at.part(by).enum(declarationv1.CollectedBy(0).Descriptor()); ok {
			set(m, "collected_by", protoreflect.ValueOfEnum(e))
		}
	}
}

func readPoliceField(v value, m protoreflect.Message) {
	at, ok := v.into(m, "government_access")
	if !ok || !at.scalar(policeForm) {
		return
	}
	access := &declarationv1.GovernmentAccess{}
	readPolice(at, access)
	set(m, "government_access", protoreflect.ValueOfMessage(access.ProtoReflect()))
}

func readCompleted(v value, m protoreflect.Message) {
	v.dateInto(m, "completed_on")
	v.stateIs(m, declarationv1.AssessmentState_ASSESSMENT_STATE_COMPLETED)
}

// readStarted leaves the state to completed, whichever comes first.
func readStarted(v value, m protoreflect.Message) {
	v.dateInto(m, "started_on")
	if m.Interface().(*declarationv1.Assessment).State == nil {
		v.rec.d.Lines[joinPath(v.path, "state")] = v.n.Line
		set(m, "state", protoreflect.ValueOfEnum(declarationv1.AssessmentState_ASSESSMENT_STATE_STARTED.Number()))
	}
}

func (v value) stateIs(m protoreflect.Message, state declarationv1.AssessmentState) {
	if _, ok := v.into(m, "state"); ok {
		set(m, "state", protoreflect.ValueOfEnum(state.Number()))
	}
}

func readLifecycle(v value, m protoreflect.Message) {
	fd := m.Descriptor().Fields().ByName("lifecycle")
	if v.n.Shape != draft.Scalar || fold(v.text) != "all" {
		v.assign(m, fd)
		return
	}
	if _, ok := v.into(m, "lifecycle"); !ok {
		return
	}
	list := m.Mutable(fd).List()
	for i := range fd.Enum().Values().Len() {
		if n := fd.Enum().Values().Get(i).Number(); n != 0 {
			list.Append(protoreflect.ValueOfEnum(n))
		}
	}
}

// readParties reads "vendor: NAME (COUNTRY)", one or a list, or its fields.
func readParties(number declarationv1.PartyRole) func(value, protoreflect.Message) {
	return func(v value, m protoreflect.Message) {
		fd := m.Descriptor().Fields().ByName("parties")
		list := m.Mutable(fd).List()
		if v.rec.mode == draft.Set {
			dropRole(list, number)
		}
		v.path = joinPath(v.path, "parties")
		v.items(func(item value) {
			at := item
			at.path = indexed(v.path, list.Len())
			at.mark()
			if p, ok := at.partyNode(number); ok {
				if number == declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE {
					at.rec.giveContact(p)
				}
				list.Append(protoreflect.ValueOfMessage(p.ProtoReflect()))
			}
		})
	}
}

func dropRole(list protoreflect.List, role declarationv1.PartyRole) {
	kept := 0
	for i := range list.Len() {
		if p := list.Get(i).Message().Interface().(*declarationv1.Party); p.GetRole() != role {
			list.Set(kept, list.Get(i))
			kept++
		}
	}
	list.Truncate(kept)
}

// partyNode reads a party whose role the key implies.
func (v value) partyNode(role declarationv1.PartyRole) (*declarationv1.Party, bool) {
	if v.n.Shape == draft.Map {
		p := &declarationv1.Party{Role: role.Enum()}
		v.keys(p.ProtoReflect(), v.n.Entries)
		return p, true
	}
	if !v.scalar("a name") {
		return nil, false
	}
	return v.party(role)
}

func readCompetentBody(v value, m protoreflect.Message) {
	if at, ok := v.into(m, "competent_body"); ok {
		if p, ok := at.partyNode(declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE); ok {
			set(m, "competent_body", protoreflect.ValueOfMessage(p.ProtoReflect()))
		}
	}
}

// readContact takes what the document was searched for beforehand (newRecord), or
// changes the contacts that a record has.
func readContact(v value, m protoreflect.Message) {
	if !v.words("a contact") {
		return
	}
	v.rec.contact = v.text
	if v.rec.mode == "" {
		return
	}
	switch r := m.Interface().(type) {
	case *declarationv1.Deployment:
		for _, p := range r.GetParties() {
			if p.GetRole() == declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE {
				p.Contact = &v.text
			}
		}
	case *declarationv1.DataUse:
		for _, right := range r.GetRights() {
			right.Contact = &v.text
		}
	case *declarationv1.Service:
		if r.CompetentBody != nil {
			r.CompetentBody.Contact = &v.text
		}
	}
}

func readHow(v value, m *declarationv1.Retention) {
	if v.words("how long it is kept") {
		readHowLong(v, m)
	}
}

// readAssessments reads a bundled assessment, references, or "owed by DATE".
func readAssessments(v value, m protoreflect.Message) {
	if v.n.Shape == draft.Scalar && !v.n.Absent && strings.HasPrefix(v.text, "owed ") {
		if !strings.HasPrefix(v.text, "owed by ") {
			v.fail("this does not say when it is owed", "write owed by DATE")
			return
		}
		if at, ok := v.into(m, "exemption"); ok {
			e := &declarationv1.Exemption{}
			readExemption(at, e)
			set(m, "exemption", protoreflect.ValueOfMessage(e.ProtoReflect()))
		}
		return
	}
	v.bundle(m, "assessments", declaration.Assessment)
}

func readData(v value, m protoreflect.Message) { v.bundle(m, "data_uses", declaration.DataUse) }

// bundle reads records written inside another one, or references to them.
func (v value) bundle(m protoreflect.Message, field protoreflect.Name, kind declaration.Kind) {
	at, ok := v.into(m, field)
	if !ok {
		return
	}
	list := m.Mutable(m.Descriptor().Fields().ByName(field)).List()
	at.items(func(item value) {
		item.path = indexed(at.path, list.Len())
		item.mark()
		name := ""
		if item.n.Shape == draft.Map && v.rec.mode == "" {
			name, ok = item.inner(kind)
		} else {
			name, ok = item.reference()
		}
		if ok {
			list.Append(protoreflect.ValueOfString(name))
		}
	})
}

// inner reads a record inside another one and returns the nickname that links it.
func (v value) inner(kind declaration.Kind) (string, bool) {
	head := headOf(kind)
	entries := v.n.Entries
	nick := v.n.Get("nickname")
	if n := v.n.Get(head); n != nil {
		nick = n
		entries = slices.Clone(entries)
		entries = slices.DeleteFunc(entries, func(e draft.Entry) bool { return e.Key == head })
	}
	if nick == nil {
		v.fail("this has no nickname, so nothing can link to it", "write "+head+": and a nickname as its first line")
		return "", false
	}
	rec := v.rec.child(v.n)
	root := value{rec: rec, n: v.n, shown: v.shown}
	at := root.at(nick, "nickname", joinPath(v.shown, head))
	name, ok := at.newNickname()
	if v.n.Get(head) != nil && ok {
		at.path = ""
		if _, ok := at.into(rec.d.Body.ProtoReflect(), "nickname"); ok {
			rec.d.Body.Nickname = &name
		}
	}
	root.record(kind, entries)
	return name, ok
}
