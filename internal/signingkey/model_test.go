package signingkey_test

import (
	"fmt"
	"slices"
	"strings"
)

// This is a model of the signing protocol: two processes that both mean to sign for
// one log, on a machine that fails in every way that the disk's rules allow. It is
// small enough to look at every state that can come to be (model_search_test.go),
// and held to the code by running both side by side (model_real_test.go).
//
// What is modelled, and what is not:
//
//   - A tree is its leaves, each 0 or 1, at most maxSize of them: a root is a hist.
//     Two processes, or one after a restore of older data, append what they like.
//   - The clock shows 0 or 1, anew each time that it is looked at: it jumps at will.
//   - A commit to data/ is durable at once: that is I1, and other tests' matter.
//   - flock excludes, until it is "lost" (a network file system's lease): once.
//   - Names and bytes that were not synced are, after power loss, there or not.
//   - Not modelled: a machine rolled back whole, state and data, and an operator
//     whose word at adopt is false. Both break any protocol on one disk; the second
//     is among the variants, to show that the model would see it.

const maxSize = 2

// hist is a tree's leaves: 0 is the empty tree, then all of size 1, then of size 2.
type hist uint8

func newHist(size, bits uint8) hist { return hist(uint8(1)<<size - 1 + bits) }

func (h hist) size() (n uint8) {
	for newHist(n+1, 0) <= h {
		n++
	}
	return n
}

func (h hist) bits() uint8 { return uint8(h - newHist(h.size(), 0)) }

// prefix is the tree as it was at a size.
func (h hist) prefix(size uint8) hist { return newHist(size, h.bits()>>(h.size()-size)) }

func (h hist) extends(old hist) bool { return h.size() >= old.size() && h.prefix(old.size()) == old }

// mnote is a signed checkpoint: a tree and a time. 0: none.
type mnote uint8

func newNote(h hist, time uint8) mnote { return mnote(uint8(h)<<1 | time) }

func (n mnote) hist() hist  { return hist(n >> 1) }
func (n mnote) time() uint8 { return uint8(n & 1) }

// mdir is a state directory.
type mdir struct {
	last    mnote // as a reader sees it
	disk    mnote // as power loss may leave it
	tmp     mnote // lastsigned.new
	synced  bool  // tmp's bytes are on disk
	torn    bool  // last's bytes are not on disk, though its name may be
	damaged bool  // last is not a note
	native  bool  // it is in its own place
}

// mproc is a process: pc counts the protocol's steps from idle on.
type mproc struct {
	pc   int8
	lock bool
	mem  mnote // last signed, as the process remembers
	head hist
	note mnote // made, not yet shown
}

const (
	down   int8 = -3
	halted int8 = -2
	opened int8 = -1 // has read lastsigned and is about to publish it
	idle   int8 = 0
)

// world is a state of everything.
type world struct {
	dirs      [2]mdir
	data      [2]hist
	procs     [2]mproc
	pub       [maxSize + 1]mnote // what has left the machine, by size
	copied    bool               // dirs[1] exists
	destroyed bool               // dirs[0] will not be used again
	lost      bool               // the lock was lost once
	bad       wrong              // what must never be
}

// wrong is what must never be.
type wrong string

const (
	twoRoots   wrong = "two roots of one size"
	forked     wrong = "a checkpoint does not begin with a smaller one"
	timeBack   wrong = "a larger checkpoint has an earlier time"
	unreadable wrong = "power loss leaves a damaged lastsigned"
)

// action is what leads from one world to the next.
type action struct {
	kind string
	proc int
	arg  uint8
}

func (a action) String() string { return fmt.Sprintf("%d %s %d", a.proc, a.kind, a.arg) }

// protocol is what the processes do: the code's way, or a variant with something
// left out.
type protocol struct {
	steps      []string
	clones     bool // each process has a directory of its own, the second a copy; else they share one
	noLock     bool
	notExcl    bool // lastsigned.new may exist already
	noOpenSync bool // what a killed process left is not synced before it is published
	noCheck    bool // data and state are not compared at start
	noExtends  bool
	noClamp    bool // the time of a note may go back
	noGuard    bool // a copy signs
	falseWord  bool // the operator adopts a copy while the original lives
}

