package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
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
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/demo"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// governed is an alliance with those who decide about it.
type governed struct{ *members }

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
	Epoch       int
	EpochDue    bool `json:"epoch_due"`
	RootVersion int  `json:"root_version"`
	RuleSet     int  `json:"rule_set"`
	Rotations   []struct{ Member, Leaf string }
	VoidActs    []struct{ What, Reason string } `json:"void_acts"`
}

func (a *governed) status() (s state) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.cityproof(0, "alliance", "status", "--json", "--root", a.demo.Root)), &s); err != nil {
		a.t.Fatal(err)
	}
	return s
}

// until waits for a condition that others bring about.
func (a *governed) until(what string, done func() bool) {
	a.t.Helper()
	for range 300 {
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

func (a *governed) public(file string) string {
	a.t.Helper()
	return strings.TrimSpace(a.cityproof(0, "keygen", file, "--public"))
}

func (a *governed) officer(i int) string  { return filepath.Join(a.folder(i), "officer-1.key") }
func (a *governed) recovery(i int) string { return filepath.Join(a.folder(i), "recovery.key") }

// newNode makes the node of a city that is no member yet, has it sign its first checkpoint, and leaves it running.
func (a *governed) newNode(dir, id, host string) (i int) {
	a.t.Helper()
	var ports [2]string
	for j := range ports { // both held, so that they differ
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			a.t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports[j] = l.Addr().String()
		if j == 1 {
			break
		}
	}
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

// edit puts text into a configuration: behind a line, or at its end.
func (a *governed) edit(config, behind, text string) {
	a.t.Helper()
	b, err := os.ReadFile(config)
	if err != nil {
		a.t.Fatal(err)
	}
	now := string(b) + text
	if behind != "" {
		now = strings.Replace(string(b), behind, behind+text, 1)
	}
	if now == string(b) {
		a.t.Fatalf("%s has no line %q", config, behind)
	}
	if err := os.WriteFile(config, []byte(now), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// submit gives an act to the registry's door itself, unjudged, and wants to be refused with these words.
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

// publishing declares again and again with an officer's key, until stop is called, which returns how often it did.
func (a *governed) publishing(i int, key string) (stop func() int) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var failed string
	done := 0
	wg.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			if out, err := a.declare(i, n, key); err != nil {
				failed = fmt.Sprintf("declaration %d: %v\n%s", n, err, out)
				return
			}
			done++
		}
	})
	return func() int {
		cancel()
		wg.Wait()
		if failed != "" {
			a.t.Errorf("publishing did not go on: %s", failed)
		}
		return done
	}
}

// declare publishes something with a key, and does not wait until it is final.
func (a *governed) declare(i, n int, key string) (string, error) {
	at := a.demo.Nodes[i]
	dir, err := os.MkdirTemp(a.dir, "load-")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "cityproof.yaml"), []byte(workspaceOf(at.Name)), 0o600); err != nil {
		return "", err
	}
	file := filepath.Join(dir, "notice.yaml")
	if err := os.WriteFile(file, []byte(notice(fmt.Sprintf("Number %d of %s.", n, filepath.Base(key)))), 0o600); err != nil {
		return "", err
	}
	out, err := exec.Command(cityproof, "publish", file, "--node", at.HTTP, "--root", a.demo.Root, "--key", key, "--yes").CombinedOutput()
	return string(out), err
}

func workspaceOf(id string) string {
	return fmt.Sprintf("city: %s\nlanguage: en\ncountry: %s\naccountable: The city\ncontact: digital@city.example\nstored: city_cloud NL, The city\n", id, strings.ToUpper(id[:2]))
}

