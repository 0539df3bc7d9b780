package roster

import "fmt"

// AnchoredAt checks an anchor of a member's log: by the log's Ed25519 key, and by a quorum of its committee in the epoch in
// force. It returns the lower median of the cosignatures' times in Unix seconds (federation.md, section 4). Errors wrap
// ErrNotFinal where only witnesses are missing: then the anchor is void.
func (r *Roster) AnchoredAt(m *Member, note []byte) (int64, error) {
	head, err := headOf(note)
	if err != nil {
		return 0, err
	}
	if head.Origin != m.Log().Origin {
		return 0, fmt.Errorf("the anchor is of %s, the log of %s is %s", head.Origin, m.ID(), m.Log().Origin)
	}
	keys, err := m.Log().keysAt(head.Size)
	if err != nil {
		return 0, err
	}
	log, err := verifiers(keys[0])
	if err != nil {
		return 0, err
	}
	times, err := r.cosigned(note, log, r.epoch.committees[m.ID()])
	if err != nil {
		return 0, err
	}
	return times[(len(times)-1)/2], nil
}
