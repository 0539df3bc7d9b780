package integration_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecondNodeOnTheSameDataIsRefused(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	p.refused([]string{"is this node running already?"}, "run", "--config", p.config)
	p.refused([]string{"in use"}, "fsck", "--config", p.config)
	// A backup asks the running node for its copy, of a log without entries too.
	p.must(0, cityproofNode, "backup", filepath.Join(p.dir, "backup"), "--config", p.config)
	p.publishSensors(n) // the first one is none the worse
}

func TestPortInUseIsRefused(t *testing.T) {
	p := newPlace(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, surface := range []string{"http", "grpc"} {
		p.configure(surface+":\n  listen: 127.0.0.1:0\n", surface+":\n  listen: "+l.Addr().String()+"\n")
		p.refused([]string{"address already in use", "choose another"}, "run", "--config", p.config)
		p.configure(surface+":\n  listen: "+l.Addr().String()+"\n", surface+":\n  listen: 127.0.0.1:0\n")
	}
	p.start(true) // nothing of the failed starts is in the way
}

func (p *place) configure(from, to string) {
	p.t.Helper()
	b, err := os.ReadFile(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		p.t.Fatalf("the configuration has no %q:\n%s", from, b)
	}
	if err := os.WriteFile(p.config, []byte(strings.Replace(string(b), from, to, 1)), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func TestMissingKeyFileIsRefused(t *testing.T) {
	p := newPlace(t)
	for _, name := range []string{"log-ed25519.key", "log-mldsa44.key"} {
		file := filepath.Join(p.nodeDir, "keys", name)
		p.rename(file, file+".away")
		for _, command := range []string{"run", "check"} {
			p.refused([]string{name, "safe copy"}, command, "--config", p.config)
		}
		p.rename(file+".away", file)
	}
	p.must(0, cityproofNode, "check", "--config", p.config)
	// Init would make another log: it refuses where a node is.
	p.refused([]string{"exists already"}, "init", "--city", city, "--url", "https://kanaalstad.example", "--dir", p.nodeDir)
}

func (p *place) rename(from, to string) {
	p.t.Helper()
	if err := os.Rename(from, to); err != nil {
		p.t.Fatal(err)
	}
}

func TestT44ReadOnlyDirectoryIsRefused(t *testing.T) {
	if os.Getuid() == 0 {
		// root writes anywhere; a file where the folder belongs stands in its way too
		p := newPlace(t)
		p.write("node/data", "not a folder")
		p.refused([]string{filepath.Join(p.nodeDir, "data")}, "run", "--config", p.config)
		return
	}
	p := newPlace(t)
	if err := os.Mkdir(filepath.Join(p.nodeDir, "data"), 0o500); err != nil {
		t.Fatal(err)
	}
	p.refused([]string{"permission denied"}, "run", "--config", p.config)
}

func TestT44DamagedDatabaseIsRefused(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	p.publishSensors(n)
	n.stop()
	files, err := filepath.Glob(filepath.Join(p.nodeDir, "data", "pebble", "MANIFEST-*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no manifest: %v", err)
	}
	for _, f := range files {
		if err := os.WriteFile(f, []byte("nothing that a database would write"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(p.nodeDir, "data")
	p.refused([]string{data, "restore"}, "run", "--config", p.config)
	p.refused([]string{data}, "fsck", "--config", p.config)
}

func TestBackupAndRestore(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	first := p.publishSensors(n)
	n.stop()
	backup, data := filepath.Join(p.dir, "backup"), filepath.Join(p.nodeDir, "data")
	p.must(0, cityproofNode, "backup", backup, "--config", p.config)
	for _, secret := range []string{"keys", "state"} {
		if _, err := os.Stat(filepath.Join(backup, secret)); err == nil {
			t.Errorf("the backup holds %s", secret)
		}
	}
	p.refused([]string{"is not empty"}, "restore", backup, "--config", p.config)

	// Lost and put back, the log goes on.
	p.rename(data, data+".lost")
	if out := p.must(0, cityproofNode, "restore", backup, "--config", p.config); strings.Contains(out, "only serve readers") {
		t.Errorf("restoring a backup of the newest data says %q", out)
	}
	p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config, "--json")
	n = p.start(true)
	later := p.write("later.yaml", notice("A report after the backup."))
	p.publish(n, later)
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
	n.stop()

	// Now the backup is behind what is signed: it serves readers and signs nothing.
	p.rename(data, data+".newer")
	if out := p.must(0, cityproofNode, "restore", backup, "--config", p.config); !strings.Contains(out, "only serve readers") {
		t.Errorf("restoring a backup that is behind says %q", out)
	}
	n = p.start(false)
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust) // the old head, which is still true
	third := p.write("third.yaml", notice("A report that can't be."))
	if out := p.must(3, cityproof, "publish", "--node", n.http, "--trust", p.trust, "--key", p.key, "--yes", third); !strings.Contains(out, "old copy of the data directory") {
		t.Errorf("publishing into a log behind its signature says %q", out)
	}
	n.stop()
	p.must(0, cityproof, "verify", "--trust", p.trust, first, strings.TrimSuffix(later, "yaml")+"receipt")

	// The newer data come back, and so does the log.
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	p.rename(data+".newer", data)
	p.start(true)
}
