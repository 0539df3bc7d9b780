package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/publication"
)

// Upload names a file before it is sent, signed by a publisher.
type Upload struct {
	SHA256    [sha256.Size]byte
	Size      uint32
	Publisher ed25519.PublicKey
	SignedAt  int64 // seconds since 1970
	Signature []byte
}

// uploadWindow is how far an upload's time may be from the node's clock: a header
// that was overheard is of no use later.
const uploadWindow = 5 * time.Minute

// AdmitUpload checks an upload's header before its bytes are taken, and charges
// the publisher's quota. held reports that the node has the file already.
func (l *Ledger) AdmitUpload(up Upload) (held bool, err error) {
	if why := l.ReadOnly(); why != "" {
		return false, &ReadOnlyError{why}
	}
	if up.Size == 0 || up.Size > declaration.MaxAttachment {
		return false, &MalformedError{0, fmt.Errorf("a file has 1 to %d bytes, not %d", declaration.MaxAttachment, up.Size)}
	}
	size, _ := l.log.Head()
	id := declaration.KeyIDOf(up.Publisher)
	if _, ok := l.publisher(id, size); !ok {
		return false, &ForbiddenError{0, declaration.ErrUnknownKey}
	}
	if !ed25519.Verify(up.Publisher, declaration.UploadStatement(l.origin, up.SHA256, up.Size, up.SignedAt), up.Signature) {
		return false, &ForbiddenError{0, declaration.ErrBadSignature}
	}
	if d := l.now().Sub(time.Unix(up.SignedAt, 0)).Abs(); d > uploadWindow {
		return false, &MalformedError{0, fmt.Errorf("the upload was signed %v from now: set this computer's clock", d.Round(time.Second))}
	}
	if held, err = l.bodies.HasAttachment(up.SHA256); err != nil || held {
		return held, err
	}
	return false, l.quotas.take(id, 0, int(up.Size))
}

// StoreUpload stores a file whose header was admitted, durably.
func (l *Ledger) StoreUpload(up Upload, data []byte) error {
	if len(data) != int(up.Size) || sha256.Sum256(data) != up.SHA256 {
		return &MalformedError{0, fmt.Errorf("the bytes are not the file that was announced (%d bytes, SHA-256 %x)", up.Size, up.SHA256)}
	}
	b := l.db.NewBatch()
	defer b.Close()
	if _, err := bodystore.StageAttachment(b, data); err != nil {
		return err
	}
	return l.db.Commit(b)
}

// attachments are the files that a body names by hash.
func attachments(body *declarationv1.Body) []publication.AttachmentAt {
	return slices.DeleteFunc(publication.Attachments(body), func(at publication.AttachmentAt) bool {
		return len(at.Attachment.GetSha256()) != sha256.Size
	})
}

// checkAttachments names the files of a body that nobody has uploaded.
func checkAttachments(r pebble.Reader, body *declarationv1.Body) ([]publication.Result, error) {
	var out []publication.Result
	for _, at := range attachments(body) {
		a := at.Attachment
		value, closer, err := r.Get(pebbledb.HashKey(pebbledb.PrefixAttachment, [32]byte(a.GetSha256())))
		if errors.Is(err, pebble.ErrNotFound) {
			out = append(out, publication.Result{
				Rule: "V-06", Level: publication.Reject, Field: at.Field, Value: a.GetTitle(),
				Message: fmt.Sprintf("The file with SHA-256 %x is not at the node.", a.GetSha256()),
				Hint:    "Publish with cityproof publish and the file beside the declaration: it is uploaded first.",
			})
			continue
		}
		if err != nil {
			return nil, err
		}
		if a.Size != nil && int(a.GetSize()) != len(value) {
			out = append(out, publication.Result{
				Rule: "V-06", Level: publication.Reject, Field: at.Field + ".size", Value: fmt.Sprint(a.GetSize()),
				Message: fmt.Sprintf("The file has %d bytes.", len(value)), Hint: "Say its size, or leave the size out.",
			})
		}
		if err := closer.Close(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
