package alliancetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// Internet is an alliance whose nodes answer from memory: each serves its own log and copies of all others, cosigned.
type Internet struct {
	IDs     []string // of the members, the secretariat first
	Cities  map[string]*City
	Logs    map[string]*Log // by id
	First   *root.Root
	Roster  *roster.Roster // of the registry as far as it was written
	Now     time.Time
	Away    map[string]bool   // by id
	Instead map[string][]byte // by host and path: what is served instead; nil: not found

	t testing.TB

	mu    sync.Mutex        // guards notes
	notes map[string][]byte // that were signed
}

// NewInternet founds an alliance of four. All logs are empty.
func NewInternet(t testing.TB) *Internet {
	t.Helper()
	n := &Internet{
		IDs: []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "kr-busan"}, Cities: map[string]*City{},
		Logs: map[string]*Log{}, Now: FoundedAt, Away: map[string]bool{}, Instead: map[string][]byte{}, t: t, notes: map[string][]byte{},
	}
	var founders []*City
	for _, id := range n.IDs {
		n.Cities[id] = NewCity(t, id)
		n.Logs[id] = NewLog(t, n.Cities[id])
		founders = append(founders, n.Cities[id])
	}
	n.First = Found(t, founders...)
	var err error
	n.Roster, err = roster.New(n.First)
	n.must(err)
	return n
}

func (n *Internet) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// Note is a head of a log as its node signs it now, with the cosignatures of members' witnesses and mirrors.
func (n *Internet) Note(head checkpoint.Checkpoint, id string, witnesses, mirrors []string) []byte {
	n.t.Helper()
	key := fmt.Sprint(head, id, witnesses, mirrors, n.Now)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.notes[key] == nil {
		n.notes[key] = n.sign(head, id, witnesses, mirrors)
	}
	return n.notes[key]
}

func (n *Internet) sign(head checkpoint.Checkpoint, id string, witnesses, mirrors []string) []byte {
	n.t.Helper()
	var by []*City
	for _, w := range witnesses {
		by = append(by, n.Cities[w])
	}
	note, err := checkpoint.ParseNote(n.Cities[id].Note(n.t, head.Size, head.Root, n.Now, by...))
	n.must(err)
	for _, m := range mirrors {
		sig, err := n.Cities[m].Mirror(n.t).Sign(note.Text, n.Now)
		n.must(err)
		note.Sigs = append(note.Sigs, sig)
	}
	b, err := checkpoint.FormatNote(note)
	n.must(err)
	return b
}

// HeadOf is the newest head of a member's log.
func (n *Internet) HeadOf(id string) checkpoint.Checkpoint {
	size, root := n.Logs[id].Head()
	return checkpoint.Checkpoint{Origin: n.Cities[id].Origin, Size: size, Root: root}
}

// Others are all members but one.
func (n *Internet) Others(id string) (out []string) {
	for _, o := range n.IDs {
		if o != id {
			out = append(out, o)
		}
	}
	return out
}

