package roster

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
)

// chain is what proves the epoch in force to whoever has a version of the root and nothing else (package authority).
type chain struct {
	roots [][]byte // files of version 2 and later
	links []*registryv1.EpochLink
}

// handOver takes the anchor by which the registry's committee of before vouches for the EPOCH: from the size just after it on
// the new committee counts. It makes the link that proves the EPOCH.
func (r *Roster) handOver(anchor []byte, size uint64, by *FinalBy) {
	r.epoch.registry = r.Size() + 1
	link := &registryv1.EpochLink{Number: proto.Uint32(r.epoch.Number), Act: r.epoch.act, Index: proto.Uint64(r.epoch.index), Anchor: anchor}
	for _, h := range logproof.InclusionPath(r.leaves[:size], int(r.epoch.index)) { //nolint:gosec // it is in memory
		link.Path = append(link.Path, h[:])
	}
	link.Lines = r.last.proveVoices(r.registryOwner(), by.Witnesses)
	r.chain.links = append(r.chain.links, link)
	r.last.lines = nil
}

// settled is what EPOCH acts said, by number from 1.
type settled struct {
	rosterRoot logproof.Hash
	committee  []string // of the registry
}

// checkPin refuses a pin of another epoch than the registry has.
func (r *Roster) checkPin(p *root.Pin) error {
	if int(p.Epoch) > len(r.epochs) || p.Epoch == r.epoch.Number && r.AwaitsHandOver() {
		return fmt.Errorf("it pins epoch %d, which no anchor of the registry has proven", p.Epoch)
	}
	if e := r.epochs[p.Epoch-1]; !bytes.Equal(p.RosterRoot, e.rosterRoot[:]) || !slices.Equal(p.Committee, e.committee) {
		return fmt.Errorf("it pins an epoch %d that is not this registry's", p.Epoch)
	}
	return nil
}

// Pin is the pin of the newest epoch that an anchor has proven, for a new version of the root; nil while that is the founding.
func (r *Roster) Pin() *root.Pin {
	n := len(r.epochs)
	if r.AwaitsHandOver() {
		n--
	}
	if n == 0 {
		return nil
	}
	e := r.epochs[n-1]
	return &root.Pin{Epoch: uint32(n), RosterRoot: e.rosterRoot[:], Committee: e.committee} //nolint:gosec // epochs are counted in 32 bits
}

// renew takes a new version of the root: links up to the epoch that it pins are needed no more.
func (c *chain) renew(file []byte, v *root.Root) {
	c.roots = append(c.roots, file)
	if p := v.Terms.Pin; p != nil {
		c.links = slices.DeleteFunc(slices.Clone(c.links), func(l *registryv1.EpochLink) bool { return l.GetNumber() <= p.Epoch })
	}
}

// ErrNewInEpoch is wrapped by errors about a log that came after the EPOCH in force.
var ErrNewInEpoch = errors.New("root.json alone can judge it from the next epoch on")

// Authority is what proves to whoever has root.json alone who had to vouch for a head in the epoch in force: the roots and
// EPOCH acts up to it, and its lines about the log's member and those who cosigned. It fails while no anchor has proven the
// epoch yet: the next one does. Errors wrap ErrNewInEpoch where the log came after the EPOCH.
func (r *Roster) Authority(m *Member, note []byte) (*registryv1.Authority, error) {
	by, err := r.Finality(m, note)
	if err != nil {
		return nil, err
	}
	e := r.epochOf(m, by.Head.Size)
	a := &registryv1.Authority{Epoch: &e.Number}
	if e.Number == 0 {
		if e.reseatOf(m.ID()) != nil {
			a.Roots = r.chain.roots // all else is in version 1
		}
		return a, nil
	}
	if e.Number != r.epoch.Number || r.AwaitsHandOver() {
		return nil, fmt.Errorf("%w: no anchor of the registry has proven epoch %d yet", ErrNotFinal, r.epoch.Number)
	}
	standing := e.lines.Standing(m.ID())
	if s, err := ParseStanding(standing.GetText()); err != nil || !slices.ContainsFunc(s.Logs, func(l *Log) bool { return l.Origin == by.Head.Origin }) {
		return nil, fmt.Errorf("%w: the log %s is not in the lines of epoch %d", ErrNewInEpoch, by.Head.Origin, e.Number)
	}
	a.Roots, a.Links = r.chain.roots, r.chain.links
	a.Lines = append([]*registryv1.RosterLine{standing}, e.proveVoices(m, slices.Compact(slices.Sorted(slices.Values(slices.Concat(by.Witnesses, by.Mirrors)))))...)
	return a, nil
}
