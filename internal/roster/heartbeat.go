package roster

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/logtime"
)

// Heartbeat judges an anchor that stands at an index of a member's log in use, by the committee in force at the size of its
// head (FORMAT.md, "Log time"). past are the epochs before the one in force, oldest first, as far as the caller knows them;
// the last one is known anyhow. That its root is the log's, and that it covers the anchor before, the caller checks
// (logtime.Clock). Errors wrap ErrNotFinal where the log's own signature holds and only the quorum is missing.
//
// The registry's own anchors are judged by Apply: they decide which epoch is in force.
func (r *Roster) Heartbeat(m *Member, past []Epoch, index uint64, note []byte) (logtime.Anchor, error) {
	out := logtime.Anchor{Index: index}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return out, err
	}
	in := m.Log()
	for _, l := range m.Before(in.Origin) { // it may have come with the entries of a log from which this one goes on
		if l.Origin == head.Origin {
			in = l
		}
	}
	if head.Origin != in.Origin {
		return out, fmt.Errorf("it is of %s, the log of %s is %s", head.Origin, m.ID(), in.Origin)
	}
	out.Size = head.Size
	keys, err := in.keysAt(head.Size)
	if err != nil {
		return out, err
	}
	log, err := verifiers(keys[:]...)
	if err != nil {
		return out, err
	}
	var errs []error
	for _, e := range r.epochsAt(m, in.Origin, past, head.Size) {
		out.Unwitnessed = len(e.committee(m.ID())) == 0
		if out.Unwitnessed {
			out.Time, err = ownTime(note, log)
		} else {
			var by *FinalBy
			if by, err = r.seen(e, m).Witnessed(note, log[:1]); err == nil {
				out.Time = by.Time
			}
		}
		if err == nil {
			return out, nil
		}
		errs = append(errs, err)
	}
	if errs == nil {
		return out, fmt.Errorf("%w: the epoch in force at its size is not known", ErrNotFinal)
	}
	return out, errors.Join(errs...)
}

// epochsAt are the epochs whose committees may vouch for a head of one of a member's logs. An epoch's own begins behind its pin; at
// the pin both may, for new witnesses start from there, and old ones end there. A log that an epoch did not pin had nothing
// final before: then heads are that epoch's, or are older than the log's first committee.
func (r *Roster) epochsAt(m *Member, origin string, past []Epoch, size uint64) (out []Epoch) {
	all := append(slices.Clip(past), r.epoch)
	if n := len(past); r.epoch.Number > 0 && (n == 0 || past[n-1].Number < r.last.Number) {
		all = append(slices.Clip(past), r.last, r.epoch)
	}
	for i, e := range slices.Backward(all) {
		pin, pinned := e.Pin(origin)
		switch {
		case e.Number > 0 && pinned && size < pin.Size:
		case e.Number > 0 && pinned && size == pin.Size:
			out = append(out, e)
		default:
			out = append(out, e)
			if e.Number > 0 && !pinned && i > 0 && len(all[i-1].committee(m.ID())) == 0 {
				out = append(out, all[i-1])
			}
			return out
		}
	}
	return out
}

// seen are the witnesses who may have vouched for the log of a member in an epoch. A cosignature counts by the time that it says:
// not from its key's revocation on, and not while its member was suspended or after it left.
func (r *Roster) seen(e Epoch, m *Member) *Bench {
	b := &Bench{Committee: e.committee(m.ID()), Operator: m.Entry.GetOperator()}
	by, voices := map[string]*Member{}, e.voicesFor(m.ID())
	for _, id := range b.Committee {
		if v, ok := voices[id]; ok {
			b.Voices = append(b.Voices, v)
			by[string(v.Witness.Key)] = r.members[id]
		}
	}
	b.Counts = func(s checkpoint.Signed) bool {
		return r.cosignatureCounts(s) && !by[string(s.Key.Key)].silentAt(int64(s.Timestamp)) //nolint:gosec // package checkpoint bounds it by 2^63-1
	}
	return b
}

// ownTime is the time that a log without a committee gives its anchor: that of its ML-DSA-44 line.
func ownTime(note []byte, log []*checkpoint.Verifier) (int64, error) {
	v, err := checkpoint.Verify(note, log, nil)
	if err != nil {
		return 0, err
	}
	for _, s := range v.Log {
		if s.Timestamp > 0 {
			return int64(s.Timestamp), nil //nolint:gosec // package checkpoint bounds it by 2^63-1
		}
	}
	return 0, errors.New("the log's own signatures carry no time")
}
