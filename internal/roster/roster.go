package roster

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
)

// Roster is the state of an alliance at a size of its registry. It is not safe for concurrent use while Apply runs.
type Roster struct {
	first    *root.Root   // version 1
	root     *root.Root   // in force
	tree     proof.Range  // of the registry's entries so far
	roots    []proof.Hash // by size, from 0
	leaves   []proof.Hash // by index
	previous proof.Hash   // leaf hash of the last effective act; zero before the first
	time     int64        // registry time, Unix seconds
	anchored uint64       // index of the last effective anchor
	recorded int64        // root versions that the registry holds
	settled  uint64       // size just after the newest entry that is no effective ROOT_VERSION

	members   map[string]*Member
	keys      map[string]string // raw key to who ever had it, in words
	skeletons map[string]string // act.Skeleton to id
	origins   map[string]string // origin to member id, for ever

	epoch     Epoch
	last      Epoch // the one before; its committee still counts up to the pin
	draw      *proof.Hash
	epochs    []settled
	chain     chain // what proves the epoch in force to whoever has root.json alone
	rotations []*rotation
	auditors  map[string]string // raw key to name
	rules     RuleSet
}

// RuleSet names the accountability rules in force.
type RuleSet struct {
	Number uint32
	Bundle [sha256.Size]byte
}

// Kind says what an entry of the registry was.
type Kind int

// The kinds of outcomes.
const (
	Skipped Kind = iota // no business of the roster, such as a declaration
	Effective
	Anchor
	Void // breaks a rule: an alarm
)

// Outcome is what one entry did.
type Outcome struct {
	Kind   Kind
	What   string // "admit", "anchor"; empty where it could not be read
	Reason error  // why it is void
}

// FilesFunc returns a file that lies beside the registry log, by its SHA-256: pins, root metadata.
type FilesFunc func(sum [sha256.Size]byte) ([]byte, error)

// MissingFileError says that a file which an act names is not to be had: what follows can't be told.
type MissingFileError struct {
	Sum [sha256.Size]byte
	Err error
}

func (e *MissingFileError) Error() string {
	return fmt.Sprintf("the file %x beside the registry: %v", e.Sum, e.Err)
}

// get returns a file, or *MissingFileError.
func (files FilesFunc) get(sum []byte) ([]byte, error) {
	b, err := files([sha256.Size]byte(sum))
	if err == nil && sha256.Sum256(b) != [sha256.Size]byte(sum) {
		err = errors.New("there is another one in its place")
	}
	if err != nil {
		return nil, &MissingFileError{[sha256.Size]byte(sum), err}
	}
	return b, nil
}

// Unwrap returns why the file is missing.
func (e *MissingFileError) Unwrap() error { return e.Err }

// New begins the roster of an alliance from version 1 of its root, which must verify.
func New(first *root.Root) (*Roster, error) {
	if first.Version != 1 {
		return nil, fmt.Errorf("a roster begins with root version 1, not %d", first.Version)
	}
	if err := first.Verify(); err != nil {
		return nil, err
	}
	r := &Roster{
		first: first, root: first, time: first.Terms.FoundedAt, roots: []proof.Hash{proof.EmptyRoot()},
		members: map[string]*Member{}, keys: map[string]string{}, skeletons: map[string]string{}, origins: map[string]string{},
		auditors: map[string]string{},
	}
	r.claimRoot(first)
	for _, f := range first.Founders {
		if err := r.enter(f.Member, true); err != nil {
			return nil, fmt.Errorf("founder %s: %w", f.Member.ID(), err)
		}
	}
	r.epoch = Epoch{Seed: proof.Hash(first.ID), NextDraw: first.Terms.NextDraw, began: r.time, pins: map[[sha256.Size]byte]Pin{}}
	r.epoch.voices = r.newVoices()
	r.epoch.committees = r.committees(r.epoch, nil)
	return r, nil
}

// Size is the number of entries that were applied.
func (r *Roster) Size() uint64 { return r.tree.Size() }

// TreeRoot is the registry's root at Size, computed from the entries.
func (r *Roster) TreeRoot() proof.Hash { return r.roots[len(r.roots)-1] }

// RootAt returns the registry's root at a size; ok is false for one above Size.
func (r *Roster) RootAt(size uint64) (root proof.Hash, ok bool) {
	if size >= uint64(len(r.roots)) {
		return proof.Hash{}, false
	}
	return r.roots[size], true
}

// First is version 1 of the root metadata.
func (r *Roster) First() *root.Root { return r.first }

// Root is the version of the root metadata in force.
func (r *Roster) Root() *root.Root { return r.root }

// Time is registry time in Unix seconds.
func (r *Roster) Time() int64 { return r.time }

// Previous is the leaf hash of the last effective act, which the next one must name; zero before the first.
func (r *Roster) Previous() proof.Hash { return r.previous }

// Epoch is the epoch in force.
func (r *Roster) Epoch() Epoch { return r.epoch }

// Rules names the rules in force.
func (r *Roster) Rules() RuleSet { return r.rules }

// Members returns all members that ever were, by id.
func (r *Roster) Members() []*Member {
	return slices.SortedFunc(maps.Values(r.members), func(a, b *Member) int { return strings.Compare(a.ID(), b.ID()) })
}

// Member returns a member by id, or nil.
func (r *Roster) Member(id string) *Member { return r.members[id] }

// ByOrigin returns the member whose log has or had this origin, or nil.
func (r *Roster) ByOrigin(origin string) *Member { return r.members[r.origins[origin]] }

// Apply takes the registry's next entry. An error means that this entry and all after it can't be told, and leaves the
// roster as it was: *act.LaterVersionError, or *MissingFileError.
func (r *Roster) Apply(entry []byte, files FilesFunc) (Outcome, error) {
	out, err := r.take(entry, files)
	if err != nil {
		return Outcome{}, err
	}
	leaf := proof.LeafHash(entry)
	r.tree.Append(leaf)
	r.leaves = append(r.leaves, leaf)
	r.roots = append(r.roots, r.tree.Root())
	if out.Kind != Effective || out.What != rootVersion {
		r.settled = r.Size()
	}
	return out, nil
}

func (r *Roster) take(entry []byte, files FilesFunc) (Outcome, error) {
	if len(entry) == 0 || entry[0] != '{' {
		if err := r.anchor(entry); err != nil {
			return Outcome{Void, "anchor", err}, nil
		}
		return Outcome{Anchor, "anchor", nil}, nil
	}
	a, err := act.Parse(entry)
	var later *act.LaterVersionError
	var other *act.NotActError
	switch {
	case errors.As(err, &later):
		return Outcome{}, err
	case errors.As(err, &other):
		if other.PayloadType == declaration.PayloadType {
			return Outcome{Kind: Skipped, What: "declaration"}, nil
		}
		if other.PayloadType == evidence.PayloadType {
			return Outcome{Kind: Skipped, What: "evidence"}, nil
		}
		return Outcome{Kind: Void, Reason: err}, nil
	case err != nil:
		return Outcome{Kind: Void, Reason: err}, nil
	}
	if err := r.act(a, entry, files); err != nil {
		var missing *MissingFileError
		if errors.As(err, &missing) {
			return Outcome{}, err
		}
		return Outcome{Void, a.Kind(), err}, nil
	}
	r.previous = proof.LeafHash(entry)
	return Outcome{Effective, a.Kind(), nil}, nil
}

// verifiers makes the verifier of each key.
func verifiers(keys ...checkpoint.VKey) ([]*checkpoint.Verifier, error) {
	var out []*checkpoint.Verifier
	for _, k := range keys {
		v, err := checkpoint.NewVerifier(k)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}
