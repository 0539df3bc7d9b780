package receipt

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// Authority says by which epoch of its alliance a receipt is to be judged (federation.md, section 2.5). FORMAT.md shows it.
type Authority struct {
	// Epoch is the number of the epoch: only 0, the founding, whose committees follow from root.json alone.
	Epoch uint32
}

// foundingText is an authority of the founding, the only one that this version knows.
const foundingText = `{"epoch":0}`

func parseAuthority(b []byte) (*Authority, error) {
	if string(b) == foundingText {
		return &Authority{}, nil
	}
	return nil, &CouldNotTellError{ClaimAuthority, errors.New("its authority is of a later epoch or form than this program knows: use a newer version, or cityproof audit")}
}

// Founding is an alliance as its root, version 1, makes it.
type Founding struct {
	root   *root.Root
	roster *roster.Roster
}

// NewFounding checks the signatures of the root and of all founders.
func NewFounding(first *root.Root) (*Founding, error) {
	r, err := roster.New(first)
	if err != nil {
		return nil, fmt.Errorf("reading founding: %w", err)
	}
	return &Founding{first, r}, nil
}

// VerifyIn checks every claim of a receipt by the founding of an alliance: the log's and publishers' keys are those of its
// founders' entries, and the checkpoint must be final by the committee and mirrors that follow from it. It reads no file,
// clock or network. Errors are as of Verify; a receipt that is true and not final could not be told.
func VerifyIn(r *Receipt, f *Founding) (*Verdict, error) {
	v := &Verdict{}
	if r.Authority == nil {
		return v, &CouldNotTellError{ClaimAuthority, errors.New("it has no authority: it was made before its head was final; get it again with cityproof publish --final, or check it with trust.json")}
	}
	in := f.roster
	n, err := checkpoint.ParseNote(r.Proof.Checkpoint)
	if err != nil {
		return v, &FalseError{ClaimCheckpoint, err}
	}
	head, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		return v, &FalseError{ClaimCheckpoint, err}
	}
	m := in.ByOrigin(head.Origin)
	if m == nil {
		return v, &CouldNotTellError{ClaimAuthority, fmt.Errorf("the log %s is of none of the founders: use cityproof audit", head.Origin)}
	}
	trust, err := TrustIn(in, m)
	if err != nil {
		return v, fmt.Errorf("verifying receipt: %w", err)
	}
	v, err = Verify(r, trust)
	v.Claims = slices.DeleteFunc(v.Claims, func(c Claim) bool { return c.Name == ClaimWitness && !c.Told }) // it is asked now
	for i := range v.Claims {
		v.Claims[i].RestsOn = strings.ReplaceAll(v.Claims[i].RestsOn, "the trust file", "root.json, as of registry size 0")
	}
	if err != nil {
		return v, err
	}
	return v, v.final(r.Proof.Checkpoint, in, m, f.root)
}

// TrustIn is what a trust file of a member would say, by a roster: the keys of its log in use, and its publishers.
func TrustIn(r *roster.Roster, m *roster.Member) (*Trust, error) {
	keys, err := r.NewestLogKeys(m.Log().Origin)
	if err != nil {
		return nil, err
	}
	t := &Trust{Origin: m.Log().Origin, City: m.ID(), Log: keys}
	for _, p := range m.PublisherRanges() {
		publisher := Publisher{Key: p.Key, FromSize: p.From}
		if p.To != 0 {
			publisher.ToSize = &p.To
		}
		t.Publishers = append(t.Publishers, publisher)
	}
	return t, nil
}

// final checks that the committee and mirrors vouch for the checkpoint.
func (v *Verdict) final(note []byte, in *roster.Roster, m *roster.Member, first *root.Root) error {
	at, err := in.Finality(m, note)
	if errors.Is(err, roster.ErrNotFinal) {
		v.untold(ClaimWitness, "%v", err)
		return &CouldNotTellError{ClaimWitness, err}
	}
	if err != nil {
		return &FalseError{ClaimWitness, err}
	}
	seats := in.Committee(m.ID())
	v.tell(ClaimWitness, fmt.Sprintf("root.json: of the %d members in the committee of this log in epoch 0 at least %d must sign, and %d mirrors",
		len(seats), roster.Quorum(len(seats)), roster.MirrorQuorum),
		"witnesses of %s saw this very log, and mirrors of %s hold all of it", strings.Join(at.Witnesses, ", "), strings.Join(at.Mirrors, ", "))
	when := time.Unix(min(at.Time, math.MaxInt32*2), 0).UTC()
	v.tell(ClaimTime, "the lower median of the witnesses' clocks", "they saw it at %s", when.Format(time.RFC3339))
	if first.ExpiredAt(when) {
		v.untold(ClaimAuthority, "root.json had expired at that time: get a later version of the root")
		return &CouldNotTellError{ClaimAuthority, errors.New("root.json had expired when the receipt was made")}
	}
	return nil
}
