package integration_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	protocol "github.com/cityproof/cityproof/internal/witness"
)

// cities is an alliance whose members have a machine each, joined by a network. Members are spoken to by TLS, with
// certificates of an authority that the test makes. The secretariat is the first.
type cities struct {
	t       testing.TB
	dir     string
	net     *network
	visitor *host
	root    string // root.json
	all     []*cityNode
	issuer  *issuer
	n       int // declarations of this test

	programs string // folder of the programs; empty: those of all tests
	clock    *clock // nil: the machine's
}

// cityNode is one member with its machine.
type cityNode struct {
	*host
	c      *cities
	id     string
	name   string // of its log, without /log
	dir    string
	run    *exec.Cmd // nil: it does not run
	clock  *clock    // of its node; nil: as all others
	client *http.Client
}

func (m *cityNode) url() string          { return "https://" + m.addr.String() }
func (m *cityNode) grpc() string         { return m.addr.String() + ":9090" }
func (m *cityNode) origin() string       { return m.name + "/log" }
func (m *cityNode) file(s string) string { return filepath.Join(m.dir, s) }
func (m *cityNode) config() string       { return m.file("node/node.yaml") }
func (m *cityNode) trust() string        { return m.file("node/trust.json") }
func (m *cityNode) copyOf(o *cityNode) string {
	return client.MirrorURL(m.url(), o.origin())
}

// quick are settings under which a test need not wait for hours.
const quick = "anchor:\n  interval: 2s\npeers:\n  allow_private: true\n  poll: 500ms\n  gossip: 500ms\n"

// unhurried are the settings that a node has by default.
const unhurried = "peers:\n  allow_private: true\n"

// newCities founds an alliance of a secretariat and so many cities. No node runs afterwards.
func newCities(t testing.TB, number int, each wire, settings string) *cities {
	t.Helper()
	c := &cities{t: t, net: newNetwork(t, each), dir: t.TempDir()}
	c.visitor, c.root = c.net.hosts[0], filepath.Join(c.dir, "root.json")
	c.issuer = newIssuer(t, c.file("authority.pem"))
	for i := range number + 1 {
		c.all = append(c.all, c.newNode(i, settings))
	}
	c.found()
	return c
}

func (c *cities) file(s string) string { return filepath.Join(c.dir, s) }

// newNode makes a member's keys and its node's folder.
func (c *cities) newNode(i int, settings string) *cityNode {
	c.t.Helper()
	m := &cityNode{host: c.net.host(), c: c, id: fmt.Sprintf("xx-town-%02d", i), name: fmt.Sprintf("town-%02d.example", i)}
	switch i {
	case 0:
		m.id, m.name = "xx-secretariat", "secretariat.example"
	case 1:
		m.id, m.name = city, strings.TrimSuffix(origin, "/log")
	}
	m.dir = c.file(m.id)
	c.t.Cleanup(m.end)
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	m.must(0, cityproof, "keygen", m.file("officer.key"), "--plain")
	m.must(0, cityproof, "keygen", m.file("recovery.key"), "--role", "recovery", "--plain")
	officer := strings.TrimSpace(m.must(0, cityproof, "keygen", m.file("officer.key"), "--public"))
	m.must(0, cityproofNode, "init", "--city", m.id, "--url", "https://"+m.name, "--dir", m.file("node"),
		"--http", m.addr.String()+":443", "--grpc", m.grpc(), "--publisher", officer)
	c.issuer.issue(m.file("node/public.pem"), m.addr.AsSlice())
	m.configure(func(text string) string {
		return text + settings + "tls:\n  certificate: public.pem\n  key: public.pem\n"
	})
	m.client = c.web(m.host)
	return m
}

// web is a client on a host.
func (c *cities) web(h *host) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DialContext: h.dial, TLSClientConfig: &tls.Config{RootCAs: c.issuer.pool, MinVersion: tls.VersionTLS13}, MaxIdleConnsPerHost: 4,
	}}
}

// configure changes the text of a node's configuration.
func (m *cityNode) configure(change func(string) string) {
	m.c.t.Helper()
	b, err := os.ReadFile(m.config())
	if err == nil {
		err = os.WriteFile(m.config(), []byte(change(string(b))), 0o600)
	}
	if err != nil {
		m.c.t.Fatal(err)
	}
}

