package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

// Key prefixes of the live records, as documented in pebbledb/FORMAT.md.
const (
	prefixRevision = 's' // + kind + u32 number + u32 revision: revision
	prefixLink     = 'l' // + kind + u32 number of the one named + kind + u32 number of the one that names it: empty
	prefixFind     = 'd' // + 16 bytes of SHA-256 of the key + kind + u32 number: empty
)

// revision is what the log's records say of one revision of a subject.
type revision struct {
	Number    uint32
	Index     uint64
	Leaf      proof.Hash
	Operation declaration.Operation
	Body      [sha256.Size]byte
}

func (r revision) head() declaration.Head {
	return declaration.Head{Revision: r.Number, Leaf: r.Leaf, Operation: r.Operation}
}

func kindByte(k declaration.Kind) byte {
	return byte(slices.Index(declaration.Kinds(), k) + 1) //nolint:gosec // at most eight
}

func appendSubject(b []byte, s declaration.Subject) []byte {
	return binary.BigEndian.AppendUint32(append(b, kindByte(s.Kind)), s.Number)
}

const subjectSize = 5

func parseSubject(b []byte) declaration.Subject {
	return declaration.Subject{Kind: declaration.Kinds()[b[0]-1], Number: binary.BigEndian.Uint32(b[1:subjectSize])}
}

func revisionKey(s declaration.Subject, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendSubject([]byte{prefixRevision}, s), n)
}

var operations = []declaration.Operation{declaration.Publish, declaration.Amend, declaration.Withdraw, declaration.Reinstate}

const revisionSize = 8 + 32 + 1 + 32

func (r revision) format() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, revisionSize), r.Index)
	b = append(b, r.Leaf[:]...)
	b = append(b, byte(slices.Index(operations, r.Operation))) //nolint:gosec // one of four
	return append(b, r.Body[:]...)
}

func parseRevision(key, value []byte) (revision, error) {
	if len(value) != revisionSize || int(value[40]) >= len(operations) {
		return revision{}, fmt.Errorf("record %x is damaged: run cityproof-node fsck --deep", key)
	}
	return revision{
		Number:    binary.BigEndian.Uint32(key[1+subjectSize:]),
		Index:     binary.BigEndian.Uint64(value),
		Leaf:      proof.Hash(value[8:40]),
		Operation: operations[value[40]],
		Body:      [32]byte(value[41:]),
	}, nil
}

// records reads the live records through a database or a batch over it. It
// implements publication.Live.
type records struct{ r pebble.Reader }

var _ publication.Live = records{}

// newest returns a subject's newest revision; nil if the log has none.
func (v records) newest(s declaration.Subject) (*revision, error) {
	prefix := appendSubject([]byte{prefixRevision}, s)
	return v.last(prefix)
}

