package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// limits are what the machine can do, measured in the same run as the subjects.
type limits struct {
	SyncsOne  float64 // 1 KiB appended to one file and fdatasync, a second
	SyncP50   float64 // µs, of that
	Syncs     float64 // the same with several files at once, all together
	Flushes   float64 // flushes of the disk a second, the most while that was measured; 0 if the kernel doesn't tell
	Bandwidth float64 // bytes a second, written in order and synced
	SHA256    float64 // hashes of 1 KiB a second, all cores
	SHA256One float64 // the same on one core
	Verify    float64 // Ed25519 verifications a second, all cores
	VerifyOne float64
}

func measureLimits(dir string, window time.Duration) (l limits, err error) {
	if err := l.disk(filepath.Join(dir, "limit"), window); err != nil {
		return l, err
	}
	block := make([]byte, 1024)
	hash := func() { sha256.Sum256(block) }
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return l, err
	}
	signature := ed25519.Sign(private, block)
	verify := func() {
		if !ed25519.Verify(public, block, signature) {
			panic("a good signature was refused")
		}
	}
	cores := runtime.GOMAXPROCS(0)
	l.SHA256One, l.SHA256 = rateOf(1, window/4, hash), rateOf(cores, window/4, hash)
	l.VerifyOne, l.Verify = rateOf(1, window/4, verify), rateOf(cores, window/4, verify)
	return l, nil
}

// syncFiles is how many files are synced at once: a log may well sync more than one.
const syncFiles = 4

func (l *limits) disk(name string, window time.Duration) error {
	one, flushesOne, err := syncLoops(name, 1, window)
	if err != nil {
		return err
	}
	all, flushes, err := syncLoops(name, syncFiles, window/2)
	if err != nil {
		return err
	}
	l.SyncsOne, l.SyncP50 = float64(len(one))/window.Seconds(), one.quantile(0.5)
	l.Syncs, l.Flushes = float64(len(all))/(window/2).Seconds(), max(flushes, flushesOne)

	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer f.Close()
	const size = 128 << 20
	large := make([]byte, 1<<20)
	start := time.Now()
	for range size / len(large) {
		if _, err := f.Write(large); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	l.Bandwidth = size / time.Since(start).Seconds()
	return nil
}

// syncLoops appends 1 KiB and syncs, again and again, with so many files at once. It also returns the disk's flushes a
// second meanwhile.
func syncLoops(name string, files int, window time.Duration) (took latencies, flushes float64, err error) {
	before, err := diskFlushes(filepath.Dir(name))
	if err != nil {
		return nil, 0, err
	}
	all, errs := make([]latencies, files), make([]error, files)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range files {
		wg.Go(func() { all[i], errs[i] = syncLoop(fmt.Sprintf("%s-%d", name, i), start, window) })
	}
	wg.Wait()
	spent := time.Since(start).Seconds()
	after, err := diskFlushes(filepath.Dir(name))
	return slices.Concat(all...), float64(after-before) / spent, errors.Join(append(errs, err)...)
}

func syncLoop(name string, start time.Time, window time.Duration) (took latencies, err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	defer os.Remove(name)
	defer f.Close()
	block := make([]byte, 1024)
	for time.Since(start) < window {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return nil, err
		}
		took.add(time.Since(began))
	}
	return took, nil
}

// rateOf calls f on so many cores for a while and returns the calls a second.
func rateOf(cores int, window time.Duration, f func()) float64 {
	const step = 64
	counts := make([]int, cores)
	start := time.Now()
	var wg sync.WaitGroup
	for c := range counts {
		wg.Go(func() {
			n := 0
			for time.Since(start) < window {
				for range step {
					f()
				}
				n += step
			}
			counts[c] = n
		})
	}
	wg.Wait()
	spent := time.Since(start).Seconds()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / spent
}
