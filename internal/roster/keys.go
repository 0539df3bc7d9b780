package roster

import (
	"crypto/ed25519"
	"fmt"
	"maps"
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
	return logKeys(m.Logs, origin, size)
}

func logKeys(logs []*Log, origin string, size uint64) ([]*checkpoint.Verifier, error) {
	i := slices.IndexFunc(logs, func(l *Log) bool { return l.Origin == origin })
	if i < 0 {
		return nil, fmt.Errorf("the member has no log %s", origin)
	}
	keys, err := logs[i].keysAt(size)
	if err != nil {
		return nil, err
	}
	return verifiers(keys[:]...)
}

// EndedLogKeys returns the keys of a log that ended below a size, those of each range: what they sign there counts for nothing.
func (r *Roster) EndedLogKeys(origin string, size uint64) (out [][]*checkpoint.Verifier) {
	m := r.ByOrigin(origin)
	if m == nil {
		return nil
	}
	for _, l := range m.Logs {
		for _, k := range l.Keys {
			if l.Origin != origin || k.To == 0 || size <= k.To {
				continue
			}
			if v, err := verifiers(k.Keys[:]...); err == nil {
				out = append(out, v)
			}
		}
	}
	return out
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

// Cosigns reports whether what a witness or mirror key of the member signs at a time, in Unix seconds, counts: whether the key
// was not revoked from then or earlier on.
func (m *Member) Cosigns(raw []byte, at int64) bool {
	from, revoked := m.cosigners[string(raw)]
	return !revoked || at >= 0 && uint64(at) < from
}

// PublisherRange says that a key may sign leaf i where From ≤ i < To; To is 0 where there is no end.
type PublisherRange struct {
	Key      ed25519.PublicKey
	From, To uint64
}

// PublisherRanges returns all publisher keys that the member has or had, in the order of the raw keys.
func (m *Member) PublisherRanges() []PublisherRange {
	var out []PublisherRange
	for _, raw := range slices.Sorted(maps.Keys(m.publishers)) {
		p := m.publishers[raw]
		out = append(out, PublisherRange{ed25519.PublicKey(raw), p.from, p.to})
	}
	return out
}
