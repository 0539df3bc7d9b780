package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// square publishes n camera networks, each with its data use and assessment. The
// deployment comes first and names what follows, as in one batch.
func (c *city) squares(from, to int) {
	for n := from; n <= to; n++ {
		c.publish(fmt.Sprintf("dep/%d", n), declaration.Publish, camera(n))
		c.publish(fmt.Sprintf("use/%d", n), declaration.Publish, video(n))
		c.publish(fmt.Sprintf("asm/%d", n), declaration.Publish, pia(n))
	}
}

func TestHonestLogIsTrue(t *testing.T) {
	c := newCity(t)
	c.squares(1, 200) // 600 leaves: two full bundles and a partial one
	c.publish("use/3", declaration.Amend, reason(video(3), "korter"))
	c.sign()
	var done []uint64
	opts := c.options()
	opts.Progress = func(n, total uint64) { done = append(done, n) }
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Leaves != 601 || r.Statements != 601 || r.Subjects != 600 || r.Bodies.Verified != 601 || r.Marked != 0 {
		t.Errorf("leaves %d, statements %d, subjects %d, bodies %v, marked %d %v; want 601, 601, 600, 601, 0",
			r.Leaves, r.Statements, r.Subjects, r.Bodies, r.Marked, r.Marks)
	}
	if diff := cmp.Diff(map[string]uint64{"PUBLISH": 600, "AMEND": 1}, r.Operations); diff != "" {
		t.Errorf("operations: %s", diff)
	}
	if diff := cmp.Diff([]uint64{256, 512, 601}, done); diff != "" {
		t.Errorf("progress: %s", diff)
	}
	if len(r.Observed) > 0 {
		t.Errorf("observed %v, want nothing", r.Observed)
	}
}

// Incident 18: monitors broke on empty logs.
func TestSizes0To2AndAroundBundlesAreTrue(t *testing.T) {
	testenv.SkipInRace(t)
	c := newCity(t)
	for size := range uint64(3) {
		if size > 0 {
			c.publish(fmt.Sprintf("use/%d", size), declaration.Publish, video(int(size)))
		}
		head := c.sign()
		opts := c.options()
		opts.Since = &head
		r := run(t, opts)
		wantVerdict(t, r, audit.True)
		if r.Size != size || r.Leaves != size || r.Since.Verdict != audit.True {
			t.Errorf("size %d: report of size %d, %d leaves, since %+v", size, r.Size, r.Leaves, r.Since)
		}
	}
	for n := 3; c.edge.Size() < 514; n++ {
		c.publish(fmt.Sprintf("use/%d", n), declaration.Publish, video(n))
		if s := c.edge.Size(); s >= 255 && s <= 257 || s >= 511 && s <= 513 {
			c.sign()
			wantVerdict(t, run(t, c.options()), audit.True)
		}
	}
}

func TestI9SameHeadSameBytes(t *testing.T) {
	c := newCity(t)
	c.squares(1, 100)
	c.append([]byte("junk"))
	c.publish("dep/500", declaration.Publish, camera(500)) // its data use does not exist
	c.sign()
	var first []byte
	for i := range 4 {
		opts := c.options()
		opts.Workers, opts.Fetches = 1+i, 1+3*i
		b, err := json.Marshal(run(t, opts))
		must(t, err)
		if first == nil {
			first = b
		} else if !bytes.Equal(b, first) {
			t.Fatalf("audits differ:\n%s\n%s", first, b)
		}
	}
}

func TestHeadSeenBefore(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	old := c.sign()
	c.squares(2, 100)
	newest := c.sign()

	opts := c.options()
	opts.Since = &old
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Since.Verdict != audit.True {
		t.Errorf("since %+v, want true", r.Since)
	}

	rewritten := old
	rewritten.Root = proof.LeafHash([]byte("another history"))
	opts.Since = &rewritten
	wantVerdict(t, run(t, opts), audit.False)

	later := newest
	later.Size++
	opts.Since = &later
	wantVerdict(t, run(t, opts), audit.CouldNotTell)
}

func TestOlderHeadOfAGrownLog(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	c.sign()
	note := c.files["checkpoint"]
	c.squares(2, 100)
	c.sign()
	for path := range c.files { // a log may delete partials of what is full now
		if len(path) > 2 && path[len(path)-4:] == ".p/3" {
			delete(c.files, path)
		}
	}
	opts := c.options()
	opts.Checkpoint = note
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Size != 3 || r.Leaves != 3 {
		t.Errorf("audited size %d with %d leaves, want 3", r.Size, r.Leaves)
	}
}

func TestCancelledAuditIsNoReport(t *testing.T) {
	c := newCity(t)
	c.squares(1, 100)
	c.sign()
	ctx, cancel := context.WithCancel(context.Background())
	opts := c.options()
	opts.Progress = func(uint64, uint64) { cancel() }
	if r, err := audit.Run(ctx, opts); err == nil {
		t.Errorf("a cancelled audit reported %q", r.Verdict)
	}
}

func TestWithoutBodies(t *testing.T) {
	c := newCity(t)
	c.squares(1, 2)
	c.sign()
	for path := range c.files {
		if len(path) > 7 && path[:7] == "bodies/" {
			delete(c.files, path)
		}
	}
	opts := c.options()
	opts.WithoutBodies = true
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Statements != 6 || (r.Bodies != audit.Bodies{}) {
		t.Errorf("%d statements, bodies %+v; want 6, none", r.Statements, r.Bodies)
	}
}

// A log is files: from a folder, and behind any web server, the audit is the same.
func TestFoldersAndStaticServers(t *testing.T) {
	c := newCity(t)
	c.squares(1, 90)
	c.sign()
	want, err := json.Marshal(run(t, c.options()))
	must(t, err)
	dir := t.TempDir()
	for path, data := range c.files {
		name := filepath.Join(dir, filepath.FromSlash(path))
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, data, 0o644))
	}
	server := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
	defer server.Close()
	web, err := client.NewWeb(server.URL, client.HTTPOptions{})
	must(t, err)
	defer web.Close()
	for _, source := range []client.Getter{client.NewDir(os.DirFS(dir), dir), web} {
		opts := c.options()
		opts.Sources = []*client.LogReader{client.NewLogReader(source)}
		got, err := json.Marshal(run(t, opts))
		must(t, err)
		if !bytes.Equal(got, want) {
			t.Errorf("from %s:\n%s\nwant\n%s", source, got, want)
		}
	}
}

// A registry that goes on in another log has the old one's entries, which are for that.
func TestStatementsAreForTheLogThatGoesOn(t *testing.T) {
	c := newCity(t)
	for i, log := range []string{"old.example/log", "old.example/log", origin} {
		st := c.statement(fmt.Sprintf("dep/%d", i+1), declaration.Publish, []byte("{}"))
		st.Log = log
		c.append(c.entry(st, 1))
	}
	c.sign()
	opts := c.options()
	opts.WithoutBodies = true
	if r := run(t, opts); r.Void != 2 || r.Verdict != audit.False {
		t.Errorf("entries for another log: %d void, %s", r.Void, r.Verdict)
	}
	trust := *opts.Trust
	opts.Trust = &trust
	trust.Earlier = []receipt.Earlier{{Origin: "old.example/log", Size: 2}}
	wantVerdict(t, run(t, opts), audit.True)
	trust.Earlier[0].Size = 3
	if r := run(t, opts); r.Void != 1 {
		t.Errorf("an entry for the new log in the old one: %d void", r.Void)
	}
}
