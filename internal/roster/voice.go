package roster

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Voice is with which keys a member cosigns in an epoch. They are those of its entry at EPOCH: keys that turn in between count
// from the next EPOCH on, so that whoever has the epoch's lines alone judges as those do who replay everything.
type Voice struct {
	ID, Operator    string
	Witness, Mirror checkpoint.VKey
}

// voice is with which keys a member cosigns as its entry says now.
func (m *Member) voice() Voice { return Voice{m.ID(), m.Entry.GetOperator(), m.Witness, m.Mirror} }

// newVoices are the voices of an epoch: of all members who are active at EPOCH and whose keys are not revoked then.
func (r *Roster) newVoices() map[string]Voice {
	out := make(map[string]Voice, len(r.members))
	for id, m := range r.members {
		if r.Status(m) == Active && !m.revoked(m.Witness.Key) && !m.revoked(m.Mirror.Key) {
			out[id] = m.voice()
		}
	}
	return out
}

func (v Voice) format() ([]byte, error) {
	return codecs().voice.Marshal(&registryv1.Voice{
		Id: &v.ID, Operator: &v.Operator,
		WitnessVkey: proto.String(checkpoint.FormatVKey(v.Witness)), MirrorVkey: proto.String(checkpoint.FormatVKey(v.Mirror)),
	})
}

// ParseVoice reads the line of a voice.
func ParseVoice(b []byte) (Voice, error) {
	m := &registryv1.Voice{}
	err := codecs().voice.Unmarshal(b, m)
	v := Voice{ID: m.GetId(), Operator: m.GetOperator()}
	if err == nil {
		err = declaration.CheckMemberID(v.ID)
	}
	if err == nil {
		v.Witness, err = checkpoint.ParseVKey(m.GetWitnessVkey())
	}
	if err == nil {
		v.Mirror, err = checkpoint.ParseVKey(m.GetMirrorVkey())
	}
	if err == nil && (v.Witness.Type != checkpoint.TypeEd25519Cosignature || v.Mirror.Type != checkpoint.TypeEd25519Cosignature) {
		err = errors.New("its keys are not for cosigning")
	}
	if err != nil {
		return Voice{}, fmt.Errorf("reading a line of the roster: %w", err)
	}
	return v, nil
}

// Bench is who may vouch for heads of one log in one epoch.
type Bench struct {
	// Committee are the member ids on the seats; the quorum is of all of them.
	Committee []string
	// Voices are those that are known, of witnesses and of mirrors.
	Voices []Voice
	// Operator runs the log: who is run by the same is no mirror of it.
	Operator string
	// Counts is false for a cosignature that doesn't count, such as of a key that was revoked; nil: all do.
	Counts func(checkpoint.Signed) bool
}

// ErrNotFinal is wrapped by errors about a head that its committee did not make final.
var ErrNotFinal = errors.New("the head is not final")

// FinalBy says who made a head final.
type FinalBy struct {
	Head checkpoint.Checkpoint
	// Time is the lower median of the witnesses' times, Unix seconds.
	Time int64
	// Witnesses and Mirrors are the member ids of those who cosigned.
	Witnesses, Mirrors []string
}

// Witnessed checks that a note is signed by the keys of its log and by the quorum of its committee. Errors wrap ErrNotFinal
// where only cosignatures are missing.
func (b *Bench) Witnessed(note []byte, log []*checkpoint.Verifier) (*FinalBy, error) {
	v, by, err := b.cosigned(note, log, func(v Voice) (checkpoint.VKey, bool) { return v.Witness, slices.Contains(b.Committee, v.ID) })
	if err != nil {
		return nil, err
	}
	out := &FinalBy{Head: v.Checkpoint}
	var times []int64
	for _, s := range by {
		out.Witnesses = append(out.Witnesses, s.id)
		times = append(times, int64(s.Timestamp)) //nolint:gosec // package checkpoint bounds it by 2^63-1
	}
	if want := Quorum(len(b.Committee)); want == 0 || len(times) < want {
		return nil, fmt.Errorf("%w: %d of %d witnesses signed, want %d", ErrNotFinal, len(times), len(b.Committee), want)
	}
	slices.Sort(times)
	out.Time = times[(len(times)-1)/2]
	return out, nil
}

// Final checks what Witnessed does, and that mirrors of MirrorQuorum other members hold the head.
func (b *Bench) Final(note []byte, log []*checkpoint.Verifier) (*FinalBy, error) {
	out, err := b.Witnessed(note, log)
	if err != nil {
		return nil, err
	}
	_, by, err := b.cosigned(note, log, func(v Voice) (checkpoint.VKey, bool) { return v.Mirror, v.Operator != b.Operator })
	if err != nil {
		return nil, err
	}
	for _, s := range by {
		out.Mirrors = append(out.Mirrors, s.id)
	}
	if len(out.Mirrors) < MirrorQuorum {
		return nil, fmt.Errorf("%w: mirrors of %d members signed, want %d", ErrNotFinal, len(out.Mirrors), MirrorQuorum)
	}
	return out, nil
}

// cosigner is one member's cosignature.
type cosigner struct {
	checkpoint.Signed
	id string
}

// cosigned returns the cosignatures of a note that count, by the keys that key picks, in the order of Voices.
func (b *Bench) cosigned(note []byte, log []*checkpoint.Verifier, key func(Voice) (checkpoint.VKey, bool)) (*checkpoint.Verified, []cosigner, error) {
	var keys []checkpoint.VKey
	var ids []string
	for _, v := range b.Voices {
		if k, ok := key(v); ok {
			keys, ids = append(keys, k), append(ids, v.ID)
		}
	}
	witnesses, err := verifiers(keys...)
	if err != nil {
		return nil, nil, err
	}
	verified, err := checkpoint.Verify(note, log, witnesses)
	if err != nil {
		return nil, nil, err
	}
	var out []cosigner
	for i, k := range keys {
		for _, s := range verified.Cosignatures {
			if s.Key.Equal(k) && (b.Counts == nil || b.Counts(s)) {
				out = append(out, cosigner{s, ids[i]})
			}
		}
	}
	return verified, out, nil
}
