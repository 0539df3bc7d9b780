package integration_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// BenchmarkPublishToFinal publishes one declaration after the other in an alliance of 15 processes, where each log has a
// committee of 13, and measures from the call to the moment at which the log shows a final head that covers it. The nodes have
// the intervals of by default: the demo's anchors, 1,800 times as many, alone keep two cores busy.
// go test ./integration -run xxx -bench PublishToFinal -benchtime 200x
func BenchmarkPublishToFinal(b *testing.B) {
	a := newAlliance(b, "--cities", "14")
	for _, n := range a.demo.Nodes {
		text, err := os.ReadFile(n.Config)
		if err != nil {
			b.Fatal(err)
		}
		before, _, ok := strings.Cut(string(text), "anchor:\n")
		if !ok {
			b.Fatalf("the demo's configuration is another:\n%s", text)
		}
		if err := os.WriteFile(n.Config, []byte(before+"peers:\n  allow_private: true\n"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	a.startAll()
	trust, err := os.ReadFile(filepath.Join(a.folder(1), "node", "trust.json"))
	if err != nil {
		b.Fatal(err)
	}
	t, err := receipt.ParseTrust(trust)
	if err != nil {
		b.Fatal(err)
	}
	key, err := signingkey.ReadFile(filepath.Join(a.folder(1), "officer-1.key"), nil)
	if err != nil {
		b.Fatal(err)
	}
	c, err := client.Dial(b.Context(), client.Options{Node: a.demo.Nodes[1].HTTP, Trust: t})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	next, err := c.NextNumber(b.Context(), declaration.Notice)
	if err != nil {
		b.Fatal(err)
	}
	o := &officer{t: b, signer: key.Signer(), client: c, next: next}
	a.settle()
	var took []time.Duration
	b.ResetTimer()
	for range b.N {
		begun := time.Now()
		out, err := c.Publish(b.Context(), o.notices(1))
		if err != nil {
			b.Fatal(err)
		}
		size := out.Placed[0].Index + 1
		for a.finalSize(1) < size {
			time.Sleep(2 * time.Millisecond)
		}
		took = append(took, time.Since(begun))
	}
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "p50-ms")
	b.ReportMetric(float64(took[min(len(took)-1, len(took)*99/100)].Milliseconds()), "p99-ms")
	b.ReportMetric(a.memory(), "max-MiB-a-node")
}

// finalSize is the size of the newest final head of a member's log, 0 where there is none.
func (a *members) finalSize(i int) uint64 {
	a.t.Helper()
	resp, err := http.Get(a.demo.Nodes[i].HTTP + "/log/final")
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	note, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return 0
	}
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		a.t.Fatal(err)
	}
	return c.Size
}

// settle waits until the publishing city has a final head again.
func (a *members) settle() {
	a.t.Helper()
	for range 600 {
		if a.finalSize(1) > 0 {
			time.Sleep(3 * time.Second) // the others' first anchors
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	a.t.Fatal("nothing becomes final")
}

// memory is the largest resident memory of a node so far, in MiB.
func (a *members) memory() float64 {
	a.t.Helper()
	most := 0
	for _, r := range a.runs {
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(r.Process.Pid), "status"))
		if err != nil {
			a.t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kib, err := strconv.Atoi(strings.Fields(rest)[0])
				if err != nil {
					a.t.Fatal(err)
				}
				most = max(most, kib)
			}
		}
	}
	return float64(most) / 1024
}
