package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/pebbledb"
)

// The control socket of a member lies in its state directory, where only the node's user comes. It takes what the
// operator's commands ask of a running node: so far, a checkpoint of the database to copy.

// maxSocketPath is what sun_path takes without its final zero byte.
const maxSocketPath = 107

func controlSocket(m config.Member) string { return filepath.Join(m.State, "control.sock") }

// checkpointDir is where a checkpoint lies while it is copied: on the same disk, so that its tables are links.
func checkpointDir(m config.Member) string { return filepath.Clean(m.Data) + ".checkpoint" }

// openControl opens the control socket. A node whose socket's path is too long runs without, and says so.
func (n *node) openControl(m *member) (*private, error) {
	path := controlSocket(m.cfg)
	if len(path) > maxSocketPath {
		n.opts.Logger.Warn("no control socket: stop the node for backups, or give its state a shorter path", slog.String("path", path))
		return nil, nil
	}
	l, err := listenPrivate("unix:" + path)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /checkpoint", (&checkpoints{member: m, logger: n.opts.Logger}).serve)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return &private{l, func(l net.Listener) error { return serveHTTP(s, l) }, func() { _ = s.Close() }}, nil
}

// checkpoints makes one checkpoint at a time.
type checkpoints struct {
	member *member
	logger *slog.Logger
	mu     sync.Mutex
}

// checkpointed is the answer: where the checkpoint is.
type checkpointed struct {
	Dir string `json:"dir"`
}

// serve makes a checkpoint, says where it is, and removes it when the caller goes away, whatever became of it.
func (c *checkpoints) serve(w http.ResponseWriter, r *http.Request) {
	if !c.mu.TryLock() {
		http.Error(w, "another backup of this log is running", http.StatusConflict)
		return
	}
	defer c.mu.Unlock()
	dir, remove, err := makeCheckpoint(c.member.cfg, c.member.db)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() {
		if err := remove(); err != nil {
			c.logger.Error("removing a checkpoint: what is erased stays on the disk until it is gone", slog.Any("err", err))
		}
	}()
	if err := json.NewEncoder(w).Encode(checkpointed{dir}); err != nil {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		return
	}
	<-r.Context().Done()
}

// makeCheckpoint makes a checkpoint of db. Until remove is called no erasure takes anything off the disk.
func makeCheckpoint(m config.Member, db *pebbledb.DB) (dir string, remove func() error, err error) {
	dir = checkpointDir(m)
	release := db.HoldPurges()
	remove = func() error {
		defer release()
		return os.RemoveAll(dir)
	}
	if err = os.RemoveAll(dir); err == nil { // of a process that was killed
		if err = os.Mkdir(dir, 0o700); err == nil {
			err = db.Checkpoint(filepath.Join(dir, "data"))
		}
	}
	if err != nil {
		return "", nil, errors.Join(fmt.Errorf("making a checkpoint to copy: %w", err), remove())
	}
	return dir, remove, nil
}

// borrowCheckpoint asks the running node for a checkpoint. running is false if there is no such node; then the database
// is free to be opened. The caller must call done when it has copied what it wants.
func borrowCheckpoint(ctx context.Context, m config.Member) (dir string, done func(), running bool, err error) {
	path := controlSocket(m)
	if len(path) > maxSocketPath {
		return "", nil, false, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil { // nobody listens: no node, or a socket that a killed one left behind
		return "", nil, false, ctx.Err()
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/checkpoint", nil)
	if err != nil {
		return "", nil, true, errors.Join(err, conn.Close())
	}
	resp, err := client.Do(req) //nolint:bodyclose // done closes the connection: the body lasts as long as the checkpoint
	if err != nil {
		return "", nil, true, fmt.Errorf("asking the running node for a checkpoint: %w", errors.Join(err, conn.Close()))
	}
	var answer checkpointed
	if resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the running node refused: %s", firstLine(resp))
	} else if derr := json.NewDecoder(resp.Body).Decode(&answer); derr != nil {
		err = fmt.Errorf("asking the running node for a checkpoint: %w", derr)
	}
	if err != nil {
		return "", nil, true, errors.Join(err, conn.Close())
	}
	return answer.Dir, func() { _ = conn.Close() }, true, nil
}

func firstLine(resp *http.Response) string {
	var buf [512]byte
	n, _ := resp.Body.Read(buf[:])
	line, _, _ := strings.Cut(string(buf[:n]), "\n")
	return line
}
