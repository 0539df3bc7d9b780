package witness

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// MaxRequest is the largest request in bytes: a note, and 63 hashes with their old size.
const MaxRequest = checkpoint.MaxNoteSize + 4<<10

// Request is what a log asks a witness: c2sp.org/tlog-witness, "add-checkpoint".
type Request struct {
	Old   uint64
	Proof []proof.Hash
	// Note is the signed checkpoint, as it was sent.
	Note []byte
}

// ParseRequest reads the body of an add-checkpoint request. The note is not looked into.
func ParseRequest(b []byte) (*Request, error) {
	if len(b) > MaxRequest {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), MaxRequest)
	}
	head, note, ok := strings.Cut(string(b), "\n\n")
	if !ok {
		return nil, errors.New("no empty line before the checkpoint")
	}
	lines := strings.Split(head, "\n")
	size, ok := strings.CutPrefix(lines[0], "old ")
	if !ok {
		return nil, errors.New(`the first line must be "old" and a size`)
	}
	r := &Request{Note: []byte(note)}
	var err error
	if r.Old, err = proof.ParseSize(size); err != nil {
		return nil, fmt.Errorf("old size: %w", err)
	}
	if len(lines)-1 > proof.MaxPath {
		return nil, fmt.Errorf("a proof of %d hashes, more than %d", len(lines)-1, proof.MaxPath)
	}
	for _, l := range lines[1:] {
		h, err := proof.ParseHash(l)
		if err != nil {
			return nil, fmt.Errorf("proof: %w", err)
		}
		r.Proof = append(r.Proof, h)
	}
	return r, nil
}

// Format is the inverse of ParseRequest: what a log sends.
func (r *Request) Format() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", r.Old)
	for _, h := range r.Proof {
		b.WriteString(h.String() + "\n")
	}
	b.WriteByte('\n')
	b.Write(r.Note)
	return []byte(b.String())
}