// Around these, the steps are those of State.swap.
var (
	before = []string{"head", "extends", "sign"}
	after  = []string{"publish"}
	swap   = []string{"write", "sync", "compare", "rename", "confirm", "syncdir"}
)

func codesWay() protocol { return protocol{steps: slices.Concat(before, swap, after)} }

// without is the protocol with steps left out.
func (p protocol) without(steps ...string) protocol {
	p.steps = slices.DeleteFunc(slices.Clone(p.steps), func(s string) bool { return slices.Contains(steps, s) })
	return p
}

func (p protocol) start() world {
	w := world{procs: [2]mproc{{pc: down}, {pc: down}}}
	w.dirs[0].native = true
	return w
}

func (p protocol) dirOf(proc int) int {
	if p.clones {
		return proc
	}
	return 0
}

// next tells every world that can follow w.
func (p protocol) next(w world, emit func(action, world)) {
	for i := range w.procs {
		if w.procs[i].pc == down {
			p.whileDown(w, i, emit)
		} else {
			p.whileUp(w, i, emit)
		}
	}
	if p.clones {
		p.operator(w, emit)
	}
	for d := range w.dirs {
		if d == 0 || p.clones {
			p.powerLoss(w, d, emit)
		}
	}
}

func (p protocol) whileDown(w world, i int, emit func(action, world)) {
	for size := range w.data[i].size() {
		restored := w
		restored.data[i] = w.data[i].prefix(size)
		emit(action{"restore", i, size}, restored)
	}
	d := &w.dirs[p.dirOf(i)]
	other := w.procs[1-i]
	switch {
	case p.clones && (i == 1 && !w.copied || i == 0 && w.destroyed):
		return
	case !p.noLock && !p.clones && other.lock:
		return
	case !d.native || d.damaged:
		return
	}
	d.tmp, d.synced = 0, false
	if !p.noOpenSync {
		d.disk, d.torn = d.last, false
	}
	if !p.noCheck && !w.data[i].extends(d.last.hist()) {
		emit(action{"open", i, 0}, w) // read-only: it signs nothing, and goes away
		return
	}
	w.procs[i] = mproc{pc: opened, lock: !p.noLock, mem: d.last}
	emit(action{"open", i, 1}, w)
}

func (p protocol) whileUp(w world, i int, emit func(action, world)) {
	killed := w
	killed.procs[i] = mproc{pc: down}
	emit(action{"kill", i, 0}, killed)
	pr := w.procs[i]
	if pr.pc >= idle && w.data[i].size() < maxSize {
		for leaf := range uint8(2) {
			c := w
			c.data[i] = newHist(w.data[i].size()+1, w.data[i].bits()<<1|leaf)
			emit(action{"commit", i, leaf}, c)
		}
	}
	if pr.lock && !w.lost && !p.clones {
		c := w
		c.lost, c.procs[i].lock = true, false
		emit(action{"lose lock", i, 0}, c)
	}
	switch pr.pc {
	case halted:
	case opened:
		w.publish(pr.mem)
		w.procs[i].pc = idle
		emit(action{"publish last", i, 0}, w)
	default:
		p.step(w, i, emit)
	}
}

