package mirror_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
	"github.com/cityproof/cityproof/internal/witness"
)

// withholder shows a log, all but one kind of path, and heads up to a size.
type withholder struct {
	*source
	drop string // "tiles", "entries", "bodies", "attachments", or nothing
	head []byte // instead of the newest; nil: that
	from uint64 // entries and tiles from this index on
}

var errDropped = errors.New("the server answers 404")

func (s *withholder) Checkpoint(ctx context.Context) ([]byte, error) {
	if s.head != nil {
		return s.head, nil
	}
	return s.source.Checkpoint(ctx)
}

func (s *withholder) Tile(ctx context.Context, level int, index uint64, width int) ([]proof.Hash, error) {
	if s.drop == "tiles" {
		return nil, errDropped
	}
	return s.source.Tile(ctx, level, index, width)
}

func (s *withholder) Bundle(ctx context.Context, index uint64, width int) ([][]byte, error) {
	if s.drop == "entries" && index*256+uint64(width) > s.from {
		return nil, errDropped
	}
	return s.source.Bundle(ctx, index, width)
}

func (s *withholder) File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	if s.drop == "bodies" {
		return nil, errDropped
	}
	return s.source.File(ctx, sum)
}

func (s *withholder) Files(ctx context.Context, index uint64, width int) ([][]byte, error) {
	if s.drop == "bodies" {
		return nil, errDropped
	}
	return s.source.Files(ctx, index, width)
}

func (s *withholder) Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	if s.drop == "attachments" {
		return nil, errDropped
	}
	return s.source.Attachment(ctx, sum)
}

// witnessed is a witness beside the mirror, of the same node.
type witnessed struct{ *world }

func (l witnessed) Log(origin string) (witness.Log, bool) {
	log, ok := l.Mirrored(origin)
	return log.Log, ok
}

// cosignedByWitness shows the log's newest head to the witness of the mirror's node.
func (w *world) cosignedByWitness() error {
	w.t.Helper()
	wit := w.witness()
	note, _ := w.log.Checkpoint(w.t.Context())
	r := witness.Request{Note: note}
	h, ok, err := w.heads.Head(sha256.Sum256([]byte(w.city.Origin)))
	if err != nil {
		w.t.Fatal(err)
	}
	if ok {
		r.Old = h.Size
		size, _ := w.log.Head()
		if r.Proof, err = tile.ConsistencyProof(w.t.Context(), w.log, h.Size, size); err != nil {
			w.t.Fatal(err)
		}
	}
	_, err = wit.AddCheckpoint(w.t.Context(), r.Format())
	return err
}

func (w *world) witness() *witness.Witness {
	w.t.Helper()
	wit, err := witness.New(witness.Options{Logs: witnessed{w}, Store: w.heads, Signer: w.own.Witness(w.t), Now: func() time.Time { return w.now }})
	if err != nil {
		w.t.Fatal(err)
	}
	return wit
}

// T-17: a log that does not hand out what its heads cover is challenged at once, and after an hour without an answer not
// cosigned any more; when the data come it goes on by itself. It is no evidence.
func TestT17WithheldDataStopCosigning(t *testing.T) {
	testenv.SkipInRace(t)
	// More than a chunk is proven by tiles.
	for drop, size := range map[string]uint64{"tiles": 4200, "entries": 300, "bodies": 300, "attachments": 300} {
		t.Run(drop, func(t *testing.T) {
			w := newWorld(t)
			w.log.Declare(10, "officer-1")
			src := &withholder{source: &source{Log: w.log}}
			w.sources = []mirror.Source{src}
			w.mustFollow()
			if err := w.cosignedByWitness(); err != nil || len(w.mirror.Challenges()) != 0 {
				t.Fatalf("before anything is withheld: %v, %+v", err, w.mirror.Challenges())
			}
			src.drop = drop
			w.attached("dep/1", 1, []byte("a report"))
			w.log.Declare(int(size), "officer-1")
			begun := w.now
			if err := w.follow(); err == nil {
				t.Fatal("what was withheld was followed")
			}
			for _, after := range []time.Duration{0, 30 * time.Minute, 59 * time.Minute} {
				w.now = begun.Add(after)
				_ = w.follow()
				if err := w.cosignedByWitness(); err != nil {
					t.Fatalf("after %v the witness says %v", after, err)
				}
			}
			c := w.mirror.Challenges()
			if len(c) != 1 || c[0].Size != 11+size || !c[0].Since.Equal(begun) || c[0].Stopped || c[0].Missing == "" || w.mirror.State().Challenges != 1 {
				t.Fatalf("challenges %+v, want one since %v", c, begun)
			}
			w.close()
			w.open() // a restart is no answer
			w.now = begun.Add(time.Hour)
			w.log.Declare(1, "officer-1") // nor are newer heads
			_ = w.follow()
			var refused *witness.RefusedError
			if err := w.cosignedByWitness(); !errors.As(err, &refused) || refused.Status != http.StatusForbidden || !bytes.Contains([]byte(err.Error()), []byte("no answer since")) {
				t.Fatalf("after an hour the witness says %v", err)
			}
			if c := w.mirror.Challenges(); len(c) != 1 || !c[0].Stopped || !c[0].Since.Equal(begun) {
				t.Fatalf("after an hour: %+v", c)
			}
			if len(w.accused) != 0 {
				t.Error("it was taken for evidence")
			}
			src.drop = ""
			w.mustFollow()
			if err := w.cosignedByWitness(); err != nil || len(w.mirror.Challenges()) != 0 {
				t.Errorf("answered: %v, %+v", err, w.mirror.Challenges())
			}
		})
	}
}

