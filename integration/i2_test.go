package integration_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// witness remembers every checkpoint of a log that was ever signed, wherever it was seen, and knows nothing but Go's
// own packages of checksum databases.
type witness struct {
	p    *place
	seen map[int64]map[tlog.Hash]string // by size: where each root was seen first
}

func (p *place) witness() *witness { return &witness{p, map[int64]map[tlog.Hash]string{}} }

// look keeps a note that was found somewhere. What was cut short is no signed note.
func (w *witness) look(raw []byte, where string) {
	w.p.t.Helper()
	key, err := note.NewVerifier(w.p.vkey())
	if err != nil {
		w.p.t.Fatal(err)
	}
	n, err := note.Open(raw, note.VerifierList(key))
	if err != nil {
		return
	}
	var size int64
	var name, root string
	if _, err = fmt.Sscanf(n.Text, "%s\n%d\n%s\n", &name, &size, &root); err != nil {
		w.p.t.Fatalf("%s: %v", where, err)
	}
	hash, err := tlog.ParseHash(root)
	if err != nil {
		w.p.t.Fatalf("%s: %v", where, err)
	}
	if w.seen[size] == nil {
		w.seen[size] = map[tlog.Hash]string{}
	}
	if w.seen[size][hash] == "" {
		w.seen[size][hash] = where
	}
}

// lookAt asks a running node, and reads what lies in its state directory: signed is signed, even if nobody was shown
// it. It returns the size that the node shows.
func (w *witness) lookAt(p *place, n *process, where string) int64 {
	w.p.t.Helper()
	w.lookInto(p, where)
	s := &stranger{w.p.t.Context(), n.http + "/log"}
	raw, err := s.get("checkpoint")
	if err != nil {
		w.p.t.Fatal(err)
	}
	w.look(raw, where)
	tree, err := s.checkpoint(w.p.vkey())
	if err != nil {
		w.p.t.Fatal(err)
	}
	return tree.N
}

