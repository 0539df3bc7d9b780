package audit_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// internet is an alliance whose nodes answer from memory: each serves its own log and copies of all others.
type internet struct {
	t       testing.TB
	ids     []string // the secretariat first
	cities  map[string]*alliancetest.City
	logs    map[string]*alliancetest.Log // by id
	first   *root.Root
	r       *roster.Roster
	now     time.Time
	away    map[string]bool   // by id
	instead map[string][]byte // by host and path: what is served instead; nil: not found
}

func newInternet(t testing.TB) *internet {
	t.Helper()
	n := &internet{
		t: t, ids: []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"}, cities: map[string]*alliancetest.City{},
		logs: map[string]*alliancetest.Log{}, now: alliancetest.FoundedAt, away: map[string]bool{}, instead: map[string][]byte{},
	}
	var founders []*alliancetest.City
	for _, id := range n.ids {
		n.cities[id] = alliancetest.NewCity(t, id)
		n.logs[id] = alliancetest.NewLog(t, n.cities[id])
		founders = append(founders, n.cities[id])
	}
	n.first = alliancetest.Found(t, founders...)
	var err error
	n.r, err = roster.New(n.first)
	must(t, err)
	return n
}

// note is a head of a log as its node signs it, with the cosignatures of members' witnesses and mirrors.
func (n *internet) note(head checkpoint.Checkpoint, id string, witnesses, mirrors []string) []byte {
	n.t.Helper()
	var by []*alliancetest.City
	for _, w := range witnesses {
		by = append(by, n.cities[w])
	}
	note, err := checkpoint.ParseNote(n.cities[id].Note(n.t, head.Size, head.Root, n.now, by...))
	must(n.t, err)
	for _, m := range mirrors {
		sig, err := n.cities[m].Mirror(n.t).Sign(note.Text, n.now)
		must(n.t, err)
		note.Sigs = append(note.Sigs, sig)
	}
	b, err := checkpoint.FormatNote(note)
	must(n.t, err)
	return b
}

func (n *internet) headOf(id string) checkpoint.Checkpoint {
	size, root := n.logs[id].Head()
	return checkpoint.Checkpoint{Origin: n.cities[id].Origin, Size: size, Root: root}
}

// others are all members but one.
func (n *internet) others(id string) (out []string) {
	for _, o := range n.ids {
		if o != id {
			out = append(out, o)
		}
	}
	return out
}

