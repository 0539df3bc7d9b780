package evidence

import (
	"errors"
	"fmt"

	"github.com/cityproof/cityproof/internal/canonical"
)

// PayloadType is the DSSE payload type of evidence that a city writes into its own log (declarations.md, section 2.1).
const PayloadType = "application/vnd.cityproof.evidence.v1+json"

// payloadKey is the payload's only member: the evidence, base64.
const payloadKey = "evidence"

// FormatPayload writes evidence as the payload of an envelope.
func (e *Evidence) FormatPayload() []byte {
	b := canonical.AppendString([]byte("{"), payloadKey)
	return append(canonical.AppendBytes(append(b, ':'), e.Format()), '}')
}

// ParsePayload reads the payload of such an envelope: its form, as Parse does. It accepts exactly what FormatPayload writes.
func ParsePayload(b []byte) (*Evidence, error) {
	var e *Evidence
	d := canonical.NewDecoder(b)
	err := d.Object(func(key []byte) error {
		if string(key) != payloadKey {
			return fmt.Errorf("unknown member %s", canonical.Quote(key))
		}
		text, err := d.Bytes()
		if err == nil {
			e, err = Parse(text)
		}
		return err
	})
	if err == nil {
		err = d.End()
	}
	if err == nil && e == nil {
		err = malformed(errors.New("the payload has no evidence"))
	}
	if err != nil {
		return nil, fmt.Errorf("reading evidence in a log: %w", err)
	}
	return e, nil
}
