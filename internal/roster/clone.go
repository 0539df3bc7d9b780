package roster

import (
	"maps"
	"slices"
)

// Clone returns a roster that shares nothing with r that Apply changes. What was cloned may be read while r goes on.
func (r *Roster) Clone() *Roster {
	c := *r
	c.tree = r.tree.Clone()
	c.roots, c.leaves = slices.Clip(r.roots), slices.Clip(r.leaves) // only ever appended to
	c.epochs = slices.Clip(r.epochs)
	c.chain = chain{slices.Clip(r.chain.roots), slices.Clip(r.chain.links)}
	c.keys, c.skeletons, c.origins, c.auditors = maps.Clone(r.keys), maps.Clone(r.skeletons), maps.Clone(r.origins), maps.Clone(r.auditors)
	c.members = make(map[string]*Member, len(r.members))
	for id, m := range r.members {
		c.members[id] = m.clone()
	}
	c.rotations = nil
	for _, p := range r.rotations {
		copied := *p
		copied.member = c.members[p.member.ID()]
		c.rotations = append(c.rotations, &copied)
	}
	return &c
}

func (m *Member) clone() *Member {
	c := *m
	c.Logs = nil
	for _, l := range m.Logs {
		copied := *l
		copied.Keys = slices.Clone(l.Keys)
		c.Logs = append(c.Logs, &copied)
	}
	c.publishers = make(map[string]*publisher, len(m.publishers))
	for raw, p := range m.publishers {
		copied := *p
		c.publishers[raw] = &copied
	}
	c.suspensions = slices.Clone(m.suspensions)
	c.cosigned, c.cosigners = slices.Clip(m.cosigned), maps.Clone(m.cosigners)
	return &c
}

// Judge says what an entry would do as the registry's next, and does it not. Errors are those of Apply.
func (r *Roster) Judge(entry []byte, files FilesFunc) (Outcome, error) {
	return r.Clone().Apply(entry, files)
}
