package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// askAtOnce is how many members are asked at a time.
const askAtOnce = 32

// Electorate is who is asked for the newest head of a log.
type Electorate struct {
	// Head is the head itself where nobody need be asked, for root metadata names it: of a registry that goes on in a new log.
	Head *checkpoint.Checkpoint
	// Committee are the member ids on the log's seats: a quorum of them must answer.
	Committee []string
	// Others are asked as well; what they name counts, and they need not answer.
	Others []string
	// Keys are what must sign a head of a size; the first is the Ed25519 key, which is enough here.
	Keys func(size uint64) ([]*checkpoint.Verifier, error)
}

// AskFunc asks a member for the newest head of the log that it knows, nil if it never saw one. That the answer is the member's,
// and of now, is for it to see to.
type AskFunc func(ctx context.Context, member string) (note []byte, err error)

// SilentError says that too few of a committee have answered.
type SilentError struct {
	Answered, Want int
	Missing        []string // why, by member
}

func (e *SilentError) Error() string {
	return fmt.Sprintf("%d members of the log's committee have named its newest head, want %d (%s)", e.Answered, e.Want, strings.Join(e.Missing, "; "))
}

// answer is what one member said.
type answer struct {
	member string
	note   []byte
	err    error
}

// newest asks everybody and returns the largest head that anybody named and the log's key has signed; size 0 where nobody ever
// saw one. It fails with *SilentError below the quorum. An answer that proves nothing is none.
func (e *Electorate) newest(ctx context.Context, origin string, ask AskFunc) (checkpoint.Checkpoint, error) {
	best := checkpoint.Checkpoint{Origin: origin, Root: proof.EmptyRoot()}
	want := roster.Quorum(len(e.Committee))
	if want == 0 {
		return best, errors.New("the log has no committee that could say what was signed last")
	}
	answered := 0
	var missing []string
	for _, a := range askAll(ctx, append(slices.Clone(e.Committee), e.Others...), ask) {
		head, err := best, a.err
		if err == nil && a.note != nil {
			head, err = e.verify(origin, a.note)
		}
		seated := slices.Contains(e.Committee, a.member)
		switch {
		case err == nil && seated:
			answered++
		case err != nil && seated:
			missing = append(missing, fmt.Sprintf("%s: %v", a.member, err))
		}
		if err == nil && head.Size > best.Size {
			best = head
		}
	}
	if answered < want {
		return best, &SilentError{answered, want, missing}
	}
	return best, nil
}

// verify checks a note by the log's Ed25519 key.
func (e *Electorate) verify(origin string, note []byte) (checkpoint.Checkpoint, error) {
	c, err := checkpoint.Unverified(note)
	if err != nil {
		return c, err
	}
	if c.Origin != origin {
		return c, fmt.Errorf("it names a head of %s", c.Origin)
	}
	keys, err := e.Keys(c.Size)
	if err != nil {
		return c, err
	}
	_, err = checkpoint.Verify(note, keys[:1], nil)
	return c, err
}

// askAll asks members side by side and returns their answers in the order of the members.
func askAll(ctx context.Context, members []string, ask AskFunc) []answer {
	out := make([]answer, len(members))
	room := make(chan struct{}, askAtOnce)
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			out[i].member = m
			out[i].note, out[i].err = ask(ctx, m)
		})
	}
	wg.Wait()
	return out
}
