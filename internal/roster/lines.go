package roster

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Lines are the roster's lines of an epoch (FORMAT.md, "Lines"), over which EPOCH's roster_root is the Merkle root.
type Lines struct {
	texts  [][]byte
	leaves []proof.Hash
	voice  map[string]int // member id to the number of its line
	log    map[string]int
}

// Root is the RFC 6962 root over the lines.
func (l *Lines) Root() proof.Hash {
	var tree proof.Range
	for _, leaf := range l.leaves {
		tree.Append(leaf)
	}
	return tree.Root()
}

// Voice proves the line that says with which keys a member cosigns; nil if it has none.
func (l *Lines) Voice(id string) *registryv1.RosterLine { return l.prove(l.voice, id) }

// Standing proves the line that says which keys count in a member's log; nil of nobody's.
func (l *Lines) Standing(id string) *registryv1.RosterLine { return l.prove(l.log, id) }

func (l *Lines) prove(numbers map[string]int, id string) *registryv1.RosterLine {
	i, ok := numbers[id]
	if !ok {
		return nil
	}
	line := &registryv1.RosterLine{Text: l.texts[i], Index: proto.Uint64(uint64(i)), Size: proto.Uint64(uint64(len(l.texts)))} //nolint:gosec // a count
	for _, h := range proof.InclusionPath(l.leaves, i) {
		line.Path = append(line.Path, h[:])
	}
	return line
}

func (l *Lines) add(text []byte) int {
	l.texts, l.leaves = append(l.texts, text), append(l.leaves, proof.LeafHash(text))
	return len(l.texts) - 1
}

// newLines writes the lines of an epoch: of each member, by id, its voice if it has one, then its standing.
func (r *Roster) newLines(e Epoch) (*Lines, error) {
	l := &Lines{voice: map[string]int{}, log: map[string]int{}}
	for _, m := range r.Members() {
		if v, ok := e.voices[m.ID()]; ok {
			text, err := v.format()
			if err != nil {
				return nil, err
			}
			l.voice[m.ID()] = l.add(text)
		}
		text, err := r.standing(m, e)
		if err != nil {
			return nil, err
		}
		l.log[m.ID()] = l.add(text)
	}
	return l, nil
}

// standing is what the roster says of a member's logs in an epoch: canonical JSON.
func (r *Roster) standing(m *Member, e Epoch) ([]byte, error) {
	s := &registryv1.Standing{Entry: m.Entry, Status: proto.String(string(r.Status(m))), Committee: e.committees[m.ID()]}
	inUse, _ := m.turned(e)
	for i, log := range m.Logs {
		if i == len(m.Logs)-1 {
			log = inUse
		}
		span := &registryv1.LogSpan{Origin: &log.Origin}
		for _, k := range log.Keys {
			keys := &registryv1.KeySpan{FromSize: &k.From, Vkeys: []string{checkpoint.FormatVKey(k.Keys[0]), checkpoint.FormatVKey(k.Keys[1])}}
			if k.To != 0 {
				keys.ToSize = &k.To
			}
			span.Keys = append(span.Keys, keys)
		}
		if log.End != nil {
			span.EndSize, span.EndRoot = &log.End.Size, log.End.Root[:]
		}
		if log.GoesOn {
			span.GoesOn = &log.GoesOn
		}
		s.Logs = append(s.Logs, span)
	}
	for _, p := range m.PublisherRanges() {
		span := &registryv1.PublisherSpan{Key: p.Key, FromSize: &p.From}
		if p.To != 0 {
			span.ToSize = &p.To
		}
		s.Publishers = append(s.Publishers, span)
	}
	return codecs().standing.Marshal(s)
}

// ParseStanding reads the line of a member's standing: its form. The rest is as good as the proof that goes with it.
func ParseStanding(b []byte) (*Standing, error) {
	s := &registryv1.Standing{}
	if err := codecs().standing.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("reading a line of the roster: %w", err)
	}
	entry, err := act.NewMember(s.GetEntry())
	if err != nil {
		return nil, fmt.Errorf("reading a line of the roster: %w", err)
	}
	out := &Standing{Member: entry, Status: Status(s.GetStatus()), Committee: s.GetCommittee()}
	for _, span := range s.GetLogs() {
		log, err := parseLog(span)
		if err != nil {
			return nil, fmt.Errorf("reading the log %s in a line of the roster: %w", canonical.Quote(span.GetOrigin()), err)
		}
		if n := len(out.Logs); log.GoesOn && (n == 0 || out.Logs[n-1].End == nil) {
			return nil, fmt.Errorf("reading the log %s in a line of the roster: no log before it has ended", canonical.Quote(span.GetOrigin()))
		}
		out.Logs = append(out.Logs, log)
	}
	for _, p := range s.GetPublishers() {
		if err := checkpoint.CheckEd25519Key(p.GetKey()); err != nil {
			return nil, fmt.Errorf("reading a line of the roster: a publisher's key: %w", err)
		}
		out.Publishers = append(out.Publishers, PublisherRange{p.GetKey(), p.GetFromSize(), p.GetToSize()})
	}
	return out, nil
}

func parseLog(span *registryv1.LogSpan) (*Log, error) {
	log := &Log{Origin: span.GetOrigin(), GoesOn: span.GetGoesOn()}
	for _, k := range span.GetKeys() {
		keys := KeyRange{From: k.GetFromSize(), To: k.GetToSize()}
		if len(k.GetVkeys()) != len(keys.Keys) {
			return nil, fmt.Errorf("%d keys, want %d", len(k.GetVkeys()), len(keys.Keys))
		}
		for i, text := range k.GetVkeys() {
			var err error
			if keys.Keys[i], err = checkpoint.ParseVKey(text); err != nil {
				return nil, err
			}
		}
		log.Keys = append(log.Keys, keys)
	}
	if span.EndSize != nil {
		if len(span.GetEndRoot()) != sha256.Size {
			return nil, fmt.Errorf("end_root has %d bytes", len(span.GetEndRoot()))
		}
		log.End = &Pin{span.GetEndSize(), proof.Hash(span.GetEndRoot())}
	}
	return log, nil
}

// Standing is what the roster's lines say of a member's logs in an epoch.
type Standing struct {
	*act.Member
	Status     Status
	Committee  []string
	Logs       []*Log
	Publishers []PublisherRange
}

// Standing is what the lines would say of a member now.
func (r *Roster) Standing(m *Member) *Standing {
	return &Standing{m.Member, r.Status(m), r.Committee(m.ID()), m.Logs, m.PublisherRanges()}
}

// Before are the logs of which an origin's holds the first entries, oldest first.
func (s *Standing) Before(origin string) []*Log { return before(s.Logs, origin) }

// LogKeys returns what must all sign a checkpoint of a size of one of the member's logs.
func (s *Standing) LogKeys(origin string, size uint64) ([]*checkpoint.Verifier, error) {
	return logKeys(s.Logs, origin, size)
}

type codecSet struct{ voice, standing *canonical.Codec }

// codecs are derived from the protos once. A proto that has no single encoding fails the first test.
var codecs = sync.OnceValue(func() codecSet {
	return codecSet{canonical.MustCodec(&registryv1.Voice{}), canonical.MustCodec(&registryv1.Standing{})}
})
