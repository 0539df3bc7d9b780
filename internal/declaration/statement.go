package declaration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/proof"
)

// Limits of one declaration, in bytes.
const (
	MaxEntry      = 65535     // of an envelope: the limit of a tlog-tiles bundle
	MaxBody       = 256 << 10 // of a canonical body
	MaxAttachment = 10 << 20
)

// Schema is the version of the format that this package writes and reads.
const Schema = 1

// Operation says what a statement does to its subject.
type Operation string

// The operations.
const (
	Publish   Operation = "PUBLISH"
	Amend     Operation = "AMEND"
	Withdraw  Operation = "WITHDRAW"
	Reinstate Operation = "REINSTATE"
)

// Provenance says whose words a declaration is.
type Provenance string

// The provenances. Imports are labelled everywhere; IMPORTED_BY_OTHERS never
// counts in scores.
const (
	CityOwn          Provenance = "CITY_OWN"
	ImportedByCity   Provenance = "IMPORTED_BY_CITY"
	ImportedByOthers Provenance = "IMPORTED_BY_OTHERS"
)

// Imported reports whether the words come from another register.
func (p Provenance) Imported() bool { return p == ImportedByCity || p == ImportedByOthers }

// Statement is the signed payload: what is declared, where it belongs, and the
// hash of the body that says it.
type Statement struct {
	Log         string     // origin of the log that it is for: nothing replays elsewhere
	City        string     // member id of the log's owner
	Subject     Subject    // never reused
	Revision    uint32     // 1, 2, 3 … without gaps
	Previous    proof.Hash // leaf hash of revision − 1; zero at revision 1
	Operation   Operation
	EffectiveOn Date      // when it holds in the world; may be past
	DeclaredAt  time.Time // the city's clock, UTC, whole seconds
	Provenance  Provenance
	BodySHA256  [sha256.Size]byte
	BodySize    uint32 // bytes
}

// UnknownSchemaError says that a statement is of a version that this program
// doesn't know. It is neither true nor false.
type UnknownSchemaError struct{ Schema int64 }

func (e *UnknownSchemaError) Error() string {
	return fmt.Sprintf("statement of schema %d; this program knows schema %d: use a newer version", e.Schema, Schema)
}

// ParseStatement reads a payload of at most MaxEntry bytes. It accepts exactly
// what Format writes; a payload of a later schema gives *UnknownSchemaError.
func ParseStatement(payload []byte) (*Statement, error) {
	if len(payload) > MaxEntry {
		return nil, fmt.Errorf("parsing statement: %d bytes, more than %d", len(payload), MaxEntry)
	}
	s, err := parseStatement(payload)
	if err == nil {
		return s, nil
	}
	if n, ok := laterSchema(payload); ok {
		return nil, &UnknownSchemaError{n}
	}
	return nil, fmt.Errorf("parsing statement: %w", err)
}

// laterSchema reports the schema of a payload from after this program's time. Of
// such a payload only this is known: a JSON object with a member "schema", an
// integer above ours in the spelling that is canonical here. What spells it
// otherwise is malformed, not unknown.
func laterSchema(payload []byte) (int64, bool) {
	var members map[string]json.RawMessage
	if !utf8.Valid(payload) || json.Unmarshal(payload, &members) != nil {
		return 0, false
	}
	d := canonical.NewDecoder(members["schema"])
	n, err := d.Integer()
	return n, err == nil && d.End() == nil && n > Schema
}

// statementFields counts the keys that are always there; "previous" is extra.
const statementFields = 11

func parseStatement(payload []byte) (*Statement, error) {
	d := canonical.NewDecoder(payload)
	s := &Statement{}
	var kind string
	seen := 0
	if err := d.Object(func(key []byte) error {
		seen++
		if string(key) == "previous" {
			seen--
			return s.parsePrevious(d)
		}
		return s.parseField(d, string(key), &kind)
	}); err != nil {
		return nil, err
	}
	if err := d.End(); err != nil {
		return nil, err
	}
	if seen != statementFields {
		return nil, errors.New("a field is missing")
	}
	if kind != string(s.Subject.Kind) {
		return nil, fmt.Errorf("kind %s does not agree with subject %s", canonical.Quote(kind), s.Subject)
	}
	if (s.Revision == 1) != (s.Previous == proof.Hash{}) {
		return nil, errors.New("previous must be absent at revision 1 and present after it")
	}
	return s, nil
}

func (s *Statement) parsePrevious(d *canonical.Decoder) error {
	b, err := readHex(d)
	if err != nil {
		return err
	}
	if s.Previous = b; s.Previous == (proof.Hash{}) {
		return errors.New("previous is all zeros")
	}
	return nil
}

