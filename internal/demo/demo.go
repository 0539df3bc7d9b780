package demo

import (
	"context"
	"crypto/rand"
	"embed"
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
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/receipt"
)

//go:embed samples
var samples embed.FS

// Options of a demo.
type Options struct {
	// Dir keeps the data; empty: a temporary folder that is removed at the end.
	Dir string
	// Port is the first port, of two for each node; 0: free ones.
	Port int
	// Cities is how many cities there are beside the secretariat; default 3.
	Cities int
	// ExtraLogs are verifier keys of further logs that all nodes witness.
	ExtraLogs []string
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
	if err = d.prepare(ctx); err != nil {
		return err
	}
	if err = d.startAll(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stopAll()) }()
	if err = d.describe(); err != nil {
		return err
	}
	d.city = d.members[1]
	if err := d.show(ctx); err != nil {
		return err
	}
	if opts.Once {
		return nil
	}
	d.tell("\nThe alliance goes on. Read %s's log at %s/ ; stop with Ctrl-C.", d.city.id, d.city.url())
	return d.ended(ctx)
}

type demo struct {
	opts         Options
	declarations string // folder of the officer's files
	members      []*member
	city         *member // that publishes
	fresh        bool    // the folder is new: nothing is published yet
}

func (d *demo) tell(format string, args ...any) { fmt.Fprintf(d.opts.Out, format+"\n", args...) }

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

// show does what an officer, a journalist and a liar do, in their order.
func (d *demo) show(ctx context.Context) error {
	for _, m := range d.members {
		d.tell("%-15s process %d, HTTP %s, gRPC %s", m.id, m.process.cmd.Process.Pid, m.url(), m.grpc)
	}
	if d.fresh {
		if err := d.record(ctx); err != nil {
			return err
		}
		if err := d.publish(ctx); err != nil {
			return err
		}
	}
	receipts, err := d.receipts()
	if err != nil {
		return err
	}
	d.tell("\nA journalist checks all %d receipts offline, against root.json alone:", len(receipts))
	start := time.Now()
	if err := d.quiet(ctx, slices.Concat([]string{"verify", "--root", d.rootFile()}, receipts)...); err != nil {
		return err
	}
	d.tell("  all true and final, in %v.", time.Since(start).Round(time.Millisecond))
	if err := d.forge(ctx, receipts[0]); err != nil {
		return err
	}
	d.tell("\nA resident fetches the report of an assessment; it is the file that was signed for:")
	if err := d.run(ctx, 0, "show", "sluisplein-pia", "--node", d.city.url(), "--trust", d.city.trust(),
		"--attachments", filepath.Join(d.opts.Dir, "files")); err != nil {
		return err
	}
	d.tell("\nThe journalist audits the city's whole log, from the copy that another city keeps:")
	if err := d.run(ctx, 0, "audit", d.copyOf(d.city, d.members[2]), "--trust", d.city.trust()); err != nil {
		return err
	}
	return d.showFork(ctx)
}

// copyOf is where a member's mirror serves another's log.
func (d *demo) copyOf(m, mirror *member) string {
	return client.MirrorURL(mirror.url(), m.origin())
}

func (d *demo) publish(ctx context.Context) error {
	at := []string{"--node", d.city.url(), "--trust", d.city.trust(), "--key", d.city.officer(), "--root", d.rootFile(), "--yes", "--final", "--wait", (time.Duration(d.pace()) * time.Minute).String()}
	d.tell("\nThe officer of %s publishes the city's declarations, and waits until others have cosigned them:", d.city.id)
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
	err = d.run(ctx, 1, "verify", "--root", d.rootFile(), forged)
	return errors.Join(err, os.Remove(forged))
}

// run runs the command cityproof, showing what it prints, and wants its exit code.
func (d *demo) run(ctx context.Context, want int, args ...string) error {
	d.tell("  $ cityproof %s", strings.Join(d.short(args), " "))
	return d.cityproof(ctx, want, &indented{w: d.opts.Out, fresh: true}, args)
}

// quiet runs it without showing anything, unless it doesn't do what it should.
func (d *demo) quiet(ctx context.Context, args ...string) error {
	var out strings.Builder
	if err := d.cityproof(ctx, 0, &out, args); err != nil {
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
