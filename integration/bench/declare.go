package main

import (
	"crypto/rand"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
	"github.com/cityproof/cityproof/internal/signingkey"
)

//go:embed declaration.yaml
var declarationText []byte

// The invented city.
const (
	benchCity  = "nl-kanaalstad"
	benchURL   = "https://kanaalstad.example"
	benchLog   = "kanaalstad.example/log"
	publishers = 64
)

// office is who signs the declarations, and what they say.
type office struct {
	keys       []*signingkey.Key
	deployment *draft.Draft
	others     []*draft.Draft // what the deployment names
}

// none is a folder without files and a register without subjects.
type none struct{}

func (none) ReadFile(string) ([]byte, error)       { return nil, fs.ErrNotExist }
func (none) Next(declaration.Kind) (uint32, error) { return 1, nil }
func (none) Lookup(declaration.Kind, string) (s declaration.Subject, ok bool, err error) {
	return s, false, nil
}

func newOffice() (*office, error) {
	o := &office{}
	for range publishers {
		key, err := signingkey.Generate(signingkey.Publisher, "officer", signingkey.Ed25519)
		if err != nil {
			return nil, err
		}
		o.keys = append(o.keys, key)
	}
	ws := shorthand.Workspace{City: benchCity, Node: benchURL, Language: "nl", Country: "NL",
		Accountable: "Gemeente Kanaalstad, afdeling Openbare Ruimte", Contact: "privacy@kanaalstad.example",
		Stored: "city_cloud NL, Gemeente Kanaalstad"}
	drafts, err := shorthand.Parse("declaration.yaml", declarationText, ws, none{})
	if err != nil {
		return nil, err
	}
	if err := draft.Number(drafts, none{}); err != nil {
		return nil, err
	}
	for _, d := range drafts {
		if d.Kind() == declaration.Deployment {
			o.deployment = d
		} else {
			o.others = append(o.others, d)
		}
	}
	if o.deployment == nil {
		return nil, errors.New("declaration.yaml has no deployment")
	}
	return o, nil
}

// sign makes n submissions, encoded for the wire, and also returns the mean size of their bodies. The first ones are
// what all others name and must be published first: see prologue. The clock that a node compares a declaration's time
// with may be 5 minutes away, so they are to be used at once.
func (o *office) sign(n int) (messages [][]byte, body int, err error) {
	messages = make([][]byte, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	total := make([]int, n)
	for i := range messages {
		g.Go(func() error {
			d, key := o.draft(i), o.keys[i%publishers]
			var nonce [16]byte
			_, _ = rand.Read(nonce[:]) // it never fails
			sub, err := draft.Seal(d, draft.Place{Log: benchLog, City: benchCity, Revision: 1}, nonce, time.Now(), key.Signer())
			if err != nil {
				return err
			}
			total[i] = len(sub.Body)
			messages[i], err = proto.Marshal(&ledgerv1.PublishRequest{Submission: &ledgerv1.Submission{Envelope: sub.Envelope, Body: sub.Body}})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, 0, err
	}
	for _, size := range total[o.prologue():] {
		body += size
	}
	return messages, body / max(1, n-o.prologue()), nil
}

// prologue is how many of the first submissions are what the others name.
func (o *office) prologue() int { return 1 + len(o.others) }

func (o *office) draft(i int) *draft.Draft {
	switch {
	case i == 0:
		return o.deployment
	case i < o.prologue():
		return o.others[i-1]
	}
	n := uint32(i - len(o.others) + 1)
	d := *o.deployment
	d.Body = proto.CloneOf(d.Body)
	d.Body.Nickname = proto.String(fmt.Sprintf("square-cameras-%d", n))
	for _, t := range d.Body.GetDeployment().GetName().GetTexts() {
		t.Value = proto.String(fmt.Sprintf("%s %d", t.GetValue(), n))
	}
	d.Subject = declaration.Subject{Kind: declaration.Deployment, Number: n}
	return &d
}

// writeMessages keeps messages in a file: each with its length, 4 bytes, before it.
func writeMessages(name string, messages [][]byte) error {
	var out []byte
	for _, m := range messages {
		out = binary.BigEndian.AppendUint32(out, uint32(len(m)))
		out = append(out, m...)
	}
	return os.WriteFile(name, out, 0o600)
}

func readMessages(name string) (messages [][]byte, err error) {
	raw, err := os.ReadFile(name)
	for err == nil && len(raw) > 0 {
		n := 4 + int(binary.BigEndian.Uint32(raw))
		messages, raw = append(messages, raw[4:n:n]), raw[n:]
	}
	return messages, err
}
