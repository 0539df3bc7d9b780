package roster

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Delays in seconds of registry time.
const (
	rotationDelay   = 604_800   // 7 days in which a rotation can be contested
	suspensionLimit = 7_776_000 // 90 days
)

// rotation is a RotateKey that has not taken effect.
type rotation struct {
	act    proof.Hash
	member *Member
	entry  *act.Member
	final  uint64 // size of the log up to which old log keys are valid, where atOnce
	atOnce bool   // by the root keys
	due    int64
}

// PendingRotation is a rotation of a member's keys that has not taken effect: any key of the member can contest it.
type PendingRotation struct {
	Act    proof.Hash // leaf hash of the ROTATE_KEY, which a CONTEST names
	Member string     // id
	Due    int64      // registry time from which it is in effect, Unix seconds
}

// PendingRotations lists the rotations that have not taken effect, the oldest first.
func (r *Roster) PendingRotations() []PendingRotation {
	var out []PendingRotation
	for _, p := range r.rotations {
		out = append(out, PendingRotation{p.act, p.member.ID(), p.due})
	}
	return out
}

func (r *Roster) rotate(a *registryv1.RotateKey, s signers, leaf proof.Hash) error {
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
	if err := req.VerifyRotation(m.Member); err != nil {
		return err
	}
	if err := unchanged(m.Member, req.Member, "id", "name", "kind", "country", "operator", "region", "origin", "publishers", "publish_threshold", "http", "grpc"); err != nil {
		return err
	}
	if err := r.checkNewKeys(req.Member, m.Member); err != nil {
		return err
	}
	p := &rotation{act: leaf, member: m, entry: req.Member, due: r.time + rotationDelay, atOnce: s.root >= r.root.Threshold}
	if unchanged(m.Member, req.Member, "log_vkeys") != nil {
		if m == r.registryOwner() && !p.atOnce {
			return fmt.Errorf("%w: no EPOCH pins the registry, so its log keys turn by the root keys alone", ErrNoSay)
		}
		head, err := r.finalAbovePin(m, a.GetFinalNote())
		if err != nil {
			return err
		}
		p.final = head.Size
	}
	r.rotations = dropRotations(r.rotations, m)
	if p.atOnce {
		r.turn(p)
		return nil
	}
	r.askForKeys(p.entry)
	r.rotations = append(r.rotations, p)
	return nil
}

// dropRotations forgets what is pending for a member: a newer rotation, an end, or a contest takes its place.
func dropRotations(list []*rotation, m *Member) []*rotation {
	var rest []*rotation
	for _, p := range list {
		if p.member != m {
			rest = append(rest, p)
		}
	}
	return rest
}

// takeEffect turns what is due. It runs whenever registry time moved.
func (r *Roster) takeEffect() {
	var rest []*rotation
	for _, p := range r.rotations {
		switch {
		case p.due > r.time:
			rest = append(rest, p)
		case !p.member.left:
			r.turn(p)
		}
	}
	r.rotations = rest
}

// turn gives a member its new keys. Whatever else an UPDATE changed since the rotation was asked for stays.
func (r *Roster) turn(p *rotation) {
	m := p.member
	merged := proto.CloneOf(m.Entry)
	merged.LogVkeys, merged.WitnessVkey, merged.MirrorVkey = p.entry.Entry.LogVkeys, p.entry.Entry.WitnessVkey, p.entry.Entry.MirrorVkey
	merged.NodeKey, merged.RecoveryKey, merged.TlsKey = p.entry.Entry.NodeKey, p.entry.Entry.RecoveryKey, p.entry.Entry.TlsKey
	entry, err := act.NewMember(merged)
	if err != nil {
		return // its keys were claimed when it was asked for, so no UPDATE has them: the forms of both parts were checked
	}
	if unchanged(m.Member, entry, "log_vkeys") != nil {
		m.turning = &entry.Log
		if p.atOnce {
			m.Logs[len(m.Logs)-1], m.turning = m.Log().turn(entry.Log, p.final), nil
		}
	}
	m.Member = entry
	m.cosigned = append(m.cosigned, entry.Witness, entry.Mirror)
	r.claimKeys(entry)
}

// turn is the log with new keys, which sign what is larger than a size.
func (l *Log) turn(keys [2]checkpoint.VKey, size uint64) *Log {
	turned := *l
	turned.Keys = slices.Clone(l.Keys)
	turned.Keys[len(turned.Keys)-1].To = size
	turned.Keys = append(turned.Keys, KeyRange{Keys: keys, From: size + 1})
	return &turned
}

