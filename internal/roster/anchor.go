package roster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// ErrNotFinal is wrapped by errors about a head that its committee did not make final.
var ErrNotFinal = errors.New("the head is not final")

// anchor takes a signed note of an earlier head of the registry, and moves registry time (FORMAT.md, "Anchors").
func (r *Roster) anchor(note []byte) error {
	owner := r.ByOrigin(r.root.Terms.Registry.Origin)
	head, err := headOf(note)
	if err != nil {
		return err
	}
	switch {
	case head.Size > r.Size():
		return fmt.Errorf("it is a head of size %d at index %d", head.Size, r.Size())
	case head.Size <= r.anchored && r.anchored > 0:
		return fmt.Errorf("its size %d was anchored before", head.Size)
	case head.Root != r.roots[head.Size]:
		return fmt.Errorf("at size %d this log has another root", head.Size)
	}
	t, err := r.anchorTime(owner, note)
	if err != nil {
		return err
	}
	r.anchored = r.Size()
	r.time = max(r.time, t)
	if r.draw == nil && r.time >= r.epoch.NextDraw && r.registryEpoch(head.Size).Number == r.epoch.Number {
		seed := nextSeed(r.epoch.Seed, head.Root)
		r.draw = &seed
	}
	r.takeEffect()
	return nil
}

// registryEpoch is the epoch whose committee counts for the registry's head of a size: the old one up to the size just after
// EPOCH, which is its last duty.
func (r *Roster) registryEpoch(size uint64) Epoch {
	if r.epoch.Number > 0 && size <= r.epoch.registry {
		return r.last
	}
	return r.epoch
}

// anchorTime checks an anchor of the registry: its Ed25519 line, and the quorum of the committee at that size.
func (r *Roster) anchorTime(owner *Member, note []byte) (int64, error) {
	head, err := headOf(note)
	if err != nil {
		return 0, err
	}
	keys, err := owner.Log().keysAt(head.Size)
	if err != nil {
		return 0, err
	}
	log, err := verifiers(keys[0])
	if err != nil {
		return 0, err
	}
	times, err := r.cosigned(note, log, r.registryEpoch(head.Size).committees[owner.ID()])
	if err != nil {
		return 0, err
	}
	return times[(len(times)-1)/2], nil
}

// cosigned checks a note by the log's keys and by a committee's witnesses, and returns the times of those who signed, in
// ascending order; they are at least the quorum.
func (r *Roster) cosigned(note []byte, log []*checkpoint.Verifier, committee []string) ([]int64, error) {
	var keys []checkpoint.VKey
	for _, id := range committee {
		if m := r.members[id]; r.Status(m) == Active {
			keys = append(keys, m.Witness)
		}
	}
	witnesses, err := verifiers(keys...)
	if err != nil {
		return nil, err
	}
	v, err := checkpoint.Verify(note, log, witnesses)
	if err != nil {
		return nil, err
	}
	var times []int64
	for _, s := range v.Cosignatures {
		if r.cosignatureCounts(s) {
			times = append(times, int64(s.Timestamp)) //nolint:gosec // package checkpoint bounds it by 2^63-1
		}
	}
	if want := Quorum(len(committee)); want == 0 || len(times) < want {
		return nil, fmt.Errorf("%w: %d of %d witnesses signed, want %d", ErrNotFinal, len(times), len(committee), want)
	}
	slices.Sort(times)
	return times, nil
}

// cosignatureCounts is false for what was signed at or after the time from which the key was revoked.
func (r *Roster) cosignatureCounts(s checkpoint.Signed) bool {
	for _, m := range r.members {
		if from, ok := m.cosigners[string(s.Key.Key)]; ok && s.Timestamp >= from {
			return false
		}
	}
	return true
}

// Final checks that a note of a member's log is signed by the log's keys and final in the epoch in force. Errors wrap
// ErrNotFinal where only witnesses are missing.
func (r *Roster) Final(m *Member, note []byte) (checkpoint.Checkpoint, error) {
	head, err := headOf(note)
	if err != nil {
		return head, err
	}
	if head.Origin != m.Log().Origin {
		return head, fmt.Errorf("the note is of %s, the log of %s is %s", head.Origin, m.ID(), m.Log().Origin)
	}
	keys, err := m.Log().keysAt(head.Size)
	if err != nil {
		return head, err
	}
	log, err := verifiers(keys[:]...)
	if err != nil {
		return head, err
	}
	_, err = r.cosigned(note, log, r.epoch.committees[m.ID()])
	return head, err
}

// finalAbovePin is Final for an act that ends something at a head: none may lie below what the epoch settled (T-31).
func (r *Roster) finalAbovePin(m *Member, note []byte) (checkpoint.Checkpoint, error) {
	head, err := r.Final(m, note)
	if err != nil {
		return head, fmt.Errorf("final_note: %w", err)
	}
	if pin, ok := r.epoch.Pin(head.Origin); ok && head.Size < pin.Size {
		return head, fmt.Errorf("final_note: its size %d is below the pin, %d", head.Size, pin.Size)
	}
	return head, nil
}

func headOf(note []byte) (checkpoint.Checkpoint, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return checkpoint.Checkpoint{}, err
	}
	return checkpoint.ParseCheckpoint(n.Text)
}

// nextSeed is SHA-256(seed ‖ root of the anchor's head).
func nextSeed(seed, root proof.Hash) proof.Hash {
	return sha256Of(seed[:], root[:])
}
