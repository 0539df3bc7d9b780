package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/cityproof/cityproof/internal/roster"
)

// Log is the registry's own log, on the node that runs it.
type Log interface {
	Source
	// Append appends an entry with the files that it commits to, and returns its index once it is durable and signed.
	Append(ctx context.Context, entry []byte, files [][]byte) (index uint64, err error)
}

// RefusedError says that an act would be void.
type RefusedError struct {
	What   string // the act's kind
	Reason error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the %s would have no effect: %v", e.What, e.Reason)
}

// Unwrap returns the rule that it breaks.
func (e *RefusedError) Unwrap() error { return e.Reason }

var (
	errNoFile  = errors.New("it did not come with the act")
	errNotHere = errors.New("it is published, not submitted as an act")
)

// Door lets acts and anchors into the registry's log, one at a time: what an act does depends on all before it.
type Door struct {
	follower *Follower
	log      Log

	mu sync.Mutex // held from judging an entry until it is replayed
}

// NewDoor returns the door of a log, whose follower follows that same log.
func NewDoor(f *Follower, log Log) *Door { return &Door{follower: f, log: log} }

// waits refuses what may not come now: after a fork the version of the root by which the registry goes on must be the first
// entry of the new log, for anything before it would make it void.
func (d *Door) waits(out roster.Outcome) error {
	st := d.follower.State()
	switch {
	case st.Next == nil:
		return nil
	case st.Note == nil:
		return &WaitingError{st.Next, "this node's log is not that one"}
	case out.What != "root_version":
		return &WaitingError{st.Next, "the act that records the version comes first"}
	}
	return nil
}

// Submit appends an act or an anchor if it would have effect. Errors: *RefusedError where it would not, else of Log.
func (d *Door) Submit(ctx context.Context, entry []byte, files [][]byte) (index uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.follower.Update(ctx, d.log); err != nil {
		return 0, err
	}
	by := map[[sha256.Size]byte][]byte{}
	for _, f := range files {
		by[sha256.Sum256(f)] = f
	}
	out, err := d.follower.Roster().Judge(entry, func(sum [sha256.Size]byte) ([]byte, error) {
		if f, ok := by[sum]; ok {
			return f, nil
		}
		return nil, errNoFile
	})
	switch {
	case err != nil:
		return 0, &RefusedError{"act", err}
	case out.Kind == roster.Void:
		return 0, &RefusedError{out.What, out.Reason}
	case out.Kind == roster.Skipped:
		return 0, &RefusedError{out.What, errNotHere}
	}
	if err := d.waits(out); err != nil {
		return 0, &RefusedError{out.What, err}
	}
	if index, err = d.log.Append(ctx, entry, files); err != nil {
		return 0, err
	}
	return index, d.follower.Update(ctx, d.log)
}
