package watch

import (
	"context"
	"fmt"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/registry"
)

// entries tells what came. What stood in the log when it was first read is no news.
func (c *city) entries(ctx context.Context, src *client.LogReader, entries []audit.Entry, first bool) {
	news := 0
	for _, e := range entries {
		switch {
		case e.Act != nil && !first:
			c.acts = append(c.acts, e)
		case e.Void != "" && !c.w.isRegistryOf(c):
			index := e.Index
			c.tell(Event{Kind: Alarm, Index: &index, Text: fmt.Sprintf("entry %d is void: %s", e.Index, e.Void)})
		case e.Newer != "" && !first:
			index := e.Index
			c.tell(Event{Kind: Trouble, Index: &index, Text: fmt.Sprintf("entry %d needs a newer program: %s", e.Index, e.Newer)})
		case e.Statement != nil:
			if !first {
				c.declared(ctx, src, e)
			}
			c.bodies[e.Statement.Subject] = bodyRef{e.Statement.BodySHA256, e.Statement.BodySize}
		}
		if !e.Anchor {
			news++
		}
	}
	if !first && news > 0 {
		c.tell(Event{Kind: Head, Size: c.live.Size(), Text: fmt.Sprintf("head of size %d, proven to continue the one before; %d new %s", c.live.Size(), news, entryWord(news))})
	}
}

func entryWord(n int) string {
	if n == 1 {
		return "entry"
	}
	return "entries"
}

// isRegistryOf reports whether a city's log is the registry, whose void acts the replay tells of.
func (w *Watcher) isRegistryOf(c *city) bool { return c.isRegistry(w.follower.State()) }

// declared tells of a statement, and of a later revision what it changes.
func (c *city) declared(ctx context.Context, src *client.LogReader, e audit.Entry) {
	s := e.Statement
	index := e.Index
	out := Event{Kind: Declared, Subject: s.Subject.String(), Revision: s.Revision, Index: &index}
	body, err := bodyAt(ctx, src, bodyRef{s.BodySHA256, s.BodySize})
	switch {
	case err != nil:
		out.Text = fmt.Sprintf("%s revision %d (entry %d): its body can't be read: %v", s.Subject, s.Revision, e.Index, err)
	default:
		out.Title = title(body)
		out.Text = fmt.Sprintf("%s %q (entry %d)", s.Subject, out.Title, e.Index)
	}
	if e.Previous != nil {
		c.changed(ctx, src, e, body, &out)
	}
	c.waiting = append(c.waiting, waiter{e.Index, s.Subject.String()})
	if len(c.waiting) > maxWaiting {
		c.waiting = c.waiting[1:]
	}
	c.tell(out)
}

// maxWaiting bounds how many declarations are remembered until they are final.
const maxWaiting = 10_000

// changed tells what a later revision says differently.
func (c *city) changed(ctx context.Context, src *client.LogReader, e audit.Entry, body *declarationv1.Body, out *Event) {
	s := e.Statement
	out.Kind = Changed
	does := map[declaration.Operation]string{declaration.Amend: "amended", declaration.Withdraw: "WITHDRAWN", declaration.Reinstate: "reinstated"}[s.Operation]
	out.Text = fmt.Sprintf("%s %q revision %d, %s (entry %d)", s.Subject, out.Title, s.Revision, does, e.Index)
	old, err := bodyAt(ctx, src, c.bodies[s.Subject])
	if err != nil || body == nil {
		out.Text += "; what it changes can't be told: a body is gone, or can't be read now"
		return
	}
	out.Changes = draft.Compare(s.Operation, old, body)
	var weak, other []string
	for _, d := range out.Changes {
		text := fmt.Sprintf("%s: %s → %s", d.Path, d.Old, d.New)
		if d.Effect == draft.Weakens {
			weak = append(weak, text)
		} else {
			other = append(other, text)
		}
	}
	switch {
	case len(weak) > 0:
		out.Kind = Weakened
		out.Text += " WEAKENS " + strings.Join(weak, "; ")
	case len(other) > 0:
		out.Text += ": " + some(other)
	}
}