func (v records) last(prefix []byte) (*revision, error) {
	var rev *revision
	err := v.scan(prefix, func(it *pebble.Iterator) error {
		if !it.Last() {
			return nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		r, err := parseRevision(it.Key(), value)
		rev = &r
		return err
	})
	return rev, err
}

// nextNumber returns the first number of a kind that was never used.
func (v records) nextNumber(k declaration.Kind) (next uint32, err error) {
	next = 1
	err = v.scan([]byte{prefixRevision, kindByte(k)}, func(it *pebble.Iterator) error {
		if it.Last() {
			next = parseSubject(it.Key()[1:]).Number + 1
		}
		return nil
	})
	return next, err
}

// scan opens an iterator over the keys with a prefix and closes it after use.
func (v records) scan(prefix []byte, use func(it *pebble.Iterator) error) error {
	it, err := v.r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	if err := errors.Join(use(it), it.Error(), it.Close()); err != nil {
		return fmt.Errorf("reading records: %w", err)
	}
	return nil
}

// after is the first key behind all keys with the prefix. No prefix here ends in
// 0xff bytes only.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// Newest implements publication.Live.
func (v records) Newest(s declaration.Subject) (*publication.Newest, error) {
	rev, err := v.newest(s)
	if err != nil || rev == nil {
		return nil, err
	}
	body, err := parseStored(v.r, rev.Body)
	if err != nil {
		return nil, err
	}
	return &publication.Newest{Head: rev.head(), Body: body}, nil
}

// Linking implements publication.Live.
func (v records) Linking(s declaration.Subject) ([]declaration.Subject, error) {
	return v.subjectsUnder(appendSubject([]byte{prefixLink}, s))
}

// Find implements publication.Live.
func (v records) Find(key publication.Key) ([]declaration.Subject, error) {
	return v.subjectsUnder(findPrefix(key))
}

func findPrefix(key publication.Key) []byte {
	sum := sha256.Sum256([]byte(key))
	return append([]byte{prefixFind}, sum[:16]...)
}

// subjectsUnder returns the subjects behind a prefix in ascending order, of each
// kind the last publication.MaxFound: this runs in the log's writer, where a key
// that thousands share must not cost every later declaration a walk over them.
func (v records) subjectsUnder(prefix []byte) (out []declaration.Subject, err error) {
	err = v.scan(prefix, func(it *pebble.Iterator) error {
		n := 0
		for it.Last(); it.Valid(); {
			s := parseSubject(it.Key()[len(prefix):])
			if n = n + 1; len(out) > 0 && out[len(out)-1].Kind != s.Kind {
				n = 1
			}
			out = append(out, s)
			if n < publication.MaxFound {
				it.Prev()
			} else {
				it.SeekLT(append(bytes.Clone(prefix), kindByte(s.Kind)))
			}
		}
		slices.Reverse(out)
		return nil
	})
	return out, err
}

// derivedKeys are the keys under which a subject's newest body can be found, also
// when it is withdrawn: publishing the same again under another number must not
// launder the withdrawal (V-18).
func derivedKeys(s declaration.Subject, body *declarationv1.Body) [][]byte {
	var keys [][]byte
	for _, to := range publication.Links(body) {
		keys = append(keys, appendSubject(appendSubject([]byte{prefixLink}, to), s))
	}
	for _, key := range publication.Keys(body) {
		keys = append(keys, appendSubject(findPrefix(key), s))
	}
	for _, at := range attachments(body) {
		keys = append(keys, appendSubject(findPrefix(attachmentKey(at.Attachment.GetSha256())), s))
	}
	return keys
}

// change is what one new leaf does to the records.
type change struct {
	subject declaration.Subject
	rev     revision
	old     *declarationv1.Body // of the revision before it; nil if there is none, or it was erased
	new     *declarationv1.Body
}

// stage writes changes in order: what a later one of the same subject removes is
// what an earlier one wrote.
func stage(w pebble.Writer, changes []change) error {
	for _, c := range changes {
		if err := w.Set(revisionKey(c.subject, c.rev.Number), c.rev.format(), nil); err != nil {
			return err
		}
		if c.old != nil {
			if err := unlist(w, c.subject, c.old); err != nil {
				return err
			}
		}
		for _, k := range derivedKeys(c.subject, c.new) {
			if err := w.Set(k, nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlist removes the keys under which a body was found.
func unlist(w pebble.Writer, s declaration.Subject, body *declarationv1.Body) error {
	for _, k := range derivedKeys(s, body) {
		if err := w.Delete(k, nil); err != nil {
			return err
		}
	}
	return nil
}

// parseStored reads a stored body through r; nil if it was erased.
func parseStored(r pebble.Reader, hash [32]byte) (*declarationv1.Body, error) {
	value, closer, err := r.Get(pebbledb.HashKey(pebbledb.PrefixBody, hash))
	if errors.Is(err, pebble.ErrNotFound) {
		if _, c, gone := r.Get(pebbledb.HashKey(pebbledb.PrefixErased, hash)); gone == nil {
			return nil, c.Close()
		}
		return nil, fmt.Errorf("body %x is missing: run cityproof-node fsck --deep", hash)
	}
	if err != nil {
		return nil, err
	}
	body, err := declaration.ParseBody(value)
	return body, errors.Join(err, closer.Close())
}
