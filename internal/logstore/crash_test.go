package logstore_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/testenv"
)

// smallMemTable makes Pebble flush, compact and change its log within a few hundred leaves.
const smallMemTable = 64 << 10

func openSmall(fsys vfs.FS) (*store, error) {
	db, err := pebbledb.Open("data", pebbledb.Options{FS: fsys, MemTableSize: smallMemTable})
	if err != nil {
		return nil, err
	}
	l, err := logstore.Open(db, logstore.Options{PureIdentity: true})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &store{db, l}, nil
}

// numbered makes group id: its leaves say how many they are, and it stages a body.
func numbered(id, leaves int) logstore.Group {
	var g logstore.Group
	rnd := rand.NewChaCha8(sha256.Sum256(strconv.AppendInt(nil, int64(id), 10)))
	padding := make([]byte, 400)
	rnd.Read(padding)
	for i := range leaves {
		entry := fmt.Appendf(nil, "%d %d %d %x", id, i, leaves, padding[:100+(id*7+i)%300])
		g.Leaves = append(g.Leaves, logstore.Leaf{Entry: entry, Identity: sha256.Sum256(entry)})
	}
	g.Stage = func(w pebble.Writer, _ []uint64, fresh []bool) error {
		if !fresh[0] {
			return nil
		}
		_, err := bodystore.StageBody(w, bodyOf(id))
		return err
	}
	return g
}

func bodyOf(id int) []byte { return fmt.Appendf(nil, "body of %d", id) }

// ack is what Append answered.
type ack struct {
	group  logstore.Group
	result logstore.Result
}

// checkAcks looks for every acknowledged leaf, and for groups that are there in part.
func checkAcks(s *store, acks []ack) error {
	ctx := context.Background()
	size, _ := s.log.Head()
	for _, a := range acks {
		for i, l := range a.group.Leaves {
			at := a.result.Index[i]
			if got, err := s.log.Entry(at); err != nil || string(got) != string(l.Entry) {
				return fmt.Errorf("acknowledged leaf %d is %.20q, %w, want %.20q", at, got, err, l.Entry)
			}
			if found, ok, err := s.log.IndexByIdentity(l.Identity); err != nil || !ok || found != at {
				return fmt.Errorf("acknowledged leaf %d is found by its identity at %d, %v, %w", at, found, ok, err)
			}
		}
		if root, err := s.log.Root(ctx, a.result.Size); err != nil || root != a.result.Root {
			return fmt.Errorf("the root of size %d was acknowledged as %v, now %v, %w", a.result.Size, a.result.Root, root, err)
		}
	}
	seen := make(map[int]int)
	for i := range size {
		entry, err := s.log.Entry(i)
		if err != nil {
			return err
		}
		var id, at, of int
		if _, err := fmt.Sscan(string(entry), &id, &at, &of); err != nil {
			return err
		}
		if at != seen[id] {
			return fmt.Errorf("group %d: leaf %d comes after %d others", id, at, seen[id])
		}
		seen[id]++
		if at == of-1 {
			delete(seen, id)
			if _, err := bodystore.New(s.db).Body(sha256.Sum256(bodyOf(id))); err != nil {
				return fmt.Errorf("body of group %d: %w", id, err)
			}
		}
	}
	if len(seen) != 0 {
		return fmt.Errorf("groups there in part: %v", seen)
	}
	return nil
}

func fsckClean(db *pebbledb.DB) error {
	var all error
	_, err := logstore.Fsck(context.Background(), db, logstore.FsckOptions{
		Identity: identity,
		Report:   func(d logstore.Damage) { all = errors.Join(all, errors.New(d.String())) },
	}, nil)
	return errors.Join(all, err)
}

// TestI1AcknowledgedSurvivesPowerLoss cuts the power at random points of concurrent appends, several times in the life of
// one log. CITYPROOF_SEED repeats a run; CITYPROOF_CRASHES makes more of them.
func TestI1AcknowledgedSurvivesPowerLoss(t *testing.T) {
	testenv.SkipInRace(t)
	seed, runs := uint64(time.Now().UnixNano()), 25
	if testing.Short() {
		runs = 5
	}
	if s := os.Getenv("CITYPROOF_SEED"); s != "" {
		seed, runs = mustUint(t, s), 1
	}
	if s := os.Getenv("CITYPROOF_CRASHES"); s != "" {
		runs = int(mustUint(t, s))
	}
	for run := range uint64(runs) {
		if err := crashRun(seed + run); err != nil {
			t.Fatalf("CITYPROOF_SEED=%d: %v", seed+run, err)
		}
	}
	t.Logf("%d runs from seed %d", runs, seed)
}

func mustUint(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func crashRun(seed uint64) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	mem := vfs.NewCrashableMem()
	var acks []ack
	nextID := 0
	for life := range 3 {
		s, err := openSmall(mem)
		if err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
		if err := errors.Join(checkAcks(s, acks), fsckClean(s.db)); err != nil {
			return errors.Join(fmt.Errorf("life %d: %w", life, err), s.close())
		}
		mem, acks, err = liveAndCrash(s, mem, rnd, acks, &nextID)
		if err := errors.Join(err, s.close()); err != nil {
			return fmt.Errorf("life %d: %w", life, err)
		}
	}
	s, err := openSmall(mem)
	if err != nil {
		return err
	}
	return errors.Join(checkAcks(s, acks), fsckClean(s.db), s.close())
}

// liveAndCrash appends from several goroutines and copies the disk as a power loss in between would leave it. It returns
// that disk and what was acknowledged before.
func liveAndCrash(s *store, mem *vfs.MemFS, rnd *rand.Rand, before []ack, nextID *int) (*vfs.MemFS, []ack, error) {
	const writers, each = 6, 60
	crashAt := rnd.IntN(writers * each)
	if rnd.IntN(10) == 0 {
		crashAt = 0
	}
	cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 20, 50, 100}[rnd.IntN(4)], RNG: rand.New(rand.NewPCG(rnd.Uint64(), 2))}
	var mu sync.Mutex // guards acks, failed
	acks := before
	var failed error
	reached := make(chan struct{})
	var wg sync.WaitGroup
	for w := range writers {
		own := rand.New(rand.NewPCG(rnd.Uint64(), 3))
		first := *nextID + w*each
		wg.Go(func() {
			for i := range each {
				id := first + i
				if own.IntN(5) == 0 && id > 0 {
					id = own.IntN(id) // a repeat, or one that another writer is about to write
				}
				g := numbered(id, 1+id%4)
				r, err := s.log.Append(context.Background(), g)
				mu.Lock()
				if err != nil {
					failed = errors.Join(failed, err)
				} else {
					acks = append(acks, ack{g, r})
				}
				if len(acks)-len(before) == crashAt+1 || failed != nil {
					select {
					case <-reached:
					default:
						close(reached)
					}
				}
				mu.Unlock()
			}
		})
	}
	<-reached
	mu.Lock()
	kept := acks[:len(acks):len(acks)]
	mu.Unlock()
	crashed := mem.CrashClone(cfg)
	wg.Wait()
	*nextID += writers * each
	return crashed, kept, failed
}
