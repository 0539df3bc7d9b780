package evidence

import (
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Keys are the keys that a verifier believes in, of the past too: a node's roster, or a file that somebody gave a
// journalist. Both methods are asked for a key that the evidence names, and answer false for one that they don't know
// under that name, in that role and of that type. The answer holds the verifier's own copy of the key; one that differs
// counts as not known.
type Keys interface {
	// LogKey returns what is known of a key that belongs or belonged to the log after which it is named.
	LogKey(checkpoint.VKey) (LogKey, bool)
	// WitnessKey returns what is known of a key that belongs or belonged to the witness or mirror after which it is named.
	WitnessKey(checkpoint.VKey) (WitnessKey, bool)
}

// LogKey is what a verifier knows of a log's key.
type LogKey struct {
	Verifier *checkpoint.Verifier
	// Registry says that the log is the registry of the alliance.
	Registry bool
	// Revoked says that the key's time had ended when the evidence came in: it is valid for heads up to LastSize, and
	// contradictions beyond accuse the key alone.
	Revoked  bool
	LastSize uint64
}

// WitnessKey is what a verifier knows of a witness's key.
type WitnessKey struct {
	Verifier *checkpoint.Verifier
	// Revoked says that the key's time had ended when the evidence came in: it is valid for times below From, Unix
	// seconds, and contradictions from then on accuse the key alone.
	Revoked bool
	From    uint64
}

// Verify checks the evidence with the keys of a verifier, and says what it proves. It costs two signatures and at most
// some 250 hashes; for a key that is not known, nothing.
//
// Errors wrap ErrUnknownKey, if a key is not known and nothing was checked, or ErrNotProven. Neither says anything
// against anybody.
func (e *Evidence) Verify(keys Keys) (*Finding, error) {
	f := &Finding{Kind: e.kind, Origin: e.Origin(), Heads: e.Heads(), kind: e.kind}
	var verifiers [2]*checkpoint.Verifier
	var ended [2]bool
	registry := false
	for i, h := range e.heads {
		var known bool
		if e.kind == WitnessFault {
			var k WitnessKey
			k, known = keys.WitnessKey(h.key)
			verifiers[i], ended[i] = k.Verifier, k.Revoked && h.time >= k.From
			f.Revoked = f.Revoked || k.Revoked
		} else {
			var k LogKey
			k, known = keys.LogKey(h.key)
			verifiers[i], ended[i] = k.Verifier, k.Revoked && h.Size > k.LastSize
			f.Revoked = f.Revoked || k.Revoked
			registry = registry || k.Registry
		}
		if !known || !verifiers[i].Key().Equal(h.key) {
			return nil, fmt.Errorf("verifying %v about %s: %w: %v", e.kind, e.Origin(), ErrUnknownKey, h.key)
		}
	}
	if err := e.prove(verifiers); err != nil {
		return nil, fmt.Errorf("verifying %v about %s: %w", e.kind, e.Origin(), err)
	}
	f.accuse(ended)
	if registry && f.Accused == AccusedLog {
		f.Kind = RegistryFork
	}
	if e.fork != nil {
		f.ForkRoot = &e.fork.Root
	}
	if e.leaves != nil {
		f.Index = e.index
		f.Leaves = [2]proof.Hash{e.leaves[0].Hash, e.leaves[1].Hash}
	}
	return f, nil
}

// accuse names whom the finding speaks against. ended says which heads are beyond the end of their key.
func (f *Finding) accuse(ended [2]bool) {
	f.Accused = AccusedLog
	if f.kind == WitnessFault {
		f.Accused = AccusedWitness
	}
	beyond := ended[0] || ended[1]
	if beyond {
		f.Accused = AccusedKey
	}
	for i, h := range f.Heads {
		if ended[i] == beyond && (len(f.Keys) == 0 || !f.Keys[0].Equal(h.Key)) {
			f.Keys = append(f.Keys, h.Key)
		}
	}
}
