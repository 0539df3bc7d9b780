package proof

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// MaxProofSize is the most bytes that ParseTLogProof reads. A final receipt with 16 signature lines has about 6 KB;
	// the rest is room for extra data.
	MaxProofSize = 256 << 10

	// MaxCheckpointSize is the most bytes of the checkpoint inside, as of every signed note.
	MaxCheckpointSize = 64 << 10

	tlogProofHeader = "c2sp.org/tlog-proof@v1\n"
)

// TLogProof is the offline proof that an entry is in a log: c2sp.org/tlog-proof. The entry itself is not in it.
type TLogProof struct {
	// Extra is application data that nothing authenticates. Nil or empty means that there is none.
	Extra []byte

	// Index is the entry's place in the log, 0 to MaxSize-1.
	Index uint64

	// Path is the inclusion proof, the leaf's sibling first, at most MaxPath hashes.
	Path []Hash

	// Checkpoint is the signed note, byte for byte as the log and its witnesses gave it. Parse it with package
	// checkpoint; here it is only known to be text that ends in a newline.
	Checkpoint []byte
}

// ParseTLogProof reads a proof file strictly. The result shares no memory with b.
func ParseTLogProof(b []byte) (*TLogProof, error) {
	if len(b) > MaxProofSize {
		return nil, fmt.Errorf("parsing tlog-proof: %d bytes, at most %d allowed", len(b), MaxProofSize)
	}
	p := new(TLogProof)
	rest, ok := strings.CutPrefix(string(b), tlogProofHeader)
	if !ok {
		return nil, fmt.Errorf("parsing tlog-proof: first line is not %q", strings.TrimSuffix(tlogProofHeader, "\n"))
	}
	line, rest, ok := strings.Cut(rest, "\n")
	if extra, isExtra := strings.CutPrefix(line, "extra "); isExtra && ok {
		var err error
		if p.Extra, err = ParseBase64(extra); err != nil {
			return nil, fmt.Errorf("parsing tlog-proof: extra line: %w", err)
		}
		if len(p.Extra) == 0 {
			// "If no extra data is present, this line is omitted."
			return nil, errors.New("parsing tlog-proof: extra line is empty")
		}
		line, rest, ok = strings.Cut(rest, "\n")
	}
	index, isIndex := strings.CutPrefix(line, "index ")
	if !isIndex || !ok {
		return nil, errors.New("parsing tlog-proof: index line is missing")
	}
	var err error
	if p.Index, err = ParseSize(index); err != nil {
		return nil, fmt.Errorf("parsing tlog-proof: index line: %w", err)
	}
	for {
		line, rest, ok = strings.Cut(rest, "\n")
		if !ok {
			return nil, errors.New("parsing tlog-proof: blank line before the checkpoint is missing")
		}
		if line == "" {
			break
		}
		if len(p.Path) == MaxPath {
			return nil, fmt.Errorf("parsing tlog-proof: more than %d hashes", MaxPath)
		}
		h, err := ParseHash(line)
		if err != nil {
			return nil, fmt.Errorf("parsing tlog-proof: hash %d: %w", len(p.Path), err)
		}
		p.Path = append(p.Path, h)
	}
	p.Checkpoint = []byte(rest)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("parsing tlog-proof: %w", err)
	}
	return p, nil
}

// Format returns the proof file's bytes. It refuses values that ParseTLogProof would not give back.
func (p *TLogProof) Format() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("formatting tlog-proof: %w", err)
	}
	b := []byte(tlogProofHeader)
	if len(p.Extra) > 0 {
		b = append(b, "extra "...)
		b = base64.StdEncoding.AppendEncode(b, p.Extra)
		b = append(b, '\n')
	}
	b = append(b, "index "...)
	b = strconv.AppendUint(b, p.Index, 10)
	b = append(b, '\n')
	for _, h := range p.Path {
		b = base64.StdEncoding.AppendEncode(b, h[:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	b = append(b, p.Checkpoint...)
	if len(b) > MaxProofSize {
		return nil, fmt.Errorf("formatting tlog-proof: %d bytes, at most %d allowed", len(b), MaxProofSize)
	}
	return b, nil
}

// check holds the rules that parsing and formatting share.
func (p *TLogProof) check() error {
	if p.Index >= MaxSize {
		return fmt.Errorf("index %d is beyond every tree", p.Index)
	}
	if len(p.Path) > MaxPath {
		return fmt.Errorf("%d hashes, at most %d allowed", len(p.Path), MaxPath)
	}
	if len(p.Checkpoint) > MaxCheckpointSize {
		return fmt.Errorf("checkpoint has %d bytes, at most %d allowed", len(p.Checkpoint), MaxCheckpointSize)
	}
	if !bytes.HasSuffix(p.Checkpoint, []byte("\n")) {
		return errors.New("checkpoint does not end in a newline")
	}
	if !utf8.Valid(p.Checkpoint) {
		return errors.New("checkpoint is not UTF-8")
	}
	for _, c := range p.Checkpoint {
		if c < 0x20 && c != '\n' {
			return fmt.Errorf("checkpoint has control character %#02x", c)
		}
	}
	return nil
}
