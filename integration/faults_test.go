package integration_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/testenv"
)

// batch publishes new declarations as one batch; it returns what was answered, or what to send again.
func (o *officer) batch(count int) (answered []placed, left []draft.Submission, err error) {
	o.t.Helper()
	subs := o.notices(count)
	// The client tries again for a while: a node that has halted refuses each time, and nothing waits for the end of this.
	ctx, cancel := context.WithTimeout(o.t.Context(), time.Second)
	defer cancel()
	out, err := o.client.Publish(ctx, subs)
	if err != nil {
		return nil, subs, err
	}
	for i, pl := range out.Placed {
		answered = append(answered, placed{pl.Index, subs[i].Envelope})
	}
	return answered, nil, nil
}

// readsOnly checks that a node which can't write any more serves its readers and says so.
func (p *place) readsOnly(n *process, what string) {
	p.t.Helper()
	s := &stranger{p.t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(p.vkey())
	if err == nil {
		_, err = s.entries(tree)
	}
	if err != nil {
		p.t.Errorf("%s: reading: %v", what, err)
	}
	resp, err := http.Get(n.http + "/readyz") //nolint:noctx // a test's own node
	if err != nil {
		p.t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
		p.t.Errorf("%s: /readyz says %s", what, resp.Status)
	}
}

// TestI1FailingSystemCalls lets calls on the log's own files fail in the real process, from the first one on. Nothing that
// may not be durable is answered, readers are served on, and after a restart without the failures the log is whole.
func TestI1FailingSystemCalls(t *testing.T) {
	_, err := exec.LookPath("strace")
	testenv.Require(t, "strace", err == nil, "the program strace")
	p := newPlace(t)
	w := p.witness()
	state, entries := filepath.Join(p.nodeDir, "state"), filepath.Join(p.nodeDir, "data", "entries", "000000000.bundles")
	wal := func() string {
		logs, err := filepath.Glob(filepath.Join(p.nodeDir, "data", "pebble", "*.log"))
		if err != nil || len(logs) == 0 {
			t.Fatal("no write-ahead log", err)
		}
		newest := logs[0]
		for _, l := range logs {
			if a, b := mtime(t, l), mtime(t, newest); a > b || a == b && l > newest {
				newest = l
			}
		}
		return newest
	}
	var receipted []placed
	count := 0
	for _, tc := range []struct {
		what, calls, fault string
		path               func() string
		size               int // of the batch: from about 32 KiB on the entries are synced themselves
	}{
		{"the entries' file can't be written", "pwrite64", "ENOSPC", func() string { return entries }, 1},
		{"the entries' file can't be synced", "fdatasync", "EIO", func() string { return entries }, 200},
		{"the write-ahead log can't be written", "write", "ENOSPC", wal, 3},
		{"the write-ahead log can't be synced", "fdatasync", "EIO", wal, 3},
		{"lastsigned.new can't be made", "openat", "ENOSPC", func() string { return "lastsigned.new" }, 2},
		{"lastsigned.new can't be synced", "fsync", "EIO", func() string { return filepath.Join(state, "lastsigned.new") }, 2},
		{"lastsigned.new can't be renamed", "renameat,renameat2", "EIO", func() string { return "lastsigned.new" }, 2},
		{"the state directory can't be synced", "fsync", "EIO", func() string { return state }, 2},
	} {
		n := p.start(true)
		o := p.dial(n)
		o.next = uint32(count) + 1
		got, _, err := o.batch(5)
		if err != nil {
			t.Fatalf("before %s: %v", tc.what, err)
		}
		receipted, count = append(receipted, got...), count+5
		n.straced(tc.calls, tc.path(), "error="+tc.fault)
		_, left, err := o.batch(tc.size)
		if err == nil {
			t.Errorf("%s: the declarations were answered", tc.what)
			continue
		}
		count += tc.size
		p.readsOnly(n, tc.what)
		w.lookAt(p, n, tc.what)
		if _, _, err := o.batch(1); err == nil {
			t.Errorf("%s: the next declaration was answered", tc.what)
		}
		n.kill()
		n = p.start(true)
		receipted = append(receipted, p.sendAgain(n, left)...)
		p.holds(n, receipted, count)
		w.oneHistory(n)
		n.stop()
		p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
	}
}

func mtime(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().UnixNano()
}

// TestT44FullDisk fills a small disk of its own. With more room and a restart the log goes on.
func TestT44FullDisk(t *testing.T) {
	p := newPlace(t)
	data := filepath.Join(p.nodeDir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", data, "tmpfs", 0, "size=6m")
	testenv.Require(t, "mount", err == nil, "the permission to mount a small disk")
	t.Cleanup(func() {
		if err := syscall.Unmount(data, 0); err != nil {
			t.Error(err)
		}
	})
	n := p.start(true)
	o := p.dial(n)
	w := p.witness()
	var receipted []placed
	var left []draft.Submission
	const each = 200
	count := 0
	for left == nil {
		if count > 100*each {
			t.Fatal("6 MiB are not full")
		}
		var got []placed
		got, left, err = o.batch(each)
		receipted, count = append(receipted, got...), count+each
	}
	p.readsOnly(n, "a full disk")
	if !strings.Contains(err.Error(), "storage has failed") || !strings.Contains(err.Error(), "disk") || strings.Contains(err.Error(), data) {
		t.Errorf("publishing on a full disk says %q", err)
	}
	w.lookAt(p, n, "a full disk")
	n.kill()
	if err := syscall.Mount("tmpfs", data, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	n = p.start(true)
	receipted = append(receipted, p.sendAgain(n, left)...)
	p.holds(n, receipted, count)
	w.oneHistory(n)
	n.stop()
	p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
}
