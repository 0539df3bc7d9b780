package pebbledb

import (
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets Pebble run as many compactions at once as it wants to, until the database halts. Pebble tries what failed
// again at once, and for ever: after a halt, when nothing can be written, that would keep a core busy. Its own scheduler, which
// this one stands for, can't be told to stop.
type compactions struct {
	halted <-chan struct{}
	db     pebble.DBForCompaction
	news   chan struct{} // a word that more may be allowed, or fewer run
	quit   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex // guards running
	running int
}

var _ pebble.CompactionScheduler = (*compactions)(nil)

// sample is how often it is asked how many may run: not every change is told.
const sample = 100 * time.Millisecond

func newCompactions(halted <-chan struct{}) *compactions {
	return &compactions{halted: halted, news: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
}

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) {
	c.db = db
	go c.grant()
}

// Unregister implements pebble.CompactionScheduler: when it returns, nothing is called any more.
func (c *compactions) Unregister() {
	close(c.quit)
	<-c.ended
}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() { c.look() }

func (c *compactions) look() {
	select {
	case c.news <- struct{}{}:
	default: // a word is waiting already
	}
}

// TrySchedule implements pebble.CompactionScheduler. Who is refused waits for grant.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	return c.begin(), granted{c}
}

func (c *compactions) begin() bool {
	select {
	case <-c.halted:
		return false
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running >= c.db.GetAllowedWithoutPermission() {
		return false
	}
	c.running++
	return true
}

func (c *compactions) end() {
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	c.look()
}

// grant lets what waits run as soon as it may.
func (c *compactions) grant() {
	defer close(c.ended)
	tick := time.NewTicker(sample)
	defer tick.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-c.halted:
			<-c.quit
			return
		case <-c.news:
		case <-tick.C:
		}
		for {
			if waiting, _ := c.db.GetWaitingCompaction(); !waiting || !c.begin() {
				break
			}
			if !c.db.Schedule(granted{c}) { // it waits no more; who was refused meanwhile does
				c.end()
				break
			}
		}
	}
}

// granted is leave to run one compaction.
type granted struct{ c *compactions }

// Started, MeasureCPU, CumulativeStats and Done implement pebble.CompactionGrantHandle.
func (granted) Started()                                          {}
func (granted) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (granted) CumulativeStats(pebble.CompactionGrantHandleStats) {}
func (g granted) Done()                                           { g.c.end() }
