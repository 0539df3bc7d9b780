package integration_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/testenv"
)

// lose takes folders of a node off the disk.
func (a *members) lose(i int, folders ...string) {
	a.t.Helper()
	for _, f := range folders {
		if err := os.RemoveAll(filepath.Join(a.folder(i), "node", f)); err != nil {
			a.t.Fatal(err)
		}
	}
}

// head is the checkpoint that a node shows of its log.
func (a *members) head(i int) checkpoint.Checkpoint {
	a.t.Helper()
	c, err := checkpoint.Unverified(a.await(a.demo.Nodes[i].HTTP+"/log/checkpoint", nil))
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// killMirrored kills a node when two mirrors hold all that it signed. What witnesses have seen and no mirror holds is lost with
// the disk, and the log with it: then it would have to be moved (package recovery).
func (a *members) killMirrored(i int) {
	a.t.Helper()
	a.until("all is final", func() bool {
		final, err := checkpoint.Unverified(a.await(a.demo.Nodes[i].HTTP+"/log/final", nil))
		return err == nil && final.Size == a.head(i).Size
	})
	a.kill(i)
}

// same checks that a node goes on with the history that it had: what was proven before is true, the log's copies agree, and
// new declarations become final.
func (a *members) same(i int, before checkpoint.Checkpoint, receipts ...string) {
	a.t.Helper()
	if now := a.head(i); now.Size < before.Size {
		a.t.Errorf("%s shows size %d, and size %d was signed", a.demo.Nodes[i].Name, now.Size, before.Size)
	}
	receipts = append(receipts, a.publish(i, 0, 30*time.Second))
	for _, r := range receipts {
		a.cityproof(0, "verify", "--root", a.demo.Root, r)
	}
	out := a.cityproof(0, "audit", "--root", a.demo.Root, a.demo.Nodes[i].Name)
	if !strings.Contains(out, "TRUE           "+a.demo.Nodes[i].Name) {
		a.t.Errorf("the audit of %s:\n%s", a.demo.Nodes[i].Name, out)
	}
	if out := a.cityproof(0, "evidence", "list", "--node", a.demo.Nodes[2].HTTP, "--root", a.demo.Root); strings.Contains(out, a.demo.Nodes[i].Origin) {
		a.t.Errorf("there is evidence against %s:\n%s", a.demo.Nodes[i].Name, out)
	}
}

// Incident 6, T-34, I2: a city whose disk is gone, but for its keys and configuration, is told by its committee which head it
// signed last, rebuilds its log from the mirrors, and goes on with the same history.
func TestI2LostDiskComesBackFromTheOthers(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	old := a.publish(1, 0, 30*time.Second)
	before := a.head(1)
	a.killMirrored(1)
	a.lose(1, "data", "state", "mirror")
	a.start(1)
	a.same(1, before, old)
	log, err := os.ReadFile(filepath.Join(a.dir, a.demo.Nodes[1].Name+".log"))
	if err != nil || !strings.Contains(string(log), "the log is back and signs again") || !strings.Contains(string(log), "this node witnesses nobody") {
		t.Errorf("the node's log: %v\n%s", err, log)
	}
	// Its witness does not begin anew either, not even after another start.
	a.kill(1)
	a.start(1)
	resp, err := http.Get(fmt.Sprintf("%s/witness/%x/checkpoint", a.demo.Nodes[1].HTTP, sha256.Sum256([]byte(a.demo.Nodes[2].Origin))))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("the witness whose heads are lost answers %s", resp.Status)
	}
}

// Incident 6: data from an old backup beside the newest state are filled up from the mirrors.
func TestI2OldBackupIsFilledUp(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	node := filepath.Join(a.folder(1), "node")
	backup := filepath.Join(t.TempDir(), "backup")
	if out, err := exec.Command(cityproofNode, "backup", backup, "--config", a.demo.Nodes[1].Config).CombinedOutput(); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	old := a.publish(1, 0, 30*time.Second)
	before := a.head(1)
	a.killMirrored(1)
	a.lose(1, "data")
	if out, err := exec.Command(cityproofNode, "restore", backup, "--config", filepath.Join(node, "node.yaml")).CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	a.start(1)
	a.same(1, before, old)
	// The same without the state: then the committee must say what was signed last.
	a.killMirrored(1)
	a.lose(1, "data", "state")
	if out, err := exec.Command(cityproofNode, "restore", backup, "--config", filepath.Join(node, "node.yaml")).CombinedOutput(); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	a.start(1)
	a.same(1, before, old)
}

// T-34: below the quorum of its committee a node that lost its state signs nothing, and says whom it waits for.
func TestT34NothingIsSignedBeforeTheQuorumAnswers(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	old := a.publish(1, 0, 30*time.Second)
	before := a.head(1)
	a.killMirrored(1)
	for i := range a.runs {
		a.kill(i)
	}
	a.lose(1, "data", "state", "mirror")
	a.start(0) // one of three, and the registry
	a.spawn(1)
	var why string
	for range 500 {
		if why, _ = a.ready(1); strings.Contains(why, "1 members of the log's committee have named its newest head, want 2") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !strings.Contains(why, "1 members of the log's committee have named its newest head, want 2") {
		t.Errorf("/readyz says %q", why)
	}
	if _, err := os.Stat(filepath.Join(a.folder(1), "node", "state", "lastsigned")); !os.IsNotExist(err) {
		t.Errorf("something was signed before the quorum answered: %v", err)
	}
	a.start(2)
	a.untilReady(1)
	a.same(1, before, old)
}

// Incident 6 for the registry: who follows it from copies tells the secretariat what it decided.
func TestI2LostRegistryComesBackFromTheOthers(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	old := a.publish(0, 0, 30*time.Second)
	before := a.head(0)
	a.killMirrored(0)
	a.lose(0, "data", "state", "mirror")
	a.start(0)
	a.same(0, before, old)
	if out := a.cityproof(0, "alliance", "status", "--root", a.demo.Root); strings.Contains(out, "ALARM") {
		t.Errorf("the registry: %s", out)
	}
}

// Incident 2: bytes rot in the files of a city's database. The node serves none of them and says what to do; that brings the log
// back, and its witness has kept its heads.
func TestIncident2DamagedDatabaseComesBackFromTheOthers(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	const i = 1
	a.notices(i, 300)
	old := a.publish(i, 0, 30*time.Second)
	before := a.head(i)
	a.kill(i)
	a.start(i) // what was in the write-ahead log is in tables then
	a.killMirrored(i)
	data := filepath.Join(a.folder(i), "node", "data")
	testenv.Spoil(t, filepath.Join(data, "pebble"), rotTable)
	a.spawn(i)
	a.until("the node says what to do", func() bool {
		fetched(a.demo.Nodes[i].HTTP + "/log/tile/entries/000")
		log, err := os.ReadFile(filepath.Join(a.dir, a.demo.Nodes[i].Name+".log"))
		return err == nil && strings.Contains(string(log), "is damaged") && strings.Contains(string(log), "all comes back from the mirrors")
	})
	a.kill(i)
	if err := os.Rename(data, data+".damaged"); err != nil {
		t.Fatal(err)
	}
	a.start(i)
	a.same(i, before, old)
	a.await(client.WitnessURL(a.demo.Nodes[i].HTTP, a.demo.Nodes[2].Origin)+"/checkpoint", nil)
}
