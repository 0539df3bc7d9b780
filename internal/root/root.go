package root

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
)

// Limits of root metadata.
const (
	MaxFile     = 1 << 20 // bytes
	MaxKeys     = 64
	MinKeys     = 2 // of a threshold: one key alone must never decide
	MinFounders = 3
	maxFounders = 32  // so many requests fit into a file
	maxName     = 100 // characters
	maxSeats    = 13  // of a committee
	minSeats    = 2   // of a reseat: one witness alone must never decide
	maxForks    = 64  // of the registry
)

// ErrNotSigned is wrapped by errors about too few or wrong signatures.
var ErrNotSigned = errors.New("root metadata is not signed as it must be")

// Hash is SHA-256 of the signed part of a version: it names that version, and version 1's names the alliance.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Root is one version whose form was checked.
type Root struct {
	Version int64 // 1, 2, 3 …
	Expires time.Time
	ID      Hash
	// Alliance is the ID of version 1.
	Alliance Hash
	// Keys are the root keys; Threshold of them must sign.
	Keys      []ed25519.PublicKey
	Threshold int
	// Terms is the field "cityproof".
	Terms Terms
	// Log are the registry's keys: Ed25519, then ML-DSA-44.
	Log [2]checkpoint.VKey
	// Founders are the requests to join of version 1, in its order.
	Founders []*act.Request

	meta *metadata.Metadata[metadata.RootType]
}

// Terms is what an alliance adds to root metadata.
type Terms struct {
	Name         string         `json:"name"`
	Genesis      string         `json:"genesis,omitempty"`
	Registry     Registry       `json:"registry"`
	ActKeys      [][]byte       `json:"act_keys"`
	ActThreshold int            `json:"act_threshold"`
	FoundedAt    int64          `json:"founded_at"`
	NextDraw     int64          `json:"next_draw"`
	Founders     [][]byte       `json:"founders,omitempty"`
	ContinueFrom []ContinueFrom `json:"continue_from,omitempty"`
	Pin          *Pin           `json:"pin,omitempty"`
	Reseat       *Reseat        `json:"reseat,omitempty"`
}

// Registry says where the registry log is, and by whose keys.
type Registry struct {
	Origin string   `json:"origin"`
	URL    string   `json:"url"`
	VKeys  []string `json:"vkeys"`
}

// Pin names an epoch that root keys vouch for: who holds this version needs no proof of the epochs up to it.
type Pin struct {
	Epoch      uint32   `json:"epoch"`       // from 1
	RosterRoot []byte   `json:"roster_root"` // 32 bytes: of its EPOCH
	Committee  []string `json:"committee"`   // of the registry: member ids in the order of their seats, 1 to 13
}

// ContinueFrom names the head of an old registry log that counts, after its keys signed two histories. The Registry of the
// version that brought it is the log that goes on from there (FORMAT.md).
type ContinueFrom struct {
	Version int64  `json:"version"` // that brought it
	Origin  string `json:"origin"`  // of the old log
	Size    int64  `json:"size"`
	Root    []byte `json:"root"` // 32 bytes
}

// Head is the head that counts.
func (c *ContinueFrom) Head() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: c.Origin, Size: uint64(c.Size), Root: [32]byte(c.Root)} //nolint:gosec // at least 1
}

// GoesOn is the head from which the registry goes on by this very version; nil if it brings none.
func (r *Root) GoesOn() *ContinueFrom {
	if n := len(r.Terms.ContinueFrom); n > 0 && r.Terms.ContinueFrom[n-1].Version == r.Version {
		return &r.Terms.ContinueFrom[n-1]
	}
	return nil
}

// field is the name of Terms in the metadata.
const field = "cityproof"

// Parse reads root metadata: its form, not its signatures. It accepts exactly what Format writes.
func Parse(b []byte) (*Root, error) {
	r, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading root metadata: %w", err)
	}
	return r, nil
}

func parse(b []byte) (*Root, error) {
	if len(b) > MaxFile {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), MaxFile)
	}
	meta, err := (&metadata.Metadata[metadata.RootType]{}).FromBytes(b)
	if err != nil {
		return nil, err
	}
	r, err := fromMetadata(meta)
	if err != nil {
		return nil, err
	}
	again, err := r.Format()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, b) {
		return nil, errors.New("it is not written as it must be: a key twice, space, another order, or something unknown")
	}
	return r, nil
}

