package integration_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/draft"
)

// publishing is an officer who publishes one declaration after the other, whatever happens to the nodes.
type publishing struct {
	m      *cityNode
	o      *officer
	stop   context.CancelFunc
	done   sync.WaitGroup
	placed []acknowledged // read after end
}

// acknowledged is an acknowledged declaration.
type acknowledged struct {
	index uint64
	bytes []byte
}

// publishOn has the officer of a member begin.
func (m *cityNode) publishOn() *publishing {
	p := &publishing{m: m, o: m.dialOfficer()}
	ctx, stop := context.WithCancel(m.c.t.Context())
	p.stop = stop
	m.c.t.Cleanup(func() { stop(); p.done.Wait() })
	p.done.Go(func() {
		pace := time.NewTicker(30 * time.Millisecond)
		defer pace.Stop()
		for ctx.Err() == nil {
			p.publish(ctx, p.o.notices(1))
			<-pace.C
		}
	})
	return p
}

// publish hands in the same bytes until they are acknowledged.
func (p *publishing) publish(ctx context.Context, batch []draft.Submission) {
	for ctx.Err() == nil {
		out, err := p.o.client.Publish(ctx, batch)
		if err == nil {
			p.placed = append(p.placed, acknowledged{out.Placed[0].Index, batch[0].Envelope})
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// end stops the officer, and wants all that was acknowledged in the log, in its place and final.
func (p *publishing) end() {
	t := p.m.c.t
	t.Helper()
	p.stop()
	p.done.Wait()
	if len(p.placed) == 0 {
		t.Fatal("nothing was published meanwhile")
	}
	last := p.placed[len(p.placed)-1].index
	until(t, "all that was published is final", func() bool { return p.m.final().Size > last })
	for _, want := range p.placed {
		rec, err := p.o.client.Receipt(t.Context(), want.index)
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(rec.Envelope) != sha256.Sum256(want.bytes) {
			t.Fatalf("entry %d is another than was acknowledged", want.index)
		}
	}
	t.Logf("%d declarations were acknowledged meanwhile, and all are final", len(p.placed))
}

// I1, I4: every node in turn is killed and comes back while a city publishes; what was acknowledged stays and becomes final.
func TestI1EveryNodeIsKilledWhileACityPublishes(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, far, quick)
	c.begin()
	c.all[1].awaitFinal()
	p := c.all[1].publishOn()
	for _, m := range c.all {
		m.kill()
		if m != c.all[1] { // one of four witnesses may be away
			size := c.all[1].final().Size
			until(t, "the city goes on without "+m.id, func() bool { return c.all[1].final().Size > size+2 })
		}
		m.start()
		m.awaitFinal()
	}
	p.end()
	c.awaitEverywhere(c.sizes())
	for _, m := range c.all {
		c.verify(0, m.declare(0, patience))
	}
	c.audit(c.all[1], c.all[4])
}

// federation.md, sections 4 and 7: while a city is away for a day its log is read from the copies of others, and everybody sees
// how long it has been silent. The others publish what a day brings. When it comes back with a wrong clock it cosigns nothing;
// when that is right it catches up with all, and what it publishes becomes final. The clocks of all programs are the test's.
func TestT23CityThatWasAwayForADayCatchesUp(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, far, quick)
	clock := c.ownClock()
	c.begin()
	m := c.all[4]
	receipt := m.declare(0, patience)
	before := m.head("/log/checkpoint")
	for _, o := range c.all[:4] {
		until(t, o.id+" holds what the city has", func() bool { return o.holds(m).Size >= before.Size })
	}
	until(t, "the city cosigns the others", func() bool { code, _ := m.cosigns(c.all[1]); return code == http.StatusOK })
	m.kill()
	for _, o := range c.all[:4] {
		if out := c.must(0, "audit", o.copyOf(m), "--trust", m.trust()); !strings.Contains(out, "TRUE:") {
			t.Errorf("the copy at %s while the city is away:\n%s", o.id, out)
		}
	}
	c.verify(0, receipt)
	silent := func(light string) {
		t.Helper()
		for _, o := range c.all[:4] { // somebody has its last head cosigned anew, which shows no life
			until(t, o.id+" cosigns the last head again", func() bool { code, _ := o.cosigns(m); return code == http.StatusOK })
		}
		until(t, "of all only "+m.id+" is "+light, func() bool {
			_, out := c.audited(c.all...)
			_, of, _ := strings.Cut(out, m.id) // it comes last
			return strings.Count(out, light+" (silent") == 1 && strings.Contains(of, light+" (silent")
		})
	}
	clock.ahead(3 * time.Hour)
	silent("AMBER")
	clock.ahead(25 * time.Hour)
	silent("RED")
	const aDay, batch = 3000, 500
	officer := c.all[1].dialOfficer()
	officer.ahead = 25 * time.Hour
	for range aDay / batch {
		if _, err := officer.client.Publish(t.Context(), officer.notices(batch)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range c.all[:4] {
		c.verify(0, o.declare(0, patience))
	}
	var sizes []uint64
	for _, o := range c.all[:4] {
		sizes = append(sizes, o.head("/log/checkpoint").Size)
	}
	late := m.ownClock()
	late.ahead(0) // its machine was off, and its clock stood
	m.start()
	until(t, "the city cosigns nothing while its clock is wrong", func() bool {
		code, answer := m.cosigns(c.all[1])
		return code == http.StatusServiceUnavailable && strings.Contains(answer, "clock")
	})
	late.ahead(25 * time.Hour)
	until(t, "the city cosigns again", func() bool { code, _ := m.cosigns(c.all[1]); return code == http.StatusOK })
	for i, o := range c.all[:4] {
		until(t, "the city holds all of "+o.id, func() bool { return m.holds(o).Size >= sizes[i] })
	}
	c.verify(0, m.declare(0, patience))
	_, out := c.audited(m)
	if strings.Contains(out, "RED") || strings.Contains(out, "AMBER") {
		t.Errorf("the city is back, and shown as silent:\n%s", out)
	}
	c.audit(c.all[1], c.all[4])
}

// A witness whose clock is ten years off cosigns nothing, neither in the future nor in the past, and moves no log's time. The
// others go on without it, and with it once its clock is right.
func TestT22ClockTenYearsOff(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, wire{}, quick)
	c.ownClock()
	m := c.all[4]
	clock := m.ownClock()
	clock.wrong(0)
	c.begin()
	c.all[1].awaitFinal()
	const years = 10 * 365 * 24 * time.Hour
	for _, off := range []time.Duration{years, -years} {
		clock.wrong(off)
		until(t, "a clock is found wrong", func() bool {
			code, answer := m.cosigns(c.all[1])
			return code == http.StatusServiceUnavailable && strings.Contains(answer, "clock")
		})
		c.verify(0, c.all[1].declare(0, patience))
		_, out := c.audited(c.all[1])
		if wrong := time.Now().Add(off).UTC().Format("2006-"); strings.Contains(out, wrong) || strings.Contains(out, "AMBER") || strings.Contains(out, "RED") {
			t.Errorf("the log's time is not that of the others:\n%s", out)
		}
	}
	clock.wrong(0)
	until(t, "the clock is right again", func() bool { code, _ := m.cosigns(c.all[1]); return code == http.StatusOK })
	c.verify(0, m.declare(0, patience))
	c.audit(c.all[1], m)
}

// A new configuration is rolled out while a city publishes: one node after the other stops and starts with it.
func TestConfigurationIsRolledOut(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, far, quick)
	c.begin()
	c.all[1].awaitFinal()
	p := c.all[1].publishOn()
	for _, m := range c.all {
		m.stop()
		m.configure(func(text string) string {
			text = strings.Replace(text, "interval: 2s", "interval: 1s", 1)
			return text + "scrub:\n  period: 1m\n"
		})
		m.must(0, cityproofNode, "check", "--config", m.config())
		m.start()
		m.awaitFinal()
	}
	p.end()
	c.awaitEverywhere(c.sizes())
	c.audit(c.all[1], c.all[4])
}
