package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/pprof"
	"syscall"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/node"
)

// maxNodeMemory bounds the node, in bytes.
const maxNodeMemory = 512 << 20

// phaseServe runs a whole node, made before in j.Dir, until the parent closes our input. It first prints its addresses.
//
// The whole process may have 512 MiB of memory (ulimit -d), also when it is offered ten times what it can queue.
func phaseServe(ctx context.Context, j job) (r result, err error) {
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: maxNodeMemory, Max: maxNodeMemory}); err != nil {
		return r, fmt.Errorf("bounding the node's memory: %w", err)
	}
	cfg, err := config.Load(filepath.Join(j.Dir, "node.yaml"))
	if err != nil {
		return r, err
	}
	// Quotas are for the officers of one city over days; here all of a day comes in seconds.
	cfg.Limits.StatementsPerHour, cfg.Limits.BytesPerDay = 1<<30, 1<<40
	stopProfile, err := startProfile(j.Profile)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, stopProfile()) }()
	before, err := usageNow(j.Dir)
	if err != nil {
		return r, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err = node.Run(ctx, cfg, node.Options{
		Version: "bench", Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Level: &slog.LevelVar{},
		Ready: func(a node.Addresses) error {
			go func() {
				untilStdinEnds()
				stop()
			}()
			return json.NewEncoder(os.Stdout).Encode(a)
		},
	})
	if err != nil {
		return r, err
	}
	after, err := usageNow(j.Dir)
	if err != nil {
		return r, err
	}
	r.Usage = after.since(before)
	r.Seconds = r.Usage.Seconds
	r.Disk, err = diskBytes(filepath.Join(j.Dir, "data"))
	return r, err
}

// startProfile writes a CPU profile to a file until stop; without a name it does nothing.
func startProfile(name string) (stop func() error, err error) {
	if name == "" {
		return func() error { return nil }, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		return f.Close()
	}, nil
}

// served is a running node.
type served struct {
	*process
	node.Addresses
	trust string
}

// serve makes a new node in dir, which may not exist, and starts it.
func serve(ctx context.Context, dir, profile string, o *office) (*served, error) {
	opts := node.InitOptions{City: benchCity, URL: benchURL, Dir: dir, HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0"}
	for _, key := range o.keys {
		opts.Publishers = append(opts.Publishers, ed25519.PublicKey(key.Public()))
	}
	made, err := node.Init(opts)
	if err != nil {
		return nil, err
	}
	p, err := startChild(ctx, job{Phase: "serve", Subject: subjectNode, Dir: dir, Profile: profile})
	if err != nil {
		return nil, err
	}
	s := &served{process: p, trust: made.Trust}
	d := json.NewDecoder(p.stdout)
	if err := d.Decode(&s.Addresses); err != nil {
		_, why := p.finish()
		return nil, errors.Join(err, why)
	}
	p.stdout = io.MultiReader(d.Buffered(), p.stdout)
	return s, nil
}
