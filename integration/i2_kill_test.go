package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/testenv"
)

// killAt attaches strace to a running node. The node is killed when it enters one of the system calls with the path:
// before the call is done.
func (n *process) killAt(calls, path string) { n.straced(calls, path, "signal=KILL") }

// straced attaches strace to a running node and injects something into its system calls with the path.
func (n *process) straced(calls, path, inject string) {
	n.t.Helper()
	cmd := exec.Command("strace", "-f", "-p", fmt.Sprint(n.cmd.Process.Pid), "-o", os.DevNull,
		"-P", path, "-e", "trace="+calls, "-e", "inject="+calls+":"+inject)
	stderr, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended with the node
		_ = cmd.Wait()
	})
	said := bufio.NewScanner(stderr)
	for said.Scan() {
		if strings.Contains(said.Text(), " attached") {
			go func() {
				for said.Scan() { // so that it never waits for a reader
				}
			}()
			return
		}
		if strings.Contains(said.Text(), "Operation not permitted") {
			testenv.Require(n.t, "strace", false, "the permission to trace processes")
		}
	}
	n.t.Fatal("strace does not attach")
}

// TestI2KilledBetweenCommitSignAndPublish kills the real process before each system call of a swap. Whatever was
// signed, shown or not, is of one history, and the log goes on.
func TestI2KilledBetweenCommitSignAndPublish(t *testing.T) {
	_, err := exec.LookPath("strace")
	testenv.Require(t, "strace", err == nil, "the program strace")
	p := newPlace(t)
	w := p.witness()
	state := filepath.Join(p.nodeDir, "state")
	size, next := int64(0), uint32(1)
	for _, at := range []struct {
		before, calls, path string
		left                bool // lastsigned.new
		swapped             bool // lastsigned is the new one
	}{
		{"anything is written", "openat", "lastsigned.new", false, false},
		{"the file is synced", "fsync", filepath.Join(state, "lastsigned.new"), true, false},
		{"the rename", "renameat,renameat2", "lastsigned.new", true, false},
		{"the directory is synced", "fsync", state, false, true},
		{"anything is shown", "close", state, false, true},
	} {
		n := p.start(true)
		before, err := os.ReadFile(filepath.Join(state, "lastsigned"))
		if err != nil {
			t.Fatal(err)
		}
		w.lookAt(p, n, "before the kill before "+at.before)
		o := p.dial(n)
		o.next = next
		n.killAt(at.calls, at.path)
		sub := o.notices(1)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := o.client.Publish(ctx, sub)
			ended <- err
		}()
		select {
		case <-n.done:
		case <-time.After(patience):
			t.Fatalf("before %s: the node was not killed", at.before)
		}
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("before %s: the declaration was answered", at.before)
		}
		w.lookInto(p, "after the kill before "+at.before)
		if _, err := os.Stat(filepath.Join(state, "lastsigned.new")); (err == nil) != at.left {
			t.Errorf("before %s: lastsigned.new is there: %v, want %v", at.before, err == nil, at.left)
		}
		after, err := os.ReadFile(filepath.Join(state, "lastsigned"))
		if err != nil || slices.Equal(before, after) == at.swapped {
			t.Errorf("before %s: lastsigned is another: %v (%v), want %v", at.before, !slices.Equal(before, after), err, at.swapped)
		}
		n = p.start(true)
		if got := w.lookAt(p, n, "restarted after the kill before "+at.before); got != size+1 {
			t.Errorf("before %s: size %d after the restart, want %d: what was committed is signed", at.before, got, size+1)
		}
		o = p.dial(n)
		out, err := o.client.Publish(t.Context(), sub)
		if err != nil || !out.Placed[0].Repeat {
			t.Errorf("before %s: sent again: %v, want a repeat", at.before, err)
		}
		w.oneHistory(n)
		n.kill()
		size, next = size+1, next+1
	}
	if len(w.seen) < 6 {
		t.Errorf("checkpoints of %d sizes were seen, want 6", len(w.seen))
	}
}
