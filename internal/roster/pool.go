package roster

import (
	"bytes"
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
	var keys []checkpoint.VKey
	witnesses := r.Committee(m.ID())
	for _, id := range witnesses {
		keys = append(keys, r.members[id].Witness)
	}
	for _, o := range r.Mirrors(m) {
		keys = append(keys, o.Mirror)
	}
	known, err := verifiers(keys...)
	if err != nil {
		return nil
	}
	var texts []string
	lines := map[string]map[string]checkpoint.Signature{} // by text and raw key
	for _, b := range notes {
		v, own, err := r.parts(m, b, known)
		if err != nil {
			continue // a line in it is bad: who vouches for that head does so elsewhere
		}
		text := v.Note.Text
		if lines[text] == nil {
			texts = append(texts, text)
			lines[text] = map[string]checkpoint.Signature{}
		}
		for i, s := range v.Log {
			lines[text][string(own[i].Key().Key)] = s.Signature
		}
		for _, s := range v.Cosignatures {
			if r.cosignatureCounts(s) {
				lines[text][string(s.Key.Key)] = s.Signature
			}
		}
	}
	for _, text := range texts {
		head, err := checkpoint.ParseCheckpoint(text)
		if err != nil {
			continue
		}
		own, err := m.Log().keysAt(head.Size)
		if err != nil {
			continue
		}
		n := &checkpoint.Note{Text: text}
		n.Sigs = take(lines[text], own[:], 2)
		n.Sigs = append(n.Sigs, take(lines[text], keys[:len(witnesses)], Quorum(len(witnesses)))...)
		n.Sigs = append(n.Sigs, take(lines[text], keys[len(witnesses):], MirrorQuorum)...)
		if b, err := checkpoint.FormatNote(n); err == nil && !slices.ContainsFunc(notes, func(o []byte) bool { return bytes.Equal(o, b) }) {
			out = append(out, b)
		}
	}
	return out
}

// parts verifies a note by the keys of the member's log and of those who may cosign it.
func (r *Roster) parts(m *Member, note []byte, known []*checkpoint.Verifier) (*checkpoint.Verified, []*checkpoint.Verifier, error) {
	head, err := headOf(note)
	if err != nil {
		return nil, nil, err
	}
	keys, err := m.Log().keysAt(head.Size)
	if err != nil {
		return nil, nil, err
	}
	own, err := verifiers(keys[:]...)
	if err != nil {
		return nil, nil, err
	}
	v, err := checkpoint.Verify(note, own, known)
	return v, own, err
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
