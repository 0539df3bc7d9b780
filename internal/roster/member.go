package roster

import (
	"errors"
	"fmt"
	"slices"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Status says whether a member has a voice.
type Status string

// The statuses.
const (
	Active    Status = "ACTIVE"
	Suspended Status = "SUSPENDED" // its witness and mirror don't count, and it is drawn for no seat
	Left      Status = "LEFT"
)

// Pin is a head of a log up to which everything is settled.
type Pin struct {
	Size uint64
	Root proof.Hash
}

// Log is one log of a member, with what its keys may sign.
type Log struct {
	Origin string
	// Keys are what must sign a checkpoint whose size is in [From, To); the last of a list has no end.
	Keys []KeyRange
	// End is where the log stops for ever, once it was frozen or moved.
	End *Pin
	// GoesOn is whether it holds the entries of the log before it, up to where that ended.
	GoesOn bool
}

// KeyRange are the keys of a log for a range of sizes.
type KeyRange struct {
	Keys     [2]checkpoint.VKey
	From, To uint64 // To is 0 where there is no end
}

// Member is one member of the alliance.
type Member struct {
	*act.Member
	Founder bool
	// Admitted is registry time, AdmittedIn the epoch's number then.
	Admitted   int64
	AdmittedIn uint32
	// Logs are all logs that the member had, the one in use last.
	Logs []*Log

	suspendedUntil int64
	suspendedBy    voice
	suspensions    []suspension // all that ever were
	left           bool
	turning        *[2]checkpoint.VKey   // log keys that a rotation brought, which count from the next EPOCH on
	publishers     map[string]*publisher // by raw key, all that ever were
	cosigned       []checkpoint.VKey     // witness and mirror keys, all that ever were
	cosigners      map[string]uint64     // raw ones of them that were revoked: from which Unix second
}

// publisher is a key that may sign declarations: leaf i of the member's log where from ≤ i < to.
type publisher struct {
	label    string
	from, to uint64 // to is 0 where there is no end
}

// suspension is a time without a voice: from ≤ t < until, in registry time.
type suspension struct{ from, until int64 }

// silentAt reports whether the member was suspended at a time.
func (m *Member) silentAt(t int64) bool {
	return slices.ContainsFunc(m.suspensions, func(s suspension) bool { return s.from <= t && t < s.until })
}

// Status of a member at the roster's registry time.
func (r *Roster) Status(m *Member) Status {
	switch {
	case m.left:
		return Left
	case m.suspendedUntil > r.time:
		return Suspended
	}
	return Active
}

// Log returns the log in use.
func (m *Member) Log() *Log { return m.Logs[len(m.Logs)-1] }

// Before are the logs of which an origin's holds the first entries, oldest first: of a member whose log goes on from others.
func (m *Member) Before(origin string) []*Log { return before(m.Logs, origin) }

func before(logs []*Log, origin string) []*Log {
	last := slices.IndexFunc(logs, func(l *Log) bool { return l.Origin == origin })
	first := last
	for first > 0 && logs[first].GoesOn {
		first--
	}
	return slices.Clip(logs[max(first, 0):max(last, 0)]) // who appends must not write into the roster
}

// Begin is the head that the log in use holds of the log before it, with its own origin; nil where it begins by itself.
func (m *Member) Begin() *checkpoint.Checkpoint {
	logs := m.Before(m.Log().Origin)
	if len(logs) == 0 {
		return nil
	}
	end := logs[len(logs)-1].End
	return &checkpoint.Checkpoint{Origin: m.Log().Origin, Size: end.Size, Root: end.Root}
}

// MayPublish reports whether a raw publisher key may sign leaf index of the member's log.
func (m *Member) MayPublish(raw []byte, index uint64) bool {
	p := m.publishers[string(raw)]
	return p != nil && p.from <= index && (p.to == 0 || index < p.to)
}

// revoked reports whether a key of the member counts no more.
func (m *Member) revoked(raw []byte) bool {
	p := m.publishers[string(raw)]
	_, cosigner := m.cosigners[string(raw)]
	return cosigner || p != nil && p.to != 0
}

// keysAt returns the keys that must sign the log's checkpoint of a size.
func (l *Log) keysAt(size uint64) ([2]checkpoint.VKey, error) {
	if l.End != nil && size > l.End.Size {
		return [2]checkpoint.VKey{}, fmt.Errorf("the log %s ends at size %d", l.Origin, l.End.Size)
	}
	for i := len(l.Keys) - 1; i >= 0; i-- {
		if k := l.Keys[i]; k.From <= size && (k.To == 0 || size <= k.To) {
			return k.Keys, nil
		}
	}
	return [2]checkpoint.VKey{}, fmt.Errorf("the log %s has no keys for size %d", l.Origin, size)
}

// errUsed is wrapped where something was used before (T-06).
var errUsed = errors.New("it was used before, and is never again another's")

// enter makes a member of an entry.
func (r *Roster) enter(e *act.Member, founder bool) error {
	if other, ok := r.skeletons[act.Skeleton(e.ID())]; ok {
		return fmt.Errorf("the id %s can be taken for %s: %w", e.ID(), other, errUsed)
	}
	if other, ok := r.origins[e.Origin()]; ok {
		return fmt.Errorf("the origin %s is of %s: %w", e.Origin(), other, errUsed)
	}
	if err := r.checkNewKeys(e, nil); err != nil {
		return err
	}
	m := &Member{
		Member: e, Founder: founder, Admitted: r.time, AdmittedIn: r.epoch.Number,
		Logs:       []*Log{{Origin: e.Origin(), Keys: []KeyRange{{Keys: e.Log}}}},
		publishers: map[string]*publisher{}, cosigned: []checkpoint.VKey{e.Witness, e.Mirror}, cosigners: map[string]uint64{},
	}
	m.addPublishers(0)
	r.members[e.ID()] = m
	r.skeletons[act.Skeleton(e.ID())] = e.ID()
	r.origins[e.Origin()] = e.ID()
	r.claimKeys(e)
	return nil
}

// addPublishers gives the entry's publishers that are new their range, from the size of the log where it begins.
func (m *Member) addPublishers(from uint64) {
	for _, p := range m.Entry.GetPublishers() {
		if m.publishers[string(p.GetKey())] == nil {
			m.publishers[string(p.GetKey())] = &publisher{label: p.GetLabel(), from: from}
		}
	}
}

// endPublishers ends at a size those who are not in the member's next entry.
func (m *Member) endPublishers(next *act.Member, at uint64) {
	for raw, p := range m.publishers {
		stays := slices.ContainsFunc(next.Entry.GetPublishers(), func(q *registryv1.PublisherKey) bool { return string(q.GetKey()) == raw })
		if !stays && p.to == 0 {
			p.to = max(p.from, at)
		}
	}
}

// checkNewKeys refuses keys that anybody ever had, but for those of the entry old (T-06).
func (r *Roster) checkNewKeys(e, old *act.Member) error {
	had := map[string]act.Role{}
	if old != nil {
		for _, k := range old.Keys() {
			had[string(k.Raw)] = k.Role
		}
	}
	for _, k := range e.Keys() {
		role, own := had[string(k.Raw)]
		if own && role == k.Role {
			continue
		}
		if who, ok := r.keys[string(k.Raw)]; ok && who != asked(k, e) {
			return fmt.Errorf("the %s key is %s: %w", k.Role, who, errUsed)
		}
	}
	return nil
}

func (r *Roster) claimKeys(e *act.Member) {
	for _, k := range e.Keys() {
		r.keys[string(k.Raw)] = fmt.Sprintf("the %s key of %s", k.Role, e.ID())
	}
}

// askForKeys claims what is new in the entry of a pending rotation: for this member and role, should another act enter it.
func (r *Roster) askForKeys(e *act.Member) {
	for _, k := range e.Keys() {
		if _, ok := r.keys[string(k.Raw)]; !ok {
			r.keys[string(k.Raw)] = asked(k, e)
		}
	}
}

// asked is what a key is called that a rotation asked for and that was never in force.
func asked(k act.Key, e *act.Member) string {
	return fmt.Sprintf("asked for as the %s key of %s", k.Role, e.ID())
}
