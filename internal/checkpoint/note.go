package checkpoint

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cityproof/cityproof/internal/proof"
)

const (
	// MaxNoteSize is the most bytes of a signed note: 16 ML-DSA-44 lines and room for the text.
	MaxNoteSize = proof.MaxCheckpointSize

	// MaxSignatures is the most signature lines of a note, the number that every verifier must be able to take.
	MaxSignatures = 16

	sigPrefix = "— " // U+2014 and a space
	keyIDSize = 4
)

// ErrMalformed is wrapped by every error about bytes that break a format, as against signatures that fail.
var ErrMalformed = errors.New("malformed")

// Note is a text with signatures: c2sp.org/signed-note. Nothing in it is verified.
type Note struct {
	// Text is what is signed, with its final newline.
	Text string
	// Sigs are the signature lines in order, 1 to MaxSignatures. A key may occur more than once.
	Sigs []Signature
}

// Signature is one signature line.
type Signature struct {
	// Name is the key's name.
	Name string
	// KeyID tells keys of one name apart. It is short and no proof of anything.
	KeyID uint32
	// Sig is the rest of the decoded line: a signature, or a timestamp and a signature, as the key's type has it.
	Sig []byte
}

// ParseNote reads a signed note strictly. Every error wraps ErrMalformed.
func ParseNote(b []byte) (*Note, error) {
	if len(b) > MaxNoteSize {
		return nil, fmt.Errorf("parsing note: %w: %d bytes, at most %d allowed", ErrMalformed, len(b), MaxNoteSize)
	}
	s := string(b)
	if err := checkText(s); err != nil {
		return nil, fmt.Errorf("parsing note: %w", err)
	}
	// The text may contain blank lines; signature lines may not.
	split := strings.LastIndex(s, "\n\n")
	if split < 0 {
		return nil, fmt.Errorf("parsing note: %w: no blank line before signatures", ErrMalformed)
	}
	sigs, err := parseSignatures(s[split+2:])
	if err != nil {
		return nil, fmt.Errorf("parsing note: %w", err)
	}
	return &Note{Text: s[:split+1], Sigs: sigs}, nil
}

// FormatNote returns the bytes of a note. It refuses a note that ParseNote would not give back.
func FormatNote(n *Note) ([]byte, error) {
	lines, err := FormatSignatures(n.Sigs)
	if err != nil {
		return nil, fmt.Errorf("formatting note: %w", err)
	}
	if !strings.HasSuffix(n.Text, "\n") {
		return nil, fmt.Errorf("formatting note: %w: text does not end in a newline", ErrMalformed)
	}
	if err := checkText(n.Text); err != nil {
		return nil, fmt.Errorf("formatting note: %w", err)
	}
	b := append([]byte(n.Text), '\n')
	b = append(b, lines...)
	if len(b) > MaxNoteSize {
		return nil, fmt.Errorf("formatting note: %w: %d bytes, at most %d allowed", ErrMalformed, len(b), MaxNoteSize)
	}
	return b, nil
}

// ParseSignatures reads signature lines without a note, as a witness answers them: c2sp.org/tlog-witness,
// "add-checkpoint". Every error wraps ErrMalformed.
func ParseSignatures(b []byte) ([]Signature, error) {
	if len(b) > MaxNoteSize {
		return nil, fmt.Errorf("parsing signatures: %w: %d bytes, at most %d allowed", ErrMalformed, len(b), MaxNoteSize)
	}
	if err := checkText(string(b)); err != nil {
		return nil, fmt.Errorf("parsing signatures: %w", err)
	}
	sigs, err := parseSignatures(string(b))
	if err != nil {
		return nil, fmt.Errorf("parsing signatures: %w", err)
	}
	return sigs, nil
}

// FormatSignatures is the inverse of ParseSignatures.
func FormatSignatures(sigs []Signature) ([]byte, error) {
	if len(sigs) == 0 || len(sigs) > MaxSignatures {
		return nil, fmt.Errorf("%w: %d signature lines, want 1 to %d", ErrMalformed, len(sigs), MaxSignatures)
	}
	var b []byte
	for i, s := range sigs {
		if err := checkName(s.Name); err != nil {
			return nil, fmt.Errorf("signature line %d: %w", i+1, err)
		}
		if len(s.Sig) == 0 {
			return nil, fmt.Errorf("signature line %d: %w: empty signature", i+1, ErrMalformed)
		}
		b = append(b, sigPrefix...)
		b = append(b, s.Name...)
		b = append(b, ' ')
		raw := binary.BigEndian.AppendUint32(nil, s.KeyID)
		b = base64.StdEncoding.AppendEncode(b, append(raw, s.Sig...))
		b = append(b, '\n')
	}
	return b, nil
}

func parseSignatures(lines string) ([]Signature, error) {
	var sigs []Signature
	for lines != "" {
		line, rest, ok := strings.Cut(lines, "\n")
		if !ok {
			return nil, fmt.Errorf("%w: last signature line does not end in a newline", ErrMalformed)
		}
		if len(sigs) == MaxSignatures {
			return nil, fmt.Errorf("%w: more than %d signature lines", ErrMalformed, MaxSignatures)
		}
		s, err := parseSignature(line)
		if err != nil {
			return nil, fmt.Errorf("signature line %d: %w", len(sigs)+1, err)
		}
		sigs = append(sigs, s)
		lines = rest
	}
	if len(sigs) == 0 {
		return nil, fmt.Errorf("%w: no signature lines", ErrMalformed)
	}
	return sigs, nil
}

func parseSignature(line string) (Signature, error) {
	line, ok := strings.CutPrefix(line, sigPrefix)
	if !ok {
		return Signature{}, fmt.Errorf("%w: does not begin with an em dash and a space", ErrMalformed)
	}
	name, text, ok := strings.Cut(line, " ")
	if !ok {
		return Signature{}, fmt.Errorf("%w: no space between name and signature", ErrMalformed)
	}
	if err := checkName(name); err != nil {
		return Signature{}, err
	}
	raw, err := proof.ParseBase64(text)
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if len(raw) <= keyIDSize {
		return Signature{}, fmt.Errorf("%w: %d bytes are too few for a key ID and a signature", ErrMalformed, len(raw))
	}
	return Signature{Name: name, KeyID: binary.BigEndian.Uint32(raw), Sig: raw[keyIDSize:]}, nil
}

// checkText holds what is true of every byte of a note.
func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\n' {
			return fmt.Errorf("%w: control character %#02x", ErrMalformed, c)
		}
	}
	return nil
}

// checkName holds what is true of every key name.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("%w: key name is empty", ErrMalformed)
	}
	if err := checkText(name); err != nil {
		return fmt.Errorf("key name: %w", err)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r == '+' || unicode.IsSpace(r) }) {
		return fmt.Errorf("%w: key name has a space or a plus sign", ErrMalformed)
	}
	return nil
}