// step runs the next step of signing.
func (p protocol) step(w world, i int, emit func(action, world)) {
	pr, d := &w.procs[i], &w.dirs[p.dirOf(i)]
	name := p.steps[pr.pc]
	if name == "sign" {
		for clock := range uint8(2) {
			c := w
			t := clock
			if !p.noClamp {
				t = max(t, pr.mem.time())
			}
			c.procs[i].note = newNote(pr.head, t)
			p.advance(&c, i)
			emit(action{name, i, clock}, c)
		}
		return
	}
	good := true
	switch name {
	case "head":
		pr.head = w.data[i]
	case "extends":
		if pr.head == pr.mem.hist() {
			pr.pc, pr.head = idle, 0 // nothing new
			emit(action{name, i, 2}, w)
			return
		}
		good = pr.head.size() > pr.mem.hist().size() && (p.noExtends || pr.head.extends(pr.mem.hist()))
	case "write":
		if good = d.tmp == 0 || p.notExcl; good {
			d.tmp, d.synced = pr.note, false
		}
	case "sync":
		// If somebody has put another file there, it is not the one that is synced.
		d.synced = d.synced || d.tmp == pr.note
	case "compare":
		good = d.last == pr.mem
	case "rename":
		if good = d.tmp != 0; good {
			d.last, d.torn, d.tmp, d.synced = d.tmp, !d.synced, 0, false
		}
	case "syncdir":
		d.disk = d.last
	case "confirm":
		good = d.last == pr.note
	case "publish":
		w.publish(pr.note)
	}
	if good {
		p.advance(&w, i)
		emit(action{name, i, 1}, w)
		return
	}
	*pr = mproc{pc: halted, lock: pr.lock}
	emit(action{name, i, 0}, w)
}

// advance goes to the next step, and after the last one to the beginning.
func (p protocol) advance(w *world, i int) {
	pr := &w.procs[i]
	if pr.pc++; int(pr.pc) == len(p.steps) {
		*pr = mproc{pc: idle, lock: pr.lock, mem: pr.note}
	}
}

// operator copies the first process's disk, at any time, and lets a copy sign.
func (p protocol) operator(w world, emit func(action, world)) {
	if w.destroyed || w.procs[1].pc != down {
		return
	}
	if !w.dirs[1].native || p.noGuard {
		c := w
		c.copied, c.dirs[1], c.data[1] = true, w.dirs[0], w.data[0]
		c.dirs[1].native = p.noGuard
		c.dirs[1].disk, c.dirs[1].torn = c.dirs[1].last, false
		if c != w {
			emit(action{"copy", 1, 0}, c)
		}
	}
	if !w.copied || w.dirs[1].native {
		return
	}
	if p.falseWord || w.procs[0].pc == down && w.dirs[0].last == w.dirs[1].last && !w.dirs[0].damaged {
		w.dirs[1].native, w.destroyed = true, !p.falseWord
		w.dirs[1].tmp, w.dirs[1].synced = 0, false
		emit(action{"adopt", 1, 0}, w)
	}
}

// powerLoss stops whatever uses a directory and keeps or loses what was not synced.
func (p protocol) powerLoss(w world, d int, emit func(action, world)) {
	for i := range w.procs {
		if p.dirOf(i) == d {
			w.procs[i] = mproc{pc: down}
		}
	}
	dir := &w.dirs[d]
	dir.tmp, dir.synced = 0, false
	oldOne, kept := w, w
	oldOne.dirs[d].last, oldOne.dirs[d].torn = dir.disk, false
	kept.dirs[d].disk = dir.last
	if dir.torn {
		kept.dirs[d].damaged, kept.dirs[d].torn = true, false
		if !w.lost && !p.noLock { // else a second process may rename what the first has not synced
			kept.bad = unreadable
		}
	}
	emit(action{"power loss", d, 0}, oldOne)
	if kept != oldOne {
		emit(action{"power loss", d, 1}, kept)
	}
}

// publish lets a note leave the machine, and says if it contradicts an earlier one.
func (w *world) publish(n mnote) {
	if n == 0 {
		return
	}
	size := n.hist().size()
	for s, seen := range w.pub {
		switch {
		case seen == 0:
		case s == int(size) && seen.hist() != n.hist():
			w.bad = twoRoots
		case s < int(size) && !n.hist().extends(seen.hist()), s > int(size) && !seen.hist().extends(n.hist()):
			w.bad = forked
		case w.bad == "" && (s < int(size) && seen.time() > n.time() || s > int(size) && seen.time() < n.time()):
			w.bad = timeBack
		}
	}
	if w.pub[size] == 0 {
		w.pub[size] = n
	}
}

// path writes how a world came to be.
func path(actions []action) string {
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintf(&b, "\n    %v", a)
	}
	return b.String()
}
