package client

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

const (
	// maxListed bounds the subjects that List goes through.
	maxListed = 1_000_000
	// listPage is how many declarations are asked for at once, and listAhead how many
	// of their receipts: an answer has at most maxAnswer bytes.
	listPage  = 100
	listAhead = 8
)

// List hands the newest revision of every subject to each, in the node's order, and
// stops at each's first error. Every record is proven to be in the log; that the
// list is complete, and that there are no newer revisions, is the node's word: only
// an audit can tell.
//
// An empty kind stands for all. Withdrawn subjects are left out unless withdrawn is
// set.
func (c *Client) List(ctx context.Context, kind declaration.Kind, withdrawn bool, each func(*Record) error) error {
	seen := map[declaration.Subject]bool{}
	req := &ledgerv1.ListDeclarationsRequest{PageSize: listPage, Kind: kind.Prefix(), IncludeWithdrawn: withdrawn}
	for {
		resp, err := call(ctx, c, readTimeout, "the list of declarations", c.rpc.ListDeclarations, req)
		if err != nil {
			return err
		}
		page, err := c.listed(ctx, resp.GetDeclarations(), kind)
		if err != nil {
			return err
		}
		for _, rec := range page {
			subject := rec.Statement.Subject
			if seen[subject] || len(seen) == maxListed {
				return &UnverifiedError{"the list of declarations", fmt.Errorf("it names %s twice, or has no end", subject)}
			}
			seen[subject] = true
			if err := each(rec); err != nil {
				return err
			}
		}
		if resp.GetNextPageToken() == "" {
			return nil
		}
		if len(page) == 0 {
			return &UnverifiedError{"the list of declarations", fmt.Errorf("a page of it is empty, and it goes on")}
		}
		req.PageToken = resp.GetNextPageToken()
	}
}

// listed gets and verifies the records that a page lists, side by side. Of what the
// page itself says only the place in the log is used.
func (c *Client) listed(ctx context.Context, page []*ledgerv1.Declaration, kind declaration.Kind) ([]*Record, error) {
	if len(page) > listPage {
		return nil, &UnverifiedError{"the list of declarations", fmt.Errorf("a page of it has %d, asked for %d", len(page), listPage)}
	}
	out := make([]*Record, len(page))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(listAhead)
	for i, d := range page {
		group.Go(func() error {
			rec, err := c.Receipt(ctx, d.GetIndex())
			if err != nil {
				return err
			}
			if got := rec.Statement.Subject; got.String() != d.GetSubject() || kind != "" && got.Kind != kind {
				return &UnverifiedError{"the list of declarations", fmt.Errorf("entry %d is about %s", rec.Index, got)}
			}
			out[i] = rec
			return nil
		})
	}
	return out, group.Wait()
}
