package integration_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/demo"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// governed is an alliance with those who decide about it.
type governed struct {
	*members
	moved map[int]string // nodes that are not called like their city
}

// step is a part of a test that later parts build on.
func (a *governed) step(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, func(t *testing.T) {
		whole := a.t
		a.t = t
		defer func() { a.t = whole }()
		f(t)
	}) {
		t.FailNow()
	}
}

func (a *governed) holder(name string) string { return filepath.Join(a.dir, "holders", name+".key") }

// acts has two signers of acts run a verb of cityproof alliance, roots two holders of root keys.
func (a *governed) acts(want int, args ...string) string {
	a.t.Helper()
	return a.decides(want, []string{a.holder("act-1"), a.holder("act-2")}, args...)
}

func (a *governed) roots(want int, args ...string) string {
	a.t.Helper()
	return a.decides(want, []string{a.holder("root-1"), a.holder("root-2")}, args...)
}

func (a *governed) decides(want int, keys []string, args ...string) string {
	a.t.Helper()
	args = append([]string{"alliance"}, args...)
	for _, k := range keys {
		args = append(args, "--key", k)
	}
	return a.cityproof(want, append(args, "--root", a.demo.Root)...)
}

// says wants words in what was printed.
func (a *governed) says(out string, words ...string) {
	a.t.Helper()
	for _, w := range words {
		if !strings.Contains(out, w) {
			a.t.Errorf("want %q in:\n%s", w, out)
		}
	}
}

// shown is a member of alliance roster --json.
type shown struct {
	ID, Status, Origin string
	Committee          []string
	Publishers         []string
}

func (a *governed) member(id string) shown {
	a.t.Helper()
	var all []shown
	if err := json.Unmarshal([]byte(a.cityproof(0, "alliance", "roster", "--json", "--root", a.demo.Root)), &all); err != nil {
		a.t.Fatal(err)
	}
	for _, m := range all {
		if m.ID == id {
			return m
		}
	}
	a.t.Fatalf("%s is not in the roster", id)
	return shown{}
}

// state is what alliance status --json says.
type state struct {
	RegistrySize uint64 `json:"registry_size"`
	RegistryTime int64  `json:"registry_time"`
	Epoch        int
	EpochDue     bool `json:"epoch_due"`
	RootVersion  int  `json:"root_version"`
	RootOutdated bool `json:"root_outdated"`
	RuleSet      int  `json:"rule_set"`
	Rotations    []struct{ Member, Leaf string }
	VoidActs     []struct{ What, Reason string } `json:"void_acts"`
}

func (a *governed) status() (s state) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.cityproof(0, "alliance", "status", "--json", "--root", a.demo.Root)), &s); err != nil {
		a.t.Fatal(err)
	}
	return s
}

