package witness_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/witness"
)

// TestT05OrderOfAnswers has each thing that can be wrong with a request alone and with each other one: of two, the one that
// FORMAT.md names first answers.
func TestT05OrderOfAnswers(t *testing.T) {
	h := alliancetest.NewTree(100, "a")
	wrongs := []struct {
		name string
		want int
		says string
	}{
		{"malformed", 400, "malformed"},
		{"unknown log", 404, "does not know"},
		{"signature fails", 403, "invalid"},
		{"stopped", 403, "is stopped"},
		{"old above size", 400, "is above"},
		{"old is not the stored", 409, "is at size 50"},
		{"no proof", 422, "not proven"},
		{"clock is off", 503, "signs nothing now"},
		{"over the rate", 429, "too often"},
	}
	run := func(t *testing.T, i, j int) {
		has := func(name string) bool { return wrongs[i].name == name || wrongs[j].name == name }
		w := newWorld(t, peerstore.Options{})
		s := w.log(origin)
		if _, err := w.ask(s, h, 0, 50); err != nil {
			t.Fatal(err)
		}
		o := witness.Options{Logs: w.logs, Store: w.store, Signer: w.signer(), Ready: func() error { return w.ready }, Rate: 1, Burst: 1, Now: func() time.Time { return w.now }}
		wit, err := witness.New(o)
		if err != nil {
			t.Fatal(err)
		}
		w.w = wit
		old, size := uint64(51), uint64(60)
		if _, err := w.ask(s, h, 50, 51); err != nil { // spends the burst
			t.Fatal(err)
		}
		if !has("over the rate") {
			w.now = w.now.Add(time.Second)
		}
		if has("old above size") {
			size = 40
		}
		path := h.Consistency(old, max(size, old))
		if has("no proof") {
			path = nil
		}
		if has("old is not the stored") {
			old = 49
		}
		note := signed(t, s, size, h.Root(size))
		if has("signature fails") {
			note = bytes.Replace(note, []byte("\n\n— "+origin+" "), []byte("\n\n— "+origin+" "), 1)
			n, err := checkpoint.ParseNote(note)
			if err != nil {
				t.Fatal(err)
			}
			n.Sigs[0].Sig[7] ^= 1
			if note, err = checkpoint.FormatNote(n); err != nil {
				t.Fatal(err)
			}
		}
		log := w.logs[origin]
		if has("stopped") {
			log.Stopped = "evidence"
			w.logs[origin] = log
		}
		if has("unknown log") {
			delete(w.logs, origin)
		}
		if has("clock is off") {
			w.ready = errors.New("7 minutes off")
		}
		r := (&witness.Request{Old: old, Proof: path, Note: note}).Format()
		if has("malformed") {
			r = bytes.Replace(r, []byte("\n"), []byte("\r\n"), 1)
		}
		_, err = w.w.AddCheckpoint(context.Background(), r)
		want := wrongs[min(i, j)]
		says := strings.Replace(want.says, "50", "51", 1)
		if status(err) != want.want || !strings.Contains(fmt.Sprint(err), says) {
			t.Errorf("%d (%v), want %d, saying %q", status(err), err, want.want, says)
		}
		w.logs[origin] = log
		if w.at(origin) != 51 {
			t.Errorf("the head is %d now, want 51", w.at(origin))
		}
	}
	for i := range wrongs {
		for j := i; j < len(wrongs); j++ {
			t.Run(wrongs[i].name+"+"+wrongs[j].name, func(t *testing.T) { run(t, i, j) })
		}
	}
}

// TestT05Malformed: what is no request, or no checkpoint, is answered with 400 before anything else is looked at.
func TestT05Malformed(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(100, "a")
	note := string(signed(t, s, 60, h.Root(60)))
	hash := h.Root(1).String() + "\n"
	good := "old 0\n\n" + note
	for name, r := range map[string]string{
		"an empty line more after the proof": "old 0\n\n\n" + note,
		"an empty line before":               "\n" + good,
		"an empty line inside the proof":     "old 0\n" + hash + "\n" + hash + "\n" + note,
		"an empty line in the checkpoint":    strings.Replace(good, "\n60\n", "\n\n60\n", 1),
		"an empty line after the signature":  good + "\n",
		"no empty line":                      "old 0\n" + note,
		"no newline at the end":              strings.TrimSuffix(good, "\n"),
		"CRLF":                               strings.ReplaceAll(good, "\n", "\r\n"),
		"CRLF in the first line":             strings.Replace(good, "\n", "\r\n", 1),
		"64 hashes":                          "old 0\n" + strings.Repeat(hash, 64) + "\n" + note,
		"old of 2^63":                        strings.Replace(good, "old 0", "old 9223372036854775808", 1),
		"size of 2^63":                       strings.Replace(good, "\n60\n", "\n9223372036854775808\n", 1),
		"size of 2^64":                       strings.Replace(good, "\n60\n", "\n18446744073709551616\n", 1),
		"negative old":                       strings.Replace(good, "old 0", "old -1", 1),
		"old with a zero before":             strings.Replace(good, "old 0", "old 00", 1),
		"old with a plus":                    strings.Replace(good, "old 0", "old +0", 1),
		"two spaces":                         strings.Replace(good, "old 0", "old  0", 1),
		"a space at the end":                 strings.Replace(good, "old 0", "old 0 ", 1),
		"a tab":                              strings.Replace(good, "old 0", "old\t0", 1),
		"OLD":                                strings.Replace(good, "old 0", "OLD 0", 1),
		"a mark before":                      "\ufeff" + good,
		"hash without padding":               "old 0\n" + strings.Replace(hash, "=", "", 1) + "\n" + note,
		"hash with bits after the last byte": "old 0\n" + h.Root(1).String()[:42] + "B=\n\n" + note,
		"hash of 31 bytes":                   "old 0\n" + hash[4:] + "\n" + note,
		"17 signature lines":                 good + strings.Repeat("— x AAAAAAA=\n", 16),
		"no signature line":                  good[:strings.LastIndex(good, "— ")],
		"two dashes":                         strings.Replace(good, "— ", "-- ", 1),
		"nothing":                            "",
		"as large as it gets":                good + strings.Repeat("x", witness.MaxRequest-len(good)),
		"larger":                             good + strings.Repeat("x", witness.MaxRequest-len(good)+1),
	} {
		if r == good {
			t.Fatalf("%s: the test changes nothing", name)
		}
		if _, err := w.w.AddCheckpoint(context.Background(), []byte(r)); status(err) != 400 {
			t.Errorf("%s: %v, want 400", name, err)
		}
	}
	if _, err := w.w.AddCheckpoint(context.Background(), []byte("old 0\n"+strings.Repeat(hash, 63)+"\n"+note)); status(err) != 422 {
		t.Errorf("63 hashes: %v, want 422", err)
	}
	if _, err := w.w.AddCheckpoint(context.Background(), []byte(good)); err != nil {
		t.Errorf("the request that all these were made of: %v", err)
	}
}

