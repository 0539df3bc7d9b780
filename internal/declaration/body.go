package declaration

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/canonical"
)

// bodyCodec is compiled once; that it compiles at all is a property of the
// protos, which the tests hold.
var bodyCodec = sync.OnceValue(func() *canonical.Codec { return canonical.MustCodec(&declarationv1.Body{}) })

// ParseBody reads a canonical body of at most MaxBody bytes. It accepts exactly
// what FormatBody writes; what the values mean is not checked here.
func ParseBody(b []byte) (*declarationv1.Body, error) {
	if len(b) > MaxBody {
		return nil, fmt.Errorf("parsing body: %d bytes, more than %d", len(b), MaxBody)
	}
	body := &declarationv1.Body{}
	if err := bodyCodec().Unmarshal(b, body); err != nil {
		return nil, fmt.Errorf("parsing body: %w", err)
	}
	if _, ok := KindOf(body); !ok {
		return nil, fmt.Errorf("parsing body: %w", errNoRecord)
	}
	return body, nil
}

var errNoRecord = errors.New("it holds no record")

// FormatBody writes the canonical bytes of a body: what is hashed and stored. It
// writes nothing that ParseBody would not read.
func FormatBody(body *declarationv1.Body) ([]byte, error) {
	if _, ok := KindOf(body); !ok {
		return nil, fmt.Errorf("formatting body: %w", errNoRecord)
	}
	b, err := bodyCodec().Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("formatting body: %w", err)
	}
	if len(b) > MaxBody {
		return nil, fmt.Errorf("formatting body: %d bytes, more than %d: put long lists into an attachment", len(b), MaxBody)
	}
	return b, nil
}

// KindOf returns the kind of the record that the body holds.
func KindOf(body *declarationv1.Body) (Kind, bool) {
	switch body.GetRecord().(type) {
	case *declarationv1.Body_Member:
		return Member, true
	case *declarationv1.Body_Deployment:
		return Deployment, true
	case *declarationv1.Body_DataUse:
		return DataUse, true
	case *declarationv1.Body_Assessment:
		return Assessment, true
	case *declarationv1.Body_Commitment:
		return Commitment, true
	case *declarationv1.Body_Service:
		return Service, true
	case *declarationv1.Body_Notice:
		return Notice, true
	case *declarationv1.Body_Finding:
		return Finding, true
	}
	return "", false
}

// CheckBody checks that body is the one that the statement commits to, and holds
// a record of its kind.
func (s *Statement) CheckBody(raw []byte, body *declarationv1.Body) error {
	sum := sha256.Sum256(raw)
	if !bytes.Equal(sum[:], s.BodySHA256[:]) || len(raw) != int(s.BodySize) {
		return fmt.Errorf("the body is not the one that the statement commits to (SHA-256 %x, %d bytes; want %x, %d bytes)",
			sum, len(raw), s.BodySHA256, s.BodySize)
	}
	if kind, _ := KindOf(body); kind != s.Subject.Kind {
		return fmt.Errorf("the body holds a %s, the statement says %s", kind, s.Subject.Kind)
	}
	return nil
}
