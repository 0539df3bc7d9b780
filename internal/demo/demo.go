package demo

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/cli"
	"github.com/cityproof/cityproof/internal/node"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

//go:embed samples
var samples embed.FS

// The invented city.
const (
	city = "nl-kanaalstad"
	url  = "https://kanaalstad.example"
)

// Options of a demo.
type Options struct {
	// Dir keeps the data; empty: a temporary folder that is removed at the end.
	Dir string
	// Port is the first port; 0: ports that the kernel chooses.
	Port int
	// Once ends after everything was verified, instead of serving on.
	Once bool
	// Import lists further registers to publish, as FORMAT=FILE.
	Import []string
	// Out gets what the demo tells.
	Out io.Writer
	// Node is the program to run as node, with its first arguments; default: this
	// one.
	Node []string
}

// Run shows the demo. It returns an error unless everything was proven that it set
// out to prove.
func Run(ctx context.Context, opts Options) (err error) {
	if opts.Dir == "" {
		if opts.Dir, err = os.MkdirTemp("", "cityproof-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(opts.Dir)) }()
	}
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return err
	}
	d := &demo{opts: opts, declarations: filepath.Join(opts.Dir, "declarations")}
	if err = d.prepare(); err != nil {
		return err
	}
	if err = d.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.show(ctx); err != nil {
		return err
	}
	if opts.Once {
		return nil
	}
	d.tell("\nThe node goes on serving. Read its log at %s/ ; stop it with Ctrl-C.", d.process.http)
	select {
	case <-ctx.Done():
		return nil
	case <-d.process.done:
		return errors.New("the node ended by itself")
	}
}

type demo struct {
	opts         Options
	declarations string // folder of the officer's files
	process      *process
	trust        string
	fresh        bool // the folder is new: nothing is published yet
}

func (d *demo) tell(format string, args ...any) { fmt.Fprintf(d.opts.Out, format+"\n", args...) }

// prepare makes the city's folder: node, officer's key, and the officer's files.
func (d *demo) prepare() error {
	nodeDir := filepath.Join(d.opts.Dir, "node")
	d.trust = filepath.Join(nodeDir, "trust.json")
	if _, err := os.Stat(filepath.Join(nodeDir, "node.yaml")); err == nil {
		d.tell("Going on with the demo in %s.", d.opts.Dir)
		return nil
	}
	d.fresh = true
	if err := os.MkdirAll(d.opts.Dir, 0o700); err != nil {
		return err
	}
	key, err := signingkey.Generate(signingkey.Publisher, "officer-1", signingkey.Ed25519)
	if err != nil {
		return err
	}
	if err = signingkey.WriteFile(d.officerKey(), key.Format()); err != nil {
		return err
	}
	made, err := node.Init(node.InitOptions{
		City: city, URL: url, Dir: nodeDir, HTTP: d.address(0), GRPC: d.address(1), Publishers: []ed25519.PublicKey{key.Public()},
	})
	if err != nil {
		return err
	}
	d.tell("Made the node of %s, the log %s, and a key for its officer.", city, made.Origin)
	return copySamples(d.declarations)
}

func (d *demo) officerKey() string { return filepath.Join(d.opts.Dir, "officer-1.key") }

func (d *demo) address(n int) string {
	if d.opts.Port == 0 {
		return "127.0.0.1:0"
	}
	return fmt.Sprintf("127.0.0.1:%d", d.opts.Port+n)
}

func copySamples(to string) error {
	return fs.WalkDir(samples, "samples", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, filepath.FromSlash(strings.TrimPrefix(path, "samples")))
		if e.IsDir() {
			return os.MkdirAll(target, 0o755) //nolint:gosec // nothing in it is secret
		}
		b, err := samples.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o644) //nolint:gosec // nothing in it is secret
	})
}

// show does what an officer and a journalist do, in their order.
func (d *demo) show(ctx context.Context) error {
	if d.fresh {
		if err := d.publish(ctx); err != nil {
			return err
		}
	}
	receipts, err := d.receipts()
	if err != nil {
		return err
	}
	d.tell("\nA journalist checks all %d receipts offline, against trust.json alone:", len(receipts))
	start := time.Now()
	if err := d.quiet(ctx, 0, slices.Concat([]string{"verify", "--trust", d.trust}, receipts)...); err != nil {
		return err
	}
	d.tell("  all true, in %v.", time.Since(start).Round(time.Millisecond))
	if err := d.forge(ctx, receipts[0]); err != nil {
		return err
	}
	d.tell("\nA resident fetches the report of an assessment; it is the file that was signed for:")
	if err := d.run(ctx, 0, "show", "sluisplein-pia", "--node", d.process.http, "--trust", d.trust,
		"--attachments", filepath.Join(d.opts.Dir, "files")); err != nil {
		return err
	}
	d.tell("\nAnd the journalist audits the whole log, from its public files alone:")
	return d.run(ctx, 0, "audit", d.process.http, "--trust", d.trust)
}