// Put appends an entry to a log; the registry's are applied, too.
func (n *Internet) Put(id string, entry []byte, files ...[]byte) roster.Outcome {
	n.t.Helper()
	n.Logs[id].Append(entry, files...)
	if id != n.IDs[0] {
		return roster.Outcome{}
	}
	out, err := n.Roster.Apply(entry, func(sum [sha256.Size]byte) ([]byte, error) { return n.Logs[id].File(n.t.Context(), sum) })
	n.must(err)
	return out
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// Hash names a member's log in the paths of witnesses and mirrors.
func (n *Internet) Hash(id string) string {
	return hex.EncodeToString(sumOf([]byte(n.Cities[id].Origin)))
}

// Declare appends statements to a log; the registry's are skipped by whoever replays it.
func (n *Internet) Declare(id string, count int) {
	n.t.Helper()
	before := len(n.Logs[id].Entries)
	n.Logs[id].Declare(count, "officer-1")
	if id != n.IDs[0] {
		return
	}
	for _, e := range n.Logs[id].Entries[before:] {
		_, err := n.Roster.Apply(e, nil)
		n.must(err)
	}
}

// Do puts an act into the registry, which must have effect.
func (n *Internet) Do(what proto.Message, signers []string, files ...[]byte) {
	n.t.Helper()
	if out := n.Put(n.IDs[0], Act(n.t, n.Roster, what, Named(signers...)...), files...); out.Kind != roster.Effective {
		n.t.Fatalf("%T: %v %v", what, out.Kind, out.Reason)
	}
}

// Admit has a city enter the alliance.
func (n *Internet) Admit(c *City) roster.Outcome {
	req := c.Join(n.t, n.Cities[n.IDs[0]].Origin)
	return n.Put(n.IDs[0], Act(n.t, n.Roster, &registryv1.Admit{Request: req.Envelope.Format()}, Named("act 1", "act 2")...))
}

// Anchor has every log write an anchor after some time.
func (n *Internet) Anchor(after time.Duration) {
	n.t.Helper()
	n.Now = n.Now.Add(after)
	for _, id := range n.IDs {
		n.Put(id, n.Note(n.HeadOf(id), id, n.Roster.Committee(id), nil))
	}
}

// Open is how an audit reaches the nodes.
func (n *Internet) Open(base string) (client.Getter, error) {
	rest, ok := strings.CutPrefix(base, "https://")
	if !ok {
		return nil, fmt.Errorf("no address: %s", base)
	}
	host, path, _ := strings.Cut(rest, "/")
	for _, id := range n.IDs {
		if act.Host(n.Cities[id].Origin) == host {
			return page{n, id, host, path}, nil
		}
	}
	return nil, fmt.Errorf("nobody is at %s", host)
}

type page struct {
	n              *Internet
	id, host, path string
}

func (p page) String() string { return "https://" + p.host + "/" + p.path }

func (p page) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.n.Away[p.id] {
		return nil, errors.New("connection refused")
	}
	full := strings.TrimPrefix(p.path+"/"+path, "/")
	b, ok := p.n.Instead[p.host+"/"+full]
	if !ok {
		b = p.n.File(p.id, full)
	}
	if b == nil {
		return nil, &client.NotFoundError{From: p.String(), Path: path}
	}
	if len(b) > limit {
		return nil, &client.DamagedError{From: p.String(), Path: path, Err: errors.New("too large")}
	}
	return b, nil
}

// File is what a node serves.
func (n *Internet) File(id, path string) []byte {
	n.t.Helper()
	if path == "api/v1/evidence" {
		b, err := json.Marshal(map[string]any{"evidence": []any{}})
		n.must(err)
		return b
	}
	part := strings.SplitN(path, "/", 3)
	if part[0] == "log" {
		return n.logFile(id, strings.TrimPrefix(path, "log/"), nil, nil)
	}
	for _, of := range n.Others(id) {
		if sum := sha256.Sum256([]byte(n.Cities[of].Origin)); len(part) == 3 && part[1] == hex.EncodeToString(sum[:]) {
			if part[0] == "witness" {
				return n.logFile(of, part[2], []string{id}, nil)
			}
			return n.logFile(of, part[2], nil, []string{id})
		}
	}
	return nil
}

// logFile is a file of a log; its checkpoint is cosigned.
func (n *Internet) logFile(of, path string, witnesses, mirrors []string) []byte {
	log := n.Logs[of]
	switch sum, body := strings.CutPrefix(path, "bodies/"); {
	case path == "checkpoint":
		return n.Note(n.HeadOf(of), of, witnesses, mirrors)
	case path == "final" && mirrors == nil:
		return n.Note(n.HeadOf(of), of, n.Roster.Committee(of), n.Others(of)[:2])
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
			n.must(err)
		}
		return b
	}
	hashes, err := log.Tile(n.t.Context(), id.Level, id.Index, id.Width)
	if err != nil {
		return nil
	}
	return tile.AppendTile(nil, hashes)
}

// Lie is a head that a log's keys signed, of another history.
func (n *Internet) Lie(id string, size uint64) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: n.Cities[id].Origin, Size: size, Root: proof.LeafHash([]byte("another history"))}
}
