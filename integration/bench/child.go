package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// childCommand is the first argument of a child, followed by its job as JSON.
const childCommand = "child"

// job is one measurement, done by one child process.
type job struct {
	Phase   string
	Subject string
	Dir     string
	Tuning  tuning
	Writers int
	Leaves  int
	Window  time.Duration

	// Of the node's children.
	HTTP, GRPC string
	Signed     string // file of declarations
	Trust      string
	Batch      int    // declarations a batch; 0: single calls
	Profile    string // file for a CPU profile of the node; empty: none
	Limit      int    // how many of the declarations to use; 0: all
}

// tuning are the settings of a subject that depend on the load.
type tuning struct {
	BatchSize int           `json:",omitempty"` // Tessera: entries a batch
	BatchAge  time.Duration `json:",omitempty"` // Tessera: age at which a batch is flushed though not full
}

// result is what one child found. Times are in microseconds.
type result struct {
	Ops     int
	Seconds float64
	P50     float64
	P99     float64
	Max     float64
	Refused int
	Errors  int

	Disk  int64 // bytes allocated below the subject's folder
	Usage usage // of the measured part, but for PeakRSS, which is of the whole process
	// Compacted is the usage with a full compaction, where the subject has such a thing.
	Compacted usage
}

func (r result) rate() float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(r.Ops) / r.Seconds
}

// runChild does the job in the arguments and prints its result.
func runChild(ctx context.Context) error {
	var j job
	if len(os.Args) != 3 {
		return errors.New("a child needs one job")
	}
	if err := json.Unmarshal([]byte(os.Args[2]), &j); err != nil {
		return err
	}
	phase, ok := phases[j.Phase]
	if !ok {
		return fmt.Errorf("no phase %q", j.Phase)
	}
	r, err := phase(ctx, j)
	if err != nil {
		return err
	}
	if r.Usage.PeakRSS, err = peakRSS(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// phases are the jobs that a child can do.
var phases = map[string]func(context.Context, job) (result, error){
	"append":   phaseAppend,
	"batch":    phaseBatch,
	"build":    phaseBuild,
	"start":    phaseStart,
	"proofs":   phaseProofs,
	"burst":    phaseBurst,
	"serve":    phaseServe,
	"load":     phaseLoad,
	"overload": phaseOverload,
	"read":     phaseRead,
}

// process is a running child.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.Reader
	stderr *bytes.Buffer
	what   string
}

func startChild(ctx context.Context, j job) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.CommandContext(ctx, self, childCommand, string(raw)), stderr: &bytes.Buffer{}, what: j.Phase + " " + j.Subject}
	p.cmd.Stderr = p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	return p, p.cmd.Start()
}

// finish tells a child that waits for the end of its input to stop, and reads its result.
func (p *process) finish() (r result, err error) {
	_ = p.stdin.Close() // it may have ended already
	out, err := io.ReadAll(p.stdout)
	if err = errors.Join(err, p.cmd.Wait()); err != nil {
		return r, fmt.Errorf("%s: %w\n%s", p.what, err, tail(p.stderr.String()))
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("%s: its answer: %w", p.what, err)
	}
	return r, nil
}

// kill ends a child, unless it has ended.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func tail(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// do runs one job to its end.
func do(ctx context.Context, j job) (result, error) {
	p, err := startChild(ctx, j)
	if err != nil {
		return result{}, err
	}
	return p.finish()
}

// untilStdinEnds waits for the parent to close our input, or to die.
func untilStdinEnds() { _, _ = io.Copy(io.Discard, os.Stdin) }
