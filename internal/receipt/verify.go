package receipt

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"time"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Claim is one thing that a receipt claims and that was looked at.
type Claim struct {
	// Name is one of the Claim constants.
	Name string `json:"name"`
	// Told is whether it was found true. False means that it could not be told;
	// what is found false is an error of Verify.
	Told bool `json:"told"`
	// Text says the claim, or why it could not be told, in a sentence for people.
	Text string `json:"text"`
	// RestsOn is what makes it so; empty for what could not be told.
	RestsOn string `json:"rests_on,omitempty"`
}

// Verdict is what was found about a receipt.
type Verdict struct {
	// Claims in the order in which they were checked, up to the first that is false.
	Claims []Claim

	Statement  *declaration.Statement // nil if of an unknown schema
	Body       *declarationv1.Body    // nil if not in the receipt, or unknown
	Index      uint64
	Leaf       proof.Hash
	Checkpoint checkpoint.Checkpoint
	// LogTime is when the log says that it signed the checkpoint, by its own clock;
	// zero if no signature of the log carries a time.
	LogTime time.Time
	// Signers are the publisher keys that signed the statement.
	Signers []declaration.KeyID
}

func (v *Verdict) tell(name, restsOn, format string, args ...any) {
	v.Claims = append(v.Claims, Claim{Name: name, Told: true, Text: fmt.Sprintf(format, args...), RestsOn: restsOn})
}

func (v *Verdict) untold(name, format string, args ...any) {
	v.Claims = append(v.Claims, Claim{Name: name, Text: fmt.Sprintf(format, args...)})
}

// Verify checks every claim of a receipt with the keys of a trust file. It reads no
// file, clock or network.
//
// The verdict is there with an error too, and lists the claims found true before.
// Errors are *FalseError, or *CouldNotTellError where nothing is false but the
// receipt is of another log than the trust file's, is of a later version of the
// format, or has no body. Any other error is about the trust file.
func Verify(r *Receipt, t *Trust) (*Verdict, error) {
	v := &Verdict{Index: r.Proof.Index, Leaf: proof.LeafHash(r.Statement)}
	envelope, err := declaration.ParseEnvelope(r.Statement)
	if err != nil {
		return v, &FalseError{ClaimStatement, err}
	}
	later, err := v.statement(r.Statement)
	if err != nil {
		return v, err
	}
	if err := v.checkpoint(r.Proof.Checkpoint, t); err != nil {
		return v, err
	}
	if err := v.inclusion(r.Proof); err != nil {
		return v, err
	}
	if err := v.signature(envelope, t); err != nil {
		return v, err
	}
	// Only now: what is not even in the log, or not signed, is false in any version.
	if later != nil {
		return v, &CouldNotTellError{ClaimStatement, later}
	}
	if err := v.place(t); err != nil {
		return v, err
	}
	if err := v.body(r.Body); err != nil {
		return v, err
	}
	v.untold(ClaimWitness, "nobody beside the log's owner vouches for this checkpoint: whether others were shown the same log could not be told")
	return v, nil
}

// statement reads the statement. later says why it is of a version that this
// program does not know.
func (v *Verdict) statement(entry []byte) (later, err error) {
	signed, err := declaration.ParseSigned(entry)
	var schema *declaration.UnknownSchemaError
	var payloadType *declaration.PayloadTypeError
	switch {
	case errors.As(err, &schema) || errors.As(err, &payloadType):
		return err, nil
	case err != nil:
		return nil, &FalseError{ClaimStatement, err}
	}
	s := signed.Statement
	v.Statement = s
	v.tell(ClaimStatement, "the bytes that were signed", "%s of %s, revision %d, effective on %s; declared at %s, by the city's own clock",
		s.Operation, s.Subject, s.Revision, s.EffectiveOn, s.DeclaredAt.Format(time.RFC3339))
	return nil, nil
}

