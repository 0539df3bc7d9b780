package act

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
)

// RequestType is the DSSE payload type of a request.
const RequestType = "application/vnd.cityproof.request.v1+json"

// Request is what a member asks for: a new entry of its own.
type Request struct {
	Envelope *declaration.Envelope
	// Registry is the origin of the registry that it is for.
	Registry string
	// Replaces is the hash of the entry that it replaces; zero when joining.
	Replaces [sha256.Size]byte
	Member   *Member
	// Checkpoint is a note of the member's log, or nil.
	Checkpoint []byte
}

// ErrNotSigned is wrapped by errors about signatures that a request must have and has not.
var ErrNotSigned = errors.New("the request is not signed as it must be")

// ParseRequest reads a request: its form, not its signatures.
func ParseRequest(b []byte) (*Request, error) {
	e, err := declaration.ParseEnvelope(b)
	if err != nil {
		return nil, fmt.Errorf("parsing request: %w", err)
	}
	if e.PayloadType != RequestType {
		return nil, fmt.Errorf("parsing request: payload type %s, want %s", canonical.Quote(e.PayloadType), RequestType)
	}
	m := &registryv1.Request{}
	if err := codecs().request.Unmarshal(e.Payload, m); err != nil {
		return nil, fmt.Errorf("parsing request: %w", err)
	}
	r := &Request{Envelope: e, Registry: m.GetRegistry(), Checkpoint: m.GetCheckpoint()}
	if err := declaration.CheckOrigin(r.Registry); err != nil {
		return nil, fmt.Errorf("parsing request: registry: %w", err)
	}
	if m.Replaces != nil {
		if len(m.GetReplaces()) != sha256.Size || [sha256.Size]byte(m.GetReplaces()) == [sha256.Size]byte{} {
			return nil, fmt.Errorf("parsing request: replaces must have %d bytes, not all zero", sha256.Size)
		}
		r.Replaces = [sha256.Size]byte(m.GetReplaces())
	}
	if len(r.Checkpoint) > CheckpointLimit {
		return nil, fmt.Errorf("parsing request: checkpoint has %d bytes, more than %d", len(r.Checkpoint), CheckpointLimit)
	}
	if m.Member == nil {
		return nil, errors.New("parsing request: member is missing")
	}
	if r.Member, err = NewMember(m.GetMember()); err != nil {
		return nil, fmt.Errorf("parsing request: %w", err)
	}
	return r, nil
}

// SignRequest makes a request and signs it with each key: Ed25519, 1 to 32, none twice. Keys that lie elsewhere sign with
// Countersign.
func SignRequest(m *registryv1.Request, signers ...crypto.Signer) (*Request, error) {
	payload, err := codecs().request.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	e, err := declaration.Sign(RequestType, payload, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing request: %w", err)
	}
	return ParseRequest(e.Format())
}

// Countersign returns the request with the signatures of more keys.
func (r *Request) Countersign(signers ...crypto.Signer) (*Request, error) {
	e, err := r.Envelope.Countersign(signers...)
	if err != nil {
		return nil, err
	}
	return ParseRequest(e.Format())
}

// VerifyJoining checks that every key of the entry signed the request, and nobody else, and that the checkpoint shows
// possession of all keys of the log. Errors about signatures wrap ErrNotSigned.
func (r *Request) VerifyJoining() error {
	if r.Replaces != [sha256.Size]byte{} {
		return errors.New("the request replaces an entry: it does not ask to join")
	}
	if err := r.verifySignatures(nil, r.Member.Keys()); err != nil {
		return err
	}
	return r.verifyCheckpoint()
}

// VerifyChange checks that publishers of the entry that is replaced, as many as it says, signed the request, and every key
// that is new; by is called with the entry's keys and says which count no more.
func (r *Request) VerifyChange(old *Member, revoked func(raw []byte) bool) error {
	if err := r.checkReplaces(old); err != nil {
		return err
	}
	var publishers []Key
	for _, k := range old.Keys() {
		if k.Role == RolePublisher && !revoked(k.Raw) {
			publishers = append(publishers, k)
		}
	}
	signed, err := r.verifyNew(old, publishers)
	if err != nil {
		return err
	}
	if want := old.PublishThreshold(); signed < want {
		return fmt.Errorf("%w: %d publishers of %s signed, want %d", ErrNotSigned, signed, old.ID(), want)
	}
	return nil
}

// VerifyRotation checks that the recovery key of the entry that is replaced signed the request, and every key that is new.
func (r *Request) VerifyRotation(old *Member) error {
	if err := r.checkReplaces(old); err != nil {
		return err
	}
	signed, err := r.verifyNew(old, []Key{{RoleRecovery, old.Entry.GetRecoveryKey()}})
	if err != nil {
		return err
	}
	if signed == 0 {
		return fmt.Errorf("%w: the recovery key of %s did not sign", ErrNotSigned, old.ID())
	}
	return nil
}

func (r *Request) checkReplaces(old *Member) error {
	if r.Replaces != old.Hash {
		return fmt.Errorf("the request replaces another entry than the newest of %s", old.ID())
	}
	return nil
}

// verifyNew checks the signatures of all keys that old has not, and counts those of others that may sign too.
func (r *Request) verifyNew(old *Member, others []Key) (signed int, err error) {
	had := map[string]bool{}
	for _, k := range old.Keys() {
		had[string(k.Raw)] = true
	}
	var added []Key
	logKey := false
	for _, k := range r.Member.Keys() {
		if !had[string(k.Raw)] {
			added = append(added, k)
			logKey = logKey || k.Role == RoleLog
		}
	}
	if err := r.verifySignatures(others, added); err != nil {
		return 0, err
	}
	if logKey {
		if err := r.verifyCheckpoint(); err != nil {
			return 0, err
		}
	}
	for _, k := range others {
		if r.signedBy(k) {
			signed++
		}
	}
	return signed, nil
}

// verifySignatures checks that each signature is by one of these keys and verifies, and that all that must have signed did.
func (r *Request) verifySignatures(may, must []Key) error {
	keys := map[declaration.KeyID]ed25519.PublicKey{}
	for _, list := range [][]Key{may, must} {
		for _, k := range list {
			if k.Ed25519() {
				keys[declaration.KeyIDOf(k.Raw)] = k.Raw
			}
		}
	}
	if err := r.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) { k, ok := keys[id]; return k, ok }); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	for _, k := range must {
		if k.Ed25519() && !r.signedBy(k) {
			return fmt.Errorf("%w: the %s key with the id %s did not", ErrNotSigned, k.Role, declaration.KeyIDOf(k.Raw))
		}
	}
	return nil
}

func (r *Request) signedBy(k Key) bool {
	id := declaration.KeyIDOf(k.Raw)
	for _, s := range r.Envelope.Signatures {
		if s.KeyID == id {
			return true
		}
	}
	return false
}

func (r *Request) verifyCheckpoint() error {
	if _, err := r.Member.VerifyLogNote(r.Checkpoint, nil); err != nil {
		return fmt.Errorf("%w: its checkpoint: %w", ErrNotSigned, err)
	}
	return nil
}

// Unsigned returns the keys of the entry that can sign an envelope and did not sign this request: of a request to join,
// those whose holders still have to.
func (r *Request) Unsigned() []Key {
	var out []Key
	for _, k := range r.Member.Keys() {
		if k.Ed25519() && !r.signedBy(k) {
			out = append(out, k)
		}
	}
	return out
}
