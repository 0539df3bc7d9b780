package draft

import (
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Place is where in a log a statement belongs.
type Place struct {
	Log      string     // origin
	City     string     // member id of the log's owner
	Revision uint32     // of the subject: 1, 2, 3 …
	Previous proof.Hash // leaf hash of revision − 1; zero at revision 1
}

// Submission is what is sent to a node, byte for byte, also again after a lost
// answer: a second Seal would be another statement.
type Submission struct {
	Envelope, Body []byte
}

// Seal makes a numbered draft into signed bytes: it adds the nonce (16 random
// bytes), writes the canonical body, and signs the statement that commits to it,
// declared at now (UTC, whole seconds) with each signer (Ed25519, at least one).
// The draft is not changed.
func Seal(d *Draft, place Place, nonce [16]byte, now time.Time, signers ...crypto.Signer) (Submission, error) {
	fail := func(err error) (Submission, error) {
		return Submission{}, fmt.Errorf("sealing %s: %w", d.name(), err)
	}
	if err := d.checkSealable(place); err != nil {
		return fail(err)
	}
	if len(signers) == 0 {
		return fail(errors.New("no key to sign with"))
	}
	body := proto.CloneOf(d.Body)
	body.Nonce = nonce[:]
	raw, err := declaration.FormatBody(body)
	if err != nil {
		return fail(err)
	}
	// What the door would refuse must not be signed: a signature can't be unsaid.
	if _, err := declaration.ParseBody(raw); err != nil {
		return fail(err)
	}
	s := &declaration.Statement{
		Log: place.Log, City: place.City, Subject: d.Subject,
		Revision: place.Revision, Previous: place.Previous,
		Operation: d.Operation, EffectiveOn: d.EffectiveOn,
		DeclaredAt: now.UTC().Truncate(time.Second),
		Provenance: d.Provenance,
		BodySHA256: sha256.Sum256(raw), BodySize: uint32(len(raw)), //nolint:gosec // FormatBody bounds it
	}
	if s.EffectiveOn == (declaration.Date{}) {
		s.EffectiveOn = declaration.DateOf(now)
	}
	if s.Provenance == "" {
		s.Provenance = declaration.CityOwn
	}
	payload := s.Format()
	if _, err := declaration.ParseStatement(payload); err != nil {
		return fail(err)
	}
	e, err := declaration.Sign(declaration.PayloadType, payload, signers...)
	if err != nil {
		return fail(err)
	}
	envelope := e.Format()
	if _, err := declaration.ParseEnvelope(envelope); err != nil { // the same key twice, too many keys
		return fail(err)
	}
	return Submission{Envelope: envelope, Body: raw}, nil
}

func (d *Draft) checkSealable(place Place) error {
	switch {
	case d.Subject.IsZero():
		return errors.New("it has no number yet: Number comes first")
	case d.Kind() != d.Subject.Kind:
		return fmt.Errorf("it holds a %q record under the subject %s", d.Kind(), d.Subject)
	case len(d.Set) > 0:
		return errors.New("its changes are not applied to the current record yet")
	case (d.Operation == declaration.Publish) != (place.Revision == 1):
		return fmt.Errorf("%s at revision %d: PUBLISH is revision 1 and nothing else is", d.Operation, place.Revision)
	case d.Operation != declaration.Publish && !hasText(d.Body.GetReason()):
		return fmt.Errorf("%s needs a reason", d.Operation)
	}
	for _, ref := range references(d.Body) {
		if _, err := declaration.ParseSubject(ref.value); err != nil {
			return fmt.Errorf("%s: %w", ref.path, err)
		}
	}
	return nil
}

func hasText(t *declarationv1.LocalizedText) bool { return len(t.GetTexts()) > 0 }

// name says which draft an error is about.
func (d *Draft) name() string {
	switch {
	case d.Nickname() != "":
		return fmt.Sprintf("%q", d.Nickname())
	case !d.Subject.IsZero():
		return d.Subject.String()
	}
	return "a " + string(d.Kind())
}
