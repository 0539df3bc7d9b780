package root

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Verify checks that a version is signed by a threshold of its own keys. That is what makes version 1 a root, and it is all
// that can be said of a later one without its predecessors. Errors wrap ErrNotSigned.
func (r *Root) Verify() error {
	if err := r.meta.VerifyDelegate(metadata.ROOT, r.meta); err != nil {
		return fmt.Errorf("%w: version %d by its own keys: %w", ErrNotSigned, r.Version, err)
	}
	return nil
}

// VerifyNext checks that next is the version after r: signed by thresholds of r's keys and of its own, of the same alliance,
// and with the founding unchanged (T-11). Errors about signatures wrap ErrNotSigned.
func (r *Root) VerifyNext(next *Root) error {
	if err := r.CheckNext(next); err != nil {
		return err
	}
	if err := r.meta.VerifyDelegate(metadata.ROOT, next.meta); err != nil {
		return fmt.Errorf("%w: version %d by the keys of version %d: %w", ErrNotSigned, next.Version, r.Version, err)
	}
	return next.Verify()
}

// CheckNext is VerifyNext without the signatures: for who writes the version.
func (r *Root) CheckNext(next *Root) error {
	if next.Version != r.Version+1 {
		return fmt.Errorf("version %d follows version %d: want %d", next.Version, r.Version, r.Version+1)
	}
	if next.Alliance != r.Alliance {
		return fmt.Errorf("version %d is of another alliance", next.Version)
	}
	if next.Terms.FoundedAt != r.Terms.FoundedAt || next.Terms.NextDraw != r.Terms.NextDraw {
		return fmt.Errorf("version %d changes founded_at or next_draw, which never change", next.Version)
	}
	if old, now := r.Terms.Pin, next.Terms.Pin; old != nil && (now == nil || now.Epoch < old.Epoch) {
		return fmt.Errorf("version %d pins an epoch before %d, which version %d pins", next.Version, old.Epoch, r.Version)
	}
	if err := r.checkRegistry(next); err != nil {
		return fmt.Errorf("version %d: %w", next.Version, err)
	}
	if err := r.checkNextReseat(next); err != nil {
		return fmt.Errorf("version %d: %w", next.Version, err)
	}
	return nil
}

// checkRegistry lets the registry go on under another origin with continue_from alone, and then under other keys too: the old
// ones have signed two histories.
func (r *Root) checkRegistry(next *Root) error {
	was, now := r.Terms.Registry.Origin, next.Terms.Registry.Origin
	kept, from := next.Terms.ContinueFrom, next.GoesOn()
	if from != nil {
		kept = kept[:len(kept)-1]
	}
	if !slices.EqualFunc(kept, r.Terms.ContinueFrom, func(a, b ContinueFrom) bool {
		return a.Version == b.Version && a.Origin == b.Origin && a.Size == b.Size && bytes.Equal(a.Root, b.Root)
	}) {
		return errors.New("continue_from of the version before is not repeated in it")
	}
	switch {
	case from == nil && now != was:
		return fmt.Errorf("it moves the registry to %s and has no continue_from of its own", now)
	case from == nil:
		return nil
	case from.Origin != was:
		return fmt.Errorf("continue_from is of %s, and the registry is %s", from.Origin, was)
	}
	if now == was || act.Host(now) != act.Host(was) {
		return fmt.Errorf("with continue_from the registry needs a new origin that begins as %s does, up to the last part; it is %s", was, now)
	}
	if err := declaration.CheckOrigin(now); err != nil {
		return err
	}
	for i, k := range next.Log {
		if bytes.Equal(k.Key, r.Log[i].Key) {
			return fmt.Errorf("with continue_from the registry needs new keys, and registry.vkeys[%d] is the old one", i)
		}
	}
	return nil
}

// ExpiredAt reports whether the version had expired at a time, which a receipt proves.
func (r *Root) ExpiredAt(t time.Time) bool { return r.meta.Signed.IsExpired(t) }

// Signed returns how many signatures the file has by keys of r, or of prev where that is not nil, and how many are wanted.
// Only valid ones count.
func (r *Root) Signed(prev *Root) (have, want int) {
	by := r
	if prev != nil {
		by = prev
	}
	payload, err := r.payload()
	if err != nil {
		return 0, by.Threshold
	}
	for _, key := range by.Keys {
		if sig := r.signature(key); sig != nil && verifyEd25519(key, payload, sig) {
			have++
		}
	}
	return have, by.Threshold
}

// Same reports whether two files are the same version, whoever signed it so far.
func (r *Root) Same(other *Root) bool { return bytes.Equal(r.ID[:], other.ID[:]) }
