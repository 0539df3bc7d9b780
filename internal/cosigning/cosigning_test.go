package cosigning_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/cosigning"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/witness"
)

const origin = "kanaalstad.example/log"

// city is a log with real witnesses on loopback.
type city struct {
	t         testing.TB
	log       *checkpoint.Signer
	history   *alliancetest.Tree
	witnesses []cosigning.Witness
	stores    []*peerstore.Store
}

// Log implements witness.Logs: every witness knows this log.
func (c *city) Log(name string) (witness.Log, bool) {
	v, err := checkpoint.NewVerifier(c.log.Key())
	if err != nil {
		c.t.Fatal(err)
	}
	return witness.Log{Keys: []*checkpoint.Verifier{v}}, name == origin
}

// ConsistencyProof implements cosigning.Prover.
func (c *city) ConsistencyProof(_ context.Context, old, size uint64) ([]proof.Hash, error) {
	return c.history.Consistency(old, size), nil
}

func newCity(t testing.TB, witnesses int) *city {
	t.Helper()
	c := &city{t: t, history: alliancetest.NewTree(300, "a")}
	c.log = signer(t, origin, checkpoint.TypeEd25519)
	for i := range witnesses {
		c.add(fmt.Sprintf("w%d.example/witness", i), func(h http.Handler) http.Handler { return h })
	}
	return c
}