// onePin is a log that a witness begins at a pin. Each goroutine has its own.
type onePin struct{ log witness.Log }

func (l *onePin) Log(string) (witness.Log, bool) { return l.log, true }

// TestT05EverySizePair asks between all sizes up to 257, and from all sizes to those around each further multiple of 256 up to
// 1,025, where the shape of the proofs changes (package proof tries them all), with the proof that Go's checksum database makes, with each kind of
// broken one, and with the right one for another history. The clock is said to be off, so that what passes all checks is
// answered with 503 and nothing is stored: the next pair begins where it likes. TestT05AllSizePairs goes on to the cosignature.
func TestT05EverySizePair(t *testing.T) {
	most := int64(1025)
	if testing.Short() {
		most = 65
	}
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(at))
		for i, n := range at {
			out[i] = stored[n]
		}
		return out, nil
	})
	roots := []tlog.Hash{tlog.Hash(proof.EmptyRoot())}
	for n := range most {
		more, err := tlog.StoredHashes(n, fmt.Appendf(nil, "entry %d", n), reader)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		root, err := tlog.TreeHash(n+1, reader)
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, root)
	}
	w := newWorld(t, peerstore.Options{})
	s := w.log(origin)
	notes := make([][]byte, most+1)
	for n := range notes {
		notes[n] = signed(t, s, uint64(n), proof.Hash(roots[n]))
	}
	var wg sync.WaitGroup
	const workers = 4
	for worker := range int64(workers) {
		wg.Go(func() {
			pin := &onePin{w.logs[origin]}
			wit, err := witness.New(witness.Options{Logs: pin, Store: w.store, Signer: w.signer(), Ready: func() error { return errors.New("not now") }})
			if err != nil {
				t.Error(err)
				return
			}
			for old := 1 + worker; old <= most; old += workers {
				for size := old; size <= most; size++ {
					if size > 257 && (size+1)%256 > 2 {
						continue
					}
					pin.log.Pin = witness.Pin{Size: uint64(old), Root: proof.Hash(roots[old])}
					if err := onePair(wit, old, size, notes[size], reader); err != nil {
						t.Errorf("%d to %d: %v", old, size, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// onePair asks for one pair of sizes.
func onePair(wit *witness.Witness, old, size int64, note []byte, reader tlog.HashReader) error {
	r := witness.Request{Old: uint64(old), Note: note}
	if old < size {
		path, err := tlog.ProveTree(size, old, reader)
		if err != nil {
			return err
		}
		for _, h := range path {
			r.Proof = append(r.Proof, proof.Hash(h))
		}
	}
	if _, err := wit.AddCheckpoint(context.Background(), r.Format()); status(err) != 503 {
		return fmt.Errorf("the right proof: %w, want 503", err)
	}
	// One broken kind for each pair, in turns: each costs as much as the right one.
	broken := r
	switch n := len(r.Proof); (old + size) % 4 {
	case 0:
		broken.Proof = append([]proof.Hash{{1}}, r.Proof...)
	case 1:
		if n == 0 {
			return nil
		}
		broken.Proof = r.Proof[:n-1]
	case 2:
		if n < 2 {
			return nil
		}
		broken.Proof = append([]proof.Hash{r.Proof[n-1]}, r.Proof[:n-1]...)
	default:
		if n == 0 {
			return nil
		}
		broken.Proof = append([]proof.Hash(nil), r.Proof...)
		broken.Proof[int(old)%n][int(size)%32] ^= 1 << (old % 8)
	}
	if _, err := wit.AddCheckpoint(context.Background(), broken.Format()); status(err) != 422 {
		return fmt.Errorf("a broken proof: %w, want 422", err)
	}
	return nil
}
