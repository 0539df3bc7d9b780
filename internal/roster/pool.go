package roster

import (
	"bytes"
	"maps"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Cosigner is the id of the member whose witness or mirror has or had a key; empty if nobody's has.
func (r *Roster) Cosigner(k checkpoint.VKey) string {
	for id, m := range r.members {
		if slices.ContainsFunc(m.cosigned, func(own checkpoint.VKey) bool { return own.Equal(k) }) {
			return id
		}
	}
	return ""
}

// Mirrors are the members that may mirror a member's log, in an order of that log's own: all but those who run it.
func (r *Roster) Mirrors(m *Member) []*Member {
	var all []*Member
	for _, other := range r.Members() {
		if other != m && r.Status(other) == Active && other.Entry.GetOperator() != m.Entry.GetOperator() {
			all = append(all, other)
		}
	}
	rank := func(o *Member) proof.Hash { return sha256Of([]byte(m.ID() + "\n" + o.ID())) }
	slices.SortFunc(all, func(x, y *Member) int { i, j := rank(x), rank(y); return bytes.Compare(i[:], j[:]) })
	return all
}

// Pool puts the cosignatures together that several notes have of the same heads of a member's log: each witness and mirror
// shows its own. Of each head it takes no more than a quorum of the committee and of mirrors. What comes out is as unverified
// as what went in, but that every line was checked: Finality judges it.
func (r *Roster) Pool(m *Member, notes [][]byte) (out [][]byte) {
	var pools []*pool
	for _, b := range notes {
		head, err := checkpoint.Unverified(b)
		if err != nil {
			continue
		}
		p := &pool{lines: map[string]checkpoint.Signature{}}
		if p.add(r, m, head.Size, b) != nil {
			continue // a line in it is bad: who vouches for that head does so elsewhere
		}
		i := slices.IndexFunc(pools, func(o *pool) bool { return o.text == p.text })
		if i < 0 {
			pools = append(pools, p)
			continue
		}
		maps.Copy(pools[i].lines, p.lines)
	}
	for _, p := range pools {
		n := &checkpoint.Note{Text: p.text}
		n.Sigs = append(n.Sigs, take(p.lines, p.log, len(p.log))...)
		n.Sigs = append(n.Sigs, take(p.lines, p.witnesses, Quorum(p.seats))...)
		n.Sigs = append(n.Sigs, take(p.lines, p.mirrors, MirrorQuorum)...)
		if b, err := checkpoint.FormatNote(n); err == nil {
			out = append(out, b)
		}
	}
	return out
}

// pool is the cosignatures of one head.
type pool struct {
	text                    string
	lines                   map[string]checkpoint.Signature // by raw key
	log, witnesses, mirrors []checkpoint.VKey
	seats                   int
}

// add takes the lines of a note that verify.
func (p *pool) add(r *Roster, m *Member, size uint64, note []byte) error {
	keys, err := m.Log().keysAt(size)
	if err != nil {
		return err
	}
	b := r.Bench(m, size)
	p.log, p.seats = keys[:], len(b.Committee)
	for _, v := range b.Voices {
		if slices.Contains(b.Committee, v.ID) {
			p.witnesses = append(p.witnesses, v.Witness)
		}
		if v.Operator != b.Operator {
			p.mirrors = append(p.mirrors, v.Mirror)
		}
	}
	log, err := verifiers(p.log...)
	if err != nil {
		return err
	}
	known, err := verifiers(slices.Concat(p.witnesses, p.mirrors)...)
	if err != nil {
		return err
	}
	v, err := checkpoint.Verify(note, log, known)
	if err != nil {
		return err
	}
	p.text = v.Note.Text
	for _, s := range v.Log {
		p.lines[string(s.Key.Key)] = s.Signature
	}
	for _, s := range v.Cosignatures {
		if b.Counts(s) {
			p.lines[string(s.Key.Key)] = s.Signature
		}
	}
	return nil
}

// take picks the lines of at most n keys, in their order.
func take(lines map[string]checkpoint.Signature, keys []checkpoint.VKey, n int) (out []checkpoint.Signature) {
	for _, k := range keys {
		if s, ok := lines[string(k.Key)]; ok && len(out) < n {
			out = append(out, s)
		}
	}
	return out
}
