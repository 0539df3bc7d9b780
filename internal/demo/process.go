package demo

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
	"syscall"
	"time"

	"github.com/cityproof/cityproof/internal/node"
)

// process is a node that runs as a process of its own.
type process struct {
	cmd        *exec.Cmd
	log        *bytes.Buffer // what it wrote to standard error; read after done
	done       chan struct{}
	err        error // of the process; read after done
	http, grpc string
}

// startTimeout is how long a node may take to be ready.
const startTimeout = 30 * time.Second

// start runs the node and waits until it is ready.
func (d *demo) start(ctx context.Context) error {
	program := d.opts.Node
	if len(program) == 0 {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		program = []string{self}
	}
	dir := filepath.Join(d.opts.Dir, "node")
	addresses := filepath.Join(dir, "addresses.json")
	if err := os.RemoveAll(addresses); err != nil {
		return err
	}
	args := append(program[1:len(program):len(program)], "run", "--config", filepath.Join(dir, "node.yaml"), "--addresses", addresses)
	p := &process{cmd: exec.Command(program[0], args...), log: &bytes.Buffer{}, done: make(chan struct{})} //nolint:gosec // our own program
	p.cmd.Stderr = p.log
	// Ctrl-C goes to the demo, which stops the node in its own time.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting the node: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	d.process = p
	if err := p.waitReady(ctx, addresses); err != nil {
		return errors.Join(err, d.stop())
	}
	d.tell("The node runs as process %d: HTTP %s, gRPC %s.", p.cmd.Process.Pid, p.http, p.grpc)
	return d.describe()
}

func (p *process) waitReady(ctx context.Context, addresses string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return fmt.Errorf("the node ended before it was ready: %w\n%s", p.err, p.log)
		case <-ctx.Done():
			return fmt.Errorf("the node is not ready after %v", startTimeout)
		case <-tick.C:
		}
		if p.http == "" {
			b, err := os.ReadFile(addresses)
			if err != nil {
				continue
			}
			var a node.Addresses
			if err := json.Unmarshal(b, &a); err != nil {
				continue // half written
			}
			p.http, p.grpc = "http://"+a.HTTP, a.GRPC
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.http+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
}

// stop ends the node in an orderly way.
func (d *demo) stop() error {
	p := d.process
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	select {
	case <-p.done:
	case <-time.After(startTimeout):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	if p.err != nil {
		return fmt.Errorf("the node: %w\n%s", p.err, p.log)
	}
	return nil
}
