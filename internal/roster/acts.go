package roster

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
)

// voice is who decided something.
type voice int

const (
	nobody voice = iota
	theActKeys
	theRootKeys
)

// signers counts who signed an act: distinct keys, each signature verified.
type signers struct {
	act, root int
	member    []act.Key // of the member whose say it is
}

// ErrNoSay is wrapped where those who signed have no say, or too few of them did.
var ErrNoSay = errors.New("not signed by those who have a say in it")

// ErrTooFew is wrapped where all who signed have a say and more of them must: it wraps ErrNoSay.
var ErrTooFew = fmt.Errorf("%w, or by too few of them", ErrNoSay)

// act checks an act in the order of FORMAT.md and does it.
func (r *Roster) act(a *act.Act, entry []byte, files FilesFunc) error {
	m := a.Message
	alliance := r.root.Alliance
	if !bytes.Equal(m.GetAlliance(), alliance[:]) {
		return errors.New("it is of another alliance")
	}
	if (m.Previous == nil) != (r.previous == proof.Hash{}) || m.Previous != nil && !bytes.Equal(m.GetPrevious(), r.previous[:]) {
		return errors.New("it does not follow the last effective act")
	}
	s, err := r.signers(a)
	if err != nil {
		return err
	}
	switch m := m.GetAct().(type) {
	case *registryv1.Act_Admit:
		return r.admit(m.Admit, s)
	case *registryv1.Act_Update:
		return r.update(m.Update, s)
	case *registryv1.Act_RotateKey:
		return r.rotate(m.RotateKey, s, proof.LeafHash(entry))
	case *registryv1.Act_Contest:
		return r.contest(m.Contest, s)
	case *registryv1.Act_RevokeKey:
		return r.revoke(m.RevokeKey, s)
	case *registryv1.Act_FreezeLog:
		return r.freeze(m.FreezeLog, s)
	case *registryv1.Act_MoveLog:
		return r.move(m.MoveLog, s)
	case *registryv1.Act_Suspend:
		return r.suspend(m.Suspend, s)
	case *registryv1.Act_Reinstate:
		return r.reinstate(m.Reinstate, s)
	case *registryv1.Act_Leave:
		return r.leave(m.Leave, s)
	case *registryv1.Act_Accredit:
		return r.accredit(m.Accredit, s)
	case *registryv1.Act_Epoch:
		if err := r.need(s, theActKeys); err != nil {
			return err
		}
		return r.begin(m.Epoch, entry, files)
	case *registryv1.Act_RuleSet:
		return r.ruleSet(m.RuleSet, s)
	case *registryv1.Act_RootVersion:
		return r.rootVersion(m.RootVersion, s, files)
	}
	return errors.New("it does nothing")
}

// speaker returns the member whose own keys have a say in an act, or nil.
func (r *Roster) speaker(m *registryv1.Act) *Member {
	switch m := m.GetAct().(type) {
	case *registryv1.Act_Contest:
		for _, p := range r.rotations {
			if bytes.Equal(p.act[:], m.Contest.GetRotation()) {
				return p.member
			}
		}
	case *registryv1.Act_RevokeKey:
		return r.members[m.RevokeKey.GetMember()]
	case *registryv1.Act_Leave:
		return r.members[m.Leave.GetMember()]
	}
	return nil
}

// signers checks that each signature is by a key that has a say in the act and verifies.
func (r *Roster) signers(a *act.Act) (signers, error) {
	var s signers
	own := map[declaration.KeyID]act.Key{}
	if m := r.speaker(a.Message); m != nil && !m.left {
		for _, k := range m.Keys() {
			if k.Ed25519() && !m.revoked(k.Raw) {
				own[declaration.KeyIDOf(k.Raw)] = k
			}
		}
	}
	err := a.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) {
		for _, k := range r.root.Terms.ActKeys {
			if declaration.KeyIDOf(k) == id {
				s.act++
				return k, true
			}
		}
		for _, k := range r.root.Keys {
			if declaration.KeyIDOf(k) == id {
				s.root++
				return k, true
			}
		}
		k, ok := own[id]
		if ok {
			s.member = append(s.member, k)
		}
		return k.Raw, ok
	})
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrNoSay, err)
	}
	return s, nil
}

// need checks that enough act keys signed, or enough root keys, who may do all that act keys may.
func (r *Roster) need(s signers, who voice) error {
	switch {
	case s.root >= r.root.Threshold:
		return nil
	case who == theActKeys && s.act >= r.root.Terms.ActThreshold:
		return nil
	case who == theActKeys:
		return fmt.Errorf("%w: %d act keys signed, want %d", ErrTooFew, s.act, r.root.Terms.ActThreshold)
	}
	return fmt.Errorf("%w: %d root keys signed, want %d", ErrTooFew, s.root, r.root.Threshold)
}

// request reads the request inside an act: for this registry, of a member that has not left.
func (r *Roster) request(b []byte) (*act.Request, *Member, error) {
	req, err := act.ParseRequest(b)
	if err != nil {
		return nil, nil, err
	}
	if want := r.root.Terms.Registry.Origin; req.Registry != want {
		return nil, nil, fmt.Errorf("the request is for the registry %s, this is %s", req.Registry, want)
	}
	m := r.members[req.Member.ID()]
	if m != nil && m.left {
		return nil, nil, fmt.Errorf("%s has left", m.ID())
	}
	return req, m, nil
}

