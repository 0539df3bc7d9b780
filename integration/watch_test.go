package integration_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/watch"
)

// watcher is a running cityproof watch.
type watcher struct {
	t   *testing.T
	cmd *exec.Cmd
	err bytes.Buffer // standard error; read after the end

	mu     sync.Mutex // guards events
	events []watch.Event
	ended  chan struct{} // closed at the end of the output
}

func (a *members) watch(t *testing.T, args ...string) *watcher {
	t.Helper()
	w := &watcher{t: t, ended: make(chan struct{})}
	w.cmd = exec.Command(cityproof, append([]string{"watch", "--root", a.demo.Root, "--json", "--every", "200ms"}, args...)...)
	w.cmd.Stderr = &w.err
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.cmd.Process.Kill() })
	go func() {
		defer close(w.ended)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e watch.Event
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				t.Errorf("watch prints %q: %v", lines.Bytes(), err)
				return
			}
			w.mu.Lock()
			w.events = append(w.events, e)
			w.mu.Unlock()
		}
	}()
	return w
}

// want waits for an event of a kind about a city whose text has some words.
func (w *watcher) want(city string, kind watch.Kind, words string) watch.Event {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		w.mu.Lock()
		for _, e := range w.events {
			if e.City == city && e.Kind == kind && strings.Contains(e.Text, words) {
				w.mu.Unlock()
				return e
			}
		}
		all := w.events
		w.mu.Unlock()
		if time.Now().After(deadline) {
			w.t.Fatalf("watch does not tell of %s, %s, %q, but\n%+v", city, kind, words, all)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// count is how many events of a kind there were about a city.
func (w *watcher) count(city string, kind watch.Kind) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.events {
		if e.City == city && e.Kind == kind {
			n++
		}
	}
	return n
}

// interrupt presses Ctrl-C and wants a clean end.
func (w *watcher) interrupt() {
	w.t.Helper()
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Fatal(err)
	}
	select {
	case <-w.ended:
	case <-time.After(patience):
		w.t.Fatal("watch does not end")
	}
	if err := w.cmd.Wait(); err != nil {
		w.t.Errorf("watch ends with %v\n%s", err, w.err.String())
	}
}

// amend changes what the demo's city published, for how long a video is kept.
func (a *members) amend(kept string) {
	a.t.Helper()
	file := filepath.Join(a.dir, "declarations", "watched-"+strings.ReplaceAll(kept, " ", "-")+".yaml")
	text := "amend: sluisplein-beeld\neffective: 2027-02-01\nreason:\n  nl: Het duurt langer.\n  en: It takes longer.\nset:\n  keeps[vervaagd beeld]: " + kept + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	out := a.cityproof(0, "publish", file, "--node", a.demo.Nodes[1].HTTP, "--trust", filepath.Join(a.folder(1), "node", "trust.json"),
		"--key", filepath.Join(a.folder(1), "officer-1.key"), "--yes")
	if !strings.Contains(out, "WEAKENS") && kept == "60 days" {
		a.t.Errorf("the officer is not told that this weakens:\n%s", out)
	}
}

// T-14, T-16, T-23: with real nodes, whoever watches is told of what is declared and weakened, of silence, and of a lie.
func TestWatchTellsOfDeclarationsWeakeningsAndLies(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	w := a.watch(t, "--amber", "8s", "--red", "10m")
	w.want("", watch.State, "4 members")
	for _, n := range a.demo.Nodes {
		w.want(n.Name, watch.State, n.Origin)
	}
	w.want("ca-riviere", watch.Evidence, "there is proof (E1)") // the demo's own

	a.publish(2, 0, 30*time.Second)
	if e := w.want("jp-minato", watch.Declared, "com/1"); e.Index == nil || e.Subject != "com/1" {
		t.Errorf("a declaration: %+v", e)
	}
	w.want("jp-minato", watch.Head, "proven to continue")
	w.want("jp-minato", watch.Final, "com/1")

	a.amend("60 days")
	if e := w.want("nl-kanaalstad", watch.Weakened, "P14D → P60D"); len(e.Changes) != 1 {
		t.Errorf("what was weakened: %+v", e)
	}
	a.amend("5 days")
	w.want("nl-kanaalstad", watch.Changed, "P60D → P5D")

	a.kill(2)
	w.want("jp-minato", watch.Away, "does not answer")
	w.want("jp-minato", watch.Lag, "silent (amber)")
	a.start(2)
	w.want("jp-minato", watch.Back, "answers again")
	w.want("jp-minato", watch.Lag, "lives again")
	if n := w.count("jp-minato", watch.Away); n != 1 {
		t.Errorf("it was told %d times that the city is away", n)
	}

	a.fork(2, 1, "the log minato.example/log signed two")
	w.want("jp-minato", watch.Evidence, "minato.example/log signed two different histories")
	w.interrupt()

	if out := a.cityproof(1, "watch", "--root", a.demo.Root, "--once"); !strings.Contains(out, "EVIDENCE") || strings.Count(out, " STATE ") != 5 {
		t.Errorf("watch --once:\n%s", out)
	}
	a.cityproof(2, "watch", "--root", a.demo.Root, "nl-nowhere")
	for i := range a.runs {
		a.kill(i)
	}
	if out := a.cityproof(3, "watch", "--root", a.demo.Root, "--once"); !strings.Contains(out, "can't be read anywhere") {
		t.Errorf("watch --once with nobody there:\n%s", out)
	}
}

// Ctrl-C ends watching also while nobody answers.
func TestWatchEndsCleanlyWhileAllAreAway(t *testing.T) {
	a := newAlliance(t)
	w := a.watch(t)
	w.want("", watch.Away, "can't be read anywhere")
	w.interrupt()
	if w.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("exit code %d", w.cmd.ProcessState.ExitCode())
	}
}
