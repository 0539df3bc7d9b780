package integration_test

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
)

// TestF21RegistryGoesOn: the holders of the root keys name the head that counts, the secretariat goes on in a new log with new
// keys, brought up from the mirrors of the old one, and everybody follows: who got the file, and who did not. The receipts of
// before stay true, and new ones are made.
func TestF21RegistryGoesOn(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	before := a.publish(1, 0, 30*time.Second)
	old := a.demo.Nodes[0].Origin
	a.kill(0) // its log keys are in other hands
	note := filepath.Join(a.dir, "agreed.checkpoint")
	head := a.copied(old, note)

	fresh := a.secondLog()
	file := strings.TrimSuffix(a.demo.Root, ".json") + ".2.json"
	made := filepath.Join(a.dir, "made.json")
	a.cityproof(0, "alliance", "next-root", a.demo.Root, "--out", made, "--continue-from", note, "--log", filepath.Join(fresh, "trust.json"))
	for _, n := range []string{"1", "3"} {
		a.cityproof(0, "alliance", "sign", made, "--previous", a.demo.Root, "--key", filepath.Join(a.dir, "holders", "root-"+n+".key"))
	}
	if err := os.Rename(made, file); err != nil { // all nodes of the demo have one root.json, and look beside it
		t.Fatal(err)
	}
	a.start(0)
	a.cityproof(0, "alliance", "root", file, "--root", a.demo.Root,
		"--key", filepath.Join(a.dir, "holders", "act-1.key"), "--key", filepath.Join(a.dir, "holders", "act-2.key"))

	bare := filepath.Join(t.TempDir(), "root.json") // a journalist's, without the file
	b, err := os.ReadFile(a.demo.Root)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bare, b, 0o600); err != nil {
		t.Fatal(err)
	}
	want := "registry " + strings.TrimSuffix(old, "/log") + "/log-2"
	if out := a.cityproof(0, "alliance", "roster", "--root", bare); !strings.Contains(out, want) {
		t.Errorf("the registry did not go on in a new log from size %d:\n%s", head.Size, out)
	}
	after := a.publish(1, 0, 60*time.Second)
	for _, r := range []string{before, after} {
		a.cityproof(0, "verify", "--root", a.demo.Root, r)
	}
	// The other cities cosign the new log: it is final, and its anchors move registry time.
	for try := 0; ; try++ {
		resp, err := http.Get(client.MirrorURL(a.demo.Nodes[2].HTTP, old+"-2") + "/checkpoint")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		if try == 600 {
			t.Fatal("nobody mirrors the registry's new log")
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// copied takes the newest checkpoint of a log from a mirror into a file.
func (a *members) copied(origin, file string) checkpoint.Checkpoint {
	a.t.Helper()
	resp, err := http.Get(client.MirrorURL(a.demo.Nodes[1].HTTP, origin) + "/checkpoint")
	if err != nil {
		a.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("a mirror's checkpoint: %s, %v", resp.Status, err)
	}
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		a.t.Fatal(err)
	}
	head, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return head
}

// secondLog gives the secretariat's node a new log, with keys and a name of its own, and returns the folder of its trust.json. The
// rest of the node stays in its place: its witness and mirror must not forget what they have cosigned.
func (a *members) secondLog() string {
	a.t.Helper()
	was, fresh := filepath.Dir(a.demo.Nodes[0].Config), filepath.Join(a.folder(0), "second")
	url := "https://" + strings.TrimSuffix(a.demo.Nodes[0].Origin, "/log")
	if out, err := exec.Command(cityproofNode, "init", "--city", a.demo.Nodes[0].Name, "--url", url, "--log-name", "log-2", "--dir", fresh).CombinedOutput(); err != nil {
		a.t.Fatalf("init: %v\n%s", err, out)
	}
	for old, now := range map[string]string{
		filepath.Join(was, "state", "lastsigned"):       filepath.Join(was, "lastsigned-of-the-old-log"),
		filepath.Join(was, "data"):                      filepath.Join(was, "data-of-the-old-log"),
		filepath.Join(fresh, "trust.json"):              filepath.Join(was, "trust.json"),
		filepath.Join(fresh, "keys", "log-ed25519.key"): filepath.Join(was, "keys", "log-ed25519.key"),
		filepath.Join(fresh, "keys", "log-mldsa44.key"): filepath.Join(was, "keys", "log-mldsa44.key"),
	} {
		if err := os.Rename(old, now); err != nil {
			a.t.Fatal(err)
		}
	}
	b, err := os.ReadFile(a.demo.Nodes[0].Config)
	if err != nil {
		a.t.Fatal(err)
	}
	text := strings.Replace(string(b), "    url: ", "    log_name: log-2\n    url: ", 1)
	if text == string(b) {
		a.t.Fatalf("no url in\n%s", b)
	}
	if err := os.WriteFile(a.demo.Nodes[0].Config, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return was
}

// TestNewLogWaitsForTheRegistry: a log without entries may have to begin with those of another. So its node takes nothing while
// nobody shows it the registry, and begins by itself once somebody does.
func TestNewLogWaitsForTheRegistry(t *testing.T) {
	a := &governed{members: newAlliance(t)}
	next := a.newNode("ke-mwambao", "ke-mwambao", "mwambao.example")
	a.start(next)
	a.kill(next)
	a.edit(a.demo.Nodes[next].Config, "  - city: ke-mwambao\n", "  - city: ke-mwambao\n    root: "+a.demo.Root+"\n")
	a.spawn(next)
	a.until("it says what it waits for", func() bool {
		why, _ := a.ready(next)
		return strings.Contains(why, "the registry could not be read yet")
	})
	own := []string{"--trust", filepath.Join(a.folder(next), "node", "trust.json")} // nobody shows the registry
	file, err := a.notice(next, 1, "too early")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := a.send(next, file, a.officer(next), own...); err == nil || !strings.Contains(out, "the registry could not be read yet") {
		t.Errorf("a declaration into a log that may go on from another: %v\n%s", err, out)
	}
	a.start(2) // a city, not the secretariat: its copy of the registry will do
	a.untilReady(next)
	if out, err := a.send(next, file, a.officer(next), own...); err != nil {
		t.Errorf("a declaration once the registry was read: %v\n%s", err, out)
	}
}