func (s *Statement) parseField(d *canonical.Decoder, key string, kind *string) (err error) {
	if key == "body" {
		return s.parseBodyRef(d)
	}
	if key == "revision" || key == "schema" {
		var n int64
		n, err = d.Integer()
		switch {
		case err != nil:
			return err
		case key == "schema" && n != Schema:
			return fmt.Errorf("schema %d, want %d", n, Schema)
		case key == "revision" && (n < 1 || n > maxSubjectNumber):
			return fmt.Errorf("revision %d is out of range", n)
		case key == "revision":
			s.Revision = uint32(n) //nolint:gosec // bounded above
		}
		return nil
	}
	v, err := d.String()
	if err != nil {
		return err
	}
	switch key {
	case "city":
		s.City = v
		return CheckMemberID(v)
	case "log":
		s.Log = v
		return CheckOrigin(v)
	case "kind":
		*kind = v
	case "subject":
		s.Subject, err = ParseSubject(v)
	case "operation":
		s.Operation = Operation(v)
		if s.Operation != Publish && s.Operation != Amend && s.Operation != Withdraw && s.Operation != Reinstate {
			return fmt.Errorf("unknown operation %s", canonical.Quote(v))
		}
	case "provenance":
		s.Provenance = Provenance(v)
		if s.Provenance != CityOwn && !s.Provenance.Imported() {
			return fmt.Errorf("unknown provenance %s", canonical.Quote(v))
		}
	case "effective_on":
		s.EffectiveOn, err = ParseDate(v)
	case "declared_at":
		s.DeclaredAt, err = parseTime(v)
	default:
		return fmt.Errorf("unknown key %s", canonical.Quote(key))
	}
	return err
}

func (s *Statement) parseBodyRef(d *canonical.Decoder) error {
	seen := 0
	if err := d.Object(func(key []byte) (err error) {
		seen++
		switch string(key) {
		case "sha256":
			s.BodySHA256, err = readHex(d)
		case "size":
			var n int64
			if n, err = d.Integer(); err == nil && (n < 2 || n > MaxBody) {
				err = fmt.Errorf("body size %d is out of range", n)
			}
			s.BodySize = uint32(max(n, 0)) //nolint:gosec // bounded above
		default:
			err = fmt.Errorf("unknown key %s in body", canonical.Quote(key))
		}
		return err
	}); err != nil {
		return err
	}
	if seen != 2 {
		return errors.New("body needs sha256 and size")
	}
	return nil
}

func readHex(d *canonical.Decoder) (h [sha256.Size]byte, err error) {
	v, err := d.String()
	if err != nil {
		return h, err
	}
	return parseHex(v)
}

// parseHex reads a SHA-256 in lower-case hexadecimal.
func parseHex(v string) (h [sha256.Size]byte, err error) {
	n, err := hex.Decode(h[:], []byte(v)[:min(len(v), 2*len(h))])
	if err != nil || n != len(h) || hex.EncodeToString(h[:]) != v {
		return h, errors.New("want a SHA-256 as 64 lower-case hexadecimal digits")
	}
	return h, nil
}

func parseTime(v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil || t.UTC().Format(time.RFC3339) != v || t.Year() < 1000 {
		return time.Time{}, fmt.Errorf("%s is no time: want UTC in whole seconds, for example 2026-11-23T04:00:00Z", canonical.Quote(v))
	}
	return t.UTC(), nil
}

// Format writes the payload: the bytes to sign. The statement must hold values
// that ParseStatement accepts; Format does not check them.
func (s *Statement) Format() []byte {
	b := make([]byte, 0, 640)
	str := func(key, v string) {
		b = append(b, ',')
		b = canonical.AppendString(b, key)
		b = append(b, ':')
		b = canonical.AppendString(b, v)
	}
	b = append(b, `{"body":{"sha256":`...)
	b = canonical.AppendString(b, hex.EncodeToString(s.BodySHA256[:]))
	b = append(b, `,"size":`...)
	b = canonical.AppendInteger(b, int64(s.BodySize))
	b = append(b, '}')
	str("city", s.City)
	str("declared_at", s.DeclaredAt.UTC().Format(time.RFC3339))
	str("effective_on", s.EffectiveOn.String())
	str("kind", string(s.Subject.Kind))
	str("log", s.Log)
	str("operation", string(s.Operation))
	if s.Previous != (proof.Hash{}) {
		str("previous", hex.EncodeToString(s.Previous[:]))
	}
	str("provenance", string(s.Provenance))
	b = append(b, `,"revision":`...)
	b = canonical.AppendInteger(b, int64(s.Revision))
	b = append(b, `,"schema":`...)
	b = canonical.AppendInteger(b, Schema)
	str("subject", s.Subject.String())
	return append(b, '}')
}