func (w *witness) lookInto(p *place, where string) {
	w.p.t.Helper()
	for _, name := range []string{"lastsigned", "lastsigned.new"} {
		raw, err := os.ReadFile(filepath.Join(p.nodeDir, "state", name))
		if err == nil {
			w.look(raw, where+", "+name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			w.p.t.Fatal(err)
		}
	}
}

// oneHistory checks that no size has two roots, and that all sizes are of the log that a node serves now.
func (w *witness) oneHistory(n *process) {
	w.p.t.Helper()
	s := &stranger{w.p.t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(w.p.vkey())
	if err != nil {
		w.p.t.Fatal(err)
	}
	hashes := tlog.TileHashReader(tree, s)
	for size, roots := range w.seen {
		if len(roots) != 1 {
			w.p.t.Errorf("size %d has several roots: %v", size, roots)
		}
		for root, where := range roots {
			if size == 0 {
				continue
			}
			path, err := tlog.ProveTree(tree.N, size, hashes)
			if err == nil {
				err = tlog.CheckTree(path, tree.N, tree.Hash, size, root)
			}
			if err != nil {
				w.p.t.Errorf("size %d, seen in %s, is not of the log of size %d: %v", size, where, tree.N, err)
			}
		}
	}
}

// more publishes one declaration, as number next.
func (p *place) more(n *process, next uint32) {
	p.t.Helper()
	o := p.dial(n)
	o.next = next
	if _, err := o.client.Publish(p.t.Context(), o.notices(1)); err != nil {
		p.t.Fatal(err)
	}
}

// readOnly checks that a node says that it takes no declarations, and words. (That it then takes none is tested where
// no client tries again: package ledger.)
func (p *place) readOnly(n *process, words string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, n.http+"/readyz", nil)
	if err != nil {
		p.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(b), words) {
		p.t.Errorf("/readyz says %s %q, %v, want %q in it", resp.Status, b, err, words)
	}
}

// copied is a copy of the whole node, made as an operator makes one.
func (p *place) copied(name string) *place {
	p.t.Helper()
	c := *p
	c.nodeDir = filepath.Join(p.dir, name)
	c.config, c.trust = filepath.Join(c.nodeDir, "node.yaml"), filepath.Join(c.nodeDir, "trust.json")
	p.must(0, "cp", "-a", p.nodeDir, c.nodeDir)
	return &c
}

func TestI2TwoNodesOnOneState(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	p.more(n, 1)
	n.stop()
	// The same state, but data of its own: only the state's lock stands between.
	c := p.copied("second")
	c.configure("    url: https://kanaalstad.example\n", "    url: https://kanaalstad.example\n    state: "+filepath.Join(p.nodeDir, "state")+"\n")
	w := p.witness()
	n = p.start(true)
	p.refused([]string{"is this node running already?"}, "run", "--config", p.config)
	p.refused([]string{"is this node running already?"}, "run", "--config", c.config)
	p.refused([]string{"stop the node first"}, "adopt", "--config", p.config, "--yes-the-other-copy-is-destroyed")
	p.more(n, 2)
	w.lookAt(p, n, "the first")
	n.kill()
	// One after the other: the second has the state of size 2 and data of size 1.
	second := c.start(false)
	w.lookAt(p, second, "the second")
	c.readOnly(second, "an old copy of the data directory was put back")
	second.stop()
	n = p.start(true)
	p.more(n, 3)
	w.lookAt(p, n, "the first again")
	w.oneHistory(n)
}

func TestI2ClonedNodeSignsNothingUntilItIsAdopted(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	p.more(n, 1)
	w := p.witness()
	w.lookAt(p, n, "the original")
	n.stop()
	c := p.copied("clone")
	n = p.start(true)
	p.more(n, 2)
	w.lookAt(p, n, "the original")
	// Both run at once.
	clone := c.start(false)
	if size := w.lookAt(c, clone, "the clone"); size != 1 {
		t.Errorf("the clone shows size %d, want the 1 that it was made with", size)
	}
	c.readOnly(clone, "cityproof-node adopt")
	c.must(2, cityproofNode, "adopt", "--config", c.config)
	clone.stop()
	clone = c.start(false) // not after a restart either
	c.readOnly(clone, "it is a copy")
	clone.stop()
	p.more(n, 3)
	w.lookAt(p, n, "the original")
	n.stop()

	// Now the original moves: stopped, copied, destroyed, adopted.
	m := p.copied("moved")
	if err := os.RemoveAll(p.nodeDir); err != nil {
		t.Fatal(err)
	}
	if out := m.must(0, cityproofNode, "adopt", "--config", m.config, "--yes-the-other-copy-is-destroyed"); !strings.Contains(out, "after size 3") {
		t.Errorf("adopt says %q", out)
	}
	w.p = m
	n = m.start(true)
	m.more(n, 4)
	if size := w.lookAt(m, n, "the adopted"); size != 4 {
		t.Errorf("size %d after adopting, want 4", size)
	}
	w.oneHistory(n)
}

func TestI2RestoredNodeSignsNothing(t *testing.T) {
	p := newPlace(t)
	data := filepath.Join(p.nodeDir, "data")
	n := p.start(true)
	p.more(n, 1)
	n.stop()
	p.must(0, "cp", "-a", data, data+".old")
	w := p.witness()
	n = p.start(true)
	p.more(n, 2)
	w.lookAt(p, n, "before the restore")
	n.kill()
	p.rename(data, data+".newer")
	p.rename(data+".old", data)
	n = p.start(false)
	if size := w.lookAt(p, n, "after the restore"); size != 1 {
		t.Errorf("size %d is shown, want 1", size)
	}
	p.readOnly(n, "Put back the newer data, or restore a newer backup")
	n.kill()
	p.rename(data, data+".old")
	p.rename(data+".newer", data)
	n = p.start(true)
	p.more(n, 3)
	w.lookAt(p, n, "after the newer data came back")
	w.oneHistory(n)

	// State put back from a copy, made while the data were older.
	n.stop()
	state := filepath.Join(p.nodeDir, "state")
	p.must(0, "cp", "-a", state, state+".old")
	n = p.start(true)
	p.more(n, 4)
	p.more(n, 5) // its sync takes the note of size 4 into the data for sure
	w.lookAt(p, n, "before the state was put back")
	n.kill()
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	p.must(0, "cp", "-a", state+".old", state)
	n = p.start(false)
	w.lookAt(p, n, "with the old state")
	p.readOnly(n, "the state directory is not in its own place")
	n.kill()
	// Even the operator's word doesn't help where the data know better.
	p.must(0, cityproofNode, "adopt", "--config", p.config, "--yes-the-other-copy-is-destroyed")
	n = p.start(false)
	p.readOnly(n, "an old copy of the state directory was put back")
	w.lookAt(p, n, "with the old state, adopted")
}

// A node in no alliance whose disk is gone, but for its keys and configuration, has nobody to ask. It signs no second history, until
// its operator says that there is no first one.
func TestI2LoneNodeWithAnEmptyDiskSignsNothing(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	p.more(n, 1)
	n.kill()
	for _, lost := range []string{"data", "state"} {
		if err := os.RemoveAll(filepath.Join(p.nodeDir, lost)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // not after a restart either
		n = p.start(false)
		p.readOnly(n, "put back the state directory")
		n.stop()
	}
	if _, err := os.Stat(filepath.Join(p.nodeDir, "state", "lastsigned")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was signed: %v", err)
	}
	p.must(2, cityproofNode, "adopt", "--config", p.config)
	if out := p.must(0, cityproofNode, "adopt", "--config", p.config, "--yes-the-other-copy-is-destroyed"); !strings.Contains(out, "after size 0") {
		t.Errorf("adopt says %q", out)
	}
	n = p.start(true)
	p.more(n, 2)
}
