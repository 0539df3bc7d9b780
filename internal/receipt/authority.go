package receipt

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// VerifyIn checks every claim of a receipt by a version of an alliance's root: the receipt's authority must lead from it to the
// epoch by which the head is judged, the log's and publishers' keys are those of that epoch, and its committee and mirrors must
// have made the head final. It reads no file, clock or network. Errors are as of Verify; a receipt that is true and not final
// could not be told.
func VerifyIn(r *Receipt, h *authority.Holder) (*Verdict, error) {
	v := &Verdict{Index: r.Proof.Index, Leaf: proof.LeafHash(r.Statement)}
	if r.Authority == nil {
		return v, &CouldNotTellError{ClaimAuthority, errors.New("it has no authority: it was made before its head was final; get it again with cityproof final, or check it with trust.json")}
	}
	head, err := checkpoint.Unverified(r.Proof.Checkpoint)
	if err != nil {
		return v, &FalseError{ClaimCheckpoint, err}
	}
	c, err := h.Certify(r.Authority, head.Origin)
	if err == nil {
		err = c.Counts(head)
	}
	if errors.Is(err, authority.ErrCouldNotTell) {
		return v, &CouldNotTellError{ClaimAuthority, err}
	}
	if err != nil {
		return v, &FalseError{ClaimAuthority, err}
	}
	trust, err := trustOf(c.Standing, head)
	if err != nil {
		return v, &FalseError{ClaimCheckpoint, err}
	}
	v, err = Verify(r, trust)
	v.Claims = slices.DeleteFunc(v.Claims, func(c Claim) bool { return c.Name == ClaimWitness && !c.Told }) // it is asked now
	for i := range v.Claims {
		v.Claims[i].RestsOn = strings.ReplaceAll(v.Claims[i].RestsOn, "the trust file", fmt.Sprintf("root.json, as of registry size %d", c.Size))
	}
	if err != nil {
		return v, err
	}
	return v, v.final(r.Proof.Checkpoint, c, trust)
}

// TrustIn is what a trust file of a member would say, by a roster: the keys of its log in use, and its publishers.
func TrustIn(r *roster.Roster, m *roster.Member) (*Trust, error) {
	s := r.Standing(m)
	keys, err := r.NewestLogKeys(m.Log().Origin)
	if err != nil {
		return nil, err
	}
	return newTrust(s, m.Log().Origin, keys), nil
}

// trustOf is what a trust file would say of the log and size of a head.
func trustOf(s *roster.Standing, head checkpoint.Checkpoint) (*Trust, error) {
	keys, err := s.LogKeys(head.Origin, head.Size)
	if err != nil {
		return nil, err
	}
	return newTrust(s, head.Origin, keys), nil
}

func newTrust(s *roster.Standing, origin string, keys []*checkpoint.Verifier) *Trust {
	t := &Trust{Origin: origin, City: s.ID(), Log: keys}
	for _, p := range s.Publishers {
		publisher := Publisher{Key: p.Key, FromSize: p.From}
		if p.To != 0 {
			publisher.ToSize = &p.To
		}
		t.Publishers = append(t.Publishers, publisher)
	}
	for _, l := range s.Before(origin) {
		t.Earlier = append(t.Earlier, Earlier{l.Origin, l.End.Size})
	}
	return t
}

// final checks that the committee and mirrors vouch for the checkpoint.
func (v *Verdict) final(note []byte, c *authority.Certificate, t *Trust) error {
	by, committee, err := c.Final(note, t.Log)
	if errors.Is(err, roster.ErrNotFinal) {
		v.untold(ClaimWitness, "%v", err)
		return &CouldNotTellError{ClaimWitness, err}
	}
	if err != nil {
		return &FalseError{ClaimWitness, err}
	}
	seats := len(committee)
	v.tell(ClaimWitness, fmt.Sprintf("root.json: of the %d members in the committee of this log in epoch %d at least %d must sign, and %d mirrors",
		seats, c.Epoch, roster.Quorum(seats), roster.MirrorQuorum),
		"witnesses of %s saw this very log, and mirrors of %s hold all of it", strings.Join(by.Witnesses, ", "), strings.Join(by.Mirrors, ", "))
	when := time.Unix(min(by.Time, math.MaxInt32*2), 0).UTC()
	v.tell(ClaimTime, "the lower median of the witnesses' clocks", "they saw it at %s", when.Format(time.RFC3339))
	if c.Root.ExpiredAt(when) {
		v.untold(ClaimAuthority, "root.json had expired at that time: get a later version of the root")
		return &CouldNotTellError{ClaimAuthority, errors.New("root.json had expired when the receipt was made")}
	}
	return nil
}
