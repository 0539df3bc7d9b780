package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The programs, built once.
var cityproof, cityproofNode string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cityproof-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "../cmd/cityproof", "../cmd/cityproof-node")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the programs: %v\n%s", err, out)
		return 1
	}
	cityproof, cityproofNode = filepath.Join(dir, "cityproof"), filepath.Join(dir, "cityproof-node")
	return m.Run()
}

// The invented city.
const (
	city   = "nl-kanaalstad"
	origin = "kanaalstad.example/log"
)

// place is a city's machine: the node's folder and its officer's.
type place struct {
	t               *testing.T
	dir             string // of the officer
	nodeDir, config string
	trust, key      string
	officer         string // public key, base64
}

// newPlace makes an officer's key and a node where it may publish.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, dir: dir, nodeDir: filepath.Join(dir, "node"), key: filepath.Join(dir, "officer.key")}
	p.config, p.trust = filepath.Join(p.nodeDir, "node.yaml"), filepath.Join(p.nodeDir, "trust.json")
	p.must(0, cityproof, "keygen", p.key, "--plain")
	p.officer = strings.TrimSpace(p.must(0, cityproof, "keygen", p.key, "--public"))
	p.must(0, cityproofNode, "init", "--city", city, "--url", "https://kanaalstad.example", "--dir", p.nodeDir,
		"--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--publisher", p.officer)
	p.write("cityproof.yaml", "city: nl-kanaalstad\nlanguage: en\ncountry: NL\n"+
		"accountable: Kanaalstad, digital city team\ncontact: digital@kanaalstad.example\nstored: city_cloud NL, Kanaalstad\n")
	return p
}

// write puts a file into the officer's folder.
func (p *place) write(name, content string) string {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// must runs a program and wants its exit code. It returns what was printed.
func (p *place) must(want int, program string, args ...string) string {
	p.t.Helper()
	out, got := p.run(program, args...)
	if got != want {
		p.t.Fatalf("%s %q: exit code %d, want %d\n%s", filepath.Base(program), args, got, want, out)
	}
	return out
}

// run runs a program. It returns what was printed and the exit code.
func (p *place) run(program string, args ...string) (string, int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "HOME="+p.dir, "XDG_CONFIG_HOME="+filepath.Join(p.dir, "settings"))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatalf("running %s %q: %v", filepath.Base(program), args, err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// refused runs the node with arguments that must fail, and wants each of the words in what it says.
func (p *place) refused(words []string, args ...string) {
	p.t.Helper()
	out := p.must(1, cityproofNode, args...)
	for _, w := range words {
		if !strings.Contains(out, w) {
			p.t.Errorf("cityproof-node %q says %q, want %q in it", args, out, w)
		}
	}
	if strings.Contains(out, "goroutine ") {
		p.t.Errorf("cityproof-node %q crashed:\n%s", args, out)
	}
}

// publish publishes files as the officer, at n.
func (p *place) publish(n *process, files ...string) string {
	p.t.Helper()
	return p.must(0, cityproof, append([]string{"publish", "--node", n.http, "--trust", p.trust, "--key", p.key, "--yes"}, files...)...)
}

// process is a running node.
type process struct {
	t          *testing.T
	cmd        *exec.Cmd
	log        bytes.Buffer // standard error; read after done
	done       chan struct{}
	http, grpc string
}

// patience bounds every wait, so that a failure is no hang. Nothing here is expected to take long.
const patience = time.Minute

// start runs the node and waits until it answers; ready says whether /readyz must be content too.
func (p *place) start(ready bool) *process {
	p.t.Helper()
	addresses := filepath.Join(p.nodeDir, "addresses.json")
	if err := os.RemoveAll(addresses); err != nil {
		p.t.Fatal(err)
	}
	n := &process{t: p.t, done: make(chan struct{})}
	n.cmd = exec.Command(cityproofNode, "run", "--config", p.config, "--addresses", addresses)
	n.cmd.Stderr = &n.log
	if err := n.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	go func() {
		_ = n.cmd.Wait() // its state says how it ended
		close(n.done)
	}()
	p.t.Cleanup(n.kill)
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	n.await(addresses, path)
	return n
}

// await asks until the node has written its addresses and answers at path.
func (n *process) await(addresses, path string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-n.done:
			n.t.Fatalf("the node ended before it answered: %v\n%s", n.cmd.ProcessState, &n.log)
		case <-ctx.Done():
			n.t.Fatalf("the node does not answer at %s%s", n.http, path)
		case <-tick.C:
		}
		if n.http == "" {
			var a struct{ HTTP, GRPC string }
			b, err := os.ReadFile(addresses)
			if err != nil || json.Unmarshal(b, &a) != nil {
				continue // not there, or half written
			}
			n.http, n.grpc = "http://"+a.HTTP, a.GRPC
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.http+path, nil)
		if err != nil {
			n.t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// stop ends the node in an orderly way, which must be a success.
func (n *process) stop() {
	n.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.t.Fatal(err)
	}
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Fatal("the node does not stop")
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 0 {
		n.t.Fatalf("the node stopped with exit code %d\n%s", code, &n.log)
	}
}

// kill ends the node as a power cut does.
func (n *process) kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.done
}
