package client_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func TestListGivesEveryNewestRevision(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	const n = 230 // three pages
	var subs []draft.Submission
	for i := range n {
		subs = append(subs, seal(t, i+1, nil))
	}
	out, err := cl.Publish(ctx, subs)
	must(t, err)
	first := out.Placed[0]
	_, err = cl.Publish(ctx, []draft.Submission{seal(t, 1, &declaration.Head{Revision: 1, Leaf: first.Hash, Operation: declaration.Publish})})
	must(t, err)

	got := map[string]uint32{}
	must(t, cl.List(ctx, "", false, func(rec *client.Record) error {
		if !rec.Trusted || rec.Body == nil {
			t.Errorf("%s: trusted %v, body %v", rec.Statement.Subject, rec.Trusted, rec.Body)
		}
		got[rec.Statement.Subject.String()] = rec.Statement.Revision
		return nil
	}))
	if len(got) != n || got["com/1"] != 2 || got["com/230"] != 1 {
		t.Errorf("%d records, com/1 at revision %d, com/230 at %d", len(got), got["com/1"], got["com/230"])
	}
	must(t, cl.List(ctx, declaration.Deployment, true, func(rec *client.Record) error {
		t.Errorf("%s is no deployment", rec.Statement.Subject)
		return nil
	}))
	enough := errors.New("enough")
	if err := cl.List(ctx, "", false, func(*client.Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("List = %v, want the caller's error", err)
	}
}

// lister lists what it likes, and is a true node otherwise.
type lister struct {
	ledgerv1.LedgerServiceServer
	list func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse
}

func (l *lister) ListDeclarations(_ context.Context, q *ledgerv1.ListDeclarationsRequest) (*ledgerv1.ListDeclarationsResponse, error) {
	return l.list(q), nil
}

func startLister(t *testing.T, c *town) (*lister, string) {
	t.Helper()
	conn, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	s := &lister{LedgerServiceServer: &proxy{node: ledgerv1.NewLedgerServiceClient(conn)}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer()
	ledgerv1.RegisterLedgerServiceServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
		_ = conn.Close()
	})
	return s, l.Addr().String()
}

func TestListBelievesNoList(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	_, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil), seal(t, 2, nil)})
	must(t, err)
	at := func(subject string, index uint64) *ledgerv1.Declaration {
		return &ledgerv1.Declaration{Subject: subject, Index: index}
	}
	liar, addr := startLister(t, c)
	through := dial(t, client.Options{GRPC: addr, Trust: c.trust})
	for name, list := range map[string]func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse{
		"another subject": func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
			return &ledgerv1.ListDeclarationsResponse{Declarations: []*ledgerv1.Declaration{at("com/2", 0)}}
		},
		"twice on a page": func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
			return &ledgerv1.ListDeclarationsResponse{Declarations: []*ledgerv1.Declaration{at("com/1", 0), at("com/1", 0)}}
		},
		"the same page for ever": func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
			return &ledgerv1.ListDeclarationsResponse{Declarations: []*ledgerv1.Declaration{at("com/1", 0)}, NextPageToken: "com/1"}
		},
		"empty pages for ever": func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
			return &ledgerv1.ListDeclarationsResponse{NextPageToken: "com/1"}
		},
		"a page too large": func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
			resp := &ledgerv1.ListDeclarationsResponse{}
			for range 101 {
				resp.Declarations = append(resp.Declarations, at("com/1", 0))
			}
			return resp
		},
	} {
		t.Run(name, func(t *testing.T) {
			liar.list = list
			err := through.List(ctx, "", false, func(*client.Record) error { return nil })
			var unproven *client.UnverifiedError
			if !errors.As(err, &unproven) {
				t.Errorf("List = %v, want UnverifiedError", err)
			}
		})
	}
	liar.list = func(*ledgerv1.ListDeclarationsRequest) *ledgerv1.ListDeclarationsResponse {
		return &ledgerv1.ListDeclarationsResponse{Declarations: []*ledgerv1.Declaration{at("com/1", 0)}}
	}
	var unproven *client.UnverifiedError
	if err := through.List(ctx, declaration.Deployment, false, func(*client.Record) error { return nil }); !errors.As(err, &unproven) {
		t.Errorf("another kind: %v, want UnverifiedError", err)
	}
}