// fromMetadata checks the form of metadata and reads what this package adds.
func fromMetadata(meta *metadata.Metadata[metadata.RootType]) (*Root, error) {
	s := &meta.Signed
	r := &Root{Version: s.Version, Expires: s.Expires, meta: meta}
	if s.Version < 1 || s.SpecVersion != metadata.SPECIFICATION_VERSION || s.ConsistentSnapshot || len(meta.UnrecognizedFields) > 0 {
		return nil, fmt.Errorf("want a version from 1, spec_version %q, consistent_snapshot false and nothing else", metadata.SPECIFICATION_VERSION)
	}
	if !s.Expires.Equal(s.Expires.UTC().Truncate(time.Second)) {
		return nil, errors.New("expires must be in whole seconds")
	}
	if err := r.readKeys(); err != nil {
		return nil, err
	}
	if err := r.readTerms(); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	payload, err := cjson.EncodeCanonical(s)
	if err != nil {
		return nil, err
	}
	r.ID = sha256.Sum256(payload)
	if r.Alliance, err = r.alliance(); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return r, nil
}

// readKeys takes the keys of the role: each Ed25519, in use, and there once.
func (r *Root) readKeys() error {
	s := &r.meta.Signed
	role := s.Roles[metadata.ROOT]
	if len(s.Roles) != 1 || role == nil || len(role.UnrecognizedFields) > 0 {
		return errors.New("want the role root and no other")
	}
	if len(role.KeyIDs) != len(s.Keys) || len(s.Keys) > MaxKeys {
		return fmt.Errorf("the role has %d keys of %d, want all of them, at most %d", len(role.KeyIDs), len(s.Keys), MaxKeys)
	}
	if role.Threshold < MinKeys || role.Threshold > len(s.Keys) {
		return fmt.Errorf("a threshold of %d of %d keys, want at least %d and no more than there are", role.Threshold, len(s.Keys), MinKeys)
	}
	if !slices.IsSorted(role.KeyIDs) {
		return errors.New("keyids must be in ascending order")
	}
	r.Threshold = role.Threshold
	for i, id := range role.KeyIDs {
		key := s.Keys[id]
		if key == nil || i > 0 && role.KeyIDs[i-1] == id {
			return fmt.Errorf("key %q is not listed, or twice", id)
		}
		raw, err := hex.DecodeString(key.Value.PublicKey)
		if err != nil || key.Type != metadata.KeyTypeEd25519 || key.Scheme != metadata.KeySchemeEd25519 ||
			hex.EncodeToString(raw) != key.Value.PublicKey || len(key.UnrecognizedFields)+len(key.Value.UnrecognizedFields) > 0 {
			return fmt.Errorf("key %q is not an Ed25519 key in lower-case hexadecimal", id)
		}
		if err := checkpoint.CheckEd25519Key(raw); err != nil {
			return fmt.Errorf("key %q: %w", id, err)
		}
		if own, err := key.ID(); err != nil || own != id {
			return fmt.Errorf("key %q is listed under an id that is not its own", id)
		}
		r.Keys = append(r.Keys, raw)
	}
	return nil
}

func (r *Root) readTerms() error {
	fields := r.meta.Signed.UnrecognizedFields
	if len(fields) != 1 || fields[field] == nil {
		return errors.New("it is missing, or not alone")
	}
	b, err := json.Marshal(fields[field])
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&r.Terms); err != nil {
		return err
	}
	// Formatting below uses Terms: what JSON reads leniently (nulls, other cases of a name) would not come back.
	fields[field] = r.Terms
	return r.checkTerms()
}

func (r *Root) checkTerms() error {
	t := &r.Terms
	if n := len([]rune(t.Name)); n < 1 || n > maxName || strings.ContainsFunc(t.Name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return fmt.Errorf("name must have 1 to %d characters and no controls", maxName)
	}
	if len(t.Registry.VKeys) != len(r.Log) {
		return errors.New("registry.vkeys must be two: Ed25519, ML-DSA-44")
	}
	for i, typ := range []checkpoint.KeyType{checkpoint.TypeEd25519, checkpoint.TypeMLDSA44} {
		k, err := checkpoint.ParseVKey(t.Registry.VKeys[i])
		if err != nil {
			return fmt.Errorf("registry.vkeys[%d]: %w", i, err)
		}
		if k.Type != typ || k.Name != t.Registry.Origin {
			return fmt.Errorf("registry.vkeys[%d] is %v, want the type %v and the name %q", i, k, typ, t.Registry.Origin)
		}
		r.Log[i] = k
	}
	if err := r.checkActKeys(); err != nil {
		return err
	}
	if r.has(r.Log[0].Key) || slices.ContainsFunc(t.ActKeys, func(k []byte) bool { return bytes.Equal(k, r.Log[0].Key) }) {
		return errors.New("registry.vkeys[0] is a root key or an act key too")
	}
	if t.FoundedAt < 1 || t.NextDraw < t.FoundedAt {
		return errors.New("founded_at and next_draw must be Unix seconds, in this order")
	}
	if err := r.checkContinueFrom(); err != nil {
		return err
	}
	if p := t.Pin; p != nil && (p.Epoch < 1 || len(p.RosterRoot) != sha256.Size || len(p.Committee) < 1 || len(p.Committee) > maxSeats || r.Version == 1) {
		return errors.New("pin names an epoch from 1, its roster_root and the registry's committee, in a version after the first")
	}
	if err := r.checkReseat(); err != nil {
		return err
	}
	return r.readFounders()
}

