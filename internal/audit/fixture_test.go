package audit_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/tile"
)

const (
	origin = "kanaalstad.example/log"
	owner  = "nl-kanaalstad"
)

var now = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// seed is the published seed of a test key; never a key of a city.
func seed(n int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "cityproof test key %d", n))
	return sum[:]
}

func officer(n int) ed25519.PrivateKey { return ed25519.NewKeyFromSeed(seed(n)) }

// shelf holds a log's files in memory.
type shelf map[string][]byte

func (s shelf) String() string { return "shelf" }

func (s shelf) Get(ctx context.Context, path string, limit int) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	data, ok := s[path]
	if !ok {
		return nil, &client.NotFoundError{From: s.String(), Path: path}
	}
	if len(data) > limit {
		return nil, &client.DamagedError{From: s.String(), Path: path, Err: fmt.Errorf("%d bytes, more than %d", len(data), limit)}
	}
	return data, nil
}

// city is a log that grows in memory: the real tree, signatures and formats, and
// whatever a city with a hostile operator would put into it.
type city struct {
	t       testing.TB
	files   shelf
	edge    tile.Edge
	bundle  []byte
	heads   map[declaration.Subject]declaration.Head
	placed  map[declaration.Subject]proof.Hash // newest leaf
	bodies  map[declaration.Subject][sha256.Size]byte
	signers []*checkpoint.Signer
	trust   *receipt.Trust
}

func newCity(t testing.TB) *city {
	c := &city{
		t: t, files: shelf{}, heads: map[declaration.Subject]declaration.Head{},
		placed: map[declaration.Subject]proof.Hash{}, bodies: map[declaration.Subject][sha256.Size]byte{},
	}
	quantum, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed(101))
	must(t, err)
	c.trust = &receipt.Trust{Origin: origin, City: owner, Publishers: []receipt.Publisher{{Key: officer(1).Public().(ed25519.PublicKey)}}}
	for typ, key := range map[checkpoint.KeyType]crypto.Signer{
		checkpoint.TypeEd25519: ed25519.NewKeyFromSeed(seed(100)), checkpoint.TypeMLDSA44: quantum,
	} {
		s, err := checkpoint.NewSigner(origin, typ, key)
		must(t, err)
		v, err := checkpoint.NewVerifier(s.Key())
		must(t, err)
		c.signers, c.trust.Log = append(c.signers, s), append(c.trust.Log, v)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// append puts any bytes into the log and returns their index.
func (c *city) append(entry []byte) uint64 {
	c.t.Helper()
	index := c.edge.Size()
	var err error
	c.bundle, err = tile.AppendEntry(c.bundle, entry)
	must(c.t, err)
	for _, full := range c.edge.Append(proof.LeafHash(entry)) {
		c.files[full.ID.Path()] = tile.AppendTile(nil, full.Hashes)
		if full.ID.Level == 0 {
			c.files[tile.ID{Entries: true, Index: full.ID.Index, Width: tile.FullWidth}.Path()] = c.bundle
			c.bundle = nil
		}
	}
	return index
}

// sign publishes the checkpoint of what was appended, with the partial tiles.
func (c *city) sign() client.Head {
	c.t.Helper()
	size := c.edge.Size()
	for level := range tile.Levels {
		if hashes := c.edge.Partial(level); len(hashes) > 0 {
			id := tile.ID{Level: level, Index: size >> (tile.Height * (level + 1)), Width: len(hashes)}
			c.files[id.Path()] = tile.AppendTile(nil, hashes)
		}
	}
	if width := tile.PartialWidth(0, size); width > 0 {
		c.files[tile.ID{Entries: true, Index: size / tile.FullWidth, Width: width}.Path()] = append([]byte(nil), c.bundle...)
	}
	head := client.Head{Origin: origin, Size: size, Root: c.edge.Root()}
	c.files["checkpoint"] = c.note(head)
	return head
}

func (c *city) note(head client.Head) []byte {
	note, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: head.Origin, Size: head.Size, Root: head.Root}, now, c.signers...)
	must(c.t, err)
	return note
}