// bodyAt reads a body and checks that it is the one that was committed to.
func bodyAt(ctx context.Context, src *client.LogReader, ref bodyRef) (*declarationv1.Body, error) {
	raw, err := src.Body(ctx, ref.sum, ref.size)
	if err != nil {
		return nil, err
	}
	return declaration.ParseBody(raw)
}

// title names a record: by its name in its first language, or its nickname.
func title(b *declarationv1.Body) string {
	m := b.ProtoReflect()
	if fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("record")); fd != nil {
		if labels := draft.Labels(m.Get(fd).Message()); len(labels) > 0 {
			return labels[0]
		}
	}
	return b.GetNickname()
}

// sayActs tells of the registry's acts, once the replay has come so far that their effect is known. Void ones are told of as
// alarms.
func (c *city) sayActs(st *registry.State) {
	for len(c.acts) > 0 && c.acts[0].Index < st.Roster.Size() {
		e := c.acts[0]
		c.acts = c.acts[1:]
		void := false
		for _, a := range st.Alarms {
			void = void || a.Index == e.Index
		}
		a, err := act.Parse(e.Act)
		if void || err != nil {
			continue
		}
		index := e.Index
		c.tell(Event{Kind: Act, Index: &index, Text: fmt.Sprintf("the registry: %s (entry %d)", actWords(a.Message), e.Index)})
	}
}

// actWords says what an act does.
func actWords(m *registryv1.Act) string {
	what := "an act"
	of := func(request []byte) string {
		if r, err := act.ParseRequest(request); err == nil {
			return r.Member.ID()
		}
		return "a member"
	}
	switch m := m.GetAct().(type) {
	case *registryv1.Act_Admit:
		what = of(m.Admit.GetRequest()) + " is admitted"
	case *registryv1.Act_Update:
		what = of(m.Update.GetRequest()) + " has a new entry"
	case *registryv1.Act_RotateKey:
		what = of(m.RotateKey.GetRequest()) + " gets new keys, unless somebody contests it"
	case *registryv1.Act_Contest:
		what = "a rotation of keys is contested and will not be"
	case *registryv1.Act_RevokeKey:
		what = "a key of " + m.RevokeKey.GetMember() + " is revoked"
	case *registryv1.Act_FreezeLog:
		what = "the log of " + m.FreezeLog.GetMember() + " is frozen"
	case *registryv1.Act_MoveLog:
		what = of(m.MoveLog.GetRequest()) + " moves its log from " + m.MoveLog.GetOldOrigin()
		if m.MoveLog.GetAnew() {
			what += ", whose entries are lost, and begins anew"
		}
	case *registryv1.Act_Suspend:
		what = m.Suspend.GetMember() + " is suspended for 90 days"
		if len(m.Suspend.GetEvidence()) > 0 {
			what += ", by evidence"
		}
	case *registryv1.Act_Reinstate:
		what = m.Reinstate.GetMember() + " is reinstated"
	case *registryv1.Act_Leave:
		what = m.Leave.GetMember() + " leaves the alliance"
	case *registryv1.Act_Accredit:
		what = "the auditor " + m.Accredit.GetName() + " is accredited"
		if m.Accredit.GetEnded() {
			what = "an auditor is accredited no more"
		}
	case *registryv1.Act_Epoch:
		what = fmt.Sprintf("epoch %d begins, with new committees", m.Epoch.GetNumber())
	case *registryv1.Act_RuleSet:
		what = fmt.Sprintf("rule set %d is in force", m.RuleSet.GetNumber())
	case *registryv1.Act_RootVersion:
		what = "a version of the root is recorded"
	}
	if why := m.GetReason(); why != "" {
		what += ": " + why
	}
	return what
}
