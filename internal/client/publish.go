package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// Outcome is what became of submissions.
type Outcome struct {
	// Placed has one for each submission, in order.
	Placed []Placed
	// Warnings are what the publication rules say of what was accepted.
	Warnings []RuleResult
}

// Placed is one submission in the log. The receipt was verified here, not taken on
// the node's word.
type Placed struct {
	*Record
	// Repeat says that the log had the statement before; Index is its first place.
	Repeat bool
}

// Publish sends submissions and returns once they are in the log, durable and under
// a signed checkpoint, which it verifies. They are all or nothing, up to the node's
// Limits; more are sent as several batches in order, and then what was placed
// before an error is returned beside it.
//
// While the node is busy or out of reach the same bytes are sent again, which is
// safe: a node answers a statement that it has with its first place. So it is also
// safe to call Publish again with the same submissions after any error.
//
// Errors: *RuleError, *StaleError, *NodeError, *UnverifiedError, or of the context.
// The submissions that they number are those given here.
func (c *Client) Publish(ctx context.Context, subs []draft.Submission) (*Outcome, error) {
	if len(subs) == 0 {
		return nil, errors.New("publishing: there is nothing to publish")
	}
	for i, sub := range subs {
		if err := c.checkOwn(sub); err != nil {
			return nil, fmt.Errorf("publishing submission %d: %w", i+1, err)
		}
	}
	out := &Outcome{}
	for first := 0; first < len(subs); {
		n := c.batch(subs[first:])
		placed, warnings, err := c.publishBatch(ctx, subs[first:first+n], first)
		if err != nil {
			return out, fmt.Errorf("publishing at %s: %w", c, err)
		}
		out.Placed = append(out.Placed, placed...)
		out.Warnings = append(out.Warnings, warnings...)
		first += n
	}
	return out, nil
}

// checkOwn finds out here what the node would say anyway, and what would make its
// answer impossible to check.
func (c *Client) checkOwn(sub draft.Submission) error {
	if len(sub.Envelope) > c.info.Limits.Entry || len(sub.Body) > c.info.Limits.Body {
		return fmt.Errorf("statement of %d and body of %d bytes: this node takes %d and %d",
			len(sub.Envelope), len(sub.Body), c.info.Limits.Entry, c.info.Limits.Body)
	}
	signed, err := declaration.ParseSigned(sub.Envelope)
	if err != nil {
		return err
	}
	return signed.Statement.CheckPlace(c.keys.origin, c.keys.city)
}

// batch returns how many of the first submissions fit into one batch, at least one.
func (c *Client) batch(subs []draft.Submission) int {
	bytes := 0
	for i, sub := range subs {
		bytes += len(sub.Envelope) + len(sub.Body)
		if i > 0 && (i == c.info.Limits.BatchStatements || bytes > c.info.Limits.BatchBytes) {
			return i
		}
	}
	return len(subs)
}

func (c *Client) publishBatch(ctx context.Context, subs []draft.Submission, first int) ([]Placed, []RuleResult, error) {
	resp, err := again(ctx, func() (*ledgerv1.PublishBatchResponse, error) {
		resp, err := c.send(ctx, subs)
		return resp, nodeError(err, first)
	})
	if err != nil {
		return nil, nil, err
	}
	if len(resp.GetPlaced()) != len(subs) {
		return nil, nil, &UnverifiedError{"the batch", fmt.Errorf("it is about %d submissions of %d", len(resp.GetPlaced()), len(subs))}
	}
	head, err := c.keys.head(resp.GetCheckpoint())
	if err != nil {
		return nil, nil, &UnverifiedError{"the batch", err}
	}
	placed := make([]Placed, len(subs))
	for i, p := range resp.GetPlaced() {
		rec, err := c.placed(ctx, subs[i], p, head, resp.GetCheckpoint())
		if err != nil {
			return nil, nil, &UnverifiedError{fmt.Sprintf("submission %d", first+i+1), err}
		}
		placed[i] = Placed{rec, p.GetRepeat()}
	}
	return placed, ruleResults(resp.GetWarnings(), first), nil
}

// placed verifies where the node says that a submission is.
func (c *Client) placed(ctx context.Context, sub draft.Submission, p *ledgerv1.Placed, head Head, note []byte) (*Record, error) {
	l, err := c.keys.leaf(sub.Envelope, p.GetIndex(), p.GetInclusionPath(), head)
	if err != nil && p.GetRepeat() {
		return c.placedOther(ctx, sub, p.GetIndex())
	}
	if err != nil {
		return nil, err
	}
	l.Checkpoint = note
	return record(l, sub.Body)
}

// placedOther verifies a repeat whose stored leaf is the same statement in another
// envelope: with other signatures.
func (c *Client) placedOther(ctx context.Context, sub draft.Submission, index uint64) (*Record, error) {
	ours, err := declaration.ParseEnvelope(sub.Envelope)
	if err != nil {
		return nil, err
	}
	l, _, err := c.leafAt(ctx, index)
	if err != nil {
		return nil, err
	}
	stored, err := declaration.ParseEnvelope(l.Envelope)
	if err != nil {
		return nil, err
	}
	if l.Index != index || stored.PayloadType != ours.PayloadType || !bytes.Equal(stored.Payload, ours.Payload) {
		return nil, fmt.Errorf("entry %d is another statement", index)
	}
	return record(l, sub.Body)
}

// send makes one try of a batch.
func (c *Client) send(ctx context.Context, subs []draft.Submission) (*ledgerv1.PublishBatchResponse, error) {
	if len(subs) == 1 {
		return c.sendOne(ctx, subs[0])
	}
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), streamTimeout)
	defer cancel()
	stream, err := c.rpc.PublishBatch(ctx)
	if err != nil {
		return nil, err
	}
	for _, sub := range subs {
		err := stream.Send(&ledgerv1.PublishBatchRequest{Submission: &ledgerv1.Submission{Envelope: sub.Envelope, Body: sub.Body}})
		if errors.Is(err, io.EOF) {
			break // the node has answered already: CloseAndRecv says what
		}
		if err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}

// sendOne makes one try of a single submission, which costs the node less than a
// stream.
func (c *Client) sendOne(ctx context.Context, sub draft.Submission) (*ledgerv1.PublishBatchResponse, error) {
	ctx, cancel := context.WithTimeout(c.outgoing(ctx), publishTimeout)
	defer cancel()
	resp, err := c.rpc.Publish(ctx, &ledgerv1.PublishRequest{
		Submission: &ledgerv1.Submission{Envelope: sub.Envelope, Body: sub.Body},
	})
	if err != nil {
		return nil, err
	}
	r := resp.GetReceipt()
	return &ledgerv1.PublishBatchResponse{
		Placed:     []*ledgerv1.Placed{{Index: r.GetIndex(), Repeat: resp.GetRepeat(), InclusionPath: r.GetInclusionPath()}},
		Checkpoint: r.GetCheckpoint(),
		Warnings:   resp.GetWarnings(),
	}, nil
}
