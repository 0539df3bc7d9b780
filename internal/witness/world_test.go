package witness_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/witness"
)

// world is a witness with the logs it knows.
type world struct {
	t     testing.TB
	w     *witness.Witness
	store *peerstore.Store
	state string
	opts  peerstore.Options
	logs  logs
	now   time.Time
	own   *checkpoint.Signer
	next  *checkpoint.Signer // cosigns beside it; nil: none
	ready error
}

type logs map[string]witness.Log

func (l logs) Log(origin string) (witness.Log, bool) { log, ok := l[origin]; return log, ok }

var start = time.Unix(1795500000, 0)

func newWorld(t testing.TB, opts peerstore.Options) *world {
	t.Helper()
	w := &world{t: t, state: t.TempDir(), opts: opts, logs: logs{}, now: start}
	w.own = w.signer()
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if w.store != nil {
			_ = w.store.Close() // some tests break the disk below it
		}
	})
	return w
}

func (w *world) signer() *checkpoint.Signer { return w.key("the witness") }

func (w *world) key(name string) *checkpoint.Signer {
	s, err := checkpoint.NewSigner("witness.example/witness", checkpoint.TypeEd25519Cosignature, alliancetest.Key(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) open() (err error) {
	if w.store, err = peerstore.Open(w.state, vkeys(w.own, w.next), w.opts); err != nil {
		return err
	}
	w.w, err = witness.New(witness.Options{
		Logs: w.logs, Store: w.store, Signer: w.own, Next: w.next, Now: func() time.Time { return w.now }, Ready: func() error { return w.ready },
		Rate: 1e9, Burst: 1 << 30,
	})
	return err
}

func vkeys(signers ...*checkpoint.Signer) (keys []string) {
	for _, s := range signers {
		if s != nil {
			keys = append(keys, checkpoint.FormatVKey(s.Key()))
		}
	}
	return keys
}

// log makes the witness know a log, by its Ed25519 key.
func (w *world) log(origin string) *checkpoint.Signer {
	s, err := checkpoint.NewSigner(origin, checkpoint.TypeEd25519, alliancetest.Key("log "+origin))
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := checkpoint.NewVerifier(s.Key())
	if err != nil {
		w.t.Fatal(err)
	}
	w.logs[origin] = witness.Log{Keys: []*checkpoint.Verifier{v}}
	return s
}

// signed is a note of a log.
func signed(t testing.TB, s *checkpoint.Signer, size uint64, root proof.Hash) []byte {
	t.Helper()
	b, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: s.Key().Name, Size: size, Root: root}, start, s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ask asks for a cosignature of a head of a history.
func (w *world) ask(s *checkpoint.Signer, h *alliancetest.Tree, old, size uint64) ([]byte, error) {
	r := witness.Request{Old: old, Note: signed(w.t, s, size, h.Root(size))}
	if old <= size {
		r.Proof = h.Consistency(old, size)
	}
	return w.w.AddCheckpoint(context.Background(), r.Format())
}

// status is what tlog-witness answers.
func status(err error) int {
	var refused *witness.RefusedError
	switch {
	case err == nil:
		return 200
	case errors.As(err, &refused):
		return refused.Status
	}
	return 500
}

// at is the size that was cosigned last.
func (w *world) at(origin string) uint64 {
	if _, ok, err := w.w.Checkpoint(sha256.Sum256([]byte(origin))); err != nil || !ok {
		return 0
	}
	c, _ := w.served(origin)
	return c.Size
}

// served is the head that monitors are served.
func (w *world) served(origin string) (checkpoint.Checkpoint, uint64) {
	w.t.Helper()
	note, ok, err := w.w.Checkpoint(sha256.Sum256([]byte(origin)))
	if err != nil || !ok {
		w.t.Fatalf("Checkpoint = %v, %v", ok, err)
	}
	return w.verified(origin, note)
}

// verified checks a note by the log's keys and the witness's, and returns the time of the cosignature.
func (w *world) verified(origin string, note []byte) (checkpoint.Checkpoint, uint64) {
	w.t.Helper()
	key, err := checkpoint.NewVerifier(w.signer().Key())
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := checkpoint.Verify(note, w.logs[origin].Keys, []*checkpoint.Verifier{key})
	if err != nil || len(v.Cosignatures) != 1 {
		w.t.Fatalf("the note\n%s does not verify: %v", note, err)
	}
	return v.Checkpoint, v.Cosignatures[0].Timestamp
}
