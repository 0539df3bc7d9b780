package receipt

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Limits of a trust file.
const (
	MaxTrust      = 1 << 20 // bytes
	maxLogKeys    = 8
	maxPublishers = 5000
	maxEarlier    = 64
)

// Trust is what a verifier believes beforehand about one log: its keys, and the
// keys that may publish in it. It is not changed after it was read.
type Trust struct {
	// Origin is the log's name.
	Origin string
	// City is the member id of the log's owner; empty: not known, not checked.
	City string
	// Log are the log's keys, 1 to 8, of TypeEd25519 or TypeMLDSA44 and named like
	// the origin. All of them must have signed a checkpoint.
	Log []*checkpoint.Verifier
	// Publishers may be none. No key is listed twice, nor is one of the log's.
	Publishers []Publisher
	// Earlier are the logs of which this one holds the first entries and goes on behind them, oldest first: of a city that
	// lost its log's keys, or whose log forked.
	Earlier []Earlier
}

// Earlier is a log whose entries below Size are those of the log that goes on from it.
type Earlier struct {
	Origin string
	Size   uint64
}

// OriginAt names the log for which a statement at an index was made.
func (t *Trust) OriginAt(index uint64) string {
	for _, e := range t.Earlier {
		if index < e.Size {
			return e.Origin
		}
	}
	return t.Origin
}

// Publisher is a key that may sign the leaves from FromSize on, up to and without
// ToSize.
type Publisher struct {
	Key      ed25519.PublicKey
	FromSize uint64
	ToSize   *uint64 // nil: for good
}

// covers reports whether the key may sign the leaf at index.
func (p *Publisher) covers(index uint64) bool {
	return p.FromSize <= index && (p.ToSize == nil || index < *p.ToSize)
}

// Publisher returns the key with that id, if it may sign the leaf at index.
func (t *Trust) Publisher(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	if p := t.find(id); p != nil && p.covers(index) {
		return p.Key, true
	}
	return nil, false
}

// Ended finds a publisher's key that ended at or before an index.
func (t *Trust) Ended(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	if p := t.find(id); p != nil && p.ToSize != nil && *p.ToSize <= index {
		return p.Key, true
	}
	return nil, false
}

func (t *Trust) find(id declaration.KeyID) *Publisher {
	for i := range t.Publishers {
		if p := &t.Publishers[i]; declaration.KeyIDOf(p.Key) == id {
			return p
		}
	}
	return nil
}

// VKeys returns the log's keys as text, in order.
func (t *Trust) VKeys() []string {
	vkeys := make([]string, len(t.Log))
	for i, v := range t.Log {
		vkeys[i] = checkpoint.FormatVKey(v.Key())
	}
	return vkeys
}

// check holds the rules that parsing and formatting share.
func (t *Trust) check() error {
	if err := declaration.CheckOrigin(t.Origin); err != nil {
		return err
	}
	if t.City != "" {
		if err := declaration.CheckMemberID(t.City); err != nil {
			return err
		}
	}
	if len(t.Log) == 0 || len(t.Log) > maxLogKeys {
		return fmt.Errorf("%d log_vkeys, want 1 to %d", len(t.Log), maxLogKeys)
	}
	if len(t.Publishers) > maxPublishers {
		return fmt.Errorf("more than %d publishers", maxPublishers)
	}
	// One key in two roles lets one role speak for the other (T-06).
	seen := map[string]bool{}
	for _, v := range t.Log {
		k := v.Key()
		switch {
		case k.Name != t.Origin:
			return fmt.Errorf("log_vkeys: %v is named otherwise than the origin %s", k, t.Origin)
		case k.Type == checkpoint.TypeEd25519Cosignature:
			return fmt.Errorf("log_vkeys: %v is a witness's key, not a log's", k)
		case seen[string(k.Key)]:
			return fmt.Errorf("log_vkeys: %v is listed twice", k)
		}
		seen[string(k.Key)] = true
	}
	for i, p := range t.Publishers {
		if err := p.check(); err != nil {
			return fmt.Errorf("publishers[%d]: %w", i, err)
		}
		if seen[string(p.Key)] {
			return fmt.Errorf("publishers[%d]: the key is listed twice, or is the log's", i)
		}
		seen[string(p.Key)] = true
	}
	return t.checkEarlier()
}

func (t *Trust) checkEarlier() error {
	if len(t.Earlier) > maxEarlier {
		return fmt.Errorf("more than %d earlier logs", maxEarlier)
	}
	seen, last := map[string]bool{t.Origin: true}, uint64(0)
	for i, e := range t.Earlier {
		if err := declaration.CheckOrigin(e.Origin); err != nil {
			return fmt.Errorf("earlier[%d]: %w", i, err)
		}
		if seen[e.Origin] || e.Size < last || e.Size > proof.MaxSize {
			return fmt.Errorf("earlier[%d]: want logs that ended one after another, each once, and none like this one", i)
		}
		seen[e.Origin], last = true, e.Size
	}
	return nil
}

func (p *Publisher) check() error {
	if err := checkpoint.CheckEd25519Key(p.Key); err != nil {
		return err
	}
	if p.FromSize > proof.MaxSize || p.ToSize != nil && (*p.ToSize > proof.MaxSize || *p.ToSize < p.FromSize) {
		return errors.New("from_size and to_size are no range of a log")
	}
	return nil
}

// Format writes the trust file, laid out for people. It refuses what ParseTrust
// would not read.
func (t *Trust) Format() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("formatting trust: %w", err)
	}
	b := []byte("{\n  \"version\": 1,\n  \"origin\": ")
	b = canonical.AppendString(b, t.Origin)
	if t.City != "" {
		b = canonical.AppendString(append(b, ",\n  \"city\": "...), t.City)
	}
	b = append(b, ",\n  \"log_vkeys\": ["...)
	for i, vkey := range t.VKeys() {
		b = canonical.AppendString(append(b, listSeparator(i)...), vkey)
	}
	b = append(b, "\n  ],\n  \"publishers\": ["...)
	for i, p := range t.Publishers {
		b = append(append(b, listSeparator(i)...), `{"key": "`...)
		b = base64.StdEncoding.AppendEncode(b, p.Key)
		b = strconv.AppendUint(append(b, `", "from_size": `...), p.FromSize, 10)
		b = append(b, `, "to_size": `...)
		if p.ToSize == nil {
			b = append(b, "null}"...)
		} else {
			b = append(strconv.AppendUint(b, *p.ToSize, 10), '}')
		}
	}
	if len(t.Publishers) > 0 {
		b = append(b, "\n  "...)
	}
	b = append(b, ']')
	for i, e := range t.Earlier {
		if i == 0 {
			b = append(b, ",\n  \"earlier\": ["...)
		}
		b = canonical.AppendString(append(append(b, listSeparator(i)...), `{"origin": `...), e.Origin)
		b = append(strconv.AppendUint(append(b, `, "size": `...), e.Size, 10), '}')
		if i == len(t.Earlier)-1 {
			b = append(b, "\n  ]"...)
		}
	}
	b = append(b, "\n}\n"...)
	if len(b) > MaxTrust {
		return nil, fmt.Errorf("formatting trust: %d bytes, more than %d", len(b), MaxTrust)
	}
	return b, nil
}

func listSeparator(i int) string {
	if i == 0 {
		return "\n    "
	}
	return ",\n    "
}