// T-17: who answers a part is given another hour, but not for what is new.
func TestT17PartOfAnAnswerCounts(t *testing.T) {
	w := newWorld(t)
	one, two := w.log.Declare(1, "officer-1"), w.log.Declare(1, "officer-1")
	files := map[[sha256.Size]byte][]byte{one: w.log.Files[one], two: w.log.Files[two]}
	delete(w.log.Files, one)
	delete(w.log.Files, two)
	begun := w.now
	step := func(after time.Duration, since time.Duration) {
		t.Helper()
		w.now = begun.Add(after)
		w.log.Declare(1, "officer-1") // each head has something new
		_ = w.follow()
		if c := w.mirror.Challenges(); len(c) != 1 || !c[0].Since.Equal(begun.Add(since)) {
			t.Fatalf("after %v: %+v, want one since %v", after, c, since)
		}
	}
	step(0, 0)
	step(40*time.Minute, 0)
	w.log.Files[one] = files[one]
	step(50*time.Minute, 50*time.Minute)
	step(100*time.Minute, 50*time.Minute)
	if w.mirror.Withheld(w.city.Origin) != "" {
		t.Error("it is stopped 50 minutes after an answer")
	}
	step(111*time.Minute, 50*time.Minute)
	if w.mirror.Withheld(w.city.Origin) == "" {
		t.Error("it is not stopped an hour after the last answer")
	}
	w.log.Files[two] = files[two]
	w.mustFollow()
}

// T-17: a log that shows its mirrors only old heads, and its witnesses new ones, withholds as well.
func TestT17HeadThatOnlyTheWitnessWasShown(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(10, "officer-1")
	src := &withholder{source: &source{Log: w.log}}
	w.sources = []mirror.Source{src}
	w.mustFollow()
	src.head, _ = w.log.Checkpoint(t.Context())
	src.drop, src.from = "entries", 10
	w.log.Declare(10, "officer-1")
	if err := w.cosignedByWitness(); err != nil {
		t.Fatal(err)
	}
	if err := w.follow(); err == nil || len(w.mirror.Challenges()) != 1 {
		t.Fatalf("Follow = %v, challenges %+v", err, w.mirror.Challenges())
	}
	src.drop = ""
	if err := w.follow(); err != nil || len(w.mirror.Challenges()) != 0 {
		t.Errorf("answered: %v, %+v", err, w.mirror.Challenges())
	}
}

// What says nothing of the log opens no challenge: this node's own limits, a caller who went away.
func TestT17OwnTroubleIsNoChallenge(t *testing.T) {
	w := newWorld(t)
	w.log.Declare(10, "officer-1")
	src := &withholder{source: &source{Log: w.log}, drop: "entries"}
	w.sources = []mirror.Source{src}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.mirror.Follow(ended, w.city.Origin); err == nil || len(w.mirror.Challenges()) != 0 {
		t.Errorf("a call that ended: %v, challenges %+v", err, w.mirror.Challenges())
	}
	w.limits = mirror.Limits{DiskBytes: 1}
	w.close()
	w.open()
	if err := w.follow(); err == nil || len(w.mirror.Challenges()) != 0 {
		t.Errorf("Follow = %v, challenges %+v", err, w.mirror.Challenges())
	}
}
