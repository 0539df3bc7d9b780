package roster

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
)

// keysOf is what the roster knows of one member's keys, those of the past too: package evidence verifies with it.
type keysOf struct {
	*Member
	registry bool // its logs are the registry's, now or before
}

// LogKey implements evidence.Keys.
func (m keysOf) LogKey(k checkpoint.VKey) (evidence.LogKey, bool) {
	for _, log := range m.Logs {
		for _, r := range log.Keys {
			if r.Keys[0].Name != k.Name || !bytes.Equal(r.Keys[0].Key, k.Key) {
				continue
			}
			v, err := checkpoint.NewVerifier(r.Keys[0])
			if err != nil {
				return evidence.LogKey{}, false
			}
			known := evidence.LogKey{Verifier: v, Registry: m.registry}
			switch {
			case r.To != 0:
				known.Revoked, known.LastSize = true, r.To
			case log.End != nil:
				known.Revoked, known.LastSize = true, log.End.Size
			}
			return known, true
		}
	}
	return evidence.LogKey{}, false
}

// WitnessKey implements evidence.Keys.
func (m keysOf) WitnessKey(k checkpoint.VKey) (evidence.WitnessKey, bool) {
	for _, own := range m.cosigned {
		if own.Name != k.Name || !bytes.Equal(own.Key, k.Key) {
			continue
		}
		v, err := checkpoint.NewVerifier(own)
		if err != nil {
			return evidence.WitnessKey{}, false
		}
		from, revoked := m.cosigners[string(own.Key)]
		return evidence.WitnessKey{Verifier: v, Revoked: revoked, From: from}, true
	}
	return evidence.WitnessKey{}, false
}

// accuses checks that evidence speaks against the member's log or witness, and not only against a key that had already ended:
// a thief must not get a city suspended.
func (r *Roster) accuses(b []byte, m *Member) error {
	e, err := evidence.Parse(b)
	if err != nil {
		return err
	}
	f, err := e.Verify(keysOf{m, m == r.registryOwner()})
	if err != nil {
		return fmt.Errorf("evidence against %s: %w", m.ID(), err)
	}
	if f.Accused == evidence.AccusedKey {
		return errors.New("the evidence accuses a key whose time had ended, and not its member")
	}
	return nil
}

// EvidenceKeys is what the roster knows of the keys of all logs and witnesses, those of the past too.
func (r *Roster) EvidenceKeys() evidence.Keys { return keysOfAll{r} }

type keysOfAll struct{ r *Roster }

// LogKey implements evidence.Keys.
func (a keysOfAll) LogKey(k checkpoint.VKey) (evidence.LogKey, bool) {
	m := a.r.ByOrigin(k.Name)
	if m == nil {
		return evidence.LogKey{}, false
	}
	return keysOf{m, m == a.r.registryOwner()}.LogKey(k)
}

// WitnessKey implements evidence.Keys.
func (a keysOfAll) WitnessKey(k checkpoint.VKey) (evidence.WitnessKey, bool) {
	for _, m := range a.r.members {
		if known, ok := (keysOf{m, false}).WitnessKey(k); ok {
			return known, true
		}
	}
	return evidence.WitnessKey{}, false
}