// found does what the founders' ceremony says.
func (c *cities) found() {
	c.t.Helper()
	c.startAll() // a node's first checkpoint proves that it holds its log's keys
	for _, m := range c.all {
		m.stop()
	}
	init := []string{"alliance", "init", "--name", "Alliance of Invented Cities", "--threshold", "2", "--act-threshold", "2", "--first-draw", "10s", "--out", c.root}
	for _, key := range []string{"root-1", "root-2", "root-3", "act-1", "act-2", "act-3"} {
		role, _, _ := strings.Cut(key, "-")
		c.must(0, "keygen", c.file(key+".key"), "--role", role, "--plain")
		init = append(init, "--"+role+"-key", strings.TrimSpace(c.must(0, "keygen", c.file(key+".key"), "--public")))
	}
	for i, m := range c.all {
		kind, request := "city", m.file("request.json")
		if i == 0 {
			kind = "secretariat"
		}
		c.must(0, "join-request", "--config", m.config(), "--registry", c.all[0].origin(), "--name", m.id, "--kind", kind,
			"--http", m.url(), "--grpc", m.grpc(), "--key", m.file("officer.key"), "--key", m.file("recovery.key"), "--out", request)
		init = append(init, request)
	}
	c.must(0, init...)
	for _, key := range []string{"root-1.key", "root-2.key"} {
		c.must(0, "alliance", "sign", c.root, "--key", c.file(key))
	}
	for _, m := range c.all {
		m.configure(func(text string) string {
			at := "  - city: " + m.id + "\n"
			return strings.Replace(text, at, at+"    root: "+c.root+"\n", 1)
		})
	}
}

// record puts the root into the registry; the nodes run.
func (c *cities) record() {
	c.t.Helper()
	c.must(0, "alliance", "root", c.root, "--root", c.root, "--key", c.file("act-1.key"), "--key", c.file("act-2.key"))
}

// begin starts all nodes and records the founding.
func (c *cities) begin() {
	c.t.Helper()
	c.startAll()
	c.record()
}

func (c *cities) startAll() {
	c.t.Helper()
	for _, m := range c.all {
		m.launch()
	}
	for _, m := range c.all {
		m.awaitReady()
	}
}

// command is a program that will run on a host and trusts the test's authority.
func (c *cities) command(program string, args ...string) *exec.Cmd {
	if c.programs != "" {
		program = filepath.Join(c.programs, filepath.Base(program))
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "HOME="+c.dir, "XDG_CONFIG_HOME="+c.file("settings"), "SSL_CERT_FILE="+c.file("authority.pem"))
	if c.clock != nil {
		cmd.Env = append(cmd.Env, clockVar+"="+c.clock.file)
	}
	return cmd
}

