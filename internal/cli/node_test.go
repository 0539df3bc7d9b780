package cli_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/node"
	"github.com/cityproof/cityproof/internal/receipt"
)

const (
	origin = "kanaalstad.example/log"
	owner  = "nl-kanaalstad"
)

// officer is a test key; never a key of a city.
func officer() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("cityproof test key of cli"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// town is a running node, the real one, in this process.
type town struct {
	t     *testing.T
	url   string
	trust string // file
	cl    *client.Client
	nonce uint64
}

func startTown(t *testing.T) *town {
	t.Helper()
	made, err := node.Init(node.InitOptions{
		City: owner, URL: "https://kanaalstad.example", Dir: t.TempDir(), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0",
		Publishers: []ed25519.PublicKey{officer().Public().(ed25519.PublicKey)},
	})
	must(t, err)
	cfg, err := config.Load(made.Config)
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	up, down := make(chan node.Addresses, 1), make(chan error, 1)
	go func() {
		down <- node.Run(ctx, cfg, node.Options{
			Version: "test", Logger: slog.New(slog.DiscardHandler), Level: &slog.LevelVar{},
			Ready: func(a node.Addresses) error { up <- a; return nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-down; err != nil {
			t.Errorf("stopping the node: %v", err)
		}
	})
	c := &town{t: t, trust: made.Trust}
	select {
	case a := <-up:
		c.url = "http://" + a.HTTP
	case err := <-down:
		down <- err
		t.Fatalf("starting the node: %v", err)
	}
	trust, err := receipt.ParseTrust(read(t, made.Trust))
	must(t, err)
	c.cl, err = client.Dial(ctx, client.Options{Node: c.url, Trust: trust})
	must(t, err)
	t.Cleanup(c.cl.Close)
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ask runs a verb against the node, believing its trust file.
func (c *town) ask(args ...string) ran {
	c.t.Helper()
	return run(c.t, append(args, "--node", c.url, "--trust", c.trust)...)
}

// publish puts a record into the log; with before, as the revision that follows it.
func (c *town) publish(subject string, body *pb.Body, before *client.Placed) client.Placed {
	c.t.Helper()
	s, err := declaration.ParseSubject(subject)
	must(c.t, err)
	d := &draft.Draft{Operation: declaration.Publish, Subject: s, Body: body}
	place := draft.Place{Log: origin, City: owner, Revision: 1}
	if before != nil {
		d.Operation, place.Revision, place.Previous = declaration.Amend, before.Statement.Revision+1, before.Hash
	}
	c.nonce++
	sub, err := draft.Seal(d, place, [16]byte(binary.BigEndian.AppendUint64(make([]byte, 8), c.nonce)), time.Now(), officer())
	must(c.t, err)
	out, err := c.cl.Publish(c.t.Context(), []draft.Submission{sub})
	must(c.t, err)
	return out.Placed[0]
}

// texts is a text in languages: lang, value, lang, value …
func texts(pairs ...string) *pb.LocalizedText {
	out := &pb.LocalizedText{}
	for i := 0; i < len(pairs); i += 2 {
		out.Texts = append(out.Texts, &pb.Text{Lang: &pairs[i], Value: &pairs[i+1]})
	}
	return out
}

// pledge is a short record that keeps every rule.
func pledge(nickname string, text *pb.LocalizedText) *pb.Body {
	return &pb.Body{Language: proto.String("nl"), Nickname: &nickname, Record: &pb.Body_Commitment{Commitment: &pb.Commitment{
		Kind: pb.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT.Enum(), Text: text,
		Negative: &pb.Negative{Term: &pb.Term{Scheme: pb.Scheme_SCHEME_DPV_AI.Enum(), Code: proto.String("FaceRecognition")}, Since: proto.String("2019")},
	}}}
}

// erasure is the notice by which a record's body goes.
func erasure(l client.Placed) *pb.Body {
	return &pb.Body{Language: proto.String("nl"), Record: &pb.Body_Notice{Notice: &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_ERASURE.Enum(), About: []string{l.Statement.Subject.String()},
		Text: texts("nl", "De rechter heeft het wissen gelast."),
		Erasure: &pb.Erasure{Leaf: l.Hash[:], BodySha256: l.Statement.BodySHA256[:],
			Ground: pb.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), Authority: proto.String("Rechtbank Noord")},
	}}}
}

// copyLog copies a log of fewer than 256 entries into a folder, as anybody may.
func (c *town) copyLog(bodies ...client.Placed) string {
	c.t.Helper()
	head, _, err := c.cl.HeadNow(c.t.Context())
	must(c.t, err)
	if head.Size == 0 || head.Size > 255 {
		c.t.Fatalf("%d entries", head.Size)
	}
	dir := c.t.TempDir()
	partial := "000.p/" + strconv.FormatUint(head.Size, 10)
	files := []string{"checkpoint", "tile/0/" + partial, "tile/entries/" + partial}
	for _, b := range bodies {
		files = append(files, "bodies/"+hex.EncodeToString(b.Statement.BodySHA256[:]))
	}
	for _, name := range files {
		resp, err := http.Get(c.url + "/log/" + name)
		must(c.t, err)
		data, err := io.ReadAll(resp.Body)
		must(c.t, err)
		must(c.t, resp.Body.Close())
		if resp.StatusCode != http.StatusOK {
			c.t.Fatalf("%s: %s", name, resp.Status)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		must(c.t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(c.t, os.WriteFile(path, data, 0o600))
	}
	return dir
}
