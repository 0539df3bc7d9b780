package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/draft"
)

type backedUp struct {
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
	Copied int64  `json:"bytes_copied"`
	Kept   int64  `json:"bytes_kept"`
}

func (p *place) backup(dir string) (b backedUp) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.must(0, cityproofNode, "backup", dir, "--config", p.config, "--json")), &b); err != nil {
		p.t.Fatal(err)
	}
	return b
}

// restoreAgain loses the data of a stopped node and puts a backup in their place.
func (p *place) restoreAgain(dir string) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.nodeDir, "data")); err != nil {
		p.t.Fatal(err)
	}
	p.must(0, cityproofNode, "restore", dir, "--config", p.config)
}

// noCheckpoint waits until the running node has removed what it made for a backup.
func (p *place) noCheckpoint() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(p.nodeDir, "data.checkpoint")); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-ctx.Done():
			p.t.Fatal("the checkpoint is still there")
		case <-tick.C:
		}
	}
}

// TestBackupOfARunningNode makes backups while officers publish. What was receipted before a backup began is in it.
func TestBackupOfARunningNode(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	o := p.dial(n)
	if _, err := o.client.Publish(t.Context(), o.notices(300)); err != nil {
		t.Fatal(err)
	}
	n.stop()
	n = p.start(true) // what is in the log of the database goes to tables
	o.client = p.client(n)
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := o.client.Publish(context.Background(), o.notices(1)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	dir := filepath.Join(p.dir, "backup")
	first := p.backup(dir)
	if first.Size < 300 || first.Kept != 0 || first.Copied == 0 {
		t.Errorf("first backup: %+v", first)
	}
	tables, err := filepath.Glob(filepath.Join(dir, "data", "pebble", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal("no tables in the backup", err)
	}
	before, err := os.Stat(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	second := p.backup(dir)
	if second.Size < first.Size || second.Kept == 0 {
		t.Errorf("second backup: %+v after %+v", second, first)
	}
	if after, err := os.Stat(tables[0]); err != nil || !os.SameFile(before, after) {
		t.Errorf("a table was copied again: %v", err)
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	p.noCheckpoint()
	third := p.backup(dir)
	_, size := p.head(n)
	if third.Size != size {
		t.Errorf("backup of an idle node has size %d, want %d", third.Size, size)
	}
	n.stop()
	if again := p.backup(dir); again.Size != third.Size || again.Root != third.Root {
		t.Errorf("backup of the stopped node: %+v, want %+v", again, third)
	}
	p.restoreAgain(dir)
	p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
	n = p.start(true)
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
}

// head returns the root and size that a node has published.
func (p *place) head(n *process) (root string, size uint64) {
	p.t.Helper()
	s := &stranger{p.t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(p.vkey())
	if err != nil {
		p.t.Fatal(err)
	}
	return tree.Hash.String(), uint64(tree.N)
}

func TestBackupGoesIntoNoOtherFolder(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	n := p.start(true)
	p.publishSensors(n)
	m := other.start(true)
	other.publishSensors(m)
	mine, theirs := filepath.Join(p.dir, "backup"), filepath.Join(other.dir, "backup")
	first := p.backup(mine)
	other.backup(theirs)
	p.refused([]string{"another log", "choose another folder"}, "backup", theirs, "--config", p.config)
	other.must(0, cityproofNode, "backup", theirs, "--config", other.config)
	p.refused([]string{"no part of a backup"}, "backup", p.dir, "--config", p.config)

	// A log that went back must not take the place of a newer backup.
	n.stop()
	old := filepath.Join(p.dir, "old")
	p.backup(old)
	n = p.start(true)
	p.publish(n, p.write("later.yaml", notice("A report after the old backup.")))
	p.backup(mine)
	n.stop()
	p.restoreAgain(old)
	p.refused([]string{"it may be what you need to restore"}, "backup", mine, "--config", p.config)
	p.restoreAgain(mine)
	p.start(true)
	if again := p.backup(mine); again.Size != first.Size+1 {
		t.Errorf("%+v after %+v and one more", again, first)
	}
}

// TestKilledBackupsLeaveAWholeOne kills the command at random points, and once the node under it.
func TestKilledBackupsLeaveAWholeOne(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	o := p.dial(n)
	publish := func(k int) []draft.Submission {
		t.Helper()
		subs := o.notices(k)
		if _, err := o.client.Publish(t.Context(), subs); err != nil {
			t.Fatal(err)
		}
		return subs
	}
	publish(100)
	dir := filepath.Join(p.dir, "backup")
	last := p.backup(dir)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	killed := 0
	for range 12 {
		publish(1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(5+rnd.IntN(60))*time.Millisecond)
		out, err := exec.CommandContext(ctx, cityproofNode, "backup", dir, "--config", p.config).CombinedOutput()
		cancel()
		if ctx.Err() == nil && err != nil {
			t.Fatalf("backup: %v\n%s", err, out)
		}
		if err != nil {
			killed++
		}
		p.noCheckpoint()
	}
	if killed == 0 {
		t.Error("no backup was killed: the test tests nothing")
	}
	restored := filepath.Join(p.dir, "restored")
	for _, name := range []string{"data", "data.old"} { // as restore chooses
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			if err := os.CopyFS(restored, os.DirFS(filepath.Join(dir, name))); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	n.kill()
	p.rename(filepath.Join(p.nodeDir, "data"), filepath.Join(p.nodeDir, "data.lost"))
	p.rename(restored, filepath.Join(p.nodeDir, "data"))
	out, _ := p.run(cityproofNode, "fsck", "--deep", "--config", p.config, "--json")
	var found struct {
		Size    uint64
		Damages []string
	}
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&found); err != nil || found.Size < last.Size {
		t.Errorf("after the kills the backup has %d entries (%v), want at least %d", found.Size, err, last.Size)
	}
	for _, d := range found.Damages {
		if !strings.Contains(d, "an old copy of the data was put back") { // which is true
			t.Errorf("after the kills the backup is damaged: %s", d)
		}
	}
	if err := os.RemoveAll(filepath.Join(p.nodeDir, "data")); err != nil {
		t.Fatal(err)
	}
	p.rename(filepath.Join(p.nodeDir, "data.lost"), filepath.Join(p.nodeDir, "data"))
	p.start(true)
	if b := p.backup(dir); b.Size != 112 {
		t.Errorf("the last backup has %d entries, want 112", b.Size)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "data.*")); len(left) > 0 {
		t.Errorf("left over: %s", strings.Join(left, " "))
	}
}
