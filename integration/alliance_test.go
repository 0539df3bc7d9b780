package integration_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/demo"
	"github.com/cityproof/cityproof/internal/signingkey"
	tlogwitness "github.com/cityproof/cityproof/internal/witness"
)

// members is an alliance that the demo founded, with its nodes as processes of their own.
type members struct {
	t    testing.TB
	dir  string
	demo demo.Description
	runs []*exec.Cmd
	n    int // declarations of this test
}

// newAlliance has the demo found an alliance, in which one city has lied already.
func newAlliance(t testing.TB, flags ...string) *members {
	t.Helper()
	a := &members{t: t, dir: filepath.Join(t.TempDir(), "demo")}
	out, err := exec.Command(cityproofNode, append([]string{"demo", "--once", "--dir", a.dir}, flags...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	for _, words := range []string{"all true and final", "FALSE:", "PROVEN (E"} {
		if !bytes.Contains(out, []byte(words)) {
			t.Fatalf("the demo does not say %q:\n%s", words, out)
		}
	}
	b, err := os.ReadFile(filepath.Join(a.dir, "demo.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &a.demo); err != nil {
		t.Fatal(err)
	}
	a.runs = make([]*exec.Cmd, len(a.demo.Nodes))
	t.Cleanup(func() {
		for i := range a.runs {
			a.kill(i)
		}
	})
	return a
}

func (a *members) start(i int) {
	a.t.Helper()
	a.spawn(i)
	if i == len(a.runs)-1 {
		a.untilHalted(i)
		return
	}
	a.untilReady(i)
}

// spawn starts a node, ready or not.
func (a *members) spawn(i int) {
	a.t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, a.demo.Nodes[i].Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	a.runs[i] = exec.Command(cityproofNode, "run", "--config", a.demo.Nodes[i].Config)
	a.runs[i].Stderr = log
	if err := a.runs[i].Start(); err != nil {
		a.t.Fatal(err)
	}
	_ = log.Close() // the process has it
}

// ready asks a node whether it is ready, and why not.
func (a *members) ready(i int) (why string, ok bool) {
	resp, err := http.Get(a.demo.Nodes[i].HTTP + "/readyz")
	if err != nil {
		return err.Error(), false
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return fmt.Sprint(string(b), err), resp.StatusCode == http.StatusOK
}

func (a *members) untilReady(i int) {
	a.t.Helper()
	why := ""
	for range 1500 {
		var ok bool
		if why, ok = a.ready(i); ok {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.t.Fatalf("%s is not ready: %s", a.demo.Nodes[i].Name, why)
}

// untilHalted waits for the city for which the demo signed a second history: its node signs no more, for somebody else has its
// keys. Its operator may have said that it shall go on.
func (a *members) untilHalted(i int) {
	a.t.Helper()
	why := ""
	for range 1500 {
		var ok bool
		if why, ok = a.ready(i); ok || strings.Contains(why, "somebody else signs for this log") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	a.t.Fatalf("%s neither halts nor is ready: %s", a.demo.Nodes[i].Name, why)
}

func (a *members) startAll() {
	a.t.Helper()
	for i := range a.runs {
		a.start(i)
	}
}

// kill ends a node as a power failure does.
func (a *members) kill(i int) {
	if a.runs[i] != nil {
		_ = a.runs[i].Process.Signal(syscall.SIGKILL)
		_ = a.runs[i].Wait()
		a.runs[i] = nil
	}
}

// cityproof runs the command and wants its exit code.
func (a *members) cityproof(want int, args ...string) string {
	a.t.Helper()
	cmd := exec.Command(cityproof, args...)
	cmd.Dir = a.dir // what a verb writes without being told where
	out, err := cmd.CombinedOutput()
	code := 0
	if err != nil {
		code = -1
		if e, ok := err.(*exec.ExitError); ok {
			code = e.ExitCode()
		}
	}
	if code != want {
		a.t.Fatalf("cityproof %v: exit code %d, want %d\n%s", args, code, want, out)
	}
	return string(out)
}

func (a *members) folder(i int) string { return filepath.Join(a.dir, a.demo.Nodes[i].Name) }

// publish has a city declare something, and waits until it is final, or wants to hear that it is not.
func (a *members) publish(i, want int, wait time.Duration) string {
	a.t.Helper()
	a.n++
	at := a.demo.Nodes[i]
	dir := a.t.TempDir()
	file := filepath.Join(dir, "none.yaml")
	text := fmt.Sprintf("city: %s\nlanguage: en\ncountry: %s\naccountable: The city\ncontact: digital@city.example\nstored: city_cloud NL, The city\n", at.Name, map[bool]string{true: "CH", false: strings.ToUpper(at.Name[:2])}[i == 0])
	if err := os.WriteFile(filepath.Join(dir, "cityproof.yaml"), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	declares := []string{"FaceRecognition", "EmotionRecognition", "predictive_policing", "gunshot_detection", "licence_plate_recognition"}
	text = fmt.Sprintf("declares_none: [%s]\nsince: 2026-01-01\nuntil: 2027-12-%02d\n", declares[a.n%len(declares)], 1+a.n%28)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	a.cityproof(want, "publish", file, "--node", at.HTTP, "--trust", filepath.Join(a.folder(i), "node", "trust.json"),
		"--key", filepath.Join(a.folder(i), "officer-1.key"), "--root", a.demo.Root, "--yes", "--final", "--wait", wait.String())
	return filepath.Join(dir, "none.receipt")
}

func TestDemoDescribesAnAllianceThatGoesOn(t *testing.T) {
	a := newAlliance(t)
	if len(a.demo.Nodes) != 4 || a.demo.Nodes[0].Role != "secretariat" || a.demo.Nodes[1].Role != "city" {
		t.Fatalf("demo.json: %+v", a.demo)
	}
	for _, n := range a.demo.Nodes {
		for vkey, name := range map[string]string{n.LogVKey: n.Origin, n.WitnessVKey: strings.TrimSuffix(n.Origin, "/log") + "/witness", n.MirrorVKey: strings.TrimSuffix(n.Origin, "/log") + "/mirror"} {
			if k, err := checkpoint.ParseVKey(vkey); err != nil || k.Name != name {
				t.Errorf("%s: the key %q is of %q, want %q: %v", n.Name, vkey, k.Name, name, err)
			}
		}
	}
	out, err := exec.Command(cityproofNode, "demo", "--once", "--dir", a.dir).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("Going on with the alliance")) {
		t.Errorf("the demo a second time: %v\n%s", err, out)
	}
}

// I4, federation.md section 3: with any one of four nodes dead, what the others publish becomes final; with two dead it
// does not, and the receipt says so.
func TestAllianceGoesOnWhileNodesDie(t *testing.T) {
	a := newAlliance(t)
	// The node for which the demo lied cosigns again: with it silent two of four would be dead.
	a.cityproof(0, "evidence", "resume", a.demo.Nodes[3].Origin, "--config", a.demo.Nodes[3].Config, "--reason", "the demo signed it; the keys are where they were")
	a.startAll()
	for i := range a.runs {
		a.kill(i)
		for j := range 3 { // the last one has lied, and nobody cosigns it
			if j != i {
				a.cityproof(0, "verify", "--root", a.demo.Root, a.publish(j, 0, 30*time.Second))
			}
		}
		a.start(i)
	}
	a.kill(0)
	a.kill(2)
	lone := a.publish(1, 3, 3*time.Second)
	a.cityproof(3, "verify", "--root", a.demo.Root, lone)
	a.cityproof(0, "verify", "--trust", filepath.Join(a.folder(1), "node", "trust.json"), lone)
	a.start(0)
	a.start(2)
	a.cityproof(0, "final", lone, "--node", a.demo.Nodes[1].HTTP, "--trust", filepath.Join(a.folder(1), "node", "trust.json"), "--root", a.demo.Root, "--wait", "30s")
	a.cityproof(0, "verify", "--root", a.demo.Root, lone)
	if out := a.cityproof(0, "alliance", "status", "--root", a.demo.Root); strings.Contains(out, "ALARM") {
		t.Errorf("the registry: %s", out)
	}
	if out := a.cityproof(0, "audit", "--root", a.demo.Root, "xx-secretariat", "nl-kanaalstad", "jp-minato"); strings.Count(out, "TRUE ") != 4 || strings.Count(out, "8 heads agree") != 3 {
		t.Errorf("the audit of the alliance:\n%s", out)
	}
	if out := a.cityproof(1, "audit", "--root", a.demo.Root); !strings.Contains(out, "FALSE          ca-riviere") || !strings.Contains(out, "there is proof") {
		t.Errorf("the audit does not know of the liar:\n%s", out)
	}
	a.kill(0)
	if out := a.cityproof(0, "audit", "--root", a.demo.Root, "nl-kanaalstad"); !strings.Contains(out, "TRUE           nl-kanaalstad") || !strings.Contains(out, "TRUE           registry") {
		t.Errorf("with the secretariat away:\n%s", out)
	}
	if out := a.cityproof(3, "audit", "--root", a.demo.Root, "nl-kanaalstad", "--from", a.demo.Nodes[2].HTTP, "--as-of", "2100-01-01"); !strings.Contains(out, "COULD NOT TELL registry") {
		t.Errorf("an old registry, from one mirror:\n%s", out)
	}
	a.start(0)
	for i := 1; i < 3; i++ {
		if out := a.cityproof(0, "audit", a.demo.Nodes[i].HTTP, "--trust", filepath.Join(a.folder(i), "node", "trust.json")); !strings.Contains(out, "TRUE:") {
			t.Errorf("%s: %s", a.demo.Nodes[i].Name, out)
		}
	}
}

// T-14, T-20: who was caught signs no more and is cosigned by nobody who knows, until the operators say otherwise with a reason.
func TestT14LiarIsNotCosignedUntilOperatorsResume(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	a.publish(3, 3, 3*time.Second) // its node knows that somebody else has signed with its keys
	resume := func(i, want int, reason string) {
		t.Helper()
		a.cityproof(want, "evidence", "resume", "riviere.example/log", "--config", a.demo.Nodes[i].Config, "--reason", reason)
	}
	// Every honest city writes the proof into its own log.
	for i := 0; i < 3; i++ {
		var logged bool
		for try := 0; try < 100 && !logged; try++ {
			out := a.cityproof(0, "audit", "--root", a.demo.Root, "--json", a.demo.Nodes[i].Name)
			if logged = strings.Contains(out, `"evidence": 1`); !logged {
				time.Sleep(100 * time.Millisecond)
			}
		}
		if !logged {
			t.Errorf("%s has not logged the proof", a.demo.Nodes[i].Name)
		}
	}
	resume(3, 0, "the demo signed it; the keys are where they were")
	a.kill(3)
	a.spawn(3)
	a.untilReady(3)
	lone := a.publish(3, 3, 3*time.Second) // the secretariat alone was shown no second history
	for i := 1; i <= 2; i++ {
		resume(i, 2, "")
		resume(i, 0, "the demo signed it; the keys are where they were")
		resume(i, 3, "again")
	}
	a.cityproof(0, "final", lone, "--node", a.demo.Nodes[3].HTTP, "--trust", filepath.Join(a.folder(3), "node", "trust.json"), "--root", a.demo.Root, "--wait", "30s")
	if out := a.cityproof(0, "evidence", "list", "--node", a.demo.Nodes[1].HTTP, "--root", a.demo.Root); !strings.Contains(out, "the keys are where they were") {
		t.Errorf("the operator's reason is not on record:\n%s", out)
	}
}

// T-14, E5: whoever holds the registry's keys and signs two histories of it is caught like any city, and everybody has the
// proof.
func TestT14ForkedRegistryIsProven(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	a.fork(0, 1, "the alliance's registry "+a.demo.Nodes[0].Origin+" signed two")
	proven := func(i int) bool {
		return a.proven(i, "the alliance's registry "+a.demo.Nodes[0].Origin+" signed two")
	}
	for i := range a.runs {
		for try := 0; !proven(i); try++ {
			if try == 50 {
				t.Errorf("%s has no proof", a.demo.Nodes[i].Name)
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// proven reports whether a node keeps a proof that says something.
func (a *members) proven(i int, says string) bool {
	a.t.Helper()
	return strings.Contains(a.cityproof(0, "evidence", "list", "--node", a.demo.Nodes[i].HTTP, "--root", a.demo.Root), says)
}

// fork signs a second history of a node's log with its keys, as a thief would, and shows it to another node's witness until
// that keeps the proof.
func (a *members) fork(of, shownTo int, says string) {
	a.t.Helper()
	origin := a.demo.Nodes[of].Origin
	var signers []*checkpoint.Signer
	for file, typ := range map[string]checkpoint.KeyType{"log-ed25519.key": checkpoint.TypeEd25519, "log-mldsa44.key": checkpoint.TypeMLDSA44} {
		key, err := signingkey.ReadFile(filepath.Join(a.folder(of), "node", "keys", file), nil)
		if err != nil {
			a.t.Fatal(err)
		}
		s, err := checkpoint.NewSigner(origin, typ, key.Signer())
		if err != nil {
			a.t.Fatal(err)
		}
		signers = append(signers, s)
	}
	at := a.demo.Nodes[shownTo].HTTP + "/witness/"
	for try := 0; !a.proven(shownTo, says); try++ {
		if try == 50 {
			a.t.Fatalf("two histories of %s were shown, and nobody has the proof", origin)
		}
		resp, err := http.Get(fmt.Sprintf("%s%x/checkpoint", at, sha256.Sum256([]byte(origin))))
		if err != nil {
			a.t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		n, perr := checkpoint.ParseNote(b)
		if err != nil || perr != nil {
			a.t.Fatal(err, perr)
		}
		seen, err := checkpoint.ParseCheckpoint(n.Text)
		if err != nil {
			a.t.Fatal(err)
		}
		seen.Root[0] ^= 1
		note, err := checkpoint.Sign(seen, time.Now(), signers...)
		if err != nil {
			a.t.Fatal(err)
		}
		resp, err = http.Post(at+"add-checkpoint", "text/plain", bytes.NewReader((&tlogwitness.Request{Old: seen.Size, Note: note}).Format()))
		if err != nil {
			a.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			a.t.Fatalf("a second history of %s was cosigned", origin)
		}
	}
}
