package node

import (
	"context"
	"fmt"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
)

// beginning is the head that the member's log must begin with, where the registry moved the member to it from another log; nil
// where there is none, or it is not known yet.
func (a *alliance) beginning() *checkpoint.Checkpoint {
	if own := a.own(a.follower.Roster()); own != nil && !a.isRegistry() {
		return own.Begin()
	}
	return nil
}

// isRegistry reports whether the member's log is the registry. It goes on from another by a version of the root.
func (a *alliance) isRegistry() bool { return a.registries()[0].Origin == a.member.origin }

// awaits says why the log must not grow yet; empty where it may. An entry in it before those that it must begin with would make
// it a log that can never be the city's.
func (a *alliance) awaits() string {
	if a.begun.Load() || a.isRegistry() {
		return ""
	}
	st := a.follower.State()
	m := st.Roster.Member(a.member.cfg.City)
	size, _ := a.member.log.Head()
	switch {
	case m != nil && st.Roster.ByOrigin(a.member.origin) == nil:
		return fmt.Sprintf("the log of %s in the alliance is %s: until the registry moves the city here (cityproof alliance move-log), this one takes nothing", m.ID(), m.Log().Origin)
	case st.Note == nil && size == 0:
		return "the registry could not be read yet: it may say that this log goes on from another one"
	case st.Note == nil || m == nil:
		return ""
	}
	begin := a.beginning()
	if begin == nil {
		a.begun.Store(true)
		return ""
	}
	if size < begin.Size {
		return fmt.Sprintf("it goes on from another log, whose %d entries are being fetched from the mirrors", begin.Size)
	}
	root, err := a.member.log.Root(context.Background(), begin.Size)
	if err != nil {
		return fmt.Sprintf("whether it begins as it must can't be told: %v", err)
	}
	if root != begin.Root {
		return fmt.Sprintf("it must begin with the %d entries of the log from which it goes on, and begins with others: nobody will cosign it. Make another new log and move there", begin.Size)
	}
	a.begun.Store(true)
	return ""
}

// earlier are the logs from which the member's log goes on.
func (m *member) earlier() (out []*ledgerv1.EarlierLog) {
	if m.alliance == nil {
		return nil
	}
	if own := m.alliance.own(m.alliance.follower.Roster()); own != nil {
		for _, l := range own.Before(m.origin) {
			out = append(out, &ledgerv1.EarlierLog{Origin: l.Origin, Size: l.End.Size})
		}
	}
	return out
}
