package roster

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/root"
)

// rootVersion is what an Outcome calls the act that records a version of the root.
const rootVersion = "root_version"

// Settled is the size just after the newest entry that is no effective ROOT_VERSION: below it nothing can be gone on from.
func (r *Roster) Settled() uint64 { return r.settled }

// registryOwner is the member whose log the registry is.
func (r *Roster) registryOwner() *Member { return r.ByOrigin(r.root.Terms.Registry.Origin) }

// goOn ends the registry's log at the head that a version of the root names, after the old keys signed two histories, and
// begins the log that goes on from there (FORMAT.md, "The registry goes on").
func (r *Roster) goOn(next *root.Root) error {
	head := next.GoesOn().Head()
	from := Pin{head.Size, head.Root}
	have, ok := r.RootAt(from.Size)
	switch {
	case !ok || have != from.Root:
		return fmt.Errorf("continue_from: at size %d this registry does not have the root %s", from.Size, from.Root)
	case from.Size < r.settled:
		return fmt.Errorf("continue_from: entries between size %d and this act are no versions of the root", from.Size)
	}
	registry := next.Terms.Registry
	if who, ok := r.origins[registry.Origin]; ok {
		return fmt.Errorf("the origin %s is of %s: %w", registry.Origin, who, errUsed)
	}
	for _, k := range next.Log {
		if who, ok := r.keys[string(k.Key)]; ok {
			return fmt.Errorf("the registry's new key is %s: %w", who, errUsed)
		}
	}
	owner := r.registryOwner()
	entry := proto.CloneOf(owner.Entry)
	entry.Origin, entry.LogVkeys = &registry.Origin, slices.Clone(registry.VKeys)
	m, err := act.NewMember(entry)
	if err != nil {
		return err
	}
	owner.Log().End = &from
	owner.Logs = append(owner.Logs, &Log{Origin: registry.Origin, Keys: []KeyRange{{Keys: m.Log}}, GoesOn: true})
	owner.Member = m
	r.origins[registry.Origin] = m.ID()
	r.rotations = dropRotations(r.rotations, owner)
	r.claimKeys(m)
	return nil
}

// EndRegistry returns a copy of the roster for which the registry's log ends at the head that a later version of the root
// names: for who knows that version and has not replayed the history that goes on. No key vouches any more for a larger head of
// the old log; all else is as it was. The error says that the version has no continue_from, or names the log in use.
func (r *Roster) EndRegistry(next *root.Root) (*Roster, error) {
	from := next.GoesOn()
	if from == nil || next.Terms.Registry.Origin == r.root.Terms.Registry.Origin {
		return nil, errors.New("the version ends no log that this roster has in use")
	}
	c := r.Clone()
	c.registryOwner().Log().End = &Pin{from.Head().Size, from.Head().Root}
	return c, nil
}
