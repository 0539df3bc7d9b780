package integration_test

import (
	"testing"
	"time"
)

// far is the way between two cities: 50 ms there and back, and one packet in a hundred lost.
var far = wire{delay: 25 * time.Millisecond, loss: 0.01}

// An alliance whose members are far apart: it is founded, what each publishes becomes final, and anybody verifies that
// without a network.
func TestAllianceFarApart(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, far, quick)
	c.begin()
	for _, m := range c.all {
		c.verify(0, m.declare(0, patience))
	}
	c.audit(c.all...)
	for _, m := range c.all {
		if m.sent.Load() == 0 || m.received.Load() == 0 {
			t.Errorf("%s sent %d bytes and received %d: its traffic does not go over the network", m.id, m.sent.Load(), m.received.Load())
		}
	}
}

// federation.md, section 3: cut into two halves, nothing is final on either side, and receipts say so. Cut so that one side
// has the quorum, that side alone goes on. Once all meet again, every mirror holds every head, and all of it becomes final.
func TestPartitionHeals(t *testing.T) {
	t.Parallel()
	c := newCities(t, 7, far, quick) // of a log's seven witnesses five are wanted
	c.begin()
	for _, m := range c.all {
		m.awaitFinal()
	}
	var waiting []string // receipts that are not final yet, by the member that has them
	var of []*cityNode
	alone := func(m *cityNode) {
		receipt := m.declare(3, 4*time.Second)
		c.verify(3, receipt)
		waiting, of = append(waiting, receipt), append(of, m)
	}
	c.net.part(hosts(c.all[:4])...)
	alone(c.all[1])
	alone(c.all[5])
	c.net.heal()
	for i, m := range of {
		m.makeFinal(waiting[i])
	}
	waiting, of = nil, nil

	c.net.part(hosts(c.all[6:])...)
	for _, m := range c.all[:6] {
		c.verify(0, m.declare(0, patience))
	}
	alone(c.all[6])
	alone(c.all[7])
	before := c.sizes()
	c.net.heal()
	for i, m := range of {
		m.makeFinal(waiting[i])
	}
	c.awaitEverywhere(before)
	c.audit(c.all[0], c.all[7])
}
