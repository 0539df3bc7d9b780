package integration_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// freeze makes TestFrozenFormats first write a new directory. See testdata/frozen/README.md.
var freeze = flag.String("freeze", "", "write the data directory of this program's format to this new `folder`")

// frozenDir holds a folder for each data format that a program ever wrote.
const frozenDir = "testdata/frozen"

// frozen is expected.json: what a program, this one or a later one, must find in the folder beside it.
type frozen struct {
	// Format is the number in data/FORMAT.
	Format int `json:"format"`
	// Refused, if set, is what the program must say of the folder, because it does not read its format any more. The
	// other fields are then history.
	Refused string `json:"refused,omitempty"`
	// Size and Root of the log; the root in base64.
	Size int64  `json:"size"`
	Root string `json:"root"`
	// Bodies and Attachments that are there, and Erased bodies that are not.
	Bodies      int `json:"bodies"`
	Attachments int `json:"attachments"`
	Erased      int `json:"erased"`
}

// frozenKey makes a key that is no secret: its seed is the hash of a sentence that everybody can read here. So the
// frozen log can go on in each run of the test, and no private key lies in the repository.
func frozenKey(t *testing.T, role signingkey.Role, label string, alg signingkey.Algorithm) *signingkey.Key {
	t.Helper()
	seed := sha256.Sum256(fmt.Appendf(nil, "Cityproof's frozen test log, %s %s %s: no secret, trust nothing that it signs.", role, label, alg))
	key, err := signingkey.Parse(fmt.Appendf(nil, "cityproof-key 1\nrole %s\nlabel %s\nalgorithm %s\nseed %s\n",
		role, label, alg, base64.StdEncoding.EncodeToString(seed[:])))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// frozenPlace is a city's machine with the frozen log's keys and no data.
func frozenPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t) // its log is not used, its officer's folder is
	trust := &receipt.Trust{Origin: origin, City: city}
	for _, k := range []struct {
		file string
		alg  signingkey.Algorithm
		typ  checkpoint.KeyType
	}{
		{"log-ed25519.key", signingkey.Ed25519, checkpoint.TypeEd25519},
		{"log-mldsa44.key", signingkey.MLDSA44, checkpoint.TypeMLDSA44},
	} {
		key := frozenKey(t, signingkey.Log, "log", k.alg)
		p.write("node/keys/"+k.file, string(key.Format()))
		v, err := checkpoint.NewVKey(origin, k.typ, key.Public())
		if err != nil {
			t.Fatal(err)
		}
		verifier, err := checkpoint.ParseVerifier(checkpoint.FormatVKey(v))
		if err != nil {
			t.Fatal(err)
		}
		trust.Log = append(trust.Log, verifier)
	}
	officer := frozenKey(t, signingkey.Publisher, "officer", signingkey.Ed25519)
	p.write("officer.key", string(officer.Format()))
	trust.Publishers = []receipt.Publisher{{Key: ed25519.PublicKey(officer.Public())}}
	text, err := trust.Format()
	if err != nil {
		t.Fatal(err)
	}
	p.write("node/trust.json", string(text))
	return p
}

// assessed is a deployment with a report attached, whose hash is in its assessment.
const assessed = sensors + `assessment:
  nickname: air-pia
  kind: PIA
  completed: 2026-11-16
  assessor: Privacy Advies Noord BV, external
  lifecycle: all
  criteria: [It measures air and nothing else - met]
  asked: [residents 2026-09-10]
  outcome: risks_mitigated
  recommendation: continue
  public_summary: The boxes see nobody.
  report: air-pia.pdf
`

// TestFrozenFormats opens every data directory that a program of ours ever wrote, or sees that it is refused with a
// word on what to do.
func TestFrozenFormats(t *testing.T) {
	if *freeze != "" {
		newFrozen(t)
	}
	dirs, err := filepath.Glob(filepath.Join(frozenDir, "format-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no frozen formats: %v", err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			b, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			var want frozen
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join(dir, "data", "FORMAT")); err != nil || string(got) != fmt.Sprintf("cityproof-data %d\n", want.Format) {
				t.Fatalf("data/FORMAT holds %q, %v, want format %d", got, err, want.Format)
			}
			before := sumOf(t, dir)
			p := frozenPlace(t)
			copyAll(t, filepath.Join(dir, "data"), filepath.Join(p.nodeDir, "data"))
			if want.Refused != "" {
				p.refused([]string{want.Refused}, "run", "--config", p.config)
				p.refused([]string{want.Refused}, "fsck", "--config", p.config)
			} else {
				p.thaw(dir, want)
			}
			if sumOf(t, dir) != before {
				t.Errorf("the test has changed %s", dir)
			}
		})
	}
}

