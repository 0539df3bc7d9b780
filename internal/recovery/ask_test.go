package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// voters are 13 members of the committee of a city's log, each with what it answers.
type voters struct {
	city    *alliancetest.City
	ids     []string
	answers map[string]func() ([]byte, error)
}

func (v *voters) says(note []byte, ids ...string) {
	for _, id := range ids {
		v.answers[id] = func() ([]byte, error) { return note, nil }
	}
}

var errAway = errors.New("it is away")

func (v *voters) away(ids ...string) {
	for _, id := range ids {
		v.answers[id] = func() ([]byte, error) { return nil, errAway }
	}
}

func newVoters(t *testing.T) *voters {
	v := &voters{city: alliancetest.NewCity(t, "nl-kanaalstad"), answers: map[string]func() ([]byte, error){}}
	for i := range 13 {
		v.ids = append(v.ids, fmt.Sprintf("xx-member%02d", i))
	}
	v.away(v.ids...)
	return v
}

func (v *voters) note(t *testing.T, size uint64) []byte {
	return v.city.Note(t, size, proof.LeafHash(fmt.Append(nil, size)), alliancetest.FoundedAt)
}

func (v *voters) newest(t *testing.T, others ...string) (checkpoint.Checkpoint, error) {
	t.Helper()
	e := &Electorate{Committee: v.ids, Others: others, Keys: func(uint64) ([]*checkpoint.Verifier, error) {
		k, err := checkpoint.ParseVerifier(v.city.Entry.GetLogVkeys()[0])
		return []*checkpoint.Verifier{k}, err
	}}
	return e.newest(t.Context(), v.city.Origin, func(_ context.Context, id string) ([]byte, error) { return v.answers[id]() })
}

// T-34: nine of 13 must answer; four that lie hide nothing that nine have cosigned, and can't invent anything.
func TestT34FourLiarsHideNothing(t *testing.T) {
	v := newVoters(t)
	top, old := v.note(t, 100), v.note(t, 40)
	// The top was cosigned by members 0 to 8. Four of them lie; the other four honest ones never saw it.
	for _, liars := range [][]string{v.ids[:4], v.ids[3:7], v.ids[5:9]} {
		v.says(top, v.ids[:9]...)
		v.says(old, v.ids[9:]...)
		for _, lie := range [][]byte{old, nil, []byte("no note"), alliancetest.NewCity(t, "jp-minato").Note(t, 200, proof.LeafHash(nil), alliancetest.FoundedAt)} {
			v.says(lie, liars...)
			head, err := v.newest(t)
			if err != nil || head.Size != 100 {
				t.Errorf("the liars %v say %.20q: size %d, %v, want 100", liars, lie, head.Size, err)
			}
		}
	}
}

func TestT34BelowTheQuorumNothingIsTold(t *testing.T) {
	v := newVoters(t)
	v.says(v.note(t, 100), v.ids[:8]...)
	var silent *SilentError
	if head, err := v.newest(t); !errors.As(err, &silent) || silent.Answered != 8 || silent.Want != 9 || len(silent.Missing) != 5 {
		t.Errorf("eight of 13: %v, %v", head, err)
	}
	// Answers that prove nothing are none.
	v.says([]byte("no note"), v.ids[8:]...)
	if head, err := v.newest(t); !errors.As(err, &silent) || silent.Answered != 8 {
		t.Errorf("eight of 13 and five that send rubbish: %v, %v", head, err)
	}
	// Nor do others stand in for the committee; but what they name counts.
	v.answers["xx-other"] = func() ([]byte, error) { return v.note(t, 300), nil }
	if head, err := v.newest(t, "xx-other"); !errors.As(err, &silent) {
		t.Errorf("eight of 13 and somebody else: %v, %v", head, err)
	}
	v.says(nil, v.ids[8])
	if head, err := v.newest(t, "xx-other"); err != nil || head.Size != 300 {
		t.Errorf("nine of 13 and somebody who knows more: size %d, %v, want 300", head.Size, err)
	}
}

// T-34: a head that a thief of the log's key signed is a head: the log waits for it, and signs nothing below.
func TestT34StolenKeysHeadIsNotPassedOver(t *testing.T) {
	v := newVoters(t)
	v.says(v.note(t, 100), v.ids...)
	v.says(v.note(t, 1<<62), v.ids[7])
	if head, err := v.newest(t); err != nil || head.Size != 1<<62 {
		t.Errorf("size %d, %v, want 2^62", head.Size, err)
	}
	v = newVoters(t)
	v.says(nil, v.ids...)
	if head, err := v.newest(t); err != nil || head.Size != 0 || head.Root != proof.EmptyRoot() {
		t.Errorf("nobody ever saw a head: %v, %v", head, err)
	}
	v.ids = slices.Clip(v.ids[:0])
	if head, err := v.newest(t); err == nil {
		t.Errorf("a log without a committee: %v, want an error", head)
	}
}