func (d *demo) publish(ctx context.Context) error {
	at := []string{"--node", d.process.http, "--trust", d.trust, "--key", d.officerKey(), "--yes"}
	d.tell("\nThe officer publishes the city's declarations:")
	if err := d.run(ctx, 0, slices.Concat([]string{"publish", d.declarations}, at)...); err != nil {
		return err
	}
	d.tell("\nLater the city keeps a video longer. Nobody can hide that:")
	if err := d.run(ctx, 0, slices.Concat([]string{"publish", filepath.Join(d.declarations, "later")}, at)...); err != nil {
		return err
	}
	for i, spec := range d.opts.Import {
		format, file, ok := strings.Cut(spec, "=")
		if !ok {
			return fmt.Errorf("--import %s: want FORMAT=FILE", spec)
		}
		drafts := filepath.Join(d.opts.Dir, fmt.Sprintf("import-%d.jsonl", i+1))
		d.tell("\nThe city's existing register comes along:")
		if err := d.run(ctx, 0, "import", format, file, "--out", drafts, "--workspace", filepath.Join(d.declarations, "cityproof.yaml")); err != nil {
			return err
		}
		if err := d.run(ctx, 0, slices.Concat([]string{"publish", drafts, "--workspace", filepath.Join(d.declarations, "cityproof.yaml")}, at)...); err != nil {
			return err
		}
	}
	return nil
}

// receipts are the files that publishing has written.
func (d *demo) receipts() ([]string, error) {
	var out []string
	err := filepath.WalkDir(d.opts.Dir, func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".receipt" {
			out = append(out, path)
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = errors.New("there are no receipts")
	}
	return out, err
}

// forge changes one letter of what a receipt says, and shows that it no longer
// verifies.
func (d *demo) forge(ctx context.Context, file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	r, err := receipt.Parse(b)
	if err != nil {
		return err
	}
	at := strings.Index(string(b), string(r.Body)) + len(r.Body)/2
	b[at] ^= 1
	forged := filepath.Join(d.opts.Dir, "forged.receipt")
	if err = os.WriteFile(forged, b, 0o644); err != nil { //nolint:gosec // nothing in it is secret
		return err
	}
	d.tell("\nSomebody changes one letter of a receipt:")
	err = d.run(ctx, 1, "verify", "--trust", d.trust, forged)
	return errors.Join(err, os.Remove(forged))
}

// run runs the command cityproof, showing what it prints, and wants its exit code.
func (d *demo) run(ctx context.Context, want int, args ...string) error {
	d.tell("  $ cityproof %s", strings.Join(d.short(args), " "))
	return d.cityproof(ctx, want, &indented{w: d.opts.Out, fresh: true}, args)
}

// quiet runs it without showing anything, unless it doesn't do what it should.
func (d *demo) quiet(ctx context.Context, want int, args ...string) error {
	var out strings.Builder
	if err := d.cityproof(ctx, want, &out, args); err != nil {
		d.tell("%s", out.String())
		return err
	}
	return nil
}

func (d *demo) cityproof(ctx context.Context, want int, out io.Writer, args []string) error {
	app := cli.Process(rand.Reader)
	app.In, app.Out, app.Err, app.Terminal = strings.NewReader(""), out, out, false
	if got := app.Main(ctx, args); got != want {
		return fmt.Errorf("cityproof %s: exit code %d, want %d", args[0], got, want)
	}
	return nil
}

// short leaves the demo's own folder out of file names.
func (d *demo) short(args []string) []string {
	out := slices.Clone(args)
	for i := range out {
		out[i] = strings.TrimPrefix(out[i], d.opts.Dir+string(filepath.Separator))
	}
	return out
}

// indented writes each line behind four spaces.
type indented struct {
	w     io.Writer
	fresh bool // at the start of a line
}

func (i *indented) Write(p []byte) (int, error) {
	for _, c := range p {
		if i.fresh && c != '\n' {
			if _, err := io.WriteString(i.w, "    "); err != nil {
				return 0, err
			}
		}
		i.fresh = c == '\n'
		if _, err := i.w.Write([]byte{c}); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// Description is demo.json: where everything is, for other programs.
type Description struct {
	Nodes []NodeDescription `json:"nodes"`
}

// NodeDescription is one node of demo.json.
type NodeDescription struct {
	Name    string `json:"name"`
	Role    string `json:"role"`
	Origin  string `json:"origin"`
	LogVKey string `json:"log_vkey"` // Ed25519: what any C2SP tool checks
	HTTP    string `json:"http"`
	GRPC    string `json:"grpc"`
	Config  string `json:"config"`
}

func (d *demo) describe() error {
	b, err := os.ReadFile(d.trust)
	if err != nil {
		return err
	}
	trust, err := receipt.ParseTrust(b)
	if err != nil {
		return err
	}
	out, err := json.MarshalIndent(Description{[]NodeDescription{{
		Name: city, Role: "city", Origin: trust.Origin, LogVKey: trust.VKeys()[0],
		HTTP: d.process.http, GRPC: d.process.grpc, Config: filepath.Join(d.opts.Dir, "node", "node.yaml"),
	}}}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.opts.Dir, "demo.json"), append(out, '\n'), 0o644) //nolint:gosec // nothing in it is secret
}
