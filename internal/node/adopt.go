package node

import (
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Adopted says what an adoption found.
type Adopted struct {
	Was    error  // why the state belonged elsewhere; nil: it did not, and nothing was changed
	Signed uint64 // size of the last signed checkpoint
}

// Adopt makes a member's state directory this machine's own, after it was copied
// or moved here. That is the operator's word that no other copy signs any more, and
// that none signed after this one was made: nothing on this disk could tell.
func Adopt(m config.Member) (*Adopted, error) {
	was, note, err := signingkey.Adopt(m.State)
	if err != nil {
		if errors.Is(err, signingkey.ErrLocked) {
			err = fmt.Errorf("%w: stop the node first", err)
		}
		return nil, err
	}
	size, err := lastSize(note)
	if err != nil {
		return nil, err
	}
	return &Adopted{Was: was, Signed: size}, nil
}