// on runs a program on a host and returns what it printed and its exit code.
func (c *cities) on(h *host, program string, args ...string) (string, int) {
	c.t.Helper()
	cmd := c.command(program, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := h.start(cmd); err != nil {
		c.t.Fatal(err)
	}
	late := time.AfterFunc(3*patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		c.t.Fatalf("running %s %q: %v", filepath.Base(program), args, err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

func (c *cities) wants(h *host, want int, program string, args ...string) string {
	c.t.Helper()
	out, code := c.on(h, program, args...)
	if code != want {
		c.t.Fatalf("%s %q: exit code %d, want %d\n%s", filepath.Base(program), args, code, want, out)
	}
	return out
}

// must runs the command cityproof as a visitor does, and wants its exit code.
func (c *cities) must(want int, args ...string) string {
	c.t.Helper()
	return c.wants(c.visitor, want, cityproof, args...)
}

// must runs a program on the member's machine, and wants its exit code.
func (m *cityNode) must(want int, program string, args ...string) string {
	m.c.t.Helper()
	return m.c.wants(m.host, want, program, args...)
}

// launch starts the member's node.
func (m *cityNode) launch() {
	t := m.c.t
	t.Helper()
	log, err := os.OpenFile(m.file("node.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := m.c.command(cityproofNode, "run", "--config", m.config())
	cmd.Stderr = log
	if m.clock != nil {
		cmd.Env = append(cmd.Env, clockVar+"="+m.clock.file)
	}
	err = m.host.start(cmd)
	if err = errors.Join(err, log.Close()); err != nil {
		t.Fatal(err)
	}
	m.run = cmd
}

// end kills the node, and shows the end of its log after a failure.
func (m *cityNode) end() {
	m.kill()
	if b, err := os.ReadFile(m.file("node.log")); err == nil && m.c.t.Failed() {
		m.c.t.Logf("%s:\n%s", m.id, b[max(0, len(b)-1500):])
	}
}

// start starts the member's node and waits until it is ready.
func (m *cityNode) start() {
	m.c.t.Helper()
	m.launch()
	m.awaitReady()
}

func (m *cityNode) awaitReady() {
	m.c.t.Helper()
	until(m.c.t, m.id+" is ready", func() bool {
		_, code, err := m.get(m, "/readyz")
		return err == nil && code == http.StatusOK
	})
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

// kill ends the node as a power failure does.
func (m *cityNode) kill() {
	if m.run != nil {
		_ = m.run.Process.Kill()
		_ = m.run.Wait()
		m.run = nil
	}
}

// stop ends the node in an orderly way, which must be a success.
func (m *cityNode) stop() {
	m.c.t.Helper()
	late := time.AfterFunc(patience, func() { _ = m.run.Process.Kill() })
	defer late.Stop()
	_ = m.run.Process.Signal(syscall.SIGTERM)
	if err := m.run.Wait(); err != nil {
		m.c.t.Fatalf("%s does not stop as it should: %v", m.id, err)
	}
	m.run = nil
}

// get fetches from another member's node, from this member's machine.
func (m *cityNode) get(from *cityNode, path string) (body []byte, code int, err error) {
	req, err := http.NewRequestWithContext(m.c.t.Context(), http.MethodGet, from.url()+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := m.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return body, resp.StatusCode, err
}

// head is what a member's node shows at a path as a head of some log; its size is 0 where it shows none.
func (m *cityNode) head(path string) (c checkpoint.Checkpoint) {
	m.c.t.Helper()
	note, code, err := m.get(m, path)
	if err != nil || code != http.StatusOK {
		return c
	}
	n, err := checkpoint.ParseNote(note)
	if err == nil {
		c, err = checkpoint.ParseCheckpoint(n.Text)
	}
	if err != nil {
		m.c.t.Fatalf("%s shows at %s what is no head: %v", m.id, path, err)
	}
	return c
}

// final is the newest final head of the member's log.
func (m *cityNode) final() checkpoint.Checkpoint { m.c.t.Helper(); return m.head("/log/final") }

// holds is the head of another's log that the member's mirror cosigned last.
func (m *cityNode) holds(o *cityNode) checkpoint.Checkpoint {
	m.c.t.Helper()
	return m.head(strings.TrimPrefix(m.copyOf(o), m.url()) + "/checkpoint")
}

// cosigns shows the member's witness once more the head of another's log that it cosigned last, and returns its answer.
func (m *cityNode) cosigns(o *cityNode) (code int, answer string) {
	t := m.c.t
	t.Helper()
	at := client.WitnessURL(m.url(), o.origin()) + "/checkpoint"
	note, code, err := m.get(m, strings.TrimPrefix(at, m.url()))
	if err != nil || code != http.StatusOK {
		return code, string(note)
	}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		t.Fatal(err)
	}
	return callBy(t, m.client, http.MethodPost, m.url()+"/witness/add-checkpoint", (&protocol.Request{Old: head.Size, Note: note}).Format())
}

// declare publishes a new declaration, waits so long until it is final, and wants the exit code: 3 where it is not final in
// time. With a wait of 0 nothing needs to be final. It returns the receipt's file.
func (m *cityNode) declare(want int, wait time.Duration) string {
	c := m.c
	c.t.Helper()
	none := []string{"FaceRecognition", "EmotionRecognition", "predictive_policing", "gunshot_detection", "licence_plate_recognition"}
	n := c.n + 1
	text := fmt.Sprintf("declares_none: [%s]\nsince: 2026-01-01\nuntil: %s\n", none[n%len(none)], time.Date(2027, 1, n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	return m.send(want, wait, map[string]string{"none.yaml": text}, "none.yaml")
}

// send publishes one of the files, as declare does.
func (m *cityNode) send(want int, wait time.Duration, files map[string]string, name string) string {
	c := m.c
	c.t.Helper()
	c.n++
	dir := filepath.Join(m.dir, fmt.Sprintf("declaration-%d", c.n))
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	files["cityproof.yaml"] = fmt.Sprintf("city: %s\nlanguage: en\ncountry: CH\naccountable: The city\ncontact: digital@city.example\nstored: city_cloud CH, The city\n", m.id)
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	args := []string{"publish", filepath.Join(dir, name), "--node", m.url(), "--trust", m.trust(), "--key", m.file("officer.key"), "--yes"}
	if wait > 0 {
		args = append(args, "--root", c.root, "--final", "--wait", wait.String())
	}
	m.must(want, cityproof, args...)
	return filepath.Join(dir, strings.TrimSuffix(name, ".yaml")+".receipt")
}

// makeFinal waits until a receipt of the member's is final, and verifies it.
func (m *cityNode) makeFinal(receipt string) {
	m.c.t.Helper()
	m.must(0, cityproof, "final", receipt, "--node", m.url(), "--trust", m.trust(), "--root", m.c.root, "--wait", patience.String())
	m.c.verify(0, receipt)
}

// awaitFinal waits until all that the member's log holds now is final.
func (m *cityNode) awaitFinal() {
	m.c.t.Helper()
	until(m.c.t, "the log of "+m.id+" has its first anchor", func() bool { return m.head("/log/checkpoint").Size > 0 })
	size := m.head("/log/checkpoint").Size
	until(m.c.t, "the log of "+m.id+" is final", func() bool { return m.final().Size >= size })
}

// sizes are the sizes of all logs now.
func (c *cities) sizes() []uint64 {
	c.t.Helper()
	var out []uint64
	for _, m := range c.all {
		out = append(out, m.head("/log/checkpoint").Size)
	}
	return out
}

// awaitEverywhere waits until every other member's mirror holds every log up to a size.
func (c *cities) awaitEverywhere(sizes []uint64) {
	c.t.Helper()
	for i, o := range c.all {
		for _, m := range c.all {
			if m != o {
				until(c.t, fmt.Sprintf("%s holds the log of %s up to size %d", m.id, o.id, sizes[i]), func() bool { return m.holds(o).Size >= sizes[i] })
			}
		}
	}
}

// clone copies the whole machine of a member whose node does not run, and has an operator say that the copy may sign.
func (m *cityNode) clone(at *host) *cityNode {
	t := m.c.t
	t.Helper()
	m.c.n++
	copied := &cityNode{host: at, c: m.c, id: m.id, name: m.name, dir: fmt.Sprintf("%s-clone-%d", m.dir, m.c.n)}
	if err := os.CopyFS(copied.dir, os.DirFS(m.dir)); err != nil {
		t.Fatal(err)
	}
	if err := filepath.WalkDir(copied.dir, func(path string, e os.DirEntry, err error) error { // keys that others may read are refused
		if err == nil && !e.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	copied.configure(func(text string) string { return strings.ReplaceAll(text, m.addr.String(), at.addr.String()) })
	m.c.issuer.issue(copied.file("node/public.pem"), at.addr.AsSlice())
	copied.client = m.c.web(at)
	copied.must(0, cityproofNode, "adopt", "--config", copied.config(), "--yes-the-other-copy-is-destroyed")
	t.Cleanup(copied.end)
	return copied
}

// evidence is what the member's node knows against others, as a person reads it.
func (m *cityNode) evidence() string {
	m.c.t.Helper()
	return m.must(0, cityproof, "evidence", "list", "--node", m.url(), "--root", m.c.root)
}

// hosts are the machines of members.
func hosts(of []*cityNode) []*host {
	var out []*host
	for _, m := range of {
		out = append(out, m.host)
	}
	return out
}

// verify checks a receipt offline, on a machine without any network, and wants the exit code.
func (c *cities) verify(want int, receipt string) {
	c.t.Helper()
	c.wants(c.offline(), want, cityproof, "verify", "--root", c.root, receipt)
}

// audit has a visitor audit the logs of members, which must all be true.
func (c *cities) audit(members ...*cityNode) {
	c.t.Helper()
	code, out := c.audited(members...)
	if code != 0 {
		c.t.Fatalf("the audit: exit code %d\n%s", code, out)
	}
	for _, m := range members {
		if !strings.Contains(out, fmt.Sprintf("%-14s %s ", "TRUE", m.id)) {
			c.t.Errorf("the audit does not find %s true:\n%s", m.id, out)
		}
	}
}

// audited is what an audit of members' logs says, and its exit code.
func (c *cities) audited(members ...*cityNode) (code int, out string) {
	c.t.Helper()
	args := []string{"audit", "--root", c.root}
	for _, m := range members {
		args = append(args, m.id)
	}
	out, code = c.on(c.visitor, cityproof, args...)
	return code, out
}

// offline is a machine that reaches nobody.
func (c *cities) offline() *host {
	c.t.Helper()
	h := c.net.host()
	c.net.part(h)
	c.net.set(h, c.visitor, wire{cut: true})
	return h
}

// forward opens a port of the test's own machine that leads to a port of the member's, as if the test ran there.
func (m *cityNode) forward(port string) string {
	m.c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.c.t.Fatal(err)
	}
	m.c.t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go m.pipe(in, port)
		}
	}()
	return l.Addr().String()
}

func (m *cityNode) pipe(in net.Conn, port string) {
	defer in.Close()
	out, err := m.dial(context.Background(), "tcp", m.addr.String()+":"+port)
	if err != nil {
		return
	}
	defer out.Close()
	go func() {
		_, _ = io.Copy(out, in)
		_ = out.Close()
	}()
	_, _ = io.Copy(in, out)
}