func (r *Root) checkContinueFrom() error {
	if len(r.Terms.ContinueFrom) > maxForks {
		return fmt.Errorf("continue_from has %d heads, more than %d", len(r.Terms.ContinueFrom), maxForks)
	}
	last := int64(1)
	for i, c := range r.Terms.ContinueFrom {
		if c.Version <= last || c.Version > r.Version || c.Origin == "" || c.Size < 1 || len(c.Root) != sha256.Size {
			return fmt.Errorf("continue_from[%d]: want a log's head of at least one entry, and the version from 2 on that brought it, ascending", i)
		}
		last = c.Version
	}
	return nil
}

func (r *Root) checkActKeys() error {
	t := &r.Terms
	if len(t.ActKeys) > MaxKeys || t.ActThreshold < MinKeys || t.ActThreshold > len(t.ActKeys) {
		return fmt.Errorf("act_threshold is %d of %d keys, want at least %d and no more than there are, and at most %d keys", t.ActThreshold, len(t.ActKeys), MinKeys, MaxKeys)
	}
	for i, k := range t.ActKeys {
		if err := checkpoint.CheckEd25519Key(k); err != nil {
			return fmt.Errorf("act_keys[%d]: %w", i, err)
		}
		if i > 0 && bytes.Compare(t.ActKeys[i-1], k) >= 0 {
			return errors.New("act_keys must be distinct and in ascending order")
		}
		for _, root := range r.Keys {
			if bytes.Equal(root, k) {
				return fmt.Errorf("act_keys[%d] is a root key too: root keys stay offline", i)
			}
		}
	}
	return nil
}

func (r *Root) readFounders() error {
	t := &r.Terms
	if r.Version > 1 {
		if len(t.Founders) > 0 {
			return errors.New("founders are in version 1 alone")
		}
		return nil
	}
	if len(t.Founders) < MinFounders || len(t.Founders) > maxFounders {
		return fmt.Errorf("%d founders, want %d to %d: with fewer nobody could witness", len(t.Founders), MinFounders, maxFounders)
	}
	for i, b := range t.Founders {
		f, err := act.ParseRequest(b)
		if err == nil {
			err = f.VerifyJoining()
		}
		if err == nil && f.Registry != t.Registry.Origin {
			err = fmt.Errorf("it is for the registry %q", f.Registry)
		}
		if err != nil {
			return fmt.Errorf("founders[%d]: %w", i, err)
		}
		r.Founders = append(r.Founders, f)
	}
	if first := r.Founders[0].Member; first.Origin() != t.Registry.Origin || !slices.Equal(first.Entry.GetLogVkeys(), t.Registry.VKeys) {
		return errors.New("the first founder must be the secretariat, whose log is the registry")
	}
	return nil
}

func (r *Root) alliance() (Hash, error) {
	if r.Version == 1 {
		if r.Terms.Genesis != "" {
			return Hash{}, errors.New("genesis is of later versions")
		}
		return r.ID, nil
	}
	b, err := hex.DecodeString(r.Terms.Genesis)
	if err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != r.Terms.Genesis {
		return Hash{}, errors.New("genesis must be SHA-256 of version 1's signed part, in lower-case hexadecimal")
	}
	return Hash(b), nil
}

// Format writes the file: JSON without space, signatures in ascending order of key ids.
func (r *Root) Format() ([]byte, error) {
	sigs := slices.Clone(r.meta.Signatures)
	slices.SortFunc(sigs, func(a, b metadata.Signature) int { return strings.Compare(a.KeyID, b.KeyID) })
	return json.Marshal(map[string]any{"signed": r.meta.Signed, "signatures": sigs})
}
