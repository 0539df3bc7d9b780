package roster

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// anchor takes a signed note of an earlier head of the registry, and moves registry time (FORMAT.md, "Anchors").
func (r *Roster) anchor(note []byte) error {
	owner := r.registryOwner()
	head, err := checkpoint.Unverified(note)
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
	keys, err := owner.Log().keysAt(head.Size)
	if err != nil {
		return err
	}
	log, err := verifiers(keys[0])
	if err != nil {
		return err
	}
	in := r.epochOf(owner, head.Size)
	by, err := r.bench(in, owner).Witnessed(note, log)
	if err != nil {
		return err
	}
	r.anchored = r.Size()
	r.time = max(r.time, by.Time)
	if r.AwaitsHandOver() && head.Size > r.epoch.index {
		r.handOver(note, head.Size, by)
	}
	if r.draw == nil && r.time >= r.epoch.NextDraw && in.Number == r.epoch.Number {
		seed := nextSeed(r.epoch.Seed, head.Root)
		r.draw = &seed
	}
	r.takeEffect()
	return nil
}

// nextSeed is SHA-256(seed ‖ root of the anchor's head).
func nextSeed(seed, root proof.Hash) proof.Hash {
	return sha256Of(seed[:], root[:])
}