// statement is the next revision of a subject, committing to body, which is stored.
func (c *city) statement(subject string, op declaration.Operation, body []byte) *declaration.Statement {
	c.t.Helper()
	s, err := declaration.ParseSubject(subject)
	must(c.t, err)
	sum := sha256.Sum256(body)
	c.files[bodyPath(sum)] = body
	c.bodies[s] = sum
	head := c.heads[s]
	return &declaration.Statement{
		Log: origin, City: owner, Subject: s, Revision: head.Revision + 1, Previous: head.Leaf, Operation: op,
		EffectiveOn: declaration.DateOf(now), DeclaredAt: now, Provenance: declaration.CityOwn,
		BodySHA256: sum, BodySize: uint32(len(body)),
	}
}

func bodyPath(sum [sha256.Size]byte) string { return fmt.Sprintf("bodies/%x", sum) }

// entry signs a statement.
func (c *city) entry(st *declaration.Statement, keys ...int) []byte {
	c.t.Helper()
	signers := []crypto.Signer{}
	for _, n := range keys {
		signers = append(signers, officer(n))
	}
	e, err := declaration.Sign(declaration.PayloadType, st.Format(), signers...)
	must(c.t, err)
	return e.Format()
}

// publish declares the next revision of a subject, as an honest node places it.
func (c *city) publish(subject string, op declaration.Operation, body *pb.Body) uint64 {
	c.t.Helper()
	raw, err := declaration.FormatBody(body)
	must(c.t, err)
	st := c.statement(subject, op, raw)
	entry := c.entry(st, 1)
	leaf := proof.LeafHash(entry)
	c.heads[st.Subject] = declaration.Head{Revision: st.Revision, Leaf: leaf, Operation: op}
	c.placed[st.Subject] = leaf
	return c.append(entry)
}

// reader reads the city's files from memory, or those given instead.
func (c *city) options(files ...shelf) audit.Options {
	opts := audit.Options{Trust: c.trust}
	if len(files) == 0 {
		files = []shelf{c.files}
	}
	for _, f := range files {
		opts.Sources = append(opts.Sources, client.NewLogReader(f))
	}
	return opts
}

func (c *city) clone() shelf { return maps.Clone(c.files) }

func run(t testing.TB, opts audit.Options) *audit.Report {
	t.Helper()
	r, err := audit.Run(context.Background(), opts)
	must(t, err)
	return r
}

func wantVerdict(t testing.TB, r *audit.Report, want audit.Verdict) {
	t.Helper()
	if r.Verdict != want {
		t.Fatalf("verdict %q, want %q; reasons: %q\nvoid: %v\nmissing: %v\nlost: %v\nobserved: %v",
			r.Verdict, want, r.Reasons, r.VoidLeaves, r.Missing, r.Lost, r.Observed)
	}
}

// camera, video and pia are records that keep every rule. With the same n they
// belong together: dep/n has use/n, and asm/n covers it.
func camera(n int) *pb.Body { return sample(cameraJSON, n) }
func video(n int) *pb.Body  { return sample(videoJSON, n) }
func pia(n int) *pb.Body    { return sample(piaJSON, n) }

func sample(text string, n int) *pb.Body {
	text = strings.ReplaceAll(text, "$N", fmt.Sprint(n))
	for i := range 4 { // no two squares stand in one place
		text = strings.ReplaceAll(text, fmt.Sprintf("$LAT%d", i+1), fmt.Sprint(523700000+4*n+i))
	}
	body := &pb.Body{}
	if err := protojson.Unmarshal([]byte(text), body); err != nil {
		panic(err)
	}
	body.Nonce = binary.BigEndian.AppendUint64(make([]byte, 8), uint64(n))
	return body
}

// erasure is the notice that the newest body of a subject is erased.
func (c *city) erasure(subject string) *pb.Body {
	s, err := declaration.ParseSubject(subject)
	must(c.t, err)
	leaf, sum := c.placed[s], c.bodies[s]
	body := sample(erasureJSON, int(s.Number))
	body.GetNotice().About = []string{subject}
	body.GetNotice().Erasure.Leaf, body.GetNotice().Erasure.BodySha256 = leaf[:], sum[:]
	return body
}

func reason(body *pb.Body, words string) *pb.Body {
	body.Reason = &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("nl"), Value: &words}}}
	body.Nonce = []byte(cmp.Or(words, "?") + "................")[:16]
	return body
}