// thaw uses a copy of a frozen folder as a node's: first as a copy, which signs nothing, then adopted.
func (p *place) thaw(dir string, want frozen) {
	t := p.t
	state := filepath.Join(p.nodeDir, "state")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	copyAll(t, filepath.Join(dir, "lastsigned"), filepath.Join(state, "lastsigned"))
	trust := filepath.Join(mustAbs(t, dir), "trust.json")
	if a, b := sumOf(t, trust), sumOf(t, p.trust); a != b {
		t.Fatalf("trust.json is not of the test's keys")
	}
	p.fsckIs(want.Size, want.Root, want.Bodies+want.Attachments)

	n := p.start(false)
	p.readOnly(n, "state/identity is missing")
	if tree := n.tree(p); tree.N != want.Size || tree.Hash.String() != want.Root {
		t.Fatalf("the node shows size %d and root %s, want %d and %s", tree.N, tree.Hash, want.Size, want.Root)
	}
	archive := n.archive(p)
	n.stop()
	p.auditIs(archive, want)
	p.must(0, cityproof, "verify", "--trust", trust, filepath.Join(mustAbs(t, dir), "air.receipt"))

	// And it goes on.
	p.must(0, cityproofNode, "adopt", "--config", p.config, "--yes-the-other-copy-is-destroyed")
	n = p.start(true)
	p.noticesAt(n, 1)
	head := filepath.Join(archive, "checkpoint")
	p.must(0, cityproof, "audit", n.http, "--trust", trust, "--since", head)
	tree := n.tree(p)
	n.stop()
	if tree.N != want.Size+1 {
		t.Errorf("size %d after one more declaration, want %d", tree.N, want.Size+1)
	}
	p.fsckIs(tree.N, tree.Hash.String(), want.Bodies+want.Attachments+1)
}

// fsckIs runs fsck, which must find nothing wrong with a log of this size, root and number of bodies and attachments.
func (p *place) fsckIs(size int64, root string, bodies int) {
	p.t.Helper()
	var got struct {
		Size    int64
		Root    string
		Bodies  int
		Damages []string
	}
	out := p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config, "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		p.t.Fatalf("fsck says %q: %v", out, err)
	}
	if got.Size != size || got.Root != root || got.Bodies != bodies || len(got.Damages) > 0 {
		p.t.Errorf("fsck says %+v, want size %d, root %s, %d bodies and attachments, no damages", got, size, root, bodies)
	}
}

// auditIs audits the files in a folder and nothing else.
func (p *place) auditIs(archive string, want frozen) {
	p.t.Helper()
	var got struct {
		Verdict, Root string
		Size          int64
		Bodies        struct{ Verified, Erased int }
	}
	out := p.must(0, cityproof, "audit", archive, "--trust", p.trust, "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		p.t.Fatalf("audit says %q: %v", out, err)
	}
	if got.Verdict != "true" || got.Root != want.Root || got.Size != want.Size || got.Bodies.Verified != want.Bodies || got.Bodies.Erased != want.Erased {
		p.t.Errorf("audit says %+v, want true, of %+v", got, want)
	}
}

