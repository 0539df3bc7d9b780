package scrub

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"sync"
)

// maxListed bounds the list; what is found beyond that only says that there is more.
const maxListed = 10_000

// Damages is the list of what is known to be damaged. Its methods may be called from several goroutines.
type Damages struct {
	logger *slog.Logger
	news   chan struct{} // a word that something new is on the list

	mu    sync.Mutex
	items map[string]item // by key of the damaged thing, or by what was said of it
	next  uint64          // order of the next item
	cycle uint64          // that is under way
	total uint64
}

type item struct {
	what  string
	key   bool // whether it is listed by a key that can be looked at again
	cycle uint64
	order uint64
}

// NewDamages returns an empty list. logger gets one record for each thing that comes on it or leaves it.
func NewDamages(logger *slog.Logger) *Damages {
	return &Damages{logger: logger, news: make(chan struct{}, 1), items: map[string]item{}}
}

// Found is told what an ordinary read found to be damaged.
func (d *Damages) Found(what string) { d.add("read: "+what, what, false) }

// FoundKey is told that the thing under a database key is damaged.
func (d *Damages) FoundKey(key []byte, what string) { d.add(string(key), what, true) }

func (d *Damages) add(id, what string, key bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old, known := d.items[id]
	if !known && len(d.items) >= maxListed {
		id, what, key = "more", "there is more than can be listed", false
		old, known = d.items[id]
	}
	if known {
		old.what, old.cycle = what, d.cycle
		d.items[id] = old
		return
	}
	d.items[id] = item{what, key, d.cycle, d.next}
	d.next++
	d.total++
	d.logger.Error("stored data are damaged: what is damaged is not served, nothing new is taken; it is fetched from mirrors, if there are any; if it is not whole soon, "+
		"stop the node, keep a copy of its data directory, run cityproof-node fsck --deep, and put back the damaged file or the whole directory from a backup", slog.String("damaged", what))
	select {
	case d.news <- struct{}{}:
	default: // a word is waiting already
	}
}

// whole says that the things whose keys lie in [start, end) were looked at, and that only those in bad are damaged.
func (d *Damages) whole(start, end []byte, bad map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, it := range d.items {
		if it.key && !bad[id] && bytes.Compare([]byte(id), start) >= 0 && bytes.Compare([]byte(id), end) < 0 {
			d.drop(id)
		}
	}
}

func (d *Damages) drop(id string) {
	d.logger.Info("found whole again", slog.String("damaged", d.items[id].what))
	delete(d.items, id)
}

// begin starts a cycle.
func (d *Damages) begin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cycle++
}

// end drops what was last seen before the cycle that ends now has begun: it has looked at everything there is.
func (d *Damages) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, it := range d.items {
		if it.cycle < d.cycle {
			d.drop(id)
		}
	}
}

// keys returns the keys of what is damaged, in the order in which it was found.
func (d *Damages) keys() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	var keys [][]byte
	for id, it := range d.items {
		if it.key {
			keys = append(keys, []byte(id))
		}
	}
	slices.SortFunc(keys, func(a, b []byte) int { return int(d.items[string(a)].order) - int(d.items[string(b)].order) }) //nolint:gosec // at most maxListed apart
	return keys
}

// Count returns how many things are known to be damaged now, and how many were found since the start.
func (d *Damages) Count() (now int, found uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.items), d.total
}

// Reason says in words for a person what is damaged and what to do; empty if nothing is.
func (d *Damages) Reason() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.items) == 0 {
		return ""
	}
	var first item
	for _, it := range d.items {
		if first.what == "" || it.order < first.order {
			first = it
		}
	}
	more := ""
	if n := len(d.items) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more (see the node's log)", n)
	}
	return fmt.Sprintf("stored data are damaged: %s%s. Readers are served, except for what is damaged. "+
		"What mirrors hold is fetched from there. If that does not help: stop the node, keep a copy of its data directory, run cityproof-node fsck --deep, and put back the damaged file or the whole directory from a backup", first.what, more)
}
