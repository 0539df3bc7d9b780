package roster

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// LogKeys returns what must all sign a checkpoint of a member's log of a size: any log that a member has or had.
func (r *Roster) LogKeys(origin string, size uint64) ([]*checkpoint.Verifier, error) {
	m := r.ByOrigin(origin)
	if m == nil {
		return nil, fmt.Errorf("no member has the log %s", origin)
	}
	i := slices.IndexFunc(m.Logs, func(l *Log) bool { return l.Origin == origin })
	keys, err := m.Logs[i].keysAt(size)
	if err != nil {
		return nil, err
	}
	return verifiers(keys[:]...)
}

// NewestLogKeys returns what must all sign the next checkpoint of a log that a member has or had.
func (r *Roster) NewestLogKeys(origin string) ([]*checkpoint.Verifier, error) {
	m := r.ByOrigin(origin)
	if m == nil {
		return nil, fmt.Errorf("no member has the log %s", origin)
	}
	i := slices.IndexFunc(m.Logs, func(l *Log) bool { return l.Origin == origin })
	keys := m.Logs[i].Keys[len(m.Logs[i].Keys)-1].Keys
	return verifiers(keys[:]...)
}

// Publisher finds the key of an id that may sign leaf index of the member's log.
func (m *Member) Publisher(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	for raw := range m.publishers {
		key := ed25519.PublicKey(raw)
		if declaration.KeyIDOf(key) == id {
			return key, m.MayPublish(key, index)
		}
	}
	return nil, false
}

// Publishers returns the keys that may sign leaf index, in the order of the entry.
func (m *Member) Publishers(index uint64) []ed25519.PublicKey {
	var out []ed25519.PublicKey
	for _, p := range m.Entry.GetPublishers() {
		if m.MayPublish(p.GetKey(), index) {
			out = append(out, p.GetKey())
		}
	}
	return out
}
