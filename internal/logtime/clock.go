package logtime

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Anchor is an anchor that has its quorum.
type Anchor struct {
	// Index is where it stands in the log.
	Index uint64
	// Size of the head that it vouches for: it covers the leaves below.
	Size uint64
	// Time is the lower median of its cosignatures' times, Unix seconds; of an unwitnessed one the log's own word.
	Time int64
	// Unwitnessed says that the log had no committee.
	Unwitnessed bool
}

// Clock is what the anchors of one log say. The zero value is a log without anchors. Anchors are only ever appended, so a
// copy of a Clock stays what it is while the original goes on.
type Clock struct {
	anchors []Anchor // rising in Index, Size and, but for equal ones, in Time
}

// ErrOldHead is returned for an anchor whose head lies before the last anchor: it shows no life (T-23).
var ErrOldHead = errors.New("its head does not cover the last anchor")

// Add takes the next anchor, in the order of the log. An error says why it does not count; the clock is then unmoved. A time
// before the last one counts as the last one.
func (c *Clock) Add(a Anchor) error {
	if a.Size > a.Index {
		return fmt.Errorf("it is of size %d at index %d", a.Size, a.Index)
	}
	if len(c.anchors) > 0 {
		last := c.anchors[len(c.anchors)-1]
		switch {
		case a.Size <= last.Index:
			return ErrOldHead
		case a.Unwitnessed && !last.Unwitnessed:
			return errors.New("it is unwitnessed, and the log has witnesses")
		}
		a.Time = max(a.Time, last.Time)
	}
	c.anchors = append(c.anchors, a)
	return nil
}

// Len is the number of anchors that count.
func (c *Clock) Len() int { return len(c.anchors) }

// Last returns the last anchor: the log's heartbeat. ok is false where there is none.
func (c *Clock) Last() (a Anchor, ok bool) {
	if len(c.anchors) == 0 {
		return Anchor{}, false
	}
	return c.anchors[len(c.anchors)-1], true
}

// LastAt returns the last anchor whose time is not behind t, Unix seconds: the heartbeat as it was seen then.
func (c *Clock) LastAt(t int64) (a Anchor, ok bool) {
	n := len(c.anchors)
	for n > 0 && c.anchors[n-1].Time > t {
		n--
	}
	earlier := Clock{c.anchors[:n]}
	return earlier.Last()
}

// Of returns the first anchor that covers a leaf, whose time is the leaf's log time. ok is false while none does: the leaf's
// time is pending.
func (c *Clock) Of(leaf uint64) (a Anchor, ok bool) {
	i, _ := slices.BinarySearchFunc(c.anchors, leaf, func(a Anchor, leaf uint64) int {
		if a.Size <= leaf {
			return -1
		}
		return 1
	})
	if i == len(c.anchors) {
		return Anchor{}, false
	}
	return c.anchors[i], true
}

// At returns the anchor that stands at an index; ok is false where none does that counts.
func (c *Clock) At(index uint64) (a Anchor, ok bool) {
	i, ok := slices.BinarySearchFunc(c.anchors, index, func(a Anchor, index uint64) int { return cmp.Compare(a.Index, index) })
	if !ok {
		return Anchor{}, false
	}
	return c.anchors[i], true
}

// Newest returns a clock of the last n anchors.
func (c *Clock) Newest(n int) Clock { return Clock{slices.Clone(c.anchors[max(0, len(c.anchors)-n):])} }

// Clone returns a clock to which anchors can be added without the other one noticing.
func (c *Clock) Clone() Clock { return Clock{slices.Clip(c.anchors)} }
