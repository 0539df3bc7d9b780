package integration_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/receipt"
)

// sensors is an officer's own file.
const sensors = `deployment: air-network
name: Air quality network
summary: Forty boxes on lamp posts measure fine dust, nitrogen dioxide and heat, every quarter of an hour.
type: sensor_network
sector: environment
status: in use since 2023-04-22
effective: %s
space: public_space
senses_people: no
tech: [air_quality, thermometer, weather_station]
impact: low
purpose: health - Knowing where the air is unhealthy.
vendor: Delta Boxes BV (NL)
units: 40
public_page: https://kanaalstad.example/air
data:
  - use: air-measurements
    name: Air measurements
    summary: Values of each box and quarter of an hour. Everybody may use them.
    categories: [NonPersonalData]
    from: sensor, by government
    keeps: [quarter hour values - none - endless]
    special_category: no
    purpose: health - Map, smog warnings, and the yearly report to the council.
    architecture: government_central
    decides: none
`

// notice is a short declaration.
func notice(text string) string {
	return fmt.Sprintf("notice: forthcoming\ndue: %s\ntext: %s\n", time.Now().AddDate(0, 0, 90).Format(time.DateOnly), text)
}

func (p *place) publishSensors(n *process) (receiptFile string) {
	p.t.Helper()
	file := p.write("air.yaml", fmt.Sprintf(sensors, time.Now().Format(time.DateOnly)))
	p.publish(n, file)
	return strings.TrimSuffix(file, ".yaml") + ".receipt"
}

func TestPublishedDeclarationVerifiesAndOneChangedByteDoesNot(t *testing.T) {
	p := newPlace(t)
	p.must(0, cityproofNode, "check", "--config", p.config)
	n := p.start(true)
	file := p.publishSensors(n)
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
	n.stop() // a receipt needs no node

	p.must(0, cityproof, "verify", file, "--trust", p.trust)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, r.Body) + bytes.Index(r.Body, []byte("Forty"))
	whole[at] ^= 1 // what it says
	forged := p.write("forged.receipt", string(whole))
	p.must(1, cityproof, "verify", forged, "--trust", p.trust)
}

func TestKeyThatWasNotAddedMayNotPublishAndAnEndedOneNoMore(t *testing.T) {
	p := newPlace(t)
	second := p.key + "2"
	p.must(0, cityproof, "keygen", second, "--plain", "--label", "officer-2")
	public := strings.TrimSpace(p.must(0, cityproof, "keygen", second, "--public"))
	one, two := p.write("one.yaml", notice("The first report.")), p.write("two.yaml", notice("The second report."))
	as := func(n *process, want int, key, file string) string {
		t.Helper()
		return p.must(want, cityproof, "publish", "--node", n.http, "--trust", p.trust, "--key", key, "--yes", file)
	}
	n := p.start(true)
	p.publish(n, one)
	if out := p.must(1, cityproofNode, "publisher", "end", p.officer, "--config", p.config); !strings.Contains(out, "stop the node first") {
		t.Errorf("ending a key while the node runs says %q", out)
	}
	n.stop()
	p.must(0, cityproofNode, "publisher", "add", public, "--config", p.config)
	p.must(0, cityproofNode, "publisher", "end", p.officer, "--config", p.config)
	if out := p.must(1, cityproofNode, "publisher", "add", p.officer, "--config", p.config); !strings.Contains(out, "stays ended") {
		t.Errorf("adding an ended key again says %q", out)
	}
	n = p.start(true)
	if out := as(n, 1, p.key, two); !strings.Contains(out, "error:") {
		t.Errorf("publishing with an ended key says %q", out)
	}
	_ = os.Remove(strings.TrimSuffix(two, ".yaml") + ".pending") // signed with the ended key
	as(n, 0, second, two)
	// What the ended key has signed stays true, and so does what the new one signs.
	p.must(0, cityproof, "verify", "--trust", p.trust, strings.TrimSuffix(one, "yaml")+"receipt", strings.TrimSuffix(two, "yaml")+"receipt")
	p.must(0, cityproof, "audit", n.http, "--trust", p.trust)
}
