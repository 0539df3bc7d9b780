package integration_test

import (
	"crypto"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"

	"os"
)

// officer publishes many declarations over one connection.
type officer struct {
	t      testing.TB
	signer crypto.Signer
	client *client.Client
	next   uint32        // number of the next notice
	ahead  time.Duration // of the officer's clock
}

func (p *place) dial(n *process) *officer {
	p.t.Helper()
	o := &officer{t: p.t, next: 1}
	key, err := signingkey.ReadFile(p.key, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	o.signer, o.client = key.Signer(), p.client(n)
	return o
}

func (p *place) readTrust() *receipt.Trust {
	p.t.Helper()
	b, err := os.ReadFile(p.trust)
	if err != nil {
		p.t.Fatal(err)
	}
	trust, err := receipt.ParseTrust(b)
	if err != nil {
		p.t.Fatal(err)
	}
	return trust
}

func (p *place) client(n *process) *client.Client {
	p.t.Helper()
	c, err := client.Dial(p.t.Context(), client.Options{Node: n.http, Trust: p.readTrust()})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.Close)
	return c
}

// notices signs n new declarations.
func (o *officer) notices(n int) []draft.Submission {
	o.t.Helper()
	var out []draft.Submission
	now := time.Now().Add(o.ahead)
	for range n {
		text := fmt.Sprintf("Report number %d will appear here.", o.next)
		d := &draft.Draft{
			Operation: declaration.Publish, Subject: declaration.Subject{Kind: declaration.Notice, Number: o.next},
			Body: &pb.Body{Language: proto.String("en"), Record: &pb.Body_Notice{Notice: &pb.Notice{
				Type:  pb.NoticeType_NOTICE_TYPE_FORTHCOMING.Enum(),
				Text:  &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("en"), Value: &text}}},
				DueOn: proto.String(now.AddDate(0, 0, 90).Format(time.DateOnly)),
			}}},
		}
		o.next++
		var nonce [16]byte
		if _, err := rand.Read(nonce[:]); err != nil {
			o.t.Fatal(err)
		}
		sub, err := draft.Seal(d, draft.Place{Log: origin, City: city, Revision: 1}, nonce, now, o.signer)
		if err != nil {
			o.t.Fatal(err)
		}
		out = append(out, sub)
	}
	return out
}