// put appends an entry to a log; the registry's are applied, too.
func (n *internet) put(id string, entry []byte, files ...[]byte) roster.Outcome {
	n.t.Helper()
	n.logs[id].Append(entry, files...)
	if id != n.ids[0] {
		return roster.Outcome{}
	}
	out, err := n.r.Apply(entry, func(sum [sha256.Size]byte) ([]byte, error) { return n.logs[id].File(n.t.Context(), sum) })
	must(n.t, err)
	return out
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// hash names a member's log in the paths of witnesses and mirrors.
func (n *internet) hash(id string) string {
	return hex.EncodeToString(sumOf([]byte(n.cities[id].Origin)))
}

// declare appends statements to a log; the registry's are skipped by whoever replays it.
func (n *internet) declare(id string, count int) {
	n.t.Helper()
	before := len(n.logs[id].Entries)
	n.logs[id].Declare(count, "officer-1")
	if id != n.ids[0] {
		return
	}
	for _, e := range n.logs[id].Entries[before:] {
		_, err := n.r.Apply(e, nil)
		must(n.t, err)
	}
}

// do puts an act into the registry, which must have effect.
func (n *internet) do(what proto.Message, signers []string, files ...[]byte) {
	n.t.Helper()
	if out := n.put(n.ids[0], alliancetest.Act(n.t, n.r, what, alliancetest.Named(signers...)...), files...); out.Kind != roster.Effective {
		n.t.Fatalf("%T: %v %v", what, out.Kind, out.Reason)
	}
}

// admit has a city enter the alliance.
func (n *internet) admit(c *alliancetest.City) roster.Outcome {
	req := c.Join(n.t, n.cities[n.ids[0]].Origin)
	return n.put(n.ids[0], alliancetest.Act(n.t, n.r, &registryv1.Admit{Request: req.Envelope.Format()}, alliancetest.Named("act 1", "act 2")...))
}

// anchor has every log write an anchor after some time.
func (n *internet) anchor(after time.Duration) {
	n.t.Helper()
	n.now = n.now.Add(after)
	for _, id := range n.ids {
		n.put(id, n.note(n.headOf(id), id, n.r.Committee(id), nil))
	}
}

// open is how an audit reaches the nodes.
func (n *internet) open(base string) (client.Getter, error) {
	rest, ok := strings.CutPrefix(base, "https://")
	if !ok {
		return nil, fmt.Errorf("no address: %s", base)
	}
	host, path, _ := strings.Cut(rest, "/")
	for _, id := range n.ids {
		if act.Host(n.cities[id].Origin) == host {
			return page{n, id, host, path}, nil
		}
	}
	return nil, fmt.Errorf("nobody is at %s", host)
}

type page struct {
	n              *internet
	id, host, path string
}

func (p page) String() string { return "https://" + p.host + "/" + p.path }

func (p page) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.n.away[p.id] {
		return nil, errors.New("connection refused")
	}
	full := strings.TrimPrefix(p.path+"/"+path, "/")
	b, ok := p.n.instead[p.host+"/"+full]
	if !ok {
		b = p.n.file(p.id, full)
	}
	if b == nil {
		return nil, &client.NotFoundError{From: p.String(), Path: path}
	}
	if len(b) > limit {
		return nil, &client.DamagedError{From: p.String(), Path: path, Err: errors.New("too large")}
	}
	return b, nil
}

// file is what a node serves.
func (n *internet) file(id, path string) []byte {
	n.t.Helper()
	if path == "api/v1/evidence" {
		b, err := json.Marshal(map[string]any{"evidence": []any{}})
		must(n.t, err)
		return b
	}
	part := strings.SplitN(path, "/", 3)
	if part[0] == "log" {
		return n.logFile(id, strings.TrimPrefix(path, "log/"), nil, nil)
	}
	for _, of := range n.others(id) {
		if sum := sha256.Sum256([]byte(n.cities[of].Origin)); len(part) == 3 && part[1] == hex.EncodeToString(sum[:]) {
			if part[0] == "witness" {
				return n.logFile(of, part[2], []string{id}, nil)
			}
			return n.logFile(of, part[2], nil, []string{id})
		}
	}
	return nil
}

// logFile is a file of a log; its checkpoint is cosigned.
func (n *internet) logFile(of, path string, witnesses, mirrors []string) []byte {
	log := n.logs[of]
	switch sum, body := strings.CutPrefix(path, "bodies/"); {
	case path == "checkpoint":
		return n.note(n.headOf(of), of, witnesses, mirrors)
	case path == "final" && mirrors == nil:
		return n.note(n.headOf(of), of, n.r.Committee(of), n.others(of)[:2])
	case body:
		raw, err := hex.DecodeString(sum)
		if err != nil {
			return nil
		}
		return log.Files[[sha256.Size]byte(raw)]
	}
	id, err := tile.ParsePath(path)
	if err != nil {
		return nil
	}
	if id.Entries {
		entries, err := log.Bundle(n.t.Context(), id.Index, id.Width)
		if err != nil {
			return nil
		}
		var b []byte
		for _, e := range entries {
			b, err = tile.AppendEntry(b, e)
			must(n.t, err)
		}
		return b
	}
	hashes, err := log.Tile(n.t.Context(), id.Level, id.Index, id.Width)
	if err != nil {
		return nil
	}
	return tile.AppendTile(nil, hashes)
}

// lie is a head that a log's keys signed, of another history.
func (n *internet) lie(id string, size uint64) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: n.cities[id].Origin, Size: size, Root: proof.LeafHash([]byte("another history"))}
}
