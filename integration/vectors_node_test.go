package integration_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// refuser offers a node what it must refuse, over gRPC and REST.
type refuser struct {
	p     *place
	n     *process
	raw   ledgerv1.LedgerServiceClient
	key   crypto.Signer
	tried int
}

func (p *place) refuser(n *process) *refuser {
	p.t.Helper()
	conn, err := grpc.NewClient(n.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	key, err := signingkey.ReadFile(p.key, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &refuser{p: p, n: n, raw: ledgerv1.NewLedgerServiceClient(conn), key: key.Signer()}
}

// refuse wants a code and words both ways, and the log as it was.
func (r *refuser) refuse(name string, envelope, body []byte, code codes.Code, words string) {
	t := r.p.t
	t.Helper()
	r.tried++
	before := r.n.tree(r.p)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := r.raw.Publish(ctx, &ledgerv1.PublishRequest{Submission: &ledgerv1.Submission{Envelope: envelope, Body: body}})
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), words) {
		t.Errorf("%s over gRPC: %v, want %v with %q", name, err, code, words)
	}
	stream, err := r.raw.PublishBatch(ctx)
	if err == nil {
		// A refused call may end before all of it is sent.
		_ = stream.Send(&ledgerv1.PublishBatchRequest{Submission: &ledgerv1.Submission{Envelope: envelope, Body: body}})
		_, err = stream.CloseAndRecv()
	}
	if status.Code(err) != code || !strings.Contains(status.Convert(err).Message(), words) {
		t.Errorf("%s in a batch: %v, want %v with %q", name, err, code, words)
	}
	want := map[codes.Code]int{codes.InvalidArgument: http.StatusBadRequest, codes.PermissionDenied: http.StatusForbidden}[code]
	got, answer := r.n.call(t, http.MethodPost, "/api/v1/declarations", map[string][]byte{"envelope": envelope, "body": body})
	var said struct{ Message string }
	if err := json.Unmarshal(answer, &said); err != nil || got != want || !strings.Contains(said.Message, words) {
		t.Errorf("%s over REST: %d %s, want %d with %q", name, got, answer, want, words)
	}
	if after := r.n.tree(r.p); after != before {
		t.Fatalf("%s: the log was size %d, root %s, and is size %d, root %s", name, before.N, before.Hash, after.N, after.Hash)
	}
}

// seal signs a payload, whatever it is, with a key that may publish.
func (r *refuser) seal(payload string) []byte {
	r.p.t.Helper()
	e, err := declaration.Sign(declaration.PayloadType, []byte(payload), r.key)
	if err != nil {
		r.p.t.Fatal(err)
	}
	return e.Format()
}

// TestRejectVectorsThroughTheNode offers every declaration that the formats refuse to a real node, signed by a key that
// may publish where the fault is not the signature. So what refuses it is what is wrong with it, which is also what the
// node must say.
func TestRejectVectorsThroughTheNode(t *testing.T) {
	p := newPlace(t)
	// The vectors' own signer may publish too, or every envelope would be refused for its key.
	const vectorKey = "96elqcgilVMP/Lb/NnPmEi0J0eDyKtaEq9ML/3Elmw8="
	n := p.start(true)
	p.noticesAt(n, 3)
	untrusting := p.refuser(n)
	body := []byte(`{"language":"nl"}`) // nobody comes to look at it

	envelopes := vectors(t, "declaration/testdata/envelopes.txtar")
	trusts := func(v rejected) bool { return slices.Contains(v.lines["key"], vectorKey) }
	for _, v := range envelopes {
		if strings.HasPrefix(v.name, "forged/") && !trusts(v) {
			untrusting.refuse(v.name, []byte(v.input), body, codes.PermissionDenied, v.why())
		}
	}
	n.stop()
	p.must(0, cityproofNode, "publisher", "add", vectorKey, "--config", p.config)
	n = p.start(true)
	r := p.refuser(n)
	r.tried = untrusting.tried
	for _, v := range envelopes {
		switch {
		case strings.HasPrefix(v.name, "reject/"):
			r.refuse(v.name, []byte(v.input), body, codes.InvalidArgument, v.why())
		case trusts(v):
			r.refuse(v.name, []byte(v.input), body, codes.PermissionDenied, v.why())
		}
	}
	for _, v := range vectors(t, "declaration/testdata/statements.txtar") {
		words := v.why()
		if strings.HasPrefix(v.name, "unknown/") {
			words = "schema " + v.lines["schema"][0]
		}
		r.refuse(v.name, r.seal(v.input), body, codes.InvalidArgument, words)
	}
	for _, v := range vectors(t, "declaration/testdata/bodies.txtar") {
		today, err := declaration.ParseDate(time.Now().UTC().Format(time.DateOnly))
		if err != nil {
			t.Fatal(err)
		}
		st := declaration.Statement{
			Log: origin, City: city, Subject: declaration.Subject{Kind: declaration.DataUse, Number: 1}, Revision: 1,
			Operation: declaration.Publish, Provenance: declaration.CityOwn, DeclaredAt: time.Now().UTC().Truncate(time.Second),
			EffectiveOn: today, BodySHA256: sha256.Sum256([]byte(v.input)), BodySize: uint32(max(1, len(v.input))),
		}
		r.refuse(v.name, r.seal(string(st.Format())), []byte(v.input), codes.InvalidArgument, v.why())
	}
	want := archives["declaration/testdata/envelopes.txtar"] + archives["declaration/testdata/statements.txtar"] + archives["declaration/testdata/bodies.txtar"]
	if r.tried != want {
		t.Errorf("%d vectors were offered, want %d", r.tried, want)
	}
	// What refuses all that still takes what is right.
	p.noticesAt(n, 1)
	tree := n.tree(p)
	n.stop()
	if tree.N != 4 {
		t.Errorf("size %d in the end, want the 4 that are right", tree.N)
	}
	p.fsckIs(tree.N, tree.Hash.String(), 4)
}
