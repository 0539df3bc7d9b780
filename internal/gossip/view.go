package gossip

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/roster"
)

// RosterView is the View of a node that follows a registry. It is not safe for concurrent use.
type RosterView struct {
	self    string
	r       *roster.Roster
	numbers map[Short]int
	origins []string
	shorts  []Short
	peers   []Peer
}

// NewRosterView returns the view of a member.
func NewRosterView(self string, r *roster.Roster) *RosterView {
	v := &RosterView{self: self, numbers: map[Short]int{}}
	v.Update(r)
	return v
}

// Update takes a newer roster. Logs keep their numbers.
func (v *RosterView) Update(r *roster.Roster) {
	if v.r == r {
		return
	}
	v.r, v.peers = r, nil
	for _, m := range r.Members() {
		for _, l := range m.Logs {
			short := ShortOf(l.Origin)
			if _, ok := v.numbers[short]; !ok {
				v.numbers[short] = len(v.origins)
				v.origins, v.shorts = append(v.origins, l.Origin), append(v.shorts, short)
			}
		}
		if m.ID() != v.self && r.Status(m) != roster.Left {
			v.peers = append(v.peers, Peer{m.ID(), m.Entry.GetCountry()})
		}
	}
}

// Lookup implements View.
func (v *RosterView) Lookup(s Short) (int, bool) { n, ok := v.numbers[s]; return n, ok }

// Short implements View.
func (v *RosterView) Short(log int) Short { return v.shorts[log] }

// Origin returns the origin of a log.
func (v *RosterView) Origin(log int) string { return v.origins[log] }

// Peers implements View.
func (v *RosterView) Peers() []Peer { return v.peers }

// Verify implements View: by the log's Ed25519 key alone, the line that evidence is made of.
func (v *RosterView) Verify(note []byte) (*Head, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return nil, err
	}
	if len(n.Text) > evidence.MaxText {
		return nil, fmt.Errorf("a head with a text of %d bytes, more than %d", len(n.Text), evidence.MaxText)
	}
	c, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		return nil, err
	}
	log, ok := v.Lookup(ShortOf(c.Origin))
	if !ok || v.origins[log] != c.Origin {
		return nil, fmt.Errorf("%s: %w", c.Origin, ErrUnknown)
	}
	key, err := v.key(log, c.Size)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(n.Sigs, func(s checkpoint.Signature) bool { return s.Name == key.Key().Name && s.KeyID == key.Key().ID() })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s signed by another key than %v", ErrUnknown, c.Origin, key.Key())
	}
	if _, err := checkpoint.Verify(note, []*checkpoint.Verifier{key}, nil); err != nil {
		return nil, err
	}
	b, err := checkpoint.FormatNote(&checkpoint.Note{Text: n.Text, Sigs: n.Sigs[i : i+1]})
	if err != nil {
		return nil, err
	}
	return &Head{Log: log, Size: c.Size, Root: c.Root, Note: b}, nil
}

// key is the Ed25519 key of a log for a size. A roster that is older or newer than the sender's may have another: then
// nothing can be told.
func (v *RosterView) key(log int, size uint64) (*checkpoint.Verifier, error) {
	keys, err := v.r.LogKeys(v.origins[log], size)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return keys[0], nil
}

func (v *RosterView) heads(a, b *Head) (x, y evidence.Head, err error) {
	ka, err := v.key(a.Log, a.Size)
	if err != nil {
		return x, y, err
	}
	kb, err := v.key(b.Log, b.Size)
	return evidence.Head{Note: a.Note, Key: ka}, evidence.Head{Note: b.Note, Key: kb}, err
}

// TwoRoots implements View.
func (v *RosterView) TwoRoots(a, b *Head) (*Proof, error) {
	x, y, err := v.heads(a, b)
	if err != nil {
		return nil, err
	}
	e, err := evidence.NewE1(x, y)
	if err != nil {
		return nil, err
	}
	return v.proof(e)
}

// Rewritten implements View.
func (v *RosterView) Rewritten(small, large *Head, fork evidence.Fork) (*Proof, error) {
	x, y, err := v.heads(small, large)
	if err != nil {
		return nil, err
	}
	e, err := evidence.NewE2(x, y, fork)
	if err != nil {
		return nil, err
	}
	return v.proof(e)
}

// VerifyEvidence implements View.
func (v *RosterView) VerifyEvidence(b []byte) (*Proof, error) {
	e, err := evidence.Parse(b)
	if errors.Is(err, evidence.ErrLaterVersion) {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err != nil {
		return nil, err
	}
	return v.proof(e)
}

func (v *RosterView) proof(e *evidence.Evidence) (*Proof, error) {
	f, err := e.Verify(v.r.EvidenceKeys())
	if errors.Is(err, evidence.ErrUnknownKey) {
		return nil, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	if err != nil {
		return nil, err
	}
	p := &Proof{Key: f.Key(), Bytes: e.Format()}
	for _, h := range f.Heads {
		if name := checkpoint.FormatVKey(h.Key); !slices.Contains(p.Names, name) {
			p.Names = append(p.Names, name)
		}
	}
	return p, nil
}
