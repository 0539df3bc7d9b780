package entry

import (
	"crypto/sha256"
	"errors"
	"fmt"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
)

// Kind says what an entry is.
type Kind int

// The kinds of entries.
const (
	Statement Kind = iota + 1
	Act
	Anchor
	Evidence
)

func (k Kind) String() string {
	switch k {
	case Statement:
		return "statement"
	case Act:
		return "act"
	case Anchor:
		return "anchor"
	case Evidence:
		return "proof of misbehaviour"
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// File is what an entry commits to and does not hold: a statement's body, the pins of an epoch.
type File struct {
	Sum [sha256.Size]byte
	// Size in bytes; 0 where the entry does not say it, which is then at most MaxFile.
	Size uint32
}

// MaxFile is the largest file that an entry commits to, in bytes: the pins of an epoch (federation.md, section 8).
const MaxFile = 8 << 20

// Entry is an entry whose form was checked.
type Entry struct {
	Kind Kind
	// Identity is what a log knows the entry by: of an envelope whatever its signatures, of an anchor all of it.
	Identity [sha256.Size]byte
	Files    []File

	Signed *declaration.Signed    // of a Statement
	Act    *act.Act               // of an Act
	Head   *checkpoint.Checkpoint // of an Anchor
	Proof  *evidence.Evidence     // of Evidence
}

// IsAnchor reports whether an entry is an anchor: a signed note, not an envelope (federation.md, section 4).
func IsAnchor(b []byte) bool { return len(b) > 0 && b[0] != '{' }

// Parse reads an entry. What is well-formed and of a kind or version that this program does not know gives
// *declaration.PayloadTypeError, *declaration.UnknownSchemaError or *act.LaterVersionError.
func Parse(b []byte) (*Entry, error) {
	if IsAnchor(b) {
		return parseAnchor(b)
	}
	e, err := declaration.ParseEnvelope(b)
	if err != nil {
		return nil, err
	}
	out := &Entry{Identity: e.Identity()}
	if e.PayloadType == declaration.PayloadType {
		out.Kind = Statement
		if out.Signed, err = declaration.ParseSigned(b); err != nil {
			return nil, err
		}
		out.Files = []File{{out.Signed.Statement.BodySHA256, out.Signed.Statement.BodySize}}
		return out, nil
	}
	if e.PayloadType == evidence.PayloadType {
		out.Kind = Evidence
		out.Proof, err = evidence.ParsePayload(e.Payload)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	var none *act.NotActError
	a, err := act.Parse(b)
	if errors.As(err, &none) {
		return nil, &declaration.PayloadTypeError{PayloadType: e.PayloadType}
	}
	if err != nil {
		return nil, err
	}
	out.Kind, out.Act, out.Files = Act, a, filesOf(a.Message)
	return out, nil
}

func parseAnchor(b []byte) (*Entry, error) {
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		return nil, fmt.Errorf("reading entry: neither an envelope nor a note: %w", err)
	}
	c, err := checkpoint.ParseCheckpoint(n.Text)
	if err != nil {
		return nil, fmt.Errorf("reading anchor %s: %w", canonical.Quote(n.Text), err)
	}
	return &Entry{Kind: Anchor, Identity: sha256.Sum256(b), Head: &c}, nil
}

func filesOf(m *registryv1.Act) []File {
	switch m := m.GetAct().(type) {
	case *registryv1.Act_Epoch:
		return []File{{Sum: [sha256.Size]byte(m.Epoch.GetPins())}}
	case *registryv1.Act_RuleSet:
		return []File{{Sum: [sha256.Size]byte(m.RuleSet.GetBundle())}}
	case *registryv1.Act_RootVersion:
		return []File{{Sum: [sha256.Size]byte(m.RootVersion.GetFile())}}
	}
	return nil
}

// Identity is what a log knows an entry by. It reads no more of it than that.
func Identity(b []byte) ([sha256.Size]byte, error) {
	if IsAnchor(b) {
		return sha256.Sum256(b), nil
	}
	e, err := declaration.ParseEnvelope(b)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return e.Identity(), nil
}