func (v *Verdict) checkpoint(note []byte, t *Trust) error {
	c, err := checkpoint.Verify(note, t.Log, nil)
	switch {
	case errors.Is(err, checkpoint.ErrOrigin) && v.ofOneOtherLog(note, t):
		return &CouldNotTellError{ClaimCheckpoint, fmt.Errorf("%w: get the trust file of that log", err)}
	case errors.Is(err, checkpoint.ErrOrigin), errors.Is(err, checkpoint.ErrMalformed), errors.Is(err, checkpoint.ErrSignature),
		errors.Is(err, proof.ErrMismatch):
		return &FalseError{ClaimCheckpoint, err}
	case err != nil:
		return fmt.Errorf("verifying receipt: %w", err)
	}
	v.Checkpoint = c.Checkpoint
	names := make([]string, len(c.Log))
	for i, s := range c.Log {
		names[i] = s.Key.String()
		if s.Timestamp != 0 {
			v.LogTime = time.Unix(int64(s.Timestamp), 0).UTC() //nolint:gosec // package checkpoint bounds it by 2^63-1
		}
	}
	v.tell(ClaimCheckpoint, "signatures by all keys of the log in the trust file: "+strings.Join(names, ", "),
		"the log %s had %d entries under the root %s", c.Checkpoint.Origin, c.Checkpoint.Size, c.Checkpoint.Root)
	if v.LogTime.IsZero() {
		v.untold(ClaimTime, "the log does not say when it signed that")
	} else {
		v.tell(ClaimTime, "the log's own clock, for which nobody else vouches", "the log signed that at %s", v.LogTime.Format(time.RFC3339))
	}
	return nil
}

// ofOneOtherLog reports whether statement and checkpoint agree on a log that is not
// the trust file's: then it may well be a true receipt, of that log.
func (v *Verdict) ofOneOtherLog(note []byte, t *Trust) bool {
	c, err := checkpoint.Unverified(note)
	return err == nil && c.Origin != t.Origin && (v.Statement == nil || v.Statement.Log == c.Origin)
}

func (v *Verdict) inclusion(p *proof.TLogProof) error {
	if err := proof.VerifyInclusion(p.Index, v.Checkpoint.Size, v.Leaf, p.Path, v.Checkpoint.Root); err != nil {
		return &FalseError{ClaimInclusion, err}
	}
	v.tell(ClaimInclusion, fmt.Sprintf("%d hashes from the entry to that root", len(p.Path)),
		"the statement is entry %d of that log, counted from 0", p.Index)
	return nil
}

func (v *Verdict) signature(e *declaration.Envelope, t *Trust) error {
	err := e.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) { return t.Publisher(id, v.Index) })
	if err != nil {
		for _, s := range e.Signatures {
			if p := t.find(s.KeyID); p != nil && !p.covers(v.Index) {
				err = fmt.Errorf("%w: it may sign entries %s, and this is entry %d", err, p.rangeText(), v.Index)
				break
			}
		}
		return &FalseError{ClaimSignature, err}
	}
	for _, s := range e.Signatures {
		v.Signers = append(v.Signers, s.KeyID)
		v.tell(ClaimSignature, "the trust file: that key may sign entries "+t.find(s.KeyID).rangeText(),
			"the statement is signed by the publisher key %s", s.KeyID)
	}
	return nil
}

// rangeText says which entries the key may sign.
func (p *Publisher) rangeText() string {
	switch {
	case p.ToSize == nil:
		return fmt.Sprintf("from %d on", p.FromSize)
	case *p.ToSize == p.FromSize:
		return "none at all"
	}
	return fmt.Sprintf("%d to %d", p.FromSize, *p.ToSize-1)
}

func (v *Verdict) place(t *Trust) error {
	origin := t.OriginAt(v.Index)
	if err := v.Statement.CheckPlace(origin, ""); err != nil {
		return &FalseError{ClaimPlace, err}
	}
	if origin == t.Origin {
		v.tell(ClaimPlace, "the bytes that were signed", "the statement was made for this log")
	} else {
		v.tell(ClaimPlace, "the bytes that were signed, and the trust file: this log goes on from that one",
			"the statement was made for %s, whose entries this log begins with", origin)
	}
	if t.City == "" {
		v.untold(ClaimCity, "the statement speaks for %s; whether the log is that city's could not be told, for the trust file names no city",
			v.Statement.City)
		return nil
	}
	if err := v.Statement.CheckPlace(origin, t.City); err != nil {
		return &FalseError{ClaimCity, err}
	}
	v.tell(ClaimCity, "the trust file: the log is that city's", "the statement speaks for %s", v.Statement.City)
	return nil
}

func (v *Verdict) body(raw []byte) error {
	if raw == nil {
		return &CouldNotTellError{ClaimBody, errors.New("the receipt has no body: if it was erased, the log has a notice that says why")}
	}
	body, err := declaration.ParseBody(raw)
	if err != nil {
		return &FalseError{ClaimBody, err}
	}
	if err := v.Statement.CheckBody(raw, body); err != nil {
		return &FalseError{ClaimBody, err}
	}
	v.Body = body
	v.tell(ClaimBody, fmt.Sprintf("its SHA-256 in the statement, %x", v.Statement.BodySHA256),
		"the body, a %s of %d bytes in %s, is what was signed", v.Statement.Subject.Kind, len(raw), canonical.Quote(body.GetLanguage()))
	return nil
}
