package cli

import (
	"fmt"
	"strings"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
)

// sayAct tells what an act does, for who is about to sign it.
func (a *App) sayAct(signed *act.Act) {
	m := signed.Message
	a.say("This act, declared at %s, would:", m.GetDeclaredAt())
	a.say("  %s", whatItDoes(m))
	if reason := m.GetReason(); reason != "" {
		a.say("  because: %s", line(reason))
	}
}

// whatItDoes is an act in words.
func whatItDoes(m *registryv1.Act) string {
	switch what := m.GetAct().(type) {
	case *registryv1.Act_Admit:
		return "admit " + whose(what.Admit.GetRequest())
	case *registryv1.Act_Update:
		return "change the entry of " + whose(what.Update.GetRequest())
	case *registryv1.Act_RotateKey:
		return "replace keys of " + whose(what.RotateKey.GetRequest())
	case *registryv1.Act_MoveLog:
		how := map[bool]string{false: "and go on with its entries in the new log of", true: "which nobody has any more, and begin anew in the new log of"}[what.MoveLog.GetAnew()]
		return fmt.Sprintf("end the log %s at size %d, %s %s", line(what.MoveLog.GetOldOrigin()), what.MoveLog.GetSize(), how, whose(what.MoveLog.GetRequest()))
	case *registryv1.Act_Contest:
		return fmt.Sprintf("stop the rotation %x", what.Contest.GetRotation())
	case *registryv1.Act_RevokeKey:
		return fmt.Sprintf("end the key %s of %s", encode(what.RevokeKey.GetKey()), line(what.RevokeKey.GetMember()))
	case *registryv1.Act_FreezeLog:
		return "end the log of " + line(what.FreezeLog.GetMember())
	case *registryv1.Act_Suspend:
		return "suspend " + line(what.Suspend.GetMember()) + map[bool]string{true: ", by evidence", false: ", without evidence"}[len(what.Suspend.GetEvidence()) > 0]
	case *registryv1.Act_Reinstate:
		return "end the suspension of " + line(what.Reinstate.GetMember())
	case *registryv1.Act_Leave:
		return "end the membership of " + line(what.Leave.GetMember())
	case *registryv1.Act_Accredit:
		return fmt.Sprintf("%s the auditor %s, key %s", map[bool]string{true: "end the accreditation of", false: "accredit"}[what.Accredit.GetEnded()], line(what.Accredit.GetName()), encode(what.Accredit.GetKey()))
	case *registryv1.Act_Epoch:
		return fmt.Sprintf("begin epoch %d, with the registry witnessed by %s; the next is drawn from %s on",
			what.Epoch.GetNumber(), line(strings.Join(what.Epoch.GetCommittee(), ", ")), when(int64(what.Epoch.GetNextDraw()))) //nolint:gosec // the codec's bound is 2^63-1
	case *registryv1.Act_RuleSet:
		return fmt.Sprintf("put rule set %d in force, SHA-256 %x", what.RuleSet.GetNumber(), what.RuleSet.GetBundle())
	case *registryv1.Act_RootVersion:
		return fmt.Sprintf("record the root.json with SHA-256 %x", what.RootVersion.GetFile())
	}
	return titleOf(act.KindOf(m))
}

// whose names the city of a request, and the fingerprint to compare with it.
func whose(request []byte) string {
	r, err := act.ParseRequest(request)
	if err != nil {
		return "nobody: its request can't be read, do not sign"
	}
	return fmt.Sprintf("%s, fingerprint %x", r.Member.ID(), r.Member.Hash)
}