func (r *Roster) admit(a *registryv1.Admit, s signers) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	req, m, err := r.request(a.GetRequest())
	if err != nil {
		return err
	}
	if m != nil {
		return fmt.Errorf("%s is a member already", m.ID())
	}
	if err := req.VerifyJoining(); err != nil {
		return err
	}
	return r.enter(req.Member, false)
}

func (r *Roster) update(a *registryv1.Update, s signers) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	req, m, err := r.request(a.GetRequest())
	if err != nil {
		return err
	}
	if m == nil {
		return fmt.Errorf("%s is no member", req.Member.ID())
	}
	if err := req.VerifyChange(m.Member, m.revoked); err != nil {
		return err
	}
	if err := unchanged(m.Member, req.Member, "id", "kind", "country", "origin", "log_vkeys", "witness_vkey", "mirror_vkey", "node_key", "recovery_key"); err != nil {
		return err
	}
	if err := r.checkPublishers(m, req.Member); err != nil {
		return err
	}
	if err := r.checkNewKeys(req.Member, m.Member); err != nil {
		return err
	}
	pin, _ := r.epoch.Pin(m.Origin())
	m.Member = req.Member
	m.addPublishers(pin.Size)
	r.claimKeys(req.Member)
	return nil
}

// checkPublishers lets nobody come back who was revoked, and go who was not: REVOKE_KEY says up to which leaf a key counts.
func (r *Roster) checkPublishers(m *Member, now *act.Member) error {
	still := map[string]bool{}
	for _, p := range now.Entry.GetPublishers() {
		still[string(p.GetKey())] = true
		if m.revoked(p.GetKey()) {
			return fmt.Errorf("the publisher %s was revoked", p.GetLabel())
		}
	}
	for raw, p := range m.publishers {
		if p.to == 0 && !still[raw] {
			return fmt.Errorf("the publisher %s is gone, and was not revoked", p.label)
		}
	}
	return nil
}

// unchanged refuses an entry that changes a field of these.
func unchanged(old, now *act.Member, fields ...string) error {
	a, b := old.Entry.ProtoReflect(), now.Entry.ProtoReflect()
	for _, f := range fields {
		d := a.Descriptor().Fields().ByName(protoreflect.Name(f))
		if !a.Get(d).Equal(b.Get(d)) {
			return fmt.Errorf("this act can't change %s of %s", f, old.ID())
		}
	}
	return nil
}

func (r *Roster) accredit(a *registryv1.Accredit, s signers) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	raw := string(a.GetKey())
	if a.GetEnded() {
		if _, ok := r.auditors[raw]; !ok {
			return errors.New("no such auditor is accredited")
		}
		delete(r.auditors, raw)
		return nil
	}
	if who, ok := r.keys[raw]; ok {
		return fmt.Errorf("the key is %s: %w", who, errUsed)
	}
	r.keys[raw] = "the key of the auditor " + a.GetName()
	r.auditors[raw] = a.GetName()
	return nil
}

func (r *Roster) ruleSet(a *registryv1.RuleSet, s signers) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	if a.GetNumber() != r.rules.Number+1 {
		return fmt.Errorf("number %d, want %d", a.GetNumber(), r.rules.Number+1)
	}
	r.rules = RuleSet{a.GetNumber(), [32]byte(a.GetBundle())}
	return nil
}

// rootVersion records a version of the root: the first at the registry's first entry, then each next one.
func (r *Roster) rootVersion(a *registryv1.RootVersion, s signers, files FilesFunc) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	file, err := files.get(a.GetFile())
	if err != nil {
		return err
	}
	next, err := root.Parse(file)
	if err != nil {
		return err
	}
	if r.recorded == 0 && r.root.Version == 1 && next.Version == 1 {
		if !next.Same(r.root) {
			return errors.New("it is another version 1")
		}
		r.recorded = 1
		return nil
	}
	if err := r.root.VerifyNext(next); err != nil {
		return err
	}
	for _, k := range next.Terms.ActKeys {
		if who, ok := r.keys[string(k)]; ok && who != anActKey {
			return fmt.Errorf("an act key is %s: %w", who, errUsed)
		}
	}
	for _, k := range next.Keys {
		if who, ok := r.keys[string(k)]; ok && who != aRootKey {
			return fmt.Errorf("a root key is %s: %w", who, errUsed)
		}
	}
	if p := next.Terms.Pin; p != nil {
		if err := r.checkPin(p); err != nil {
			return err
		}
	}
	if next.GoesOn() != nil {
		if err := r.goOn(next); err != nil {
			return err
		}
	}
	if next.Reseats() != nil {
		if err := r.reseat(next.Reseats()); err != nil {
			return err
		}
	}
	r.claimRoot(next)
	r.root, r.recorded = next, next.Version
	r.chain.renew(file, next)
	return nil
}

// What keys of the root are called in messages.
const (
	aRootKey = "a root key"
	anActKey = "an act key"
)

func (r *Roster) claimRoot(v *root.Root) {
	for _, k := range v.Keys {
		r.keys[string(k)] = aRootKey
	}
	for _, k := range v.Terms.ActKeys {
		r.keys[string(k)] = anActKey
	}
}
