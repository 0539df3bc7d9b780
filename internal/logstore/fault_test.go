package logstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/testenv"
)

// fault fails chosen writes. It counts every write of the file system, so that one run without failures says how many
// there are to fail.
type fault struct {
	writes atomic.Int64
	fails  func(n int64, op errorfs.Op) error // called with the number of the write, from 1
}

func (f *fault) fs(mem vfs.FS) vfs.FS {
	return errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpCreate,
			errorfs.OpReuseForWrite, errorfs.OpRename, errorfs.OpRemove, errorfs.OpFileClose:
			return f.fails(f.writes.Add(1), op)
		}
		return nil
	}))
}

const faultGroups = 500 // about 1,250 leaves and 450 KiB: several flushes, compactions and logs

// faultRun appends until an error, on a file system that fails, and then looks at what is left. It returns whether
// an append failed.
func faultRun(f *fault) (failed bool, err error) {
	mem := vfs.NewCrashableMem()
	var acks []ack
	s, err := openSmall(f.fs(mem))
	if err != nil {
		failed = true
	} else {
		acks, failed, err = appendUntilHalt(s)
		closed := s.close() // must end, whatever has failed
		if err != nil {
			return failed, err
		}
		if failed && !errors.Is(closed, pebbledb.ErrHalted) {
			return failed, fmt.Errorf("Close after a halt = %w", closed)
		}
	}
	// The disk as the process left it, and as a power loss would at the same moment.
	for name, disk := range map[string]*vfs.MemFS{"as left": mem, "after power loss": mem.CrashClone(vfs.CrashCloneCfg{})} {
		again, err := openSmall(disk)
		if err != nil {
			return failed, fmt.Errorf("reopening %s: %w", name, err)
		}
		err = errors.Join(checkAcks(again, acks), fsckClean(again.db))
		if err == nil {
			_, err = again.log.Append(context.Background(), numbered(1_000_000, 3))
		}
		if err := errors.Join(err, again.close()); err != nil {
			return failed, fmt.Errorf("%s, after %d groups: %w", name, len(acks), err)
		}
	}
	return failed, nil
}

func appendUntilHalt(s *store) (acks []ack, failed bool, err error) {
	ctx := context.Background()
	for id := range faultGroups {
		g := numbered(id, 1+id%4)
		r, err := s.log.Append(ctx, g)
		if err != nil {
			if !errors.Is(err, pebbledb.ErrHalted) {
				return acks, true, fmt.Errorf("append to a failing disk = %w, want ErrHalted", err)
			}
			failed = true
			break
		}
		acks = append(acks, ack{g, r})
	}
	if !failed {
		return acks, false, nil
	}
	if !errors.Is(s.log.Halted(), pebbledb.ErrHalted) {
		return acks, true, fmt.Errorf("Halted = %w", s.log.Halted())
	}
	if _, err := s.log.Append(ctx, numbered(2_000_000, 1)); !errors.Is(err, pebbledb.ErrHalted) {
		return acks, true, fmt.Errorf("append after a halt = %w, want ErrHalted", err)
	}
	if err := checkAcks(s, acks); err != nil {
		return acks, true, fmt.Errorf("reading after a halt: %w", err)
	}
	return acks, true, nil
}

// sweep runs faultRun for k = 1, 1+step, … until no write is the k-th any more.
func sweep(t *testing.T, step int64, fails func(k int64) func(n int64, op errorfs.Op) error) {
	t.Helper()
	halts, runs := 0, 0
	for k := int64(1); ; k += step {
		f := &fault{fails: fails(k)}
		failed, err := faultRun(f)
		if err != nil {
			t.Fatalf("k = %d: %v", k, err)
		}
		runs++
		if failed {
			halts++
		}
		if k > f.writes.Load() {
			break
		}
	}
	if halts < runs/4 {
		t.Errorf("only %d of %d runs failed: the faults do not hit", halts, runs)
	}
	t.Logf("%d runs, %d halted", runs, halts)
}

