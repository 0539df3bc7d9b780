package client

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// chunkSize of an upload, in bytes.
const chunkSize = 128 << 10

// UploadAttachment stores a file of exactly size bytes with that SHA-256 at the
// node, signed for by a publisher (Ed25519). repeat says that the node had it.
func (c *Client) UploadAttachment(ctx context.Context, r io.Reader, size uint32, sum [sha256.Size]byte, signer crypto.Signer) (repeat bool, err error) {
	fail := func(err error) (bool, error) { return false, fmt.Errorf("uploading attachment to %s: %w", c, err) }
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return fail(errors.New("the key is not Ed25519"))
	}
	if int64(size) > int64(c.info.Limits.Attachment) {
		return fail(fmt.Errorf("%d bytes; this node takes at most %d", size, c.info.Limits.Attachment))
	}
	// Held in memory, 10 MiB at most, so that it can be checked before anything is
	// signed and sent again after a lost answer.
	data, err := readAll(r, int(size))
	if err != nil {
		return fail(err)
	}
	if len(data) != int(size) || sha256.Sum256(data) != sum {
		return fail(errors.New("the file has changed since it was hashed"))
	}
	resp, err := again(ctx, func() (*ledgerv1.UploadAttachmentResponse, error) {
		// Signed for each try: the time in it must be fresh.
		signedAt := c.opts.Now().Unix()
		sig, err := signer.Sign(nil, declaration.UploadStatement(c.keys.origin, sum, size, signedAt), crypto.Hash(0))
		if err != nil {
			return nil, err
		}
		resp, err := c.upload(ctx, data, &ledgerv1.AttachmentHeader{
			Sha256: sum[:], Size: size, Publisher: pub, SignedAt: signedAt, Signature: sig,
		})
		return resp, nodeError(err, 0)
	})
	if err != nil {
		return fail(err)
	}
	if !bytes.Equal(resp.GetSha256(), sum[:]) {
		return fail(&UnverifiedError{"the upload", fmt.Errorf("it stored %x", resp.GetSha256())})
	}
	return resp.GetRepeat(), nil
}

// upload makes one try.
func (c *Client) upload(ctx context.Context, data []byte, header *ledgerv1.AttachmentHeader) (*ledgerv1.UploadAttachmentResponse, error) {
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), streamTimeout)
	defer cancel()
	stream, err := c.rpc.UploadAttachment(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&ledgerv1.UploadAttachmentRequest{Part: &ledgerv1.UploadAttachmentRequest_Header{Header: header}})
	for len(data) > 0 && err == nil {
		n := min(chunkSize, len(data))
		err = stream.Send(&ledgerv1.UploadAttachmentRequest{Part: &ledgerv1.UploadAttachmentRequest_Chunk{Chunk: data[:n]}})
		data = data[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the node has answered already
		return nil, err
	}
	return stream.CloseAndRecv()
}