// until waits for a condition that others bring about.
func (a *members) until(what string, done func() bool) {
	a.t.Helper()
	for range 900 {
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.t.Fatalf("it does not come about: %s", what)
}

// newKey makes a key file beside a node, and returns it with its public half.
func (a *governed) newKey(i int, name, role string) (file, public string) {
	a.t.Helper()
	file = filepath.Join(a.folder(i), name+".key")
	a.cityproof(0, "keygen", file, "--role", role, "--plain")
	return file, a.public(file)
}

// newLogKeys makes the two key files of a log beside a node.
func (a *governed) newLogKeys(i int) (ed, pq string) {
	a.t.Helper()
	ed, pq = filepath.Join(a.folder(i), "next-ed25519.key"), filepath.Join(a.folder(i), "next-mldsa44.key")
	a.cityproof(0, "keygen", ed, "--role", "log", "--plain")
	a.cityproof(0, "keygen", pq, "--role", "log", "--plain", "--algorithm", "ml-dsa-44")
	return ed, pq
}

// startWithNext starts a node anew with log keys beside its own that will take their place.
func (a *governed) startWithNext(i int, city, ed, pq string) {
	a.t.Helper()
	a.kill(i)
	a.edit(a.demo.Nodes[i].Config, "  - city: "+city+"\n", "  - city: "+city+"\n    keys:\n      next_log_ed25519: "+ed+"\n      next_log_mldsa44: "+pq+"\n")
	a.start(i)
}

// newVKey is newKey of a witness or mirror, with its verifier key.
func (a *governed) newVKey(i int, name, role string) (file, vkey string) {
	a.t.Helper()
	file, public := a.newKey(i, name, role)
	raw, err := base64.StdEncoding.DecodeString(public)
	if err != nil {
		a.t.Fatal(err)
	}
	k, err := checkpoint.NewVKey(act.Host(a.demo.Nodes[i].Origin)+"/"+role, checkpoint.TypeEd25519Cosignature, raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return file, checkpoint.FormatVKey(k)
}

func (a *governed) public(file string) string {
	a.t.Helper()
	return strings.TrimSpace(a.cityproof(0, "keygen", file, "--public"))
}

func (a *governed) officer(i int) string  { return filepath.Join(a.folder(i), "officer-1.key") }
func (a *governed) recovery(i int) string { return filepath.Join(a.folder(i), "recovery.key") }

// freePorts are addresses on which nobody listens.
func (a *governed) freePorts(n int) (ports []string) {
	a.t.Helper()
	for range n { // all are held, so that they differ
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			a.t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().String())
	}
	return ports
}

// newNode makes the node of a city that is no member yet, has it sign its first checkpoint, and leaves it running.
func (a *governed) newNode(dir, id, host string) (i int) {
	a.t.Helper()
	ports := a.freePorts(2)
	folder := filepath.Join(a.dir, dir)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		a.t.Fatal(err)
	}
	officer := filepath.Join(folder, "officer-1.key")
	a.cityproof(0, "keygen", officer, "--plain")
	a.cityproof(0, "keygen", filepath.Join(folder, "recovery.key"), "--role", "recovery", "--plain")
	config := filepath.Join(folder, "node", "node.yaml")
	out, err := exec.Command(cityproofNode, "init", "--city", id, "--url", "https://"+host, "--dir", filepath.Dir(config),
		"--http", ports[0], "--grpc", ports[1], "--publisher", a.public(officer)).CombinedOutput()
	if err != nil {
		a.t.Fatalf("init: %v\n%s", err, out)
	}
	a.edit(config, "", "anchor:\n  interval: 2s\npeers:\n  allow_private: true\n  poll: 500ms\n  gossip: 500ms\n")
	a.demo.Nodes = append(a.demo.Nodes, demo.NodeDescription{
		Name: dir, Role: "city", Origin: host + "/log", HTTP: "http://" + ports[0], GRPC: ports[1], Config: config,
	})
	a.runs = append(a.runs, nil)
	return len(a.runs) - 1
}