// turned is a member's log in use as it is from an epoch on: with the keys of a rotation that has taken effect, above the head
// that the epoch pins. What the old keys signed while the rotation could be contested stays theirs.
func (m *Member) turned(e Epoch) (log *Log, turns bool) {
	log = m.Log()
	pin, pinned := e.Pin(log.Origin)
	if m.turning == nil || !pinned || log.End != nil || pin.Size < log.Keys[len(log.Keys)-1].From {
		return log, false
	}
	return log.turn(*m.turning, pin.Size), true
}

func (r *Roster) contest(a *registryv1.Contest, s signers) error {
	if len(s.member) == 0 {
		return fmt.Errorf("%w: no key of the member signed, or no such rotation is pending", ErrNoSay)
	}
	for _, p := range r.rotations {
		if bytes.Equal(p.act[:], a.GetRotation()) {
			r.rotations = dropRotations(r.rotations, p.member)
			return nil
		}
	}
	return errors.New("no such rotation is pending")
}

func (r *Roster) revoke(a *registryv1.RevokeKey, s signers) error {
	m := r.members[a.GetMember()]
	if m == nil {
		return fmt.Errorf("%s is no member", a.GetMember())
	}
	raw := a.GetKey()
	if p := m.publishers[string(raw)]; p != nil {
		return r.revokePublisher(m, p, a, s)
	}
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	// One that was replaced has a voice until the next EPOCH.
	if !slices.ContainsFunc(m.cosigned, func(k checkpoint.VKey) bool { return bytes.Equal(k.Key, raw) }) {
		return errors.New("the key is no publisher, witness or mirror key of the member; a log ends with FREEZE_LOG")
	}
	if _, ok := m.cosigners[string(raw)]; ok {
		return errors.New("the key was revoked before")
	}
	// Nothing that an earlier epoch rests on is taken back (T-31).
	if from := a.GetFromTime(); from < uint64(r.epoch.began) { //nolint:gosec // times are not negative
		return fmt.Errorf("from_time %d lies before the epoch, which began at %d", from, r.epoch.began)
	}
	m.cosigners[string(raw)] = a.GetFromTime()
	return nil
}

func (r *Roster) revokePublisher(m *Member, p *publisher, a *registryv1.RevokeKey, s signers) error {
	colleague := false
	for _, k := range s.member {
		colleague = colleague || k.Role == act.RolePublisher && !bytes.Equal(k.Raw, a.GetKey())
	}
	if !colleague {
		if err := r.need(s, theActKeys); err != nil {
			return err
		}
	}
	if p.to != 0 {
		return errors.New("the key was revoked before")
	}
	head, err := r.finalAbovePin(m, a.GetFinalNote())
	if err != nil {
		return err
	}
	p.to = max(head.Size, 1)
	return nil
}

func (r *Roster) freeze(a *registryv1.FreezeLog, s signers) error {
	if err := r.need(s, theActKeys); err != nil {
		return err
	}
	m := r.members[a.GetMember()]
	if m == nil {
		return fmt.Errorf("%s is no member", a.GetMember())
	}
	if m.Log().End != nil {
		return errors.New("the log has ended already")
	}
	if m == r.registryOwner() {
		return errors.New("it is the registry: no act could follow")
	}
	head, err := r.finalAbovePin(m, a.GetFinalNote())
	if err != nil {
		return err
	}
	m.Log().End = &Pin{head.Size, head.Root}
	return nil
}