// archive saves all public files of a log, as anybody may: with what a stranger knows, and bodies by their hashes.
func (n *process) archive(p *place) string {
	n.t.Helper()
	dir := n.t.TempDir()
	s := &stranger{n.t.Context(), n.http + "/log"}
	save := func(path string) []byte {
		b, err := s.get(path)
		if err != nil {
			n.t.Fatal(err)
		}
		file := filepath.Join(dir, filepath.FromSlash(path))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o600)); err != nil {
			n.t.Fatal(err)
		}
		return b
	}
	save("checkpoint")
	tree := n.tree(p)
	for _, tile := range tlog.NewTiles(8, 0, tree.N) {
		save(tilePath(tile))
		if tile.L == 0 {
			tile.L = -1
			save(tilePath(tile))
		}
	}
	entries, err := s.entries(tree)
	if err != nil {
		n.t.Fatal(err)
	}
	gone := 0
	for _, e := range entries {
		signed, err := declaration.ParseSigned(e)
		if err != nil {
			n.t.Fatal(err)
		}
		path := fmt.Sprintf("bodies/%x", signed.Statement.BodySHA256)
		if _, err := s.get(path); err != nil && strings.Contains(err.Error(), "410 Gone") {
			gone++
			continue
		}
		save(path)
	}
	if gone != 1 {
		n.t.Errorf("%d bodies are gone, want the one that was erased", gone)
	}
	return dir
}

// sumOf hashes a file, or all files below a folder with their names.
func sumOf(t *testing.T, path string) (sum [sha256.Size]byte) {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(file)
		fmt.Fprintf(h, "%q %x\n", strings.TrimPrefix(file, path), sha256.Sum256(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// newFrozen writes a new folder with what this program writes.
func newFrozen(t *testing.T) {
	t.Helper()
	if _, err := os.Lstat(*freeze); err == nil {
		t.Fatalf("%s exists: what is frozen stays as it is", *freeze)
	}
	p := frozenPlace(t)
	n := p.start(true)
	p.write("air-pia.pdf", "%PDF-1.4\n% An invented report, to have an attachment.\n")
	p.publish(n, p.write("air.yaml", fmt.Sprintf(assessed, "2026-11-24")))
	p.noticesAt(n, 250) // with the others, a full tile and a few entries more
	// Erasing flushes and compacts, so the folder has tables as well as a write-ahead log.
	p.must(0, cityproof, "erase", "not/7", "--node", n.http, "--trust", p.trust, "--key", p.key, "--yes",
		"--ground", "court_order", "--authority", "An invented court", "--reason", "To have an erased body in the frozen log.")
	p.publish(n, p.write("amend.yaml", "amend: air-network\nreason: Two more boxes.\nset: {units: 42}\n"))
	n.stop()
	n = p.start(true)
	p.noticesAt(n, 1)
	p.noticesAt(n, 1)
	tree := n.tree(p)
	n.stop()
	var format int
	if b, err := os.ReadFile(filepath.Join(p.nodeDir, "data", "FORMAT")); err != nil {
		t.Fatal(err)
	} else if _, err = fmt.Sscanf(string(b), "cityproof-data %d\n", &format); err != nil {
		t.Fatal(err)
	}
	want := frozen{Format: format, Size: tree.N, Root: tree.Hash.String(), Bodies: int(tree.N) - 1, Attachments: 1, Erased: 1}
	if err := os.MkdirAll(*freeze, 0o755); err != nil {
		t.Fatal(err)
	}
	for to, from := range map[string]string{"data": "node/data", "lastsigned": "node/state/lastsigned", "trust.json": "node/trust.json", "air.receipt": "air.receipt"} {
		copyAll(t, filepath.Join(p.dir, from), filepath.Join(*freeze, to))
	}
	b, err := json.MarshalIndent(want, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(*freeze, "expected.json"), append(b, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// noticesAt publishes count notices with the next free numbers.
func (p *place) noticesAt(n *process, count int) {
	p.t.Helper()
	o := p.dial(n)
	var err error
	if o.next, err = o.client.NextNumber(p.t.Context(), declaration.Notice); err != nil {
		p.t.Fatal(err)
	}
	if _, err = o.client.Publish(p.t.Context(), o.notices(count)); err != nil {
		p.t.Fatal(err)
	}
}

// tree is the log's signed size and root, as a stranger reads them.
func (n *process) tree(p *place) tlog.Tree {
	n.t.Helper()
	tree, err := (&stranger{n.t.Context(), n.http + "/log"}).checkpoint(p.vkey())
	if err != nil {
		n.t.Fatal(err)
	}
	return tree
}

// copyAll copies a file or a folder.
func copyAll(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if d.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
