package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Accused is whom a finding speaks against.
type Accused int

// Whom evidence accuses: FORMAT.md, "Whom it accuses".
const (
	AccusedLog     Accused = iota + 1 // the log, and so the city that runs it
	AccusedWitness                    // the witness or mirror
	AccusedKey                        // a key beyond its end, and whoever holds it: neither log nor witness
)

// String returns log, witness or key.
func (a Accused) String() string {
	switch a {
	case AccusedLog:
		return "log"
	case AccusedWitness:
		return "witness"
	}
	return "key"
}

// Finding is what evidence proved to a verifier. A finding that was made stays: see FORMAT.md, "Whom it accuses".
type Finding struct {
	// Kind is that of the evidence, or RegistryFork if the accused log is the registry.
	Kind    Kind
	Accused Accused
	// Keys are the one or two keys that the finding speaks against.
	Keys []checkpoint.VKey
	// Revoked says that one of the two signing keys was revoked, so that the finding may be about a thief's work even
	// where it accuses log or witness.
	Revoked bool
	// Origin is the log that the heads are of; with AccusedWitness that log is not accused.
	Origin string
	// Heads are what was signed, in the order of the evidence, which is not that of time.
	Heads [2]SignedHead
	// ForkRoot is the root that the second head has at the first one's size, where that was shown.
	ForkRoot *proof.Hash
	// Index and Leaves are of TwoLeaves: the leaf hash of each head there.
	Index  uint64
	Leaves [2]proof.Hash

	kind Kind // of the evidence
}

// Key returns the identity of the contradiction, 64 hexadecimal digits: kind, keys, sizes and roots. It does not depend
// on who built the evidence, how often a head was signed, or whom this verifier finds accused.
func (f *Finding) Key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cityproof/evidence/key/v1\n%v\n", f.kind)
	for _, h := range f.Heads {
		fmt.Fprintf(&b, "%s\n%d\n%v\n", checkpoint.FormatVKey(h.Key), h.Size, h.Root)
	}
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:])
}

// String says in one sentence what was proven.
func (f *Finding) String() string {
	s := f.what()
	if f.Accused == AccusedKey {
		owner := "log"
		if f.kind == WitnessFault {
			owner = "witness"
		}
		names := make([]string, len(f.Keys))
		for i, k := range f.Keys {
			names[i] = fmt.Sprintf("%s+%08x", k.Name, k.ID())
		}
		key, it := "the key "+names[0], "it"
		if len(names) > 1 {
			key, it = "the keys "+strings.Join(names, " and "), "them"
		}
		s += fmt.Sprintf("; that is beyond the point at which %s had been revoked, so this accuses whoever holds %s, and not the %s", key, it, owner)
	}
	return s + "."
}

func (f *Finding) what() string {
	a, b := f.Heads[0], f.Heads[1]
	signer := "the log " + f.Origin
	switch {
	case f.Accused == AccusedKey && a.Key.Equal(b.Key):
		signer = "a key of the log " + f.Origin
	case f.Accused == AccusedKey:
		signer = "two keys of the log " + f.Origin
	}
	if f.Kind == RegistryFork {
		signer = "the alliance's registry " + f.Origin
	}
	switch f.kind {
	case TwoRoots:
		return fmt.Sprintf("%s signed two different histories of the same size: %s, once with root %v and once with root %v",
			signer, entries(a.Size), a.Root, b.Root)
	case Rewritten:
		return fmt.Sprintf("%s signed a history that was rewritten: %s with root %v, and a history of %s in which the first %d have root %v",
			signer, entries(a.Size), a.Root, entries(b.Size), a.Size, f.ForkRoot)
	case TwoLeaves:
		return fmt.Sprintf("%s signed two different histories: in the one of %s, entry %d (counted from 0) is %v, and in the one of %s it is %v",
			signer, entries(a.Size), f.Index, f.Leaves[0], entries(b.Size), f.Leaves[1])
	}
	return f.whatWitness()
}

func (f *Finding) whatWitness() string {
	a, b := f.Heads[0], f.Heads[1]
	signer := "the witness " + a.Key.Name
	if f.Accused == AccusedKey {
		signer = "a key of the witness " + a.Key.Name
	}
	switch {
	case a.Size == b.Size:
		return fmt.Sprintf("%s vouched for two different histories of the log %s of the same size: %s, at %s with root %v and at %s with root %v",
			signer, f.Origin, entries(a.Size), clock(a.Time), a.Root, clock(b.Time), b.Root)
	case f.ForkRoot != nil:
		return fmt.Sprintf("%s vouched for two different histories of the log %s: at %s for %s with root %v, and at %s for a history of %s in which the first %d have root %v",
			signer, f.Origin, clock(a.Time), entries(a.Size), a.Root, clock(b.Time), entries(b.Size), a.Size, f.ForkRoot)
	}
	return fmt.Sprintf("%s went back: at %s it vouched that the largest history of the log %s had %s, and at %s that it had only %d",
		signer, clock(b.Time), f.Origin, entries(b.Size), clock(a.Time), a.Size)
}

func entries(n uint64) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// lastYear is the end of the year 9999; a witness may claim any second beyond.
const lastYear = 253_402_300_799

func clock(seconds uint64) string {
	if seconds > lastYear {
		return fmt.Sprintf("second %d after 1970", seconds)
	}
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}
