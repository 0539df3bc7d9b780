package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// MaxFile is the most bytes of a receipt file. Newlines and quotes of the proof
// take two bytes each in JSON.
const MaxFile = declaration.MaxEntry + declaration.MaxBody + authority.MaxSize + 2*proof.MaxProofSize + 128

// Receipt is what a receipt file holds. Nothing in it is verified.
type Receipt struct {
	// Statement is the entry of the log: the DSSE envelope, byte for byte.
	Statement []byte
	// Body is the body that the statement commits to, byte for byte; nil if it is
	// not in the file, because it was erased.
	Body []byte
	// Authority says, in an alliance, by which epoch the receipt is to be judged; nil if
	// the receipt does not say that its head is final.
	Authority *authority.Authority
	// Proof says where in the log the statement stands, under which checkpoint.
	Proof *proof.TLogProof
}

// New puts a receipt together from what a node answers. It keeps the slices.
func New(envelope, body []byte, index uint64, path []proof.Hash, checkpoint []byte) *Receipt {
	return &Receipt{
		Statement: envelope, Body: body,
		Proof: &proof.TLogProof{Index: index, Path: path, Checkpoint: checkpoint},
	}
}

// The lines of a file begin and end with these. What is between is canonical JSON,
// which has no line breaks, so whoever cuts a line has the exact bytes.
const (
	statementPrefix = `{"statement":`
	bodyPrefix      = `"body":`
	authorityPrefix = `"authority":`
	proofPrefix     = `"tlog_proof":`
)

// Parse reads a receipt file of at most MaxFile bytes. It accepts exactly what
// Format writes.
//
// A file with members from after this program's time gives *CouldNotTellError, any
// other that is not as Format writes it *FalseError.
func Parse(b []byte) (*Receipt, error) {
	if len(b) > MaxFile {
		return nil, &FalseError{ClaimFile, fmt.Errorf("%d bytes, more than %d", len(b), MaxFile)}
	}
	r, err := parse(b)
	if err == nil {
		return r, nil
	}
	if key, ok := unknownMember(b); ok {
		return nil, &CouldNotTellError{ClaimFile, fmt.Errorf(
			"it has a member %s, which this program does not know: use a newer version", canonical.Quote(key))}
	}
	return nil, err
}

func parse(b []byte) (*Receipt, error) {
	notOurs := func(what string) error {
		return &FalseError{ClaimFile, fmt.Errorf("%s: it was cut short or changed, if only in spaces or line breaks", what)}
	}
	r := &Receipt{}
	var ok bool
	if r.Statement, b, ok = cutLine(b, statementPrefix, ","); !ok {
		return nil, notOurs("the first line is not the statement")
	}
	if bytes.HasPrefix(b, []byte(bodyPrefix)) {
		if r.Body, b, ok = cutLine(b, bodyPrefix, ","); !ok {
			return nil, notOurs("the second line is not the body")
		}
	}
	if bytes.HasPrefix(b, []byte(authorityPrefix)) {
		var text []byte
		if text, b, ok = cutLine(b, authorityPrefix, ","); !ok {
			return nil, notOurs("the line of the authority is cut")
		}
		var err error
		if r.Authority, err = authority.Parse(text); err != nil {
			return nil, &FalseError{ClaimAuthority, err}
		}
	}
	text, rest, ok := cutLine(b, proofPrefix, "}")
	if !ok {
		return nil, notOurs("the last line is not the proof")
	}
	if len(rest) > 0 {
		return nil, notOurs("something follows the last line")
	}
	if _, err := declaration.ParseEnvelope(r.Statement); err != nil {
		return nil, &FalseError{ClaimStatement, err}
	}
	if r.Body != nil && (!json.Valid(r.Body) || r.Body[0] != '{') {
		return nil, &FalseError{ClaimBody, errors.New("the body is not a JSON object")}
	}
	d := canonical.NewDecoder(text)
	s, err := d.String()
	if err == nil {
		err = d.End()
	}
	if err != nil {
		return nil, &FalseError{ClaimFile, fmt.Errorf("tlog_proof: %w", err)}
	}
	if r.Proof, err = proof.ParseTLogProof([]byte(s)); err != nil {
		return nil, &FalseError{ClaimInclusion, err}
	}
	if len(r.Proof.Extra) > 0 {
		// Nothing authenticates it, so it could be changed unseen.
		return nil, &FalseError{ClaimFile, errors.New("tlog_proof has extra data, which no receipt has")}
	}
	return r, nil
}

// cutLine takes a line off b and what is between prefix and suffix off the line.
func cutLine(b []byte, prefix, suffix string) (value, rest []byte, ok bool) {
	line, rest, ok := bytes.Cut(b, []byte("\n"))
	if !ok {
		return nil, nil, false
	}
	if line, ok = bytes.CutPrefix(line, []byte(prefix)); !ok {
		return nil, nil, false
	}
	value, ok = bytes.CutSuffix(line, []byte(suffix))
	return value, rest, ok
}

// unknownMember returns the first member of a JSON object that no receipt of ours
// has.
func unknownMember(b []byte) (string, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil {
		return "", false
	}
	var unknown []string
	for key := range members {
		if key != "statement" && key != "body" && key != "tlog_proof" && key != "authority" {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return "", false
	}
	return slices.Min(unknown), true
}

// Format writes the file. It refuses a receipt that Parse would not give back.
func (r *Receipt) Format() ([]byte, error) {
	text, err := r.Proof.Format()
	if err != nil {
		return nil, fmt.Errorf("formatting receipt: %w", err)
	}
	b := make([]byte, 0, len(r.Statement)+len(r.Body)+len(text)+len(text)/16+64)
	b = append(append(append(b, statementPrefix...), r.Statement...), ",\n"...)
	if r.Body != nil {
		b = append(append(append(b, bodyPrefix...), r.Body...), ",\n"...)
	}
	if r.Authority != nil {
		authority, err := r.Authority.Format()
		if err != nil {
			return nil, fmt.Errorf("formatting receipt: %w", err)
		}
		b = append(append(append(b, authorityPrefix...), authority...), ",\n"...)
	}
	b = canonical.AppendString(append(b, proofPrefix...), string(text))
	b = append(b, "}\n"...)
	if _, err := Parse(b); err != nil {
		return nil, fmt.Errorf("formatting receipt: %w", err)
	}
	return b, nil
}
