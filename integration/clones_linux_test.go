package integration_test

import (
	"bytes"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	protocol "github.com/cityproof/cityproof/internal/witness"
)

// refuses waits until a node says that somebody else signs for its log.
func (m *cityNode) refuses() {
	m.c.t.Helper()
	begun := time.Now()
	until(m.c.t, "a node of "+m.id+" signs no more", func() bool {
		b, code, err := m.get(m, "/readyz")
		return err == nil && code == http.StatusServiceUnavailable && bytes.Contains(b, []byte("somebody else signs for this log"))
	})
	m.c.t.Logf("it signs no more, %v after it met the others", time.Since(begun).Round(time.Millisecond))
}

// T-20: a copy of a node, which its operator has said may sign, runs beside it. As soon as it meets the others it sees a
// head that it did not sign and signs nothing: there is no second history, and the first goes on.
func TestT20CloneSignsNothing(t *testing.T) {
	t.Parallel()
	c := newCities(t, 3, far, quick)
	c.begin()
	m := c.all[1]
	c.verify(0, m.declare(0, patience))
	m.stop()
	clone := m.clone(c.net.host())
	m.start()
	c.verify(0, m.declare(0, patience))
	clone.launch()
	clone.refuses()
	size := clone.head("/log/checkpoint").Size
	clone.declare(3, 0) // it takes none
	if now := clone.head("/log/checkpoint").Size; now != size {
		t.Errorf("the clone signed size %d, after %d", now, size)
	}
	clone.kill()
	clone.launch()
	clone.refuses() // it has kept what it saw
	if kept, err := os.ReadDir(clone.file("node/state/foreign")); err != nil || len(kept) == 0 {
		t.Errorf("the clone has kept %v, %v", kept, err)
	}
	c.verify(0, m.declare(0, patience))
	for _, o := range c.all {
		if out := o.evidence(); strings.Contains(out, m.origin()) {
			t.Errorf("%s has evidence against a log that has one history:\n%s", o.id, out)
		}
	}
}

// T-20: where clones can't meet anybody both sign. Once they do, everybody has the proof, and both stop.
func TestT20ClonesThatBothSignedAreProven(t *testing.T) {
	t.Parallel()
	c := newCities(t, 3, far, quick)
	c.begin()
	m := c.all[1]
	c.verify(0, m.declare(0, patience))
	m.stop()
	clone := m.clone(c.net.host())
	c.net.part(clone.host)
	clone.launch()
	clone.awaitReady()
	clone.declare(0, 0) // signed, and final nowhere
	m.start()
	c.verify(0, m.declare(0, patience))
	c.net.heal()
	clone.refuses()
	for _, o := range c.all {
		until(t, o.id+" has the proof", func() bool { return strings.Contains(o.evidence(), m.origin()+" signed") })
	}
	m.refuses()
}

// T-16: behind one address stand two machines of a city, with two histories: a visitor reaches the one, everybody else the
// other. The visitor who compares with the others' copies finds out, and who brings them what he was shown makes it proof.
func TestT16SplitViewByAddress(t *testing.T) {
	t.Parallel()
	c := newCities(t, 3, far, quick)
	c.begin()
	m, victim := c.all[1], c.net.host()
	c.verify(0, m.declare(0, patience))
	m.stop()
	twin := m.clone(c.net.twin(m.host))
	c.net.show(victim, m.host, twin.host)
	c.net.part(twin.host)
	c.net.set(victim, twin.host, far)
	twin.launch()
	twin.awaitReady()
	twin.declare(0, 0)
	m.start()
	c.verify(0, m.declare(0, patience))
	c.audit(m) // by everybody else
	out := c.wants(victim, 1, cityproof, "audit", "--root", c.root, m.id)
	if !strings.Contains(out, "FALSE          "+m.id) || !strings.Contains(out, "signed two histories") {
		t.Errorf("what the victim finds:\n%s", out)
	}
	m.client = c.web(victim)
	note, _, err := m.get(m, "/log/checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := m.client.Post(c.all[2].url()+"/witness/add-checkpoint", "text/plain", bytes.NewReader((&protocol.Request{Note: note}).Format()))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		t.Error("a second history was cosigned")
	}
	for _, o := range c.all {
		until(t, o.id+" has the proof", func() bool { return strings.Contains(o.evidence(), m.origin()+" signed") })
	}
}