func signer(t testing.TB, name string, typ checkpoint.KeyType) *checkpoint.Signer {
	t.Helper()
	s, err := checkpoint.NewSigner(name, typ, alliancetest.Key(name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// add starts a witness; front may change what it is asked and answers.
func (c *city) add(name string, front func(http.Handler) http.Handler) {
	c.t.Helper()
	s := signer(c.t, name, checkpoint.TypeEd25519Cosignature)
	store, err := peerstore.Open(c.t.TempDir(), []string{checkpoint.FormatVKey(s.Key())}, peerstore.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	w, err := witness.New(witness.Options{Logs: c, Store: store, Signer: s, Rate: 1e9, Burst: 1 << 30})
	if err != nil {
		c.t.Fatal(err)
	}
	mux := http.NewServeMux()
	witness.NewHandler(w, slog.New(slog.DiscardHandler)).Routes(mux, "")
	srv := httptest.NewServer(front(mux))
	c.t.Cleanup(func() {
		srv.Close()
		if err := store.Close(); err != nil {
			c.t.Error(err)
		}
	})
	c.stores = append(c.stores, store)
	v, err := checkpoint.NewVerifier(s.Key())
	if err != nil {
		c.t.Fatal(err)
	}
	c.witnesses = append(c.witnesses, cosigning.Witness{Key: v, URL: srv.URL + "/witness"})
}

func (c *city) collector(timeout time.Duration) *cosigning.Collector {
	c.t.Helper()
	col, err := cosigning.New(cosigning.Options{Witnesses: c.witnesses, Quorum: roster.Quorum(len(c.witnesses)), Prover: c, Timeout: timeout})
	if err != nil {
		c.t.Fatal(err)
	}
	return col
}

func (c *city) note(h *alliancetest.Tree, size uint64) []byte {
	c.t.Helper()
	b, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: origin, Size: size, Root: h.Root(size)}, time.Now(), c.log)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// round runs one and checks that what it says of the note is true.
func (c *city) round(col *cosigning.Collector, size uint64) *cosigning.Head {
	c.t.Helper()
	h, err := col.Round(c.t.Context(), c.note(c.history, size))
	if err != nil {
		c.t.Fatal(err)
	}
	var keys []*checkpoint.Verifier
	for _, w := range c.witnesses {
		keys = append(keys, w.Key)
	}
	log, _ := c.Log(origin)
	v, err := checkpoint.Verify(h.Note, log.Keys, keys)
	if err != nil || len(v.Cosignatures) != min(h.Cosigned, roster.Quorum(len(c.witnesses))) || v.Checkpoint.Size != size {
		c.t.Fatalf("the note of size %d with %d cosignatures: %v\n%s", size, h.Cosigned, err, h.Note)
	}
	if h.Final != (h.Cosigned >= roster.Quorum(len(c.witnesses))) || h.Cosigned+len(h.Missing) != len(c.witnesses) {
		c.t.Fatalf("final %v with %d of %d, missing %v", h.Final, h.Cosigned, len(c.witnesses), h.Missing)
	}
	return h
}

func TestRoundsFollowTheLog(t *testing.T) {
	c := newCity(t, 13)
	col := c.collector(0)
	for _, size := range []uint64{0, 1, 5, 5, 100, 299} {
		if h := c.round(col, size); !h.Final {
			t.Errorf("size %d is not final: %v", size, h.Missing)
		}
	}
	// Another process of this log, which knows nothing, is told where the witnesses stand.
	if h := c.round(c.collector(0), 300); !h.Final {
		t.Errorf("a new collector: %v", h.Missing)
	}
}

// TestNothingIsFinalBelowTheQuorum: four witnesses of which two are away, and then one.
func TestNothingIsFinalBelowTheQuorum(t *testing.T) {
	c := newCity(t, 2)
	away := true
	down := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if away {
				http.Error(w, "closed on Mondays", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	c.add("down.example/witness", down)
	c.witnesses = append(c.witnesses, cosigning.Witness{Key: mustVerifier(t, "gone.example/witness"), URL: "http://127.0.0.1:1"})
	col := c.collector(0)
	h := c.round(col, 7)
	if h.Final || h.Cosigned != 2 || !strings.Contains(h.Missing["down.example/witness"].Error(), "Mondays") || h.Missing["gone.example/witness"] == nil {
		t.Errorf("with two of four: %+v", h)
	}
	away = false
	if h := c.round(col, 9); !h.Final || h.Cosigned != 3 {
		t.Errorf("with three of four: %+v", h)
	}
}

func mustVerifier(t *testing.T, name string) *checkpoint.Verifier {
	t.Helper()
	v, err := checkpoint.NewVerifier(signer(t, name, checkpoint.TypeEd25519Cosignature).Key())
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSlowWitnessHoldsNothingUp: a head is final when the quorum has it; and a round ends though one never answers.
func TestSlowWitnessHoldsNothingUp(t *testing.T) {
	c := newCity(t, 3)
	release := make(chan struct{})
	c.add("slow.example/witness", func(http.Handler) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		})
	})
	defer close(release)
	if h := c.round(c.collector(time.Minute), 7); !h.Final || h.Missing["slow.example/witness"] == nil {
		t.Errorf("with three of four and one that never answers: %+v", h)
	}
	c.witnesses = append(c.witnesses[:1], c.witnesses[3])
	if h := c.round(c.collector(50*time.Millisecond), 8); h.Final || !errors.Is(h.Missing["slow.example/witness"], context.DeadlineExceeded) {
		t.Errorf("with one of two: %+v", h)
	}
}

// TestLyingWitnesses: none of their answers counts, and none does harm.
func TestLyingWitnesses(t *testing.T) {
	answer := func(code int, body string) func(http.Handler) http.Handler {
		return func(http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(code)
				_, _ = w.Write([]byte(body))
			})
		}
	}
	c := newCity(t, 1)
	another := signer(t, "another.example/witness", checkpoint.TypeEd25519Cosignature)
	line := func(s *checkpoint.Signer, size uint64) string {
		n, err := checkpoint.ParseNote(c.note(c.history, size))
		if err != nil {
			t.Fatal(err)
		}
		sig, err := s.Sign(n.Text, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		b, err := checkpoint.FormatSignatures([]checkpoint.Signature{sig})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for name, front := range map[string]func(http.Handler) http.Handler{
		"another-key":   answer(200, line(another, 7)),
		"another-head":  answer(200, line(signer(t, "another-head.example/witness", checkpoint.TypeEd25519Cosignature), 6)),
		"nothing":       answer(200, ""),
		"garbage":       answer(200, "— a\n"),
		"endless":       answer(200, strings.Repeat("x", 1<<20)),
		"no-size":       answer(409, "seven\n"),
		"no-line":       answer(409, "7"),
		"same-conflict": answer(409, "3\n"),
		"redirect":      answer(302, ""),
	} {
		c.add(name+".example/witness", front)
	}
	h := c.round(c.collector(0), 7)
	if h.Cosigned != 1 || h.Final {
		t.Errorf("with one honest witness: %+v", h)
	}
}

// TestT20WitnessThatIsAhead is an alarm: it has seen a larger head of this log than the log has.
func TestT20WitnessThatIsAhead(t *testing.T) {
	c := newCity(t, 4)
	if h := c.round(c.collector(0), 50); !h.Final {
		t.Fatal(h.Missing)
	}
	h := c.round(c.collector(0), 20) // of an old copy of the data
	var ahead *cosigning.AheadError
	for name, err := range h.Missing {
		if errors.As(err, &ahead) && (ahead.Size != 50 || ahead.Own != 20) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h.Cosigned > 1 || ahead == nil { // a witness that was cancelled in the first round may be behind
		t.Errorf("a head behind the witnesses': %+v", h)
	}
}

// TestT15ForkIsNotCosigned: witnesses that saw one history cosign no other.
func TestT15ForkIsNotCosigned(t *testing.T) {
	c := newCity(t, 4)
	if h := c.round(c.collector(0), 50); !h.Final {
		t.Fatal(h.Missing)
	}
	c.history = alliancetest.NewTree(300, "b")
	if h := c.round(c.collector(0), 60); h.Final {
		t.Errorf("a fork is final: %+v", h)
	}
}

func TestNewRefuses(t *testing.T) {
	c := newCity(t, 3)
	for name, o := range map[string]cosigning.Options{
		"quorum 0":      {Witnesses: c.witnesses, Quorum: 0},
		"quorum 4 of 3": {Witnesses: c.witnesses, Quorum: 4},
		"one key twice": {Witnesses: append(slices.Clone(c.witnesses), c.witnesses[0]), Quorum: 2},
	} {
		if _, err := cosigning.New(o); err == nil {
			t.Errorf("%s: New takes it", name)
		}
	}
}

// BenchmarkFinal has one round after another with 13 witnesses on loopback, all on this machine's disk: p50 and p99 of the
// time until the quorum has cosigned.
func BenchmarkFinal(b *testing.B) {
	c := newCity(b, 13)
	c.history = alliancetest.NewTree(b.N+1, "bench")
	col := c.collector(0)
	notes := make([][]byte, b.N)
	for i := range notes {
		notes[i] = c.note(c.history, uint64(i+1))
	}
	var took []time.Duration
	b.ResetTimer()
	for _, note := range notes {
		begun := time.Now()
		h, err := col.Round(b.Context(), note)
		if err != nil || !h.Final {
			b.Fatal(err, h)
		}
		took = append(took, time.Since(begun))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// A head that nobody mirrors is not final, however many witnesses cosigned it: its bodies may be gone tomorrow.
func TestFinalNeedsMirrorsToo(t *testing.T) {
	c := newCity(t, 5)
	down := false
	c.add("mirror.example/mirror", func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down {
				http.Error(w, "down", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	col, err := cosigning.New(cosigning.Options{
		Witnesses: c.witnesses[:5], Quorum: 4, Mirrors: c.witnesses[5:], MirrorQuorum: 1, Prover: c, Timeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, down = range []bool{false, true} {
		h, err := col.Round(t.Context(), c.note(c.history, 10))
		if err != nil {
			t.Fatal(err)
		}
		if h.Final == down || h.Cosigned < 4 || (h.Mirrored == 1) == down {
			t.Errorf("the mirror is down %v: final %v by %d witnesses and %d mirrors", down, h.Final, h.Cosigned, h.Mirrored)
		}
		n, err := checkpoint.ParseNote(h.Note)
		if want := 1 + 4 + h.Mirrored; err != nil || len(n.Sigs) != want {
			t.Errorf("the note has %d lines, want %d: %v", len(n.Sigs), want, err)
		}
	}
}