func (r *Roster) move(a *registryv1.MoveLog, s signers) error {
	if err := r.need(s, theRootKeys); err != nil {
		return err
	}
	req, m, err := r.request(a.GetRequest())
	if err != nil {
		return err
	}
	switch {
	case m == nil:
		return fmt.Errorf("%s is no member", req.Member.ID())
	case m.Log().Origin != a.GetOldOrigin():
		return fmt.Errorf("the log of %s is %s", m.ID(), m.Log().Origin)
	case m == r.registryOwner():
		return errors.New("it is the registry, which moves by continue_from in root metadata")
	}
	if err := req.VerifyRotation(m.Member); err != nil {
		return err
	}
	if who, ok := r.origins[req.Member.Origin()]; ok {
		return fmt.Errorf("the origin %s is of %s: %w", req.Member.Origin(), who, errUsed)
	}
	if err := unchanged(m.Member, req.Member, "id", "kind", "country"); err != nil {
		return err
	}
	if err := r.checkNewKeys(req.Member, m.Member); err != nil {
		return err
	}
	for _, p := range req.Member.Entry.GetPublishers() {
		if m.revoked(p.GetKey()) {
			return fmt.Errorf("the publisher %s was revoked", p.GetLabel())
		}
	}
	end := Pin{a.GetSize(), proof.Hash(a.GetRoot())}
	if frozen := m.Log().End; frozen != nil && *frozen != end {
		return fmt.Errorf("the log ended at size %d with the root %s", frozen.Size, frozen.Root)
	}
	if pin, ok := r.epoch.Pin(m.Log().Origin); ok && (end.Size < pin.Size || end.Size == pin.Size && end.Root != pin.Root) {
		return fmt.Errorf("size %d is below the pin, %d, or has another root", end.Size, pin.Size)
	}
	if head, err := checkpoint.Unverified(req.Checkpoint); err != nil || head.Size > 0 {
		return errors.New("the new log has entries already, and none of them would count")
	}
	r.goesOnIn(m, req.Member, end, a.GetAnew())
	return nil
}

// goesOnIn ends a member's log and begins its next one: with the same entries, whose publishers stay those of their indices, or
// anew. Its witnesses begin where the old log ended, as at a pin.
func (r *Roster) goesOnIn(m *Member, next *act.Member, end Pin, anew bool) {
	m.Log().End, m.turning = &end, nil
	log := &Log{Origin: next.Origin(), Keys: []KeyRange{{Keys: next.Log}}, GoesOn: !anew && end.Size > 0}
	from := uint64(0)
	if log.GoesOn {
		from = end.Size
		log.Keys[0].From = from
		r.epoch.pins = maps.Clone(r.epoch.pins) // clones of the roster share them
		r.epoch.pins[sha256.Sum256([]byte(log.Origin))] = end
		m.endPublishers(next, from)
	} else {
		m.publishers = map[string]*publisher{}
	}
	m.Logs = append(m.Logs, log)
	m.Member = next
	m.addPublishers(from)
	m.cosigned = append(m.cosigned, m.Witness, m.Mirror)
	r.origins[log.Origin] = m.ID()
	r.rotations = dropRotations(r.rotations, m)
	r.claimKeys(m.Member)
}

// suspend takes a member's voice: the act keys may with evidence, the root keys without. Who suspended may reinstate.
func (r *Roster) suspend(a *registryv1.Suspend, s signers) error {
	m := r.members[a.GetMember()]
	if m == nil || m.left {
		return fmt.Errorf("%s is no member", a.GetMember())
	}
	who := theRootKeys
	if len(a.GetEvidence()) > 0 {
		if err := r.accuses(a.GetEvidence(), m); err != nil {
			return err
		}
		who = theActKeys
	}
	if err := r.need(s, who); err != nil {
		return err
	}
	m.suspendedUntil, m.suspendedBy = r.time+suspensionLimit, who
	m.suspensions = append(m.suspensions, suspension{r.time, m.suspendedUntil})
	return nil
}

func (r *Roster) reinstate(a *registryv1.Reinstate, s signers) error {
	m := r.members[a.GetMember()]
	if m == nil || r.Status(m) != Suspended {
		return fmt.Errorf("%s is not suspended", a.GetMember())
	}
	if err := r.need(s, m.suspendedBy); err != nil {
		return err
	}
	m.suspendedUntil, m.suspendedBy = 0, nobody
	for i := range m.suspensions {
		m.suspensions[i].until = min(m.suspensions[i].until, r.time)
	}
	return nil
}

func (r *Roster) leave(a *registryv1.Leave, s signers) error {
	m := r.members[a.GetMember()]
	if m == nil || m.left {
		return fmt.Errorf("%s is no member", a.GetMember())
	}
	if m == r.registryOwner() {
		return errors.New("the registry's own member can't leave")
	}
	publishers := 0
	for _, k := range s.member {
		if k.Role == act.RolePublisher {
			publishers++
		}
	}
	if publishers < m.PublishThreshold() {
		if err := r.need(s, theRootKeys); err != nil {
			return err
		}
	}
	m.left = true
	m.suspensions = append(m.suspensions, suspension{r.time, math.MaxInt64})
	r.rotations = dropRotations(r.rotations, m)
	return nil
}
