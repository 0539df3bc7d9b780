package integration_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// get returns the status and body of a page of the node.
func (n *process) get(path string) (status int, body string) {
	n.t.Helper()
	resp, err := http.Get(n.http + path) //nolint:noctx // a test's own node
	if err != nil {
		n.t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		n.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// awaitReady asks until /readyz answers with the status.
func (n *process) awaitReady(status int) (said string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		got, said := n.get("/readyz")
		if got == status {
			return said
		}
		select {
		case <-ctx.Done():
			n.t.Fatalf("/readyz says %d %q, want %d", got, said, status)
		case <-tick.C:
		}
	}
}

// TestT35RotIsFoundAndNotServed flips a byte of an old entry while the node is stopped. Nobody asks for that entry: the
// node finds it by itself, says so, serves the rest, and takes declarations again when the byte is right again.
func TestT35RotIsFoundAndNotServed(t *testing.T) {
	p := newPlace(t)
	p.configure("http:\n", "scrub:\n  period: 1s\nhttp:\n")
	n := p.start(true)
	o := p.dial(n)
	if _, err := o.client.Publish(t.Context(), o.notices(300)); err != nil {
		t.Fatal(err)
	}
	n.stop()
	flip := func() {
		t.Helper()
		f, err := os.OpenFile(filepath.Join(p.nodeDir, "data", "entries", "000000000.bundles"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b [1]byte
		_, err = f.ReadAt(b[:], 1000)
		b[0] ^= 4
		_, werr := f.WriteAt(b[:], 1000)
		if err := errors.Join(err, werr, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	flip()
	n = p.start(false)
	if said := n.awaitReady(http.StatusServiceUnavailable); !strings.Contains(said, "damaged") || !strings.Contains(said, "fsck --deep") {
		t.Errorf("/readyz says %q", said)
	}
	for path, want := range map[string]int{
		"/log/checkpoint": 200, "/log/tile/0/000": 200, "/log/tile/entries/001.p/44": 200, "/api/v1/receipts/299": 200, "/log/tile/entries/000": 500,
	} {
		if got, said := n.get(path); got != want {
			t.Errorf("%s: %d %q, want %d", path, got, said, want)
		}
	}
	o = p.dial(n)
	o.next = 301
	if _, _, err := o.batch(1); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("publishing says %v", err)
	}
	flip()
	n.awaitReady(http.StatusOK)
	if got, said := n.get("/log/tile/entries/000"); got != http.StatusOK {
		t.Errorf("mended: %d %q", got, said)
	}
	if _, _, err := o.batch(1); err != nil {
		t.Errorf("mended: publishing: %v", err)
	}
	n.stop()
	p.must(0, cityproofNode, "fsck", "--deep", "--config", p.config)
}
