package demo

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/node"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// The alliance is invented, and so are its members.
const allianceName = "Alliance of Invented Cities"

// people are the members: the secretariat first, then the city that publishes, then those that witness it.
var people = []struct{ id, name, host string }{
	{"xx-secretariat", "Secretariat", "secretariat.example"},
	{"nl-kanaalstad", "Gemeente Kanaalstad", "kanaalstad.example"},
	{"jp-minato", "Minato", "minato.example"},
	{"ca-riviere", "Rivière", "riviere.example"},
	{"ke-mwambao", "Mwambao", "mwambao.example"},
	{"br-enseada", "Enseada", "enseada.example"},
	{"kr-haneul", "Haneul", "haneul.example"},
	{"de-hafenau", "Hafenau", "hafenau.example"},
}

// A demo has from 3 cities, so that every log has a quorum, to as many as root.json has room for, beside the secretariat.
const (
	minCities = 3
	maxCities = 31
)

// person is the n-th member; behind the named ones there are towns.
func person(n int) (id, name, host string) {
	if n < len(people) {
		return people[n].id, people[n].name, people[n].host
	}
	town := fmt.Sprintf("town-%02d", n)
	return "xx-" + town, "Town " + strconv.Itoa(n), town + ".example"
}

// rootHolders and actSigners are how many keys the alliance has; two of each must sign.
const (
	rootHolders = 3
	actSigners  = 3
	threshold   = "2"
)

// member is one member with its node.
type member struct {
	id, name, host string
	dir            string // of everything
	http, grpc     string // addresses
	process        *process
}

func (m *member) url() string      { return "http://" + m.http }
func (m *member) origin() string   { return m.host + "/log" }
func (m *member) nodeDir() string  { return filepath.Join(m.dir, "node") }
func (m *member) config() string   { return filepath.Join(m.nodeDir(), "node.yaml") }
func (m *member) trust() string    { return filepath.Join(m.nodeDir(), "trust.json") }
func (m *member) officer() string  { return filepath.Join(m.dir, "officer-1.key") }
func (m *member) recovery() string { return filepath.Join(m.dir, "recovery.key") }
func (m *member) request() string  { return filepath.Join(m.dir, m.id+".join.json") }
func (m *member) role() string {
	return map[bool]string{true: "secretariat", false: "city"}[m.id == people[0].id]
}
func (d *demo) rootFile() string { return filepath.Join(d.opts.Dir, "root.json") }
func (d *demo) holder(n int) string {
	return filepath.Join(d.opts.Dir, "holders", fmt.Sprintf("root-%d.key", n))
}
func (d *demo) decider(n int) string {
	return filepath.Join(d.opts.Dir, "holders", fmt.Sprintf("act-%d.key", n))
}

// assemble says who takes part and where.
func (d *demo) assemble() error {
	n := d.opts.Cities
	if n == 0 {
		n = minCities
	}
	if n < minCities || n > maxCities {
		return fmt.Errorf("--cities %d: from %d to %d", n, minCities, maxCities)
	}
	for i := range n + 1 {
		id, name, host := person(i)
		d.members = append(d.members, &member{id: id, name: name, host: host, dir: filepath.Join(d.opts.Dir, id)})
	}
	return nil
}

// prepare makes all nodes and founds the alliance, unless the folder holds them already.
func (d *demo) prepare(ctx context.Context) error {
	if err := d.assemble(); err != nil {
		return err
	}
	if _, err := os.Stat(d.rootFile()); err == nil {
		d.tell("Going on with the alliance in %s.", d.opts.Dir)
		return d.readAddresses()
	}
	d.fresh = true
	if err := os.MkdirAll(filepath.Join(d.opts.Dir, "holders"), 0o700); err != nil {
		return err
	}
	if err := d.chooseAddresses(); err != nil {
		return err
	}
	for _, m := range d.members {
		if err := d.makeNode(m); err != nil {
			return err
		}
	}
	d.tell("Made the nodes of %s and %d cities, with keys for their officers.", d.members[0].id, len(d.members)-1)
	if err := d.found(ctx); err != nil {
		return err
	}
	return copySamples(d.declarations)
}

// chooseAddresses takes the ports asked for, or free ones.
func (d *demo) chooseAddresses() error {
	if d.opts.Port != 0 {
		for i, m := range d.members {
			m.http, m.grpc = fmt.Sprintf("127.0.0.1:%d", d.opts.Port+2*i), fmt.Sprintf("127.0.0.1:%d", d.opts.Port+2*i+1)
		}
		return nil
	}
	var held []net.Listener // until all are chosen, so that none is chosen twice
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for _, m := range d.members {
		for _, addr := range []*string{&m.http, &m.grpc} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			held, *addr = append(held, l), l.Addr().String()
		}
	}
	return nil
}

// readAddresses finds where the members of an earlier demo are reached.
func (d *demo) readAddresses() error {
	b, err := os.ReadFile(d.rootFile())
	if err != nil {
		return err
	}
	first, err := root.Parse(b)
	if err != nil {
		return err
	}
	if len(first.Founders) != len(d.members) {
		return fmt.Errorf("the alliance in %s has %d cities: give --cities %d", d.opts.Dir, len(first.Founders)-1, len(first.Founders)-1)
	}
	for i, f := range first.Founders {
		d.members[i].http, d.members[i].grpc = strings.TrimPrefix(f.Member.Entry.GetHttp(), "http://"), f.Member.Entry.GetGrpc()
	}
	return nil
}

