package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// process is a node that runs as a process of its own.
type process struct {
	cmd  *exec.Cmd
	log  *bytes.Buffer // what it wrote to standard error; read after done
	done chan struct{}
	err  error // of the process; read after done
}

// startTimeout is how long a node may take to be ready.
const startTimeout = 30 * time.Second

// startAll runs all nodes and waits until they are ready. After an error none runs.
func (d *demo) startAll(ctx context.Context) error {
	for _, m := range d.members {
		if err := d.start(m); err != nil {
			return errors.Join(err, d.stopAll())
		}
	}
	for i, m := range d.members {
		at := "/readyz"
		if !d.fresh && i == len(d.members)-1 {
			at = "/healthz" // it lives, and signs no more: in the last run somebody signed with its keys
		}
		if err := m.waitFor(ctx, at); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.id, err), d.stopAll())
		}
	}
	return nil
}

// start runs a member's node.
func (d *demo) start(m *member) error {
	program := d.opts.Node
	if len(program) == 0 {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		program = []string{self}
	}
	args := append(program[1:len(program):len(program)], "run", "--config", m.config())
	p := &process{cmd: exec.Command(program[0], args...), log: &bytes.Buffer{}, done: make(chan struct{})} //nolint:gosec // our own program
	p.cmd.Stderr = p.log
	// Ctrl-C goes to the demo, which stops the node in its own time.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting the node of %s: %w", m.id, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	m.process = p
	return nil
}

// waitFor waits until a node says yes at one of its health paths.
func (m *member) waitFor(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-m.process.done:
			return fmt.Errorf("the node ended before it was ready: %w\n%s", m.process.err, m.process.log)
		case <-ctx.Done():
			return fmt.Errorf("the node is not ready after %v", startTimeout)
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.url()+path, nil)
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

// stopAll ends the nodes in an orderly way, the secretariat's last.
func (d *demo) stopAll() error {
	var errs []error
	for _, m := range slices.Backward(d.members) {
		if m.process != nil {
			_ = m.process.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		}
	}
	for _, m := range d.members {
		p := m.process
		if p == nil {
			continue
		}
		m.process = nil
		select {
		case <-p.done:
		case <-time.After(startTimeout):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
		if p.err != nil {
			errs = append(errs, fmt.Errorf("the node of %s: %w\n%s", m.id, p.err, p.log))
		}
	}
	return errors.Join(errs...)
}

// ended waits until ctx ends, or says which node ended by itself.
func (d *demo) ended(ctx context.Context) error {
	gone := make(chan string, len(d.members))
	for _, m := range d.members {
		go func(p *process) {
			select {
			case <-p.done:
				gone <- m.id
			case <-ctx.Done():
			}
		}(m.process)
	}
	select {
	case <-ctx.Done():
		return nil
	case id := <-gone:
		return fmt.Errorf("the node of %s ended by itself", id)
	}
}
