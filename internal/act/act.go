package act

import (
	"crypto"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
)

// PayloadType is the DSSE payload type of an act.
const PayloadType = typePrefix + "v1+json"

const typePrefix = "application/vnd.cityproof.act."

// Act is an entry of the registry log that decides something.
type Act struct {
	Envelope *declaration.Envelope
	Message  *registryv1.Act
}

// NotActError says that an envelope holds something else, such as a declaration of the secretariat.
type NotActError struct{ PayloadType string }

func (e *NotActError) Error() string {
	return fmt.Sprintf("reading act: payload type %s is not an act's", canonical.Quote(e.PayloadType))
}

// LaterVersionError says that an act is of a version that this program doesn't know. What it does can't be told, and
// neither can anything that follows it.
type LaterVersionError struct{ PayloadType string }

func (e *LaterVersionError) Error() string {
	return fmt.Sprintf("act of type %s; this program knows %s: use a newer version", canonical.Quote(e.PayloadType), PayloadType)
}

// Parse reads an entry of the registry log that is an act: its form, not its signatures, nor whether it has effect. Other
// envelopes give *NotActError and *LaterVersionError.
func Parse(entry []byte) (*Act, error) {
	e, err := declaration.ParseEnvelope(entry)
	if err != nil {
		return nil, err
	}
	switch {
	case e.PayloadType == PayloadType:
	case strings.HasPrefix(e.PayloadType, typePrefix):
		return nil, &LaterVersionError{e.PayloadType}
	default:
		return nil, &NotActError{e.PayloadType}
	}
	m := &registryv1.Act{}
	if err := codecs().act.Unmarshal(e.Payload, m); err != nil {
		return nil, fmt.Errorf("parsing act: %w", err)
	}
	if err := checkForm(m); err != nil {
		return nil, fmt.Errorf("parsing act: %w", err)
	}
	return &Act{e, m}, nil
}

// Sign makes an act of its parts and signs it with each key: Ed25519, 1 to 32, none twice.
func Sign(m *registryv1.Act, signers ...crypto.Signer) (*Act, error) {
	payload, err := codecs().act.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("signing act: %w", err)
	}
	e, err := declaration.Sign(PayloadType, payload, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing act: %w", err)
	}
	return Parse(e.Format())
}

// Countersign returns the act with the signatures of more keys.
func (a *Act) Countersign(signers ...crypto.Signer) (*Act, error) {
	e, err := a.Envelope.Countersign(signers...)
	if err != nil {
		return nil, err
	}
	return Parse(e.Format())
}

// Kind names what the act does, as the proto's field does: "admit", "rotate_key".
func (a *Act) Kind() string { return KindOf(a.Message) }

// KindOf names what an act does that is not signed yet; it must do something.
func KindOf(message *registryv1.Act) string {
	m := message.ProtoReflect()
	return string(m.WhichOneof(m.Descriptor().Oneofs().ByName("act")).Name())
}

// Limits of an act's own texts and lists.
const (
	maxReason    = 2000 // bytes
	maxCommittee = 13
)

func checkForm(m *registryv1.Act) error {
	if len(m.GetAlliance()) != sha256.Size {
		return fmt.Errorf("alliance must have %d bytes", sha256.Size)
	}
	if m.Previous != nil && len(m.GetPrevious()) != sha256.Size {
		return fmt.Errorf("previous must have %d bytes", sha256.Size)
	}
	if t, err := time.Parse(time.RFC3339, m.GetDeclaredAt()); err != nil || t.UTC().Format("2006-01-02T15:04:05Z") != m.GetDeclaredAt() {
		return fmt.Errorf("declared_at is %s, want a time like 2026-11-24T04:00:00Z", canonical.Quote(m.GetDeclaredAt()))
	}
	if len(m.GetReason()) > maxReason {
		return fmt.Errorf("reason has %d bytes, more than %d", len(m.GetReason()), maxReason)
	}
	if m.GetAct() == nil {
		return fmt.Errorf("it does nothing")
	}
	return checkKind(m)
}

func checkKind(m *registryv1.Act) error {
	var f form
	switch a := m.GetAct().(type) {
	case *registryv1.Act_Admit:
		f.need("request", len(a.Admit.GetRequest()) > 0)
	case *registryv1.Act_Update:
		f.need("request", len(a.Update.GetRequest()) > 0)
	case *registryv1.Act_RotateKey:
		f.need("request", len(a.RotateKey.GetRequest()) > 0)
	case *registryv1.Act_Contest:
		f.hash("rotation", a.Contest.GetRotation())
	case *registryv1.Act_RevokeKey:
		f.need("member", a.RevokeKey.GetMember() != "")
		f.hash("key", a.RevokeKey.GetKey())
	case *registryv1.Act_FreezeLog:
		f.need("member", a.FreezeLog.GetMember() != "")
		f.need("final_note", len(a.FreezeLog.GetFinalNote()) > 0)
	case *registryv1.Act_MoveLog:
		f.need("old_origin", a.MoveLog.GetOldOrigin() != "")
		f.need("size", a.MoveLog.Size != nil)
		f.hash("root", a.MoveLog.GetRoot())
		f.need("request", len(a.MoveLog.GetRequest()) > 0)
	case *registryv1.Act_Suspend:
		f.need("member", a.Suspend.GetMember() != "")
	case *registryv1.Act_Reinstate:
		f.need("member", a.Reinstate.GetMember() != "")
	case *registryv1.Act_Leave:
		f.need("member", a.Leave.GetMember() != "")
	case *registryv1.Act_Accredit:
		f.need("name", a.Accredit.GetName() != "" && len(a.Accredit.GetName()) <= 200)
		f.hash("key", a.Accredit.GetKey())
	case *registryv1.Act_Epoch:
		f.need("number", a.Epoch.GetNumber() > 0)
		f.need("next_draw", a.Epoch.GetNextDraw() > 0)
		f.need("committee of at most 13", len(a.Epoch.GetCommittee()) <= maxCommittee)
		f.hash("roster_root", a.Epoch.GetRosterRoot())
		f.hash("pins", a.Epoch.GetPins())
	case *registryv1.Act_RuleSet:
		f.need("number", a.RuleSet.GetNumber() > 0)
		f.hash("bundle", a.RuleSet.GetBundle())
	case *registryv1.Act_RootVersion:
		f.hash("file", a.RootVersion.GetFile())
	}
	return f.err
}

// form keeps the first thing that is wrong with a message.
type form struct{ err error }

func (f *form) need(what string, ok bool) {
	if f.err == nil && !ok {
		f.err = fmt.Errorf("%s is missing", what)
	}
}

func (f *form) hash(what string, b []byte) {
	if f.err == nil && len(b) != sha256.Size {
		f.err = fmt.Errorf("%s has %d bytes, want %d", what, len(b), sha256.Size)
	}
}

type codecSet struct{ act, request, member *canonical.Codec }

// codecs are derived from the protos once. A proto that has no single encoding fails the first test.
var codecs = sync.OnceValue(func() codecSet {
	return codecSet{canonical.MustCodec(&registryv1.Act{}), canonical.MustCodec(&registryv1.Request{}), canonical.MustCodec(&registryv1.Member{})}
})
