package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// limits are what the machine can do, measured in the same run as the subjects.
type limits struct {
	Syncs     float64 // 1 KiB appended and fdatasync, a second
	SyncP50   float64 // µs
	Flushes   float64 // flushes of the disk a second while that was measured; 0 if the kernel doesn't tell
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

func (l *limits) disk(name string, window time.Duration) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer os.Remove(name)
	defer f.Close()
	flushes, err := diskFlushes(filepath.Dir(name))
	if err != nil {
		return err
	}
	var took latencies
	block := make([]byte, 1024)
	start := time.Now()
	for time.Since(start) < window {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return err
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return err
		}
		took.add(time.Since(began))
	}
	spent := time.Since(start).Seconds()
	l.Syncs, l.SyncP50 = float64(len(took))/spent, took.quantile(0.5)
	after, err := diskFlushes(filepath.Dir(name))
	if err != nil {
		return err
	}
	l.Flushes = float64(after-flushes) / spent

	const size = 128 << 20
	large := make([]byte, 1<<20)
	start = time.Now()
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
