package roster

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
)

// FinalBy says who made a head final.
type FinalBy struct {
	Head checkpoint.Checkpoint
	// Time is the lower median of the witnesses' times, Unix seconds.
	Time int64
	// Witnesses and Mirrors are the member ids of those who cosigned.
	Witnesses, Mirrors []string
}

// Finality checks that a note of a member's log is signed by the log's keys, by the quorum of its committee in the epoch in
// force, and by mirrors of MirrorQuorum other members. Errors wrap ErrNotFinal where only cosignatures are missing.
func (r *Roster) Finality(m *Member, note []byte) (*FinalBy, error) {
	head, err := r.Final(m, note)
	if err != nil {
		return nil, err
	}
	keys, err := m.Log().keysAt(head.Size)
	if err != nil {
		return nil, err
	}
	log, err := verifiers(keys[0])
	if err != nil {
		return nil, err
	}
	out := &FinalBy{Head: head}
	times, err := r.cosigned(note, log, r.epoch.committees[m.ID()])
	if err != nil {
		return nil, err
	}
	out.Time = times[(len(times)-1)/2]
	if out.Witnesses, err = r.whoSigned(note, log, r.epoch.committees[m.ID()], func(w *Member) checkpoint.VKey { return w.Witness }); err != nil {
		return nil, err
	}
	var others []string
	for _, o := range r.Members() {
		if o != m && o.Entry.GetOperator() != m.Entry.GetOperator() {
			others = append(others, o.ID())
		}
	}
	if out.Mirrors, err = r.whoSigned(note, log, others, func(o *Member) checkpoint.VKey { return o.Mirror }); err != nil {
		return nil, err
	}
	if len(out.Mirrors) < MirrorQuorum {
		return nil, fmt.Errorf("%w: mirrors of %d members signed, want %d", ErrNotFinal, len(out.Mirrors), MirrorQuorum)
	}
	return out, nil
}

// whoSigned returns those of the members whose key, which counts, signed the note.
func (r *Roster) whoSigned(note []byte, log []*checkpoint.Verifier, ids []string, key func(*Member) checkpoint.VKey) (out []string, err error) {
	for _, id := range ids {
		m := r.members[id]
		if m == nil || r.Status(m) != Active {
			continue
		}
		v, err := verifiers(key(m))
		if err != nil {
			return nil, err
		}
		signed, err := checkpoint.Verify(note, log, v)
		if err != nil {
			return nil, err
		}
		for _, s := range signed.Cosignatures {
			if r.cosignatureCounts(s) {
				out = append(out, id)
			}
		}
	}
	return out, nil
}
