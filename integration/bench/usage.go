package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// usage is what a process has used of the machine.
type usage struct {
	Seconds float64 // of the clock
	CPU     float64 // seconds of processor time, all threads, user and system

	// Written is write_bytes less cancelled_write_bytes of /proc/self/io: pages that this process made the file system
	// write. It is the honest one for both sides: wchar would count sockets and pipes, and would hide that a short
	// synced write costs a whole page. What it leaves out, for both, is the file system's own journal.
	Written int64
	WChar   int64

	// Flushes is how many cache flushes the disk was asked for, by the whole machine: each fdatasync is one.
	Flushes int64

	PeakRSS int64 // bytes, VmHWM
}

// usageNow reads the counters of this process and of the disk below dir.
func usageNow(dir string) (u usage, err error) {
	u.Seconds = float64(time.Now().UnixNano()) / 1e9
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return u, err
	}
	u.CPU = seconds(ru.Utime) + seconds(ru.Stime)
	counters, err := readCounters("/proc/self/io")
	if err != nil {
		return u, err
	}
	u.Written = counters["write_bytes"] - counters["cancelled_write_bytes"]
	u.WChar = counters["wchar"]
	u.Flushes, err = diskFlushes(dir)
	return u, err
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

func (u usage) since(before usage) usage {
	return usage{Seconds: u.Seconds - before.Seconds, CPU: u.CPU - before.CPU, Written: u.Written - before.Written,
		WChar: u.WChar - before.WChar, Flushes: u.Flushes - before.Flushes}
}

// readCounters reads a file of lines "name: number …".
func readCounters(name string) (map[string]int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string]int64{}
	for s := bufio.NewScanner(f); s.Scan(); {
		key, value, _ := strings.Cut(s.Text(), ":")
		if fields := strings.Fields(value); len(fields) > 0 {
			if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
				out[key] = n
			}
		}
	}
	return out, nil
}

func peakRSS() (int64, error) {
	counters, err := readCounters("/proc/self/status")
	return counters["VmHWM"] << 10, err
}

// diskFlushes reads the flush requests of the disk that holds dir; 0 where the kernel doesn't tell.
func diskFlushes(dir string) (int64, error) {
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		return 0, fmt.Errorf("looking at %s: %w", dir, err)
	}
	raw, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/stat", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	const flushField = 15 // Documentation/block/stat.rst, counted from 0
	fields := strings.Fields(string(raw))
	if len(fields) <= flushField {
		return 0, nil
	}
	return strconv.ParseInt(fields[flushField], 10, 64)
}

// diskBytes sums what the files below dir have allocated.
func diskBytes(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(name, &st); err != nil {
			return err
		}
		total += st.Blocks * 512
		return nil
	})
	return total, err
}

// forget asks the kernel to drop the files below dir from its page cache, so that a start is a cold one.
func forget(dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Sync(); err != nil { // a dirty page is not dropped
			return err
		}
		return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
	})
}
