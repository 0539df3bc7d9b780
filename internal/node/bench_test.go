package node_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/node"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// BenchmarkPublish is one publisher over gRPC on loopback, each declaration from
// its signed bytes to its verified receipt. It prints the median and, of the same
// disk in the same run, the median of a write with fdatasync: what no answer that
// is durable can be faster than.
func BenchmarkPublish(b *testing.B) {
	dir := b.TempDir()
	key, err := signingkey.Generate(signingkey.Publisher, "officer", signingkey.Ed25519)
	if err != nil {
		b.Fatal(err)
	}
	made, err := node.Init(node.InitOptions{
		City: "nl-kanaalstad", URL: "https://kanaalstad.example", Dir: filepath.Join(dir, "node"),
		HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0", Publishers: []ed25519.PublicKey{key.Public()},
	})
	if err != nil {
		b.Fatal(err)
	}
	c := dial(b, made)
	var took []time.Duration
	n := uint32(0)
	for b.Loop() {
		n++
		sub := seal(b, n, key)
		start := time.Now()
		if _, err := c.Publish(b.Context(), []draft.Submission{sub}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	sync := syncTime(b, dir)
	median := took[len(took)/2]
	b.ReportMetric(float64(median.Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64(sync.Microseconds())/1000, "fdatasync-p50-ms")
	b.ReportMetric(float64(median)/float64(sync), "p50/fdatasync")
}

// dial runs the node in this process, on real ports, and connects to it.
func dial(b *testing.B, made *node.Initialised) *client.Client {
	cfg, err := config.Load(made.Config)
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	up, done := make(chan node.Addresses, 1), make(chan error, 1)
	go func() {
		done <- node.Run(ctx, cfg, node.Options{
			Version: "bench", Logger: slog.New(slog.DiscardHandler), Level: &slog.LevelVar{},
			Ready: func(a node.Addresses) error {
				up <- a
				return nil
			},
		})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
	var at node.Addresses
	select {
	case at = <-up:
	case err := <-done:
		b.Fatal(err)
	}
	raw, err := os.ReadFile(made.Trust)
	if err != nil {
		b.Fatal(err)
	}
	trust, err := receipt.ParseTrust(raw)
	if err != nil {
		b.Fatal(err)
	}
	c, err := client.Dial(b.Context(), client.Options{Node: "http://" + at.HTTP, Trust: trust})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c
}

func seal(b *testing.B, n uint32, key *signingkey.Key) draft.Submission {
	text := &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: proto.String("en"), Value: proto.String("A report is owed.")}}}
	d := &draft.Draft{
		Operation: declaration.Publish, Subject: declaration.Subject{Kind: declaration.Notice, Number: n},
		Body: &declarationv1.Body{Language: proto.String("en"), Record: &declarationv1.Body_Notice{Notice: &declarationv1.Notice{
			Type: declarationv1.NoticeType_NOTICE_TYPE_FORTHCOMING.Enum(), Text: text, DueOn: proto.String("2027-01-01"),
		}}},
	}
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		b.Fatal(err)
	}
	sub, err := draft.Seal(d, draft.Place{Log: "kanaalstad.example/log", City: "nl-kanaalstad", Revision: 1}, nonce, time.Now(), key.Signer())
	if err != nil {
		b.Fatal(err)
	}
	return sub
}

// syncTime is the median time of 4 KiB written and synced.
func syncTime(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	took := make([]time.Duration, 200)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2]
}
