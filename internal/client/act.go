package client

import (
	"context"
	"fmt"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
)

// SubmitAct sends an act to the node of a registry, with the file that it commits to,
// nil if that is none. It returns the index of the act's leaf, which a follower of
// the registry then verifies. Errors: *NodeError, or of the context.
func (c *Client) SubmitAct(ctx context.Context, act, file []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	stream, err := registryv1.NewRegistryServiceClient(c.conn).SubmitAct(ctx)
	if err == nil {
		err = stream.Send(&registryv1.SubmitActRequest{Part: &registryv1.SubmitActRequest_Act{Act: act}})
	}
	for err == nil && len(file) > 0 {
		n := min(len(file), chunkSize)
		err = stream.Send(&registryv1.SubmitActRequest{Part: &registryv1.SubmitActRequest_FileChunk{FileChunk: file[:n]}})
		file = file[n:]
	}
	var resp *registryv1.SubmitActResponse
	if stream != nil {
		resp, err = stream.CloseAndRecv() // after a failed Send it says why
	}
	if err != nil {
		return 0, fmt.Errorf("submitting an act to %s: %w", c, nodeError(err, 0))
	}
	return resp.GetIndex(), nil
}
