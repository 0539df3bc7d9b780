package mirror_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
)

// BenchmarkFollow mirrors a log of 20,000 declarations from another mirror over HTTP on loopback: both ends on this machine,
// everything checked and on disk. Beside it, in the same run, how many Ed25519 verifications all cores do: "ofverify" is
// entries for each of them.
func BenchmarkFollow(b *testing.B) {
	const n = 20_000
	w := newWorld(b)
	w.log.Declare(n, "officer-1")
	w.mustFollow()
	mux := http.NewServeMux()
	mirror.NewHandler(w.mirror, slog.New(slog.DiscardHandler)).Routes(mux, "")
	srv := httptest.NewServer(mux)
	defer srv.Close()
	web, err := client.NewWeb(fmt.Sprintf("%s/mirror/%x", srv.URL, sha256.Sum256([]byte(w.city.Origin))), client.HTTPOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer web.Close()
	known, _ := w.Mirrored(w.city.Origin)
	head, root := w.log.Head()
	verified := verifyRate(b)
	b.ResetTimer()
	for i := range b.N {
		b.StopTimer()
		store, err := mirrorstore.Open(fmt.Sprintf("%s/%d", b.TempDir(), i), mirrorstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		log, err := store.Log(sha256.Sum256([]byte(w.city.Origin)))
		if err != nil {
			b.Fatal(err)
		}
		c := checkpoint.Checkpoint{Origin: w.city.Origin, Size: head, Root: root}
		b.StartTimer()
		if err := mirror.Follow(b.Context(), log, c, mirror.Log{Publisher: known.Publisher, Sources: []mirror.Source{client.NewLogReader(web)}}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.StopTimer()
	perSecond := float64(n) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond, "entries/s")
	b.ReportMetric(perSecond/verified, "ofverify")
}

// verifyRate is how many Ed25519 signatures all cores verify in a second.
func verifyRate(b *testing.B) float64 {
	b.Helper()
	key := alliancetest.Key("bench")
	msg := make([]byte, 1024)
	sig := ed25519.Sign(key, msg)
	counts := make([]int, runtime.GOMAXPROCS(0))
	begun := time.Now()
	var g sync.WaitGroup
	for i := range counts {
		g.Go(func() {
			for time.Since(begun) < time.Second/2 {
				if !ed25519.Verify(key.Public().(ed25519.PublicKey), msg, sig) {
					b.Error("a good signature does not verify")
				}
				counts[i]++
			}
		})
	}
	g.Wait()
	all := 0
	for _, c := range counts {
		all += c
	}
	return float64(all) / time.Since(begun).Seconds()
}
