package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// head says when, where and with what the figures were measured.
func (r *report) head(b *strings.Builder) {
	o := r.opts
	fmt.Fprintf(b, "# Benchmark results\n\n")
	fmt.Fprintf(b, "%s, in %v: %d round%s (medians), windows of %v, large log of %s leaves of %d bytes. How to read it: README.md.\n\n",
		r.began.UTC().Format("2 January 2006 15:04 UTC"), r.took.Round(time.Second), o.rounds, plural(o.rounds), o.window,
		grouped(float64(o.leaves)), leafSize)
	fmt.Fprintf(b, "- Machine: %s\n", machineName(o.dir))
	fmt.Fprintf(b, "- %s, %s\n", runtime.Version(), strings.Join(versions(), ", "))
	if r.body > 0 {
		fmt.Fprintf(b, "- Declarations: bodies of %s bytes, %s with statement and signature; %d publishers' keys\n",
			grouped(float64(r.body)), grouped(float64(r.entry)), publishers)
	}
	b.WriteString("\n")
}

func machineName(dir string) string {
	parts := []string{fmt.Sprintf("%d × %s", runtime.NumCPU(), field("/proc/cpuinfo", "model name"))}
	if memory, err := readCounters("/proc/meminfo"); err == nil {
		parts = append(parts, fmt.Sprintf("%d GiB of memory", (memory["MemTotal"]+1<<19)>>20))
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		parts = append(parts, "Linux "+unix.ByteSliceToString(name.Release[:]))
	}
	parts = append(parts, fileSystem(dir))
	return strings.Join(parts, ", ")
}

// field returns the first value of a key in a file of lines "key: value".
func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// fileSystem names the type of file system that the data was on.
func fileSystem(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(strings.TrimRight(dir[:strings.LastIndex(dir, "/")+1], "/")+"/", &st); err != nil {
		return "unknown file system"
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs: the figures about writing mean nothing here"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs"
	}
	return fmt.Sprintf("file system %#x", st.Type)
}

// versions lists what was compared.
func versions() (out []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	wanted := []string{"github.com/transparency-dev/tessera", "github.com/dgraph-io/badger/v4",
		"github.com/cockroachdb/pebble/v2", "github.com/google/trillian", "google.golang.org/grpc"}
	for _, m := range info.Deps {
		if slices.Contains(wanted, m.Path) {
			out = append(out, m.Path+" "+m.Version)
		}
	}
	return out
}

// notes explain the table's letters and settings.
func (r *report) notes(b *strings.Builder) {
	b.WriteString("Each answer is durable and integrated; of tessera-published and node also under a published, signed checkpoint.\n")
	b.WriteString("A letter and a number beside a rate: the limit of the machine that it comes closest to, and what part of it was used.\n")
	fmt.Fprintf(b, "Batches: %d callers with %d leaves each; of the node %d callers with %d declarations.\n", batchCallers, batchLeaves, nodeCallers, nodePerCall)
	var tuned []string
	for _, s := range r.opts.subjects {
		for _, w := range writerCounts {
			if t, ok := r.tunings[cell{s, measureAppend(w)}]; ok {
				tuned = append(tuned, fmt.Sprintf("%s with %d writer%s %v", s, w, plural(w), t))
			}
		}
		if t, ok := r.tunings[cell{s, measureBatch}]; ok {
			tuned = append(tuned, fmt.Sprintf("%s batched %v", s, t))
		}
	}
	if len(tuned) > 0 {
		fmt.Fprintf(b, "Tessera's batches (entries/age), the fastest that were tried in this run: %s.\n", strings.Join(tuned, "; "))
	}
	b.WriteString("\n")
}