func sweepStep() int64 {
	if testing.Short() {
		return 37
	}
	return 7
}

var errIO = errors.New("input/output error")

// TestEveryWriteFailedOnce fails one write only: a retry would succeed, and must not be tried.
func TestEveryWriteFailedOnce(t *testing.T) {
	testenv.SkipInRace(t)
	sweep(t, sweepStep(), func(k int64) func(int64, errorfs.Op) error {
		return func(n int64, op errorfs.Op) error {
			if n == k {
				return fmt.Errorf("%w in %v of %s", errIO, op.Kind, op.Path)
			}
			return nil
		}
	})
}

// TestPairsOfWritesFailed fails a write and another one soon after, while the first failure is being handled.
func TestPairsOfWritesFailed(t *testing.T) {
	testenv.SkipInRace(t)
	sweep(t, 3*sweepStep(), func(k int64) func(int64, errorfs.Op) error {
		return func(n int64, _ errorfs.Op) error {
			if n == k || n == k+1+k%5 {
				return errIO
			}
			return nil
		}
	})
}

// TestT44DiskFull lets every write from the k-th on fail for want of space, while files can still be synced and removed.
func TestT44DiskFull(t *testing.T) {
	testenv.SkipInRace(t)
	sweep(t, 2*sweepStep(), func(k int64) func(int64, errorfs.Op) error {
		return func(n int64, op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpCreate:
				if n >= k {
					return syscall.ENOSPC
				}
			}
			return nil
		}
	})
}

// TestEveryReadFailedOnce fails reads. A read for a reader is that reader's error; one in a commit, a flush or
// a compaction halts the log.
func TestEveryReadFailedOnce(t *testing.T) {
	testenv.SkipInRace(t)
	mem := vfs.NewCrashableMem()
	s, err := openSmall(mem)
	if err != nil {
		t.Fatal(err)
	}
	acks, _, err := appendUntilHalt(s)
	if err := errors.Join(err, s.close()); err != nil {
		t.Fatal(err)
	}
	runs := 0
	for k := int64(1); ; k += sweepStep() {
		clone := mem.CrashClone(vfs.CrashCloneCfg{})
		var reads atomic.Int64
		fsys := errorfs.Wrap(clone, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if (op.Kind == errorfs.OpFileRead || op.Kind == errorfs.OpFileReadAt) && reads.Add(1) == k {
				return errIO
			}
			return nil
		}))
		if err := readRun(fsys, acks); err != nil {
			t.Fatalf("k = %d: %v", k, err)
		}
		again, err := openSmall(clone)
		if err != nil {
			t.Fatalf("k = %d: reopening: %v", k, err)
		}
		if err := errors.Join(checkAcks(again, acks), fsckClean(again.db), again.close()); err != nil {
			t.Fatalf("k = %d: after reopening: %v", k, err)
		}
		runs++
		if k > reads.Load() {
			break
		}
	}
	t.Logf("%d runs", runs)
}

// readRun opens, appends and reads; what it gets must be right or an error.
func readRun(fsys vfs.FS, acks []ack) error {
	s, err := openSmall(fsys)
	if err != nil {
		return nil // refused, with the failed read as the reason
	}
	for id := range 20 {
		if _, err := s.log.Append(context.Background(), numbered(3_000_000+id, 2)); err != nil && !errors.Is(err, pebbledb.ErrHalted) {
			return errors.Join(err, s.close())
		}
	}
	for _, a := range acks {
		for i, l := range a.group.Leaves {
			if got, err := s.log.Entry(a.result.Index[i]); err == nil && string(got) != string(l.Entry) {
				return errors.Join(fmt.Errorf("entry %d = %.20q, want %.20q", a.result.Index[i], got, l.Entry), s.close())
			}
		}
	}
	if err := s.close(); err != nil && !errors.Is(err, pebbledb.ErrHalted) {
		return fmt.Errorf("Close = %w", err)
	}
	return nil
}