// Every act of an alliance, one after another, with the real programs: who decides runs the verbs, the nodes follow.
func TestEveryActOfAnAlliance(t *testing.T) {
	a := &governed{newAlliance(t)}
	a.startAll()
	const kanaalstad, minato, liar = 1, 2, 3

	a.step(t, "the door refuses what would be void, in the rule's words", func(t *testing.T) {
		a.says(a.acts(0, "suspend", "nl-kanaalstad"), "It has no effect yet", "0 root keys signed, want 2", "alliance sign")
		a.says(a.cityproof(1, "alliance", "submit", "suspend-nl-kanaalstad.act.json", "--root", a.demo.Root), "this suspend would have no effect", "0 root keys signed, want 2", "nothing was submitted")
		a.says(a.decides(1, []string{a.officer(minato)}, "leave", "nl-kanaalstad"), "not signed by those who have a say in it")
		a.says(a.acts(1, "reinstate", "nl-kanaalstad"), "is not suspended")
		a.says(a.roots(1, "leave", "xx-secretariat"), "MOVE_LOG first")
		a.says(a.acts(2, "freeze", "xx-nowhere"), "is no member")
		one, two, root := a.holder("act-1"), a.holder("act-2"), a.holder("root-1")
		accredit := &registryv1.Act{Act: &registryv1.Act_Accredit{Accredit: &registryv1.Accredit{Name: proto.String("An auditor"), Key: make([]byte, 32)}}}
		a.refusedAtDoor(accredit, "1 act keys signed, want 2", one)
		a.refusedAtDoor(accredit, "not signed by those who have a say", one, two, a.officer(kanaalstad))
		a.refusedAtDoor(&registryv1.Act{Act: &registryv1.Act_Suspend{Suspend: &registryv1.Suspend{Member: proto.String("nl-kanaalstad")}}}, "1 root keys signed, want 2", root)
		if s := a.status(); len(s.VoidActs) != 0 {
			t.Errorf("the registry holds what was refused: %v", s.VoidActs)
		}
	})

	a.step(t, "an act is signed by one after another, on files", func(t *testing.T) {
		auditor, public := a.newKey(0, "auditor", "node")
		_ = auditor
		file := filepath.Join(t.TempDir(), "accredit.act.json")
		a.says(a.decides(0, []string{a.holder("act-3")}, "accredit", "An auditor", public, "--out", file), "signed by 1", "alliance sign", "alliance submit")
		a.says(a.cityproof(1, "alliance", "submit", file, "--root", a.demo.Root), "1 act keys signed, want 2")
		a.says(a.cityproof(0, "alliance", "sign", file, "--key", a.holder("act-1")), "It has 2 signatures")
		a.says(a.cityproof(0, "alliance", "submit", file, "--root", a.demo.Root), "In the registry: entry", "accredit")
		a.says(a.cityproof(1, "alliance", "submit", file, "--root", a.demo.Root), "does not follow the last effective act") // T-10
		a.says(a.acts(1, "accredit", "Another", public), "was used before")                                               // T-06
		a.acts(0, "accredit", "An auditor", public, "--end")
		bundle := filepath.Join(t.TempDir(), "rules.json")
		if err := os.WriteFile(bundle, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		a.says(a.acts(0, "ruleset", bundle, "--reason", "the first rules"), "rule set")
		if s := a.status(); s.RuleSet != 1 {
			t.Errorf("rule set %d, want 1", s.RuleSet)
		}
	})

	two := filepath.Join(a.folder(kanaalstad), "officer-2.key")
	a.step(t, "a second officer is asked for, approved and admitted", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "officer-2.request.json")
		a.cityproof(0, "key", "request", "--label", "officer-2", "--key", two, "--plain", "--city", "nl-kanaalstad", "--out", file, "--root", a.demo.Root)
		a.says(a.cityproof(0, "key", "approve", file, "--key", a.officer(kanaalstad), "--yes", "--root", a.demo.Root), "1 of 1 officers", "alliance admit")
		a.says(a.cityproof(0, "alliance", "review", file, "--root", a.demo.Root), "officer-2", "All have signed who must")
		a.says(a.acts(0, "admit", file), "In the registry: entry", "update")
		var out string
		defer func() { t.Log(out) }()
		a.until("the node counts the new officer's key", func() bool {
			var err error
			out, err = a.declare(kanaalstad, 0, two)
			return err == nil
		})
		a.cityproof(0, "key", "doctor", "--key", two, "--key", a.recovery(kanaalstad), "--root", a.demo.Root)
	})

	a.step(t, "T-13: a key retired under load is refused at the very index, and the colleague publishes on", func(t *testing.T) {
		stop := a.publishing(kanaalstad, a.officer(kanaalstad))
		a.says(a.cityproof(0, "key", "retire", "officer-2", "--lost", "--key", a.officer(kanaalstad), "--yes", "--root", a.demo.Root), "In the registry: entry", "revoke key")
		var out string
		a.until("the node refuses the retired key", func() (refused bool) {
			var err error
			out, err = a.declare(kanaalstad, 1, two)
			return err != nil
		})
		a.says(out, "error:", "officer")
		if n := stop(); n == 0 {
			t.Error("nothing was published meanwhile")
		}
		a.cityproof(0, "verify", "--root", a.demo.Root, a.publish(kanaalstad, 0, 30*time.Second))
		a.says(a.cityproof(1, "key", "doctor", "--key", two, "--without-recovery", "--root", a.demo.Root), "is retired")
	})
}
