package peerstore

import (
	"crypto/sha256"
	"sync"
)

// turns lets one caller at a time work on an origin. It remembers only origins that somebody works on or waits for: anybody
// may ask for any.
type turns struct {
	mu   sync.Mutex // guards the following, and users in it
	held map[[sha256.Size]byte]*turn
}

type turn struct {
	sync.Mutex
	users int // who hold it or wait for it
}

// take waits for the origin's turn, and returns what ends it.
func (ts *turns) take(origin [sha256.Size]byte) (end func()) {
	ts.mu.Lock()
	t := ts.held[origin]
	if t == nil {
		if ts.held == nil {
			ts.held = map[[sha256.Size]byte]*turn{}
		}
		t = &turn{}
		ts.held[origin] = t
	}
	t.users++
	ts.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		ts.mu.Lock()
		defer ts.mu.Unlock()
		if t.users--; t.users == 0 {
			delete(ts.held, origin)
		}
	}
}
