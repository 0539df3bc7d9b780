package witness_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/transparency-dev/formats/log"
	tnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/witness"
)

const origin = "kanaalstad.example/log"

func TestLogGrowsUnderItsWitness(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(100, "a")
	old := uint64(0)
	for _, size := range []uint64{0, 1, 1, 7, 64, 100, 100} {
		w.now = w.now.Add(time.Second)
		line, err := w.ask(s, h, old, size)
		if err != nil {
			t.Fatalf("size %d: %v", size, err)
		}
		c, at := w.verified(origin, append(signed(t, s, size, h.Root(size)), line...))
		if c.Size != size || at != uint64(w.now.Unix()) {
			t.Errorf("cosigned size %d at %d, want %d at %d", c.Size, at, size, w.now.Unix())
		}
		if c, _ := w.served(origin); c.Size != size || c.Root != h.Root(size) {
			t.Errorf("served size %d, want %d", c.Size, size)
		}
		old = size
	}
}

// TestPublicVerifiersAgree: what is answered is a cosignature to the public implementation, too.
func TestPublicVerifiersAgree(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(5, "a")
	line, err := w.ask(s, h, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	logKey, err := note.NewVerifier(checkpoint.FormatVKey(s.Key()))
	if err != nil {
		t.Fatal(err)
	}
	key, err := tnote.NewVerifierForCosignatureV1(checkpoint.FormatVKey(w.signer().Key()))
	if err != nil {
		t.Fatal(err)
	}
	c, _, n, err := log.ParseCheckpoint(append(signed(t, s, 5, h.Root(5)), line...), origin, logKey, key)
	if err != nil || c.Size != 5 || len(n.Sigs) != 2 {
		t.Errorf("ParseCheckpoint = %+v, %v", c, err)
	}
}

// TestT05EveryStatus has each condition alone, and with each later one: the first in the order of the specification answers.
func TestT05EveryStatus(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h, other := w.log(origin), alliancetest.NewTree(100, "a"), alliancetest.NewTree(100, "b")
	if _, err := w.ask(s, h, 0, 50); err != nil {
		t.Fatal(err)
	}
	stranger := w.log("stranger.example/log")
	delete(w.logs, "stranger.example/log")
	forger := w.log("forger.example/log")
	good := signed(t, s, 60, h.Root(60))
	path := h.Consistency(50, 60)
	wrongSig := func() []byte {
		n, err := checkpoint.ParseNote(good)
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs[0].Sig[3] ^= 1
		b, err := checkpoint.FormatNote(n)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	unsigned := func() []byte {
		n, err := checkpoint.ParseNote(good)
		if err != nil {
			t.Fatal(err)
		}
		f, err := checkpoint.ParseNote(signed(t, forger, 60, h.Root(60)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := checkpoint.FormatNote(&checkpoint.Note{Text: n.Text, Sigs: f.Sigs})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}()
	for name, tc := range map[string]struct {
		r    witness.Request
		want int
	}{
		"no note":                              {witness.Request{Old: 50, Note: []byte("x")}, 400},
		"a note that is no checkpoint":         {witness.Request{Old: 50, Note: []byte("a\nb\n\n" + string(good[strings.LastIndex(string(good), "\n\n")+2:]))}, 400},
		"CRLF":                                 {witness.Request{Old: 50, Note: []byte(strings.ReplaceAll(string(good), "\n", "\r\n"))}, 400},
		"an empty line more":                   {witness.Request{Old: 50, Note: append([]byte("\n"), good...)}, 400},
		"unknown log":                          {witness.Request{Old: 50, Note: signed(t, stranger, 60, h.Root(60))}, 404},
		"unknown log, old above size":          {witness.Request{Old: 70, Note: signed(t, stranger, 60, h.Root(60))}, 404},
		"signature that fails":                 {witness.Request{Old: 50, Proof: path, Note: wrongSig}, 403},
		"signed by another log":                {witness.Request{Old: 50, Proof: path, Note: unsigned}, 403},
		"signature that fails, old above size": {witness.Request{Old: 70, Note: wrongSig}, 403},
		"signature that fails, wrong old":      {witness.Request{Old: 10, Note: wrongSig}, 403},
		"old above size":                       {witness.Request{Old: 61, Note: good}, 400},
		"old above size, and above the stored": {witness.Request{Old: 50, Note: signed(t, s, 40, h.Root(40))}, 400},
		"wrong old":                            {witness.Request{Old: 49, Proof: h.Consistency(49, 60), Note: good}, 409},
		"wrong old, wrong proof":               {witness.Request{Old: 49, Note: good}, 409},
		"smaller than the stored":              {witness.Request{Old: 40, Note: signed(t, s, 40, h.Root(40))}, 409},
		"old 0":                                {witness.Request{Old: 0, Note: good}, 409},
		"size 0, another root, wrong old":      {witness.Request{Old: 0, Note: signedRaw(t, s, 0, h.Root(1))}, 409},
		"no proof":                             {witness.Request{Old: 50, Note: good}, 422},
		"proof cut":                            {witness.Request{Old: 50, Proof: path[1:], Note: good}, 422},
		"proof too long":                       {witness.Request{Old: 50, Proof: append([]proof.Hash{path[0]}, path...), Note: good}, 422},
		"another history":                      {witness.Request{Old: 50, Proof: other.Consistency(50, 60), Note: signed(t, s, 60, other.Root(60))}, 422},
		"same size, another root":              {witness.Request{Old: 50, Note: signed(t, s, 50, other.Root(50))}, 422},
		"same size with a proof":               {witness.Request{Old: 50, Proof: path, Note: signed(t, s, 50, h.Root(50))}, 422},
		"good":                                 {witness.Request{Old: 50, Note: signed(t, s, 50, h.Root(50))}, 200},
	} {
		_, err := w.w.AddCheckpoint(context.Background(), tc.r.Format())
		if got := status(err); got != tc.want {
			t.Errorf("%s: %d (%v), want %d", name, got, err, tc.want)
		}
		var refused *witness.RefusedError
		if errors.As(err, &refused) && tc.want == 409 && refused.Size != 50 {
			t.Errorf("%s: the size in the answer is %d, want 50", name, refused.Size)
		}
		if c, _ := w.served(origin); c.Size != 50 || c.Root != h.Root(50) {
			t.Fatalf("%s: the head is %d now", name, c.Size)
		}
	}
	empty := w.log("empty.example/log")
	if _, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Note: signedRaw(t, empty, 0, h.Root(1))}).Format()); status(err) != 422 {
		t.Errorf("an empty tree with another root: %v, want 422", err)
	}
	if _, err := w.w.AddCheckpoint(context.Background(), (&witness.Request{Proof: path, Note: signed(t, empty, 7, h.Root(7))}).Format()); status(err) != 422 {
		t.Errorf("old 0 with a proof: %v, want 422", err)
	}
}

// signedRaw signs any root for any size.
func signedRaw(t *testing.T, s *checkpoint.Signer, size uint64, root proof.Hash) []byte {
	t.Helper()
	text, err := checkpoint.FormatCheckpoint(checkpoint.Checkpoint{Origin: s.Key().Name, Size: size, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(text, start)
	if err != nil {
		t.Fatal(err)
	}
	b, err := checkpoint.FormatNote(&checkpoint.Note{Text: text, Sigs: []checkpoint.Signature{sig}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestT05AllSizePairs asks between all sizes up to 129, each time a witness that begins there: first with the proof of another
// history, then with the right one.
func TestT05AllSizePairs(t *testing.T) {
	testenv.SkipInRace(t)
	most := uint64(129)
	if testing.Short() {
		most = 40
	}
	w := newWorld(t, peerstore.Options{FS: vfs.NewMem()})
	good, fork := alliancetest.NewTree(int(most), "a"), alliancetest.NewTree(int(most), "a")
	fork.Leaves[0] = proof.LeafHash([]byte("another"))
	for old := uint64(1); old <= most; old++ {
		for size := old; size <= most; size++ {
			name := fmt.Sprintf("from-%d-to-%d.example/log", old, size)
			s := w.log(name)
			log := w.logs[name]
			log.Pin = witness.Pin{Size: old, Root: good.Root(old)}
			w.logs[name] = log
			if _, err := w.ask(s, fork, old, size); status(err) != 422 {
				t.Fatalf("%d to %d in another history: %v, want 422", old, size, err)
			}
			if _, err := w.ask(s, good, old, size); err != nil {
				t.Fatalf("%d to %d: %v", old, size, err)
			}
		}
	}
}

func TestStoppedLogAndClockAndState(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	known := w.logs[origin]
	stopped := known
	stopped.Stopped = "evidence of two histories was found"
	w.logs[origin] = stopped
	if _, err := w.ask(s, h, 0, 5); status(err) != 403 || !strings.Contains(err.Error(), "two histories") {
		t.Errorf("a stopped log: %v, want 403 with the reason", err)
	}
	w.logs[origin] = known
	w.ready = errors.New("the clock is 7 minutes off") // T-22
	if _, err := w.ask(s, h, 0, 5); status(err) != 503 {
		t.Errorf("with a clock that is off: %v, want 503", err)
	}
	if _, ok, err := w.w.Checkpoint([32]byte{}); ok || err != nil {
		t.Errorf("Checkpoint of no log = %v, %v", ok, err)
	}
	w.ready = nil
	if _, err := w.ask(s, h, 0, 5); err != nil {
		t.Error(err)
	}
}

// TestI4TimeNeverGoesBack: whichever way the clock jumps.
func TestI4TimeNeverGoesBack(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(100, "a")
	last := uint64(0)
	for size, jump := range []time.Duration{0, time.Hour, -48 * time.Hour, 0, -100 * 365 * 24 * time.Hour, time.Minute, 10 * 365 * 24 * time.Hour} {
		w.now = w.now.Add(jump)
		if _, err := w.ask(s, h, uint64(max(size-1, 0)), uint64(size)); err != nil {
			t.Fatal(err)
		}
		_, at := w.served(origin)
		if at < last || at == 0 {
			t.Errorf("cosigned at %d after %d", at, last)
		}
		last = at
	}
}

// TestT30PinIsWhereANewWitnessBegins.
func TestT30PinIsWhereANewWitnessBegins(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h, other := w.log(origin), alliancetest.NewTree(100, "a"), alliancetest.NewTree(100, "b")
	pinned := w.logs[origin]
	pinned.Pin = witness.Pin{Size: 40, Root: h.Root(40)}
	w.logs[origin] = pinned
	var refused *witness.RefusedError
	if _, err := w.ask(s, h, 0, 50); !errors.As(err, &refused) || refused.Status != 409 || refused.Size != 40 {
		t.Errorf("from size 0 on: %v, want 409 and size 40", err)
	}
	if _, err := w.ask(s, other, 40, 50); status(err) != 422 {
		t.Errorf("another history than the pin's: %v, want 422", err)
	}
	if _, err := w.ask(s, other, 40, 40); status(err) != 422 {
		t.Errorf("another root at the pin: %v, want 422", err)
	}
	if _, err := w.ask(s, h, 40, 50); err != nil {
		t.Errorf("from the pin on: %v", err)
	}
	pinned.Pin = witness.Pin{Size: 45, Root: h.Root(45)} // behind what was cosigned: nothing goes back
	w.logs[origin] = pinned
	if _, err := w.ask(s, h, 45, 60); status(err) != 409 {
		t.Errorf("from a pin below the stored head: %v, want 409", err)
	}
}

// TestI4RaceOnOneLog: twelve callers with two histories; what is cosigned is one history that only grows.
func TestI4RaceOnOneLog(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s := w.log(origin)
	const most = 60
	histories := []*alliancetest.Tree{alliancetest.NewTree(most, "a"), alliancetest.NewTree(most, "b")}
	var mu sync.Mutex // guards roots
	roots := map[uint64]map[proof.Hash]bool{}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			h := histories[i%2]
			old := uint64(0)
			for range 200 {
				size := min(old+1+uint64(i)/4, most)
				_, err := w.ask(s, h, old, size)
				var refused *witness.RefusedError
				switch {
				case err == nil:
					mu.Lock()
					if roots[size] == nil {
						roots[size] = map[proof.Hash]bool{}
					}
					roots[size][h.Root(size)] = true
					mu.Unlock()
					old = size
				case errors.As(err, &refused) && refused.Status == 409:
					old = refused.Size
				case status(err) == 422:
					return // the other history won
				default:
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if len(roots) < 10 {
		t.Fatalf("only %d sizes were cosigned", len(roots))
	}
	all := map[bool]int{}
	for size, set := range roots {
		if len(set) != 1 {
			t.Errorf("size %d was cosigned with %d roots", size, len(set))
		}
		if size > 0 {
			all[set[histories[0].Root(size)]]++
		}
	}
	if len(all) != 1 {
		t.Errorf("sizes of both histories were cosigned: %v", all)
	}
}

// TestI4CrashForgetsNothingThatWasAnswered cuts the power at a random point again and again.
func TestI4CrashForgetsNothingThatWasAnswered(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewCrashableMem()
	w := newWorld(t, peerstore.Options{FS: fs})
	h := alliancetest.NewTree(400, "a")
	names := []string{"a.example/log", "b.example/log", "c.example/log"}
	signers := map[string]*checkpoint.Signer{}
	answered := map[string]struct{ size, at uint64 }{}
	for _, n := range names {
		signers[n] = w.log(n)
	}
	for range 40 {
		for range rng.IntN(12) {
			n := names[rng.IntN(len(names))]
			w.now = w.now.Add(time.Duration(rng.IntN(5)) * time.Second)
			last := answered[n]
			size := min(last.size+uint64(rng.IntN(4)), 400)
			if _, err := w.ask(signers[n], h, last.size, size); err != nil {
				t.Fatal(err)
			}
			_, at := w.served(n)
			answered[n] = struct{ size, at uint64 }{size, at}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		_ = w.store.Close()
		fs, w.opts.FS = crashed, crashed
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
		for n, last := range answered {
			if c, at := w.served(n); c.Size != last.size || at != last.at || c.Root != h.Root(last.size) {
				t.Fatalf("after a crash %s is at size %d and time %d, answered %d and %d", n, c.Size, at, last.size, last.at)
			}
		}
	}
}

// TestT35LostHeadsRetireTheKey: a witness whose store is gone signs no more with the key that it had.
func TestT35LostHeadsRetireTheKey(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	if _, err := w.ask(s, h, 0, 5); err != nil {
		t.Fatal(err)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.open(); err != nil {
		t.Fatalf("opening again: %v", err)
	}
	if c, _ := w.served(origin); c.Size != 5 {
		t.Errorf("after opening again the head is %d, want 5", c.Size)
	}
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(w.state, "witness")); err != nil {
		t.Fatal(err)
	}
	if _, err := peerstore.Open(w.state, vkeys(w.own), peerstore.Options{}); !errors.Is(err, peerstore.ErrLost) {
		t.Errorf("opening without the heads = %v, want ErrLost", err)
	}
	another, err := peerstore.Open(w.state, []string{"another.example/witness+00000000+AAAA"}, peerstore.Options{})
	if err != nil {
		t.Fatalf("opening with a new key: %v", err)
	}
	w.store = another
}

// While one key takes the place of another both cosign each head, so who counts either is served at any moment.
func TestNextKeyCosignsBesideTheOneOfNow(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	old, next := w.own, w.key("the next one")
	reopen := func(own, next *checkpoint.Signer) {
		t.Helper()
		w.own, w.next = own, next
		if err := w.store.Close(); err != nil {
			t.Fatal(err)
		}
		if err := w.open(); err != nil {
			t.Fatal(err)
		}
	}
	// cosigned wants lines of exactly these keys, and the note for monitors with the same.
	cosigned := func(from, size uint64, by ...*checkpoint.Signer) []byte {
		t.Helper()
		answer, err := w.ask(s, h, from, size)
		if err != nil {
			t.Fatal(err)
		}
		sigs, err := checkpoint.ParseSignatures(answer)
		if err != nil || len(sigs) != len(by) {
			t.Fatalf("%d lines, %v, want %d", len(sigs), err, len(by))
		}
		note, _, err := w.w.Checkpoint(sha256.Sum256([]byte(origin)))
		if err != nil {
			t.Fatal(err)
		}
		for i, k := range by {
			v, err := checkpoint.NewVerifier(k.Key())
			if err != nil {
				t.Fatal(err)
			}
			seen, err := checkpoint.Verify(note, w.logs[origin].Keys, []*checkpoint.Verifier{v})
			if err != nil || len(seen.Cosignatures) != 1 || !bytes.Equal(seen.Cosignatures[0].Signature.Sig, sigs[i].Sig) {
				t.Errorf("key %d did not cosign size %d: %v", i, size, err)
			}
		}
		return answer
	}
	cosigned(0, 5, old)
	reopen(old, next)
	first := cosigned(5, 5, old, next) // in the second in which the old one alone signed it
	if again := cosigned(5, 5, old, next); !bytes.Equal(first, again) {
		t.Error("the same head got other lines in the same second")
	}
	w.now = w.now.Add(time.Second)
	cosigned(5, 7, old, next)
	reopen(next, nil)
	cosigned(7, 7, next)
	w.now = w.now.Add(time.Second)
	cosigned(7, 8, next)

	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(w.state, "witness")); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]string{vkeys(next), vkeys(next, w.key("a third")), vkeys(old, next)} {
		if _, err := peerstore.Open(w.state, keys, peerstore.Options{}); !errors.Is(err, peerstore.ErrLost) {
			t.Errorf("a key that signed before is opened without its heads: %v", err)
		}
	}
	w.store = nil
}

func FuzzParseRequest(f *testing.F) {
	h := alliancetest.NewTree(10, "a")
	r := witness.Request{Old: 3, Proof: h.Consistency(3, 10), Note: []byte("a\n1\nb\n\n— a AAAA\n")}
	f.Add(r.Format())
	f.Add([]byte("old 0\n\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := witness.ParseRequest(b)
		if err == nil && string(r.Format()) != string(b) {
			t.Errorf("Format(Parse(%q)) = %q", b, r.Format())
		}
	})
}

// TestI4FailedWritesAnswerNothing fails each write once, and all after it: whatever was answered is what the disk knows, and
// nothing is answered once a write failed.
func TestI4FailedWritesAnswerNothing(t *testing.T) {
	testenv.SkipInRace(t)
	h := alliancetest.NewTree(30, "a")
	for k := int64(0); ; k++ {
		mem := vfs.NewCrashableMem()
		var writes atomic.Int64
		var failing atomic.Bool
		fault := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if failing.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && writes.Add(1) > k {
				return errors.New("the disk is gone")
			}
			return nil
		})
		w := newWorld(t, peerstore.Options{FS: errorfs.Wrap(mem, fault)})
		s := w.log(origin)
		failing.Store(true)
		answered, failed := uint64(0), false
		for size := uint64(1); size <= 30; size++ {
			_, err := w.ask(s, h, answered, size)
			if failed && err == nil {
				t.Fatalf("write %d: answered after a failure", k)
			}
			if err == nil {
				answered = size
			}
			failed = failed || err != nil
		}
		failing.Store(false)
		_ = w.store.Close()
		w.opts.FS = mem.CrashClone(vfs.CrashCloneCfg{})
		if err := w.open(); err != nil {
			t.Fatalf("write %d: opening again: %v", k, err)
		}
		note, ok, err := w.w.Checkpoint(sha256.Sum256([]byte(origin)))
		if err != nil || !ok && answered > 0 {
			t.Fatalf("write %d: the head is gone after size %d was answered: %v", k, answered, err)
		}
		if ok {
			if c, _ := w.verified(origin, note); c.Size < answered || c.Size > answered+1 || c.Root != h.Root(c.Size) {
				t.Fatalf("write %d: the head is %d, answered %d", k, c.Size, answered)
			}
		}
		if !failed {
			if k < 30 {
				t.Fatalf("only %d writes", k)
			}
			return
		}
	}
}
