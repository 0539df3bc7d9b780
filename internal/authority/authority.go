package authority

import (
	"errors"
	"fmt"
	"sync"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// Bounds of an authority.
const (
	// MaxSize is the most bytes of its text.
	MaxSize = 1 << 20

	maxRoots = 64
	maxLinks = 64
	maxLines = 64 // of one epoch
	maxPath  = 63
)

// Authority is what a receipt carries. Nothing in it is verified.
type Authority struct{ message *registryv1.Authority }

// Of is the authority of a member's final note, by the roster of whoever makes the receipt. Errors wrap roster.ErrNotFinal
// where only cosignatures or an anchor of the registry are missing.
func Of(r *roster.Roster, m *roster.Member, note []byte) (*Authority, error) {
	a, err := r.Authority(m, note)
	if err != nil {
		return nil, err
	}
	if _, err := codec().Marshal(a); err != nil {
		return nil, fmt.Errorf("making authority: %w", err)
	}
	return &Authority{a}, nil
}

// Epoch is the number of the epoch by which the head is to be judged.
func (a *Authority) Epoch() uint32 { return a.message.GetEpoch() }

// Parse reads the text of an authority: its form and bounds. It accepts exactly what Format writes.
func Parse(b []byte) (*Authority, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("reading authority: %d bytes, more than %d", len(b), MaxSize)
	}
	m := &registryv1.Authority{}
	if err := codec().Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("reading authority: %w", err)
	}
	if err := checkForm(m); err != nil {
		return nil, fmt.Errorf("reading authority: %w", err)
	}
	return &Authority{m}, nil
}

// Format writes it: canonical JSON in one line.
func (a *Authority) Format() ([]byte, error) {
	b, err := codec().Marshal(a.message)
	if err != nil {
		return nil, fmt.Errorf("writing authority: %w", err)
	}
	if _, err := Parse(b); err != nil {
		return nil, fmt.Errorf("writing authority: %w", err)
	}
	return b, nil
}

func checkForm(m *registryv1.Authority) error {
	switch {
	case m.Epoch == nil:
		return errors.New("it names no epoch")
	case m.GetEpoch() == 0 && len(m.GetLinks())+len(m.GetLines()) > 0:
		return errors.New("the founding needs no proof, and this has one")
	case len(m.GetRoots()) > maxRoots || len(m.GetLinks()) > maxLinks || len(m.GetLines()) > maxLines:
		return fmt.Errorf("%d roots, %d links and %d lines, want at most %d, %d and %d", len(m.GetRoots()), len(m.GetLinks()), len(m.GetLines()), maxRoots, maxLinks, maxLines)
	}
	if n := len(m.GetRoots()); m.GetEpoch() == 0 && n > 0 {
		newest, err := root.Parse(m.GetRoots()[n-1])
		if err != nil {
			return err
		}
		if s := newest.Terms.Reseat; s == nil || s.Epoch != 0 {
			return errors.New("the founding needs no roots without a reseat for it, and this has some")
		}
	}
	for _, l := range m.GetLinks() {
		if len(l.GetLines()) > maxLines || len(l.GetPath()) > maxPath {
			return fmt.Errorf("the link to epoch %d has %d lines and %d hashes, want at most %d and %d", l.GetNumber(), len(l.GetLines()), len(l.GetPath()), maxLines, maxPath)
		}
	}
	return nil
}

// codec is derived from the proto once. A proto that has no single encoding fails the first test.
var codec = sync.OnceValue(func() *canonical.Codec { return canonical.MustCodec(&registryv1.Authority{}) })
