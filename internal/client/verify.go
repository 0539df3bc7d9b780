package client

import (
	"crypto/ed25519"
	"fmt"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// keys are what answers are checked against: a trust file's, or for want of one
// the node's own.
type keys struct {
	origin   string
	originAt func(index uint64) string // for which log a statement was made
	city     string                    // empty: not known, not checked
	log      []*checkpoint.Verifier
	// publisher is nil without a trust file: then a statement's signatures are
	// not checked, because nobody has said whose they must be.
	publisher func(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool)
}

func (k *keys) trusted() bool { return k.publisher != nil }

// head verifies a checkpoint's signatures, all that the log must give.
func (k *keys) head(note []byte) (Head, error) {
	v, err := checkpoint.Verify(note, k.log, nil)
	if err != nil {
		return Head{}, err
	}
	return Head{Origin: v.Checkpoint.Origin, Size: v.Checkpoint.Size, Root: v.Checkpoint.Root}, nil
}

// leaf verifies that an entry stands at index in the tree of head, and that it is a
// statement of this log, or of one from which this log goes on.
func (k *keys) leaf(entry []byte, index uint64, path [][]byte, head Head) (*Leaf, error) {
	hashes, err := parseHashes(path)
	if err != nil {
		return nil, err
	}
	l := &Leaf{Index: index, Hash: proof.LeafHash(entry), Envelope: entry, Path: hashes, Head: head, Trusted: k.trusted()}
	if err := proof.VerifyInclusion(index, head.Size, l.Hash, hashes, head.Root); err != nil {
		return nil, err
	}
	signed, err := declaration.ParseSigned(entry)
	if err != nil {
		return nil, err
	}
	if err := signed.Statement.CheckPlace(k.originAt(index), k.city); err != nil {
		return nil, err
	}
	if k.publisher != nil {
		if err := signed.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) {
			return k.publisher(id, index)
		}); err != nil {
			return nil, err
		}
	}
	l.Statement = signed.Statement
	return l, nil
}

// receipt verifies a receipt as a node sends it. Its body may be absent.
func (k *keys) receipt(r *ledgerv1.Receipt) (*Leaf, error) {
	head, err := k.head(r.GetCheckpoint())
	if err != nil {
		return nil, err
	}
	l, err := k.leaf(r.GetEnvelope(), r.GetIndex(), r.GetInclusionPath(), head)
	if err != nil {
		return nil, err
	}
	l.Checkpoint = r.GetCheckpoint()
	return l, nil
}

// record adds a body to a leaf.
func record(l *Leaf, raw []byte) (*Record, error) {
	body, err := declaration.ParseBody(raw)
	if err != nil {
		return nil, err
	}
	if err := l.Statement.CheckBody(raw, body); err != nil {
		return nil, err
	}
	return &Record{Leaf: l, Raw: raw, Body: body}, nil
}

// erasure verifies that a notice allows the body of l to be gone: a statement of
// this log that says so, with its own body.
func (k *keys) erasure(from *ledgerv1.Receipt, l *Leaf) (*Record, error) {
	n, err := k.receipt(from)
	if err != nil {
		return nil, fmt.Errorf("the erasure notice: %w", err)
	}
	rec, err := record(n, from.GetBody())
	if err != nil {
		return nil, fmt.Errorf("the erasure notice: %w", err)
	}
	if err := erases(rec.Body, l.Statement, l.Hash); err != nil {
		return nil, fmt.Errorf("entry %d: %w", n.Index, err)
	}
	return rec, nil
}

func parseHashes(in [][]byte) ([]proof.Hash, error) {
	if len(in) > proof.MaxPath {
		return nil, fmt.Errorf("a proof of %d hashes, at most %d allowed", len(in), proof.MaxPath)
	}
	out := make([]proof.Hash, len(in))
	for i, b := range in {
		if len(b) != len(out[i]) {
			return nil, fmt.Errorf("hash %d of a proof has %d bytes", i, len(b))
		}
		copy(out[i][:], b)
	}
	return out, nil
}
