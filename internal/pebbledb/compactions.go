package pebbledb

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets Pebble run as many compactions at once as it wants to, until the database halts. Pebble tries what failed
// again at once, and for ever: after a halt, when nothing can be written, that would keep a core busy. It asks again whenever a
// compaction or a flush has ended, so nothing need be granted later to what was refused.
type compactions struct {
	halted <-chan struct{}
	db     pebble.DBForCompaction

	mu      sync.Mutex // guards running
	running int
}

var _ pebble.CompactionScheduler = (*compactions)(nil)

// Register implements pebble.CompactionScheduler.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) { c.db = db }

// Unregister implements pebble.CompactionScheduler.
func (c *compactions) Unregister() {}

// UpdateGetAllowedWithoutPermission implements pebble.CompactionScheduler.
func (c *compactions) UpdateGetAllowedWithoutPermission() {}

// TrySchedule implements pebble.CompactionScheduler.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	select {
	case <-c.halted:
		return false, nil
	default:
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running >= c.db.GetAllowedWithoutPermission() {
		return false, nil
	}
	c.running++
	return true, granted{c}
}

// granted is leave to run one compaction.
type granted struct{ c *compactions }

func (granted) Started()                                          {}
func (granted) MeasureCPU(pebble.CompactionGoroutineKind)         {}
func (granted) CumulativeStats(pebble.CompactionGrantHandleStats) {}
func (g granted) Done() {
	g.c.mu.Lock()
	defer g.c.mu.Unlock()
	g.c.running--
}
