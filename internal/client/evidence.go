package client

import (
	"context"
	"encoding/json"
	"fmt"
)

// KnownEvidence is a proof as a node tells of it. Nothing in it is believed but Evidence, which proves itself.
type KnownEvidence struct {
	Key      string `json:"key"`
	Evidence []byte `json:"evidence"`
	// Resumed says when and why the node's operator went on in spite of it; empty: not.
	Resumed string `json:"resumed,omitempty"`
}

// maxEvidenceList bounds what a node tells of evidence, in bytes.
const maxEvidenceList = 16 << 20

// Evidence asks a node, by the files below its address, for the proofs of misbehaviour that it keeps.
func Evidence(ctx context.Context, node Getter) ([]KnownEvidence, error) {
	b, err := node.Get(ctx, "api/v1/evidence", maxEvidenceList)
	if err != nil {
		return nil, err
	}
	var list struct {
		Evidence []KnownEvidence `json:"evidence"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, fmt.Errorf("what %s tells of evidence: %w", node, err)
	}
	return list.Evidence, nil
}