// edit replaces a part of a configuration; "" is its end.
func (a *governed) edit(config, part, by string) {
	a.t.Helper()
	b, err := os.ReadFile(config)
	if err != nil {
		a.t.Fatal(err)
	}
	now := string(b) + by
	if part != "" {
		now = strings.Replace(string(b), part, by, 1)
	}
	if now == string(b) {
		a.t.Fatalf("%s has nothing like %q", config, part)
	}
	if err := os.WriteFile(config, []byte(now), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// refusedAtDoor gives an act to the registry's door itself, unjudged, and wants to be refused with these words.
func (a *governed) refusedAtDoor(what *registryv1.Act, words string, keys ...string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	signed := a.sign(what, keys...)
	c, err := client.Dial(ctx, client.Options{Node: a.demo.Nodes[0].HTTP, Now: time.Now})
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.SubmitAct(ctx, signed, nil); err == nil || !strings.Contains(err.Error(), words) {
		a.t.Errorf("at the door: %v, want %q", err, words)
	}
}

// sign makes an act that follows the last effective one: --hold of a verb writes it for us, and we exchange what it does.
func (a *governed) sign(what *registryv1.Act, keys ...string) []byte {
	a.t.Helper()
	file := filepath.Join(a.t.TempDir(), "held.act.json")
	a.acts(0, "reinstate", "nl-kanaalstad", "--hold", "--out", file)
	b, err := os.ReadFile(file)
	if err != nil {
		a.t.Fatal(err)
	}
	held, err := act.Parse(b)
	if err != nil {
		a.t.Fatal(err)
	}
	m := proto.CloneOf(held.Message)
	m.Act = what.Act
	var out *act.Act
	for _, k := range keys {
		key, err := signingkey.ReadFile(k, nil)
		if err != nil {
			a.t.Fatal(err)
		}
		if out == nil {
			out, err = act.Sign(m, key.Signer())
		} else {
			out, err = out.Countersign(key.Signer())
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
	return out.Envelope.Format()
}

// publishing declares again and again with an officer's key, until stop is called, which returns how often it did. A
// declaration that fails is sent again, the same command, as an officer does, up to tries times in all.
func (a *governed) publishing(i, tries int, key string) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var failed error
	done := 0
	wg.Go(func() {
		for n := 0; ctx.Err() == nil && failed == nil; n++ {
			var file string
			if file, failed = a.notice(i, n, filepath.Base(key)); failed != nil {
				return
			}
			for try := range tries {
				var out string
				if out, failed = a.send(i, file, key, "--root", a.demo.Root); failed == nil {
					done++
					break
				}
				failed = fmt.Errorf("declaration %d, try %d: %w\n%s", n, try+1, failed, out)
				time.Sleep(100 * time.Millisecond)
			}
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		if failed != nil {
			a.t.Errorf("publishing did not go on: %v", failed)
		}
		return done
	}
}

// publish has a city declare something, and waits until it is final, or wants to hear that it is not. It returns the receipt.
func (a *governed) publish(i, want int, wait time.Duration) string {
	a.t.Helper()
	file, err := a.notice(i, 0, "a city")
	if err != nil {
		a.t.Fatal(err)
	}
	a.cityproof(want, "publish", file, "--node", a.demo.Nodes[i].HTTP, "--key", a.officer(i), "--root", a.demo.Root, "--yes", "--final", "--wait", wait.String())
	return strings.TrimSuffix(file, ".yaml") + ".receipt"
}

// declare publishes something with a key, and does not wait until it is final.
func (a *governed) declare(i, n int, key string) (string, error) {
	file, err := a.notice(i, n, filepath.Base(key))
	if err != nil {
		return "", err
	}
	return a.send(i, file, key, "--root", a.demo.Root)
}

// send publishes a file. What the node's answers are checked by comes last.
func (a *governed) send(i int, file, key string, by ...string) (string, error) {
	args := append([]string{"publish", file, "--node", a.demo.Nodes[i].HTTP, "--key", key, "--yes"}, by...)
	out, err := exec.Command(cityproof, args...).CombinedOutput()
	return string(out), err
}

// notice writes something to declare.
func (a *governed) notice(i, n int, by string) (file string, err error) {
	at := a.demo.Nodes[i]
	dir, err := os.MkdirTemp(a.dir, "notice-")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "cityproof.yaml"), []byte(workspaceOf(cmp.Or(a.moved[i], at.Name), at.Role)), 0o600); err != nil {
		return "", err
	}
	file = filepath.Join(dir, "notice.yaml")
	return file, os.WriteFile(file, []byte(notice(fmt.Sprintf("Number %d of %s.", n, by))), 0o600)
}

func workspaceOf(id, role string) string {
	country := strings.ToUpper(id[:2])
	if role == "secretariat" {
		country = "CH"
	}
	return fmt.Sprintf("city: %s\nlanguage: en\ncountry: %s\naccountable: The city\ncontact: digital@city.example\nstored: city_cloud NL, The city\n", id, country)
}

// cosigns reports whether a node's witness or mirror shows a log's newest head with a cosignature by this key.
func (a *governed) cosigns(by int, role, vkey string, log int) bool {
	a.t.Helper()
	v, err := checkpoint.ParseVerifier(vkey)
	if err != nil {
		a.t.Fatal(err)
	}
	own, err := checkpoint.ParseVerifier(a.demo.Nodes[log].LogVKey)
	if err != nil {
		a.t.Fatal(err)
	}
	_, note := call(a.t.(*testing.T), http.MethodGet, fmt.Sprintf("%s/%s/%x/checkpoint", a.demo.Nodes[by].HTTP, role, sha256.Sum256([]byte(a.demo.Nodes[log].Origin))), nil)
	seen, err := checkpoint.Verify([]byte(note), []*checkpoint.Verifier{own}, []*checkpoint.Verifier{v})
	return err == nil && len(seen.Cosignatures) == 1
}