// makeNode makes a member's folder: node, officer's key, recovery key.
func (d *demo) makeNode(m *member) error {
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		return err
	}
	officer, err := newKey(m.officer(), signingkey.Publisher, "officer-1")
	if err != nil {
		return err
	}
	if _, err := newKey(m.recovery(), signingkey.Recovery, "recovery"); err != nil {
		return err
	}
	if _, err = node.Init(node.InitOptions{
		City: m.id, URL: "https://" + m.host, Dir: m.nodeDir(), HTTP: m.http, GRPC: m.grpc, Publishers: []ed25519.PublicKey{officer},
	}); err != nil {
		return err
	}
	return appendTo(m.config(), d.settings())
}

// pace is by how much slower than four nodes all that share the machine do things: each anchor is work for all others.
func (d *demo) pace() int { return max(1, len(d.members)/4) }

// settings are what a demo's nodes have beside what init writes. A demo does in seconds what takes hours elsewhere.
func (d *demo) settings() string {
	pace := d.pace()
	text := fmt.Sprintf("anchor:\n  interval: %ds\npeers:\n  allow_private: true\n  poll: %dms\n  gossip: %dms\n", 2*pace, 500*pace, 500*pace)
	if len(d.opts.ExtraLogs) > 0 {
		text += "witness:\n  extra_logs:\n"
		for _, vkey := range d.opts.ExtraLogs {
			text += "    - " + vkey + "\n"
		}
	}
	return text
}

func newKey(file string, role signingkey.Role, label string) (ed25519.PublicKey, error) {
	key, err := signingkey.Generate(role, label, signingkey.Ed25519)
	if err != nil {
		return nil, err
	}
	return key.Public(), signingkey.WriteFile(file, key.Format())
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// found does what the ceremony says, with the command that people use.
func (d *demo) found(ctx context.Context) error {
	// A node's first checkpoint proves that it holds its log's keys.
	if err := errors.Join(d.startAll(ctx), d.stopAll()); err != nil {
		return err
	}
	registry := d.members[0].origin()
	init := []string{"alliance", "init", "--name", allianceName, "--threshold", threshold, "--act-threshold", threshold, "--first-draw", "10s", "--out", d.rootFile()}
	for i := range rootHolders {
		key, err := newKey(d.holder(i+1), signingkey.Root, fmt.Sprintf("root-%d", i+1))
		if err != nil {
			return err
		}
		init = append(init, "--root-key", base64.StdEncoding.EncodeToString(key))
	}
	for i := range actSigners {
		key, err := newKey(d.decider(i+1), signingkey.Act, fmt.Sprintf("act-%d", i+1))
		if err != nil {
			return err
		}
		init = append(init, "--act-key", base64.StdEncoding.EncodeToString(key))
	}
	for _, m := range d.members {
		if err := d.quiet(ctx, "join-request", "--config", m.config(), "--registry", registry, "--name", m.name, "--kind", m.role(),
			"--http", m.url(), "--grpc", m.grpc, "--key", m.officer(), "--key", m.recovery(), "--out", m.request()); err != nil {
			return err
		}
		init = append(init, m.request())
	}
	if err := d.quiet(ctx, init...); err != nil {
		return err
	}
	d.tell("\nEach has signed its request to join with all its keys. Two of three holders sign the root, one after another:")
	for n := 1; n <= 2; n++ {
		if err := d.run(ctx, 0, "alliance", "sign", d.rootFile(), "--key", d.holder(n)); err != nil {
			return err
		}
	}
	for _, m := range d.members {
		if err := d.joinAlliance(m); err != nil {
			return err
		}
	}
	return nil
}

// joinAlliance names root.json in a node's configuration.
func (d *demo) joinAlliance(m *member) error {
	b, err := os.ReadFile(m.config())
	if err != nil {
		return err
	}
	city := "  - city: " + m.id + "\n"
	text := strings.Replace(string(b), city, city+"    root: "+d.rootFile()+"\n", 1)
	return os.WriteFile(m.config(), []byte(text), 0o600) //nolint:gosec // in the demo's own folder
}

// record puts the root into the registry, signed by two of those who sign acts.
func (d *demo) record(ctx context.Context) error {
	d.tell("\nThe secretariat records it in the registry, which is a log like the others:")
	return d.run(ctx, 0, "alliance", "root", d.rootFile(), "--root", d.rootFile(), "--key", d.decider(1), "--key", d.decider(2))
}

// Description is demo.json: where everything is, for other programs.
type Description struct {
	Nodes []NodeDescription `json:"nodes"`
	Root  string            `json:"root"`
}

// NodeDescription is one node of demo.json.
type NodeDescription struct {
	Name        string `json:"name"`
	Role        string `json:"role"`
	Origin      string `json:"origin"`
	LogVKey     string `json:"log_vkey"` // Ed25519: what any C2SP tool checks
	WitnessVKey string `json:"witness_vkey"`
	MirrorVKey  string `json:"mirror_vkey"`
	HTTP        string `json:"http"`
	GRPC        string `json:"grpc"`
	Config      string `json:"config"`
}

// describe writes demo.json.
func (d *demo) describe() error {
	out := Description{Root: d.rootFile()}
	for _, m := range d.members {
		b, err := os.ReadFile(m.request())
		if err != nil {
			return err
		}
		r, err := act.ParseRequest(b)
		if err != nil {
			return err
		}
		e := r.Member.Entry
		out.Nodes = append(out.Nodes, NodeDescription{
			Name: m.id, Role: m.role(), Origin: e.GetOrigin(), LogVKey: e.GetLogVkeys()[0], WitnessVKey: e.GetWitnessVkey(), MirrorVKey: e.GetMirrorVkey(),
			HTTP: m.url(), GRPC: m.grpc, Config: m.config(),
		})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.opts.Dir, "demo.json"), append(b, '\n'), 0o644) //nolint:gosec // nothing in it is secret
}
